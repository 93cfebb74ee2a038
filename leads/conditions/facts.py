"""What conditions may speak of: the registry of facts about a lead and about an event.

A fact's key is stable: it can be retired, not renamed. Apps register their facts from ``AppConfig.ready()``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db.models import OuterRef, QuerySet, Subquery

from leads.conditions.operators import ABOUT_KNOWING, OPERATORS, FactType, Label, Operator


class UnknownFact(LookupError):
    """No fact of the vocabulary has this key."""


@dataclass(frozen=True)
class Choice:
    """One value of a closed or suggested list."""

    value: str | int
    label: Label


def no_choices() -> list[Choice]:
    """The choices of a fact that has none."""
    return []


@dataclass(frozen=True)
class Rows:
    """Where a fact's values are rows of their own, at most one a lead except for tags.

    ``queryset`` gives the rows of the fact over all leads of the tenant, ``column`` names the value. In a filter such a fact
    becomes a semi-join that can start from the index on the value. ``has_creation``: they carry the lead's ``created_at``, and
    the index on the value goes on with it.
    """

    queryset: Callable[[], QuerySet[Any, Any]]
    column: str
    has_creation: bool = False

    def of_lead(self) -> QuerySet[Any, Any]:
        """The rows of the lead of the query around."""
        return self.queryset().filter(lead=OuterRef("pk"))

    def value(self) -> Subquery:
        """The value for the lead of the query around, null without a row."""
        return Subquery(self.of_lead().values(self.column))


@dataclass(frozen=True)
class Fact:
    """One thing that can be known about a lead (or about an event).

    ``expression`` makes a Django expression relative to Lead (or Event); it is called where the condition is compiled, inside
    a tenant scope. ``number`` is the same read as a number, for facts of type PROPERTY. ``scale``: how many stored units make
    one unit as people write it (100 for money in minor units, 1,000,000 for millionths). ``normalise`` brings a value to the
    form in which it is stored. A fact with ``suggests_choices`` takes other values too. ``is_fast``: an index says which leads
    match; ``fast_orders``: the orders of a list that come with it in ten milliseconds however many leads there are and wherever
    those that match stand. In the others a list has a time limit. ``stages``: those that a lead is in if this is known of it;
    empty for any.
    """

    key: str
    label: Label
    group: Label
    type: FactType
    expression: Callable[[], Any] = field(compare=False)
    number: Callable[[], Any] | None = field(default=None, compare=False)
    rows: Rows | None = field(default=None, compare=False)
    choices: Callable[[], Iterable[Choice]] = field(default=no_choices, compare=False)
    suggests_choices: bool = False
    normalise: Callable[[str], str] | None = field(default=None, compare=False)
    scale: int = 1
    is_fast: bool = False
    fast_orders: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    is_always_known: bool = False
    is_retired: bool = False
    counts_events: bool = False

    @property
    def operators(self) -> tuple[Operator, ...]:
        """What may be asked of this fact."""
        operators = OPERATORS[self.type]
        if self.is_always_known:
            return tuple(operator for operator in operators if operator not in ABOUT_KNOWING)
        return operators

    def operator(self, key: str) -> Operator | None:
        """The operator with this key, or None if it can't be asked of this fact."""
        return next((operator for operator in self.operators if operator.key == key), None)


class FactFamily(Protocol):
    """Facts whose keys begin with a prefix and are known to the tenant only: custom fields, purposes, questions."""

    @property
    def prefix(self) -> str:
        """What the keys begin with, the dot included."""

    @property
    def label(self) -> Label:
        """What the family is called where a name can be typed."""

    @property
    def is_open(self) -> bool:
        """Whether any well-formed name is a fact, listed or not."""

    def find(self, name: str) -> Fact | None:
        """The fact with this name after the prefix, retired or not."""

    def facts(self) -> Iterable[Fact]:
        """The facts of the tenant that may be used now."""


class Vocabulary:
    """The facts that a condition may use."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._facts: dict[str, Fact] = {}
        self._families: dict[str, FactFamily] = {}

    def register(self, fact: Fact) -> None:
        """Add a fact; raises ValueError if its key is taken."""
        if fact.key in self._facts:
            raise ValueError(f"The fact {fact.key!r} is registered twice.")
        self._facts[fact.key] = fact

    def register_family(self, family: FactFamily) -> None:
        """Add a family; raises ValueError if its prefix is taken."""
        if family.prefix in self._families:
            raise ValueError(f"The family {family.prefix!r} is registered twice.")
        self._families[family.prefix] = family

    def get(self, key: str) -> Fact:
        """The fact with this key, retired or not; raises UnknownFact. A family's fact needs a tenant scope."""
        if fact := self._facts.get(key):
            return fact
        for prefix, family in self._families.items():
            if key.startswith(prefix) and (fact := family.find(key.removeprefix(prefix))):
                return fact
        raise UnknownFact(key)

    def facts(self) -> list[Fact]:
        """The facts that a new condition may use, in order of registration, families last. Needs a tenant scope."""
        own = list(self._facts.values())
        of_families = [fact for family in self._families.values() for fact in family.facts()]
        return [fact for fact in own + of_families if not fact.is_retired]

    def open_families(self) -> list[FactFamily]:
        """The families in which any well-formed name is a fact."""
        return [family for family in self._families.values() if family.is_open]


LEAD = Vocabulary("lead")
EVENT = Vocabulary("event")


def register_fact(*, fact: Fact, vocabulary: Vocabulary = LEAD) -> None:
    """Make a fact known to conditions; raises ValueError if its key is taken."""
    vocabulary.register(fact)


def register_fact_family(*, family: FactFamily, vocabulary: Vocabulary = LEAD) -> None:
    """Make a family of facts known to conditions; raises ValueError if its prefix is taken."""
    vocabulary.register_family(family)


def get_fact(*, key: str, vocabulary: Vocabulary = LEAD) -> Fact:
    """The fact with this key, retired or not; raises UnknownFact."""
    return vocabulary.get(key)


def list_facts(*, vocabulary: Vocabulary = LEAD) -> list[Fact]:
    """The facts that a new condition may use."""
    return vocabulary.facts()
