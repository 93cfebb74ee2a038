"""A condition's values by type: checked as they come in JSON, brought to what the database compares, shown to people."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BigIntegerField,
    DateField,
    DateTimeField,
    DecimalField,
    Field,
    SmallIntegerField,
    TextField,
)
from django.utils.translation import gettext as _

from leads.conditions.facts import Fact
from leads.conditions.operators import NUMERIC, FactType, Operator
from leads.models import Grade, Stage

Value = str | int | Decimal | date | datetime

MAX_TEXT_LENGTH = 500
MAX_LIST_LENGTH = 1000
MAX_DAYS = 3650
MAX_STORED = 2**63 - 1
MAX_DIGITS = 40
GRADES: dict[str, int] = {grade.label: grade.value for grade in Grade}
GRADE_LETTERS: dict[int, str] = {ordinal: letter for letter, ordinal in GRADES.items()}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?")


class WrongValue(ValueError):
    """The value is not one of the fact's; the message says how to mend it."""


@dataclass(frozen=True)
class Binding:
    """A value as the database gets it."""

    value: Any
    output_field: "Field[Any, Any]"


def read_value(fact: Fact, operator: Operator, raw: object) -> Value:
    """The value that one JSON value of a condition means; raises WrongValue."""
    if operator.takes_days:
        return read_days(raw)
    if fact.type is FactType.PROPERTY and operator.key in NUMERIC:
        return read_decimal(raw, places=18)
    if operator.key == "on":
        return read_date(raw)
    return READERS[fact.type](raw, fact)


def read_text(raw: object, fact: Fact | None = None) -> str:
    """A text that is not empty, in the form in which the fact stores it."""
    if not isinstance(raw, str):
        raise WrongValue(_("Give a text in quotes."))
    text = raw.strip()
    if fact and fact.normalise:
        text = fact.normalise(text)
    if not text:
        raise WrongValue(_("Give a text, or ask whether it is unknown."))
    if "\0" in text:
        raise WrongValue(_("Remove the NUL character."))
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise WrongValue(_("Remove the characters that are not valid Unicode."))
    if len(text) > MAX_TEXT_LENGTH:
        raise WrongValue(_("Shorten the text to %(count)s characters.") % {"count": MAX_TEXT_LENGTH})
    return text


def read_property(raw: object) -> str:
    """A property compares as text: numbers and true or false as JSON writes them."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int):
        return str(read_integer(raw))
    return read_text(raw)


def read_integer(raw: object) -> int:
    """A whole number that fits into 64 bits."""
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise WrongValue(_("Give a whole number without quotes."))
    if abs(raw) > MAX_STORED:
        raise WrongValue(_("Give a smaller number."))
    return raw


def read_days(raw: object) -> int:
    """A number of days, 1 to 3,650."""
    days = read_integer(raw)
    if not 1 <= days <= MAX_DAYS:
        raise WrongValue(_("Give a number of days between 1 and %(count)s.") % {"count": MAX_DAYS})
    return days


def read_decimal(raw: object, *, places: int, limit: int = MAX_STORED) -> Decimal:
    """A number, or its digits as a text so that none is lost; at most ``places`` decimals."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise WrongValue(_("Give a number."))
    try:
        number = Decimal(str(raw).strip())
    except InvalidOperation:
        raise WrongValue(_("Give a number, with a point before the decimals.")) from None
    # The exponent is asked first: no arithmetic holds 1e999999999, and 1e-999999999 takes a gigabyte to write out.
    if not number.is_finite() or number.adjusted() > MAX_DIGITS or abs(number) > limit:
        raise WrongValue(_("Give a smaller number."))
    if (
        number.adjusted() < -MAX_DIGITS
        or not _NUMBER.fullmatch(f"{number:f}")
        or number != round(number, places)
    ):
        raise WrongValue(_("Give at most %(count)s decimals.") % {"count": places})
    return number


def read_stored_decimal(raw: object, fact: Fact) -> Decimal:
    """A number that the fact's column holds without loss: money to the minor unit, decimals to the millionth."""
    return read_decimal(raw, places=len(str(fact.scale)) - 1, limit=MAX_STORED // fact.scale)


def read_date(raw: object) -> date:
    """A day as ``2026-11-24``."""
    if isinstance(raw, str) and _DATE.fullmatch(raw):
        try:
            return date.fromisoformat(raw)
        except ValueError:
            pass
    raise WrongValue(_("Give a day that exists, as 2026-11-24."))


def read_date_or_instant(raw: object) -> date:
    """A day as ``2026-11-24``, or an instant as ``2026-11-24T18:20:00Z``."""
    if isinstance(raw, str) and "T" in raw:
        try:
            instant = datetime.fromisoformat(raw)
            if instant.tzinfo is not None:
                return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise WrongValue(_("Give an instant with its offset, as 2026-11-24T18:20:00Z."))
    return read_date(raw)


def read_choice(raw: object, fact: Fact) -> str:
    """One of the fact's choices, or any text where they are suggestions."""
    if fact.suggests_choices:
        return read_text(raw, fact)
    return read_one_of(raw, [str(choice.value) for choice in fact.choices()])


def read_one_of(raw: object, allowed: Sequence[str]) -> str:
    """One of a closed list."""
    if not isinstance(raw, str) or raw not in allowed:
        raise WrongValue(_("Give one of %(values)s.") % {"values": ", ".join(allowed)})
    return raw


# Every type but BOOLEAN, whose operators take no value.
READERS: dict[FactType, Callable[[object, Fact], Value]] = {
    FactType.TEXT: read_text,
    FactType.PROPERTY: lambda raw, fact: read_property(raw),
    FactType.INTEGER: lambda raw, fact: read_integer(raw),
    FactType.DECIMAL: read_stored_decimal,
    FactType.MONEY: read_stored_decimal,
    FactType.DATE: lambda raw, fact: read_date(raw),
    FactType.DATETIME: lambda raw, fact: read_date_or_instant(raw),
    FactType.CHOICE: read_choice,
    FactType.MEMBER: lambda raw, fact: read_integer(raw),
    FactType.TAGS: read_text,
    FactType.STAGE: lambda raw, fact: read_one_of(raw, list(Stage.values)),
    FactType.GRADE: lambda raw, fact: read_one_of(raw, list(GRADES)),
}


def bind(fact: Fact, operator: Operator, value: Value) -> Binding:
    """The value in the unit and type of the column it is compared with."""
    if operator.takes_days:
        return Binding(value, BigIntegerField())
    if fact.type is FactType.PROPERTY and operator.key in NUMERIC:
        return Binding(value, DecimalField(max_digits=36, decimal_places=18))
    if fact.type in {FactType.DECIMAL, FactType.MONEY}:
        return Binding(int(Decimal(str(value)) * fact.scale), BigIntegerField())
    if fact.type is FactType.GRADE:
        return Binding(GRADES[str(value)], SmallIntegerField())
    if isinstance(value, date):
        return Binding(value, DateTimeField() if isinstance(value, datetime) else DateField())
    return Binding(value, TextField() if isinstance(value, str) else BigIntegerField())


def bind_list(fact: Fact, operator: Operator, values: Sequence[Value]) -> Binding:
    """The values, at least one, as one array: the text of a statement doesn't depend on their number."""
    bindings = [bind(fact, operator, value) for value in values]
    return Binding([binding.value for binding in bindings], ArrayField(bindings[0].output_field))
