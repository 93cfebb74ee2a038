"""The pages of working time and clocks, and what becomes of running clocks when a calendar changes."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.test import Client

from core.due import sweep_kind
from core.models import DueRow
from leads.models import Decision, DecisionKind, Lead, LeadState, RuleKind, RuleVersion, VersionStatus
from leads.pipeline import Reason, run_pipeline
from leads.why import explain_part
from routing import recounting
from routing.business_time import is_open
from routing.calendar_changes import (
    InvalidWorkingTime,
    change_calendar,
    close_days,
    get_calendar,
    key_of,
    list_days_off,
    open_days,
)
from routing.calendars import open_hours
from routing.clock_changes import change_policy, read_policies
from routing.clocks import SHARE_KIND
from routing.forms import read_hours
from routing.models import Calendar, Clock, ClockKind
from routing.national_holidays import list_subdivisions
from routing.year_view import show_year
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead
from tests.conftest import NOW

SETTINGS = "/t/horizonte/settings/"
# NOW is a Wednesday, 10:00 in São Paulo; the Friday is a national holiday.
THURSDAY_10 = NOW + timedelta(days=1)
MONDAY_10 = NOW + timedelta(days=5)


@pytest.fixture
def as_admin(tenant: Tenant) -> Client:
    """The administrator's browser, in English."""
    with tenant_scope(tenant.pk):
        user = Membership.objects.select_related("user").get(roles=[Role.ADMIN]).user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def make_mql(**fields: Any) -> Lead:
    lead = make_lead(stage="mql", stage_at=NOW, **fields)
    run_pipeline(lead_ids=[lead.pk], reason=Reason("test"), now=NOW)
    return lead


def clock_of(lead: Lead) -> Clock:
    clock: Clock = Clock.objects.get(lead=lead)
    return clock


def close(first: date, label: str = "Feriado", **parts: Any) -> None:
    chosen: dict[str, Any] = {"last": first, "hours": None, "is_yearly": False} | parts
    close_days(calendar=get_calendar(), label=label, first=first, by=None, now=NOW, **chosen)


def recount(tenant: Tenant, now: datetime = NOW) -> None:
    sweep_kind(kind=recounting.RECOUNT_KIND, tenant_id=tenant.pk, now=now)


def test_a_day_off_moves_the_deadlines_of_running_clocks(in_tenant: Any, tenant: Tenant) -> None:
    lead = make_mql()
    assert clock_of(lead).due_at == THURSDAY_10
    close(THURSDAY_10.date())
    assert get_calendar().recounted_to == 0
    recount(tenant)
    clock = clock_of(lead)
    assert (clock.started_at, clock.due_at, clock.next_share) == (NOW, MONDAY_10, 50)
    assert get_calendar().recounted_to is None
    # Open from 10:00 to 18:00 on Wednesday and from 9:00 to 10:00 on Monday: half of it passes at 14:30.
    assert DueRow.objects.get(kind=SHARE_KIND).due_at == NOW + timedelta(hours=4, minutes=30)
    assert LeadState.objects.get(pk=lead.pk).clock_due_at == MONDAY_10
    told = Decision.objects.filter(lead_id=lead.pk, kind=DecisionKind.CLOCK).order_by("id").last()
    assert told is not None
    assert (told.result, told.detail["was_due_at"]) == ("recounted", THURSDAY_10.isoformat())
    labels = [
        str(rule.label)
        for part in explain_part(part="clocks", lead_id=lead.pk, now=NOW)
        for rule in part.rules
    ]
    assert any(label.startswith("The calendar changed: due at") for label in labels)


def test_taking_a_day_off_away_brings_deadlines_nearer_but_never_into_the_past(
    in_tenant: Any, tenant: Tenant
) -> None:
    close(THURSDAY_10.date())
    lead = make_mql()
    assert clock_of(lead).due_at == MONDAY_10
    key = key_of(get_calendar().closures[0])
    open_days(calendar=get_calendar(), key=key, by=None, now=THURSDAY_10 + timedelta(hours=1))
    recount(tenant, THURSDAY_10 + timedelta(hours=1))
    assert clock_of(lead).due_at == MONDAY_10
    close(date(2027, 3, 1))
    recount(tenant)
    assert clock_of(lead).due_at == THURSDAY_10


def test_what_is_met_or_broken_keeps_its_deadline(in_tenant: Any, tenant: Tenant) -> None:
    broken, met, running = make_mql(), make_mql(), make_mql()
    Clock.objects.filter(lead=broken).update(state="broken", broken_at=THURSDAY_10)
    Clock.objects.filter(lead=met).update(state="met", met_at=NOW)
    close(THURSDAY_10.date())
    recount(tenant)
    assert [clock_of(lead).due_at for lead in (broken, met, running)] == [THURSDAY_10, THURSDAY_10, MONDAY_10]


