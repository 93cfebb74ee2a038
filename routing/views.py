"""Working time and clocks, in the settings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads.conditions.describe import show_number
from routing import clock_changes
from routing.business_time import FIRST_YEAR, LAST_YEAR, is_open
from routing.calendar_changes import (
    DayOff,
    change_calendar,
    close_days,
    get_calendar,
    list_days_off,
    open_days,
)
from routing.calendars import open_hours
from routing.defaults import default_clocks
from routing.forms import CalendarForm, ClockForm, ClosureForm, clock_initial
from routing.models import Calendar, ClockKind
from routing.policies import duration_in_words, parse_clocks
from routing.rulebook import share_in_words, week_in_words
from routing.why import end_in_words, start_in_words
from routing.year_view import show_year
from tenancy.errors import NotFound, Problem
from tenancy.forms import list_time_zones
from tenancy.listing import Column, Count, EmptyState, Listing
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

form_methods = require_http_methods(["GET", "HEAD", "POST"])


@tenant_page(right="time.manage")
@require_safe
def calendar(request: TenantRequest) -> HttpResponse:
    """The hours of the week, and a year with its days off."""
    return _calendar_page(request, get_calendar(), ClosureForm(), timezone.now())


@tenant_page(right="time.manage")
@require_POST
def close(request: TenantRequest) -> HttpResponse:
    """A day off, added by hand."""
    shown, now = get_calendar(), timezone.now()
    form = ClosureForm(request.POST)
    if form.is_valid():
        try:
            close_days(calendar=shown, **form.values(), by=request.member, now=now)
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("Closed. Deadlines of running clocks are counted anew."))
            return _to_year(request, form.cleaned_data["first"].year)
    return _calendar_page(request, shown, form, now)


@tenant_page(right="time.manage")
@require_POST
def reopen(request: TenantRequest, key: str) -> HttpResponse:
    """A day off, taken away."""
    label = open_days(calendar=get_calendar(), key=key, by=request.member, now=timezone.now())
    words = _("Open on “%(label)s” again. Deadlines of running clocks are counted anew.")
    messages.success(request, words % {"label": label})
    year = request.POST.get("year", "")
    return _to_year(request, int(year) if year.isascii() and year.isdigit() else timezone.now().year)


@tenant_page(right="time.manage")
@form_methods
def hours(request: TenantRequest) -> HttpResponse:
    """The hours of the week, the zone, whose holidays are kept."""
    shown = get_calendar()
    form = CalendarForm(request.POST if request.method == "POST" else None, calendar=shown)
    if request.method == "POST" and form.is_valid():
        try:
            is_recounted = change_calendar(
                calendar=shown, **form.values(), by=request.member, now=timezone.now()
            )
        except Problem as problem:
            form.add_problem(problem)
        else:
            words = _("The working time is saved.")
            if is_recounted:
                words = _("The working time is saved. Deadlines of running clocks are counted anew.")
            messages.success(request, words)
            return redirect("calendar", slug=request.tenant.slug)
    context = {"form": form, "time_zones": list_time_zones()}
    return render(request, "routing/hours.html", context, status=422 if form.errors else 200)


@tenant_page(right="time.manage")
@require_safe
def clocks(request: TenantRequest) -> HttpResponse:
    """The kinds of clocks, how long each runs and what happens on the way."""
    policies = clock_changes.read_policies()
    shown = [_clock(kind, policies.get(kind)) for kind in ClockKind]
    context = {"clocks": shown, "running": sum(each["is_on"] for each in shown)}
    return render(request, "routing/clocks.html", context)


@tenant_page(right="time.manage")
@form_methods
def clock(request: TenantRequest, kind: str) -> HttpResponse:
    """One kind of clock: its time and its shares."""
    if kind not in ClockKind.values:
        raise NotFound(_("There is no such clock."))
    which = ClockKind(kind)
    policy = clock_changes.read_policies().get(which)
    default = next(each for each in default_clocks()["policies"] if each["kind"] == kind)
    form = ClockForm(
        request.POST if request.method == "POST" else None, initial=clock_initial(policy, default)
    )
    if request.method == "POST" and form.is_valid():
        chosen = form.policy() if form.cleaned_data["is_on"] else None
        try:
            clock_changes.change_policy(kind=which, policy=chosen, by=request.member, now=timezone.now())
        except Problem as problem:
            form.add_problem(problem)
        else:
            words = _("The clock “%(clock)s” is saved. It holds for clocks that start from now on.")
            messages.success(request, words % {"clock": which.label})
            return redirect("clocks", slug=request.tenant.slug)
    context = {"form": form, "clock": _clock(which, policy)}
    return render(request, "routing/clock.html", context, status=422 if form.errors else 200)


def _clock(kind: ClockKind, policy: dict[str, Any] | None) -> dict[str, Any]:
    """A kind of clock in words."""
    shown: dict[str, Any] = {
        "kind": kind,
        "is_on": policy is not None,
        "starts": start_in_words(kind),
        "ends": end_in_words(kind),
        "running": _running_words(clock_changes.count_running(kind=kind)),
    }
    if policy is not None:
        parsed = parse_clocks({"policies": [policy]}).policies[kind]
        shown["duration"] = duration_in_words(parsed.duration)
        shown["shares"] = [share_in_words(percent, act) for percent, act in parsed.shares]
    return shown


def _running_words(count: int) -> str:
    if count > clock_changes.COUNTED:
        return _("More than %(count)s run now.") % {"count": show_number(clock_changes.COUNTED)}
    if not count:
        return _("None runs now.")
    return ngettext("%(count)s runs now.", "%(count)s run now.", count) % {"count": show_number(count)}


def _calendar_page(request: TenantRequest, shown: Calendar, form: ClosureForm, now: datetime) -> HttpResponse:
    today = now.astimezone(ZoneInfo(shown.time_zone)).date()
    asked = request.GET.get("year", "")
    year = int(asked) if asked.isascii() and asked.isdigit() and len(asked) == 4 else today.year
    year = min(max(year, FIRST_YEAR), LAST_YEAR)
    days_off = list_days_off(calendar=shown, year=year)
    worked = open_hours(shown, now=now)
    context = {
        "settings_tab": "calendar",
        "calendar": shown,
        "week": week_in_words(worked.week),
        "is_open": is_open(at=now, calendar=worked),
        "year": year,
        "months": show_year(calendar=shown, year=year, days_off=days_off, today=today),
        "listing": _days_off_listing(request, days_off, year),
        "form": form,
    }
    return render(request, "routing/calendar.html", context, status=422 if form.errors else 200)


def _days_off_listing(request: TenantRequest, days: Sequence[DayOff], year: int) -> Listing:
    sources = {
        "national": _("public holiday"),
        "yearly": _("every year"),
        "own": _("added by hand"),
    }
    columns = [
        Column(key="label", label=_("What for"), card="title"),
        Column(key="day", label=_("Day"), template="routing/calendar.html#day_cell"),
        Column(
            key="source", label=pgettext("a day off", "From where"), value=lambda day: sources[day.source]
        ),
    ]
    if any(day.key for day in days):
        columns.append(
            Column(key="acts", label=_("Acts"), template="routing/calendar.html#acts_cell", end=True)
        )
    return Listing(
        key="days-off",
        request=request,
        caption=_("Days off in %(year)s") % {"year": year},
        columns=columns,
        rows=days,
        words=lambda n: ngettext("%(n)s day off", "%(n)s days off", n) % {"n": show_number(n)},
        count=Count(value=len(days)),
        empty=EmptyState(
            title=_("No day off this year"),
            text=_("Choose whose public holidays are kept, or add days by hand."),
            icon="calendar",
        ),
    )


def _to_year(request: TenantRequest, year: int) -> HttpResponse:
    response: HttpResponse = redirect("calendar", slug=request.tenant.slug)
    response["Location"] += f"?year={year}"
    return response
