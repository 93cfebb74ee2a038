"""After rules were published all leads are gone over, wherever a worker died."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from core.due import sweep_tenant
from core.models import DueRow
from leads import pipeline, reruns
from leads.models import Decision, Lead, LeadState, Rerun, RerunLane, RuleKind, RuleVersion
from leads.reruns import LANE_KIND, RERUN_KIND, advance_lane, divide_rerun
from leads.rulebook import RerunProgress, find_rerun
from tenancy.scope import tenant_scope
from tests.builders import make_event, make_lead, make_rule, publish_rules
from tests.conftest import NOW

MODEL = {"rules": [make_rule()], "model_cap": None}
OTHER_MODEL = {"rules": [make_rule(points="7")], "model_cap": None}


@pytest.fixture(autouse=True)
def small_batches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three leads a batch, and only the steps of this test."""
    settings.LEAD_PIPELINE = ["scoring.steps.rate"]
    pipeline.pipeline_steps.cache_clear()
    monkeypatch.setattr(reruns, "BATCH_SIZE", 3)
    yield
    pipeline.pipeline_steps.cache_clear()


@pytest.fixture
def leads(in_tenant: Any) -> list[Lead]:
    """Seven leads with an event each."""
    made = [make_lead() for _ in range(7)]
    for lead in made:
        make_event(lead=lead)
    return made


def scores() -> list[int]:
    return list(LeadState.objects.order_by("lead_id").values_list("score", flat=True))


def begin(version: RuleVersion) -> list[RerunLane]:
    """The lanes of the rerun that a publication started."""
    return divide_rerun(rerun_id=Rerun.objects.get(version=version).pk, now=NOW)


def test_publishing_goes_over_all_leads_in_lanes_and_batches(leads: list[Lead], in_tenant: Any) -> None:
    version = publish_rules(kind=RuleKind.SCORING, document=MODEL)
    assert DueRow.objects.get(kind=RERUN_KIND).due_at == NOW
    one, other = begin(version)
    assert not DueRow.objects.filter(kind=RERUN_KIND).exists()
    assert set(DueRow.objects.filter(kind=LANE_KIND).values_list("subject", flat=True)) == {one.pk, other.pk}
    advance_lane(lane_id=other.pk, now=NOW)
    assert scores() == [0] * 3 + [10] * 3 + [0]
    advance_lane(lane_id=one.pk, now=NOW)
    advance_lane(lane_id=other.pk, now=NOW)
    assert scores() == [10] * 7
    assert Rerun.objects.get().finished_at is None
    advance_lane(lane_id=one.pk, now=NOW)
    rerun = Rerun.objects.get()
    assert (rerun.version, rerun.done_count, rerun.finished_at) == (version, 7, NOW)
    assert not DueRow.objects.filter(kind=LANE_KIND).exists()


def test_the_page_is_told_how_far_it_has_come(leads: list[Lead], in_tenant: Any) -> None:
    version = publish_rules(kind=RuleKind.SCORING, document=MODEL)
    assert find_rerun(version) == RerunProgress(0, 0, leads[-1].pk)
    one, other = begin(version)
    assert find_rerun(version) == RerunProgress(0, 0, 7)
    advance_lane(lane_id=other.pk, now=NOW)
    assert find_rerun(version) == RerunProgress(3, 3, 7)
    for lane in (one, other, one):
        advance_lane(lane_id=lane.pk, now=NOW)
    assert find_rerun(version) is None


def test_a_rerun_is_divided_once(leads: list[Lead], in_tenant: Any) -> None:
    version = publish_rules(kind=RuleKind.SCORING, document=MODEL)
    assert len(begin(version)) == 2
    assert begin(version) == []
    assert RerunLane.objects.count() == 2


def test_leads_that_are_made_meanwhile_are_gone_over(leads: list[Lead], in_tenant: Any) -> None:
    version = publish_rules(kind=RuleKind.SCORING, document=MODEL)
    lanes = begin(version)
    late = make_lead()
    make_event(lead=late)
    for lane in lanes * 2:
        advance_lane(lane_id=lane.pk, now=NOW)
    assert scores() == [10] * 8
    assert Rerun.objects.get().done_count == 8