def test_clocks_are_counted_anew_in_batches_to_the_last(
    in_tenant: Any, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recounting, "BATCH_SIZE", 2)
    leads = [make_mql() for _number in range(5)]
    close(THURSDAY_10.date())
    recount(tenant)
    assert {clock_of(lead).due_at for lead in leads} == {MONDAY_10}
    assert get_calendar().recounted_to is None
    assert not DueRow.objects.filter(kind=recounting.RECOUNT_KIND).exists()


def test_hours_of_one_day_and_a_day_of_every_year_close(in_tenant: Any) -> None:
    close(date(2026, 12, 24), "Véspera", hours=(time(12), time(18)))
    close(date(2024, 2, 29), "Bissexto", is_yearly=True)
    hours = open_hours(get_calendar(), now=NOW)
    assert is_open(at=datetime(2026, 12, 24, 14, 59, tzinfo=UTC), calendar=hours)
    assert not is_open(at=datetime(2026, 12, 24, 15, 0, tzinfo=UTC), calendar=hours)
    # 29 February 2028 is a Tuesday; 2027 has none.
    assert not is_open(at=datetime(2028, 2, 29, 15, 0, tzinfo=UTC), calendar=hours)
    assert [day.label for day in list_days_off(calendar=get_calendar(), year=2027) if day.key] == []


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"last": date(2026, 12, 1)}, "last"),
        ({"last": date(2028, 12, 24)}, "last"),
        ({"hours": (time(18), time(12))}, "closes_at"),
        ({"last": date(2026, 12, 25), "hours": (time(9), time(12))}, "closes_at"),
        ({"last": date(2026, 12, 25), "is_yearly": True}, "is_yearly"),
    ],
)
def test_a_day_off_that_cannot_be_meant_is_refused(in_tenant: Any, parts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidWorkingTime) as refused:
        close(date(2026, 12, 24), **parts)
    assert field in {problem.field for problem in refused.value.errors}
    assert get_calendar().closures == []


def test_holidays_of_a_state_are_kept_and_named(in_tenant: Any) -> None:
    calendar = get_calendar()
    assert ("SP", "São Paulo") in list_subdivisions("BR")
    change_calendar(
        calendar=calendar,
        name=calendar.name,
        time_zone=calendar.time_zone,
        week=calendar.week,
        holiday_country="BR",
        holiday_subdivision="SP",
        by=None,
        now=NOW,
    )
    calendar = get_calendar()
    days = {day.on: day for day in list_days_off(calendar=calendar, year=2026)}
    assert days[date(2026, 7, 9)].source == "national"
    assert not is_open(at=datetime(2026, 7, 9, 15, 0, tzinfo=UTC), calendar=open_hours(calendar, now=NOW))
    months = show_year(calendar=calendar, year=2026, days_off=list(days.values()), today=NOW.date())
    july = {day.on: day.kind for week in months[6].weeks for day in week if day}
    assert (july[date(2026, 7, 9)], july[date(2026, 7, 10)], july[date(2026, 7, 11)]) == (
        "national",
        "open",
        "weekend",
    )


