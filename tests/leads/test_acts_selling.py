"""What a sales rep does: accept, reject, win, lose."""

from typing import Any

import pytest

from leads import acts
from leads.lifecycle import MoveNotAllowed
from leads.models import Handover, HandoverAnswer, KeptPerson, MoveAct, Opportunity, RuleKind, Stage
from leads.money import InvalidAmount
from leads.ownership import NotYourLead
from leads.reasons import UnknownReason, default_reasons
from tenancy.models import Role
from tenancy.rights import NotAllowed
from tests.builders import make_lead, make_member, make_team, publish_rules
from tests.conftest import NOW
from tests.leads.people import (
    make_manager,
    make_rep,
    make_sdr,
    make_service,
    opportunity_of,
    sql_of,
    standing_of,
)

pytestmark = pytest.mark.usefixtures("in_tenant", "acts_alone")


def test_accepting_an_sql_opens_an_opportunity_of_sdr_and_rep() -> None:
    sdr, rep = make_sdr(), make_rep()
    lead = sql_of(rep, sdr=sdr)
    acts.accept(lead_id=lead.pk, by=rep, now=NOW)
    opportunity = Opportunity.objects.get(lead=lead)
    assert (opportunity.outcome, opportunity.opened_at, opportunity.currency) == ("open", NOW, "BRL")
    assert (opportunity.sdr, opportunity.sales_rep, opportunity.is_imported) == (sdr, rep, False)
    handover = Handover.objects.get(lead=lead)
    assert (handover.answer, handover.answered_at, handover.answered_by) == (
        HandoverAnswer.ACCEPTED,
        NOW,
        rep,
    )
    assert standing_of(lead).stage == Stage.OPPORTUNITY


def test_a_rep_who_accepts_an_sql_of_nobody_becomes_its_owner() -> None:
    rep = make_rep()
    lead = sql_of(None)
    acts.accept(lead_id=lead.pk, by=rep, now=NOW)
    assert standing_of(lead).owner_sales == rep
    assert Opportunity.objects.get(lead=lead).sales_rep == rep


def test_a_person_kept_by_name_stays_on_the_opportunity_while_nobody_else_owns_it() -> None:
    kept = KeptPerson.objects.create(text="Carla do CRM antigo")
    lead = sql_of(None, kept_sdr=kept)
    acts.accept(lead_id=lead.pk, by=make_service(), now=NOW)
    assert Opportunity.objects.get(lead=lead).kept_sdr == kept


def test_an_sql_offered_to_another_rep_is_out_of_hands() -> None:
    lead = sql_of(make_rep(name="Diego"))
    with pytest.raises(NotYourLead, match="Diego"):
        acts.accept(lead_id=lead.pk, by=make_rep(), now=NOW)
    assert not Opportunity.objects.exists()


def test_an_sql_of_another_team_is_out_of_hands() -> None:
    team = make_team(function="sales", members=[make_rep()])
    lead = sql_of(None, team_sales=team)
    with pytest.raises(NotYourLead):
        acts.reject(lead_id=lead.pk, reason="no_need", by=make_rep(), now=NOW)


@pytest.mark.parametrize("role", [Role.SDR, Role.MARKETING, Role.VIEWER])
def test_other_roles_neither_accept_nor_win(role: Role) -> None:
    member = make_member(role=role)
    with pytest.raises(NotAllowed):
        acts.accept(lead_id=sql_of(None).pk, by=member, now=NOW)
    with pytest.raises(NotAllowed):
        acts.win(lead_id=opportunity_of(None).pk, amount=1, by=member, now=NOW)


@pytest.mark.parametrize(
    "stage", ["new", "mql", "working", "opportunity", "customer", "nurture", "disqualified"]
)
def test_only_an_sql_is_accepted_or_rejected(stage: str) -> None:
    lead, manager = make_lead(stage=stage), make_manager()
    with pytest.raises(MoveNotAllowed, match="possible in: SQL"):
        acts.accept(lead_id=lead.pk, by=manager, now=NOW)
    with pytest.raises(MoveNotAllowed, match="possible in: SQL"):
        acts.reject(lead_id=lead.pk, reason="no_need", by=manager, now=NOW)


