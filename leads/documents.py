"""Reading a rule document strictly: every fault by its JSON path, nothing let through that the engine does not know.

A reader asks each place for what it expects; after a fault it goes on with a stand-in, so that all faults are found::

    whole = open_document(document)
    whole.expect_object("rules", "cap")
    rules = [_read_rule(place) for place in whole.at("rules").items(at_most=100)]
    whole.raise_faults(_("The model has faults."))
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import LEAD, Vocabulary
from leads.conditions.language import Condition, InvalidCondition, list_leaves, parse_condition
from leads.conditions.values import WrongValue, read_decimal
from leads.labels import Label, read_label
from leads.versions import InvalidDocument, Json, path_problem
from tenancy.errors import FieldProblem

Text = str | Promise

_KEY = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True)
class Place:
    """One place of a document. ``path`` is like ``rules[0].event.where``; faults of all places are collected together."""

    value: Json
    path: str = ""
    problems: list[FieldProblem] = field(default_factory=list)
    allow_retired: bool = True

    def fault(self, message: Text, code: str = "invalid") -> None:
        """Note that this place has to be mended."""
        self.problems.append(path_problem(self.path, message, code))

    def raise_faults(self, message: Text) -> None:
        """Raise InvalidDocument if any place has a fault."""
        if self.problems:
            raise InvalidDocument(message, errors=self.problems)

    def at(self, key: str) -> "Place":
        """The place under a key of an object; its value is None where the key is absent."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return self._inner(value, f"{self.path}.{key}" if self.path else key)

    @property
    def is_given(self) -> bool:
        """Whether there is a value other than null."""
        return self.value is not None

    def expect_object(self, *keys: str) -> bool:
        """Note a fault unless this is an object with no other keys than these."""
        if not isinstance(self.value, dict):
            self.fault(_("Give an object of %(keys)s.") % {"keys": ", ".join(keys)})
            return False
        for key in self.value.keys() - set(keys):
            self._inner(None, f"{self.path}.{key}" if self.path else str(key)).fault(
                _("Remove this; what is known here: %(keys)s.") % {"keys": ", ".join(keys)}, "unknown"
            )
        return True

    def items(self, *, at_least: int = 1, at_most: int) -> "list[Place]":
        """The places of a list."""
        if not isinstance(self.value, list) or not at_least <= len(self.value) <= at_most:
            self.fault(
                _("Give a list of %(least)s to %(most)s entries.") % {"least": at_least, "most": at_most}
            )
            return []
        return [self._inner(item, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def _inner(self, value: Json, path: str) -> "Place":
        return Place(value, path, self.problems, self.allow_retired)

    def key(self) -> str:
        """A key: lower-case letters, digits and _."""
        if isinstance(self.value, str) and _KEY.fullmatch(self.value):
            return self.value
        self.fault(_("Use lower-case letters, digits and _, at most 64."))
        return ""

    def label(self) -> Label:
        """A text, or one for each language."""
        return read_label(self.value, path=self.path, problems=self.problems) or Label((("en", ""),))

    def integer(self, *, low: int, high: int) -> int:
        """A whole number between two bounds, both inclusive."""
        if isinstance(self.value, int) and not isinstance(self.value, bool) and low <= self.value <= high:
            return self.value
        self.fault(_("Give a whole number from %(low)s to %(high)s.") % {"low": low, "high": high})
        return low

    def decimal(self, *, places: int, limit: int) -> Decimal:
        """An exact decimal, as the text of its digits so that none is lost."""
        try:
            if not isinstance(self.value, str):
                raise WrongValue(_('Give the number as a text, as in "30" or "2.5".'))
            return read_decimal(self.value, places=places, limit=limit)
        except WrongValue as wrong:
            self.fault(str(wrong))
        return Decimal(0)

    def one_of(self, choices: Sequence[str]) -> str:
        """One of a closed list."""
        if isinstance(self.value, str) and self.value in choices:
            return self.value
        self.fault(_("Give one of %(values)s.") % {"values": ", ".join(choices)})
        return choices[0]

    def condition(
        self, *, vocabulary: Vocabulary = LEAD, forbidden: Collection[str] = ()
    ) -> Condition | None:
        """A condition, or None after a fault. ``forbidden`` are facts that the rules themselves bring about."""
        try:
            condition = parse_condition(self.value, vocabulary=vocabulary, allow_retired=self.allow_retired)
        except InvalidCondition as invalid:
            for error in invalid.errors:
                path = ".".join(part for part in (self.path, error.field) if part)
                self.problems.append(path_problem(path, error.message))
            return None
        for leaf in list_leaves(condition):
            if leaf.fact.key in forbidden:
                self.fault(
                    _("“%(fact)s” follows from these rules and cannot decide them.")
                    % {"fact": leaf.fact.label}
                )
        return condition


def open_document(document: Json, *, allow_retired: bool = True) -> Place:
    """The outermost place. ``allow_retired``: facts that were retired since are still read, as published versions need."""
    return Place(document, allow_retired=allow_retired)


def expect_distinct(places: Sequence[tuple[Place, str]]) -> None:
    """Note a fault at each key that stands there a second time."""
    seen: set[str] = set()
    for place, key in places:
        if key and key in seen:
            place.fault(_("“%(key)s” stands here twice.") % {"key": key}, "twice")
        seen.add(key)
