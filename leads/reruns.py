"""After rules were published: the pipeline over all leads of the tenant, batch by batch.

How far it has come is a row, written in the transaction of each batch: a worker that dies leaves the row where the last
batch ended. A wake-up starts the next batch at once; the due row starts it when no wake-up arrives.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from core.due import DueKind, cancel, register_due_kind, schedule
from core.tasks import tenant_task, wake
from leads.models import Rerun, RuleKind, RuleVersion
from leads.pipeline import BATCH_SIZE, Reason, ReasonCode, list_all_lead_ids, run_pipeline
from leads.versions import on_published

RERUN_KIND: Final = "leads.rerun"
# When a wake-up is lost the sweep goes on after this.
FALLBACK: Final = timedelta(seconds=15)
# What these say of a lead is kept on it; the other kinds are read when they are needed.
KINDS: Final = frozenset({RuleKind.SCORING, RuleKind.GRADING, RuleKind.GATES})


def start_rerun(version: RuleVersion, now: datetime) -> None:
    """Go over all leads with the rules as they are published now, if rules of this kind leave results on leads.

    One that is under way ends: the new one goes over the same leads with newer rules.
    """
    if version.kind not in KINDS:
        return
    under_way = list(Rerun.objects.select_for_update().filter(finished_at__isnull=True))
    Rerun.objects.filter(pk__in=[rerun.pk for rerun in under_way]).update(finished_at=now)
    cancel(kind=RERUN_KIND, subjects=[rerun.pk for rerun in under_way])
    rerun = Rerun.objects.create(version=version, started_at=now)
    schedule(kind=RERUN_KIND, due={rerun.pk: now})
    wake(continue_rerun, rerun_id=rerun.pk)


def advance_rerun(*, rerun_id: int, now: datetime) -> Rerun | None:
    """Run the next batch; None if it has ended or somebody else is at it."""
    rerun: Rerun | None = (
        Rerun.objects.select_for_update(skip_locked=True)
        .filter(pk=rerun_id, finished_at__isnull=True)
        .first()
    )
    if rerun is None:
        return None
    lead_ids = list_all_lead_ids(after=rerun.position, limit=BATCH_SIZE)
    if lead_ids:
        run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.PUBLISHED), now=now)
        rerun.position = lead_ids[-1]
        rerun.done_count += len(lead_ids)
    if len(lead_ids) < BATCH_SIZE:
        rerun.finished_at = now
        cancel(kind=RERUN_KIND, subjects=[rerun.pk])
    else:
        schedule(kind=RERUN_KIND, due={rerun.pk: now + FALLBACK})
        wake(continue_rerun, rerun_id=rerun.pk)
    rerun.save()
    return rerun


@tenant_task(name="leads.continue_rerun")
def continue_rerun(*, rerun_id: int) -> None:
    """Run the next batch of a rerun that is under way."""
    advance_rerun(rerun_id=rerun_id, now=timezone.now())


def _act(rerun_ids: Sequence[int], now: datetime) -> None:
    for rerun_id in rerun_ids:
        advance_rerun(rerun_id=rerun_id, now=now)


def _lock(rerun_ids: Sequence[int]) -> list[int]:
    """Those that nobody is at; the others stay due, in case whoever is at them dies."""
    free = Rerun.objects.select_for_update(skip_locked=True).filter(pk__in=list(rerun_ids))
    return list(free.values_list("pk", flat=True))


register_due_kind(DueKind(RERUN_KIND, act=_act, lock=_lock, batch_size=1))
on_published(start_rerun)
