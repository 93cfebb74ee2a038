"""Score and grade as SQL: one statement says what would be, one more around it writes what has changed.

The plan makes one pass over the events of the batch's leads: each event is asked once which rules count it, then counted by
lead with FILTER. The texts hold no ids of a tenant or version, so tenants with the same rules share them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, DateTimeField, F, TextField

from core.due import due_row_ctes
from leads.conditions.compile import Reading, compile_condition
from leads.conditions.language import Condition
from leads.conditions.logic import AllOf, Bind, Compare, Fragment, InList, Truth
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import Event, Grade, Lead, LeadState
from leads.next_change import next_change
from leads.standings import FIRST_GRADE, FIRST_SCORE, INSERT_STANDINGS, STANDING_TYPED
from scoring.documents import Count, EventRule, GradeCriteria, LeadRule, ScoringModel

SCORE_CHANGES: Final = "score.changes"
GRADE_CHANGES: Final = "grade.changes"
MAX_SCORE: Final = 1_000_000_000
LEAD_IDS: Final = Param("lead_ids", ArrayField(BigIntegerField()))
# The same, of unknown length for the planner. Of a thousand known ids it believes that as few are the tenant's as of all leads,
# and looks through all of a small tenant's for them.
_FEW_LEAD_IDS: Final = Fragment(
    "ARRAY(SELECT unnest({}))", LEAD_IDS, output_field=ArrayField(BigIntegerField())
)
KNOWN_IDS: Final = Param("known_ids", ArrayField(BigIntegerField()))
TENANT: Final = Param("tenant", BigIntegerField())
SCORE_VERSION: Final = Param("score_version", BigIntegerField())
GRADE_VERSION: Final = Param("grade_version", BigIntegerField())
NEWBORN: Final = Param("newborn", TextField())
ZONE: Final = Param("zone", TextField())
NOW: Final = Param("now", DateTimeField())
READING: Final = Reading(NOW)


def score_plan(model: ScoringModel) -> Statement:
    """``(lead_id, score, points by rule in order, positive_at, next_at)`` of the leads ``lead_ids`` at ``now``."""
    return cached_statement(key=f"score.plan:{model.fingerprint}", build=lambda: _build_score_plan(model))


def grade_plan(criteria: GradeCriteria) -> Statement:
    """``(lead_id, grade, verdicts in order, next_at)`` of the leads ``lead_ids`` at ``now``."""
    return cached_statement(
        key=f"grade.plan:{criteria.fingerprint}", build=lambda: _build_grade_plan(criteria)
    )


def rate_apply(
    *,
    model: ScoringModel | None,
    criteria: GradeCriteria | None,
    is_decay: bool = False,
    has_newborn: bool = False,
) -> Statement:
    """Write what the plans say differs: scores and grades, decisions, and due rows for the instant of the next change.

    Both at once, since a standing that is written twice costs twice; None leaves one of them as it is.
    ``is_decay``: only time has passed, so an earlier decision of the same day that said no more than this goes. ``has_newborn``:
    some of the leads, all but ``known_ids``, have no standing yet; it is written as ``newborn`` says, with their first score and
    grade. Only for rules of which ``reads_standing`` is false.
    """
    prints = [rules.fingerprint if rules else "" for rules in (model, criteria)]
    return cached_statement(
        key=f"rate.{is_decay}.{has_newborn}:{':'.join(prints)}",
        build=lambda: _build_rate_apply(model, criteria, is_decay=is_decay, has_newborn=has_newborn),
    )


def reads_standing(plan: Statement) -> bool:
    """Whether a plan looks at the standing of leads."""
    return LeadState._meta.db_table in plan.sql


def constant(value: Any, type_: str) -> Statement:
    """A value of the rules as a parameter of a given type."""
    return Statement(f"%s::{type_}", (value,))


def rule_counts(rule: EventRule) -> Truth:
    """Whether a rule looks at an event: its type and condition, and ``now − window < occurred_at ≤ now``."""
    tests: list[Truth] = [
        Compare(F("type"), "=", Bind(rule.event_type, TextField())),
        Compare(F("occurred_at"), "<=", READING.instant()),
    ]
    if rule.window_days is not None:
        tests.append(Compare(F("occurred_at"), ">", READING.days_ago(rule.window_days)))
    if rule.where is not None:
        tests.append(compile_condition(rule.where, now=NOW))
    return AllOf(*tests)


@dataclass(frozen=True)
class _Part:
    """What score or grade adds to the statement that writes both. ``name`` is that of its plan's CTE, ``hands_on`` what the
    writing needs of it."""

    name: str
    hands_on: str
    sets: str
    differs: str
    decided: str
    planned: str


_SCORED: Final = _Part(
    name="scored",
    hands_on="scored.score, scored.points, scored.positive_at, scored.next_at AS score_changes_at",
    sets="score = rated.score, last_positive_at = rated.positive_at",
    differs="state.score <> rated.score OR state.last_positive_at IS DISTINCT FROM rated.positive_at",
    decided="""
        SELECT lead_id, 'score', {score_version}, score::text, jsonb_build_object(
            'points', (
                SELECT COALESCE(jsonb_object_agg(rule.id, trim_scale(rule.points)::text), '{{}}')
                FROM unnest({rule_ids}, changed.points) AS rule (id, points)
                WHERE rule.points <> 0
            ),
            'decay', {is_decay}
        )
        FROM changed WHERE former_score <> score
    """,
    planned=f"SELECT '{SCORE_CHANGES}', lead_id, score_changes_at FROM rated",  # noqa: S608 - a name of our own
)
_GRADED: Final = _Part(
    name="graded",
    hands_on="graded.grade, graded.verdicts, graded.next_at AS grade_changes_at",
    sets="grade = rated.grade",
    differs="state.grade <> rated.grade",
    decided="""
        SELECT lead_id, 'grade', {grade_version}, ({letters})[grade + 1], jsonb_build_object('verdicts', (
            SELECT COALESCE(jsonb_object_agg(criterion.id, criterion.verdict), '{{}}')
            FROM unnest({criterion_ids}, changed.verdicts) AS criterion (id, verdict)
        ))
        FROM changed WHERE former_grade <> grade
    """,
    planned=f"SELECT '{GRADE_CHANGES}', lead_id, grade_changes_at FROM rated",  # noqa: S608 - a name of our own
)
_FORGET_EARLIER_DECAY: Final = """, outdone AS (
    DELETE FROM leads_decision decision
    USING changed
    WHERE decision.lead_id = changed.lead_id AND changed.former_score <> changed.score
      AND decision.kind = 'score' AND decision.topic = '' AND decision.detail -> 'decay' = 'true'
      AND decision.at >= ({now} AT TIME ZONE {zone})::date::timestamp AT TIME ZONE {zone}
)"""


# Whose standing is new says as well what it would have been without a rating.
_BORN: Final = f"""
), newborn AS MATERIALIZED (
    SELECT * FROM json_to_recordset({{{{newborn}}}}::json) AS newborn ({STANDING_TYPED})
), born AS ({
    INSERT_STANDINGS.format(
        tenant="{{tenant}}",
        now="{{now}}",
        score="{score}",
        grade="{grade}",
        positive_at="{positive_at}",
        newborn="newborn LEFT JOIN rated USING (lead_id)",
    )
}), changed AS (
    SELECT * FROM updated
    UNION ALL SELECT rated.*, {FIRST_SCORE}, {
    FIRST_GRADE
}::smallint FROM rated JOIN newborn USING (lead_id)"""  # noqa: S608 - names of our own


def _build_rate_apply(
    model: ScoringModel | None, criteria: GradeCriteria | None, *, is_decay: bool, has_newborn: bool
) -> Statement:
    """The old row is what the update saw; an unchanged result keeps the decision, and so the version, that made it.

    The plan of a prepared statement is made for ten leads and run with a thousand: the list of ids beside the join keeps it on
    the index, and a full join, which all of the batch's leads pass, is never a loop within a loop. Nor are those of the plans.
    """
    parts: list[_Part] = []
    places: Parts = {"known_ids": KNOWN_IDS, "subjects": LEAD_IDS, "tenant": TENANT, "now": NOW}
    if model is not None:
        parts.append(_SCORED)
        places |= {
            "scored": score_plan(model),
            "rule_ids": constant([rule.id for rule in model.rules], "text[]"),
            "score_version": SCORE_VERSION,
            "is_decay": constant(is_decay, "boolean"),
        }
    if criteria is not None:
        parts.append(_GRADED)
        places |= {
            "graded": grade_plan(criteria),
            "criterion_ids": constant([criterion.id for criterion in criteria.criteria], "text[]"),
            "letters": constant(Grade.labels, "text[]"),
            "grade_version": GRADE_VERSION,
        }
    forgets = is_decay and model is not None
    if forgets:
        places["zone"] = ZONE
    born = ""
    if has_newborn:
        places["newborn"] = NEWBORN
        born = _BORN.format(
            score=f"COALESCE(rated.score, {FIRST_SCORE})" if model else FIRST_SCORE,
            grade=f"COALESCE(rated.grade, {FIRST_GRADE})" if criteria else FIRST_GRADE,
            positive_at="rated.positive_at" if model else "NULL::timestamptz",
        )
    first, *others = parts
    joined = " FULL JOIN ".join([first.name, *(f"{part.name} USING (lead_id)" for part in others)])
    if model is None:
        # So that the planner knows how many there are.
        places["lead_ids"] = LEAD_IDS
        joined += " FULL JOIN unnest({lead_ids}) AS wanted (lead_id) USING (lead_id)"
    return Statement.compose(
        f"""
        WITH {", ".join(f"{part.name} AS ({{{part.name}}})" for part in parts)}, rated AS MATERIALIZED (
            SELECT lead_id, {", ".join(part.hands_on for part in parts)} FROM {joined}
        ), {"updated" if has_newborn else "changed"} AS (
            UPDATE leads_leadstate state
            SET {", ".join(part.sets for part in parts)}
            FROM rated
            WHERE state.lead_id = rated.lead_id AND state.lead_id = ANY ({{known_ids}})
              AND ({" OR ".join(part.differs for part in parts)})
            RETURNING rated.*, old.score AS former_score, old.grade AS former_grade
        {born}){_FORGET_EARLIER_DECAY if forgets else ""}, decided AS (
            INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
            SELECT {{tenant}}, made.lead_id, made.kind, '', {{now}}, made.version_id, made.result, made.detail
            FROM ({" UNION ALL ".join(part.decided for part in parts)})
                AS made (lead_id, kind, version_id, result, detail)
        ), planned (kind, subject, due_at) AS (
            {" UNION ALL ".join(part.planned for part in parts)}
        ), {due_row_ctes(planned="planned")}
        SELECT lead_id FROM changed
        """,  # noqa: S608 - names of our own
        **places,
    )


DAY: Final = "(occurred_at AT TIME ZONE {zone})::date"
Parts = dict[str, Statement | Param]


def _build_score_plan(model: ScoringModel) -> Statement:
    parts: Parts = {"lead_ids": LEAD_IDS, "most": constant(MAX_SCORE, "numeric")}
    points = ", ".join(f"{text} AS p_{index}" for index, text in enumerate(_points(model, parts)))
    each = [f"totals.p_{index}" for index in range(len(model.rules))]
    total = " + ".join(each) or "0"
    if model.model_cap is not None:
        parts["model_cap"] = constant(model.model_cap, "numeric")
        total = f"LEAST({total}, {{model_cap}})"
    counted = _counted(model.event_rules, parts) if model.event_rules else _NOTHING_COUNTED
    asked = _asked(model.lead_rules, parts) if model.lead_rules else _NOBODY_ASKED
    return Statement.compose(
        f"""
        WITH counted AS ({counted}), asked AS ({asked})
        SELECT totals.lead_id, round(LEAST(GREATEST({total}, 0), {{most}}))::integer AS score,
            ARRAY[{", ".join(each)}]::numeric[] AS points, totals.positive_at, totals.next_at
        FROM (
            SELECT lead_id, counted.positive_at, LEAST(counted.next_at, asked.next_at) AS next_at
                {f", {points}" if points else ""}
            FROM unnest({{lead_ids}}) AS wanted (lead_id)
                FULL JOIN counted USING (lead_id) FULL JOIN asked USING (lead_id)
        ) totals
        """,  # noqa: S608
        **parts,
    )


_NOTHING_COUNTED: Final = """
    SELECT NULL::bigint AS lead_id, NULL::timestamptz AS positive_at, NULL::timestamptz AS next_at WHERE false
"""
_NOBODY_ASKED: Final = "SELECT NULL::bigint AS lead_id, NULL::timestamptz AS next_at WHERE false"


def _points(model: ScoringModel, parts: Parts) -> Iterator[str]:
    """The points of each rule in the order of the document, its cap included; 0 without a match."""
    events, leads = iter(range(len(model.event_rules))), iter(range(len(model.lead_rules)))
    for index, rule in enumerate(model.rules):
        worth = f"points_{index}"
        parts[worth] = constant(rule.points, "numeric")
        if isinstance(rule, LeadRule):
            yield f"CASE WHEN asked.v_{next(leads)} THEN {{{worth}}} ELSE 0 END"
            continue
        # Counted before it is bounded: LEAST and GREATEST pass over null.
        text = f"COALESCE(counted.n_{next(events)}, 0) * {{{worth}}}"
        if rule.cap is not None:
            parts[f"cap_{index}"] = constant(rule.cap, "numeric")
            text = f"{'LEAST' if rule.cap > 0 else 'GREATEST'}({text}, {{cap_{index}}})"
        yield text


def _counted(rules: Sequence[EventRule], parts: Parts) -> str:
    """How many events each rule counts, by lead. OFFSET 0 keeps the inner query whole, so that each event is asked once."""
    changing = _changing(rules)
    parts |= {"matched": _matched(rules, changing), "now": NOW, "zone": ZONE}
    flags = "".join(f", m_{index}" for index in range(len(rules)))
    changes = "".join(f", c_{index}" for index in changing)
    counts = ", ".join(f"{_number(rule, index)} AS n_{index}" for index, rule in enumerate(rules))
    instants = [*_leaving(rules), *(f"min(c_{index})" for index in changing)]
    # An event may be dated a few minutes ahead; it counts when its time has come.
    instants.append("min(occurred_at) FILTER (WHERE occurred_at > {now})")
    # Without a daily rule the zone has no other place, and each part must have one.
    return f"""
        SELECT lead_id, {counts}, {_positive(rules)} AS positive_at, LEAST({", ".join(instants)}) AS next_at
        FROM (
            SELECT *, {DAY} AS day
            FROM ({{matched}}) AS matched (lead_id, occurred_at{flags}{changes})
            OFFSET 0
        ) asked_events
        GROUP BY lead_id
    """  # noqa: S608


def _number(rule: EventRule, index: int) -> str:
    match rule.count:
        case Count.EACH:
            return f"count(*) FILTER (WHERE m_{index})"
        case Count.FIRST:
            return f"COALESCE(bool_or(m_{index}), false)::integer"
        case Count.DAILY:
            return f"count(DISTINCT day) FILTER (WHERE m_{index})"


def _positive(rules: Sequence[EventRule]) -> str:
    """When the newest event occurred that gives points: of a day or of the window it may be an early one."""
    newest = []
    each = []
    for index, rule in enumerate(rules):
        if rule.points < 0:
            continue
        match rule.count:
            case Count.EACH:
                each.append(f"m_{index}")
            case Count.FIRST:
                newest.append(f"min(occurred_at) FILTER (WHERE m_{index})")
            case Count.DAILY:
                newest.append(
                    f"(array_agg(occurred_at ORDER BY day DESC, occurred_at) FILTER (WHERE m_{index}))[1]"
                )
    if each:
        newest.append(f"max(occurred_at) FILTER (WHERE {' OR '.join(each)})")
    return f"GREATEST({', '.join(newest)})" if newest else "NULL::timestamptz"


def _leaving(rules: Sequence[EventRule]) -> Iterator[str]:
    """When the next event leaves a rule's window; of a rule that counts one event, the last."""
    groups: dict[tuple[int, str], list[str]] = {}
    for index, rule in enumerate(rules):
        if rule.window_days is not None:
            which = "max" if rule.count is Count.FIRST else "min"
            groups.setdefault((rule.window_days, which), []).append(f"m_{index}")
    for (days, which), flags in groups.items():
        if which == "max":
            for flag in flags:
                yield f"max(occurred_at) FILTER (WHERE {flag}) + {days:d} * interval '24 hours'"
        else:
            yield f"min(occurred_at) FILTER (WHERE {' OR '.join(flags)}) + {days:d} * interval '24 hours'"


def _changing(rules: Sequence[EventRule]) -> list[int]:
    """The rules whose condition on the event looks at the clock."""
    return [
        index
        for index, rule in enumerate(rules)
        if rule.where is not None and next_change(rule.where, READING) is not None
    ]


def _matched(rules: Sequence[EventRule], changing: Sequence[int]) -> Statement:
    """The events of the batch's leads: lead, time, for each rule whether it looks at the event, when that may change."""
    columns: dict[str, Any] = {f"m_{index}": rule_counts(rule) for index, rule in enumerate(rules)}
    for index in changing:
        where = rules[index].where
        assert where is not None
        columns[f"c_{index}"] = next_change(where, READING)
    types = Bind(sorted({rule.event_type for rule in rules}), ArrayField(TextField()))
    events = Event.objects.filter(InList(F("lead_id"), LEAD_IDS), InList(F("type"), types))
    return Statement.of(events.annotate(**columns).order_by().values_list("lead_id", "occurred_at", *columns))


def _asked(rules: Sequence[LeadRule], parts: Parts) -> str:
    """What each rule on the lead says, and when that may change."""
    parts["leads"] = _asked_leads([rule.when for rule in rules])
    flags = ", ".join(f"v_{index}" for index in range(len(rules)))
    return f"SELECT lead_id, {flags}, next_at FROM ({{leads}}) AS leads (lead_id, next_at, {flags})"  # noqa: S608


def _asked_leads(conditions: Sequence[Condition]) -> Statement:
    """``(lead_id, next_at, v_0, …)``: the verdicts of conditions for the batch's leads."""
    instants = [
        instant for condition in conditions if (instant := next_change(condition, READING)) is not None
    ]
    next_at: Any = Bind(None, DateTimeField(null=True))
    if instants:
        next_at = Fragment(
            f"LEAST({', '.join(['{}'] * len(instants))})", *instants, output_field=DateTimeField(null=True)
        )
    verdicts = {
        f"v_{index}": compile_condition(condition, now=NOW) for index, condition in enumerate(conditions)
    }
    leads = Lead.objects.filter(InList(F("pk"), _FEW_LEAD_IDS)).annotate(next_at=next_at, **verdicts)
    return Statement.of(leads.order_by().values_list("pk", "next_at", *verdicts))


def _build_grade_plan(criteria: GradeCriteria) -> Statement:
    parts: Parts = {
        "leads": _asked_leads([criterion.when for criterion in criteria.criteria]),
        "start": constant(criteria.start.value, "integer"),
    }
    flags = [f"v_{index}" for index in range(len(criteria.criteria))]
    steps = [
        f"CASE WHEN {flag} THEN {criterion.steps:d} WHEN NOT {flag} THEN {-criterion.steps:d} ELSE 0 END"
        for flag, criterion in zip(flags, criteria.criteria, strict=True)
    ]
    return Statement.compose(
        f"""
        SELECT lead_id, LEAST(GREATEST({" + ".join(["{start}", *steps])}, 0), 12)::smallint AS grade,
            ARRAY[{", ".join(flags)}]::boolean[] AS verdicts, next_at
        FROM (SELECT * FROM ({{leads}}) AS leads ({", ".join(["lead_id", "next_at", *flags])}) OFFSET 0) asked
        """,  # noqa: S608
        **parts,
    )
