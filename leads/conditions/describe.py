"""A condition as a sentence in the active language."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.conditions.event_types import event_words
from leads.conditions.facts import Fact
from leads.conditions.language import Condition, Connective, Group, Leaf
from leads.conditions.operators import NUMERIC, Arity, FactType, Operator
from leads.conditions.values import GRADE_LETTERS, Value

SHOWN_OF_A_LIST = 6
JOINS_BY_AND = frozenset({"has_all"})


def describe_condition(condition: Condition) -> str:
    """A sentence such as "country is BR and company size is between 20 and 1,000"."""
    return Describer().condition(condition)


class Describer:
    """Describes several conditions and asks for the labels of a fact's choices only once."""

    def __init__(self) -> None:
        self._choice_labels: dict[str, dict[str, str]] = {}

    def condition(self, condition: Condition) -> str:
        """The whole as one sentence, without a capital and a full stop."""
        return self.leaf(condition) if isinstance(condition, Leaf) else self.group(condition)

    def group(self, group: Group) -> str:
        """The parts, joined as the connective says."""
        if group.connective is Connective.NONE:
            if len(group.parts) == 1 and isinstance(group.parts[0], Leaf):
                return self.leaf(group.parts[0], negated=True)
            return _("none of (%(conditions)s)") % {"conditions": "; ".join(map(self.condition, group.parts))}
        parts = [self._inside(part) for part in group.parts]
        joint = (
            _("%(one)s and %(other)s") if group.connective is Connective.ALL else _("%(one)s or %(other)s")
        )
        sentence = parts[0]
        for part in parts[1:]:
            sentence = joint % {"one": sentence, "other": part}
        return sentence

    def _inside(self, condition: Condition) -> str:
        sentence = self.condition(condition)
        joined = (
            isinstance(condition, Group)
            and condition.connective is not Connective.NONE
            and len(condition.parts) > 1
        )
        return f"({sentence})" if joined else sentence

    def leaf(self, leaf: Leaf, *, negated: bool = False) -> str:
        """The question as a statement, or its opposite."""
        operator = leaf.operator
        sentence = str(operator.negated if negated else operator.sentence)
        places = {"fact": self.subject(leaf)}
        if operator.arity is Arity.TWO:
            places |= {"low": self.value(leaf, leaf.values[0]), "high": self.value(leaf, leaf.values[1])}
        elif operator.arity is not Arity.NONE:
            places["value"] = self.values(leaf)
        return sentence % places

    def subject(self, leaf: Leaf) -> str:
        """What the leaf speaks of, as it stands inside a sentence."""
        events = leaf.events
        if events is None:
            return inside_sentence(str(leaf.fact.label))
        subject = (
            _("number of “%(event)s” events") % {"event": event_words(events.type)}
            if events.type
            else _("number of events")
        )
        if events.days is not None:
            in_days = ngettext(
                "%(subject)s in the last day", "%(subject)s in the last %(days)s days", events.days
            )
            subject = in_days % {"subject": subject, "days": number_format(events.days, force_grouping=True)}
        if events.where is not None:
            subject = _("%(subject)s (where %(condition)s)") % {
                "subject": subject,
                "condition": self.condition(events.where),
            }
        return subject

    def values(self, leaf: Leaf) -> str:
        """All values of a leaf as one text."""
        if not leaf.values:
            return _("an empty list")
        texts = [self.value(leaf, value) for value in leaf.values[:SHOWN_OF_A_LIST]]
        if surplus := len(leaf.values) - len(texts):
            texts.append(_("%(count)s more") % {"count": number_format(surplus, force_grouping=True)})
        by_and = leaf.operator.key in JOINS_BY_AND
        return join_list(texts, last=_("%(one)s and %(other)s") if by_and else _("%(one)s or %(other)s"))

    def value(self, leaf: Leaf, value: Value) -> str:
        """One value of a condition as people write it."""
        if leaf.operator.takes_days or is_compared_as_number(leaf.fact, leaf.operator):
            return show_number(value)
        match leaf.fact.type:
            case FactType.INTEGER | FactType.DECIMAL | FactType.MONEY:
                return show_number(value)
            case FactType.DATE | FactType.DATETIME:
                assert isinstance(value, date)
                return show_time(value)
            case FactType.CHOICE | FactType.MEMBER | FactType.STAGE | FactType.TAGS:
                return self.choice(leaf.fact, value)
            case _:
                return str(value)

    def choice(self, fact: Fact, value: object) -> str:
        """The label of one of the fact's choices; the value itself if it is none of them."""
        if fact.key not in self._choice_labels:
            self._choice_labels[fact.key] = {
                str(choice.value): str(choice.label) for choice in fact.choices()
            }
        return self._choice_labels[fact.key].get(str(value), str(value))

    def recorded(self, fact: Fact, recorded: Any) -> str:
        """An input, as a record keeps it, for people to read."""
        if recorded is None:
            return _("unknown")
        if fact.type in CHOSEN:
            return self.choice(fact, recorded)
        show = SHOWN_BY.get(fact.type)
        return show(fact, recorded) if show else str(recorded)


def is_compared_as_number(fact: Fact, operator: Operator) -> bool:
    """Whether a property is read as a number here."""
    return fact.type is FactType.PROPERTY and operator.key in NUMERIC


def in_units(fact: Fact, recorded: int) -> int | Decimal:
    """A stored number in the unit in which people write it."""
    return recorded if fact.scale == 1 else Decimal(recorded) / fact.scale


def show_number(value: object) -> str:
    """A number in the active locale, without zeros at the end."""
    if isinstance(value, Decimal):
        value = value.to_integral_value() if value == value.to_integral_value() else value.normalize()
    assert isinstance(value, int | Decimal)
    return number_format(value, use_l10n=True, force_grouping=True)


def show_time(value: date) -> str:
    """A day, or an instant in the active zone, in the active locale."""
    if isinstance(value, datetime):
        return date_format(
            timezone.localtime(value if value.tzinfo else value.replace(tzinfo=UTC)), "DATETIME_FORMAT"
        )
    return date_format(value, "DATE_FORMAT")


def inside_sentence(label: str) -> str:
    """A label with a small first letter, unless it is an abbreviation such as SDR or CNPJ."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def join_list(texts: Sequence[str], *, last: str) -> str:
    """Texts as a list in a sentence; ``last`` joins the last one and has places for ``one`` and ``other``."""
    if len(texts) == 1:
        return texts[0]
    return last % {"one": ", ".join(texts[:-1]), "other": texts[-1]}


def show_tags(tags: Sequence[str]) -> str:
    """Tags as a list in a sentence."""
    return join_list(tags, last=_("%(one)s and %(other)s")) if tags else _("none")


CHOSEN = frozenset({FactType.CHOICE, FactType.MEMBER, FactType.STAGE})
SHOWN_BY: dict[FactType, Callable[[Fact, Any], str]] = {
    FactType.INTEGER: lambda fact, recorded: show_number(in_units(fact, recorded)),
    FactType.DECIMAL: lambda fact, recorded: show_number(in_units(fact, recorded)),
    FactType.MONEY: lambda fact, recorded: show_number(in_units(fact, recorded)),
    FactType.DATE: lambda fact, recorded: show_time(date.fromisoformat(recorded)),
    FactType.DATETIME: lambda fact, recorded: show_time(datetime.fromisoformat(recorded)),
    FactType.BOOLEAN: lambda fact, recorded: _("yes") if recorded else _("no"),
    FactType.GRADE: lambda fact, recorded: GRADE_LETTERS[recorded],
    FactType.TAGS: lambda fact, recorded: show_tags(recorded),
}
