"""Who has a lead: assigning, claiming, and the claim that lapses."""

from datetime import timedelta

import pytest

from core.due import sweep_tenant
from core.models import DueRow
from leads import acts
from leads.acts.owning import CLAIM_LASTS, LeadClaimedMeanwhile, NotToBeClaimed, UnknownPerson
from leads.lifecycle import MoveNotAllowed
from leads.models import Decision, KeptPerson, Stage
from leads.selectors import LeadNotFound
from tenancy.models import Membership, Role, Tenant
from tenancy.rights import NotAllowed
from tests.builders import make_lead, make_member, make_team
from tests.conftest import NOW
from tests.leads.people import (
    make_manager,
    make_rep,
    make_sdr,
    make_service,
    mql_of,
    sql_of,
    standing_of,
    working_of,
)

pytestmark = pytest.mark.usefixtures("in_tenant", "acts_alone")

LAPSED = NOW + CLAIM_LASTS


def test_a_lead_is_assigned_in_the_function_that_holds_its_stage() -> None:
    manager, sdr, rep = make_manager(), make_sdr(), make_rep()
    marketing = make_member(role=Role.MARKETING)
    fresh, mql, offered = make_lead(), mql_of(None), sql_of(None)
    acts.assign(lead_id=fresh.pk, user=marketing.pk, by=manager, now=NOW)
    acts.assign(lead_id=mql.pk, user=str(sdr.pk), by=manager, now=NOW)
    acts.assign(lead_id=offered.pk, user=f"  {rep.email.upper()} ", by=manager, now=NOW)
    assert standing_of(fresh).owner_marketing == marketing
    assert standing_of(mql).owner_sdr == sdr
    assert standing_of(offered).owner_sales == rep


def test_assigning_leaves_a_decision_that_says_who_did_it() -> None:
    manager, sdr = make_manager(), make_sdr()
    lead = mql_of(make_sdr())
    acts.assign(lead_id=lead.pk, user=sdr.pk, by=manager, now=NOW)
    decision = Decision.objects.filter(lead=lead, kind="owner", topic="sdr").latest("id")
    assert decision.result == sdr.name
    assert decision.detail == {"how": "assign", "owner_id": sdr.pk, "by_id": manager.pk, "by": manager.name}


def test_a_lead_goes_to_the_new_owners_team_and_leaves_who_was_kept_by_name() -> None:
    sdr, colleague = make_sdr(), make_sdr()
    old_team, new_team = make_team(members=[colleague]), make_team(members=[sdr])
    kept = KeptPerson.objects.create(text="Carla")
    lead = mql_of(None, standing={"team_sdr": old_team, "kept_sdr": kept})
    acts.assign(lead_id=lead.pk, user=sdr.pk, by=make_manager(), now=NOW)
    state = standing_of(lead)
    assert (state.owner_sdr, state.team_sdr, state.kept_sdr) == (sdr, new_team, None)


def test_an_unknown_person_is_refused() -> None:
    lead, manager, gone = mql_of(None), make_manager(), make_sdr()
    Membership.objects.filter(pk=gone.pk).update(is_active=False)
    strangers: list[int | str] = [
        10**12,
        10**30,
        "ninguem@horizonte.test",
        "",
        gone.pk,
        make_service().pk,
        make_rep().pk,
        make_member(role=Role.VIEWER).pk,
    ]
    for user in strangers:
        with pytest.raises(UnknownPerson) as refusal:
            acts.assign(lead_id=lead.pk, user=user, by=manager, now=NOW)
        assert refusal.value.status == 422
        assert refusal.value.errors[0].field == "user"
    assert standing_of(lead).owner_sdr is None


def test_an_administrator_stands_in_for_any_function() -> None:
    admin = Membership.objects.get(roles__contains=[Role.ADMIN])
    lead = sql_of(None)
    acts.assign(lead_id=lead.pk, user=admin.email, by=admin, now=NOW)
    assert standing_of(lead).owner_sales == admin


def test_a_disqualified_lead_is_nobodys_to_assign() -> None:
    with pytest.raises(MoveNotAllowed):
        acts.assign(
            lead_id=make_lead(stage="disqualified").pk, user=make_sdr().pk, by=make_manager(), now=NOW
        )


@pytest.mark.parametrize("role", [Role.SDR, Role.SALES, Role.MARKETING, Role.VIEWER])
def test_only_managers_assign(role: Role) -> None:
    member = make_member(role=role)
    with pytest.raises(NotAllowed):
        acts.assign(lead_id=mql_of(None).pk, user=member.pk, by=member, now=NOW)


