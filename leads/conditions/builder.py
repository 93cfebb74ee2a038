"""The vocabulary as JSON, for the condition builder of the pages."""

from collections.abc import Collection
from typing import Any

from leads.conditions.event_types import event_words, list_event_types
from leads.conditions.facts import EVENT, LEAD, Fact, Vocabulary
from leads.conditions.language import MAX_DEPTH, MAX_LEAVES
from leads.conditions.operators import OPERATORS, Arity, Operator

ARITIES: dict[Arity, int | str] = {Arity.NONE: 0, Arity.ONE: 1, Arity.TWO: 2, Arity.LIST: "list"}


def builder_vocabulary(*, without: Collection[str] = ()) -> dict[str, Any]:
    """What a builder offers, in the active language; the lead's facts but for some. Needs a tenant scope.

    ``facts`` of a lead and ``event_facts`` for a ``where``: key, label, group, type, whether it is fast, whether ``is_known``
    can be asked, whether it counts events, choices or null and whether others may be typed. ``families`` and
    ``event_families``: prefixes after which a name may be typed. ``event_types`` that are known; others may be typed.
    ``operators`` by type, ``limits`` of the tree.
    """
    return {
        "facts": [_fact(fact) for fact in LEAD.facts() if fact.key not in without],
        "families": _families(LEAD),
        "event_facts": [_fact(fact) for fact in EVENT.facts()],
        "event_families": _families(EVENT),
        "event_types": [{"value": type_, "label": event_words(type_)} for type_ in list_event_types()],
        "operators": {
            type_.value: [_operator(operator) for operator in operators]
            for type_, operators in OPERATORS.items()
        },
        "limits": {"depth": MAX_DEPTH, "leaves": MAX_LEAVES},
    }


def _fact(fact: Fact) -> dict[str, Any]:
    choices = [{"value": choice.value, "label": str(choice.label)} for choice in fact.choices()]
    return {
        "key": fact.key,
        "label": str(fact.label),
        "group": str(fact.group),
        "type": fact.type.value,
        "fast": fact.is_fast,
        "always_known": fact.is_always_known,
        "counts_events": fact.counts_events,
        "choices": choices or None,
        "suggests": fact.suggests_choices,
    }


def _operator(operator: Operator) -> dict[str, Any]:
    return {
        "op": operator.key,
        "label": str(operator.label),
        "arity": ARITIES[operator.arity],
        "days": operator.takes_days,
        "fast": operator.is_fast,
    }


def _families(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    return [{"prefix": family.prefix, "label": str(family.label)} for family in vocabulary.open_families()]
