"""Pages of leads in an order of their standing: score, grade, time in the stage, creation.

Each order is an index that begins with the stage, so a stage is read off it and the whole list is a merge of eight ranges.
Leads of a stage are alike and those of two stages are not (an import is new, cold and the newest of all), so a filter is counted
and answered stage by stage: where few match, all of them are gathered by the filter's own index; where many do, the stage's range
is walked, since the next that matches is near. Where it isn't, they are gathered after all. What stands in other tables is asked
along the merge, in step.

The planner knows nothing of that: left to itself it reads an index to its end for a filter that it takes for a rare one. So the
statements say it: a LATERAL for each stage, OFFSET 0 and LIMIT as fences, and a range of an index in place of the table
(``over``), to be found first and asked after. The ORM says none of the three; what it says, filters and orders, it goes on
saying, and its finished statements are the pieces that are put together here, each with its parameters in the order of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import BigIntegerField, BooleanField, F, Field, TextField

from leads.conditions.logic import Bind, Fragment
from leads.matching import LeadFilters, Rows, most_passed
from leads.models import LeadState, Stage

# To gather so many of a stage costs less than to walk past those that don't match.
FEW: Final = 200
# What is passed in an index until gathering is the better way.
STEPS: Final = 3000
_TABLE: Final = LeadState._meta.db_table
_GIVEN_STAGE: Final = Fragment("given.stage", output_field=TextField())

# Value and lead, in the direction of reading.
Placed = list[tuple[Any, int]]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which part of an order is read: ``column`` of the standing, of this ``type``; at most ``size`` rows, beyond the row with
    this value and lead if there is one."""

    column: str
    type: "Field[Any, Any]"
    is_descending: bool
    size: int
    beyond: tuple[Any, int] | None = None

    def of(self, rows: Rows) -> Rows:
        """The rows beyond where the slice begins."""
        if self.beyond is None:
            return rows
        value, lead_id = Bind(self.beyond[0], self.type), Bind(self.beyond[1], BigIntegerField())
        # A comparison of rows is one range of the index; the same written with OR is not.
        template = f"(({{}}, {{}}) {'<' if self.is_descending else '>'} ({{}}, {{}}))"
        return rows.filter(
            Fragment(template, F(self.column), F("lead_id"), value, lead_id, output_field=BooleanField())
        )

    @property
    def order(self) -> str:
        """The ORDER BY of the slice."""
        turn = " DESC" if self.is_descending else ""
        return f'ORDER BY "{self.column}"{turn}, "lead_id"{turn}'

    def first(self, found: Placed) -> Placed:
        """As many as the slice has, in its order."""
        return sorted(found, reverse=self.is_descending)[: self.size]


def count_by_stage(filters: LeadFilters, *, now: datetime) -> dict[Stage, int]:
    """How many leads of each stage match filters of the standing alone, to one more than FEW. Stages without any are left out."""
    parts, parameters = [], []
    for stages, rows in _groups(filters, now):
        sql, given = compiled(rows.values("lead_id"))
        parts.append(
            f"SELECT given.stage, counted.n FROM unnest(%s::text[]) AS given (stage)"  # noqa: S608 - what the ORM wrote
            f" CROSS JOIN LATERAL (SELECT count(*) AS n FROM ({sql} LIMIT {FEW + 1}) found) counted"
        )
        parameters += [list(stages), *given]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), parameters)
        return {Stage(stage): count for stage, count in cursor.fetchall() if count}


def total_of(counts: dict[Stage, int], *, limit: int) -> int | None:
    """How many these are together, if that is known or beyond the limit."""
    total = sum(counts.values())
    return total if total > limit or all(count <= FEW for count in counts.values()) else None


def count_ranges(filters: LeadFilters, *, now: datetime, limit: int) -> int:
    """How many leads match filters of the standing alone, to one more than the limit: the ranges of an index are counted one
    after the other until there are enough."""
    parts, parameters = [], []
    for stages, rows in _groups(filters, now):
        sql, given = compiled(rows.values("lead_id"))
        parts.append(f"SELECT FROM unnest(%s::text[]) AS given (stage) CROSS JOIN LATERAL ({sql}) found")
        parameters += [list(stages), *given]
    ranges = " UNION ALL ".join(parts)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({ranges} LIMIT {limit + 1}) counted", parameters)  # noqa: S608
        (count,) = cursor.fetchone()
    return int(count)


def read_ranges(filters: LeadFilters, part: Slice, *, now: datetime) -> Placed:
    """Value and lead of the slice, for filters that stand in the index of its order: each stage is a range of it."""
    return _read_whole(filters, part, "walk", now)


def read_owned(filters: LeadFilters, part: Slice, *, now: datetime) -> Placed:
    """The same of the leads of one person, whose index is by stage and creation; in another order all are gathered."""
    return _read_whole(filters, part, "walk" if part.column == "created_at" else "gather", now)