def test_publishing_before_there_are_leads_ends_at_once(in_tenant: Any) -> None:
    version = publish_rules(kind=RuleKind.SCORING, document=MODEL)
    (lane,) = begin(version)
    advance_lane(lane_id=lane.pk, now=NOW)
    assert Rerun.objects.get().finished_at == NOW


def test_without_wake_ups_the_sweep_goes_on(leads: list[Lead], in_tenant: Any) -> None:
    publish_rules(kind=RuleKind.SCORING, document=MODEL)
    now = NOW
    for _ in range(3):
        sweep_tenant(tenant_id=in_tenant.pk, now=now)
        now += timedelta(minutes=1)
    assert scores() == [10] * 7
    assert Rerun.objects.get().finished_at is not None


def test_a_batch_that_dies_is_begun_again_and_no_lead_is_missed(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reruns, "LANES", 1)
    with tenant_scope(tenant.pk):
        for _ in range(7):
            make_event(lead=make_lead())
        publish_rules(kind=RuleKind.SCORING, document=MODEL)
    sweep_tenant(tenant_id=tenant.pk, now=NOW)

    class Killed(BaseException):
        pass

    def run_and_die(**arguments: Any) -> None:
        pipeline.run_pipeline(**arguments)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(reruns, "run_pipeline", run_and_die)
        with pytest.raises(Killed):
            sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(minutes=1))
    with tenant_scope(tenant.pk):
        assert (RerunLane.objects.get().done_count, scores()) == (3, [10] * 3 + [0] * 4)
    for minute in (2, 3):
        sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(minutes=minute))
    with tenant_scope(tenant.pk):
        assert scores() == [10] * 7
        assert Decision.objects.filter(kind="score").count() == 7


def test_a_later_publication_takes_the_place_of_one_under_way(leads: list[Lead], in_tenant: Any) -> None:
    first = publish_rules(kind=RuleKind.SCORING, document=MODEL)
    lane, _other = begin(first)
    advance_lane(lane_id=lane.pk, now=NOW)
    second = publish_rules(kind=RuleKind.SCORING, document=OTHER_MODEL)
    assert Rerun.objects.get(version=first).finished_at == NOW
    assert advance_lane(lane_id=lane.pk, now=NOW) is None
    for lane in begin(second) * 2:
        advance_lane(lane_id=lane.pk, now=NOW)
    assert scores() == [7] * 7
    sweep_tenant(tenant_id=in_tenant.pk, now=NOW + timedelta(minutes=1))
    assert not DueRow.objects.filter(kind=LANE_KIND).exists()


@pytest.mark.parametrize("kind", ["scoring", "grading", "gates"])
def test_rules_that_leave_results_on_leads_are_run_at_once(in_tenant: Any, kind: str) -> None:
    documents: dict[str, dict[str, Any]] = {
        "scoring": MODEL,
        "grading": {"start": "C", "criteria": []},
        "gates": {"gates": []},
    }
    publish_rules(kind=RuleKind(kind), document=documents[kind])
    assert Rerun.objects.get().version.kind == kind


def test_another_tenant_is_not_touched(leads: list[Lead], in_tenant: Any) -> None:
    publish_rules(kind=RuleKind.SCORING, document=MODEL)
    assert Rerun.objects.get().tenant_id == in_tenant.pk


def test_going_over_one_tenant_leaves_the_other_alone(tenant: Any, other_tenant: Any) -> None:
    with tenant_scope(other_tenant.pk):
        other = make_lead()
        make_event(lead=other)
    with tenant_scope(tenant.pk):
        lead = make_lead()
        make_event(lead=lead)
        publish_rules(kind=RuleKind.SCORING, document=MODEL)
    for each in (tenant, other_tenant):
        sweep_tenant(tenant_id=each.pk, now=NOW)
    with tenant_scope(tenant.pk):
        assert LeadState.objects.get(lead=lead).score == 10
    with tenant_scope(other_tenant.pk):
        assert LeadState.objects.get(lead=other).score == 0
        assert not Rerun.objects.exists()
