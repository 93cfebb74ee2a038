"""Milliseconds of SQL: what the database and the way to it take, without what Python makes of the answer."""

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

REPEATS: Final = 15
# A whole page takes long enough for something else to come between.
PAGE_REPEATS: Final = 25
# So many of the statements that a profile names.
DEAREST: Final = 5


@contextmanager
def timed_queries() -> Iterator[list[tuple[str, float]]]:
    """The text and milliseconds of each query executed inside, in order."""
    from django.db import connection

    spent: list[tuple[str, float]] = []

    def timed(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append((sql, (time.perf_counter() - began) * 1000))

    with connection.execute_wrapper(timed):
        yield spent


def sql_milliseconds(call: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, int]:
    """The median over some calls of their SQL together, and how many queries one makes."""
    call()
    totals, queries = [], 0
    for _repeat in range(repeats):
        with timed_queries() as spent:
            call()
        totals.append(sum(milliseconds for _sql, milliseconds in spent))
        queries = len(spent)
    return statistics.median(totals), queries


def profile_of(call: Callable[[], Any]) -> str:
    """Where the time of one call goes, in percent: its dearest statements by the tables that they write or read, and Python."""
    began = time.perf_counter()
    with timed_queries() as spent:
        call()
    whole = (time.perf_counter() - began) * 1000
    by_tables: defaultdict[str, float] = defaultdict(float)
    for sql, milliseconds in spent:
        by_tables[_tables_of(sql)] += milliseconds
    dearest = sorted(by_tables.items(), key=lambda one: -one[1])
    shares = [f"{took / whole:.0%} {tables}" for tables, took in dearest[:DEAREST]]
    others = sum(took for _tables, took in dearest[DEAREST:])
    outside = whole - sum(by_tables.values())
    return ", ".join([*shares, f"{others / whole:.0%} other statements", f"{outside / whole:.0%} Python"])


def _tables_of(sql: str) -> str:
    written = re.findall(r"(?:INSERT INTO|UPDATE|DELETE FROM) \"?(\w+)", sql)
    read = re.findall(r"FROM \"?((?:core|insights|leads|nurturing|routing|scoring|tenancy)_\w+)", sql)
    return " and ".join(dict.fromkeys(written)) if written else f"reading {read[0] if read else 'settings'}"


def server_milliseconds(call: Callable[[], Any], repeats: int = PAGE_REPEATS) -> float:
    """The median of whole calls, Python included."""
    call()
    totals = []
    for _repeat in range(repeats):
        began = time.perf_counter()
        call()
        totals.append((time.perf_counter() - began) * 1000)
    return statistics.median(totals)
