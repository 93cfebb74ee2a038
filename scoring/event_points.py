"""What each event did to the score, for the timeline of a lead.

A decision says what each rule gives since it was made. What it gives more than the decision before it came from the events
that came in at that instant: of several that a rule counts, each gets the rule's points, in the order in which they occurred,
until the rule's cap has been reached.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, TextField

from leads.conditions.compile import compile_condition
from leads.conditions.logic import AllOf, Bind, Compare, Truth
from leads.models import Decision, DecisionKind, Event, RuleKind, RuleVersion
from leads.versions import parse_document
from scoring.documents import Count, EventRule
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id

Points = Mapping[str, Decimal]


@dataclass(frozen=True)
class Change:
    """What a decision added to each rule of its version."""

    at: datetime
    version_id: int
    added: Points


def points_of_events(lead_id: int, instants: Iterable[datetime]) -> dict[int, Decimal]:
    """By the id of an event what it added to the lead's score, for the events that came in at these instants."""
    changes = list(_changes(lead_id, sorted(set(instants))))
    found: dict[int, Decimal] = {}
    if not changes:
        return found
    events = Event.objects.filter(lead=lead_id, received_at__in=[change.at for change in changes])
    zone = ZoneInfo(Tenant.objects.values_list("time_zone", flat=True).get(pk=require_tenant_id()))
    for version_id, rules in _event_rules({change.version_id for change in changes}).items():
        of_version = [change for change in changes if change.version_id == version_id]
        counted = _counted_events(events, rules, now=of_version[-1].at)
        for change in of_version:
            came_in = [row for row in counted if row["received_at"] == change.at]
            for index, rule in enumerate(rules):
                matching = [row for row in came_in if row[f"m_{index}"]]
                for event_id, points in _shares(rule, matching, change.added.get(rule.id, Decimal(0)), zone):
                    found[event_id] = found.get(event_id, Decimal(0)) + points
    return found


def _changes(lead_id: int, instants: Sequence[datetime]) -> Iterator[Change]:
    """The decisions of these instants with what they added to the ones before them."""
    if not instants:
        return
    decisions = Decision.objects.filter(lead=lead_id, kind=DecisionKind.SCORE, topic="")
    first = decisions.filter(at__lt=instants[0]).order_by("-id").values_list("detail", flat=True).first()
    before = _points(first)
    during = decisions.filter(at__gte=instants[0], at__lte=instants[-1]).order_by("id")
    wanted = set(instants)
    for at, version_id, detail in during.values_list("at", "version_id", "detail"):
        now = _points(detail)
        if at in wanted and version_id is not None:
            rules = now.keys() | before.keys()
            yield Change(
                at,
                version_id,
                {rule: now.get(rule, Decimal(0)) - before.get(rule, Decimal(0)) for rule in rules},
            )
        before = now


def _points(detail: Mapping[str, Any] | None) -> Points:
    return {rule: Decimal(points) for rule, points in (detail or {}).get("points", {}).items()}


def _event_rules(version_ids: set[int]) -> dict[int, tuple[EventRule, ...]]:
    """The rules on events of these versions."""
    documents = RuleVersion.objects.filter(pk__in=version_ids).values_list("pk", "document")
    return {
        pk: parse_document(kind=RuleKind.SCORING, document=document).event_rules for pk, document in documents
    }


def _counted_events(events: Any, rules: Sequence[EventRule], *, now: datetime) -> list[dict[str, Any]]:
    """The events in the order in which they occurred, with ``m_0``, ``m_1`` …: whether each rule looks at them."""
    columns = {f"m_{index}": _looks_at(rule, now) for index, rule in enumerate(rules)}
    rows = events.annotate(**columns).order_by("occurred_at", "pk")
    return list(rows.values("pk", "occurred_at", "received_at", *columns))


def _looks_at(rule: EventRule, now: datetime) -> Truth:
    is_type = Compare(F("type"), "=", Bind(rule.event_type, TextField()))
    return AllOf(is_type) if rule.where is None else AllOf(is_type, compile_condition(rule.where, now=now))


def _shares(
    rule: EventRule, events: Sequence[Mapping[str, Any]], added: Decimal, zone: ZoneInfo
) -> Iterator[tuple[int, Decimal]]:
    """The events that brought what a rule added, each with its part."""
    days: set[date] = set()
    for event in events:
        day = event["occurred_at"].astimezone(zone).date()
        if added * rule.points <= 0 or (rule.count is Count.DAILY and day in days):
            continue
        days.add(day)
        part = min(rule.points, added) if added > 0 else max(rule.points, added)
        yield event["pk"], part
        added = Decimal(0) if rule.count is Count.FIRST else added - part
