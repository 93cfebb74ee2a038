"""Working time over HTTP: hours, whose holidays are kept, days off. Clocks are rules: ``leads.api.rules``."""

from typing import Any, ClassVar, Final

from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from routing.business_time import FIRST_YEAR, LAST_YEAR, WEEKDAYS
from routing.calendar_changes import (
    DayOff,
    change_calendar,
    close_days,
    get_calendar,
    key_of,
    list_days_off,
    open_days,
)
from routing.models import Calendar
from tenancy.api import SettingsAPIView
from tenancy.api_bodies import Body, read_body, read_whole, refuse
from tenancy.api_schema import closed
from tenancy.models import Scope

_CALENDAR: Final = ("name", "time_zone", "week", "holiday_country", "holiday_subdivision")


def _week(name: str, **more: Any) -> s.Field[Any, Any, Any, Any]:
    days: dict[str, s.Field[Any, Any, Any, Any]] = {
        day: s.ListField(
            child=s.ListField(child=s.CharField(), min_length=2, max_length=2),
            required=False,
            help_text="Windows as 09:00 and 18:00, in order.",
        )
        for day in WEEKDAYS
    }
    return closed(inline_serializer(name, days, **more))


CALENDAR = inline_serializer(
    "Calendar",
    {
        "name": s.CharField(),
        "time_zone": s.CharField(),
        "week": _week("Week"),
        "holiday_country": s.CharField(allow_null=True, help_text="ISO 3166, two letters."),
        "holiday_subdivision": s.CharField(allow_null=True, help_text="A state or region of it."),
        "is_counting": s.BooleanField(help_text="Deadlines of running clocks are being counted anew."),
    },
)
CALENDAR_CHANGE = closed(
    inline_serializer(
        "CalendarChange",
        {
            "name": s.CharField(max_length=80, required=False),
            "time_zone": s.CharField(max_length=64, required=False),
            "week": _week(
                "WeekChange", required=False, help_text="All of it; a day that is left out is closed."
            ),
            "holiday_country": s.CharField(required=False, allow_null=True, allow_blank=True, max_length=2),
            "holiday_subdivision": s.CharField(
                required=False, allow_null=True, allow_blank=True, max_length=40
            ),
        },
    )
)
DAY_OFF = inline_serializer(
    "DayOff",
    {
        "key": s.CharField(allow_null=True, help_text="Null for a public holiday."),
        "label": s.CharField(allow_blank=True),
        "first": s.DateField(),
        "last": s.DateField(),
        "hours": s.CharField(allow_null=True, help_text="Where a part of one day is closed."),
        "source": s.ChoiceField(["national", "own", "yearly"]),
    },
)
DAYS_OFF = inline_serializer("DaysOff", {"year": s.IntegerField(), "results": s.ListField(child=DAY_OFF)})
NEW_DAY_OFF = closed(
    inline_serializer(
        "NewDayOff",
        {
            "label": s.CharField(max_length=120),
            "first": s.DateField(),
            "last": s.DateField(required=False, allow_null=True, help_text="That day alone if left out."),
            "closed_from": s.CharField(
                required=False, allow_null=True, help_text="As 12:00, with closed_until: a part of one day."
            ),
            "closed_until": s.CharField(required=False, allow_null=True),
            "is_yearly": s.BooleanField(required=False, allow_null=True, help_text="Every year on this day."),
        },
    )
)
_BAD = OpenApiResponse(description="A time, day, zone or country is not known or cannot be kept.")
_FULL = OpenApiResponse(description="There are as many days off as there may be.")


class WorkingTimeView(SettingsAPIView):
    """What the views of working time share."""

    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.SETTINGS_READ,
        **dict.fromkeys(("POST", "PATCH", "DELETE"), Scope.SETTINGS_WRITE),
    }
    rights: ClassVar[dict[str, str]] = dict.fromkeys(scopes, "time.manage")


class CalendarView(WorkingTimeView):
    """When working time runs."""

    scopes: ClassVar[dict[str, Scope]] = {each: WorkingTimeView.scopes[each] for each in ("GET", "PATCH")}

    @extend_schema(operation_id="calendar", responses={200: CALENDAR}, tags=["working time"])
    def get(self, request: Request) -> Response:
        """Hours of the week, zone, whose holidays are kept."""
        return Response(calendar_json(get_calendar()))

    @extend_schema(
        operation_id="calendar_change",
        request=CALENDAR_CHANGE,
        responses={200: CALENDAR, 400: _BAD},
        tags=["working time"],
    )
    def patch(self, request: Request) -> Response:
        """Change what is given. Deadlines of running clocks are counted anew."""
        calendar, body = get_calendar(), read_body(request, *_CALENDAR)
        country = _text_or(body, "holiday_country", calendar.holiday_country, most=2)
        state = _text_or(body, "holiday_subdivision", calendar.holiday_subdivision, most=40)
        change_calendar(
            calendar=calendar,
            name=body.text("name", most=80).strip() if "name" in body else calendar.name,
            time_zone=body.text("time_zone", most=64) if "time_zone" in body else calendar.time_zone,
            week=_read_week(body) if "week" in body else calendar.week,
            holiday_country=country.upper(),
            holiday_subdivision=state,
            by=self.member,
            now=timezone.now(),
        )
        return Response(calendar_json(get_calendar()))


