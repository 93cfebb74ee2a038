"""Milliseconds of SQL: what the database and the way to it take, without what Python makes of the answer."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

REPEATS: Final = 15
# A whole page takes long enough for something else to come between.
PAGE_REPEATS: Final = 25


@contextmanager
def timed_queries() -> Iterator[list[float]]:
    """The milliseconds of each query executed inside, in order."""
    from django.db import connection

    spent: list[float] = []

    def timed(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append((time.perf_counter() - began) * 1000)

    with connection.execute_wrapper(timed):
        yield spent


def sql_milliseconds(call: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, int]:
    """The median over some calls of their SQL together, and how many queries one makes."""
    call()
    totals, queries = [], 0
    for _repeat in range(repeats):
        with timed_queries() as spent:
            call()
        totals.append(sum(spent))
        queries = len(spent)
    return statistics.median(totals), queries


def server_milliseconds(call: Callable[[], Any], repeats: int = PAGE_REPEATS) -> float:
    """The median of whole calls, Python included."""
    call()
    totals = []
    for _repeat in range(repeats):
        began = time.perf_counter()
        call()
        totals.append((time.perf_counter() - began) * 1000)
    return statistics.median(totals)
