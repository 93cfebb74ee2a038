"""A million running clocks: how late one is acted on, how quickly ten thousand are, what a sweep costs that finds nothing."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import psycopg

from benchmarks.place import LARGE, owner_connection
from benchmarks.report import Finding
from benchmarks.sweeper import DONE, READY
from benchmarks.workers import WORKERS, workers

AT_ONCE: Final = int(os.environ.get("LEADSYS_BENCH_CLOCKS", "10000"))
BATCH: Final = 1000
ROUNDS: Final = 9
OPEN: Final = "state IN ('running', 'broken') AND level < 100"
SINGLE: Final = 12
LATEST_MS: Final = 2000.0
IDLE_MS: Final = 2.0
IDLE_SWEEPS: Final = 300
PATIENCE_SECONDS: Final = 120


def measure_clocks(tenants: dict[str, int]) -> list[Finding]:
    """Lateness under workers as an installation runs them, the rate of a breach, and the idle sweep."""
    tenant_id = tenants[LARGE]
    running, idle = count_running(), measure_idle()
    bare, ours, due = measure_many(tenant_id)
    lateness = measure_lateness(tenant_id)
    return [
        Finding(
            "clocks, acted on after their time, latest",
            running,
            f"{max(lateness):.0f} ms",
            f"{LATEST_MS:.0f} ms",
            max(lateness) / LATEST_MS,
            1,
            detail=f"{len(lateness)} clocks one by one, median {statistics.median(lateness):.0f} ms",
        ),
        Finding(
            "clocks, deadlines that pass at once",
            due,
            f"{ours:,.0f}/s",
            f"{bare:,.0f}/s",
            bare / ours,
            3,
            detail=f"{WORKERS} workers, with decision, notification and the next share's due row; bare: UPDATE … SKIP LOCKED;"
            f" medians of {ROUNDS} rounds in turn",
        ),
        Finding(
            "clocks, a sweep that finds nothing",
            running,
            f"{idle:.2f} ms",
            f"{IDLE_MS:.0f} ms",
            idle / IDLE_MS,
            1,
            detail=f"median of {IDLE_SWEEPS}",
        ),
    ]


def count_running() -> int:
    """The running clocks of all tenants."""
    from routing.models import Clock, ClockState
    from tenancy.models import Tenant
    from tenancy.scope import tenant_scope

    count = 0
    for tenant_id in list(Tenant.objects.values_list("pk", flat=True)):
        with tenant_scope(tenant_id):
            count += Clock.objects.filter(state=ClockState.RUNNING).count()
    return count


def measure_idle() -> float:
    """The median of a sweep's milliseconds at an instant before anything is due."""
    from core.due import sweep
    from core.models import DueRow
    from tenancy.models import Tenant
    from tenancy.scope import tenant_scope

    earliest = []
    for tenant_id in list(Tenant.objects.values_list("pk", flat=True)):
        with tenant_scope(tenant_id):
            due = (
                DueRow.objects.filter(held_at__isnull=True)
                .order_by("due_at")
                .values_list("due_at", flat=True)
            )
            earliest += list(due[:1])
    now = min(earliest) - timedelta(seconds=1)
    spent = []
    for _time in range(IDLE_SWEEPS):
        began = time.perf_counter()
        found = sweep(now=now)
        spent.append((time.perf_counter() - began) * 1000)
        if found:
            raise RuntimeError("Something was due before the earliest due row.")
    return statistics.median(spent)


def measure_many(tenant_id: int) -> tuple[float, float, int]:
    """Clocks a second whose deadline has passed: by the bare statement, by two sweeping processes, and how many there were.

    Both in turn, each first in every other round, with connections and processes that have done the same before, as a worker
    has: medians of the rounds after the first.
    """
    from django.utils import timezone

    from core.due import sweep_tenant

    sweep_tenant(tenant_id=tenant_id, now=timezone.now())  # whatever else was due is out of the way
    bare, ours = [], []
    with owner_connection() as owner, sweepers(tenant_id) as processes:
        copy_clocks(owner, tenant_id)
        for number in range(ROUNDS + 1):
            now = timezone.now()
            clock_ids = let_deadlines_pass(tenant_id, count=AT_ONCE, at=now)
            copy_deadlines(owner, clock_ids)
            rates = {
                "bare": lambda now=now, ids=clock_ids: rate_of_bare(owner, tenant_id, len(ids), now),
                "ours": lambda now=now, ids=clock_ids: rate_of_sweeping(processes, ids, tenant_id, now),
            }
            found = {name: rates[name]() for name in sorted(rates, reverse=bool(number % 2))}
            if number:
                bare.append(found["bare"])
                ours.append(found["ours"])
        owner.execute("DROP TABLE bench_clock")
    return statistics.median(bare), statistics.median(ours), AT_ONCE


@contextmanager
def sweepers(tenant_id: int) -> Iterator[list["subprocess.Popen[str]"]]:
    """As many processes that sweep the tenant when they are told to as an installation has workers, ready."""
    command = [sys.executable, "-m", "benchmarks.sweeper", str(tenant_id)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _number in range(WORKERS)
    ]
    try:
        await_word(processes, READY)
        yield processes
    finally:
        for process in processes:
            process.communicate(timeout=PATIENCE_SECONDS)


