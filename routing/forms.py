"""What administrators type about working time and clocks."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any, Final

from babel import Locale
from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext_lazy as _

from leads.forms import ActForm
from routing import business_time
from routing.business_time import MINUTES_A_DAY, Duration, DurationKind, InvalidDuration
from routing.models import Calendar
from routing.national_holidays import list_countries, list_subdivisions
from routing.policies import BREACH, MAX_SHARE, MAX_WARNINGS
from tenancy.forms import check_time_zone

_WINDOW: Final = re.compile(r"\s*([0-9]{1,2}):([0-9]{2})\s*[-–—]\s*([0-9]{1,2}):([0-9]{2})\s*")
_HOURS_FAULT: Final = _("Write hours as 09:00–12:00, 13:00–18:00, or leave the day empty.")


def read_hours(text: str) -> list[list[str]]:
    """Windows of a day from "09:00–12:00, 13:00–18:00"; none of an empty text. Raises ValidationError."""
    windows: list[list[str]] = []
    before = -1
    for part in filter(str.strip, re.split(r"[,;]", text)):
        found = _WINDOW.fullmatch(part)
        if found is None:
            raise ValidationError(_HOURS_FAULT)
        opens, closes = (int(found[at]) * 60 + int(found[at + 1]) for at in (1, 3))
        if int(found[2]) > 59 or int(found[4]) > 59 or closes > MINUTES_A_DAY:
            raise ValidationError(_HOURS_FAULT)
        if opens >= closes:
            raise ValidationError(
                _("Opening comes before closing; split a shift over midnight into two days.")
            )
        if opens <= before:
            raise ValidationError(_("Put the hours of a day in order, without overlap."))
        before = closes
        windows.append([_clock(opens), _clock(closes)])
    return windows


def write_hours(windows: Sequence[Sequence[str]]) -> str:
    """The hours of a day as they are typed."""
    return ", ".join(f"{opens}–{closes}" for opens, closes in windows)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


class CalendarForm(ActForm):
    """Hours of each weekday, time zone, whose holidays are kept."""

    name = forms.CharField(label=_("Name"), max_length=80)
    time_zone = forms.CharField(
        label=_("Time zone"),
        max_length=64,
        help_text=_("Such as America/Sao_Paulo. Hours and holidays are meant in it."),
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
    )
    holiday_country = forms.ChoiceField(label=_("Public holidays of"), required=False)
    holiday_subdivision = forms.ChoiceField(
        label=_("and of the state or region"),
        required=False,
        help_text=_("Holidays of a city are added by hand, once for every year."),
    )

    def __init__(self, data: Any = None, *, calendar: Calendar) -> None:
        week = calendar.week
        initial = {
            "name": calendar.name,
            "time_zone": calendar.time_zone,
            "holiday_country": calendar.holiday_country or "",
            "holiday_subdivision": calendar.holiday_subdivision or "",
        } | {day: write_hours(week.get(day, ())) for day in business_time.WEEKDAYS}
        super().__init__(data, initial=initial)
        for number, day in enumerate(business_time.WEEKDAYS):
            self.fields[day] = forms.CharField(
                label=WEEKDAYS[number],
                required=False,
                max_length=120,
                widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("closed")}),
            )
        self.order_fields(["name", "time_zone", *business_time.WEEKDAYS])
        territories = Locale.parse(to_locale(get_language() or "en")).territories
        countries = sorted(
            ((code, territories.get(code, code)) for code in list_countries()), key=lambda each: each[1]
        )
        _offer(self, "holiday_country", [("", _("No public holidays")), *countries])
        country = self.data.get("holiday_country") if self.is_bound else calendar.holiday_country
        _offer(self, "holiday_subdivision", [("", _("No state")), *list_subdivisions(country or "")])

    def clean_time_zone(self) -> str:
        """As the time zone database spells it."""
        return check_time_zone(self.cleaned_data["time_zone"])

    def clean(self) -> dict[str, Any]:
        """The week, day by day."""
        data = super().clean() or {}
        week: dict[str, list[list[str]]] = {}
        for day in business_time.WEEKDAYS:
            try:
                week[day] = read_hours(data.get(day) or "")
            except ValidationError as error:
                self.add_error(day, error)
        if not self.errors and not any(week.values()):
            self.add_error(business_time.WEEKDAYS[0], _("Open on one day of the week at least."))
        data["week"] = week
        return data

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        names = ("name", "time_zone", "week", "holiday_country", "holiday_subdivision")
        return {name: self.cleaned_data[name] for name in names}


class ClosureForm(ActForm):
    """A day off, several days, or hours of one."""

    label = forms.CharField(
        label=_("What for"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    first = forms.DateField(
        label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label=_("Last day"),
        required=False,
        help_text=_("Empty: that day alone."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    opens_at = forms.TimeField(
        label=_("Closed from"),
        required=False,
        help_text=_("Only for a part of one day."),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    closes_at = forms.TimeField(
        label=_("Closed until"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    is_yearly = forms.BooleanField(label=_("Every year on this day"), required=False)

    def clean(self) -> dict[str, Any]:
        """Both hours or none."""
        data = super().clean() or {}
        if (data.get("opens_at") is None) != (data.get("closes_at") is None) and not self.errors:
            missing = "closes_at" if data.get("closes_at") is None else "opens_at"
            self.add_error(missing, _("Give both hours, or none for the whole day."))
        return data

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        data: Mapping[str, Any] = self.cleaned_data
        first: date = data["first"]
        hours: tuple[time, time] | None = (
            (data["opens_at"], data["closes_at"]) if data["opens_at"] is not None else None
        )
        return {
            "label": data["label"],
            "first": first,
            "last": data["last"] or first,
            "hours": hours,
            "is_yearly": data["is_yearly"],
        }


class ClockForm(ActForm):
    """The policy of one kind of clock."""

    is_on = forms.BooleanField(label=_("This clock runs"), required=False)
    amount = forms.IntegerField(label=_("Time"), min_value=1, max_value=100_000)
    unit = forms.ChoiceField(
        label=_("Unit"),
        choices=[
            (DurationKind.WORKING_DAYS.value, _("working days")),
            ("working_hours", _("working hours")),
            ("working_minutes", _("working minutes")),
            ("elapsed_hours", _("hours round the clock")),
            ("elapsed_minutes", _("minutes round the clock")),
        ],
        help_text=_("Working time follows the calendar; round the clock counts nights and weekends too."),
    )
    warn = forms.CharField(
        label=_("Warn the owner at"),
        required=False,
        max_length=60,
        help_text=_("Per cents of the time, apart by commas. Without an owner the team lead is warned."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )
    offer = forms.IntegerField(
        label=_("Offer the lead to the next person at (%)"),
        required=False,
        min_value=BREACH + 1,
        max_value=MAX_SHARE,
        help_text=_("From 101 on. Empty: it stays with who has it."),
    )
    escalate = forms.IntegerField(
        label=_("Tell the managers at (%)"),
        required=False,
        min_value=BREACH + 1,
        max_value=MAX_SHARE,
        help_text=_("From 101 on. Empty: they are not told."),
    )

    def clean_warn(self) -> list[int]:
        """The per cents in order."""
        parts = [
            part.strip().removesuffix("%").strip() for part in re.split(r"[,;\s]+", self.cleaned_data["warn"])
        ]
        shares = [part for part in parts if part]
        if len(shares) > MAX_WARNINGS or not all(
            part.isascii() and part.isdigit() and 0 < int(part) < BREACH for part in shares
        ):
            raise ValidationError(
                _("Give at most %(count)s per cents from 1 to 99.") % {"count": MAX_WARNINGS}
            )
        return sorted({int(part) for part in shares})

    def clean(self) -> dict[str, Any]:
        """The later shares differ, and the time ends within the years that are counted."""
        data = super().clean() or {}
        if data.get("offer") is not None and data.get("offer") == data.get("escalate"):
            self.add_error("escalate", _("Give another share than for the offer."))
        if data.get("amount") and data.get("unit"):
            try:
                data["duration"] = _read_duration(data["unit"], data["amount"])
            except InvalidDuration:
                self.add_error("amount", _("This is longer than ten years."))
        return data

    def policy(self) -> dict[str, Any]:
        """The policy as a document has it, without its kind."""
        data = self.cleaned_data
        duration: Duration = data["duration"]
        return {
            "duration": {"kind": duration.kind.value, "amount": duration.amount},
            "warn": data["warn"],
            "offer": data["offer"],
            "escalate": data["escalate"],
        }


def _read_duration(unit: str, amount: int) -> Duration:
    kind, minutes = {
        "working_days": (DurationKind.WORKING_DAYS, 1),
        "working_hours": (DurationKind.WORKING_HOURS, 60),
        "working_minutes": (DurationKind.WORKING_HOURS, 1),
        "elapsed_hours": (DurationKind.ELAPSED, 60),
        "elapsed_minutes": (DurationKind.ELAPSED, 1),
    }[unit]
    return Duration(kind, amount * minutes)


def clock_initial(policy: Mapping[str, Any] | None, default: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of a policy; of a clock that does not run, what it would begin with."""
    shown = policy or default
    kind, amount = shown["duration"]["kind"], shown["duration"]["amount"]
    unit = kind
    if kind != DurationKind.WORKING_DAYS:
        is_hours = amount % 60 == 0
        amount = amount // 60 if is_hours else amount
        unit = (
            f"{'elapsed' if kind == DurationKind.ELAPSED else 'working'}_{'hours' if is_hours else 'minutes'}"
        )
    return {
        "is_on": policy is not None,
        "amount": amount,
        "unit": unit,
        "warn": ", ".join(map(str, shown["warn"])),
        "offer": shown["offer"],
        "escalate": shown["escalate"],
    }


def _offer(form: forms.Form, name: str, choices: list[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices
