"""Pages of leads in order of creation where one fact that is kept in rows of its own says which match: a tag, an own field.

These rows carry the creation of their lead, and so does the index on their values. The rows of one value stand in it in the order
of the page, which is read off. Those of a range of values do not: they are gathered, to a bound, and put in order.
"""

from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import BigIntegerField, BooleanField, DateTimeField, F

from leads.conditions.compile import rows_of_leads
from leads.conditions.language import Leaf
from leads.conditions.logic import Bind, Fragment
from leads.matching import BOUNDS, Found, LeadFilters, Rows
from tenancy.listing import COUNTED_TO

_OF_ONE_VALUE: Final = frozenset({"eq", "on", "has_any", "has_all"})


def rows_with_creation(filters: LeadFilters, *, now: datetime) -> Rows | None:
    """The rows of the leads that match, one a lead, if they carry its creation and nothing else is asked."""
    condition = filters.condition
    if not (filters.is_nothing_but_condition and filters.is_countable and isinstance(condition, Leaf)):
        return None
    if condition.fact.rows is None or not condition.fact.rows.has_creation:
        return None
    return rows_of_leads(condition, now=now)


def is_of_one_value(filters: LeadFilters) -> bool:
    """Whether the rows stand in order of creation."""
    return isinstance(filters.condition, Leaf) and filters.condition.operator.key in _OF_ONE_VALUE


def count_to(rows: Rows, *, limit: int) -> int:
    """How many they are, to one more than the limit."""
    return rows.order_by()[: limit + 1].count()


def read_newest(
    rows: Rows, *, beyond: tuple[Any, int] | None, is_descending: bool, size: int
) -> list[tuple[Any, int]]:
    """Creation and lead of rows of one value, in the direction of reading, beyond a row if one is given."""
    if beyond is not None:
        rows = rows.filter(_beyond(beyond, is_descending=is_descending))
    return list(rows.order_by(*_turned(is_descending)).values_list("created_at", "lead_id")[:size])


def gather_newest(
    rows: Rows, *, beyond: tuple[Any, int] | None, is_descending: bool, size: int
) -> tuple[Found, list[tuple[Any, int]]]:
    """How many rows there are, to a bound, and the same of all of them; nothing of more."""
    sql, given = rows.order_by().values("created_at", "lead_id").query.sql_with_params()
    turn = " DESC" if is_descending else ""
    order = f"ORDER BY created_at{turn}, lead_id{turn}"
    begins = "" if beyond is None else f"WHERE (created_at, lead_id) {'<' if is_descending else '>'} (%s, %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH bounds AS MATERIALIZED ({BOUNDS}),
            matching (created_at, lead_id) AS MATERIALIZED ({sql} LIMIT (SELECT most FROM bounds) + 1),
            counted AS MATERIALIZED (SELECT count(*) AS n, count(*) <= (SELECT most FROM bounds) AS is_all FROM matching),
            page AS (SELECT * FROM matching {begins} {order} LIMIT CASE WHEN (SELECT is_all FROM counted) THEN {size} ELSE 0 END)
            SELECT n, (SELECT most FROM bounds),
                (SELECT array_agg(created_at {order}) FROM page), (SELECT array_agg(lead_id {order}) FROM page)
            FROM counted
            """,  # noqa: S608 - only constants and what the ORM wrote
            [COUNTED_TO, *given, *(beyond or ())],
        )
        count, most, instants, lead_ids = cursor.fetchone()
    return Found(count, most, None), list(zip(instants or (), lead_ids or (), strict=True))


def _turned(is_descending: bool) -> list[str]:
    return ["-created_at", "-lead"] if is_descending else ["created_at", "lead"]


def _beyond(row: tuple[Any, int], *, is_descending: bool) -> Fragment:
    at, lead_id = Bind(row[0], DateTimeField()), Bind(row[1], BigIntegerField())
    # A comparison of rows is one range of the index; the same written with OR is not.
    template = f"(({{}}, {{}}) {'<' if is_descending else '>'} ({{}}, {{}}))"
    return Fragment(template, F("created_at"), F("lead_id"), at, lead_id, output_field=BooleanField())