def test_hours_are_changed_on_the_page_and_clocks_follow(as_admin: Client, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        lead = make_mql()
    sent = {
        "name": "Escritório",
        "time_zone": "america/sao_paulo",
        "holiday_country": "",
        "mon": "9:00-12:00,13:00-18:00",
    }
    answer = as_admin.post(f"{SETTINGS}calendar/hours/", sent)
    assert answer.status_code == 302
    page = words(as_admin.get(f"{SETTINGS}calendar/?year=2026"))
    assert "being counted anew" in page
    assert "09:00–12:00, 13:00–18:00" in page
    with tenant_scope(tenant.pk):
        calendar = get_calendar()
        assert (calendar.week, calendar.time_zone) == (
            {"mon": [["09:00", "12:00"], ["13:00", "18:00"]]},
            "America/Sao_Paulo",
        )
        assert AuditEntry.objects.get(act="calendar.changed").detail["week"] == "mon 09:00–12:00, 13:00–18:00"
        recount(tenant, datetime.now(UTC) + timedelta(minutes=1))
        moved = clock_of(lead)
        # The next Monday's opening, and as long on the Monday after.
        assert moved.started_at == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        assert moved.due_at == datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"mon": "9-18"}, "Write hours as 09:00"),
        ({"mon": "18:00–09:00"}, "Opening comes before closing"),
        ({"mon": "09:00–12:00, 11:00–18:00"}, "without overlap"),
        ({"mon": ""}, "Open on one day of the week"),
        ({"time_zone": "Mars/Olympus"}, "is not a time zone"),
        ({"holiday_country": "BR", "holiday_subdivision": "BY"}, "not one of the available choices"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused_in_words(
    as_admin: Client, tenant: Tenant, sent: dict[str, str], said: str
) -> None:
    whole = {"name": "X", "time_zone": "UTC", "mon": "09:00–18:00", "holiday_country": ""} | sent
    answer = as_admin.post(f"{SETTINGS}calendar/hours/", whole)
    assert answer.status_code == 422
    assert said in words(answer)
    with tenant_scope(tenant.pk):
        assert get_calendar().time_zone == "America/Sao_Paulo"


def test_hours_are_read_as_people_write_them() -> None:
    assert read_hours("") == []
    assert read_hours(" 9:00 - 12:30 ; 13:30—24:00 ") == [["09:00", "12:30"], ["13:30", "24:00"]]


def test_days_off_are_added_and_removed_on_the_page(as_admin: Client, tenant: Tenant) -> None:
    sent = {"label": "Recesso", "first": "2026-12-28", "last": "2026-12-31"}
    assert as_admin.post(f"{SETTINGS}calendar/days-off/", sent)["Location"].endswith("?year=2026")
    page = words(as_admin.get(f"{SETTINGS}calendar/?year=2026"))
    assert "Recesso" in page
    assert "added by hand" in page
    wrong = as_admin.post(
        f"{SETTINGS}calendar/days-off/", {"label": "x", "first": "2026-12-28", "opens_at": "09:00"}
    )
    assert wrong.status_code == 422
    assert "Give both hours" in words(wrong)
    with tenant_scope(tenant.pk):
        key = key_of(get_calendar().closures[0])
    as_admin.post(f"{SETTINGS}calendar/days-off/{key}/", {"year": "2026"})
    assert as_admin.post(f"{SETTINGS}calendar/days-off/{key}/").status_code == 404
    with tenant_scope(tenant.pk):
        assert get_calendar().closures == []
        acts = (
            AuditEntry.objects.filter(act__startswith="calendar.")
            .order_by("id")
            .values_list("act", flat=True)
        )
        assert list(acts) == ["calendar.closed", "calendar.opened"]


def test_a_changed_clock_holds_from_now_on_and_those_that_run_keep_their_time(
    as_admin: Client, tenant: Tenant
) -> None:
    with tenant_scope(tenant.pk):
        running = make_mql()
    page = words(as_admin.get(f"{SETTINGS}clocks/"))
    assert "1 working day" in page
    assert "1 runs now." in page
    sent = {
        "is_on": "on",
        "amount": "2",
        "unit": "elapsed_hours",
        "warn": "30, 60 %",
        "offer": "",
        "escalate": "300",
    }
    assert as_admin.post(f"{SETTINGS}clocks/first_contact/", sent).status_code == 302
    with tenant_scope(tenant.pk):
        started = make_mql()
        assert clock_of(running).due_at == THURSDAY_10
        assert (clock_of(started).due_at, clock_of(started).calendar_id) == (NOW + timedelta(hours=2), None)
        assert read_policies()[ClockKind.FIRST_CONTACT] == {
            "kind": "first_contact",
            "duration": {"kind": "elapsed", "amount": 120},
            "warn": [30, 60],
            "offer": None,
            "escalate": 300,
        }
        assert len(read_policies()) == 4
        assert AuditEntry.objects.get(act="clock.changed").detail["duration"] == "2 h"


def test_a_clock_that_is_switched_off_starts_no_more(as_admin: Client, tenant: Tenant) -> None:
    sent = {"amount": "1", "unit": "working_days", "warn": "", "offer": "", "escalate": ""}
    as_admin.post(f"{SETTINGS}clocks/first_contact/", sent)
    assert "No new clock of this kind starts." in words(as_admin.get(f"{SETTINGS}clocks/"))
    with tenant_scope(tenant.pk):
        assert not Clock.objects.filter(lead=make_mql()).exists()
        assert not change_policy(kind=ClockKind.FIRST_CONTACT, policy=None, by=None, now=NOW)
        published = RuleVersion.objects.get(kind=RuleKind.CLOCKS, status=VersionStatus.PUBLISHED)
        assert published.number == 2
        assert AuditEntry.objects.filter(act="clock.switched_off").count() == 1


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"amount": "0"}, "greater than or equal to 1"),
        ({"warn": "50, 100"}, "per cents from 1 to 99"),
        ({"offer": "100"}, "greater than or equal to 101"),
        ({"offer": "150", "escalate": "150"}, "Give another share"),
        ({"amount": "99999", "unit": "working_days"}, "longer than ten years"),
    ],
)
def test_a_clock_that_cannot_be_meant_is_refused(as_admin: Client, sent: dict[str, str], said: str) -> None:
    whole = {"is_on": "on", "amount": "1", "unit": "working_days", "warn": "50"} | sent
    answer = as_admin.post(f"{SETTINGS}clocks/first_contact/", whole)
    assert answer.status_code == 422
    assert said in words(answer)


def test_only_the_one_calendar_of_the_tenant_is_recounted(
    in_tenant: Any, tenant: Tenant, other_tenant: Tenant
) -> None:
    close(THURSDAY_10.date())
    assert Calendar.objects.exclude(recounted_to=None).count() == 1
    recount(tenant)
    assert Calendar.objects.filter(recounted_to=None).count() == 1
