"""A year of the calendar as a page shows it: twelve months of days, each open, off or partly off."""

import calendar as months
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from routing.business_time import parse_week
from routing.calendar_changes import DayOff
from routing.models import Calendar

DayKind = Literal["open", "weekend", "national", "own", "partly"]


@dataclass(frozen=True)
class ShownDay:
    """One day: what it is, and why in a few words."""

    on: date
    kind: DayKind
    label: str
    is_today: bool


@dataclass(frozen=True)
class ShownMonth:
    """One month; ``weeks`` begin on Monday, None stands for days of other months."""

    first: date
    weeks: Sequence[Sequence[ShownDay | None]]


def show_year(*, calendar: Calendar, year: int, days_off: Sequence[DayOff], today: date) -> list[ShownMonth]:
    """The months of a year."""
    week = parse_week(calendar.week)
    off: dict[date, DayOff] = {}
    for each in days_off:
        for ahead in range((each.until - each.on).days + 1):
            known = off.get(each.on + timedelta(days=ahead))
            if known is None or known.hours:
                off[each.on + timedelta(days=ahead)] = each

    def shown(on: date) -> ShownDay:
        reason = off.get(on)
        kind: DayKind = "open"
        if not week[on.weekday()]:
            kind = "weekend"
        elif reason is not None:
            kind = "partly" if reason.hours else "national" if reason.source == "national" else "own"
        return ShownDay(on, kind, reason.label if reason else "", on == today)

    return [
        ShownMonth(
            date(year, month, 1),
            [
                [shown(on) if on.month == month else None for on in days]
                for days in months.Calendar().monthdatescalendar(year, month)
            ],
        )
        for month in range(1, 13)
    ]
