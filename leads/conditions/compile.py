"""From a checked condition to one Django expression that the database evaluates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import (
    BigIntegerField,
    DateField,
    DateTimeField,
    Exists,
    F,
    JSONField,
    OuterRef,
    QuerySet,
    Subquery,
    TextField,
)

from leads.conditions.facts import Fact
from leads.conditions.language import Condition, Connective, EventFilter, Leaf, list_leaves
from leads.conditions.logic import (
    AllOf,
    AnyOf,
    Bind,
    Compare,
    ContainsText,
    Fragment,
    InList,
    IsKnown,
    IsUnknown,
    NoneOf,
    NotInList,
    Truth,
    Unknown,
)
from leads.conditions.operators import NUMERIC, Arity, FactType, Operator
from leads.conditions.statements import Param
from leads.conditions.values import Value, bind, bind_list
from leads.models import Event
from tenancy.row_security import SCOPED_TENANT

CONNECTIVES: dict[Connective, type[Truth]] = {
    Connective.ALL: AllOf,
    Connective.ANY: AnyOf,
    Connective.NONE: NoneOf,
}
COMPARED_BY = {
    "eq": "=",
    "ne": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "starts_with": "^@",
}
# Read once a statement, and the same text for every tenant.
TENANT_ZONE = f"(SELECT time_zone FROM tenancy_tenant WHERE id = {SCOPED_TENANT})"  # noqa: S608


class CountRows(Subquery):
    """How many rows a subquery has; 0 without any."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        super().__init__(queryset, output_field=BigIntegerField())


@dataclass(frozen=True)
class Reading:
    """What the leaves are read with: the instant, and expressions that stand in for facts by their keys."""

    now: datetime | Param
    replacing: Mapping[str, Any] = field(default_factory=dict)

    def instant(self) -> Any:
        """The instant as an expression."""
        return self.now if isinstance(self.now, Param) else Bind(self.now, DateTimeField())

    def days_ago(self, days: int) -> Any:
        """The instant so many times 24 hours before."""
        return Fragment(
            "({} - {} * interval '24 hours')",
            self.instant(),
            Bind(days, BigIntegerField()),
            output_field=DateTimeField(),
        )

    def today(self, days_ago: int = 0) -> Any:
        """The day in the tenant's zone."""
        return Fragment(
            f"(({{}} AT TIME ZONE {TENANT_ZONE})::date - {{}}::integer)",
            self.instant(),
            Bind(days_ago, BigIntegerField()),
            output_field=DateField(),
        )

    def value(self, fact: Fact, operator: Operator | None = None) -> Any:
        """The fact's value for the lead (or event) of the query around; as a number where the operator compares numbers."""
        if fact.key in self.replacing:
            return self.replacing[fact.key]
        if fact.number and operator and operator.key in NUMERIC:
            return fact.number()
        return fact.expression()


def compile_condition(
    condition: Condition, *, now: datetime | Param, replacing: Mapping[str, Any] | None = None
) -> Truth:
    """One expression, relative to Lead (or to Event for a condition on events), that is true, false or null.

    ``now`` is an instant, or ``Param("now")`` in a Statement. ``replacing`` gives expressions to read in place of facts, by
    key: a plan hands a score or grade on that is not stored yet. Call it inside a tenant scope.
    """
    reading = Reading(now, replacing or {})
    return compile_tree(condition, lambda leaf: compile_leaf(leaf, reading))


def compile_filter(condition: Condition, *, now: datetime | Param) -> Truth:
    """The condition for ``filter()`` alone: selects the rows for which ``compile_condition`` is true.

    Where it makes no difference to that, a fact kept in rows of its own is asked with EXISTS, so that its index can lead. The
    expression is not to be shown, negated or combined: its false may stand for unknown.
    """
    reading = Reading(now)

    def positive(part: Condition) -> Truth:
        if isinstance(part, Leaf):
            return _leaf_by_rows(part, reading) or compile_leaf(part, reading)
        if part.connective is Connective.NONE:
            return compile_tree(part, lambda leaf: compile_leaf(leaf, reading))
        return CONNECTIVES[part.connective](*(positive(inner) for inner in part.parts))

    return positive(condition)


def rows_of_leads(condition: Condition, *, now: datetime | Param) -> QuerySet[Any, Any] | None:
    """The rows of leads for which a condition is true, one a lead, of those that its one fact is kept in; None for any
    other condition, and for one that is true of leads without a row."""
    if not isinstance(condition, Leaf) or condition.fact.rows is None:
        return None
    rows, values = condition.fact.rows, condition.values
    if condition.fact.type is FactType.TAGS:
        if condition.operator.key not in ("has_any", "has_all") or len(values) != 1:
            return None
        return rows.queryset().filter(Compare(F(rows.column), "=", _bound(condition, values[0])))
    if condition.operator.key == "is_unknown" or (condition.operator.arity is Arity.LIST and not values):
        return None
    return rows.queryset().filter(ask(F(rows.column), condition, Reading(now)))


