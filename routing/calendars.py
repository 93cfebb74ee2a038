"""From a tenant's calendar to the business time that is counted under it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from routing.business_time import (
    WEEKDAYS,
    Closure,
    UnknownHolidays,
    national_holidays,
    parse_week,
    working_seconds_between,
)
from routing.business_time import Calendar as OpenHours
from routing.models import Calendar
from tenancy.models import Tenant

OFFICE_HOURS = {day: [["09:00", "18:00"]] for day in WEEKDAYS[:5]}


def open_hours(calendar: Calendar, *, now: datetime) -> OpenHours:
    """The calendar as business time counts it, with the holidays of the decades around ``now``.

    Equal rows give equal hours within a decade, so that the windows worked out for them are shared by every call.
    Raises InvalidCalendar or UnknownHolidays for rows that ``check_calendar`` would refuse.
    """
    decade = now.year // 10 * 10
    holidays = (
        national_holidays(country=calendar.holiday_country, years=range(decade - 10, decade + 30))
        if calendar.holiday_country
        else frozenset()
    )
    closures = tuple(
        Closure(datetime.fromisoformat(each["starts_at"]), datetime.fromisoformat(each["ends_at"]))
        for each in calendar.closures
    )
    return OpenHours(ZoneInfo(calendar.time_zone), parse_week(calendar.week), holidays, closures)


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