def _read_whole(filters: LeadFilters, part: Slice, how: str, now: datetime) -> Placed:
    if part.beyond is not None:
        filters = filters.beyond(column=part.column, is_descending=part.is_descending, now=now)
    found = _read_stages([(stages, rows, how) for stages, rows in _groups(filters, now)], part, ())
    return part.first([(value, lead_id) for _stage, value, lead_id in found])


def read_by_stage(filters: LeadFilters, part: Slice, *, counts: dict[Stage, int], now: datetime) -> Placed:
    """The same for any filters of the standing alone; ``counts`` of ``count_by_stage``."""
    groups, columns = _groups(filters, now), filters.columns_of_standing(now=now)
    few = {stage for stage, count in counts.items() if count <= FEW}
    many = counts.keys() - few
    walked = _read_stages([(many & {*stages}, rows, "bounded") for stages, rows in groups], part, columns)
    far = {stage for stage in many if sum(stage == each for each, *_row in walked) < part.size}
    gathered = _read_stages([((few | far) & {*stages}, rows, "gather") for stages, rows in groups], part, ())
    near = [(value, lead_id) for stage, value, lead_id in walked if stage not in far]
    return part.first([*near, *((value, lead_id) for _stage, value, lead_id in gathered)])


def read_in_step(
    filters: LeadFilters, rows: Rows, part: Slice, *, columns: Sequence[str], most: int | None
) -> Placed:
    """The same where rows (of leads or standings) say what matches: they are asked of the standings of the stages in their order,
    of which these ``columns`` suffice, and of no more than ``most``."""
    branches, parameters = [], []
    for stage in filters.possible_stages:
        sql, given = compiled(_walked(part, LeadState.objects.filter(stage=stage), columns))
        branches.append(f"({sql} {part.order})")
        parameters += given
    end = "" if most is None else f" LIMIT {most}"
    merged = f"SELECT * FROM ({' UNION ALL '.join(branches)}) merged {part.order}{end}"  # noqa: S608
    is_of_standing = rows.model is LeadState
    path = part.column if is_of_standing else f"standing__{part.column}"
    key = "lead_id" if is_of_standing else "standing__lead_id"
    turn = "-" if part.is_descending else ""
    asked, given = compiled(rows.order_by(f"{turn}{path}", f"{turn}{key}").values(key, path)[: part.size])
    with connection.cursor() as cursor:
        cursor.execute(over(asked, _TABLE, merged), [*parameters, *given])
        return [(value, lead_id) for lead_id, value in cursor.fetchall()]


def compiled(rows: Rows) -> tuple[str, list[Any]]:
    """The statement of rows, in no order unless they are a slice, and its parameters."""
    sql, parameters = (rows if rows.query.is_sliced else rows.order_by()).query.sql_with_params()
    return sql, list(parameters)


def over(sql: str, table: str, rows: str) -> str:
    """A statement that asks these rows in place of the table: in its first FROM or JOIN of that name they stand in brackets, and
    the name is theirs from there on. Subqueries go on asking the table. The parameters of the rows come before its own:
    what it selects are plain columns, which have none."""
    before, named, after = f"{sql} ".partition(f' "{table}" ')
    assert before.endswith(("FROM", "JOIN"))
    return f"{before} ({rows}){named}{after}"


def _groups(filters: LeadFilters, now: datetime) -> list[tuple[set[Stage], Rows]]:
    """Stages, and the standings of the stage around that match."""
    return [
        ({*stages} & {*filters.possible_stages}, rows.filter(stage=_GIVEN_STAGE))
        for stages, rows in filters.by_function(now=now)
        if {*stages} & {*filters.possible_stages}
    ]


def _walked(part: Slice, rows: Rows, columns: Sequence[str]) -> Rows:
    return part.of(rows).values(*dict.fromkeys(["tenant_id", "lead_id", "stage", part.column, *columns]))


def _read_stages(
    groups: Sequence[tuple[set[Stage], Rows, str]], part: Slice, columns: Sequence[str]
) -> list[tuple[Stage, Any, int]]:
    """Stage, value and lead of up to a slice of each stage: off the index of the order, off no more than STEPS of it, or by what
    else says which match."""
    parts, parameters = [], []
    for stages, rows, how in groups:
        if not stages:
            continue
        sql, given = compiled(part.of(rows).values("lead_id", part.column))
        if how == "gather":
            # OFFSET 0 keeps the planner from walking the order for a filter that it takes for a common one.
            sql = f"SELECT * FROM ({sql} OFFSET 0) gathered"  # noqa: S608
        elif how == "bounded":
            range_, before = compiled(_walked(part, LeadState.objects.filter(stage=_GIVEN_STAGE), columns))
            most = most_passed(STEPS, part.size)
            sql, given = over(sql, _TABLE, f"{range_} {part.order} LIMIT {most}"), [*before, *given]
        parts.append(
            f"SELECT given.stage, found.* FROM unnest(%s::text[]) AS given (stage)"  # noqa: S608
            f" CROSS JOIN LATERAL ({sql} {part.order} LIMIT {part.size}) found"
        )
        parameters += [list(stages), *given]
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), parameters)
        return [(Stage(stage), value, lead_id) for stage, lead_id, value in cursor.fetchall()]
