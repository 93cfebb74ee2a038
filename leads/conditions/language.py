"""The condition as typed objects: read from JSON and checked, written back, hashed.

Groups are ``{"all": […]}``, ``{"any": […]}``, ``{"none": […]}``; leaves ``{"fact": KEY, "op": OP, "value": V}``. A leaf that
counts events also carries ``event`` (a type; any if left out), ``days`` (ever if left out) and ``where`` (a condition on the
facts of an event).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from leads.conditions.facts import EVENT, LEAD, Fact, UnknownFact, Vocabulary
from leads.conditions.operators import Arity, Operator
from leads.conditions.values import GRADES, MAX_LIST_LENGTH, Value, WrongValue, read_days, read_value
from tenancy.errors import FieldProblem, Invalid

MAX_DEPTH = 5
MAX_LEAVES = 100

_EVENT_TYPE = re.compile(r"[a-z0-9_]{1,64}")
_LEAF_KEYS = frozenset({"fact", "op", "value"})
_EVENT_KEYS = frozenset({"event", "days", "where"})


class ConditionError(FieldProblem):
    """What is wrong at one place of the document, and how to mend it."""

    @property
    def path(self) -> str:
        """The place, like ``all[0].any[1].value``; empty for the whole."""
        return self.field


class InvalidCondition(Invalid):
    """The document is not a condition; ``errors`` has every fault found, as ConditionErrors."""

    errors: tuple[ConditionError, ...]

    def __init__(self, errors: Sequence[ConditionError]) -> None:
        told = (f"{error.path}: {error.message}" if error.path else str(error.message) for error in errors)
        super().__init__("; ".join(told), errors=errors)


class Connective(StrEnum):
    """How the parts of a group make its truth."""

    ALL = "all"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True)
class EventFilter:
    """Which events a leaf counts: of one type or any, in the last days or ever, under a condition or none."""

    type: str | None = None
    days: int | None = None
    where: "Condition | None" = None


@dataclass(frozen=True)
class Leaf:
    """One question about one fact. ``values``: none, one, low and high, or the list, as the operator's arity says."""

    fact: Fact
    operator: Operator
    values: tuple[Value, ...] = ()
    events: EventFilter | None = None


@dataclass(frozen=True)
class Group:
    """Conditions under one connective; never empty."""

    connective: Connective
    parts: "tuple[Condition, ...]"


Condition = Leaf | Group


def parse_condition(
    document: object, *, vocabulary: Vocabulary = LEAD, allow_retired: bool = False
) -> Condition:
    """The condition that a JSON document means.

    Raises InvalidCondition with every fault and how to mend it. ``allow_retired`` is for documents that were published before
    a fact was retired. Facts of a family (custom fields) need a tenant scope.
    """
    parser = _Parser(allow_retired=allow_retired)
    condition = parser.condition(document, path="", depth=1, vocabulary=vocabulary)
    if parser.leaves > MAX_LEAVES:
        parser.fault("", _("Use at most %(count)s conditions.") % {"count": MAX_LEAVES})
    if parser.errors or condition is None:
        raise InvalidCondition(parser.errors)
    return condition


