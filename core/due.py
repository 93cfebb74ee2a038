"""What shall happen later is a row with a due time: scheduled, claimed in batches, acted on and committed in one go.

A process that dies in mid-batch rolls back, and the rows are due again. Nothing here depends on a message arriving.
"""

import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import connection, transaction

from core.bisection import is_transient, run_bisected
from core.metrics import DUE_FAILURES, DUE_ROWS
from core.models import DueRow
from tenancy.scope import TenantSuspended, require_tenant_id, tenant_scope

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 3
RETRY_PAUSES = (timedelta(seconds=10), timedelta(minutes=2))
DEADLOCK_RETRIES = 5
CLAIM_TRIES = 4

Handler = Callable[[Sequence[int], datetime], Iterable[int] | None]
Locker = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class DueKind:
    """How rows of one kind are acted on.

    ``act`` gets subjects and now, and may schedule them anew. ``lock`` locks what the subjects are about without waiting and
    returns those it got; the others stay due, so that a sweep never stands in the way of a person. With ``lanes`` a batch is
    of one lane, in which nobody else is at work: so two workers keep out of each other's way. ``goes_on`` says that most
    subjects are scheduled anew by ``act``, always for an instant after now: their rows are moved and not written again, and
    ``act`` returns those of which it is sure.
    """

    name: str
    act: Handler
    lock: Locker | None = None
    batch_size: int = 500
    lanes: int = 1
    goes_on: bool = False

    def may_have_more(self, batch: int) -> bool:
        """Whether more rows may be due when so many were."""
        return batch >= self.batch_size or (self.lanes > 1 and batch > 0)


_kinds: dict[str, DueKind] = {}


def register_due_kind(kind: DueKind) -> None:
    """Say once, when an app is ready, what acts on a kind of due rows."""
    if kind.name in _kinds:
        raise ValueError(f"Two handlers for due rows of kind {kind.name!r}.")
    _kinds[kind.name] = kind


def list_kinds_locked_by(lock: Locker) -> list[str]:
    """The names of the kinds whose subjects are locked in one manner, and so are of one sort."""
    return sorted(kind.name for kind in _kinds.values() if kind.lock is lock)


def schedule(*, kind: str, due: Mapping[int, datetime]) -> None:
    """Set when each subject is due next; an earlier plan for the same kind and subject is replaced."""
    if not due:
        return
    _kinds[kind]
    subjects = sorted(due)
    instants = ",".join(f'"{due[subject].isoformat()}"' for subject in subjects)
    with connection.cursor() as cursor:
        cursor.execute(
            _SCHEDULE,
            {
                "tenant": require_tenant_id(),
                "kind": kind,
                "subjects": _as_array(subjects),
                "due": f"{{{instants}}}",
            },
        )


# A row that is there is moved: that is half the work of an insert that finds it in its way.
_SCHEDULE: Final = """
WITH planned AS (
    SELECT subject, due_at FROM unnest(%(subjects)s::bigint[], %(due)s::timestamptz[]) AS planned (subject, due_at)
), moved AS (
    UPDATE core_duerow due SET due_at = planned.due_at, attempts = 0, error = '', held_at = NULL
    FROM planned
    WHERE due.kind = %(kind)s AND due.subject = planned.subject
        AND (due.due_at <> planned.due_at OR due.held_at IS NOT NULL)
    RETURNING due.subject
)
INSERT INTO core_duerow (tenant_id, kind, subject, due_at, attempts, error)
SELECT %(tenant)s, %(kind)s, subject, due_at, 0, '' FROM planned WHERE subject NOT IN (SELECT subject FROM moved)
ON CONFLICT (tenant_id, kind, subject) DO UPDATE
SET due_at = EXCLUDED.due_at, attempts = 0, error = '', held_at = NULL
WHERE core_duerow.due_at <> EXCLUDED.due_at OR core_duerow.held_at IS NOT NULL
"""