def compile_tree(condition: Condition, leaf_truth: Callable[[Leaf], Truth]) -> Truth:
    """The groups of a condition over whatever stands for its leaves, asked in the order of the document."""
    if isinstance(condition, Leaf):
        return leaf_truth(condition)
    return CONNECTIVES[condition.connective](*(compile_tree(part, leaf_truth) for part in condition.parts))


def compile_leaf(leaf: Leaf, reading: Reading) -> Truth:
    """The truth of one leaf."""
    if leaf.operator.arity is Arity.LIST and not leaf.values:
        # A list that the tenant left empty says nothing about the lead.
        return Unknown()
    if leaf.fact.type is FactType.TAGS and leaf.fact.key not in reading.replacing:
        return _compile_tags(leaf)
    return ask(compile_input(leaf, reading), leaf, reading)


def compile_input(leaf: Leaf, reading: Reading) -> Any:
    """What a leaf reads: the fact's value, or the number of events."""
    if leaf.events and leaf.fact.key not in reading.replacing:
        return CountRows(count_events(leaf.events, reading))
    return reading.value(leaf.fact, leaf.operator)


def count_events(events: EventFilter, reading: Reading) -> QuerySet[Any, Any]:
    """The counted events of the lead of the query around: ``now − days < occurred_at ≤ now``."""
    rows: QuerySet[Any, Any] = Event.objects.filter(lead=OuterRef("pk")).filter(
        Compare(F("occurred_at"), "<=", reading.instant())
    )
    if events.type is not None:
        rows = rows.filter(Compare(F("type"), "=", Bind(events.type, TextField())))
    if events.days is not None:
        rows = rows.filter(Compare(F("occurred_at"), ">", reading.days_ago(events.days)))
    if events.where is not None:
        rows = rows.filter(compile_condition(events.where, now=reading.now))
    return rows.order_by().values("pk")


def record_condition(
    condition: Condition, *, now: datetime | Param, replacing: Mapping[str, Any] | None = None
) -> Fragment:
    """What a decision keeps of a condition: jsonb ``[[verdict, input], …]``, one pair a leaf in the order of the document.

    ``explain.explain_record`` makes an explanation of it.
    """
    reading = Reading(now, replacing or {})
    pairs = [
        Fragment(
            "jsonb_build_array({}, {})",
            compile_leaf(leaf, reading),
            compile_input(leaf, reading),
            output_field=JSONField(),
        )
        for leaf in list_leaves(condition)
    ]
    template = f"jsonb_build_array({', '.join(['{}'] * len(pairs))})"
    return Fragment(template, *pairs, output_field=JSONField())


def ask(value: Any, leaf: Leaf, reading: Reading) -> Truth:
    """The leaf's question, asked of an expression."""
    key = leaf.operator.key
    if key in COMPARED_BY:
        return Compare(value, COMPARED_BY[key], _bound(leaf, leaf.values[0]))
    if question := QUESTIONS.get(key):
        return question(value, leaf)
    questions = DATE_QUESTIONS if leaf.fact.type is FactType.DATE else INSTANT_QUESTIONS
    return questions[key](value, leaf, reading)


def _between(value: Any, leaf: Leaf) -> Truth:
    low, high = (_bound(leaf, bound) for bound in leaf.values)
    return AllOf(Compare(value, ">=", low), Compare(value, "<=", high))


QUESTIONS: dict[str, Callable[[Any, Leaf], Truth]] = {
    "in": lambda value, leaf: InList(value, _bound_list(leaf)),
    "not_in": lambda value, leaf: NotInList(value, _bound_list(leaf)),
    "between": _between,
    "contains": lambda value, leaf: ContainsText(value, _bound(leaf, leaf.values[0])),
    "is_true": lambda value, leaf: AllOf(value),
    "is_false": lambda value, leaf: NoneOf(value),
    "is_known": lambda value, leaf: IsKnown(value),
    "is_unknown": lambda value, leaf: IsUnknown(value),
}


def _day_in_last_days(value: Any, leaf: Leaf, reading: Reading) -> Truth:
    since = Compare(value, ">=", reading.today(days_ago=_days(leaf)))
    return AllOf(since, Compare(value, "<=", reading.today()))