class DayOffCollectionView(WorkingTimeView):
    """Days on which it is closed."""

    scopes: ClassVar[dict[str, Scope]] = {each: WorkingTimeView.scopes[each] for each in ("GET", "POST")}

    @extend_schema(
        operation_id="days_off",
        parameters=[OpenApiParameter("year", int, description="The present one if left out.")],
        responses={200: DAYS_OFF},
        tags=["working time"],
    )
    def get(self, request: Request) -> Response:
        """Those of a year in order: the country's holidays and the tenant's own."""
        present = timezone.localdate().year
        year = read_whole("year", request.query_params.get("year", ""), default=present) or 0
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise refuse("year", _("Give a day of these years."))
        days = list_days_off(calendar=get_calendar(), year=year)
        return Response({"year": year, "results": [day_json(day) for day in days]})

    @extend_schema(
        operation_id="day_off_add",
        request=NEW_DAY_OFF,
        responses={201: DAY_OFF, 400: _BAD, 409: _FULL},
        tags=["working time"],
    )
    def post(self, request: Request) -> Response:
        """Close a day, several in a row, hours of one, or a day of every year. Deadlines of running clocks move on by it."""
        body = read_body(request, "label", "first", "last", "closed_from", "closed_until", "is_yearly")
        first, last = body.day("first"), body.day("last")
        if first is None:
            raise refuse("first", _("Give a day as 2026-11-24."), "required")
        opens, closes = body.time_of_day("closed_from"), body.time_of_day("closed_until")
        if (opens is None) != (closes is None):
            missing = "closed_until" if closes is None else "closed_from"
            raise refuse(missing, _("Give both hours, or none for the whole day."), "required")
        is_yearly = body.flag("is_yearly", default=False)
        closure = close_days(
            calendar=get_calendar(),
            label=body.text("label", most=120).strip(),
            first=first,
            last=last or first,
            hours=(opens, closes) if opens is not None and closes is not None else None,
            is_yearly=is_yearly,
            by=self.member,
            now=timezone.now(),
        )
        made = list_days_off(calendar=get_calendar(), year=first.year)
        key = key_of(closure)
        return Response(day_json(next(day for day in made if day.key == key)), status=201)


class DayOffView(WorkingTimeView):
    """One entry of the tenant's own list."""

    scopes: ClassVar[dict[str, Scope]] = {"DELETE": Scope.SETTINGS_WRITE}

    @extend_schema(operation_id="day_off_remove", responses={204: None}, tags=["working time"])
    def delete(self, request: Request, key: str) -> Response:
        """Work on it again. Deadlines of running clocks come nearer."""
        open_days(calendar=get_calendar(), key=key, by=self.member, now=timezone.now())
        return Response(status=204)


def _text_or(body: Body, name: str, before: str | None, *, most: int) -> str:
    """A text that may be taken away by null or an empty one."""
    return body.text(name, default="", most=most).strip() if name in body else before or ""


def _read_week(body: Body) -> dict[str, list[list[str]]]:
    """Windows by day, each two texts. Raises Invalid; what they mean is the service's to check."""
    week = Body(body.mapping("week"))
    week.refuse_others(WEEKDAYS)
    for day, windows in week.values.items():
        is_list = isinstance(windows, list) and all(
            isinstance(each, list) and len(each) == 2 for each in windows
        )
        if not is_list or not all(isinstance(text, str) for window in windows for text in window):
            raise refuse(f"week.{day}", _('Give a list of windows, each as ["09:00", "18:00"].'), "type")
    return dict(week.values)


def calendar_json(calendar: Calendar) -> dict[str, Any]:
    """The working time in the shape of the API."""
    return {name: getattr(calendar, name) for name in _CALENDAR} | {
        "is_counting": calendar.recounted_to is not None
    }


def day_json(day: DayOff) -> dict[str, Any]:
    """A day off in the shape of the API."""
    return {
        "key": day.key or None,
        "label": day.label,
        "first": day.on,
        "last": day.until,
        "hours": day.hours or None,
        "source": day.source,
    }


urlpatterns: list[URLPattern] = [
    path("calendar/", CalendarView.as_view(), name="api-calendar"),
    path("calendar/days-off/", DayOffCollectionView.as_view(), name="api-days-off"),
    path("calendar/days-off/<slug:key>/", DayOffView.as_view(), name="api-day-off"),
]
