"""When the answer to a condition may change by the passing of time alone: "no event for 30 days" has its instant too."""

from collections.abc import Iterator
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, F, Min, OuterRef, Subquery, TextField

from leads.conditions.compile import TENANT_ZONE, Reading, count_events
from leads.conditions.language import Condition, Leaf, list_leaves
from leads.conditions.logic import Bind, Compare, Fragment
from leads.conditions.operators import FactType
from leads.models import Event


def next_change(condition: Condition, reading: Reading) -> Fragment | None:
    """The earliest instant after now at which the condition may change without a new row, null if none is in sight.

    An expression relative to Lead (or to Event for a condition on events); None for a condition that doesn't look at the
    clock. It may be too early, never too late: whoever wakes then evaluates anew.
    """
    instants = [instant for leaf in list_leaves(condition) for instant in _instants(leaf, reading)]
    return earliest(instants, reading) if instants else None


def earliest(instants: list[Any], reading: Reading) -> Fragment:
    """The least of those instants that lie after now; null if none does."""
    ahead = [
        Fragment(
            "CASE WHEN {} > {} THEN {} END",
            instant,
            reading.instant(),
            instant,
            output_field=DateTimeField(null=True),
        )
        for instant in instants
    ]
    template = f"LEAST({', '.join(['{}'] * len(ahead))})"
    return Fragment(template, *ahead, output_field=DateTimeField(null=True))


def _instants(leaf: Leaf, reading: Reading) -> Iterator[Any]:
    if leaf.events is not None:
        yield from _instants_of_events(leaf, reading)
    elif leaf.operator.takes_days:
        (days,) = leaf.values
        assert isinstance(days, int)
        value = reading.value(leaf.fact)
        if leaf.fact.type is FactType.DATE:
            # Days begin at midnight in the tenant's zone; the last of n days ends with the n-th midnight after it.
            yield _midnight(value, 0)
            yield _midnight(value, days + 1)
        else:
            yield value
            yield _days_later(value, days)


def _instants_of_events(leaf: Leaf, reading: Reading) -> Iterator[Any]:
    assert leaf.events is not None
    # An event of the near future is not counted yet.
    yield F("standing__last_event_at")
    if leaf.events.days is not None:
        counted = count_events(leaf.events, reading).values("lead_id")
        oldest = Subquery(counted.annotate(oldest_at=Min("occurred_at")).values("oldest_at"))
        yield _days_later(oldest, leaf.events.days)
    if leaf.events.where is not None:
        changes_at = next_change(leaf.events.where, reading)
        if changes_at is not None:
            events = Event.objects.filter(lead=OuterRef("pk"))
            if leaf.events.type is not None:
                events = events.filter(Compare(F("type"), "=", Bind(leaf.events.type, TextField())))
            first = events.order_by().values("lead_id").annotate(first_at=Min(changes_at)).values("first_at")
            yield Subquery(first)


def _days_later(instant: Any, days: int) -> Fragment:
    """Whole days as conditions count them: 24 hours each."""
    return Fragment(
        "({} + {} * interval '24 hours')",
        instant,
        Bind(days, BigIntegerField()),
        output_field=DateTimeField(null=True),
    )


def _midnight(day: Any, days_later: int) -> Fragment:
    return Fragment(
        f"(({{}} + {{}}::integer)::timestamp AT TIME ZONE {TENANT_ZONE})",
        day,
        Bind(days_later, BigIntegerField()),
        output_field=DateTimeField(null=True),
    )
