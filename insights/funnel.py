"""The funnel: how many leads reached each stage, and how long it took them. Meanings as docs/funnel.md defines them.

*cohort* follows the leads created in a period wherever they went since; *flow* counts the moves that happened in a period.
"""

import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.listing import TookTooLong, limited_to
from leads.models import FORWARD_STAGES, CustomField, CustomType, Stage
from tenancy.errors import FieldProblem, Invalid, Problem
from tenancy.models import Tenant

Mode = Literal["cohort", "flow"]
MODES: Final = ("cohort", "flow")
GROUPINGS: Final = ("origin", "campaign", "landing_page", "sdr", "sales_rep")
CUSTOM_GROUPING: Final = re.compile(r"^custom\.([a-z0-9_]+)$")
TIMED_STAGES: Final = FORWARD_STAGES[1:]
DAY_IN_MICROSECONDS: Final = Decimal(86_400_000_000)


# Somebody waits for it.
LIMIT_MS: Final = 10_000


class FunnelQuestionInvalid(Invalid):
    """The mode, the period or the grouping is not one of those offered."""


class FunnelTooSlow(Problem):
    """The period has so many leads that counting them takes longer than anybody waits."""

    status = 400
    title = gettext_lazy("Too many leads to count at once")


@dataclass(frozen=True)
class FunnelQuestion:
    """What is asked. Dates are local days of the tenant, both inclusive; None is open-ended."""

    mode: Mode = "cohort"
    first_day: date | None = None
    last_day: date | None = None
    by: str | None = None


@dataclass
class FunnelRow:
    """One group: ``reached`` and ``median_days`` by stage value; a median is None where no time is known."""

    key: str | None
    label: str
    reached: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((stage.value for stage in FORWARD_STAGES), 0)
    )
    median_days: dict[str, float | None] = field(
        default_factory=lambda: dict.fromkeys((stage.value for stage in TIMED_STAGES), None)
    )


@dataclass(frozen=True)
class Funnel:
    """The answer: rows by size, their total, and how many leads are won before they were created."""

    question: FunnelQuestion
    rows: list[FunnelRow]
    total: FunnelRow
    flagged: int


@dataclass(frozen=True)
class FunnelCell:
    """One number of a funnel: those of one group in one stage, or of all groups. A key of None is the group without value."""

    stage: Stage = Stage.NEW
    is_of_all: bool = True
    key: str | None = None


@dataclass(frozen=True)
class CellPage:
    """The leads behind a number, the newest known first: how many there are in all, one page of ids, where the next begins."""

    count: int
    lead_ids: list[int]
    next_before: int | None


def parse_question(*, mode: str, first_day: str, last_day: str, by: str) -> FunnelQuestion:
    """The question from texts as they come from a URL; empty means not given. Raises FunnelQuestionInvalid."""
    problems = []
    if mode not in MODES:
        problems.append(FieldProblem("mode", "invalid", _("Choose cohort or flow.")))
    if by and by not in GROUPINGS and not CUSTOM_GROUPING.match(by):
        offered = ", ".join([*GROUPINGS, "custom.NAME"])
        problems.append(
            FieldProblem("by", "invalid", _("Choose one of: %(offered)s.") % {"offered": offered})
        )
    days: list[date | None] = []
    for name, text in (("from", first_day), ("to", last_day)):
        try:
            days.append(date.fromisoformat(text) if text else None)
        except ValueError:
            days.append(None)
            problems.append(FieldProblem(name, "invalid", _("Write the day as YYYY-MM-DD.")))
    if days[0] and days[1] and days[0] > days[1]:
        problems.append(FieldProblem("to", "before_from", _("The last day is before the first.")))
    if problems:
        raise FunnelQuestionInvalid(_("The funnel cannot be asked like this."), errors=problems)
    return FunnelQuestion("flow" if mode == "flow" else "cohort", days[0], days[1], by or None)


def get_funnel(*, tenant: Tenant, question: FunnelQuestion) -> Funnel:
    """Count the leads of the current tenant.

    Raises FunnelQuestionInvalid for a custom field that does not exist, FunnelTooSlow.
    """
    source = _grouping(question.by)
    since, until = _instants(tenant, question)
    parameters = {"since": since, "until": until, **source.parameters}
    statement = _COHORT if question.mode == "cohort" else _FLOW
    # To look for everybody's moves in a cohort of everybody would take longer than to read them.
    of_cohort = "JOIN cohort ON cohort.id = change.lead_id" if since or until else ""
    rows: dict[str | None, FunnelRow] = {}
    total, flagged = FunnelRow(None, _("Total")), 0
    for is_total, key, label, early, reached, medians in _fetch_in_time(
        statement.format(key=source.key, label=source.label, joins=source.joins, of_cohort=of_cohort),
        parameters,
    ):
        row = (
            total
            if is_total
            else rows.setdefault(key, FunnelRow(key, label if key is not None else "(blank)"))
        )
        row.reached = {stage.value: count for stage, count in zip(FORWARD_STAGES, reached, strict=True)}
        row.median_days = {
            stage.value: days_from_microseconds(median)
            for stage, median in zip(TIMED_STAGES, medians, strict=True)
        }
        if is_total:
            flagged = early
    ordered = sorted(rows.values(), key=lambda row: (-row.reached["new"], row.key is None, row.key or ""))
    return Funnel(question, ordered if question.by else [], total, flagged)