# A day compared with a day, or with today in the tenant's zone.
DATE_QUESTIONS: dict[str, Callable[[Any, Leaf, Reading], Truth]] = {
    "before": lambda value, leaf, reading: Compare(value, "<", _bound(leaf, leaf.values[0])),
    "after": lambda value, leaf, reading: Compare(value, ">", _bound(leaf, leaf.values[0])),
    "on": lambda value, leaf, reading: Compare(value, "=", _bound(leaf, leaf.values[0])),
    "in_last_days": _day_in_last_days,
    "more_than_days_ago": lambda value, leaf, reading: Compare(
        value, "<", reading.today(days_ago=_days(leaf))
    ),
}


def _before(value: Any, leaf: Leaf, reading: Reading) -> Truth:
    return Compare(value, "<", _bound(leaf, leaf.values[0]) if _names_instant(leaf) else _midnight(leaf, 0))


def _after(value: Any, leaf: Leaf, reading: Reading) -> Truth:
    if _names_instant(leaf):
        return Compare(value, ">", _bound(leaf, leaf.values[0]))
    return Compare(value, ">=", _midnight(leaf, 1))


def _on(value: Any, leaf: Leaf, reading: Reading) -> Truth:
    return AllOf(Compare(value, ">=", _midnight(leaf, 0)), Compare(value, "<", _midnight(leaf, 1)))


def _in_last_days(value: Any, leaf: Leaf, reading: Reading) -> Truth:
    since = Compare(value, ">", reading.days_ago(_days(leaf)))
    return AllOf(since, Compare(value, "<=", reading.instant()))


# An instant compared with an instant, with a whole day of the tenant's zone, or with now.
INSTANT_QUESTIONS: dict[str, Callable[[Any, Leaf, Reading], Truth]] = {
    "before": _before,
    "after": _after,
    "on": _on,
    "in_last_days": _in_last_days,
    "more_than_days_ago": lambda value, leaf, reading: Compare(value, "<=", reading.days_ago(_days(leaf))),
}


def _names_instant(leaf: Leaf) -> bool:
    return isinstance(leaf.values[0], datetime)


def _midnight(leaf: Leaf, days_after: int) -> Fragment:
    """The instant at which the leaf's day, or one after it, begins in the tenant's zone."""
    template = f"(({{}} + {days_after})::timestamp AT TIME ZONE {TENANT_ZONE})"
    return Fragment(template, _bound(leaf, leaf.values[0]), output_field=DateTimeField())


def _days(leaf: Leaf) -> int:
    days = leaf.values[0]
    assert isinstance(days, int)
    return days


def _bound(leaf: Leaf, value: Value) -> Bind:
    binding = bind(leaf.fact, leaf.operator, value)
    return Bind(binding.value, binding.output_field)


def _bound_list(leaf: Leaf) -> Bind:
    binding = bind_list(leaf.fact, leaf.operator, leaf.values)
    return Bind(binding.value, binding.output_field)


def _compile_tags(leaf: Leaf) -> Truth:
    """Tags are rows, and no row is no tag: never unknown."""
    rows = leaf.fact.rows
    assert rows is not None
    named = rows.of_lead().filter(InList(F(rows.column), _bound_list(leaf)))
    match leaf.operator.key:
        case "has_any":
            return AllOf(Exists(named))
        case "has_none":
            return NoneOf(Exists(named))
        case "has_all":
            return Compare(CountRows(named.values("pk")), "=", Bind(len(leaf.values), BigIntegerField()))
    raise ValueError(f"{leaf.operator.key!r} can't be asked of tags.")


# Beyond so many tags, counting them is the shorter way.
TAGS_ASKED_ONE_BY_ONE = 10


def _leaf_by_rows(leaf: Leaf, reading: Reading) -> Truth | None:
    """The leaf as EXISTS over its fact's rows, where that selects the same leads; else None."""
    rows = leaf.fact.rows
    if rows is None or (leaf.operator.arity is Arity.LIST and not leaf.values):
        return None
    if leaf.fact.type is FactType.TAGS:
        if leaf.operator.key != "has_all" or len(leaf.values) > TAGS_ASKED_ONE_BY_ONE:
            return None
        named = [Compare(F(rows.column), "=", _bound(leaf, tag)) for tag in leaf.values]
        return AllOf(*(Exists(rows.of_lead().filter(tag)) for tag in named))
    if leaf.operator.key == "is_unknown":
        return NoneOf(Exists(rows.of_lead().filter(IsKnown(F(rows.column)))))
    return AllOf(Exists(rows.of_lead().filter(ask(F(rows.column), leaf, reading))))
