"""The pipeline as a whole: one run for any number of leads, repeatable, and a poisoned lead stops nobody else."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from core.due import sweep_tenant
from core.models import DueRow, Notification
from leads.events import NewEvent, record_events
from leads.models import Decision, HeldLead, Lead, LeadState, LeadTag, StageChange
from leads.pipeline import (
    Reason,
    ReasonCode,
    discard_held_leads,
    pipeline_steps,
    retry_leads,
    run_pipeline,
)
from leads.steps import notify
from tenancy.scope import tenant_scope
from tests.builders import make_company, make_event, make_lead
from tests.conftest import NOW
from tests.leads.pipeline_steps import poison

DAY = timedelta(days=1)
ENGINES = ["leads.steps.identify", "scoring.steps.rate", "leads.steps.advance"]
POISON = "tests.leads.pipeline_steps.poison"
REASON = Reason(ReasonCode.EVENT)


@pytest.fixture
def pipeline(settings: Any) -> Iterator[Any]:
    """Set the steps of the pipeline for one test."""

    def set_steps(*paths: str) -> None:
        settings.LEAD_PIPELINE = list(paths)
        pipeline_steps.cache_clear()

    poison.is_on, poison.calls = True, 0
    yield set_steps
    pipeline_steps.cache_clear()


def everything() -> list[Any]:
    """What a run may write."""
    models = (Lead, LeadState, StageChange, Decision, DueRow, Notification, LeadTag)
    return [list(model.objects.order_by("pk").values()) for model in models]


def make_ready(*, number: int = 0, **fields: Any) -> Lead:
    """A lead that the default pack scores: ``number`` decides what it did."""
    lead = make_lead(country="BR", company=make_company(size=100), email_kind="business", **fields)
    for index in range(number):
        make_event(lead=lead, type="webinar_attended", occurred_at=NOW - index * DAY)
        make_event(lead=lead, type="content_downloaded", occurred_at=NOW - index * DAY)
    return lead


def test_a_captured_demo_request_scores_30_grades_c_plus_and_is_mql(in_tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES)
    company = make_company(size=180)
    lead = make_lead(
        email="ana@empresa.com.br", email_kind="business", country="BR", company=company, stage_at=NOW
    )
    event = NewEvent("form_submitted", NOW, lead_id=lead.pk, properties={"kind": "demo"})
    record_events(events=[event], now=NOW)
    run_pipeline(lead_ids=[lead.pk], reason=REASON, now=NOW)
    state = LeadState.objects.get(lead=lead)
    assert (state.score, state.get_grade_display(), state.grade) == (30, "C+", 6)
    assert (state.stage, state.stage_act) == ("mql", "asked_for_contact")


def test_points_carry_a_lead_through_the_gate_in_the_same_run(in_tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES)
    lead = make_ready(number=2)
    run_pipeline(lead_ids=[lead.pk], reason=REASON, now=NOW)
    state = LeadState.objects.get(lead=lead)
    assert (state.score, state.stage, state.stage_act) == (60, "mql", "gate")


def test_history_is_scored_and_graded_and_goes_no_further(in_tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES, "leads.steps.notify")
    lead = make_ready(number=2, is_live=False)
    run_pipeline(lead_ids=[lead.pk], reason=Reason(ReasonCode.IMPORTED, is_history=True), now=NOW)
    state = LeadState.objects.get(lead=lead)
    assert (state.score, state.get_grade_display(), state.stage) == (60, "C+", "new")
    assert set(Decision.objects.values_list("kind", flat=True)) == {"score", "grade"}


def test_publishing_rules_promotes_no_imported_lead_but_its_next_live_event_does(
    in_tenant: Any, pipeline: Any
) -> None:
    pipeline(*ENGINES)
    lead = make_ready(number=2, is_live=False)
    run_pipeline(lead_ids=[lead.pk], reason=Reason(ReasonCode.PUBLISHED), now=NOW)
    assert LeadState.objects.get(lead=lead).stage == "new"
    record_events(events=[NewEvent("page_viewed", NOW, lead_id=lead.pk)], now=NOW)
    run_pipeline(lead_ids=[lead.pk], reason=REASON, now=NOW)
    assert LeadState.objects.get(lead=lead).stage == "mql"


def test_running_twice_changes_no_row(in_tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES, "leads.steps.notify")
    leads = [make_ready(number=number) for number in range(4)]
    leads += [make_ready(stage="nurture", number=3), make_ready(number=3, is_live=False)]
    ids = [lead.pk for lead in leads]
    run_pipeline(lead_ids=ids, reason=REASON, now=NOW)
    before = everything()
    run_pipeline(lead_ids=ids, reason=REASON, now=NOW)
    assert everything() == before


def test_a_batch_gives_what_its_leads_give_one_by_one(in_tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES, "leads.steps.notify")
    together = [make_ready(number=number) for number in range(4)]
    alone = [make_ready(number=number) for number in range(4)]
    run_pipeline(lead_ids=[lead.pk for lead in together], reason=REASON, now=NOW)
    for lead in alone:
        run_pipeline(lead_ids=[lead.pk], reason=REASON, now=NOW)
    assert [told_of(lead) for lead in together] == [told_of(lead) for lead in alone]


def told_of(lead: Lead) -> Any:
    columns = ("stage", "stage_at", "score", "grade", "last_positive_at", "furthest_stage")
    return (
        LeadState.objects.values_list(*columns).get(lead=lead),
        list(
            Decision.objects.filter(lead=lead).order_by("id").values_list("kind", "topic", "result", "detail")
        ),
        list(StageChange.objects.filter(lead=lead).order_by("id").values_list("to_stage", "act", "at")),
        list(DueRow.objects.filter(subject=lead.pk).order_by("kind").values_list("kind", "due_at")),
    )


def test_a_poisoned_lead_does_not_stop_its_batch_and_leaves_nothing_of_its_own_run(
    in_tenant: Any, pipeline: Any
) -> None:
    pipeline(*ENGINES, POISON)
    leads = [make_ready(number=2) for _ in range(7)]
    bad = make_ready(number=2, email="poison@x.test")
    leads += [bad, *(make_ready(number=2) for _ in range(4))]
    result = run_pipeline(lead_ids=[lead.pk for lead in leads], reason=REASON, now=NOW)
    assert result.failed == {bad.pk: "ValueError: This lead cannot be digested."}
    stages = dict(LeadState.objects.values_list("lead_id", "stage"))
    assert {stages[lead.pk] for lead in leads if lead != bad} == {"mql"}
    assert stages[bad.pk] == "new"
    assert not LeadTag.objects.filter(lead=bad).exists()
    assert not Decision.objects.filter(lead=bad).exists()


def test_a_poisoned_lead_is_held_after_three_tries(in_tenant: Any, pipeline: Any) -> None:
    pipeline(POISON)
    bad = make_lead(email="poison@x.test")
    run_pipeline(lead_ids=[bad.pk], reason=REASON, now=NOW)
    held = HeldLead.objects.get(lead=bad)
    assert (held.attempts, held.held_at, held.step) == (1, None, "poison")
    for pause in (timedelta(seconds=10), timedelta(minutes=2)):
        due = DueRow.objects.get(kind="lead.retry", subject=bad.pk)
        DueRow.objects.filter(pk=due.pk).delete()
        retry_leads([bad.pk], due.due_at)
        assert due.due_at >= NOW + pause
    held.refresh_from_db()
    assert (held.attempts, held.error) == (3, "ValueError: This lead cannot be digested.")
    assert held.held_at is not None
    assert not DueRow.objects.filter(kind="lead.retry").exists()


def test_a_held_lead_that_is_retried_goes_through_when_its_cause_is_mended(
    in_tenant: Any, pipeline: Any
) -> None:
    pipeline(*ENGINES, POISON)
    bad = make_ready(number=2, email="poison@x.test")
    for _ in range(3):
        run_pipeline(lead_ids=[bad.pk], reason=REASON, now=NOW)
    poison.is_on = False
    retry_leads([bad.pk], NOW)
    assert not HeldLead.objects.exists()
    assert LeadState.objects.get(lead=bad).stage == "mql"


def test_a_held_lead_that_is_discarded_stays_as_it_is(in_tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES, POISON)
    bad = make_ready(number=2, email="poison@x.test")
    run_pipeline(lead_ids=[bad.pk], reason=REASON, now=NOW)
    discard_held_leads([bad.pk])
    assert not HeldLead.objects.exists()
    assert not DueRow.objects.filter(kind="lead.retry").exists()
    assert LeadState.objects.get(lead=bad).stage == "new"


def test_time_alone_lowers_a_score_when_its_due_row_is_swept(tenant: Any, pipeline: Any) -> None:
    pipeline(*ENGINES)
    with tenant_scope(tenant.pk):
        lead = make_ready(number=1)
        run_pipeline(lead_ids=[lead.pk], reason=REASON, now=NOW)
        assert LeadState.objects.get(lead=lead).score == 30
        due = DueRow.objects.get(kind="score.changes", subject=lead.pk).due_at
    assert due == NOW + 60 * DAY
    assert sweep_tenant(tenant_id=tenant.pk, now=due - timedelta(seconds=1)) == 0
    sweep_tenant(tenant_id=tenant.pk, now=due)
    with tenant_scope(tenant.pk):
        assert LeadState.objects.get(lead=lead).score == 0
        assert not DueRow.objects.filter(kind="score.changes").exists()


def test_every_step_says_whether_it_runs_on_history(in_tenant: Any) -> None:
    assert notify.runs_on_history is False
    runs = {step.name: step.runs_on_history for step in pipeline_steps()}
    assert runs == {
        "identify": True,
        "rate": True,
        "advance": False,
        "assign": False,
        "enroll": False,
        "time": False,
        "notify": False,
        "announce": False,
    }


def test_the_whole_pipeline_runs_twice_and_changes_nothing_the_second_time(in_tenant: Any) -> None:
    leads = [make_ready(number=number) for number in (0, 1, 3)]
    leads.append(make_ready(stage="nurture", stage_act="reject", stage_reason="bad_timing"))
    event = NewEvent("form_submitted", NOW, lead_id=leads[0].pk, properties={"kind": "demo"})
    record_events(events=[event], now=NOW)
    ids = [lead.pk for lead in leads]
    assert run_pipeline(lead_ids=ids, reason=REASON, now=NOW).failed == {}
    before = everything()
    assert run_pipeline(lead_ids=ids, reason=REASON, now=NOW).failed == {}
    assert everything() == before
    stages = dict(LeadState.objects.values_list("lead_id", "stage"))
    assert [stages[lead_id] for lead_id in ids] == ["mql", "new", "mql", "nurture"]