def test_a_rejected_sql_goes_to_nurture_with_its_reason() -> None:
    rep = make_rep()
    lead = sql_of(rep)
    acts.reject(lead_id=lead.pk, reason="no_budget", note="Só em 2027", by=rep, now=NOW)
    state = standing_of(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == (Stage.NURTURE, MoveAct.REJECT, "no_budget")
    handover = Handover.objects.get(lead=lead)
    assert (handover.answer, handover.reason, handover.answered_at) == ("rejected", "no_budget", NOW)
    assert lead.stage_changes.latest("id").note == "Só em 2027"
    assert not Opportunity.objects.exists()


def test_an_unknown_reason_is_refused_with_the_valid_ones() -> None:
    rep = make_rep()
    lead = sql_of(rep)
    with pytest.raises(UnknownReason) as refusal:
        acts.reject(lead_id=lead.pk, reason="junk", by=rep, now=NOW)
    assert refusal.value.status == 400
    assert "no_budget, no_authority, no_need, bad_timing, marketing_decides" in str(refusal.value.detail)
    assert refusal.value.errors[0].field == "reason"


def test_a_reason_may_send_a_rejected_lead_back_to_work_or_out() -> None:
    document = default_reasons()
    document["reject"] = [
        *document["reject"],
        {"key": "half_told", "label": "Half told", "target": "working"},
        {"key": "made_up", "label": "Made up", "target": "disqualified"},
    ]
    publish_rules(kind=RuleKind.REASONS, document=document)
    rep = make_rep()
    back, out = sql_of(rep, sdr=make_sdr()), sql_of(rep)
    acts.reject(lead_id=back.pk, reason="half_told", by=rep, now=NOW)
    acts.reject(lead_id=out.pk, reason="made_up", by=rep, now=NOW)
    assert (standing_of(back).stage, standing_of(out).stage) == (Stage.WORKING, Stage.DISQUALIFIED)


def test_a_won_opportunity_makes_a_customer_and_keeps_the_amount_in_minor_units() -> None:
    rep = make_rep()
    lead = opportunity_of(rep)
    acts.win(lead_id=lead.pk, amount=1234.56, currency="BRL", by=rep, now=NOW)
    opportunity = Opportunity.objects.get(lead=lead)
    assert (opportunity.outcome, opportunity.closed_at) == ("won", NOW)
    assert (opportunity.amount_minor, opportunity.currency) == (123456, "BRL")
    assert standing_of(lead).stage == Stage.CUSTOMER


@pytest.mark.parametrize(
    ("amount", "currency", "minor", "code"),
    [
        ("199.90", "USD", 19990, "USD"),
        (5000, "JPY", 5000, "JPY"),
        ("1.234", "KWD", 1234, "KWD"),
        (0, "", 0, "BRL"),
        (10, "brl", 1000, "BRL"),
    ],
)
def test_an_amount_is_kept_by_the_decimals_of_its_currency(
    amount: Any, currency: str, minor: int, code: str
) -> None:
    lead = opportunity_of(None)
    acts.win(lead_id=lead.pk, amount=amount, currency=currency, by=make_manager(), now=NOW)
    opportunity = Opportunity.objects.get(lead=lead)
    assert (opportunity.amount_minor, opportunity.currency) == (minor, code)


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [
        (None, "BRL", "amount"),
        (-1, "BRL", "amount"),
        (1.005, "BRL", "amount"),
        ("mil", "BRL", "amount"),
        ("NaN", "BRL", "amount"),
        ("Infinity", "BRL", "amount"),
        (True, "BRL", "amount"),
        (10**20, "BRL", "amount"),
        (0.5, "JPY", "amount"),
        (10, "reais", "currency"),
        (10, "XXX", "currency"),
    ],
)
def test_what_is_no_amount_of_money_wins_nothing(amount: object, currency: str, field: str) -> None:
    lead = opportunity_of(None)
    with pytest.raises(InvalidAmount) as refusal:
        acts.win(lead_id=lead.pk, amount=amount, currency=currency, by=make_manager(), now=NOW)
    assert refusal.value.errors[0].field == field
    assert Opportunity.objects.get(lead=lead).outcome == "open"
    assert standing_of(lead).stage == Stage.OPPORTUNITY


def test_a_lost_opportunity_goes_to_nurture_with_its_reason() -> None:
    rep = make_rep()
    lead = opportunity_of(rep)
    acts.lose(lead_id=lead.pk, reason="bad_timing", by=rep, now=NOW)
    opportunity = Opportunity.objects.get(lead=lead)
    assert (opportunity.outcome, opportunity.closed_at, opportunity.reason) == ("lost", NOW, "bad_timing")
    state = standing_of(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == (Stage.NURTURE, MoveAct.LOSE, "bad_timing")


def test_a_lost_opportunity_goes_out_if_its_reason_says_so() -> None:
    document = default_reasons()
    document["lose"] = [*document["lose"], {"key": "bankrupt", "label": "Bankrupt", "target": "disqualified"}]
    publish_rules(kind=RuleKind.REASONS, document=document)
    lead = opportunity_of(None)
    acts.lose(lead_id=lead.pk, reason="bankrupt", by=make_manager(), now=NOW)
    assert standing_of(lead).stage == Stage.DISQUALIFIED


@pytest.mark.parametrize("stage", ["new", "mql", "working", "sql", "customer", "nurture", "disqualified"])
def test_only_an_opportunity_is_won_or_lost(stage: str) -> None:
    lead, manager = make_lead(stage=stage), make_manager()
    with pytest.raises(MoveNotAllowed, match="possible in: Opportunity"):
        acts.win(lead_id=lead.pk, amount=1, by=manager, now=NOW)
    with pytest.raises(MoveNotAllowed, match="possible in: Opportunity"):
        acts.lose(lead_id=lead.pk, reason="no_need", by=manager, now=NOW)


def test_a_lead_that_a_file_made_an_opportunity_can_be_won() -> None:
    rep = make_rep()
    lead = make_lead(stage=Stage.OPPORTUNITY, is_live=False, standing={"owner_sales": rep})
    acts.win(lead_id=lead.pk, amount=10, by=rep, now=NOW)
    opportunity = Opportunity.objects.get(lead=lead)
    assert (opportunity.outcome, opportunity.opened_at, opportunity.sales_rep) == ("won", None, rep)