def _as_array(numbers: Iterable[int]) -> str:
    """Ids as PostgreSQL writes an array: a thousand places for one each would be read and planned anew each time."""
    return f"{{{','.join(map(str, numbers))}}}"


def due_row_ctes(*, planned: str) -> str:
    """CTEs for a larger statement, which bring due rows to what the CTE ``planned (kind, subject, due_at)`` says.

    A null instant forgets the row; one that stands as planned is left alone. Each kind's subjects are told once. The text has
    the places ``{tenant}`` and ``{subjects}``, the ids among which the subjects are.
    """
    return f"""differing (kind, subject, due_at) AS (
    SELECT planned.kind, planned.subject, planned.due_at
    FROM {planned} planned LEFT JOIN core_duerow due
        ON due.kind = planned.kind AND due.subject = planned.subject AND due.subject = ANY ({{subjects}})
    WHERE due.due_at IS DISTINCT FROM planned.due_at
), scheduled AS (
    INSERT INTO core_duerow (tenant_id, kind, subject, due_at, attempts, error)
    SELECT {{tenant}}, kind, subject, due_at, 0, '' FROM differing WHERE due_at IS NOT NULL
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE
    SET due_at = EXCLUDED.due_at, attempts = 0, error = '', held_at = NULL
), forgotten AS (
    DELETE FROM core_duerow due USING differing
    WHERE due.kind = differing.kind AND due.subject = differing.subject AND due.subject = ANY ({{subjects}})
      AND differing.due_at IS NULL
)"""  # noqa: S608 - names of our own


def cancel(*, kind: str, subjects: Iterable[int]) -> None:
    """Forget what was due for these subjects."""
    _forget(kind, subjects)


def _forget(kind: str, subjects: Iterable[int], due_by: datetime | None = None) -> None:
    """Delete the rows of subjects, with ``due_by`` those that are still due then."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM core_duerow WHERE kind = %s AND subject = ANY (%s::bigint[])"
            " AND (%s::timestamptz IS NULL OR (due_at <= %s::timestamptz AND held_at IS NULL))",
            [kind, _as_array(subjects), due_by, due_by],
        )


def list_due(*, kind: str, subjects: Iterable[int]) -> frozenset[int]:
    """Those of the subjects for which something of this kind is planned."""
    rows = DueRow.objects.filter(kind=kind, subject__in=subjects, held_at__isnull=True)
    return frozenset(rows.values_list("subject", flat=True))


def list_held() -> list[DueRow]:
    """The current tenant's due rows that were given up after too many failures, the oldest first."""
    return list(DueRow.objects.filter(held_at__isnull=False).order_by("held_at", "kind", "subject"))


def retry_held(*, now: datetime, kind: str = "") -> int:
    """Make the current tenant's held rows due again, of one kind or of every; returns how many."""
    held = DueRow.objects.filter(held_at__isnull=False)
    if kind:
        held = held.filter(kind=kind)
    return int(held.update(held_at=None, attempts=0, error="", due_at=now))


def sweep(*, now: datetime) -> int:
    """Act on everything that is due in every tenant; returns how many rows were acted on."""
    acted, has_more = sweep_turn(now=now)
    while has_more:
        in_turn, has_more = sweep_turn(now=now)
        acted += in_turn
    return acted


def sweep_turn(*, now: datetime) -> tuple[int, bool]:
    """Act on one batch of each kind in each tenant that has something due: one with very much to do keeps nobody waiting.

    Returns how many rows were acted on, and whether more may be due.
    """
    acted, has_more = 0, False
    for tenant_id in _tenants_with_due_rows(now):
        for kind in _kinds_due(tenant_id, now):
            batch = _sweep_batch(tenant_id, kind, now)
            acted += batch
            has_more |= kind.may_have_more(batch)
    return acted, has_more


