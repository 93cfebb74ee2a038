"""After rules were published: the pipeline over all leads of the tenant, batch by batch, in lanes that go on side by side.

How far each lane has come is a row, written in the transaction of each batch: a worker that dies leaves the row where the last
batch ended. A wake-up starts the next batch at once; the due row starts it when no wake-up arrives.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, Min, Sum
from django.utils import timezone

from core.due import DueKind, cancel, register_due_kind, schedule
from core.tasks import tenant_task, wake
from leads.models import Lead, Rerun, RerunLane, RuleKind, RuleVersion
from leads.pipeline import BATCH_SIZE, Reason, ReasonCode, run_pipeline
from leads.versions import on_published

RERUN_KIND: Final = "leads.rerun"
LANE_KIND: Final = "leads.rerun_lane"
# When a wake-up is lost the sweep goes on after this.
FALLBACK: Final = timedelta(seconds=15)
# So many workers may be at one rerun; each lane has one batch in the queue, so other work waits for few of them.
LANES: Final = 4
# What these say of a lead is kept on it; the other kinds are read when they are needed.
KINDS: Final = frozenset({RuleKind.SCORING, RuleKind.GRADING, RuleKind.GATES})


def start_rerun(version: RuleVersion, now: datetime) -> None:
    """Go over all leads with the rules as they are published now, if rules of this kind leave results on leads.

    One that is under way ends: the new one goes over the same leads with newer rules.
    """
    if version.kind not in KINDS:
        return
    # The due rows of its lanes are forgotten when they come due: somebody may be at them now.
    Rerun.objects.filter(finished_at__isnull=True).update(finished_at=now)
    rerun = Rerun.objects.create(version=version, started_at=now)
    schedule(kind=RERUN_KIND, due={rerun.pk: now})
    wake(continue_rerun, rerun_id=rerun.pk)


def divide_rerun(*, rerun_id: int, now: datetime) -> list[RerunLane]:
    """Make the lanes of a rerun that has none; they can be begun at once."""
    rerun: Rerun | None = (
        Rerun.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk=rerun_id, finished_at__isnull=True, lanes__isnull=True)
        .first()
    )
    if rerun is None:
        return []
    ends = Lead.objects.filter(pk__gt=rerun.position).aggregate(first=Min("pk"), last=Max("pk"))
    first, last = ends["first"] or 1, ends["last"] or 0
    count = min(LANES, max(1, (last - first + 1) // BATCH_SIZE))
    bounds = [first - 1 + (last - first + 1) * index // count for index in range(count)]
    rerun.position = bounds[0]
    rerun.save()
    lanes: list[RerunLane] = RerunLane.objects.bulk_create(
        RerunLane(rerun=rerun, position=after, last_id=last_id)
        for after, last_id in zip(bounds, [*bounds[1:], None], strict=True)
    )
    cancel(kind=RERUN_KIND, subjects=[rerun.pk])
    schedule(kind=LANE_KIND, due={lane.pk: now for lane in lanes})
    for lane in lanes:
        wake(continue_lane, lane_id=lane.pk)
    return lanes


def advance_lane(*, lane_id: int, now: datetime) -> RerunLane | None:
    """Run the next batch of a lane; None if it has ended or somebody else is at it."""
    lane: RerunLane | None = (
        RerunLane.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk=lane_id, finished_at__isnull=True, rerun__finished_at__isnull=True)
        .first()
    )
    if lane is None:
        return None
    lead_ids = _next_leads(lane)
    if lead_ids:
        run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.PUBLISHED), now=now)
        lane.position = lead_ids[-1]
        lane.done_count += len(lead_ids)
    if len(lead_ids) < BATCH_SIZE:
        lane.finished_at = now
        cancel(kind=LANE_KIND, subjects=[lane.pk])
    else:
        schedule(kind=LANE_KIND, due={lane.pk: now + FALLBACK})
        wake(continue_lane, lane_id=lane.pk)
    lane.save()
    if lane.finished_at is not None:
        _finish(lane.rerun_id, now)
    return lane


def _next_leads(lane: RerunLane) -> list[int]:
    ahead = Lead.objects.filter(pk__gt=lane.position)
    if lane.last_id is not None:
        ahead = ahead.filter(pk__lte=lane.last_id)
    return list(ahead.order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE])


def _finish(rerun_id: int, now: datetime) -> None:
    """Note the end of a rerun with its last lane. The lock lets two lanes that end at once see each other."""
    rerun = Rerun.objects.select_for_update().get(pk=rerun_id)
    if rerun.finished_at is None and not rerun.lanes.filter(finished_at__isnull=True).exists():
        rerun.finished_at = now
        rerun.done_count = rerun.lanes.aggregate(done=Sum("done_count"))["done"]
        rerun.save()


@tenant_task(name="leads.continue_rerun")
def continue_rerun(*, rerun_id: int) -> None:
    """Begin a rerun."""
    divide_rerun(rerun_id=rerun_id, now=timezone.now())


@tenant_task(name="leads.continue_lane")
def continue_lane(*, lane_id: int) -> None:
    """Run the next batch of a lane of a rerun that is under way."""
    advance_lane(lane_id=lane_id, now=timezone.now())


def _divide_due(rerun_ids: Sequence[int], now: datetime) -> None:
    for rerun_id in rerun_ids:
        divide_rerun(rerun_id=rerun_id, now=now)


def _advance_due(lane_ids: Sequence[int], now: datetime) -> None:
    for lane_id in lane_ids:
        advance_lane(lane_id=lane_id, now=now)


def _lock_lanes(lane_ids: Sequence[int]) -> list[int]:
    """Those that nobody is at; the others stay due, in case whoever is at them dies."""
    free = RerunLane.objects.select_for_update(skip_locked=True).filter(pk__in=list(lane_ids))
    return list(free.values_list("pk", flat=True))


def register_reruns() -> None:
    """Let publishing start reruns, and workers go on with them. Call it when the app is ready."""
    register_due_kind(DueKind(RERUN_KIND, act=_divide_due, batch_size=1))
    register_due_kind(DueKind(LANE_KIND, act=_advance_due, lock=_lock_lanes, batch_size=1))
    on_published(start_rerun)
