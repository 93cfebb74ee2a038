"""The list of leads: the first and the thousandth page, each order and each fast filter, under row security."""

import statistics
import time
from typing import Any

from benchmarks.place import LARGE, SIZES
from benchmarks.report import Finding

REPEATS = 7
LIMIT_MS = 10.0
QUERIES = (
    "",
    "order=-score",
    "order=score",
    "order=-grade",
    "order=name",
    "order=-created_at",
    "order=-stage_at",
    "stage=mql&order=-score",
    "stage=working&order=-created_at",
    "origin=social&order=-created_at",
    "score_min=60&order=-score",
    "grade_min=B&order=-grade",
    "q=lead 0001",
    "owner=none&stage=mql&order=-score",
)


def measure_lists(tenants: dict[str, int]) -> list[Finding]:
    """Milliseconds of SQL a page; the promise is 10 ms, so the ratio is against that."""
    findings = []
    for text in QUERIES:
        for place, pages in (("first page", 0), ("thousandth page", 1000)):
            measured = measure_page(tenants[LARGE], text, pages)
            if measured is None:
                continue
            milliseconds, queries = measured
            findings.append(
                Finding(
                    f"list {text or 'newest'}, {place}",
                    SIZES[LARGE],
                    f"{milliseconds:.1f} ms",
                    f"{LIMIT_MS:.0f} ms",
                    milliseconds / LIMIT_MS,
                    1,
                    detail=f"{queries} queries",
                )
            )
    return findings


def measure_page(tenant_id: int, text: str, pages: int) -> tuple[float, int] | None:
    """The median of SQL time for one page with its rows, and its queries; None if there is no such page."""
    from django.db import connection
    from django.http import QueryDict
    from django.utils import timezone

    from leads.listing import list_leads, read_list_query
    from leads.rows import list_lead_rows
    from tenancy.models import Membership
    from tenancy.scope import tenant_scope

    spent: list[float] = []

    def timed(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append((time.perf_counter() - began) * 1000)

    with tenant_scope(tenant_id):
        member = Membership.objects.select_related("user").filter(user__isnull=False).first()
        parameters = QueryDict(text).dict()
        now = timezone.now()
        for _page in range(pages):
            page = list_leads(query=read_list_query(parameters=parameters, member=member, size=50), now=now)
            if page.next_cursor is None:
                return None
            parameters["cursor"] = page.next_cursor
        totals, queries = [], 0
        for _repeat in range(REPEATS):
            spent.clear()
            with connection.execute_wrapper(timed):
                page = list_leads(
                    query=read_list_query(parameters=parameters, member=member, size=50), now=now
                )
                list_lead_rows(lead_ids=page.lead_ids)
            totals.append(sum(spent))
            queries = len(spent)
    return statistics.median(totals), queries