def sweep_tenant(*, tenant_id: int, now: datetime) -> int:
    """Act on everything that is due in one tenant, kind by kind, a transaction a batch."""
    acted = 0
    # What one kind does may make another due, whichever comes first.
    while kinds := _kinds_due(tenant_id, now):
        in_turn = sum(sweep_kind(kind=kind.name, tenant_id=tenant_id, now=now) for kind in kinds)
        if not in_turn:
            break
        acted += in_turn
    return acted


def sweep_kind(*, kind: str, tenant_id: int, now: datetime) -> int:
    """Act on everything of one kind that is due in one tenant, a transaction a batch."""
    acted = 0
    while batch := _sweep_batch(tenant_id, _kinds[kind], now):
        acted += batch
        if not _kinds[kind].may_have_more(batch):
            break
    return acted


@contextmanager
def hold_sweeps(*, tenant_id: int) -> Iterator[None]:
    """Keep every other process's sweeps out of a tenant, for work that moves its own clock.

    The lock belongs to this connection: it ends with it, however it ends, and does not stop this process's own sweeps.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_sweep_lock(tenant_id)])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_sweep_lock(tenant_id)])


def _sweep_lock(tenant_id: int) -> int:
    """The key of the advisory lock under which a tenant is swept, out of the way of other locks."""
    return (0x5377 << 47) | tenant_id


def may_sweep(tenant_id: int) -> bool:
    """Whether nobody holds the sweeps of a tenant; if so, none can begin to before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [_sweep_lock(tenant_id)])
        return bool(cursor.fetchone()[0])


