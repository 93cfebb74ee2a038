"""Who is told what about a lead, once."""

from typing import Any

import pytest
from django.utils.translation import override

from core.models import Notification
from core.notifications import Notice, tell, text_of
from leads.models import Decision, Lead, LeadState
from leads.pipeline import Batch, Reason, ReasonCode
from leads.steps import notify
from leads.versions import open_rulebook
from tenancy.models import Membership
from tests.builders import make_lead, make_member, make_team
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("in_tenant")


def run(tenant: Any, *leads: Lead, by: Membership | None = None) -> None:
    reason = Reason(ReasonCode.ACT, actor_id=by.pk if by else None)
    batch = Batch([lead.pk for lead in leads], reason, NOW, tenant, open_rulebook())
    notify.apply(batch, notify.plan(batch))


def told() -> list[tuple[str, str]]:
    """Who was told what, in English."""
    with override("en"):
        rows = Notification.objects.select_related("member").order_by("id")
        return [(row.member.name, text_of(row)) for row in rows]


def test_a_new_owner_is_told_once(in_tenant: Any) -> None:
    bruno = make_member(name="Bruno")
    lead = make_lead(stage="mql", name="Ana", standing={"owner_sdr": bruno})
    run(in_tenant, lead)
    run(in_tenant, lead)
    assert told() == [("Bruno", "You got a lead: Ana")]
    assert Notification.objects.get().lead_id == lead.pk


def test_who_gets_a_lead_back_is_told_again(in_tenant: Any) -> None:
    bruno, carla = make_member(name="Bruno"), make_member(name="Carla")
    lead = make_lead(stage="mql", name="Ana", standing={"owner_sdr": bruno})
    for owner in (bruno, carla, bruno):
        LeadState.objects.filter(lead=lead).update(owner_sdr=owner)
        run(in_tenant, lead)
    assert [name for name, _text in told()] == ["Bruno", "Carla", "Bruno"]


def test_the_owner_whose_function_holds_the_stage_is_told(in_tenant: Any) -> None:
    bruno, davi = make_member(name="Bruno"), make_member(role="sales", name="Davi")
    lead = make_lead(stage="working", name="Ana", standing={"owner_sdr": bruno, "owner_sales": davi})
    run(in_tenant, lead)
    LeadState.objects.filter(lead=lead).update(stage="sql")
    run(in_tenant, lead)
    assert [name for name, _text in told()] == ["Bruno", "Davi"]


def test_who_took_the_lead_needs_no_telling(in_tenant: Any) -> None:
    bruno = make_member(name="Bruno")
    lead = make_lead(stage="mql", standing={"owner_sdr": bruno})
    run(in_tenant, lead, by=bruno)
    run(in_tenant, lead)
    assert told() == []


def test_who_was_told_in_other_words_when_the_lead_became_theirs_is_not_told_again(in_tenant: Any) -> None:
    bruno = make_member(name="Bruno")
    lead = make_lead(stage="mql", name="Ana", standing={"owner_sdr": bruno})
    Decision.objects.create(lead=lead, kind="owner", topic="sdr", at=NOW, result="Bruno")
    tell(notices=[Notice(bruno.pk, "lead.returned", {"lead": "Ana", "reason": "…"}, lead.pk)], now=NOW)
    run(in_tenant, lead)
    run(in_tenant, lead)
    assert len(told()) == 1


def test_nobody_is_told_of_a_lead_that_only_files_tell_of(in_tenant: Any) -> None:
    lead = make_lead(stage="mql", is_live=False, standing={"owner_sdr": make_member()})
    run(in_tenant, lead)
    assert told() == []


@pytest.mark.parametrize(
    ("act", "text"),
    [("reject", "Sales rejected Ana: No budget"), ("return", "Sales returned Ana: No answer")],
)
def test_sdr_and_marketing_are_told_when_sales_hands_a_lead_back(in_tenant: Any, act: str, text: str) -> None:
    bruno, mara = make_member(name="Bruno"), make_member(role="marketing", name="Mara")
    make_member(role="viewer")
    reason = {"reject": "no_budget", "return": "no_answer"}[act]
    lead = make_lead(
        stage="nurture", stage_act=act, stage_reason=reason, name="Ana", standing={"owner_sdr": bruno}
    )
    run(in_tenant, lead)
    run(in_tenant, lead)
    assert told() == [("Bruno", text), ("Mara", text)]
    assert mara.pk in Notification.objects.values_list("member_id", flat=True)


def test_the_leads_own_marketer_is_told_in_place_of_all_of_them(in_tenant: Any) -> None:
    mara, nina = make_member(role="marketing", name="Mara"), make_member(role="marketing", name="Nina")
    run(in_tenant, make_lead(stage="nurture"))
    lead = make_lead(
        stage="nurture", stage_act="reject", stage_reason="no_budget", standing={"owner_marketing": nina}
    )
    run(in_tenant, lead, by=mara)
    assert [name for name, _text in told()] == ["Nina", "Nina"]


def test_without_anybody_in_marketing_the_administrator_is_told(in_tenant: Any) -> None:
    run(in_tenant, make_lead(stage="nurture", stage_act="reject", stage_reason="no_budget"))
    assert [name for name, _text in told()] == ["admin"]


def test_a_second_rejection_is_told_too(in_tenant: Any) -> None:
    lead = make_lead(stage="nurture", stage_act="reject", stage_reason="no_budget")
    run(in_tenant, lead)
    LeadState.objects.filter(lead=lead).update(stage_at=NOW)
    run(in_tenant, lead)
    assert len(told()) == 2


def test_a_team_without_people_changes_nothing(in_tenant: Any) -> None:
    make_team(name="SDR Sul")
    run(in_tenant, make_lead(stage="mql"))
    assert told() == []