class _Parser:
    """Walks a document once and collects its faults; what can't be read becomes None."""

    def __init__(self, *, allow_retired: bool) -> None:
        self.allow_retired = allow_retired
        self.errors: list[ConditionError] = []
        self.leaves = 0

    def fault(self, path: str, message: str) -> None:
        self.errors.append(ConditionError(path, "invalid", message))

    def condition(
        self, document: object, *, path: str, depth: int, vocabulary: Vocabulary
    ) -> Condition | None:
        if not isinstance(document, Mapping):
            self.fault(path, _("Give a condition as an object."))
            return None
        connectives = [connective for connective in Connective if connective.value in document]
        if "fact" in document and not connectives:
            return self.leaf(document, path=path, depth=depth, vocabulary=vocabulary)
        if len(connectives) == 1 and len(document) == 1:
            return self.group(connectives[0], document, path=path, depth=depth, vocabulary=vocabulary)
        self.fault(path, _('Give either one of "all", "any" and "none", or a "fact".'))
        return None

    def group(
        self,
        connective: Connective,
        document: Mapping[str, object],
        *,
        path: str,
        depth: int,
        vocabulary: Vocabulary,
    ) -> Group | None:
        path = _step(path, connective.value)
        raw_parts = document[connective.value]
        if not isinstance(raw_parts, list) or not raw_parts:
            self.fault(path, _("Add a condition to this group or remove the group."))
            return None
        if depth > MAX_DEPTH:
            self.fault(path, _("Put at most %(count)s groups inside each other.") % {"count": MAX_DEPTH})
            return None
        parts = [
            self.condition(part, path=f"{path}[{index}]", depth=depth + 1, vocabulary=vocabulary)
            # A document that is far too long is refused without being read to its end.
            for index, part in enumerate(raw_parts[: MAX_LEAVES + 1])
        ]
        return Group(connective, tuple(part for part in parts if part is not None))

    def leaf(
        self, document: Mapping[str, object], *, path: str, depth: int, vocabulary: Vocabulary
    ) -> Leaf | None:
        self.leaves += 1
        if self.leaves > MAX_LEAVES:
            return None
        fact = self.fact(document.get("fact"), path=_step(path, "fact"), vocabulary=vocabulary)
        if fact is None:
            return None
        for key in document.keys() - _LEAF_KEYS - (_EVENT_KEYS if fact.counts_events else frozenset()):
            self.fault(
                _step(path, str(key)), _("Remove this; %(fact)s doesn't take it.") % {"fact": fact.label}
            )
        events = self.events(document, path=path, depth=depth) if fact.counts_events else None
        operator = self.operator(document.get("op"), path=_step(path, "op"), fact=fact)
        if operator is None:
            return None
        values = self.values(document, path=_step(path, "value"), fact=fact, operator=operator)
        return Leaf(fact, operator, values, events)

    def fact(self, key: object, *, path: str, vocabulary: Vocabulary) -> Fact | None:
        if not isinstance(key, str):
            self.fault(path, _("Name a fact by its key."))
            return None
        try:
            fact = vocabulary.get(key)
        except UnknownFact:
            self.fault(path, _("There is no fact “%(key)s”; choose another.") % {"key": key[:100]})
            return None
        if fact.is_retired and not self.allow_retired:
            self.fault(path, _("“%(fact)s” is retired; choose another fact.") % {"fact": fact.label})
        return fact

    def operator(self, key: object, *, path: str, fact: Fact) -> Operator | None:
        operator = fact.operator(key) if isinstance(key, str) else None
        if operator is None:
            allowed = ", ".join(operator.key for operator in fact.operators)
            self.fault(
                path, _("Compare %(fact)s with one of %(values)s.") % {"fact": fact.label, "values": allowed}
            )
        return operator

    def values(
        self, document: Mapping[str, object], *, path: str, fact: Fact, operator: Operator
    ) -> tuple[Value, ...]:
        raw = document.get("value")
        match operator.arity:
            case Arity.NONE:
                if raw is not None:
                    self.fault(
                        path,
                        _("Leave the value out; “%(operator)s” needs none.") % {"operator": operator.label},
                    )
                return ()
            case Arity.ONE:
                return self.each([raw], paths=[path], fact=fact, operator=operator)
            case Arity.TWO:
                return self.range(raw, path=path, fact=fact, operator=operator)
            case Arity.LIST:
                if not isinstance(raw, list):
                    self.fault(path, _("Give a list of values."))
                    return ()
                if len(raw) > MAX_LIST_LENGTH:
                    self.fault(path, _("Give at most %(count)s values.") % {"count": MAX_LIST_LENGTH})
                    return ()
                paths = [f"{path}[{index}]" for index in range(len(raw))]
                values = self.each(raw, paths=paths, fact=fact, operator=operator)
                return tuple(dict.fromkeys(values))

    def range(self, raw: object, *, path: str, fact: Fact, operator: Operator) -> tuple[Value, ...]:
        if not isinstance(raw, list) or len(raw) != 2:
            self.fault(path, _("Give the lowest and the highest value as a list of two."))
            return ()
        values = self.each(raw, paths=[f"{path}[0]", f"{path}[1]"], fact=fact, operator=operator)
        if len(values) == 2 and _order(fact, values[0]) > _order(fact, values[1]):
            self.fault(path, _("Give the lower value first."))
        return values

    def each(
        self, raw: Sequence[object], *, paths: Sequence[str], fact: Fact, operator: Operator
    ) -> tuple[Value, ...]:
        values: list[Value] = []
        for item, path in zip(raw, paths, strict=True):
            if item is None:
                self.fault(
                    path, _("Give a value; to ask whether it is missing use “%(op)s”.") % {"op": "is_unknown"}
                )
                continue
            try:
                values.append(read_value(fact, operator, item))
            except WrongValue as wrong:
                self.fault(path, str(wrong))
        return tuple(values)

    def events(self, document: Mapping[str, object], *, path: str, depth: int) -> EventFilter:
        event_type = document.get("event")
        if event_type is not None and not (isinstance(event_type, str) and _EVENT_TYPE.fullmatch(event_type)):
            self.fault(
                _step(path, "event"), _("Give a type of event: lower-case letters, digits and _, at most 64.")
            )
            event_type = None
        days = None
        if document.get("days") is not None:
            try:
                days = read_days(document["days"])
            except WrongValue as wrong:
                self.fault(_step(path, "days"), str(wrong))
        where = None
        if document.get("where") is not None:
            where = self.condition(
                document["where"], path=_step(path, "where"), depth=depth + 1, vocabulary=EVENT
            )
        return EventFilter(type=event_type if isinstance(event_type, str) else None, days=days, where=where)


