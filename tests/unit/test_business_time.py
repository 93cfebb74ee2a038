"""Business time: the worked-out cases, and properties that hold for any calendar and instant."""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.business_time import (
    Calendar,
    Closure,
    Duration,
    DurationKind,
    InvalidCalendar,
    InvalidDuration,
    NoOpenTime,
    add_working_seconds,
    deadline,
    deadline_after_pause,
    instant_at_share,
    is_open,
    next_opening,
    parse_week,
    time_left,
    working_seconds_between,
)
from routing.national_holidays import UnknownHolidays, national_holidays

OFFICE_HOURS = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
LUNCH_HOURS = {day: [["08:00", "12:00"], ["13:30", "17:30"]] for day in ("mon", "tue", "wed", "thu", "fri")}
TEN_TO_SIX = {day: [["10:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
ALWAYS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def make_calendar(
    week: dict[str, list[list[str]]],
    zone: str = "UTC",
    holidays: tuple[str, ...] = (),
    closures: tuple[Closure, ...] = (),
) -> Calendar:
    return Calendar(
        zone=ZoneInfo(zone),
        week=parse_week(week),
        holidays=frozenset(date.fromisoformat(each) for each in holidays),
        closures=closures,
    )


OFFICE = make_calendar(OFFICE_HOURS, "America/Sao_Paulo", ("2026-11-20", "2026-12-25", "2027-01-01"))
LUNCH = make_calendar(LUNCH_HOURS | {"sat": [["08:00", "12:00"]]}, "America/Manaus")
LISBON = make_calendar(OFFICE_HOURS, "Europe/Lisbon")
CALENDARS = {"office": OFFICE, "lunch": LUNCH, "lisbon": LISBON}


def local(text: str, calendar: Calendar, fold: int = 0) -> datetime:
    """A local time as an instant in UTC: instants of one zone would compare as wall clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=calendar.zone, fold=fold).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(amount: int) -> Duration:
    return Duration(DurationKind.WORKING_DAYS, amount)


def minutes(amount: int) -> Duration:
    return Duration(DurationKind.WORKING_HOURS, amount)


@pytest.mark.parametrize(
    ("name", "start", "amount", "expected"),
    [
        ("office", "2026-11-13 15:00", 1, "2026-11-16 15:00"),
        ("office", "2026-11-14 15:00", 1, "2026-11-17 09:00"),
        ("office", "2026-11-13 20:00", 1, "2026-11-17 09:00"),
        ("office", "2026-11-12 10:00", 2, "2026-11-16 10:00"),
        ("office", "2026-11-19 18:00", 1, "2026-11-24 09:00"),
        ("office", "2026-11-19 08:00", 3, "2026-11-25 09:00"),
        ("office", "2026-11-20 11:00", 2, "2026-11-25 09:00"),
        ("office", "2026-12-24 17:59", 1, "2026-12-28 17:59"),
        ("office", "2026-12-31 09:00", 3, "2027-01-06 09:00"),
        ("office", "2026-11-16 00:00", 1, "2026-11-17 09:00"),
        ("lunch", "2026-11-13 15:00", 1, "2026-11-14 12:00"),
        ("lunch", "2026-11-14 11:00", 1, "2026-11-16 11:00"),
        ("lunch", "2026-11-13 17:00", 2, "2026-11-16 17:00"),
        ("lunch", "2026-11-11 12:00", 1, "2026-11-12 13:30"),
        ("lisbon", "2026-03-27 10:00", 1, "2026-03-30 10:00"),
        ("lisbon", "2026-10-23 17:00", 2, "2026-10-27 17:00"),
    ],
)
def test_working_days_keep_the_local_time_of_day(name: str, start: str, amount: int, expected: str) -> None:
    calendar = CALENDARS[name]
    assert deadline(start=local(start, calendar), duration=days(amount), calendar=calendar) == local(
        expected, calendar
    )


@pytest.mark.parametrize(
    ("name", "start", "amount", "expected"),
    [
        ("office", "2026-11-13 17:30", 60, "2026-11-16 09:30"),
        ("office", "2026-11-14 17:30", 60, "2026-11-16 10:00"),
        ("office", "2026-11-16 09:00", 540, "2026-11-16 18:00"),
        ("office", "2026-11-16 09:00", 541, "2026-11-17 09:01"),
        ("lunch", "2026-11-13 11:30", 60, "2026-11-13 14:00"),
        ("lunch", "2026-11-14 11:30", 60, "2026-11-16 08:30"),
        ("lisbon", "2026-03-27 17:00", 120, "2026-03-30 10:00"),
    ],
)
def test_working_hours_count_open_time_only(name: str, start: str, amount: int, expected: str) -> None:
    calendar = CALENDARS[name]
    assert deadline(start=local(start, calendar), duration=minutes(amount), calendar=calendar) == local(
        expected, calendar
    )


def test_elapsed_durations_ignore_the_calendar() -> None:
    start = local("2026-11-13 17:30", OFFICE)
    duration = Duration(DurationKind.ELAPSED, 24 * 60)
    assert deadline(start=start, duration=duration, calendar=OFFICE) == start + timedelta(days=1)


def test_results_are_in_utc_and_keep_microseconds() -> None:
    start = datetime(2026, 11, 16, 15, 0, 0, 123456, tzinfo=UTC)
    due = deadline(start=start, duration=days(1), calendar=OFFICE)
    assert due.tzinfo is UTC
    assert due == start + timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "amount", "holidays", "expected"),
    [
        ("2024-03-04 11:00", 60, (), "2024-03-04 12:00"),
        ("2024-03-04 08:00", 240, (), "2024-03-04 14:00"),
        ("2024-03-04 20:00", 30, (), "2024-03-05 10:30"),
        ("2024-03-09 15:00", 1440, (), "2024-03-13 18:00"),
        ("2024-03-09 15:00", 4320, (), "2024-03-21 18:00"),
        ("2024-03-08 17:00", 120, (), "2024-03-11 11:00"),
        ("2024-03-07 15:00", 30, ("2024-03-07", "2024-03-08"), "2024-03-11 10:30"),
        ("2019-03-04 12:00", 360, ("2019-03-05",), "2019-03-04 18:00"),
        ("2019-03-04 20:00", 240, ("2019-03-05",), "2019-03-06 14:00"),
        ("2019-03-04 14:00", 360, ("2019-03-05",), "2019-03-06 12:00"),
    ],
)
def test_a_duration_that_ends_at_closing_is_not_pushed_to_the_next_opening(
    start: str, amount: int, holidays: tuple[str, ...], expected: str
) -> None:
    calendar = make_calendar(TEN_TO_SIX, holidays=holidays)
    assert deadline(start=utc(start), duration=minutes(amount), calendar=calendar) == utc(expected)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2021-06-28 11:00", "2021-06-28 12:00", 3600),
        ("2021-06-28 12:00", "2021-06-28 20:00", 21600),
        ("2021-06-28 19:00", "2021-06-28 20:00", 0),
        ("2021-06-27 10:00", "2021-06-27 11:00", 0),
        ("2021-06-28 06:00", "2021-06-29 20:00", 57600),
        ("2021-06-25 12:00", "2021-06-26 11:00", 21600),
        ("2021-06-29 20:00", "2021-06-28 06:00", 0),
    ],
)
def test_open_seconds_between_two_instants(start: str, end: str, expected: int) -> None:
    calendar = make_calendar(TEN_TO_SIX)
    assert working_seconds_between(start=utc(start), end=utc(end), calendar=calendar) == expected


@pytest.mark.parametrize(
    ("due", "paused_at", "resumed_at", "expected"),
    [
        # All of the pause lies before opening: it costs nothing.
        ("2024-03-04 16:00", "2024-03-04 04:15", "2024-03-04 05:00", "2024-03-04 16:00"),
        ("2024-03-04 16:00", "2024-03-04 12:30", "2024-03-04 13:00", "2024-03-04 16:30"),
        ("2024-03-07 17:00", "2024-03-07 15:00", "2024-03-07 16:00", "2024-03-07 18:00"),
        ("2024-03-07 17:00", "2024-03-07 15:00:00", "2024-03-07 16:00:01", "2024-03-08 10:00:01"),
        # Ten minutes on Thursday and, after the weekend, 150 on Monday.
        ("2024-03-11 12:00", "2024-03-08 17:50", "2024-03-11 12:30", "2024-03-11 14:40"),
        # Paused when it was already late.
        ("2024-03-07 17:00", "2024-03-07 17:30", "2024-03-08 12:00", "2024-03-07 17:00"),
    ],
)
def test_a_pause_is_counted_in_the_time_of_the_deadline(
    due: str, paused_at: str, resumed_at: str, expected: str
) -> None:
    calendar = make_calendar(TEN_TO_SIX)
    moved = deadline_after_pause(
        deadline=utc(due), paused_at=utc(paused_at), resumed_at=utc(resumed_at), calendar=calendar
    )
    assert moved == utc(expected)


def test_a_pause_of_an_elapsed_deadline_is_elapsed_time() -> None:
    moved = deadline_after_pause(
        deadline=utc("2024-03-09 12:00"),
        paused_at=utc("2024-03-09 03:00"),
        resumed_at=utc("2024-03-09 04:30"),
        calendar=None,
    )
    assert moved == utc("2024-03-09 13:30")


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (0, "2026-11-13 15:00"),
        (50, "2026-11-16 10:30"),  # 4.5 of 9 open hours: three on Friday, the rest on Monday
        (80, "2026-11-16 13:12"),
        (100, "2026-11-16 15:00"),
        (150, "2026-11-17 10:30"),
        (200, "2026-11-17 15:00"),
    ],
)
def test_a_share_is_open_time_and_is_counted_on_beyond_the_deadline(percent: int, expected: str) -> None:
    at = instant_at_share(
        start=local("2026-11-13 15:00", OFFICE),
        deadline=local("2026-11-16 15:00", OFFICE),
        percent=percent,
        calendar=OFFICE,
    )
    assert at == local(expected, OFFICE)


def test_shares_of_a_deadline_at_an_opening() -> None:
    start, due = local("2026-11-14 15:00", OFFICE), local("2026-11-17 09:00", OFFICE)
    shares = [
        instant_at_share(start=start, deadline=due, percent=each, calendar=OFFICE)
        for each in (50, 100, 150, 200)
    ]
    expected = ("2026-11-16 13:30", "2026-11-17 09:00", "2026-11-17 13:30", "2026-11-17 18:00")
    assert shares == [local(each, OFFICE) for each in expected]


def test_shares_of_an_elapsed_duration_are_elapsed_time() -> None:
    start, due = utc("2026-11-14 15:00"), utc("2026-11-15 15:00")
    shares = [
        instant_at_share(start=start, deadline=due, percent=each, calendar=None) for each in (50, 100, 150)
    ]
    assert shares == [utc("2026-11-15 03:00"), due, utc("2026-11-16 03:00")]


def test_shares_of_no_open_time_are_the_start_and_the_deadline() -> None:
    start, due = local("2026-11-14 10:00", OFFICE), local("2026-11-14 12:00", OFFICE)
    assert instant_at_share(start=start, deadline=due, percent=80, calendar=OFFICE) == start
    assert instant_at_share(start=start, deadline=due, percent=150, calendar=OFFICE) == due


def test_time_left_is_open_time_and_goes_below_zero() -> None:
    due = local("2026-11-16 15:00", OFFICE)
    assert time_left(now=local("2026-11-13 15:00", OFFICE), deadline=due, calendar=OFFICE) == timedelta(
        hours=9
    )
    assert time_left(now=local("2026-11-17 10:00", OFFICE), deadline=due, calendar=OFFICE) == timedelta(
        hours=-4
    )
    assert time_left(now=due - timedelta(hours=20), deadline=due, calendar=None) == timedelta(hours=20)


def test_closing_time_is_closed_and_opening_time_is_open() -> None:
    assert is_open(at=local("2026-11-13 09:00", OFFICE), calendar=OFFICE)
    assert not is_open(at=local("2026-11-13 18:00", OFFICE), calendar=OFFICE)
    assert next_opening(at=local("2026-11-13 18:00", OFFICE), calendar=OFFICE) == local(
        "2026-11-16 09:00", OFFICE
    )
    assert next_opening(at=local("2026-11-13 12:34", OFFICE), calendar=OFFICE) == local(
        "2026-11-13 12:34", OFFICE
    )


def test_a_closure_takes_out_part_of_a_day_or_several_days() -> None:
    half_day = Closure(local("2026-12-24 12:00", OFFICE), local("2026-12-25 00:00", OFFICE))
    absence = Closure(local("2026-12-28 00:00", OFFICE), local("2026-12-30 00:00", OFFICE))
    calendar = OFFICE.with_closures([absence, half_day])
    assert deadline(
        start=local("2026-12-24 11:00", OFFICE), duration=minutes(120), calendar=calendar
    ) == local("2026-12-30 10:00", OFFICE)
    assert deadline(start=local("2026-12-23 15:00", OFFICE), duration=days(1), calendar=calendar) == local(
        "2026-12-24 12:00", OFFICE
    )


# Daylight saving


def test_a_skipped_hour_is_no_open_time() -> None:
    calendar = make_calendar(ALWAYS, "Europe/Lisbon")
    start, end = local("2026-03-29 00:00", calendar), local("2026-03-30 00:00", calendar)
    assert working_seconds_between(start=start, end=end, calendar=calendar) == 23 * 3600


def test_a_repeated_hour_counts_twice() -> None:
    calendar = make_calendar(ALWAYS, "Europe/Lisbon")
    start, end = local("2026-10-25 00:00", calendar), local("2026-10-26 00:00", calendar)
    assert working_seconds_between(start=start, end=end, calendar=calendar) == 25 * 3600


def test_windows_in_a_repeated_hour_open_twice_and_close_between() -> None:
    calendar = make_calendar({"sun": [["00:30", "01:30"]]}, "Europe/Lisbon")
    first_close = local("2026-10-25 01:30", calendar)
    second_open = local("2026-10-25 01:00", calendar, fold=1)
    assert not is_open(at=first_close, calendar=calendar)
    assert next_opening(at=first_close, calendar=calendar) == second_open
    assert working_seconds_between(
        start=local("2026-10-25 00:00", calendar), end=local("2026-10-25 12:00", calendar), calendar=calendar
    ) == pytest.approx(90 * 60)


def test_a_local_time_that_the_clock_skips_becomes_the_moment_of_the_jump() -> None:
    calendar = make_calendar(ALWAYS, "Europe/Lisbon")
    due = deadline(start=local("2026-03-28 01:30", calendar), duration=days(1), calendar=calendar)
    assert due == utc("2026-03-29 01:00")


def test_instants_may_come_in_any_zone() -> None:
    # Both wall clocks say 01:30, an hour apart: compared as such they would be one instant.
    calendar = make_calendar(ALWAYS, "Europe/Lisbon")
    first = datetime(2026, 10, 25, 1, 30, tzinfo=calendar.zone)
    second = first.replace(fold=1)
    assert working_seconds_between(start=first, end=second, calendar=calendar) == 3600
    assert time_left(now=first, deadline=second, calendar=None) == timedelta(hours=1)
    assert time_left(now=first, deadline=second, calendar=calendar) == timedelta(hours=1)
    assert instant_at_share(start=first, deadline=second, percent=50, calendar=None) == utc(
        "2026-10-25 01:00"
    )
    assert deadline_after_pause(
        deadline=utc("2026-10-25 12:00"), paused_at=first, resumed_at=second, calendar=None
    ) == utc("2026-10-25 13:00")


def test_a_zone_that_skips_midnight_opens_when_the_day_begins() -> None:
    calendar = make_calendar(ALWAYS, "America/Sao_Paulo")
    # On 4 November 2018 the clock went from 00:00 to 01:00.
    due = deadline(start=local("2018-11-03 00:00", calendar), duration=days(1), calendar=calendar)
    assert due == utc("2018-11-04 03:00")
    assert working_seconds_between(start=due, end=utc("2018-11-05 02:00"), calendar=calendar) == 23 * 3600


def test_a_zone_that_skips_a_whole_date_has_no_such_working_day() -> None:
    calendar = make_calendar(ALWAYS, "Pacific/Apia")
    due = deadline(start=local("2011-12-29 10:00", calendar), duration=days(1), calendar=calendar)
    assert due == local("2011-12-31 10:00", calendar)


# Refusals


@pytest.mark.parametrize(
    ("week", "message"),
    [
        ({}, "never opens"),
        ({"mon": [["18:00", "09:00"]]}, "open before it closes"),
        ({"mon": [["22:00", "24:01"]]}, "no time of day"),
        ({"mon": [["09:00", "12:00"], ["11:00", "18:00"]]}, "must not overlap"),
        ({"monday": [["09:00", "12:00"]]}, "unknown weekday"),
        ({"mon": [["9h", "12:00"]]}, "no time of day"),
        ({"mon": [["09:00"]]}, "opening and a closing"),
    ],
)
def test_opening_hours_that_cannot_be_meant_are_refused(
    week: dict[str, list[list[str]]], message: str
) -> None:
    with pytest.raises(InvalidCalendar, match=message):
        make_calendar(week)


def test_a_closure_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidCalendar, match="end after"):
        Closure(utc("2026-01-02 00:00"), utc("2026-01-01 00:00"))
    with pytest.raises(InvalidCalendar, match="time zone"):
        Closure(datetime(2026, 1, 1), utc("2026-01-02 00:00"))  # noqa: DTZ001


def test_a_calendar_that_is_shut_for_good_is_said_to_be() -> None:
    shut = OFFICE.with_closures([Closure(utc("2026-01-01 00:00"), utc("2060-01-01 00:00"))])
    questions: list[Callable[[], datetime]] = [
        lambda: next_opening(at=utc("2026-06-01 12:00"), calendar=shut),
        lambda: deadline(start=utc("2026-06-01 12:00"), duration=days(1), calendar=shut),
        lambda: deadline(start=utc("2026-06-01 12:00"), duration=minutes(1), calendar=shut),
    ]
    for question in questions:
        with pytest.raises(NoOpenTime, match="within 10 years"):
            question()


def test_instants_outside_the_known_years_are_refused() -> None:
    with pytest.raises(NoOpenTime, match="1900 to 2200"):
        next_opening(at=datetime(1500, 1, 1, tzinfo=UTC), calendar=OFFICE)
    with pytest.raises(NoOpenTime):
        deadline(start=datetime(2200, 12, 31, tzinfo=UTC), duration=days(3000), calendar=OFFICE)


@pytest.mark.parametrize("kind", list(DurationKind))
@pytest.mark.parametrize("amount", [0, -1, 10_000_000])
def test_a_duration_is_positive_and_bounded(kind: DurationKind, amount: int) -> None:
    with pytest.raises(InvalidDuration):
        Duration(kind, amount)


def test_open_time_is_not_added_backwards() -> None:
    with pytest.raises(ValueError, match="forwards"):
        add_working_seconds(start=utc("2026-01-01 00:00"), seconds=-1, calendar=OFFICE)


# Holidays


def test_national_holidays_of_brazil() -> None:
    holidays = national_holidays(country="br", years=range(2026, 2028))
    assert {date(2026, 9, 7), date(2026, 11, 20), date(2027, 12, 25)} <= holidays
    assert {each.year for each in holidays} == {2026, 2027}


def test_unknown_countries_and_too_many_years_are_refused() -> None:
    with pytest.raises(UnknownHolidays, match="XX"):
        national_holidays(country="XX", years=[2026])
    with pytest.raises(UnknownHolidays, match="at most"):
        national_holidays(country="BR", years=range(1900, 2100))
    assert national_holidays(country="BR", years=[]) == frozenset()


# Properties

ZONES = (
    "UTC",
    "America/Sao_Paulo",
    "Europe/Lisbon",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
)


@st.composite
def calendars(draw: st.DrawFn, zones: tuple[str, ...] = ZONES) -> Calendar:
    zone = draw(st.sampled_from(zones))
    week = [draw(windows()) for _ in range(7)]
    week[draw(st.integers(0, 6))] = ((draw(st.integers(0, 700)), draw(st.integers(701, 1440))),)
    start = date(2018, 1, 1)
    holidays = draw(
        st.frozensets(st.integers(0, 365).map(lambda each: start + timedelta(days=each)), max_size=20)
    )
    closed_from = draw(st.integers(0, 365 * 24 * 60))
    first = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(minutes=closed_from)
    closure = Closure(first, first + timedelta(minutes=draw(st.integers(1, 5000))))
    return Calendar(ZoneInfo(zone), tuple(week), holidays, (closure,))


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    edges = sorted(draw(st.sets(st.integers(0, 1440), max_size=6)))
    return tuple(zip(edges[: len(edges) // 2 * 2 : 2], edges[1::2], strict=True))


# Around the changes of the zones above, and any time of two years.
instants = st.one_of(
    st.datetimes(datetime(2018, 1, 1), datetime(2019, 12, 1)),  # noqa: DTZ001
    st.builds(
        lambda day, minutes: datetime.combine(day, time()) + timedelta(minutes=minutes),
        st.sampled_from(
            [date(2018, 3, 25), date(2018, 10, 28), date(2018, 11, 4), date(2018, 2, 18), date(2018, 4, 1)]
        ),
        st.integers(-1500, 3000),
    ),
).map(lambda each: each.replace(microsecond=0, tzinfo=UTC))


def open_by_definition(at: datetime, calendar: Calendar) -> bool:
    here = at.astimezone(calendar.zone)
    minute = here.hour * 60 + here.minute
    return (
        any(opens <= minute < closes for opens, closes in calendar.week[here.weekday()])
        and here.date() not in calendar.holidays
        and not any(each.starts_at <= at < each.ends_at for each in calendar.closures)
    )


@settings(deadline=None, max_examples=60)
@given(calendars(), instants, st.integers(1, 2000))
def test_open_time_is_what_the_definition_says_minute_by_minute(
    calendar: Calendar, start: datetime, length: int
) -> None:
    start = start.replace(second=0)
    grid = [start + timedelta(minutes=each) for each in range(length)]
    counted = sum(open_by_definition(each, calendar) for each in grid)
    end = start + timedelta(minutes=length)
    assert working_seconds_between(start=start, end=end, calendar=calendar) == counted * 60
    assert [is_open(at=each, calendar=calendar) for each in grid[:50]] == [
        open_by_definition(each, calendar) for each in grid[:50]
    ]


@settings(deadline=None, max_examples=80)
@given(calendars(), instants, st.integers(0, 500_000))
def test_adding_open_time_and_measuring_it_are_inverse(
    calendar: Calendar, start: datetime, seconds: int
) -> None:
    end = add_working_seconds(start=start, seconds=seconds, calendar=calendar)
    assert working_seconds_between(start=start, end=end, calendar=calendar) == seconds
    again = add_working_seconds(
        start=start,
        seconds=working_seconds_between(start=start, end=end, calendar=calendar),
        calendar=calendar,
    )
    assert again == end


@settings(deadline=None, max_examples=80)
@given(calendars(), instants, st.integers(0, 200_000), st.integers(0, 200_000))
def test_a_duration_can_be_counted_in_two_parts(
    calendar: Calendar, start: datetime, one: int, two: int
) -> None:
    middle = add_working_seconds(start=start, seconds=one, calendar=calendar)
    in_parts = add_working_seconds(start=middle, seconds=two, calendar=calendar)
    assert in_parts == add_working_seconds(start=start, seconds=one + two, calendar=calendar)


durations = st.one_of(
    st.builds(Duration, st.just(DurationKind.WORKING_HOURS), st.integers(1, 6000)),
    st.builds(Duration, st.just(DurationKind.WORKING_DAYS), st.integers(1, 12)),
)


@settings(deadline=None, max_examples=80)
@given(calendars(), instants, durations)
def test_a_deadline_lies_in_open_time_or_at_the_end_of_a_window(
    calendar: Calendar, start: datetime, duration: Duration
) -> None:
    due = deadline(start=start, duration=duration, calendar=calendar)
    assert due > start
    assert is_open(at=due, calendar=calendar) or is_open(
        at=due - timedelta(microseconds=1), calendar=calendar
    )


@settings(deadline=None, max_examples=80)
@given(calendars(), instants, instants, durations)
def test_a_later_start_never_has_an_earlier_deadline_of_open_hours(
    calendar: Calendar, one: datetime, two: datetime, duration: Duration
) -> None:
    earlier, later = sorted((one, two))
    # In working days two starts in a repeated hour have one local time in reverse order.
    hours = Duration(DurationKind.WORKING_HOURS, duration.amount)
    assert deadline(start=earlier, duration=hours, calendar=calendar) <= deadline(
        start=later, duration=hours, calendar=calendar
    )


@settings(deadline=None, max_examples=80)
@given(calendars(zones=("UTC",)), instants, instants, st.integers(1, 12))
def test_a_later_start_never_has_an_earlier_deadline_in_working_days(
    calendar: Calendar, one: datetime, two: datetime, amount: int
) -> None:
    earlier, later = sorted((one, two))
    assert deadline(start=earlier, duration=days(amount), calendar=calendar) <= deadline(
        start=later, duration=days(amount), calendar=calendar
    )


@settings(deadline=None, max_examples=80)
@given(calendars(), instants, durations, st.lists(st.integers(0, 300), min_size=2, max_size=6))
def test_shares_are_in_order_and_100_percent_is_the_deadline(
    calendar: Calendar, start: datetime, duration: Duration, percents: list[int]
) -> None:
    due = deadline(start=start, duration=duration, calendar=calendar)
    shares = [
        instant_at_share(start=start, deadline=due, percent=each, calendar=calendar)
        for each in sorted([*percents, 100])
    ]
    assert shares == sorted(shares)
    assert due in shares


@settings(deadline=None, max_examples=80)
@given(calendars(), instants, durations, st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_pause_moves_the_deadline_by_the_open_time_it_took(
    calendar: Calendar, start: datetime, duration: Duration, after: int, length: int
) -> None:
    due = deadline(start=start, duration=duration, calendar=calendar)
    paused_at = min(start + timedelta(minutes=after), due - timedelta(seconds=1))
    resumed_at = paused_at + timedelta(minutes=length)
    moved = deadline_after_pause(deadline=due, paused_at=paused_at, resumed_at=resumed_at, calendar=calendar)
    assert working_seconds_between(start=due, end=moved, calendar=calendar) == working_seconds_between(
        start=paused_at, end=resumed_at, calendar=calendar
    )


# The shared cases


def load_cases(name: str) -> Any:
    folder = os.environ.get("LEADSYS_REAL_DATA")
    if not folder:
        pytest.skip("LEADSYS_REAL_DATA is not set: the shared cases lie beside the real data")
    return json.loads((Path(folder).parent / "cases" / name).read_text())


def case_calendar(week: dict[str, Any], holidays: list[str], zone: str = "UTC") -> Calendar:
    return make_calendar(week, zone, tuple(holidays))


@pytest.mark.real_data
def test_every_case_of_working_days_json() -> None:
    cases = load_cases("working_days.json")
    known = {
        name: case_calendar(each["week"], each["holidays"], each["zone"])
        for name, each in cases["calendars"].items()
    }
    wrong = []
    for case in cases["working_days"] + cases["working_minutes"]:
        calendar = known[case["calendar"]]
        duration = days(case["days"]) if "days" in case else minutes(case["minutes"])
        due = deadline(start=local(case["start_local"], calendar), duration=duration, calendar=calendar)
        if due != datetime.fromisoformat(case["expect"]["utc"]) or due != local(
            case["expect"]["local"], calendar
        ):
            wrong.append((case["id"], due))
    assert wrong == []
    assert len(cases["working_days"] + cases["working_minutes"]) == 29


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "schedule"),
    [("sla_working_hours_1.json", "schedule"), ("sla_working_hours_2.json", "deadline_schedule")],
)
def test_every_deadline_of_the_other_systems(name: str, schedule: str) -> None:
    cases = load_cases(name)
    assert cases["deadlines"]
    for case in cases["deadlines"]:
        calendar = case_calendar(cases[schedule]["hours"], case["holidays"])
        start = utc(case["start"])
        answered = deadline(start=start, duration=minutes(case["response_seconds"] // 60), calendar=calendar)
        solved = deadline(start=start, duration=minutes(case["resolution_seconds"] // 60), calendar=calendar)
        held_until = start + timedelta(seconds=case.get("hold_seconds", 0))
        solved = deadline_after_pause(
            deadline=solved, paused_at=start, resumed_at=held_until, calendar=calendar
        )
        assert (case["id"], answered) == (case["id"], utc(case["expect_response_by"]))
        assert (case["id"], solved) == (case["id"], utc(case["expect_resolution_by"]))


@pytest.mark.real_data
def test_every_first_response_time_of_the_other_system() -> None:
    cases = load_cases("sla_working_hours_2.json")
    calendar = case_calendar(cases["first_response_schedule"]["hours"], [])
    measured = {
        case["id"]: working_seconds_between(
            start=utc(case["created"]), end=utc(case["first_response"]), calendar=calendar
        )
        for case in cases["first_response_time"]
    }
    assert measured == {case["id"]: case["expect_working_seconds"] for case in cases["first_response_time"]}


@pytest.mark.real_data
def test_a_pause_before_opening_costs_nothing() -> None:
    cases = load_cases("sla_working_hours_2.json")
    case = cases["hold"]
    calendar = case_calendar(cases["deadline_schedule"]["hours"], [])
    paused_at, resumed_at = utc(case["paused"]), utc(case["resumed"])
    due = deadline(
        start=utc(case["created"]), duration=minutes(case["resolution_seconds"] // 60), calendar=calendar
    )
    assert working_seconds_between(start=paused_at, end=resumed_at, calendar=calendar) == 0
    assert deadline_after_pause(
        deadline=due, paused_at=paused_at, resumed_at=resumed_at, calendar=calendar
    ) == utc("2020-03-04 16:00")
