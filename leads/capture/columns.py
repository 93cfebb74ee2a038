"""What a file's column holds, decided from all of its values: date format, decimal mark, type. Never cell by cell.

The deciders are fed in chunks and keep a few flags and examples, whatever the length of the file.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import combinations
from typing import Final, Literal

MILLION: Final = 1_000_000
MAX_BIGINT: Final = 2**63 - 1
MAX_FIELD_NAME: Final = 63
# Before the name of a custom field, in files, options and documents.
CUSTOM: Final = "custom."

FieldType = Literal["integer", "decimal", "date", "text"]
DecimalMark = Literal[".", ","]


class DateFormat(StrEnum):
    """In which order a column writes year, month and day."""

    YMD = "ymd"
    DMY = "dmy"
    MDY = "mdy"


# Dates ------------------------------------------------------------------------------------------------------------

_DATE: Final = re.compile(
    r"([0-9]{1,4})([-/.])([0-9]{1,2})\2([0-9]{1,4})"
    r"(?:(?:T|,? +)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?: ?([AaPp])\.?[Mm]\.?)?"
    r"(?: ?(Z|z|UTC|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2}))?)?"
)


def parse_date(text: str, date_format: DateFormat) -> date | datetime | None:
    """A date, or with a time a datetime (aware if an offset is written); None if it isn't one in this format.

    Parts are apart by - / or . throughout; a year of two digits lies in 1969–2068, as POSIX has it.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    on = _read_day(match[1], match[3], match[4], date_format)
    if on is None or match[5] is None:
        return on
    return _add_time(on, match)


@lru_cache(maxsize=4096)
def _read_day(one: str, two: str, three: str, date_format: DateFormat) -> date | None:
    if date_format is DateFormat.YMD:
        year, month, day = one, two, three
    elif date_format is DateFormat.DMY:
        day, month, year = one, two, three
    else:
        month, day, year = one, two, three
    if len(year) not in {2, 4} or len(day) > 2 or len(month) > 2:
        return None
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= 69 else 2000
    try:
        return date(number, int(month), int(day))
    except ValueError:
        return None


def _add_time(on: date, match: re.Match[str]) -> datetime | None:
    hour, minute, second = int(match[5]), int(match[6]), int(match[7] or 0)
    if match[9] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[9] in "Pp" else 0)
    microsecond = int((match[8] or "0").ljust(6, "0")[:6])
    try:
        return datetime.combine(on, time(hour, minute, second, microsecond, _read_offset(match[10])))
    except ValueError:
        return None


def _read_offset(text: str | None) -> timezone | None:
    """The offset as a zone; ValueError from 24 hours up."""
    if text is None:
        return None
    if text in {"Z", "z", "UTC"}:
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


@dataclass(frozen=True)
class DateDecision:
    """How a column writes its dates.

    ``format`` is None if no value is a date, or if it must be asked: then ``is_ambiguous`` is true, ``candidates``
    are the formats that read every date of the column (none, if it mixes formats), and ``example`` is a value that
    shows why.
    """

    format: DateFormat | None
    candidates: tuple[DateFormat, ...]
    is_ambiguous: bool
    example: str | None


class DateFormatDecider:
    """One format for a column from all its values; values that are no date in any format do not count."""

    def __init__(self) -> None:
        self._fits = set(DateFormat)
        self._has_dates = False
        self._odd_example: str | None = None
        self._differs: dict[frozenset[DateFormat], str] = {}

    def feed(self, values: Iterable[str]) -> None:
        for value in dict.fromkeys(values):
            self._take(value)

    def _take(self, value: str) -> None:
        days = _days_by_format(value)
        if not days:
            return
        self._has_dates = True
        left = self._fits & days.keys()
        if not left and self._odd_example is None:
            self._odd_example = value
        self._fits = left
        for pair in combinations(days, 2):
            if days[pair[0]] != days[pair[1]]:
                self._differs.setdefault(frozenset(pair), value)

    def decision(self) -> DateDecision:
        if not self._has_dates:
            return DateDecision(None, (), is_ambiguous=False, example=None)
        candidates = tuple(each for each in DateFormat if each in self._fits)
        if not candidates:
            return DateDecision(None, (), is_ambiguous=True, example=self._odd_example)
        for pair in combinations(candidates, 2):
            if example := self._differs.get(frozenset(pair)):
                return DateDecision(None, candidates, is_ambiguous=True, example=example)
        return DateDecision(candidates[0], candidates, is_ambiguous=False, example=None)


def _days_by_format(value: str) -> dict[DateFormat, date]:
    """The day that each format reads in a value; empty if the value is no date."""
    match = _DATE.fullmatch(value.strip())
    if match is None:
        return {}
    days = {each: _read_day(match[1], match[3], match[4], each) for each in DateFormat}
    known = {each: on for each, on in days.items() if on is not None}
    if match[5] is not None and known and _add_time(next(iter(known.values())), match) is None:
        return {}
    return known


def decide_date_format(values: Iterable[str]) -> DateDecision:
    """The date format of a whole column; see DateDecision."""
    decider = DateFormatDecider()
    decider.feed(values)
    return decider.decision()


# Numbers ----------------------------------------------------------------------------------------------------------

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_DECIMAL: Final[dict[DecimalMark, re.Pattern[str]]] = {
    ".": re.compile(r"-?(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)(?:\.[0-9]+)?"),
    ",": re.compile(r"-?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[1-9][0-9]*)(?:,[0-9]+)?"),
}
_MARKS: Final[tuple[DecimalMark, DecimalMark]] = (".", ",")


