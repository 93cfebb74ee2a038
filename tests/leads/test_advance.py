"""Who moves to MQL: gates, nurture, those who asked for contact, imported leads."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from core.models import DueRow
from leads.models import Decision, Lead, LeadState, RuleKind, StageChange
from leads.pipeline import Batch, Reason, ReasonCode
from leads.steps import advance
from leads.versions import InvalidDocument, open_rulebook, save_draft
from tests.builders import make_event, make_lead, publish_rules
from tests.conftest import NOW

DAY = timedelta(days=1)
BRAZIL = {"fact": "country", "op": "eq", "value": "BR"}

pytestmark = pytest.mark.usefixtures("in_tenant")


def run(tenant: Any, *leads: Lead, now: datetime = NOW) -> None:
    batch = Batch([lead.pk for lead in leads], Reason(ReasonCode.EVENT), now, tenant, open_rulebook())
    advance.apply(batch, advance.plan(batch))


def standing(lead: Lead) -> LeadState:
    state: LeadState = LeadState.objects.get(lead=lead)
    return state


def publish(when: dict[str, Any], *stages: str) -> None:
    gate = {
        "id": "mql",
        "label": "MQL",
        "from": list(stages) or ["new", "nurture"],
        "to": "mql",
        "when": when,
    }
    publish_rules(kind=RuleKind.GATES, document={"gates": [gate]})


@pytest.mark.parametrize(
    ("score", "grade", "stage"), [(50, "C", "mql"), (49, "A+", "new"), (90, "C-", "new"), (90, "A", "mql")]
)
def test_a_new_lead_becomes_mql_when_score_and_grade_reach_the_gate(
    in_tenant: Any, score: int, grade: str, stage: str
) -> None:
    lead = make_lead(score=score, grade=grade)
    run(in_tenant, lead)
    assert standing(lead).stage == stage


def test_the_move_and_its_decision_tell_who_moved_it_by_what(in_tenant: Any) -> None:
    lead = make_lead(score=50, grade="B", stage_at=NOW - DAY)
    run(in_tenant, lead)
    change = StageChange.objects.filter(lead=lead).latest("id")
    assert (change.from_stage, change.to_stage, change.act, change.at) == ("new", "mql", "gate", NOW)
    assert change.seconds_in_from_stage == 24 * 60 * 60
    decision = Decision.objects.get(lead=lead, kind="gate", topic="mql")
    assert (decision.result, decision.version.number) == ("true", 1)
    assert decision.detail == {"record": [[True, 50], [True, 8]], "moved": True}


@pytest.mark.parametrize("stage", ["mql", "working", "sql", "opportunity", "customer", "disqualified"])
def test_a_gate_leaves_leads_in_other_stages_alone(in_tenant: Any, stage: str) -> None:
    lead = make_lead(stage=stage, score=90, grade="A")
    run(in_tenant, lead)
    assert standing(lead).stage == stage
    assert not Decision.objects.filter(lead=lead).exists()


@pytest.mark.parametrize(
    ("after", "stage"), [(None, "nurture"), (-DAY, "nurture"), (0 * DAY, "nurture"), (DAY, "mql")]
)
def test_from_nurture_a_lead_rises_only_by_what_it_did_since_it_came_there(
    in_tenant: Any, after: timedelta | None, stage: str
) -> None:
    came = NOW - 3 * DAY
    positive = {} if after is None else {"last_positive_at": came + after}
    lead = make_lead(stage="nurture", stage_at=came, score=90, grade="A", standing=positive)
    run(in_tenant, lead)
    assert standing(lead).stage == stage


def test_an_unknown_verdict_moves_nobody_and_is_told_as_unknown(in_tenant: Any) -> None:
    publish(BRAZIL)
    lead = make_lead()
    run(in_tenant, lead)
    assert standing(lead).stage == "new"
    assert Decision.objects.get(lead=lead, kind="gate").result == "unknown"


def test_a_verdict_is_decided_when_it_changes_and_not_again(in_tenant: Any) -> None:
    publish(BRAZIL, "nurture")
    lead = make_lead(stage="nurture", country="PT")
    for country in (None, None, "BR", "BR", "PT"):
        Lead.objects.filter(pk=lead.pk).update(country=country)
        run(in_tenant, lead)
    results = list(
        Decision.objects.filter(lead=lead, kind="gate").order_by("id").values_list("result", flat=True)
    )
    assert results == ["unknown", "true", "false"]
    assert standing(lead).stage == "nurture"


def test_a_gate_that_was_never_open_leaves_no_decision(in_tenant: Any) -> None:
    lead = make_lead(score=10)
    run(in_tenant, lead)
    assert not Decision.objects.filter(lead=lead).exists()


def test_a_lead_that_only_files_tell_of_is_not_promoted(in_tenant: Any) -> None:
    lead = make_lead(score=90, grade="A", is_live=False)
    run(in_tenant, lead)
    assert standing(lead).stage == "new"
    assert not Decision.objects.filter(lead=lead).exists()


@pytest.mark.parametrize("stage", ["new", "nurture"])
def test_who_asks_for_contact_goes_past_the_gate(in_tenant: Any, stage: str) -> None:
    lead = make_lead(stage=stage, score=0, grade="F", standing={"asked_for_contact_at": NOW})
    run(in_tenant, lead)
    state = standing(lead)
    assert (state.stage, state.stage_act, state.stage_reason) == (
        "mql",
        "asked_for_contact",
        "asked for contact",
    )
    assert state.asked_for_contact_at is None


def test_an_asking_from_before_the_lead_came_to_nurture_has_no_effect(in_tenant: Any) -> None:
    lead = make_lead(stage="nurture", stage_at=NOW, standing={"asked_for_contact_at": NOW - DAY})
    run(in_tenant, lead)
    assert (standing(lead).stage, standing(lead).asked_for_contact_at) == ("nurture", None)


@pytest.mark.parametrize("stage", ["mql", "working", "sql", "opportunity", "customer", "disqualified"])
def test_an_asking_without_effect_is_forgotten(in_tenant: Any, stage: str) -> None:
    lead = make_lead(stage=stage, standing={"asked_for_contact_at": NOW})
    run(in_tenant, lead)
    assert (standing(lead).stage, standing(lead).asked_for_contact_at) == (stage, None)


def test_who_asks_and_meets_the_gate_has_asked(in_tenant: Any) -> None:
    lead = make_lead(score=90, grade="A", standing={"asked_for_contact_at": NOW})
    run(in_tenant, lead)
    assert standing(lead).stage_act == "asked_for_contact"
    assert StageChange.objects.filter(lead=lead, to_stage="mql").count() == 1


def test_running_twice_changes_nothing(in_tenant: Any) -> None:
    leads = [
        make_lead(score=90, grade="A"),
        make_lead(score=1),
        make_lead(stage="nurture", score=90, grade="A"),
        make_lead(standing={"asked_for_contact_at": NOW}),
    ]
    run(in_tenant, *leads)
    before = [
        list(model.objects.order_by("pk").values()) for model in (LeadState, StageChange, Decision, DueRow)
    ]
    run(in_tenant, *leads)
    after = [
        list(model.objects.order_by("pk").values()) for model in (LeadState, StageChange, Decision, DueRow)
    ]
    assert before == after


def test_a_gate_that_looks_at_the_clock_opens_when_its_time_has_come(in_tenant: Any) -> None:
    publish({"fact": "last_event_at", "op": "more_than_days_ago", "value": 10})
    lead, moved = make_lead(), make_lead(stage="customer")
    for each in (lead, moved):
        make_event(lead=each, occurred_at=NOW - DAY)
    run(in_tenant, lead, moved)
    due = list(DueRow.objects.filter(kind="gate.changes").values_list("subject", "due_at"))
    assert due == [(lead.pk, NOW + 9 * DAY)]
    run(in_tenant, lead, now=NOW + 9 * DAY)
    assert standing(lead).stage == "mql"
    assert not DueRow.objects.filter(kind="gate.changes").exists()


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"from": ["mql"]}, "gates[0].from[0]"),
        ({"from": []}, "gates[0].from"),
        ({"to": "sql"}, "gates[0].to"),
        ({"when": {"fact": "owner_sdr", "op": "is_known"}}, "gates[0].when"),
        ({"id": ""}, "gates[0].id"),
        ({"extra": 1}, "gates[0].extra"),
    ],
)
def test_a_fault_of_a_gate_is_named_by_its_path(in_tenant: Any, parts: dict[str, Any], path: str) -> None:
    gate = {"id": "mql", "label": "MQL", "from": ["new"], "to": "mql", "when": BRAZIL} | parts
    with pytest.raises(InvalidDocument) as caught:
        save_draft(kind=RuleKind.GATES, document={"gates": [gate]}, by=None, now=NOW)
    assert [error.field for error in caught.value.errors] == [path]