@pytest.mark.parametrize("stage", [Stage.MARKETING_QUALIFIED, Stage.WORKING])
def test_a_claim_makes_an_sdr_owner_for_thirty_minutes(stage: Stage) -> None:
    sdr, lead = make_sdr(), make_lead(stage=stage)
    assert acts.claim(lead_id=lead.pk, by=sdr, now=NOW) == LAPSED
    state = standing_of(lead)
    assert (state.owner_sdr, state.claimed_until) == (sdr, LAPSED)
    assert timedelta(minutes=30) == CLAIM_LASTS
    assert DueRow.objects.get(kind="claim.lapses", subject=lead.pk).due_at == LAPSED


def test_a_claimed_lead_is_refused_to_the_next_by_name() -> None:
    lead = mql_of(make_sdr(name="Bruno"))
    with pytest.raises(LeadClaimedMeanwhile, match="Bruno") as refusal:
        acts.claim(lead_id=lead.pk, by=make_sdr(), now=NOW)
    assert refusal.value.status == 409


def test_claiming_twice_changes_nothing() -> None:
    sdr, lead = make_sdr(), mql_of(None)
    acts.claim(lead_id=lead.pk, by=sdr, now=NOW)
    assert acts.claim(lead_id=lead.pk, by=sdr, now=NOW + timedelta(minutes=5)) == LAPSED
    assert Decision.objects.filter(lead=lead, kind="owner").count() == 1


def test_a_lead_of_another_team_is_not_claimed() -> None:
    member, stranger = make_sdr(), make_sdr()
    lead = mql_of(None, standing={"team_sdr": make_team(members=[member])})
    with pytest.raises(NotToBeClaimed):
        acts.claim(lead_id=lead.pk, by=stranger, now=NOW)
    acts.claim(lead_id=lead.pk, by=member, now=NOW)
    assert standing_of(lead).owner_sdr == member


def test_machines_and_other_roles_claim_nothing() -> None:
    lead = mql_of(None)
    with pytest.raises(NotToBeClaimed):
        acts.claim(lead_id=lead.pk, by=make_service(), now=NOW)
    with pytest.raises(NotAllowed):
        acts.claim(lead_id=lead.pk, by=make_rep(), now=NOW)
    with pytest.raises(LeadNotFound):
        acts.claim(lead_id=10**9, by=make_sdr(), now=NOW)


@pytest.mark.parametrize("stage", ["new", "sql", "opportunity", "customer", "nurture", "disqualified"])
def test_only_mqls_and_leads_in_work_are_claimed(stage: str) -> None:
    with pytest.raises(MoveNotAllowed, match="MQL, Working"):
        acts.claim(lead_id=make_lead(stage=stage).pk, by=make_sdr(), now=NOW)


def test_a_claim_without_an_act_lapses_and_the_lead_waits_again(in_tenant: Tenant) -> None:
    sdr, team = make_sdr(), make_team()
    team.members.add(sdr, through_defaults={})
    kept = KeptPerson.objects.create(text="Carla")
    lead = mql_of(None, standing={"team_sdr": team, "kept_sdr": kept})
    acts.claim(lead_id=lead.pk, by=sdr, now=NOW)
    sweep_tenant(tenant_id=in_tenant.pk, now=LAPSED - timedelta(seconds=1))
    assert standing_of(lead).owner_sdr == sdr
    sweep_tenant(tenant_id=in_tenant.pk, now=LAPSED)
    state = standing_of(lead)
    assert (state.owner_sdr, state.claimed_until, state.team_sdr, state.kept_sdr) == (None, None, team, kept)
    newest = Decision.objects.filter(lead=lead, kind="owner").latest("id")
    assert (newest.result, newest.detail["how"]) == ("", "claim_lapsed")


def test_an_act_keeps_a_claimed_lead_for_good(in_tenant: Tenant) -> None:
    sdr, lead = make_sdr(), working_of(None)
    acts.claim(lead_id=lead.pk, by=sdr, now=NOW)
    answers = {"need": {"met": True}}
    acts.assess(lead_id=lead.pk, framework="bant", answers=answers, by=sdr, now=NOW + timedelta(minutes=29))
    assert standing_of(lead).claimed_until is None
    assert not DueRow.objects.filter(kind="claim.lapses").exists()
    sweep_tenant(tenant_id=in_tenant.pk, now=LAPSED)
    assert standing_of(lead).owner_sdr == sdr


def test_assigning_ends_a_claim(in_tenant: Tenant) -> None:
    sdr, other, lead = make_sdr(), make_sdr(), mql_of(None)
    acts.claim(lead_id=lead.pk, by=sdr, now=NOW)
    acts.assign(lead_id=lead.pk, user=other.pk, by=make_manager(), now=NOW)
    sweep_tenant(tenant_id=in_tenant.pk, now=LAPSED)
    assert standing_of(lead).owner_sdr == other
