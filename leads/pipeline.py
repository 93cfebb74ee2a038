"""The one way in which a lead changes: an ordered list of steps over a batch of leads, each planned, then applied.

Steps read what is on the lead and bring about what should be there, so running them twice changes nothing, and a batch of n
gives what n batches of one give in id order at the same ``now``. They work on sets; one lead is a batch of one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Protocol

import structlog
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from core.bisection import run_bisected
from core.due import DueKind, cancel, register_due_kind, schedule
from core.metrics import step_measured
from leads.conditions.statements import Statement
from leads.models import HeldLead, Lead, Submission, SubmissionState
from leads.standings import NewStanding, write_standings
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
    """The leads a run is about, locked in id order, with the published rules as they stood when it began.

    ``newborn``: standings of leads made in this transaction that are still to be written; who writes them empties it.
    """

    lead_ids: list[int]
    reason: Reason
    now: datetime
    tenant: Tenant
    rules: Rulebook
    step: str = field(default="")
    newborn: Sequence[NewStanding] = ()

    def write_newborn(self) -> None:
        """Write the standings of new leads, as they are before the first rating."""
        write_standings(self.newborn, now=self.now)
        self.newborn = ()


class Step(Protocol):
    """One entry of LEAD_PIPELINE. ``plan`` is SELECT only and says what would be; ``apply`` writes it.

    ``concerns`` is a condition in SQL over ``leads_leadstate state``: whether the step may have anything to do for a lead that
    stands so. Steps that have one come last and change nothing that another's condition reads; a step without is run on all.
    """

    name: str
    runs_on_history: bool
    concerns: str | None

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


def run_pipeline(
    *,
    lead_ids: Iterable[int],
    reason: Reason,
    now: datetime,
    tenant: Tenant | None = None,
    newborn: Iterable[NewStanding] = (),
) -> PipelineResult:
    """Run every step on these leads in the current tenant scope; ``tenant`` is the scope's, if the caller has it.

    ``newborn``: the standings of leads among them that were made in this transaction, told as history, and have none yet.

    All of a step's consequences happen for a lead, or none. A lead whose steps raise is found by bisection and tried again
    later; after three tries it is held. Its fellows go through. Raises only what is nobody's fault (a lost connection).
    """
    ids = sorted(set(lead_ids))
    failed: dict[int, str] = {}
    if not ids:
        return PipelineResult(failed)
    tenant = tenant or Tenant.objects.get(pk=require_tenant_id())
    rules = open_rulebook()
    standings = {each.lead_id: each for each in newborn}
    for start in range(0, len(ids), BATCH_SIZE):
        part = ids[start : start + BATCH_SIZE]
        # Nobody else sees those that were made in this transaction.
        locked, held = _lock_batch([lead_id for lead_id in part if lead_id not in standings])
        locked = sorted([*locked, *standings.keys() & part])
        if not locked:
            continue
        current = Batch([], reason, now, tenant, rules)

        def run(part: Sequence[int], current: Batch = current) -> None:
            current.lead_ids = list(part)
            current.newborn = [standings[lead_id] for lead_id in part if lead_id in standings]
            run_steps(current)
            current.write_newborn()

        def fail(lead_id: int, error: Exception, current: Batch = current) -> None:
            failed[lead_id] = f"{type(error).__name__}: {error}"
            write_standings([standings[lead_id]] if lead_id in standings else [], now=now)
            hold_lead(lead_id=lead_id, step=current.step, reason=reason, error=error, now=now)

        run_bisected(locked, run, fail)
        release_leads(lead_ids=[lead_id for lead_id in held if lead_id not in failed])
    return PipelineResult(failed)


def run_steps(batch: Batch) -> None:
    """Plan and apply each step in order; those that say which leads may concern them only on these."""
    concerned: dict[str, set[int]] | None = None
    widened: set[int] = set()
    for step in pipeline_steps():
        if batch.reason.is_history and not step.runs_on_history:
            continue
        lead_ids = batch.lead_ids
        if step.concerns is not None:
            if concerned is None:
                concerned = _list_concerned(batch)
            # What an earlier one of them writes may concern this one.
            widened |= concerned[step.name]
            lead_ids = sorted(widened)
        if lead_ids:
            batch.step = step.name
            with step_measured(step=step.name, leads=len(lead_ids)):
                part = batch if lead_ids is batch.lead_ids else replace(batch, lead_ids=lead_ids)
                step.apply(part, step.plan(part))


def _list_concerned(batch: Batch) -> dict[str, set[int]]:
    """By step, the leads that may concern it as they stand now: one statement, whatever the number of steps."""
    steps = [step for step in pipeline_steps() if step.concerns is not None]
    concerned: dict[str, set[int]] = {step.name: set() for step in steps}
    statement = _concern_statement(tuple(step.concerns or "" for step in steps))
    for lead_id, *verdicts in statement.rows(lead_ids=batch.lead_ids):
        for step, is_concerned in zip(steps, verdicts, strict=True):
            if is_concerned:
                concerned[step.name].add(lead_id)
    return concerned


@lru_cache(maxsize=1)
def _concern_statement(concerns: tuple[str, ...]) -> Statement:
    verdicts = [f"({each})" for each in concerns]
    return Statement.text(
        f"SELECT state.lead_id, {', '.join(verdicts)} FROM leads_leadstate state"  # noqa: S608 - texts of the steps
        f" WHERE state.lead_id = ANY (%(lead_ids)s::bigint[]) AND ({' OR '.join(verdicts)})"
    )


def _lock_batch(lead_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """Lock leads in id order, waiting for each; those that exist, and those of them that failed before. In a statement of its
    own: one that waits for a lock reads other tables with its old snapshot."""
    rows = _LOCK.rows(lead_ids=list(lead_ids))
    return [lead_id for lead_id, _is_held in rows], [lead_id for lead_id, is_held in rows if is_held]


_LOCK: Final = Statement.text("""
SELECT id, EXISTS (SELECT FROM leads_heldlead held WHERE held.lead_id = lead.id)
FROM leads_lead lead WHERE id = ANY (%(lead_ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE
""")


def lock_leads(lead_ids: Sequence[int]) -> list[int]:
    """Lock leads in id order, waiting for each; returns those that exist."""
    return _lock_batch(lead_ids)[0]


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
    if lead_ids:
        HeldLead.objects.filter(lead_id__in=lead_ids).delete()
        Submission.objects.filter(lead_id__in=lead_ids, state=SubmissionState.HELD).update(
            state=SubmissionState.PROCESSED, error=""
        )
        cancel(kind=RETRY_KIND, subjects=lead_ids)


def retry_leads(lead_ids: Sequence[int], now: datetime) -> None:
    """Run failed leads again, each group for the reason it first failed with."""
    groups: dict[Reason, list[int]] = {}
    for held in HeldLead.objects.filter(lead_id__in=lead_ids):
        groups.setdefault(Reason(**held.reason), []).append(held.lead_id)
    for reason, group in groups.items():
        run_pipeline(lead_ids=group, reason=reason, now=now)


def discard_held_leads(lead_ids: Sequence[int]) -> int:
    """Give up failed runs; a lead stays as it is and is treated like any other from the next event on. Returns how many."""
    cancel(kind=RETRY_KIND, subjects=lead_ids)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM leads_heldlead WHERE lead_id = ANY (%s::bigint[])", [list(lead_ids)])
        return int(cursor.rowcount)


def list_all_lead_ids(*, after: int = 0, limit: int = BATCH_SIZE) -> list[int]:
    """The next ids of the tenant's leads, for work that goes over all of them in batches."""
    return list(Lead.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:limit])


register_due_kind(DueKind(RETRY_KIND, act=retry_leads, lock=lock_free_leads))