def _tenants_with_due_rows(now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenant_id FROM leadsys_tenants_with_due_rows(%s)", [now])
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def _kinds_due(tenant_id: int, now: datetime) -> list[DueKind]:
    """Of which kinds a tenant has something due: one look at the index a kind, so that the others cost no transaction."""
    try:
        with tenant_scope(tenant_id), connection.cursor() as cursor:
            cursor.execute(
                "SELECT kind FROM unnest(%s::text[]) WITH ORDINALITY AS known (kind, place) WHERE EXISTS ("
                "SELECT FROM core_duerow due WHERE due.kind = known.kind AND due.due_at <= %s AND due.held_at IS NULL)"
                " ORDER BY place",
                [list(_kinds), now],
            )
            return [_kinds[name] for (name,) in cursor.fetchall()]
    except TenantSuspended:  # this moment; what is due waits
        return []


class _NotLightly(Exception):
    """A batch cannot be acted on as if nothing ever failed or stood in the way; all of it is rolled back."""


def _sweep_batch(tenant_id: int, kind: DueKind, now: datetime) -> int:
    """Act on one batch, first without savepoints. They cost more than two statements each: a row that is locked in one and
    written in another keeps both in a list of its own, and its dead version is read again by every sweep until a vacuum."""
    is_careful = False
    for _attempt in range(DEADLOCK_RETRIES):
        try:
            with tenant_scope(tenant_id):
                return _claim_and_act(kind, now, is_careful=is_careful) if may_sweep(tenant_id) else 0
        except TenantSuspended:  # this moment; what is due waits
            return 0
        except _NotLightly:
            is_careful = True
        except Exception as error:
            if not is_transient(error) or connection.in_atomic_block:
                raise
            log.warning("due rows collided", kind=kind.name, error=str(error))
            connection.close_if_unusable_or_obsolete()
    return 0


def _claim_and_act(kind: DueKind, now: datetime, *, is_careful: bool) -> int:
    """Act on a batch; returns its size. Unless ``is_careful`` it raises _NotLightly for what needs savepoints."""
    claimed = _claim(kind, now, is_careful=is_careful)
    subjects = sorted(claimed)
    if not subjects:
        return 0
    if not kind.goes_on:
        _forget(kind.name, subjects)
    over = set(subjects)
    if is_careful:
        _act_by_halves(kind, claimed, now)
    else:
        try:
            over -= set(kind.act(subjects, now) or ())
        except Exception as error:
            if is_transient(error):
                raise
            raise _NotLightly from error
    if kind.goes_on and over:
        _forget(kind.name, over, due_by=now)
    DUE_ROWS.labels(kind.name).inc(len(subjects))
    return len(subjects)


def _act_by_halves(kind: DueKind, claimed: Mapping[int, int], now: datetime) -> None:
    """Act on subjects; those that raise are found by halves, and put back."""

    def failed(subject: int, error: Exception) -> None:
        _put_back(kind, subject, claimed[subject] + 1, error, now)

    run_bisected(sorted(claimed), lambda batch: kind.act(batch, now), failed)


def _claim(kind: DueKind, now: datetime, *, is_careful: bool) -> dict[int, int]:
    """Attempts by subject of rows that are due, both the rows and what they are about locked.

    The row of a subject that somebody has in hand is let go of at once: they may be about to cancel it, and would wait for us
    while we wait for the leads or pools that they hold.
    """
    if kind.lanes == 1:
        return _claim_free(kind, now, is_careful=is_careful)
    for lane in random.sample(range(kind.lanes), kind.lanes):
        if _may_enter(kind, lane) and (claimed := _claim_free(kind, now, lane, is_careful=is_careful)):
            return claimed
    return {}


def _may_enter(kind: DueKind, lane: int) -> bool:
    """Whether nobody is in a lane of this tenant; if so, it is ours to the end of this transaction."""
    mark = zlib.crc32(f"{kind.name} {lane} {require_tenant_id()}".encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [(0x5378 << 47) | mark])
        return bool(cursor.fetchone()[0])


def _claim_free(kind: DueKind, now: datetime, lane: int | None = None, *, is_careful: bool) -> dict[int, int]:
    if not is_careful:
        claimed = _lock_due(kind, now, lane, None)
        if set(_lock_subjects(kind, claimed)) != claimed.keys():
            raise _NotLightly
        return claimed
    free: Iterable[int] | None = None
    for _attempt in range(CLAIM_TRIES):
        mark = transaction.savepoint()
        claimed = _lock_due(kind, now, lane, free)
        free = set(_lock_subjects(kind, claimed))
        if free == claimed.keys():
            transaction.savepoint_commit(mark)
            return claimed
        transaction.savepoint_rollback(mark)
        if not free:
            break
    return {}


def _lock_subjects(kind: DueKind, claimed: Mapping[int, int]) -> Iterable[int]:
    """Those of the subjects that nobody else has in hand, locked if the kind locks them."""
    return kind.lock(sorted(claimed)) if kind.lock and claimed else list(claimed)


def _lock_due(kind: DueKind, now: datetime, lane: int | None, among: Iterable[int] | None) -> dict[int, int]:
    """Attempts by subject of a batch that is due, in a lane and among subjects if they are given; the rows are locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT subject, attempts FROM core_duerow
            WHERE kind = %(kind)s AND due_at <= %(now)s AND held_at IS NULL
                AND (%(lane)s::smallint IS NULL OR lane = %(lane)s::smallint)
                AND (%(among)s::bigint[] IS NULL OR subject = ANY (%(among)s::bigint[]))
            ORDER BY due_at LIMIT %(size)s FOR UPDATE SKIP LOCKED
            """,
            {
                "kind": kind.name,
                "now": now,
                "lane": lane,
                "among": None if among is None else _as_array(among),
                "size": kind.batch_size,
            },
        )
        return dict(cursor.fetchall())


def _put_back(kind: DueKind, subject: int, attempts: int, error: Exception, now: datetime) -> None:
    DUE_FAILURES.labels(kind.name).inc()
    log.error("due row failed", kind=kind.name, subject=subject, attempts=attempts, exc_info=error)
    is_held = attempts >= MAX_ATTEMPTS
    DueRow.objects.update_or_create(
        kind=kind.name,
        subject=subject,
        defaults={
            "due_at": now if is_held else now + RETRY_PAUSES[attempts - 1],
            "attempts": attempts,
            "error": f"{type(error).__name__}: {error}"[:2000],
            "held_at": now if is_held else None,
        },
    )
