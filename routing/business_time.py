"""Business time: deadlines, open time between two instants and shares of it, under a calendar of opening hours.

Instants are aware datetimes; results are in UTC. An instant is open when its local time lies in one of the calendar's
windows for that weekday, its local date is no holiday and no closure covers it. That one sentence also settles
daylight saving: an hour that the clock skips is no time at all, an hour that it repeats counts twice.

The windows of a calendar are worked out once, in whole years as they are needed, and shared by every later call: a
batch of deadlines costs a few bisections each.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

# [open, close) in minutes after local midnight; 1440 is the midnight that ends the day.
Window = tuple[int, int]
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY: Final = 24 * 60
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
# How far a deadline is looked for before the calendar counts as shut for good.
YEARS_AHEAD: Final = 10
# A span of windows kept in memory is not stretched beyond this for one stray old instant.
_KEPT_YEARS: Final = 40

_MINUTE: Final = 60_000_000
_SECOND: Final = 1_000_000
_DAY: Final = MINUTES_A_DAY * _MINUTE
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DATE: Final = date(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)


class InvalidCalendar(ValueError):
    """Opening hours that cannot be meant, or that never open."""


class InvalidDuration(ValueError):
    """A duration that is not positive or is longer than deadlines are counted."""


class NoOpenTime(ValueError):
    """The calendar does not open often enough within the years that are looked at."""


@dataclass(frozen=True, slots=True, order=True)
class Closure:
    """Closed from one instant to another, whatever the week says: a shut-down, a half day, a person's absence."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise InvalidCalendar("a closure needs instants with a time zone")
        if self.starts_at >= self.ends_at:
            raise InvalidCalendar("a closure must end after it starts")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening hours of a tenant, team or person.

    ``week`` has seven tuples of windows, Monday first, each window [open, close) in minutes after local midnight, in
    order and apart. A shift over midnight is two windows. Raises InvalidCalendar for anything else, and for a week
    without a window. Equal calendars share the windows worked out for them.
    """

    zone: ZoneInfo
    week: tuple[tuple[Window, ...], ...]
    holidays: frozenset[date] = frozenset()
    closures: tuple[Closure, ...] = ()

    def __post_init__(self) -> None:
        if len(self.week) != len(WEEKDAYS):
            raise InvalidCalendar("a week has seven days")
        for name, windows in zip(WEEKDAYS, self.week, strict=True):
            _check_windows(name, windows)
        if not any(self.week):
            raise InvalidCalendar("the calendar never opens: no weekday has opening hours")

    def with_closures(self, closures: Iterable[Closure]) -> "Calendar":
        """The same calendar, closed at these times too."""
        return replace(self, closures=tuple(sorted({*self.closures, *closures})))


def _check_windows(name: str, windows: tuple[Window, ...]) -> None:
    end_before = 0
    for opens, closes in windows:
        if not 0 <= opens < closes <= MINUTES_A_DAY:
            raise InvalidCalendar(
                f"{name}: a window must open before it closes, between 00:00 and 24:00; "
                "split a shift over midnight into two"
            )
        if opens < end_before:
            raise InvalidCalendar(f"{name}: windows must be in order and must not overlap")
        end_before = closes


def parse_week(document: Mapping[str, Sequence[Sequence[str]]]) -> tuple[tuple[Window, ...], ...]:
    """Opening hours from ``{"mon": [["09:00", "18:00"]], …}``; an absent weekday is closed, "24:00" ends the day.

    Raises InvalidCalendar for an unknown weekday or an unreadable time.
    """
    if unknown := sorted(set(document) - set(WEEKDAYS)):
        raise InvalidCalendar(f"unknown weekday {unknown[0]!r}; use {', '.join(WEEKDAYS)}")
    return tuple(tuple(_parse_window(name, pair) for pair in document.get(name, ())) for name in WEEKDAYS)


def _parse_window(name: str, pair: Sequence[str]) -> Window:
    if len(pair) != 2:
        raise InvalidCalendar(f"{name}: a window is an opening and a closing time")
    return _parse_minutes(name, pair[0]), _parse_minutes(name, pair[1])


def _parse_minutes(name: str, text: str) -> int:
    hours, colon, minutes = text.partition(":")
    readable = colon and len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()
    if not readable or int(minutes) > 59 or int(hours) * 60 + int(minutes) > MINUTES_A_DAY:
        raise InvalidCalendar(f"{name}: {text!r} is no time of day; write it like 09:00")
    return int(hours) * 60 + int(minutes)


class DurationKind(StrEnum):
    """In which time a duration is counted."""

    ELAPSED = "elapsed"
    WORKING_HOURS = "working_hours"
    WORKING_DAYS = "working_days"


@dataclass(frozen=True, slots=True)
class Duration:
    """How long: ``amount`` is minutes for elapsed and working_hours, days for working_days."""

    kind: DurationKind
    amount: int

    def __post_init__(self) -> None:
        longest = YEARS_AHEAD * 366 * (1 if self.kind is DurationKind.WORKING_DAYS else MINUTES_A_DAY)
        if not 1 <= self.amount <= longest:
            raise InvalidDuration(f"a duration must be between 1 and {longest}, not {self.amount}")


# The windows of a calendar ---------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """Open without a break, in microseconds since 1970 UTC: the local date (days since 1970) and what makes it local."""

    opens: int
    closes: int
    day: int
    offset: int


class _Span(NamedTuple):
    """The pieces of whole years in order of time, with the open time before each."""

    first_year: int
    last_year: int
    pieces: tuple[_Piece, ...]
    opens: list[int]
    before: list[int]
    total: int
    days: list[int]
    of_day: dict[int, list[_Piece]]

    def covers(self, first_year: int, last_year: int) -> bool:
        return self.first_year <= first_year and last_year <= self.last_year

    def open_until(self, at: int) -> int:
        """Open microseconds from the start of the span to the instant."""
        index = bisect_right(self.opens, at) - 1
        if index < 0:
            return 0
        piece = self.pieces[index]
        return self.before[index] + min(at, piece.closes) - piece.opens

    def piece_at(self, at: int) -> _Piece | None:
        """The piece that is open at the instant, else the next one; None beyond the span."""
        index = bisect_right(self.opens, at) - 1
        if index >= 0 and at < self.pieces[index].closes:
            return self.pieces[index]
        return self.pieces[index + 1] if index + 1 < len(self.pieces) else None


class _Timeline:
    """A calendar's windows, worked out by years on demand. Threads may race: they would write the same."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._closures = [
            (_to_us(each.starts_at), _to_us(each.ends_at)) for each in sorted(calendar.closures)
        ]
        self._years: dict[int, list[_Piece]] = {}
        self._span: _Span | None = None

    def span(self, first_year: int, last_year: int) -> _Span:
        """A span that holds at least these years and a year on each side."""
        span = self._span
        if span is not None and span.covers(first_year - 1, last_year + 1):
            return span
        if first_year < FIRST_YEAR or last_year > LAST_YEAR:
            raise NoOpenTime(f"business time is counted from {FIRST_YEAR} to {LAST_YEAR}")
        first, last = first_year - 1, last_year + 1
        if span is not None and max(last, span.last_year) - min(first, span.first_year) <= _KEPT_YEARS:
            first, last = min(first, span.first_year), max(last, span.last_year)
        self._span = span = self._build_span(first, last)
        return span

    def _build_span(self, first_year: int, last_year: int) -> _Span:
        pieces: list[_Piece] = []
        for year in range(first_year, last_year + 1):
            if year not in self._years:
                self._years[year] = self._build_year(year)
            pieces += self._years[year]
        # A repeated hour around midnight can bring pieces of two dates out of order.
        pieces.sort()
        before: list[int] = []
        of_day: dict[int, list[_Piece]] = {}
        total = 0
        for piece in pieces:
            before.append(total)
            total += piece.closes - piece.opens
            of_day.setdefault(piece.day, []).append(piece)
        opens = [piece.opens for piece in pieces]
        return _Span(first_year, last_year, tuple(pieces), opens, before, total, sorted(of_day), of_day)

    def _build_year(self, year: int) -> list[_Piece]:
        pieces: list[_Piece] = []
        first = date(year, 1, 1)
        for ordinal in range((date(year + 1, 1, 1) - first).days):
            on = first + timedelta(days=ordinal)
            windows = self._calendar.week[on.weekday()]
            if windows and on not in self._calendar.holidays:
                pieces += self._build_day(on, windows)
        return pieces

    def _build_day(self, on: date, windows: tuple[Window, ...]) -> list[_Piece]:
        midnight = datetime(on.year, on.month, on.day, tzinfo=self._calendar.zone)
        first = _offset_us(midnight)
        last = _offset_us((midnight + timedelta(days=1)).replace(fold=1))
        day = (on - _EPOCH_DATE).days
        start = day * _DAY
        # (offset, in force since, until)
        eras = [(first, start - 2 * _DAY, start + 3 * _DAY)]
        if first != last:
            change = self._find_change(start - max(first, last), start + _DAY - min(first, last))
            eras = [(first, start - 2 * _DAY, change), (last, change, start + 3 * _DAY)]
        pieces: list[_Piece] = []
        for opens, closes in windows:
            for offset, since, until in eras:
                opens_at = max(start + opens * _MINUTE - offset, since)
                closes_at = min(start + closes * _MINUTE - offset, until)
                pieces += self._cut_closures(_Piece(opens_at, closes_at, day, offset))
        return pieces

    def _find_change(self, earliest: int, latest: int) -> int:
        """The first whole second of the offset that holds at the end of the stretch."""
        low, high = earliest // _SECOND - 1, latest // _SECOND + 1
        after = self._offset_at(high)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset_at(middle) == after:
                high = middle
            else:
                low = middle
        return high * _SECOND

    def _offset_at(self, second: int) -> int:
        return _offset_us((_EPOCH + timedelta(seconds=second)).astimezone(self._calendar.zone))

    def _cut_closures(self, piece: _Piece) -> list[_Piece]:
        opens, closes, day, offset = piece
        left: list[_Piece] = []
        for starts, ends in self._closures:
            if starts < closes and opens < ends:
                if opens < starts:
                    left.append(_Piece(opens, starts, day, offset))
                opens = max(opens, ends)
        if opens < closes:
            left.append(_Piece(opens, closes, day, offset))
        return left


