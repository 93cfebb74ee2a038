"""What row security costs: the same statements by a role that passes it, with the tenant as a condition on every table."""

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg

from benchmarks.place import LARGE, SIZES
from benchmarks.report import Finding

MOST: Final = 1.2
ROUNDS: Final = 15
# More of them for what takes a moment, of which another process may take a good part.
SHORT_MS: Final = 20.0
SHORT_ROUNDS: Final = 101
GLOBAL_TABLES: Final = frozenset({"tenancy_tenant", "tenancy_user"})
WRITE: Final = """
INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)
SELECT {tenant}, n, 'page_viewed', now(), now(), '{{}}' FROM generate_series({low}, {high}) n
"""


def measure_isolation(tenants: dict[str, int]) -> list[Finding]:
    """Medians of each hot path's statements, both roles in turn, each the first in every other round."""
    findings = []
    for what, statements in _hot_paths(tenants[LARGE]):
        ours, bare = _compare(statements, tenants[LARGE])
        findings.append(
            Finding(
                f"row security, {what}",
                SIZES[LARGE],
                f"{ours:.2f} ms",
                f"{bare:.2f} ms",
                ours / bare,
                MOST,
                f"{len(statements)} statements",
            )
        )
    return findings


def _hot_paths(tenant_id: int) -> Iterator[tuple[str, list[str]]]:
    """Statements of the hot paths, as the application sends them."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from core.models import DueRow
    from leads.listing import list_leads, read_list_query
    from leads.models import Event, Lead
    from leads.qualification.queue import list_queue
    from leads.rows import list_lead_rows
    from leads.selectors import lead_details
    from tenancy.models import Membership, Role
    from tenancy.scope import tenant_scope

    now = timezone.now()

    def page(**parameters: str) -> Callable[[], Any]:
        query = read_list_query(parameters=parameters, member=Membership())
        return lambda: list_lead_rows(lead_ids=list_leads(query=query, now=now).lead_ids)

    with tenant_scope(tenant_id):
        sdr = Membership.objects.filter(roles=[Role.SDR]).order_by("id").first()
        some = list(Lead.objects.order_by("pk").values_list("pk", flat=True)[500:1500])
        paths: dict[str, Callable[[], Any]] = {
            "list by score": page(order="-score"),
            "list of a stage": page(stage="mql", order="-score"),
            "queue": lambda: list_queue(member=sdr, now=now),
            "answers of the API": lambda: lead_details(lead_ids=some[:50]),
            "events of 1,000 leads": lambda: list(
                Event.objects.filter(lead__in=some).values_list("lead_id", "type", "occurred_at")
            ),
            "due rows of a sweep": lambda: list(
                DueRow.objects.filter(kind="clock.share", held_at__isnull=True)
                .order_by("due_at")
                .values_list("subject")[:500]
            ),
        }
        for what, call in paths.items():
            with CaptureQueriesContext(connection) as captured:
                call()
            yield (
                what,
                [query["sql"] for query in captured.captured_queries if "FROM" in (query["sql"] or "")],
            )
    yield "1,000 events written", [WRITE.format(tenant=tenant_id, low=some[0], high=some[-1])]


def _compare(statements: list[str], tenant_id: int) -> tuple[float, float]:
    """Milliseconds of the statements together: under row security, and past it with the tenant written out."""
    explicit = [with_tenant(statement, tenant_id) for statement in statements]
    with (
        psycopg.connect(os.environ["DATABASE_URL"]) as application,
        psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as passing,
    ):
        # Lent in the benchmarks' database only: elsewhere this role reads what its functions need, and nobody else is it.
        passing.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO leadsys_definer")
        passing.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO leadsys_definer")
        passing.commit()
        ways: dict[str, Callable[[], float]] = {
            "ours": lambda: _as_application(application, statements, tenant_id),
            "bare": lambda: _past_row_security(passing, explicit),
        }
        spent: dict[str, list[float]] = {way: [call()] for way, call in ways.items()}
        rounds = SHORT_ROUNDS if max(spent["ours"]) < SHORT_MS else ROUNDS
        for number in range(rounds):
            for way in sorted(ways, reverse=bool(number % 2)):
                spent[way].append(ways[way]())
    # The first of each has planned and fetched what the others find.
    return statistics.median(spent["ours"][1:]), statistics.median(spent["bare"][1:])


def _as_application(connection: psycopg.Connection, statements: list[str], tenant_id: int) -> float:
    connection.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(tenant_id)])
    return _milliseconds(connection, statements)


def _past_row_security(connection: psycopg.Connection, statements: list[str]) -> float:
    connection.execute("SET LOCAL ROLE leadsys_definer")
    return _milliseconds(connection, statements)


def _milliseconds(connection: psycopg.Connection, statements: list[str]) -> float:
    """All statements after one another, then undone."""
    began = time.perf_counter()
    for statement in statements:
        cursor = connection.execute(statement)
        if cursor.description:
            cursor.fetchall()
    spent = (time.perf_counter() - began) * 1000
    connection.rollback()
    return spent


def with_tenant(statement: str, tenant_id: int) -> str:
    """A statement of the ORM with the tenant as a condition on each table that it reads, as one would write it by hand."""

    def condition(table: str, alias: str) -> str:
        name = alias or f'"{table}"'
        return "" if table in GLOBAL_TABLES else f'{name}."tenant_id" = {tenant_id} AND '

    joined = re.sub(
        r'(JOIN "(\w+)"(?: (\w+))? ON \()', lambda m: m[1] + condition(m[2], m[3] or ""), statement
    )
    return re.sub(
        r'(FROM "(\w+)"(?: ((?!WHERE|INNER|LEFT)\w+))?(?:(?! FROM ).)*? WHERE )',
        lambda m: m[1] + condition(m[2], m[3] or ""),
        joined,
    )
