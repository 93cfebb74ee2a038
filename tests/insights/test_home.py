"""The home page of those who oversee the teams, and everybody's own numbers: each figure opens its leads."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from insights.own_numbers import OwnNumber, list_own_numbers
from leads.listing import count_leads, list_leads, read_list_query
from leads.models import ContactAttempt, Handover, Lead, Opportunity, RuleKind, RuleVersion
from routing.models import Clock
from tenancy.models import Membership
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW

TEAM = "/t/horizonte/team/"


def sign_in(member: Membership) -> Client:
    client = Client(headers={"accept-language": "en"})
    assert member.user is not None
    client.force_login(member.user)
    return client


def make_clock(
    lead: Lead, kind: str, state: str, *, now: datetime, level: int = 0, met_late: bool = False
) -> None:
    due_at = now + timedelta(hours=-1 if state == "broken" or met_late else 1)
    Clock.objects.create(
        lead=lead,
        kind=kind,
        state=state,
        level=level,
        entered_at=now - timedelta(hours=5),
        started_at=now - timedelta(hours=5),
        due_at=due_at,
        broken_at=due_at if state == "broken" or met_late else None,
        met_at=now - timedelta(minutes=5) if state == "met" else None,
        version=RuleVersion.objects.get(kind=RuleKind.CLOCKS),
    )


@pytest.fixture
def people(tenant: Any) -> dict[str, Membership]:
    with tenant_scope(tenant.pk):
        return {
            "bruno": make_member(role="sdr", name="Bruno"),
            "ana": make_member(role="sdr", name="Ana"),
            "diego": make_member(role="sales", name="Diego"),
            "manager": make_member(role="manager", name="Marta"),
        }


def test_managers_see_clocks_and_load_and_every_number_opens_its_leads(
    tenant: Any, people: dict[str, Membership]
) -> None:
    now = timezone.now()
    bruno, diego = people["bruno"], people["diego"]
    with tenant_scope(tenant.pk):
        for stage, owner, kind, state, level in (
            ("mql", bruno, "first_contact", "running", 0),
            ("mql", bruno, "first_contact", "running", 80),
            ("mql", bruno, "asked_for_contact", "broken", 100),
            ("mql", None, "first_contact", "broken", 100),
            ("working", bruno, "first_contact", "met", 0),
        ):
            lead = make_lead(stage=stage, stage_at=now - timedelta(days=2), standing={"owner_sdr": owner})
            make_clock(lead, kind, state, now=now, level=level)
        sql = make_lead(stage="sql", standing={"owner_sales": diego, "owner_sdr": bruno})
        make_clock(sql, "answer_sql", "broken", now=now, level=150)
        make_lead(stage="opportunity", standing={"owner_sales": diego})
        for days in (0, 2):
            ContactAttempt.objects.create(
                lead=sql, at=now - timedelta(days=days), actor=bruno, channel="call", outcome="reached"
            )
    browser = sign_in(people["manager"])
    with CaptureQueriesContext(connection) as asked:
        page = browser.get("/t/horizonte/")
    assert len(asked) < 60
    panel = page.context["panels"][0].context
    clocks = {row.label: row for row in panel["clocks"]}
    first, answer = clocks["First contact"], clocks["Answer the SQL"]
    assert [each.value for each in (first.running, first.near, first.broken, first.nobody)] == [1, 1, 1, 1]
    assert [each.value for each in (answer.running, answer.near, answer.broken, answer.nobody)] == [
        0,
        0,
        1,
        0,
    ]
    loads = {row.name: row for _title, _waiting, _going, rows in panel["groups"] for row in rows}
    of_bruno = loads["Bruno"]
    assert (of_bruno.waiting.value, of_bruno.going.value, of_bruno.attempts.value) == (3, 1, 1)
    assert (of_bruno.near.value, of_bruno.broken.value) == (1, 1)
    assert of_bruno.oldest_at is not None
    assert (loads["Ana"].waiting.value, loads["Ana"].oldest_at) == (0, None)
    assert (loads["Diego"].waiting.value, loads["Diego"].going.value, loads["Diego"].broken.value) == (
        1,
        1,
        1,
    )
    figures = [
        figure for row in clocks.values() for figure in (row.running, row.near, row.broken, row.nobody)
    ]
    figures += [each for row in loads.values() for each in (row.waiting, row.going, row.near, row.broken)]
    figures += [row.attempts for row in loads.values() if row.attempts]
    for figure in figures:
        if figure.value:
            assert len(browser.get(figure.url).context["listing"].rows) == figure.value, figure.url

    asks = {"HX-Request": "true"}
    fresh = browser.get(TEAM, headers=asks)
    assert (fresh.status_code, "Clocks that run" in fresh.content.decode()) == (200, True)
    same = browser.get(TEAM, headers=asks | {"If-None-Match": fresh["ETag"]})
    assert (same.status_code, same["HX-Reswap"]) == (304, "none")
    with tenant_scope(tenant.pk):
        make_lead(stage="mql", standing={"owner_sdr": people["ana"]})
    assert browser.get(TEAM, headers=asks | {"If-None-Match": fresh["ETag"]}).status_code == 200
    assert browser.get(TEAM)["Location"] == "/t/horizonte/"
    assert sign_in(bruno).get(TEAM).status_code == 403


def test_the_home_page_does_not_wait_for_a_count_that_takes_too_long(
    tenant: Any, people: dict[str, Membership], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(**_given: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr("insights.home.HOME_MS", 50)
    monkeypatch.setattr("insights.home.MOST_MS", 50)
    monkeypatch.setattr("insights.home.get_oversight", sleep)
    browser = sign_in(people["manager"])
    page = browser.get("/t/horizonte/").content.decode()
    assert ('hx-trigger="load, refresh-due"' in page, "too many clocks to count" in page) == (True, False)
    part = browser.get(TEAM, headers={"HX-Request": "true"}).content.decode()
    assert ('hx-trigger="refresh-due"' in part, "too many clocks to count" in part) == (True, True)
    assert 'data-refresh-every="300"' in part


def values(number: OwnNumber) -> tuple[int | None, ...]:
    """The numbers of a line: of the week, of the month, and of which whole each is a part."""
    figures = (number.week, number.month, number.of_week, number.of_month)
    return tuple(figure.value if figure else None for figure in figures)


def test_own_numbers_count_this_week_and_this_month(tenant: Any, people: dict[str, Membership]) -> None:
    """Now is a Wednesday, the 18th: the week began on the 16th."""
    bruno, diego = people["bruno"], people["diego"]
    with tenant_scope(tenant.pk):
        for days, channel in ((1, "meeting"), (1, "call"), (10, "meeting"), (40, "meeting")):
            ContactAttempt.objects.create(
                lead=make_lead(),
                at=NOW - timedelta(days=days),
                actor=bruno,
                channel=channel,
                outcome="reached",
            )
        for days, answer in ((1, "accepted"), (1, "rejected"), (9, "accepted"), (60, "accepted")):
            at = NOW - timedelta(days=days)
            Handover.objects.create(
                lead=make_lead(),
                offered_at=at,
                offered_by=bruno,
                answer=answer,
                answered_at=at,
                answered_by=diego,
            )
        for days, met_late in ((0, False), (0, True), (8, False), (50, False)):
            lead = make_lead(stage="working", standing={"owner_sdr": bruno})
            make_clock(lead, "first_contact", "met", now=NOW - timedelta(days=days), met_late=met_late)
        Opportunity.objects.create(
            lead=make_lead(), outcome="won", closed_at=NOW - timedelta(days=9), sales_rep=diego
        )
        ContactAttempt.objects.create(
            lead=ContactAttempt.objects.filter(actor=bruno, channel="call").get().lead,
            at=NOW - timedelta(hours=1),
            actor=bruno,
            channel="email",
            outcome="no_answer",
        )
        with CaptureQueriesContext(connection) as asked:
            of_bruno = list_own_numbers(member=bruno, tenant=tenant, now=NOW)
        assert len(asked) == 1
        own = {str(each.label): values(each) for each in of_bruno}
        assert own == {
            "First contact in time": (1, 2, 2, 3),
            "Attempts": (3, 4, None, None),
            "Meetings": (1, 2, None, None),
            "Handed over to sales": (2, 3, None, None),
            "Of mine accepted by sales": (1, 2, None, None),
        }
        of_rep = {
            str(each.label): values(each)[:2]
            for each in list_own_numbers(member=diego, tenant=tenant, now=NOW)
        }
        figures = [
            figure
            for each in (*of_bruno, *list_own_numbers(member=diego, tenant=tenant, now=NOW))
            for figure in (each.week, each.month, each.of_week, each.of_month)
            if figure is not None
        ]
        for figure in figures:
            given = dict(parse_qsl(urlsplit(figure.url).query))
            query = read_list_query(parameters=given, member=people["manager"])
            count = count_leads(query=query, now=NOW)
            found = len(list_leads(query=query, now=NOW).lead_ids)
            assert (found, count and count.value) == (figure.leads, figure.leads), figure
        assert [(each.value, each.leads) for each in figures if each.value != each.leads] == [(3, 2), (4, 3)]
        assert of_rep == {
            "SQLs answered in time": (0, 0),
            "SQLs accepted": (1, 2),
            "Opportunities won": (0, 1),
        }
        assert list_own_numbers(member=people["manager"], tenant=tenant, now=NOW) == []
        # On the 1st the week began in the month before.
        early = datetime.fromisoformat("2026-12-01T13:00:00+00:00")
        ContactAttempt.objects.create(
            lead=make_lead(), at=early - timedelta(days=1), actor=bruno, channel="call", outcome="reached"
        )
        attempts = list_own_numbers(member=bruno, tenant=tenant, now=early)[1]
        assert (attempts.week.value, attempts.month.value) == (1, 0)
    bruno_at_work = sign_in(bruno)
    page = bruno_at_work.get("/t/horizonte/").content.decode()
    assert "Your numbers" in page
    listed = bruno_at_work.get(of_bruno[1].week.url).content.decode()
    assert "Attempts of Bruno since 11/16/2026" in listed
    for bad in ("attempt", "attempt.x.2026-11-16", "attempt.1.soon", "nonsense.1.2026-11-16"):
        refused = bruno_at_work.get("/t/horizonte/leads/", {"did": bad})
        assert "as attempt.7.2026-11-16" in refused.content.decode(), bad
