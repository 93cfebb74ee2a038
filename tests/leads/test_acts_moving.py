"""Moves by hand: promote, nurture, disqualify, reopen."""

import pytest

from leads import acts
from leads.acts.opening import InvalidAct
from leads.lifecycle import MoveNotAllowed
from leads.models import Handover, MoveAct, Opportunity, Stage
from leads.ownership import NotYourLead
from leads.reasons import UnknownReason
from tenancy.models import Membership, Role
from tenancy.rights import NotAllowed
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.leads.people import (
    make_manager,
    make_rep,
    make_sdr,
    mql_of,
    opportunity_of,
    sql_of,
    standing_of,
    working_of,
)

pytestmark = pytest.mark.usefixtures("in_tenant", "acts_alone")


@pytest.mark.parametrize("stage", ["new", "nurture"])
def test_a_lead_is_promoted_by_hand_and_says_why(stage: str) -> None:
    marketing = make_member(role=Role.MARKETING)
    lead = make_lead(stage=stage)
    acts.promote(lead_id=lead.pk, reason="Conheci na feira", by=marketing, now=NOW)
    state = standing_of(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == ("mql", MoveAct.PROMOTE, "by_hand")
    change = lead.stage_changes.latest("id")
    assert (change.note, change.actor) == ("Conheci na feira", marketing)


@pytest.mark.parametrize("stage", ["mql", "working", "sql", "opportunity", "customer", "disqualified"])
def test_promoting_is_for_new_and_nurtured_leads(stage: str) -> None:
    lead = make_lead(stage=stage)
    with pytest.raises(MoveNotAllowed, match="New, Nurture"):
        acts.promote(lead_id=lead.pk, reason="Quero", by=make_manager(), now=NOW)


def test_a_move_by_hand_without_a_reason_is_refused() -> None:
    manager = make_manager()
    with pytest.raises(InvalidAct) as refusal:
        acts.promote(lead_id=make_lead().pk, reason="  ", by=manager, now=NOW)
    assert refusal.value.errors[0].field == "reason"
    with pytest.raises(InvalidAct):
        acts.reopen(lead_id=make_lead(stage="disqualified").pk, reason="", by=manager, now=NOW)


def test_a_disqualified_lead_is_taken_in_again_as_new() -> None:
    lead = make_lead(stage=Stage.DISQUALIFIED)
    acts.reopen(lead_id=lead.pk, reason="Trocou de empresa", by=make_member(role=Role.MARKETING), now=NOW)
    assert standing_of(lead).stage_act == MoveAct.REOPEN
    assert lead.stage_changes.get(act=MoveAct.REOPEN).to_stage == "new"


@pytest.mark.parametrize("stage", ["new", "mql", "working", "sql", "opportunity", "customer", "nurture"])
def test_only_a_disqualified_lead_is_reopened(stage: str) -> None:
    with pytest.raises(MoveNotAllowed, match="Disqualified"):
        acts.reopen(lead_id=make_lead(stage=stage).pk, reason="x", by=make_manager(), now=NOW)


def test_an_sdr_sends_a_lead_in_work_to_nurture() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    acts.nurture(lead_id=lead.pk, reason="no_answer", note="Cinco tentativas", by=sdr, now=NOW)
    state = standing_of(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == ("nurture", MoveAct.NURTURE, "no_answer")


def test_a_returned_sql_closes_the_offer_as_returned() -> None:
    rep = make_rep()
    lead = sql_of(rep)
    acts.nurture(lead_id=lead.pk, reason="returned", by=rep, now=NOW)
    state = standing_of(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == ("nurture", MoveAct.RETURN, "returned")
    handover = Handover.objects.get(lead=lead)
    assert (handover.answer, handover.reason, handover.answered_by) == ("returned", "returned", rep)


def test_a_returned_opportunity_is_lost() -> None:
    rep = make_rep()
    lead = opportunity_of(rep)
    acts.nurture(lead_id=lead.pk, reason="bad_timing", by=rep, now=NOW)
    assert standing_of(lead).stage_act == MoveAct.RETURN
    opportunity = Opportunity.objects.get(lead=lead)
    assert (opportunity.outcome, opportunity.reason, opportunity.closed_at) == ("lost", "bad_timing", NOW)


@pytest.mark.parametrize("stage", ["nurture", "customer", "disqualified"])
def test_a_lead_that_is_not_open_is_not_sent_to_nurture(stage: str) -> None:
    with pytest.raises(MoveNotAllowed):
        acts.nurture(lead_id=make_lead(stage=stage).pk, reason="no_answer", by=make_manager(), now=NOW)


@pytest.mark.parametrize("stage", ["new", "mql", "working", "sql", "opportunity", "nurture"])
def test_every_open_lead_can_be_disqualified(stage: str) -> None:
    lead = make_lead(stage=stage)
    acts.disqualify(lead_id=lead.pk, reason="competitor", by=make_manager(), now=NOW)
    state = standing_of(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == ("disqualified", "disqualify", "competitor")


@pytest.mark.parametrize("stage", ["customer", "disqualified"])
def test_a_customer_or_disqualified_lead_is_not_disqualified(stage: str) -> None:
    with pytest.raises(MoveNotAllowed):
        acts.disqualify(lead_id=make_lead(stage=stage).pk, reason="junk", by=make_manager(), now=NOW)


def test_disqualifying_withdraws_the_offer_and_loses_the_opportunity() -> None:
    manager = make_manager()
    offered, deal = sql_of(None), opportunity_of(None)
    acts.disqualify(lead_id=offered.pk, reason="no_fit", by=manager, now=NOW)
    acts.disqualify(lead_id=deal.pk, reason="no_fit", by=manager, now=NOW)
    assert Handover.objects.get(lead=offered).answer == "withdrawn"
    assert Opportunity.objects.get(lead=deal).outcome == "lost"


def test_unknown_reasons_are_refused_with_the_valid_ones() -> None:
    lead, manager = mql_of(make_sdr()), make_manager()
    with pytest.raises(UnknownReason, match="bad_timing, no_answer, returned, marketing_decides"):
        acts.nurture(lead_id=lead.pk, reason="no_budget", by=manager, now=NOW)
    with pytest.raises(UnknownReason, match="junk, no_fit, competitor, duplicate"):
        acts.disqualify(lead_id=lead.pk, reason="", by=manager, now=NOW)


def test_a_viewer_moves_nothing() -> None:
    viewer, lead = make_member(role=Role.VIEWER), make_lead()
    with pytest.raises(NotAllowed):
        acts.promote(lead_id=lead.pk, reason="x", by=viewer, now=NOW)
    with pytest.raises(NotAllowed):
        acts.disqualify(lead_id=lead.pk, reason="junk", by=viewer, now=NOW)


def may_disqualify(member: Membership, lead_id: int) -> bool:
    try:
        acts.disqualify(lead_id=lead_id, reason="junk", by=member, now=NOW)
    except NotYourLead:
        return False
    return True


def test_each_function_moves_the_leads_of_its_own_stages() -> None:
    sdr, rep, marketing = make_sdr(), make_rep(), make_member(role=Role.MARKETING)
    assert may_disqualify(marketing, make_lead(stage="nurture").pk)
    assert not may_disqualify(marketing, mql_of(None).pk)
    assert may_disqualify(sdr, mql_of(None).pk)
    assert not may_disqualify(sdr, sql_of(None, sdr=sdr).pk)
    assert may_disqualify(rep, sql_of(rep).pk)
    assert not may_disqualify(rep, mql_of(None).pk)


def test_an_sdr_may_promote_a_new_lead_of_nobody_and_their_own_in_nurture() -> None:
    sdr = make_sdr()
    own = make_lead(stage="nurture", standing={"owner_sdr": sdr})
    foreign = make_lead(stage="nurture", standing={"owner_sdr": make_sdr()})
    acts.promote(lead_id=make_lead().pk, reason="Ligou agora", by=sdr, now=NOW)
    acts.promote(lead_id=own.pk, reason="Voltou a falar", by=sdr, now=NOW)
    with pytest.raises(NotYourLead):
        acts.promote(lead_id=foreign.pk, reason="Quero", by=sdr, now=NOW)