def _step(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _order(fact: Fact, value: Value) -> Any:
    return GRADES.get(value, value) if isinstance(value, str) else value


def list_leaves(condition: Condition) -> list[Leaf]:
    """The leaves in the order of the document; those inside ``where`` belong to their leaf."""
    return list(_leaves(condition))


def _leaves(condition: Condition) -> Iterator[Leaf]:
    if isinstance(condition, Leaf):
        yield condition
        return
    for part in condition.parts:
        yield from _leaves(part)


def is_fast(condition: Condition) -> bool:
    """Whether an index can serve each question, so that a list of a million leads is filtered in milliseconds."""
    return all(leaf.fact.is_fast and leaf.operator.is_fast for leaf in _leaves(condition))


def list_fact_keys(condition: Condition) -> set[str]:
    """The keys of the lead facts that the condition reads; what must not be deleted while it is in use."""
    return {leaf.fact.key for leaf in _leaves(condition)}


def to_document(condition: Condition) -> dict[str, Any]:
    """The condition as JSON, in canonical form: parsing it gives the same condition."""
    if isinstance(condition, Group):
        return {condition.connective.value: [to_document(part) for part in condition.parts]}
    document: dict[str, Any] = {"fact": condition.fact.key}
    if condition.events:
        if condition.events.type is not None:
            document["event"] = condition.events.type
        if condition.events.days is not None:
            document["days"] = condition.events.days
        if condition.events.where is not None:
            document["where"] = to_document(condition.events.where)
    document["op"] = condition.operator.key
    values = [_to_json(value) for value in condition.values]
    if condition.operator.arity is Arity.ONE:
        document["value"] = values[0]
    elif condition.operator.arity is not Arity.NONE:
        document["value"] = values
    return document


def _to_json(value: Value) -> str | int:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def content_hash(condition: Condition) -> str:
    """A key under which the compiled condition may be shared, between tenants too.

    The types of the facts are part of it, since two tenants may have a custom field of one name and two types.
    """
    types = sorted({(leaf.fact.key, leaf.fact.type.value, leaf.fact.scale) for leaf in _leaves(condition)})
    text = json.dumps([to_document(condition), types], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
