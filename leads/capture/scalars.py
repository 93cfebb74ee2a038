"""One value as JSON or a file gives it: a text, a number, an instant. What its field cannot hold raises `Unfit`."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from leads.capture.columns import MAX_BIGINT, MILLION, DateFormat, parse_date, parse_decimal, to_millionths
from leads.capture.inputs import IntakeRules
from tenancy.errors import FieldProblem

# Of a field's name in a problem.
MAX_FIELD_SHOWN: Final = 200
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:$|[T ])")


class Unfit(Exception):
    """What a reader raises for a value that its field cannot hold. ``within`` names the part of a composed value."""

    def __init__(self, code: str, message: str, within: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.within = within


# Texts --------------------------------------------------------------------------------------------------------------


def as_text(value: Any) -> str:
    """A value as trimmed text, empty for null. Raises Unfit for what is no text and for characters that cannot be kept."""
    if not isinstance(value, str):
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Unfit("type", _("Give a text."))
        if abs(value) > MAX_BIGINT:
            raise Unfit("type", _("Give so large a number as a text."))
        return str(value)
    if "\0" in value or not value.isascii():
        refuse_unkeepable(value)
    return value.strip()


def refuse_unkeepable(text: str) -> None:
    """Raise Unfit for a NUL or half a surrogate pair: no column can keep them."""
    if "\0" in text:
        raise Unfit("nul", _("The text holds a NUL character."))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Unfit("characters", _("The text holds a character that is none.")) from error


def refuse_long(text: str, limit: int) -> str:
    raise Unfit(
        "too_long",
        _("At most %(limit)d characters; there are %(length)d.") % {"limit": limit, "length": len(text)},
    )


def read_text(value: Any, limit: int) -> str:
    """A trimmed text of at most ``limit`` characters, empty for null. Raises Unfit."""
    text = as_text(value)
    return text if len(text) <= limit else refuse_long(text, limit)


def shorten(text: str, limit: int = 60) -> str:
    """A caller's text for use in a message: not too long, and without what can't be kept."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def find_unkeepable(document: Any) -> FieldProblem | None:
    """The first text anywhere in a JSON document, names included, that no column can keep; its problem, else None.

    For doors that keep what came in as it is.
    """
    stack = [("", document)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, str):
            try:
                refuse_unkeepable(value)
            except Unfit as unfit:
                return FieldProblem(shorten(place, MAX_FIELD_SHOWN), unfit.code, unfit.message)
        elif isinstance(value, dict):
            names = [str(name) for name in value]
            stack += [(f"{place}.{name}".lstrip("."), value[name]) for name in value]
            stack += [(f"{place}.{name}".lstrip("."), name) for name in names]
        elif isinstance(value, list):
            stack += [(f"{place}[{index}]", each) for index, each in enumerate(value)]
    return None


# Numbers ------------------------------------------------------------------------------------------------------------


def read_millionths(name: str, value: Any, rules: IntakeRules) -> int | None:
    """A number in millionths, None if blank: from JSON as it is, from text with the decimal mark of its column."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = to_millionths(Decimal(str(value))) if _is_small(value) else None
        if number is None:
            raise Unfit("range", _("The number is too large."))
        return number
    text = as_text(value)
    if not text:
        return None
    mark = rules.marks.get(name, ".")
    readings = [parse_decimal(text, each) for each in ([mark] if mark else [".", ","])]
    known = {each for each in readings if each is not None}
    if len(known) > 1:
        raise Unfit(
            "ambiguous",
            _("“%s” can be read as two numbers. Write it without separators of thousands.") % shorten(text),
        )
    if not known:
        raise Unfit("invalid", _("“%s” is no number.") % shorten(text))
    return known.pop()


def _is_small(value: int | float) -> bool:
    """Whether a number is finite and short enough to be written out."""
    return -MAX_BIGINT <= value <= MAX_BIGINT


def read_whole_number(name: str, value: Any, rules: IntakeRules) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        if not _is_small(value):
            raise Unfit("range", _("The number is too large."))
        return value
    if isinstance(value, str) and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    number = read_millionths(name, value, rules)
    if number is None:
        return None
    if number % MILLION:
        raise Unfit("invalid", _("“%s” is no whole number.") % shorten(str(value)))
    return number // MILLION


# Dates --------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def parse_day(text: str, date_format: DateFormat | None) -> date | datetime | None:
    """A date or datetime in a column's format, or in ISO 8601 if there is none; None if it isn't one of 1900–2200."""
    if date_format is not None:
        day = parse_date(text, date_format)
    elif _ISO_DATE.match(text) is None:
        day = None
    else:
        try:
            day = datetime.fromisoformat(text) if len(text) > 10 else date.fromisoformat(text)
        except ValueError:
            day = None
    return day if day is not None and FIRST_YEAR <= day.year <= LAST_YEAR else None


@lru_cache(maxsize=8192)
def _parse_instant(text: str, date_format: DateFormat | None, zone: ZoneInfo) -> datetime | None:
    """The instant in UTC: without a time local midnight, without an offset local time (CONTRACT.md §2)."""
    day = parse_day(text, date_format)
    if day is None:
        return None
    if not isinstance(day, datetime):
        day = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (day if day.tzinfo is not None else day.replace(tzinfo=zone)).astimezone(UTC)


def refuse_date(text: str, date_format: DateFormat | None) -> None:
    if date_format is None:
        raise Unfit(
            "invalid", _("“%s” is no date. Give it like 2026-11-24 or 2026-11-24T18:20:00Z.") % shorten(text)
        )
    raise Unfit(
        "invalid",
        _("“%(text)s” is no date of the format %(format)s.")
        % {"text": shorten(text), "format": date_format.value},
    )


def read_instant(value: Any, date_format: DateFormat | None, zone: ZoneInfo) -> datetime | None:
    """An instant in UTC, None if blank: local midnight without a time, ISO 8601 without a format. Raises Unfit."""
    if value is not None and not isinstance(value, str):
        raise Unfit("type", _("Give a date or an instant as a text."))
    text = as_text(value)
    if not text:
        return None
    at = _parse_instant(text, date_format, zone) if len(text) <= 64 else None
    if at is None:
        refuse_date(text, date_format)
    return at


# JSON ---------------------------------------------------------------------------------------------------------------


def check_json(value: Any, *, levels: int, depth: int = 0) -> None:
    """Raise Unfit for what jsonb cannot keep (NUL, half characters, numbers that are none) and for more levels than these."""
    if isinstance(value, str):
        refuse_unkeepable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Unfit("invalid", _("A number is infinite or none."))
    elif isinstance(value, dict | list):
        if depth == levels:
            raise Unfit("too_deep", _("At most %d levels.") % levels)
        parts: Iterable[Any] = (*value, *value.values()) if isinstance(value, dict) else value
        for part in parts:
            check_json(part, levels=levels, depth=depth + 1)