def rate_of_sweeping(
    processes: list["subprocess.Popen[str]"], clock_ids: list[int], tenant_id: int, now: datetime
) -> float:
    """Clocks a second of the processes together. Raises RuntimeError if they left one."""
    from routing.models import Clock
    from tenancy.scope import tenant_scope

    began = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{now.isoformat()}\n")
        process.stdin.flush()
    await_word(processes, DONE)
    seconds = time.perf_counter() - began
    with tenant_scope(tenant_id):
        broken = Clock.objects.filter(
            pk__in=clock_ids, state="broken", level=100, broken_at__isnull=False
        ).count()
    if broken != len(clock_ids):
        raise RuntimeError(f"Of {len(clock_ids)} clocks {broken} were broken.")
    return len(clock_ids) / seconds


def await_word(processes: list["subprocess.Popen[str]"], word: str) -> None:
    """Read a line of each process, which is to be this word."""
    for process in processes:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"A sweeping process said {said!r} instead of {word!r}.")


def let_deadlines_pass(tenant_id: int, *, count: int, at: datetime) -> list[int]:
    """Move running clocks into the past as if they had been warned twice and were due at ``at``; returns their ids."""
    from django.db import connection

    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH chosen AS (
                SELECT id FROM routing_clock WHERE state = 'running' AND level = 0 ORDER BY id LIMIT %(count)s
            ), moved AS (
                UPDATE routing_clock clock
                SET started_at = clock.started_at - (clock.due_at - %(at)s), due_at = %(at)s, level = 80, next_share = 100
                FROM chosen WHERE clock.id = chosen.id RETURNING clock.id
            )
            UPDATE core_duerow due SET due_at = %(at)s
            FROM moved WHERE due.kind = 'clock.share' AND due.subject = moved.id RETURNING due.subject
            """,
            {"count": count, "at": at},
        )
        moved = [subject for (subject,) in cursor.fetchall()]
    if len(moved) < count:
        raise SystemExit("Earlier runs have used up the clocks that nothing has passed of: run with --fresh.")
    return moved


def copy_clocks(owner: psycopg.Connection, tenant_id: int) -> None:
    """A copy of the table with its indexes, for the bare statement."""
    owner.execute("SELECT set_config('leadsys.tenant_id', %s, false)", [str(tenant_id)])
    owner.execute("DROP TABLE IF EXISTS bench_clock")
    owner.execute("CREATE TABLE bench_clock (LIKE routing_clock INCLUDING ALL)")
    # The copy has no due rows: it finds what is due by an index of its own.
    owner.execute(f"CREATE INDEX ON bench_clock (tenant_id, due_at, id) WHERE {OPEN}")
    owner.execute("INSERT INTO bench_clock SELECT * FROM routing_clock")
    owner.execute("VACUUM (ANALYZE) bench_clock")


def copy_deadlines(owner: psycopg.Connection, clock_ids: list[int]) -> None:
    """Let the same deadlines pass in the copy."""
    owner.execute(
        """
        UPDATE bench_clock copied
        SET started_at = clock.started_at, due_at = clock.due_at, level = clock.level, next_share = clock.next_share
        FROM routing_clock clock WHERE clock.id = copied.id AND clock.id = ANY (%s)
        """,
        [clock_ids],
    )


def rate_of_bare(owner: psycopg.Connection, tenant_id: int, count: int, now: datetime) -> float:
    """Clocks a second of the bare statement on the copy, a transaction a batch. Raises RuntimeError if it left one."""
    statement = f"""
        UPDATE bench_clock SET state = 'broken', broken_at = due_at, level = 100
        WHERE id IN (
            SELECT id FROM bench_clock WHERE tenant_id = %s AND {OPEN} AND due_at <= %s
            ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
        )
    """
    done, began = 0, time.perf_counter()
    while batch := owner.execute(statement, [tenant_id, now, BATCH]).rowcount:
        done += batch
    seconds = time.perf_counter() - began
    if done < count:
        raise RuntimeError(f"The bare statement found {done} clocks of {count}.")
    return done / seconds


def measure_lateness(tenant_id: int) -> list[float]:
    """Milliseconds from each clock's time to the commit of what was done about it, one clock after the other."""
    from django.utils import timezone

    from routing.models import Clock
    from tenancy.scope import tenant_scope

    lateness = []
    with workers():
        for number in range(SINGLE):
            # Not in step with beat's second.
            due_at = timezone.now() + timedelta(seconds=1.3 + number * 0.07)
            (clock_id,) = let_deadlines_pass(tenant_id, count=1, at=due_at)
            while True:
                time.sleep(0.02)
                with tenant_scope(tenant_id):
                    if Clock.objects.filter(pk=clock_id, state="broken").exists():
                        break
                if timezone.now() - due_at > timedelta(seconds=PATIENCE_SECONDS):
                    raise TimeoutError("A clock was not acted on.")
            lateness.append((timezone.now() - due_at).total_seconds() * 1000)
    return lateness