def _fetch_in_time(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    try:
        with limited_to(LIMIT_MS), connection.cursor() as cursor:
            # Where many leads came in a moment ago the planner expects few, and would look for each one's moves among all.
            cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute(statement, parameters)
            rows = list(cursor.fetchall())
            cursor.execute("SET LOCAL enable_nestloop = on")
            return rows
    except TookTooLong as error:
        raise FunnelTooSlow(_("There are too many leads to count at once. Choose fewer days.")) from error


def list_cell(
    *, tenant: Tenant, question: FunnelQuestion, cell: FunnelCell, before: int | None, size: int
) -> CellPage:
    """The very leads that ``get_funnel`` counts in a cell, with ids below ``before``. Raises FunnelQuestionInvalid,
    FunnelTooSlow.
    """
    source = _grouping(question.by)
    since, until = _instants(tenant, question)
    parameters = {
        "since": since,
        "until": until,
        "stage": cell.stage.value,
        "ordinal": FORWARD_STAGES.index(cell.stage),
        "is_of_all": cell.is_of_all,
        "key": cell.key,
        "before": before,
        "size": size + 1,
        **source.parameters,
    }
    statement = _COHORT_CELL if question.mode == "cohort" else _FLOW_CELL
    [(count, lead_ids)] = _fetch_in_time(
        statement.format(key=source.key, label=source.label, joins=source.joins), parameters
    )
    page = lead_ids[:size]
    return CellPage(count, page, page[-1] if len(lead_ids) > size else None)


def days_from_microseconds(median: float | None) -> float | None:
    """Days with one decimal, rounded half up; the middle of two whole microseconds is exact in a float."""
    if median is None:
        return None
    return float((Decimal(median) / DAY_IN_MICROSECONDS).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _instants(tenant: Tenant, question: FunnelQuestion) -> tuple[datetime | None, datetime | None]:
    """The period as instants: from the local midnight that opens it to the one that ends it."""
    zone = zoneinfo.ZoneInfo(tenant.time_zone)
    since = datetime.combine(question.first_day, time(), zone) if question.first_day else None
    until = (
        datetime.combine(question.last_day + timedelta(days=1), time(), zone) if question.last_day else None
    )
    return since, until


@dataclass(frozen=True)
class _Grouping:
    """SQL for a group's key and label; nothing in it comes from outside but the parameters."""

    key: str
    label: str
    joins: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def _grouping(by: str | None) -> _Grouping:
    if by is None:
        return _Grouping("NULL::text", "NULL::text")
    if by in ("campaign", "landing_page"):
        return _Grouping(f"lead.{by}", f"lead.{by}")
    if by == "origin":
        return _Grouping(
            "lead.origin",
            "COALESCE(origin.label, lead.origin)",
            "LEFT JOIN leads_origin origin ON origin.tenant_id = lead.tenant_id AND origin.key = lead.origin",
        )
    if by in ("sdr", "sales_rep"):
        return _people(function="sdr" if by == "sdr" else "sales")
    return _custom(by)


def _people(*, function: str) -> _Grouping:
    joins = f"""
        LEFT JOIN tenancy_membership member
            ON member.tenant_id = state.tenant_id AND member.id = state.owner_{function}_id
        LEFT JOIN tenancy_user person ON person.id = member.user_id
        LEFT JOIN leads_keptperson kept ON kept.tenant_id = state.tenant_id AND kept.id = state.kept_{function}_id
    """
    return _Grouping("COALESCE(person.email, kept.text)", "COALESCE(member.name, kept.text)", joins)


# How a value of each type reads as a key; decimals are kept as millionths.
_CUSTOM_KEYS: Final = {
    CustomType.TEXT: "value.text_value",
    CustomType.INTEGER: "value.integer_value::text",
    CustomType.DECIMAL: "trim_scale(value.decimal_value / 1000000.0)::text",
    CustomType.DATE: "value.date_value::text",
}


def _custom(by: str) -> _Grouping:
    match = CUSTOM_GROUPING.match(by)
    custom = CustomField.objects.filter(name=match.group(1) if match else "").first()
    if custom is None:
        problem = FieldProblem("by", "unknown_field", _("There is no custom field %(name)s.") % {"name": by})
        raise FunnelQuestionInvalid(_("The funnel cannot be asked like this."), errors=[problem])
    key = _CUSTOM_KEYS[CustomType(custom.type)]
    joins = """
        LEFT JOIN leads_customvalue value
            ON value.tenant_id = lead.tenant_id AND value.lead_id = lead.id AND value.field_id = %(field)s
    """
    return _Grouping(key, key, joins, {"field": custom.pk})


# Only constants and the fixed fragments above are put into these texts; values are parameters.
_COHORT_LEADS: Final = """
    SELECT lead.id, lead.created_at, state.furthest_stage, {key} AS key, {label} AS label
    FROM leads_lead lead
    JOIN leads_leadstate state ON state.tenant_id = lead.tenant_id AND state.lead_id = lead.id
    {joins}
    WHERE (%(since)s::timestamptz IS NULL OR lead.created_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR lead.created_at < %(until)s)
"""

_MOVES: Final = f"""
    SELECT change.lead_id, change.to_stage AS stage, change.at
    FROM leads_stagechange change
    WHERE change.to_stage IN ({", ".join(f"'{stage.value}'" for stage in TIMED_STAGES)})
      AND (%(since)s::timestamptz IS NULL OR change.at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR change.at < %(until)s)
    UNION ALL
    SELECT lead.id, 'new', lead.created_at
    FROM leads_lead lead
    WHERE (%(since)s::timestamptz IS NULL OR lead.created_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR lead.created_at < %(until)s)
"""  # noqa: S608

_OF_MOVED: Final = """
    JOIN leads_lead lead ON lead.id = moved.lead_id
    JOIN leads_leadstate state ON state.tenant_id = lead.tenant_id AND state.lead_id = lead.id
    {joins}
"""

# When a lead first came to each stage; microseconds are whole, so that the middle of two is exact in a float.
_FIRST_TIMES: Final = ", ".join(
    f"min(at) FILTER (WHERE stage = '{stage.value}') AS {stage.value}_at" for stage in TIMED_STAGES
)
_MICROSECONDS: Final = ", ".join(
    f"round(date_part('epoch', {stage.value}_at - created_at) * 1000000) AS {stage.value}_after"
    for stage in TIMED_STAGES
)


def _figures(reached: Callable[[int, Stage], str]) -> str:
    """The numbers of each group and of all: those won too early, how many in each stage, their medians. ``reached`` gives the
    condition by which a lead counts in a stage."""
    conditions = [reached(ordinal, stage) for ordinal, stage in enumerate(FORWARD_STAGES)]
    counts = [f"count(*) FILTER (WHERE {condition})" for condition in conditions]
    medians = [
        f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {stage.value}_after)"
        f" FILTER (WHERE {stage.value}_after >= 0 AND {condition})"
        for stage, condition in zip(TIMED_STAGES, conditions[1:], strict=True)
    ]
    early = f"count(*) FILTER (WHERE {Stage.CUSTOMER.value}_after < 0 AND {conditions[-1]})"
    return f"""
        SELECT GROUPING(key) = 1, key, min(label), {early}, ARRAY[{", ".join(counts)}], ARRAY[{", ".join(medians)}]
        FROM timed GROUP BY GROUPING SETS ((key), ())
    """  # noqa: S608


# A lead counts in a stage if it came that far, by whichever way; only known times, not before the lead, make medians.
_COHORT: Final = f"""
WITH cohort AS ({_COHORT_LEADS}), entered AS (
    SELECT lead_id, {_FIRST_TIMES}
    FROM (SELECT lead_id, to_stage AS stage, at FROM leads_stagechange) AS change {{of_cohort}}
    GROUP BY lead_id
), timed AS (
    SELECT key, label, furthest_stage, {_MICROSECONDS}
    FROM cohort LEFT JOIN entered ON entered.lead_id = cohort.id
)
{_figures(lambda ordinal, _stage: f"furthest_stage >= {ordinal}")}
"""  # noqa: S608

_FLOW: Final = f"""
WITH moved AS ({_MOVES}), entered AS (
    SELECT lead_id, bool_or(stage = 'new') AS is_new, {_FIRST_TIMES} FROM moved GROUP BY lead_id
), found AS (
    SELECT {{key}} AS key, {{label}} AS label, lead.created_at, moved.*
    FROM entered AS moved {_OF_MOVED}
), timed AS (
    SELECT key, label, is_new, {_MICROSECONDS} FROM found
)
{_figures(lambda _ordinal, stage: "is_new" if stage is Stage.NEW else f"{stage.value}_after IS NOT NULL")}
"""  # noqa: S608

_CELL: Final = """
SELECT (SELECT count(*) FROM found), ARRAY(
    SELECT id FROM found WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(size)s
)
"""
_COHORT_CELL: Final = f"""
WITH cohort AS ({_COHORT_LEADS}), found AS (
    SELECT id FROM cohort
    WHERE furthest_stage >= %(ordinal)s AND (%(is_of_all)s OR key IS NOT DISTINCT FROM %(key)s::text)
)
{_CELL}
"""  # noqa: S608
_FLOW_CELL: Final = f"""
WITH moved AS ({_MOVES}), found AS (
    SELECT DISTINCT lead.id FROM moved {_OF_MOVED}
    WHERE moved.stage = %(stage)s AND (%(is_of_all)s OR {{key}} IS NOT DISTINCT FROM %(key)s::text)
)
{_CELL}
"""  # noqa: S608