@lru_cache(maxsize=64)
def _timeline_of(calendar: Calendar) -> _Timeline:
    return _Timeline(calendar)


def _to_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _from_us(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _offset_us(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    return offset // _MICROSECOND


# Questions --------------------------------------------------------------------------------------------------------


def is_open(*, at: datetime, calendar: Calendar) -> bool:
    """Whether the calendar is open at the instant."""
    instant = _to_us(at)
    piece = _timeline_of(calendar).span(at.year, at.year).piece_at(instant)
    return piece is not None and piece.opens <= instant


def next_opening(*, at: datetime, calendar: Calendar) -> datetime:
    """The instant itself if the calendar is open then, else when it opens next. Raises NoOpenTime."""
    _, piece = _next_piece(at, calendar)
    return _from_us(max(_to_us(at), piece.opens))


def working_seconds_between(*, start: datetime, end: datetime, calendar: Calendar) -> float:
    """Open seconds in [start, end); 0 if the end does not lie after the start."""
    return max(0, _open_us_between(start, end, calendar)) / _SECOND


def add_working_seconds(*, start: datetime, seconds: float, calendar: Calendar) -> datetime:
    """The earliest instant at which that many open seconds have passed since the start.

    It lies in open time or at the end of a window; for 0 seconds it is the start. Raises NoOpenTime when the calendar
    is not open that long within ten years, ValueError for negative seconds.
    """
    return _add_open_us(start, round(seconds * _SECOND), calendar)


def deadline(*, start: datetime, duration: Duration, calendar: Calendar) -> datetime:
    """When a duration that begins at the instant is over.

    elapsed: the minutes after the start, open or not. working_hours: when that many open minutes have passed.
    working_days: the local time of the start (of the next opening, if the start is in closed time) on the n-th
    following date that has open time; if closed then, the end of the last window before it on that date, else that
    date's first opening. Raises NoOpenTime.
    """
    if duration.kind is DurationKind.ELAPSED:
        return _from_us(_to_us(start) + duration.amount * _MINUTE)
    if duration.kind is DurationKind.WORKING_HOURS:
        return _add_open_us(start, duration.amount * _MINUTE, calendar)
    return _add_working_days(start, duration.amount, calendar)


def instant_at_share(
    *, start: datetime, deadline: datetime, percent: int, calendar: Calendar | None
) -> datetime:
    """When ``percent`` of the time between start and deadline has passed: open time, or elapsed if no calendar is given.

    100 is the deadline itself, and beyond it the same time is counted on from the deadline. Where no such time lies
    between the two, every share before 100 is the start and every other the deadline; a deadline before the start is
    the answer for every share.
    """
    begins, ends = _to_us(start), _to_us(deadline)
    if percent == 100 or ends <= begins:
        return _from_us(ends)
    if calendar is None:
        return _from_us(begins + (ends - begins) * percent // 100)
    total = _open_us_between(start, deadline, calendar)
    if percent < 100:
        return _add_open_us(start, total * percent // 100, calendar)
    return _add_open_us(deadline, total * (percent - 100) // 100, calendar)


def time_left(*, now: datetime, deadline: datetime, calendar: Calendar | None) -> timedelta:
    """Open time until the deadline, negative once it has passed; elapsed time if no calendar is given."""
    if calendar is None:
        return timedelta(microseconds=_to_us(deadline) - _to_us(now))
    return timedelta(microseconds=_open_us_between(now, deadline, calendar))


def deadline_after_pause(
    *, deadline: datetime, paused_at: datetime, resumed_at: datetime, calendar: Calendar | None
) -> datetime:
    """The deadline moved on by a pause, counted in the same time as the deadline: open time, or elapsed if no calendar.

    A pause outside opening hours moves nothing, nor does one that began when the deadline had passed.
    """
    due, paused, resumed = _to_us(deadline), _to_us(paused_at), _to_us(resumed_at)
    if paused >= due or resumed <= paused:
        return _from_us(due)
    if calendar is None:
        return _from_us(due + resumed - paused)
    return _add_open_us(deadline, _open_us_between(paused_at, resumed_at, calendar), calendar)


def _next_piece(at: datetime, calendar: Calendar) -> tuple[_Span, _Piece]:
    """The piece open at the instant or the next one, with the span it stands in."""
    timeline, instant = _timeline_of(calendar), _to_us(at)
    for ahead in _years_ahead(at.year):
        span = timeline.span(at.year, at.year + ahead)
        piece = span.piece_at(instant)
        if piece is not None:
            return span, piece
    raise NoOpenTime(f"the calendar does not open within {YEARS_AHEAD} years after {at.date()}")


def _years_ahead(year: int) -> list[int]:
    return [ahead for ahead in (0, 1, 3, YEARS_AHEAD) if year + ahead <= LAST_YEAR] or [0]


def _open_us_between(start: datetime, end: datetime, calendar: Calendar) -> int:
    """Open microseconds from start to end, negative if the end lies before."""
    span = _timeline_of(calendar).span(min(start.year, end.year), max(start.year, end.year))
    return span.open_until(_to_us(end)) - span.open_until(_to_us(start))


def _add_open_us(start: datetime, amount: int, calendar: Calendar) -> datetime:
    if amount < 0:
        raise ValueError("open time is added forwards only")
    if amount == 0:
        return _from_us(_to_us(start))
    timeline, instant = _timeline_of(calendar), _to_us(start)
    for ahead in _years_ahead(start.year):
        span = timeline.span(start.year, start.year + ahead)
        target = span.open_until(instant) + amount
        if target <= span.total:
            index = bisect_left(span.before, target) - 1
            return _from_us(span.opens[index] + target - span.before[index])
    raise NoOpenTime(f"the calendar is not open that long within {YEARS_AHEAD} years after {start.date()}")


def _add_working_days(start: datetime, days: int, calendar: Calendar) -> datetime:
    _, piece = _next_piece(start, calendar)
    begins = max(_to_us(start), piece.opens)
    time_of_day = begins + piece.offset - piece.day * _DAY
    timeline = _timeline_of(calendar)
    for ahead in _years_ahead(start.year):
        span = timeline.span(start.year, start.year + ahead)
        index = bisect_right(span.days, piece.day) + days - 1
        if index < len(span.days):
            day = span.days[index]
            return _from_us(_on_day(span.of_day[day], day * _DAY + time_of_day))
    raise NoOpenTime(
        f"the calendar does not open on {days} days within {YEARS_AHEAD} years after {start.date()}"
    )


def _on_day(pieces: list[_Piece], local: int) -> int:
    """The instant of a local time on a date with these pieces; if closed, the last closing before, else the first opening."""
    closed_before = [piece.closes for piece in pieces if piece.closes + piece.offset <= local]
    for piece in pieces:
        if piece.opens <= local - piece.offset < piece.closes:
            return local - piece.offset
    return max(closed_before) if closed_before else pieces[0].opens
