"""Routing and clocks among all the steps, moved by the acts of people."""

from datetime import timedelta
from typing import Any

import pytest

from core.due import sweep_tenant
from core.models import Notification
from leads import acts
from leads.events import NewEvent, record_events
from leads.models import Handover
from leads.pipeline import Reason, pipeline_steps, run_pipeline
from leads.selectors import lead_json
from leadsys import settings as house
from tenancy.models import Membership, Role
from tests.builders import make_lead, make_member
from tests.conftest import NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _whole_pipeline(_routing_alone: None, settings: Any) -> None:
    settings.LEAD_PIPELINE = house.LEAD_PIPELINE
    pipeline_steps.cache_clear()


def clocks(lead_id: int) -> dict[str, str]:
    return {clock["kind"]: clock["state"] for clock in lead_json(lead_id=lead_id)["clocks"]}


def owner(lead_id: int) -> str | None:
    holder = lead_json(lead_id=lead_id)["owner"]
    return holder["name"] if holder else None


def test_from_the_form_to_marketings_decision(in_tenant: Any, tenant: Any) -> None:
    sdr, rep = make_member(name="Ana"), make_member(name="Sol", role=Role.SALES)
    manager: Membership = make_member(name="Max", role=Role.MANAGER)
    lead = make_lead(is_live=False)
    asked = NewEvent("form_submitted", NOW, lead_id=lead.pk, properties={"kind": "demo"})
    record_events(events=[asked], now=NOW)
    run_pipeline(lead_ids=[lead.pk], reason=Reason("event"), now=NOW)
    assert (owner(lead.pk), clocks(lead.pk)) == ("Ana", {"asked_for_contact": "running"})

    at = NOW + 10 * MINUTE
    acts.log_attempt(lead_id=lead.pk, channel="call", outcome="reached", by=sdr, now=at)
    assert clocks(lead.pk) == {"asked_for_contact": "met"}

    at += 10 * MINUTE
    acts.hand_over(lead_id=lead.pk, by=manager, now=at, override_reason="They insist")
    assert (owner(lead.pk), clocks(lead.pk)["answer_sql"]) == ("Sol", "running")

    at += 10 * MINUTE
    acts.reject(lead_id=lead.pk, reason="marketing_decides", by=rep, now=at)
    assert clocks(lead.pk)["answer_sql"] == "met"
    assert clocks(lead.pk)["back_to_nurture"] == "running"

    acts.disqualify(lead_id=lead.pk, reason="no_fit", by=manager, now=at + 10 * MINUTE)
    assert clocks(lead.pk)["back_to_nurture"] == "met"
    assert sweep_tenant(tenant_id=tenant.pk, now=at + timedelta(days=20)) >= 0
    assert not Notification.objects.filter(kind__startswith="clock.").exists()


def test_a_rejection_whose_reason_names_a_sequence_starts_no_clock(in_tenant: Any) -> None:
    rep = make_member(name="Sol", role=Role.SALES)
    lead = make_lead(stage="sql", stage_at=NOW, standing={"owner_sales": rep})
    Handover.objects.create(lead=lead, offered_at=NOW)
    run_pipeline(lead_ids=[lead.pk], reason=Reason("event"), now=NOW)
    acts.reject(lead_id=lead.pk, reason="bad_timing", by=rep, now=NOW + MINUTE)
    assert clocks(lead.pk) == {"answer_sql": "met"}


def test_an_owner_is_told_of_a_lead_once(in_tenant: Any, tenant: Any) -> None:
    ana, bia = make_member(name="Ana"), make_member(name="Bia")
    lead = make_lead(stage="mql", stage_at=NOW)
    run_pipeline(lead_ids=[lead.pk], reason=Reason("event"), now=NOW)
    sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(days=1, hours=6))
    run_pipeline(lead_ids=[lead.pk], reason=Reason("event"), now=NOW + timedelta(days=2))
    told = Notification.objects.filter(kind__in=["lead.owned", "clock.offered.first_contact"])
    assert sorted(told.values_list("member_id", "kind")) == [
        (ana.pk, "lead.owned"),
        (bia.pk, "clock.offered.first_contact"),
    ]
