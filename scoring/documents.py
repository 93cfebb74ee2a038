"""The rules of score and grade as typed documents.

The scoring model (kind ``scoring``)::

    {"rules": [{"id": "demo", "label": {"en": "Asked for a demo"}, "points": "30", "cap": "60",
                "event": {"type": "form_submitted", "where": {"fact": "properties.kind", "op": "eq", "value": "demo"}},
                "window_days": 90, "count": "each"},
               {"id": "size", "label": "…", "points": "5", "when": {"fact": "company_size", "op": "gte", "value": 50}}],
     "model_cap": null}

A rule counts events (``event``; its ``where`` may be null) or looks at the lead (``when``). ``window_days``: how long an
event counts, null for ever. ``count``: ``each`` event, the ``first`` in the window, or the earliest of each day (``daily``) in
the tenant's zone. ``cap`` bounds the rule's points, on the side on which they are: −20 for a rule that takes away.

The grade criteria (kind ``grading``)::

    {"start": "D", "criteria": [{"id": "size", "label": "…", "steps": 2, "when": {…}}]}

``steps`` (1 to 3) up the scale if the condition is true, as many down if it is false, none while it is unknown.
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import EVENT
from leads.conditions.language import Condition, content_hash
from leads.conditions.values import GRADES
from leads.documents import Place, expect_distinct, open_document
from leads.labels import Label
from leads.models import Grade

MAX_RULES: Final = 100
MAX_WINDOW_DAYS: Final = 3650
MAX_POINTS: Final = 10_000
POINT_PLACES: Final = 4
MAX_STEPS: Final = 3
# What score, grade and the steps after them bring about: a rule that read it would change its own ground.
FOLLOWS_FROM_RULES: Final = frozenset(
    {
        "score",
        "grade",
        "stage",
        "furthest_stage",
        "stage_at",
        "owner_sdr",
        "owner_sales",
        "asked_for_contact_at",
        "open_clock",
    }
)


class Count(StrEnum):
    """Which of the events in the window are counted."""

    EACH = "each"
    FIRST = "first"
    DAILY = "daily"


@dataclass(frozen=True)
class EventRule:
    """Points for events of a type under a condition. ``window_days`` and ``cap`` are None where there is no bound."""

    id: str
    label: Label
    points: Decimal
    cap: Decimal | None
    event_type: str
    where: Condition | None
    window_days: int | None
    count: Count


@dataclass(frozen=True)
class LeadRule:
    """Points for a lead that meets a condition."""

    id: str
    label: Label
    points: Decimal
    when: Condition


ScoringRule = EventRule | LeadRule


@dataclass(frozen=True)
class ScoringModel:
    """A parsed scoring document."""

    rules: tuple[ScoringRule, ...]
    model_cap: Decimal | None

    @cached_property
    def fingerprint(self) -> str:
        """Equal for models that make the same SQL, of whichever tenant."""
        return fingerprint(self)

    @property
    def event_rules(self) -> tuple[EventRule, ...]:
        """The rules that count events, in order."""
        return tuple(rule for rule in self.rules if isinstance(rule, EventRule))

    @property
    def lead_rules(self) -> tuple[LeadRule, ...]:
        """The rules that look at the lead, in order."""
        return tuple(rule for rule in self.rules if isinstance(rule, LeadRule))


@dataclass(frozen=True)
class Criterion:
    """One question about who the lead is, and how many steps of the scale it is worth."""

    id: str
    label: Label
    when: Condition
    steps: int


@dataclass(frozen=True)
class GradeCriteria:
    """A parsed grading document; ``start`` is the ordinal before any criterion."""

    start: Grade
    criteria: tuple[Criterion, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for criteria that make the same SQL, of whichever tenant."""
        return fingerprint(self)


def parse_scoring(document: Any, *, allow_retired: bool = True) -> ScoringModel:
    """The typed scoring model of a document. Raises InvalidDocument naming every fault by its JSON path."""
    whole = open_document(document, allow_retired=allow_retired)
    rules: list[ScoringRule] = []
    cap = None
    if whole.expect_object("rules", "model_cap"):
        places = whole.at("rules").items(at_least=0, at_most=MAX_RULES)
        rules = [rule for place in places if (rule := _read_rule(place)) is not None]
        expect_distinct([(place.at("id"), str(place.at("id").value)) for place in places])
        cap = _read_model_cap(whole.at("model_cap"))
    whole.raise_faults(_("The scoring model has faults."))
    return ScoringModel(tuple(rules), cap)


