"""The one way in which a lead changes: an ordered list of steps over a batch of leads, each planned, then applied.

Steps read what is on the lead and bring about what should be there, so running them twice changes nothing, and a batch of n
gives what n batches of one give in id order at the same ``now``. They work on sets; one lead is a batch of one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import structlog
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from core.bisection import run_bisected
from core.due import DueKind, cancel, register_due_kind, schedule
from core.metrics import step_measured
from leads.models import HeldLead, Lead, Submission, SubmissionState
from leads.versions import Rulebook, open_rulebook
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id

log = structlog.get_logger(__name__)

BATCH_SIZE = 1000
RETRY_KIND = "lead.retry"
MAX_ATTEMPTS = 3
RETRY_PAUSES = (timedelta(seconds=10), timedelta(minutes=2))


@dataclass(frozen=True)
class Reason:
    """Why the pipeline runs. ``is_history``: told by a file, so nothing is promoted, routed, timed, enrolled or sent."""

    code: str
    is_history: bool = False
    actor_id: int | None = None


class ReasonCode:
    """The codes in use; steps never branch on them, logs and held leads show them."""

    CAPTURED = "captured"
    IMPORTED = "imported"
    EVENT = "event"
    ACT = "act"
    PUBLISHED = "published"
    TIME = "time"
    RETRY = "retry"


@dataclass
class Batch:
    """The leads a run is about, locked in id order, with the published rules as they stood when it began."""

    lead_ids: list[int]
    reason: Reason
    now: datetime
    tenant: Tenant
    rules: Rulebook
    step: str = field(default="")


class Step(Protocol):
    """One entry of LEAD_PIPELINE. ``plan`` is SELECT only and says what would be; ``apply`` writes it."""

    name: str
    runs_on_history: bool

    def plan(self, batch: Batch) -> Any: ...

    def apply(self, batch: Batch, plan: Any) -> None: ...


@dataclass(frozen=True)
class PipelineResult:
    """Which leads failed, with the error; the others went through."""

    failed: dict[int, str]


@lru_cache(maxsize=1)
def pipeline_steps() -> tuple[Step, ...]:
    """The steps named in settings, in order."""
    return tuple(import_string(path) for path in settings.LEAD_PIPELINE)


def run_pipeline(*, lead_ids: Iterable[int], reason: Reason, now: datetime) -> PipelineResult:
    """Run every step on these leads in the current tenant scope.

    All of a step's consequences happen for a lead, or none. A lead whose steps raise is found by bisection and tried again
    later; after three tries it is held. Its fellows go through. Raises only what is nobody's fault (a lost connection).
    """
    ids = sorted(set(lead_ids))
    failed: dict[int, str] = {}
    tenant = Tenant.objects.get(pk=require_tenant_id())
    rules = open_rulebook()
    for start in range(0, len(ids), BATCH_SIZE):
        locked = lock_leads(ids[start : start + BATCH_SIZE])
        if not locked:
            continue
        current = Batch([], reason, now, tenant, rules)

        def run(part: Sequence[int], current: Batch = current) -> None:
            current.lead_ids = list(part)
            run_steps(current)

        def fail(lead_id: int, error: Exception, current: Batch = current) -> None:
            failed[lead_id] = f"{type(error).__name__}: {error}"
            hold_lead(lead_id=lead_id, step=current.step, reason=reason, error=error, now=now)

        run_bisected(locked, run, fail)
        release_leads(lead_ids=[lead_id for lead_id in locked if lead_id not in failed])
    return PipelineResult(failed)


def run_steps(batch: Batch) -> None:
    """Plan and apply each step in order."""
    for step in pipeline_steps():
        if batch.reason.is_history and not step.runs_on_history:
            continue
        batch.step = step.name
        with step_measured(step=step.name, leads=len(batch.lead_ids)):
            step.apply(batch, step.plan(batch))


def lock_leads(lead_ids: Sequence[int]) -> list[int]:
    """Lock leads in id order, waiting for each; returns those that exist. In a statement of its own: one that waits for a
    lock reads other tables with its old snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_lead WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE",
            [list(lead_ids)],
        )
        return [lead_id for (lead_id,) in cursor.fetchall()]


def lock_free_leads(lead_ids: Sequence[int]) -> list[int]:
    """Lock those leads that nobody else holds, without waiting: how sweeps keep out of people's way."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_lead WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
            [list(lead_ids)],
        )
        return [lead_id for (lead_id,) in cursor.fetchall()]


def hold_lead(*, lead_id: int, step: str, reason: Reason, error: Exception, now: datetime) -> None:
    """Note a failure; plan another try, or after the third hold the lead for an administrator."""
    log.error("lead failed in the pipeline", lead=lead_id, step=step, exc_info=error)
    held, is_new = HeldLead.objects.get_or_create(
        lead_id=lead_id,
        defaults={
            "step": step,
            "reason": asdict(reason),
            "error": f"{type(error).__name__}: {error}"[:4000],
            "first_failed_at": now,
        },
    )
    if not is_new:
        held.attempts += 1
        held.step, held.error = step, f"{type(error).__name__}: {error}"[:4000]
    if held.attempts >= MAX_ATTEMPTS:
        held.held_at = held.held_at or now
        cancel(kind=RETRY_KIND, subjects=[lead_id])
    else:
        schedule(kind=RETRY_KIND, due={lead_id: now + RETRY_PAUSES[held.attempts - 1]})
    held.save()


def release_leads(*, lead_ids: Sequence[int]) -> None:
    """Forget earlier failures of leads that have now gone through; what brought them in is processed now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lead_id FROM leads_heldlead WHERE lead_id = ANY(%s::bigint[])", [list(lead_ids)]
        )
        released = [lead_id for (lead_id,) in cursor.fetchall()]
    if released:
        HeldLead.objects.filter(lead_id__in=released).delete()
        Submission.objects.filter(lead_id__in=released, state=SubmissionState.HELD).update(
            state=SubmissionState.PROCESSED, error=""
        )
        cancel(kind=RETRY_KIND, subjects=released)


def retry_leads(lead_ids: Sequence[int], now: datetime) -> None:
    """Run failed leads again, each group for the reason it first failed with."""
    groups: dict[Reason, list[int]] = {}
    for held in HeldLead.objects.filter(lead_id__in=lead_ids):
        groups.setdefault(Reason(**held.reason), []).append(held.lead_id)
    for reason, group in groups.items():
        run_pipeline(lead_ids=group, reason=reason, now=now)


def discard_held_lead(*, held: HeldLead) -> None:
    """Give up the failed run; the lead stays as it is and is treated like any other from the next event on."""
    cancel(kind=RETRY_KIND, subjects=[held.lead_id])
    held.delete()


def list_all_lead_ids(*, after: int = 0, limit: int = BATCH_SIZE) -> list[int]:
    """The next ids of the tenant's leads, for work that goes over all of them in batches."""
    return list(Lead.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:limit])


register_due_kind(DueKind(RETRY_KIND, act=retry_leads, lock=lock_free_leads))
