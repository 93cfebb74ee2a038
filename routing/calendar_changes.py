"""The tenant's working time: what an administrator may change of it, and which days are off.

A change that moves deadlines has those of running clocks counted anew (``routing.recounting``).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from routing.business_time import (
    FIRST_YEAR,
    LAST_YEAR,
    InvalidCalendar,
    parse_week,
)
from routing.business_time import Calendar as OpenHours
from routing.calendars import EVERY, days_of_years
from routing.models import Calendar
from routing.national_holidays import UnknownHolidays, named_holidays, national_holidays
from routing.recounting import start_recount
from tenancy.audit import record
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.forms import list_time_zones
from tenancy.models import Membership

MAX_CLOSURES: Final = 400
Week = Mapping[str, Sequence[Sequence[str]]]
_COUNTED: Final = ("time_zone", "week", "holiday_country", "holiday_subdivision")


class InvalidWorkingTime(Invalid):
    """Hours or holidays that cannot be kept; ``errors`` name the fields."""


class TooManyClosures(Conflict):
    """The list of days off is full."""


class NoSuchClosure(NotFound):
    """There is no such day off."""


@dataclass(frozen=True, order=True)
class DayOff:
    """A day, or several in a row, on which the tenant's own list or the country's closes. ``until`` is the last day.

    ``hours`` are given where only a part of one day is closed. ``key`` names the entry of the own list, empty for the country's.
    """

    on: date
    until: date
    label: str
    source: Literal["national", "own", "yearly"]
    hours: str = ""
    key: str = ""


def get_calendar() -> Calendar:
    """The calendar by which clocks are counted."""
    calendar: Calendar = Calendar.objects.get(is_default=True)
    return calendar


def change_calendar(
    *,
    calendar: Calendar,
    name: str,
    time_zone: str,
    week: Week,
    holiday_country: str,
    holiday_subdivision: str,
    by: Membership | None,
    now: datetime,
) -> bool:
    """Set hours and holidays; whether deadlines are counted anew for it. Raises InvalidWorkingTime."""
    after: dict[str, Any] = {
        "name": name,
        "time_zone": time_zone,
        "week": {day: [list(window) for window in windows] for day, windows in week.items() if windows},
        "holiday_country": holiday_country or None,
        "holiday_subdivision": (holiday_country and holiday_subdivision) or None,
    }
    _check(after, now)
    locked: Calendar = Calendar.objects.select_for_update().get(pk=calendar.pk)
    before = {field: getattr(locked, field) for field in after}
    if before == after:
        return False
    for field, value in after.items():
        setattr(locked, field, value)
    locked.save(update_fields=list(after))
    record(
        act="calendar.changed",
        subject=name,
        by=by,
        now=now,
        detail={
            "zone": time_zone,
            "week": "; ".join(
                f"{day} {', '.join('–'.join(window) for window in windows)}"
                for day, windows in after["week"].items()
            ),
            "holidays": "-".join(filter(None, [after["holiday_country"], after["holiday_subdivision"]])),
        },
    )
    if all(before[field] == after[field] for field in _COUNTED):
        return False
    start_recount(calendar=locked, now=now)
    return True


def _check(after: Mapping[str, Any], now: datetime) -> None:
    problems = []
    zone = ZoneInfo("UTC")
    if after["time_zone"] in list_time_zones():
        zone = ZoneInfo(after["time_zone"])
    else:
        fault = _("%(value)s is not a time zone. Use a name such as America/Sao_Paulo.")
        problems.append(FieldProblem("time_zone", "unknown", fault % {"value": after["time_zone"]}))
    try:
        OpenHours(zone, parse_week(after["week"]))
    except InvalidCalendar:
        fault = _(
            "Open on one day of the week at least; write times as 09:00, the hours of a day in order, without overlap."
        )
        problems.append(FieldProblem("week", "invalid", fault))
    if after["holiday_country"]:
        try:
            national_holidays(
                country=after["holiday_country"], subdivision=after["holiday_subdivision"], years=[now.year]
            )
        except UnknownHolidays:
            fault = _("No holidays are known for this country and state.")
            problems.append(FieldProblem("holiday_country", "unknown", fault))
    if problems:
        raise InvalidWorkingTime(_("The working time cannot be kept like this."), errors=problems)


def close_days(
    *,
    calendar: Calendar,
    label: str,
    first: date,
    last: date,
    hours: tuple[time, time] | None,
    is_yearly: bool,
    by: Membership | None,
    now: datetime,
) -> Mapping[str, str]:
    """Close from one day to another, both included; or for hours of one day; or on one day of every year.

    Returns the entry, be it on the list already; ``key_of`` names it. Raises InvalidWorkingTime and TooManyClosures.
    """
    _check_closure(first, last, hours, is_yearly)
    locked: Calendar = Calendar.objects.select_for_update().get(pk=calendar.pk)
    if len(locked.closures) >= MAX_CLOSURES:
        raise TooManyClosures(
            _("There are %(count)s days off already. Remove some that have passed.") % {"count": MAX_CLOSURES}
        )
    zone = ZoneInfo(locked.time_zone)
    closure: dict[str, str] = {"label": label}
    if is_yearly:
        closure[EVERY] = f"{first:%m-%d}"
    else:
        opens, closes = hours or (time.min, time.min)
        begin = datetime.combine(first, opens, tzinfo=zone)
        end = datetime.combine(last if hours else last + timedelta(days=1), closes, tzinfo=zone)
        closure |= {"starts_at": begin.isoformat(), "ends_at": end.isoformat()}
    if closure in locked.closures:
        return closure
    locked.closures = [*locked.closures, closure]
    locked.save(update_fields=["closures"])
    record(act="calendar.closed", subject=label, by=by, now=now, detail={"days": _days_in_words(closure)})
    start_recount(calendar=locked, now=now)
    return closure


def _check_closure(first: date, last: date, hours: tuple[time, time] | None, is_yearly: bool) -> None:
    problems = []
    if not FIRST_YEAR <= first.year <= last.year <= LAST_YEAR:
        problems.append(FieldProblem("first", "invalid", _("Give a day of these years.")))
    if last < first:
        problems.append(FieldProblem("last", "invalid", _("This is before the first day.")))
    if (last - first).days > 366:
        problems.append(FieldProblem("last", "invalid", _("A closure is a year long at most.")))
    if hours is not None and (hours[0] >= hours[1] or last != first):
        fault = _("Give hours of one day, the later one second.")
        problems.append(FieldProblem("closes_at", "invalid", fault))
    if is_yearly and (hours is not None or last != first):
        fault = _("What comes back every year is one whole day.")
        problems.append(FieldProblem("is_yearly", "invalid", fault))
    if problems:
        raise InvalidWorkingTime(_("This day off cannot be kept."), errors=problems)


def open_days(*, calendar: Calendar, key: str, by: Membership | None, now: datetime) -> str:
    """Take an entry off the own list; returns its label. Raises NoSuchClosure."""
    locked: Calendar = Calendar.objects.select_for_update().get(pk=calendar.pk)
    found = next((each for each in locked.closures if key_of(each) == key), None)
    if found is None:
        raise NoSuchClosure(_("This day off is no longer on the list."))
    locked.closures = [each for each in locked.closures if each != found]
    locked.save(update_fields=["closures"])
    record(
        act="calendar.opened", subject=found["label"], by=by, now=now, detail={"days": _days_in_words(found)}
    )
    start_recount(calendar=locked, now=now)
    return str(found["label"])


def key_of(closure: Mapping[str, str]) -> str:
    """What names an entry of the own list in addresses."""
    return hashlib.sha256(json.dumps(closure, sort_keys=True).encode()).hexdigest()[:16]


def _days_in_words(closure: Mapping[str, str]) -> str:
    """For the audit log: the days as they are kept."""
    return closure.get(EVERY) or f"{closure['starts_at'][:16]} – {closure['ends_at'][:16]}"


def list_days_off(*, calendar: Calendar, year: int) -> list[DayOff]:
    """What closes in a year beside the weekdays, in order: the country's holidays by name, and the own list."""
    found = [
        DayOff(on, on, name, "national")
        for on, name in named_holidays(
            country=calendar.holiday_country, subdivision=calendar.holiday_subdivision, year=year
        )
    ]
    zone = ZoneInfo(calendar.time_zone)
    for closure in calendar.closures:
        key, label = key_of(closure), closure.get("label", "")
        if EVERY in closure:
            found += [
                DayOff(on, on, label, "yearly", key=key) for on in days_of_years(closure[EVERY], [year])
            ]
            continue
        begin = datetime.fromisoformat(closure["starts_at"]).astimezone(zone)
        end = datetime.fromisoformat(closure["ends_at"]).astimezone(zone)
        last = (end - timedelta(microseconds=1)).date()
        if begin.year <= year <= last.year:
            is_whole = begin.time() == end.time() == time.min
            hours = "" if is_whole else f"{begin:%H:%M}–{end:%H:%M}"
            found.append(DayOff(begin.date(), last, label, "own", hours, key))
    return sorted(found)