def parse_integer(text: str) -> int | None:
    """A whole number that fits 64 bits; None for anything else, leading zeros (codes, not numbers) included."""
    text = text.strip()
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -MAX_BIGINT <= number <= MAX_BIGINT else None


def parse_decimal(text: str, mark: DecimalMark) -> int | None:
    """A decimal number in millionths, rounded half up; thousands may be grouped by the other mark. None if it isn't one."""
    text = text.strip()
    if _DECIMAL[mark].fullmatch(text) is None:
        return None
    plain = text.replace("," if mark == "." else ".", "").replace(mark, ".")
    return to_millionths(Decimal(plain))


def to_millionths(number: Decimal) -> int | None:
    """A finite number in millionths, rounded half up; None if that doesn't fit 64 bits."""
    # Compared first: scaling a number of a million digits would take for ever.
    if not number.is_finite() or abs(number) > MAX_BIGINT // MILLION:
        return None
    return int((number * MILLION).to_integral_value(rounding=ROUND_HALF_UP))


class DecimalMarkDecider:
    """One decimal mark for a column from all its values; values that are no number do not count."""

    def __init__(self) -> None:
        self._fits: set[DecimalMark] = set(_MARKS)
        self._differs = False

    def feed(self, values: Iterable[str]) -> None:
        for value in set(values):
            read = {mark: number for mark in _MARKS if (number := parse_decimal(value, mark)) is not None}
            if read:
                self._fits &= read.keys()
                self._differs = self._differs or len(set(read.values())) > 1

    def decision(self) -> DecimalMark | None:
        """The mark; the point if either reads the same numbers; None if both fit and differ, or neither fits."""
        if len(self._fits) == 1:
            return next(iter(self._fits))
        return "." if self._fits and not self._differs else None


def decide_decimal_mark(values: Iterable[str]) -> DecimalMark | None:
    """The decimal mark of a whole column: "1.234,56" has the comma, "1,234.56" the point, "1.234" alone neither."""
    decider = DecimalMarkDecider()
    decider.feed(values)
    return decider.decision()


# Types ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TypeDecision:
    """The type of a column. ``date`` is given for a date, and may be ambiguous; ``mark`` is given for a decimal."""

    type: FieldType
    date: DateDecision | None = None
    mark: DecimalMark | None = None


_TEXT: Final = TypeDecision("text")


class TypeDecider:
    """The narrowest type that holds every value: integer, decimal, date, else text. Blanks do not count.

    Numbers with leading zeros are codes, hence text; so are dates with a year of two digits, and decimals that mean
    different numbers with either mark. A column without a value is text.
    """

    def __init__(self) -> None:
        self._kinds: set[FieldType] = {"integer", "decimal", "date"}
        self._has_values = False
        self._marks = DecimalMarkDecider()
        self._dates = DateFormatDecider()

    def feed(self, values: Iterable[str]) -> None:
        if not self._kinds:
            return
        present = dict.fromkeys(text for value in dict.fromkeys(values) if (text := value.strip()))
        self._has_values = self._has_values or bool(present)
        for value in present:
            self._narrow(value)
            if not self._kinds:
                return
        if "decimal" in self._kinds:
            # Plain whole numbers read alike with either mark.
            self._marks.feed(value for value in present if _INTEGER.fullmatch(value) is None)
        if "date" in self._kinds:
            self._dates.feed(present)

    def _narrow(self, value: str) -> None:
        if "integer" in self._kinds and parse_integer(value) is None:
            self._kinds.discard("integer")
        if "decimal" in self._kinds and all(parse_decimal(value, mark) is None for mark in _MARKS):
            self._kinds.discard("decimal")
        if "date" in self._kinds and not _is_full_date(value):
            self._kinds.discard("date")

    def decision(self) -> TypeDecision:
        if not self._has_values or not self._kinds:
            return _TEXT
        if "integer" in self._kinds:
            return TypeDecision("integer")
        if "decimal" in self._kinds:
            mark = self._marks.decision()
            return TypeDecision("decimal", mark=mark) if mark is not None else _TEXT
        return TypeDecision("date", date=self._dates.decision())


def _is_full_date(value: str) -> bool:
    """Whether a value is a date with a year of four digits: 1.2.03 is as likely a version or a place."""
    match = _DATE.fullmatch(value)
    return match is not None and 4 in {len(match[1]), len(match[4])} and bool(_days_by_format(value))


def decide_type(values: Iterable[str]) -> TypeDecision:
    """The type of a whole column; see TypeDecider."""
    decider = TypeDecider()
    decider.feed(values)
    return decider.decision()


# Names ------------------------------------------------------------------------------------------------------------


def make_field_name(column: str) -> str:
    """The name of a custom field made from a column's: accents removed, lower case, anything else one ``_``.

    Underscores at the ends are dropped; a digit may stand first (the name always follows ``custom.``); a name
    without a letter or digit of ours is ``field``.
    """
    plain = unicodedata.normalize("NFKD", column).casefold()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^a-z0-9]+", "_", plain)[:MAX_FIELD_NAME].strip("_") or "field"


def make_field_names(columns: Iterable[str], *, taken: Iterable[str] = ()) -> dict[str, str]:
    """The field name of each column, in the columns' order; equal names are told apart by _2, _3 and so on.

    ``taken`` are names that other columns of the same file already fill.
    """
    used, names = set(taken), {}
    for column in columns:
        stem = name = make_field_name(column.removeprefix(CUSTOM))
        number = 1
        while name in used:
            number += 1
            suffix = f"_{number}"
            name = stem[: MAX_FIELD_NAME - len(suffix)] + suffix
        used.add(name)
        names[column] = name
    return names