def _read_model_cap(place: Place) -> Decimal | None:
    if not place.is_given:
        return None
    cap = place.decimal(places=POINT_PLACES, limit=1_000_000)
    if cap <= 0:
        place.fault(_("Give a number above 0, or null for no bound."))
    return cap


def _read_rule(place: Place) -> ScoringRule | None:
    if not place.expect_object("id", "label", "event", "when", "window_days", "count", "points", "cap"):
        return None
    id_, label, points = place.at("id").key(), place.at("label").label(), _read_points(place.at("points"))
    if place.at("event").is_given == place.at("when").is_given:
        place.fault(_('Give either "event" or "when".'))
        return None
    if place.at("when").is_given:
        for key in ("window_days", "count", "cap"):
            if place.at(key).is_given:
                place.at(key).fault(_("Remove this; it belongs to rules that count events."))
        when = place.at("when").condition(forbidden=FOLLOWS_FROM_RULES)
        return LeadRule(id_, label, points, when) if when else None
    event = place.at("event")
    if not event.expect_object("type", "where"):
        return None
    where = event.at("where")
    window = place.at("window_days")
    count = place.at("count")
    return EventRule(
        id=id_,
        label=label,
        points=points,
        cap=_read_cap(place.at("cap"), points),
        event_type=event.at("type").key(),
        where=where.condition(vocabulary=EVENT) if where.is_given else None,
        window_days=window.integer(low=1, high=MAX_WINDOW_DAYS) if window.is_given else None,
        count=Count(count.one_of([each.value for each in Count])) if count.is_given else Count.EACH,
    )


def _read_points(place: Place) -> Decimal:
    faults = len(place.problems)
    points = place.decimal(places=POINT_PLACES, limit=MAX_POINTS)
    if points == 0 and len(place.problems) == faults:
        place.fault(_("Give points above or below 0."))
    return points


def _read_cap(place: Place, points: Decimal) -> Decimal | None:
    if not place.is_given:
        return None
    cap = place.decimal(places=POINT_PLACES, limit=1_000_000)
    if points != 0 and cap * points <= 0:
        place.fault(_("Give a cap on the same side of 0 as the points, or null for no bound."))
    return cap


def parse_grading(document: Any, *, allow_retired: bool = True) -> GradeCriteria:
    """The typed grade criteria of a document. Raises InvalidDocument naming every fault by its JSON path."""
    whole = open_document(document, allow_retired=allow_retired)
    criteria: list[Criterion] = []
    start = Grade.D
    if whole.expect_object("start", "criteria"):
        start = Grade(GRADES[whole.at("start").one_of(list(GRADES))])
        places = whole.at("criteria").items(at_least=0, at_most=MAX_RULES)
        criteria = [criterion for place in places if (criterion := _read_criterion(place)) is not None]
        expect_distinct([(place.at("id"), str(place.at("id").value)) for place in places])
    whole.raise_faults(_("The grade criteria have faults."))
    return GradeCriteria(start, tuple(criteria))


def _read_criterion(place: Place) -> Criterion | None:
    if not place.expect_object("id", "label", "when", "steps"):
        return None
    id_, label = place.at("id").key(), place.at("label").label()
    steps = place.at("steps").integer(low=1, high=MAX_STEPS)
    when = place.at("when").condition(forbidden=FOLLOWS_FROM_RULES)
    return Criterion(id_, label, when, steps) if when else None


def fingerprint(rules: ScoringModel | GradeCriteria) -> str:
    """Equal for rules that make the same SQL, of whichever tenant: labels apart, types of the facts included."""
    digest = hashlib.sha256()
    if isinstance(rules, ScoringModel):
        digest.update(repr(rules.model_cap).encode())
        for rule in rules.rules:
            condition = rule.where if isinstance(rule, EventRule) else rule.when
            parts = [
                getattr(rule, name, None)
                for name in ("id", "points", "cap", "event_type", "window_days", "count")
            ]
            digest.update(repr((*parts, condition and content_hash(condition))).encode())
    else:
        digest.update(repr(rules.start).encode())
        for criterion in rules.criteria:
            digest.update(repr((criterion.id, criterion.steps, content_hash(criterion.when))).encode())
    return digest.hexdigest()
