"""The SDR's queue and the sales rep's inbox: who sees which leads in which order."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models.functions import Coalesce, Least

from leads.models import ContactAttempt, Handover, Lead, LeadState, RuleKind, RuleVersion
from leads.qualification import queue
from leads.qualification.queue import (
    InvalidQueueCursor,
    count_attempts_today,
    count_inbox,
    count_queue,
    list_inbox,
    list_queue,
)
from routing.models import OPEN_STATES, Calendar, Clock, ClockKind
from tenancy.models import Membership, Role, Tenant
from tests.builders import make_lead, make_member, make_team
from tests.conftest import NOW
from tests.leads.people import make_manager, make_rep, make_sdr, mql_of, sql_of, working_of

pytestmark = pytest.mark.usefixtures("in_tenant")


def start_clock(lead: Lead, due_at: datetime, **fields: Any) -> Clock:
    """An open clock of the lead under the published policies."""
    start = NOW - timedelta(hours=3)
    clock: Clock = Clock.objects.create(
        lead=lead,
        kind=ClockKind.FIRST_CONTACT,
        entered_at=start,
        started_at=start,
        due_at=due_at,
        version=RuleVersion.objects.get(kind=RuleKind.CLOCKS),
        calendar=Calendar.objects.first(),
        **fields,
    )
    if clock.state in OPEN_STATES:
        LeadState.objects.filter(lead=lead).update(
            clock_due_at=Coalesce(Least("clock_due_at", due_at), due_at)
        )
    return clock


def in_queue(member: Membership) -> list[int]:
    return [waiting.row.id for waiting in list_queue(member=member, now=NOW).leads]


def in_inbox(member: Membership) -> list[int]:
    return [waiting.row.id for waiting in list_inbox(member=member, now=NOW).leads]


def test_mine_come_first_then_those_of_nobody_and_no_others() -> None:
    sdr = make_sdr()
    free = mql_of(None, score=99)
    mine, working = mql_of(sdr, score=1), working_of(sdr, score=2)
    mql_of(make_sdr())
    for stage in ("new", "sql", "opportunity", "customer", "nurture", "disqualified"):
        make_lead(stage=stage, standing={"owner_sdr": sdr})
    assert in_queue(sdr) == [working.pk, mine.pk, free.pk]
    assert [waiting.is_mine for waiting in list_queue(member=sdr, now=NOW).leads] == [True, True, False]


def test_a_free_lead_shows_to_its_team_and_without_a_team_to_everybody() -> None:
    member, stranger = make_sdr(), make_sdr()
    team = make_team(members=[member])
    of_team = mql_of(None, score=5, standing={"team_sdr": team})
    of_nobody = mql_of(None, score=3)
    assert in_queue(member) == [of_team.pk, of_nobody.pk]
    assert in_queue(stranger) == [of_nobody.pk]
    assert in_queue(make_manager()) == [of_team.pk, of_nobody.pk]


def test_the_earliest_clock_comes_first_then_grade_then_score() -> None:
    sdr = make_sdr()
    plain = working_of(sdr, score=10, grade="B")
    better_grade = working_of(sdr, score=0, grade="A")
    higher_score = working_of(sdr, score=90, grade="B")
    later, sooner, broken = (mql_of(sdr) for _each in range(3))
    start_clock(later, NOW + timedelta(hours=20))
    start_clock(sooner, NOW + timedelta(hours=1))
    start_clock(broken, NOW - timedelta(hours=1), state="broken", broken_at=NOW - timedelta(hours=1))
    met = mql_of(sdr, grade="F")
    start_clock(met, NOW - timedelta(hours=2), state="met", met_at=NOW - timedelta(hours=2))
    assert in_queue(sdr) == ids(broken, sooner, later, better_grade, higher_score, plain, met)


def ids(*leads: Lead) -> list[int]:
    return [lead.pk for lead in leads]


def test_each_place_carries_its_clock_and_its_attempts() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    start_clock(lead, NOW + timedelta(hours=1))
    for hours in (5, 2):
        attempt = {"channel": "call", "outcome": "no_answer", "at": NOW - timedelta(hours=hours)}
        ContactAttempt.objects.create(lead=lead, actor=sdr, **attempt)
    [waiting] = list_queue(member=sdr, now=NOW).leads
    assert waiting.clock is not None
    assert waiting.clock.left_seconds == 3600
    assert (waiting.attempts, waiting.last_attempt_at) == (2, NOW - timedelta(hours=2))


def test_the_pages_of_a_queue_show_every_lead_once() -> None:
    sdr = make_sdr()
    leads = [mql_of(sdr if number % 2 else None, score=number % 3) for number in range(7)]
    start_clock(leads[2], NOW + timedelta(hours=2))
    start_clock(leads[3], NOW + timedelta(hours=2))
    whole = in_queue(sdr)
    shown: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = list_queue(member=sdr, now=NOW, cursor=cursor, size=2)
        shown += [waiting.row.id for waiting in page.leads]
        cursor = page.next_cursor
    assert shown == whole
    assert sorted(shown) == sorted(ids(*leads))


def test_a_cursor_that_was_tampered_with_is_refused() -> None:
    sdr = make_sdr()
    mql_of(sdr), mql_of(sdr)
    cursor = list_queue(member=sdr, now=NOW, size=1).next_cursor
    assert cursor
    for bad in (cursor[:-1] + "!", "x"):
        with pytest.raises(InvalidQueueCursor):
            list_queue(member=sdr, now=NOW, cursor=bad)


def test_the_queue_is_counted_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    sdr = make_sdr()
    for _each in range(3):
        mql_of(None)
    working_of(sdr)
    counts = count_queue(member=sdr)
    assert (counts.mine.value, counts.free.value, counts.free.exact) == (1, 3, True)
    monkeypatch.setattr(queue, "COUNTED_TO", 2)
    capped = count_queue(member=sdr).free
    assert (capped.value, capped.exact) == (2, False)


def test_attempts_are_counted_on_the_tenants_day(in_tenant: Tenant) -> None:
    sdr, lead = make_sdr(), mql_of(None)
    midnight = datetime(2026, 11, 18, tzinfo=ZoneInfo("America/Sao_Paulo"))
    for at in (midnight - timedelta(seconds=1), midnight, NOW):
        ContactAttempt.objects.create(lead=lead, actor=sdr, at=at, channel="call", outcome="reached")
    ContactAttempt.objects.create(lead=lead, actor=make_sdr(), at=NOW, channel="call", outcome="reached")
    assert count_attempts_today(member=sdr, tenant=in_tenant, now=NOW) == 2


def test_the_inbox_holds_sqls_of_mine_and_of_nobody_with_their_offer() -> None:
    rep, sdr = make_rep(), make_sdr(name="Bruno")
    mine, free = sql_of(rep, sdr=sdr), sql_of(None)
    Handover.objects.filter(lead=mine).update(override_reason="Pediu reunião")
    sql_of(make_rep())
    of_team = sql_of(None, team_sales=make_team(function="sales", members=[make_rep()]))
    make_lead(stage="opportunity", standing={"owner_sales": rep})
    first, second = list_inbox(member=rep, now=NOW).leads
    assert (first.row.id, first.is_mine, second.row.id, second.is_mine) == (mine.pk, True, free.pk, False)
    assert first.offer is not None
    assert (first.offer.offered_by, first.offer.override_reason) == ("Bruno", "Pediu reunião")
    assert first.offer.offered_at == NOW - timedelta(hours=2)
    counts = count_inbox(member=rep)
    assert (counts.mine.value, counts.free.value) == (1, 1)
    assert of_team.pk in in_inbox(make_manager())


def test_a_queue_costs_the_same_queries_whatever_its_length(django_assert_num_queries: Any) -> None:
    sdr = make_sdr()
    for number in range(6):
        lead = mql_of(sdr if number % 2 else None)
        start_clock(lead, NOW + timedelta(hours=number + 1))
    list_queue(member=sdr, now=NOW)
    with django_assert_num_queries(6):
        assert len(list_queue(member=sdr, now=NOW).leads) == 6


def test_people_of_other_functions_have_only_what_they_own() -> None:
    mql_of(None)
    marketing = make_member(role=Role.MARKETING)
    own = mql_of(marketing)
    assert own.pk in in_queue(marketing)
