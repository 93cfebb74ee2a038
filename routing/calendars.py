"""From a tenant's calendar to the business time that is counted under it."""

from calendar import isleap
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from routing.business_time import (
    WEEKDAYS,
    Closure,
    parse_week,
    working_seconds_between,
)
from routing.business_time import Calendar as OpenHours
from routing.models import Calendar
from routing.national_holidays import UnknownHolidays, national_holidays
from tenancy.models import Tenant

# In a closure: the month and day of each year.
EVERY: Final = "every"
OFFICE_HOURS = {day: [["09:00", "18:00"]] for day in WEEKDAYS[:5]}


def open_hours(calendar: Calendar, *, now: datetime) -> OpenHours:
    """The calendar as business time counts it, with the holidays of the decades around ``now``.

    Equal rows give equal hours within a decade, so that the windows worked out for them are shared by every call.
    Raises InvalidCalendar or UnknownHolidays for rows that ``check_calendar`` would refuse.
    """
    years = range(now.year // 10 * 10 - 10, now.year // 10 * 10 + 30)
    holidays = (
        national_holidays(
            country=calendar.holiday_country, subdivision=calendar.holiday_subdivision, years=years
        )
        if calendar.holiday_country
        else frozenset()
    )
    closures = tuple(
        Closure(datetime.fromisoformat(each["starts_at"]), datetime.fromisoformat(each["ends_at"]))
        for each in calendar.closures
        if EVERY not in each
    )
    holidays |= {
        day for each in calendar.closures if EVERY in each for day in days_of_years(each[EVERY], years)
    }
    return OpenHours(ZoneInfo(calendar.time_zone), parse_week(calendar.week), holidays, closures)


def days_of_years(month_day: str, years: Iterable[int]) -> list[date]:
    """The days that "01-25" names in these years; 29 February only where there is one."""
    month, day = map(int, month_day.split("-"))
    return [date(year, month, day) for year in years if day != 29 or month != 2 or isleap(year)]


def has_national_holidays(*, country: str, now: datetime) -> bool:
    """Whether the holidays of a country are known."""
    try:
        national_holidays(country=country, years=[now.year])
    except UnknownHolidays:
        return False
    return True


def make_default_calendar(*, tenant: Tenant, name: str, now: datetime) -> Calendar:
    """Give a new tenant Monday to Friday 09:00–18:00 in its zone, with its country's holidays where they are known."""
    calendar: Calendar = Calendar.objects.create(
        name=name,
        time_zone=tenant.time_zone,
        week=OFFICE_HOURS,
        holiday_country=tenant.country if has_national_holidays(country=tenant.country, now=now) else None,
        is_default=True,
    )
    return calendar


def open_for_seconds(*, now: datetime, hours: OpenHours) -> int:
    """How long it stays open from now, to the end of the window; 0 while it is closed."""
    local = now.astimezone(hours.zone)
    minute = local.hour * 60 + local.minute
    for opens, closes in hours.week[local.weekday()]:
        if opens <= minute < closes:
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            return int(
                working_seconds_between(start=now, end=midnight + timedelta(minutes=closes), calendar=hours)
            )
    return 0
