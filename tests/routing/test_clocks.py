"""The life of a clock: started, warned, broken, offered on, escalated, met, cancelled; with a moving now."""

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection, transaction
from django.utils import translation

from core.due import sweep_tenant
from core.models import DueRow, Notification
from core.notifications import Notice, tell, text_of, url_of
from leads.clocks import list_clocks, list_urgent_faces
from leads.conditions.language import parse_condition
from leads.lifecycle import Move, move_lead
from leads.listing import count_leads, list_leads, read_list_query
from leads.models import (
    ContactAttempt,
    Decision,
    Handover,
    HandoverAnswer,
    Lead,
    LeadState,
    MoveAct,
    RuleKind,
    Stage,
)
from leads.pipeline import Reason, lock_leads, run_pipeline
from leads.versions import InvalidDocument, save_draft
from leads.why import explain_part
from routing.defaults import default_clocks
from routing.models import Calendar, Clock, ClockKind
from routing.notices import EVENTS, MOST_SINGLY, clock_notice, many_notice
from tenancy.models import Membership, Role, TeamFunction
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member, make_team, publish_rules
from tests.conftest import NOW

# NOW is Wednesday 10:00 in São Paulo (UTC-3); Friday is a national holiday.
THURSDAY_10 = NOW + timedelta(days=1)
HALF = datetime(2026, 11, 18, 17, 30, tzinfo=UTC)
FOUR_FIFTHS = datetime(2026, 11, 18, 20, 12, tzinfo=UTC)
OFFERED = datetime(2026, 11, 19, 17, 30, tzinfo=UTC)
# 8 of the 9 open hours pass on Thursday, the ninth on Monday.
ESCALATED = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(*leads: Lead, now: datetime = NOW, is_history: bool = False) -> None:
    result = run_pipeline(
        lead_ids=[lead.pk for lead in leads], reason=Reason("event", is_history=is_history), now=now
    )
    assert result.failed == {}


def move(lead: Lead, to: Stage, act: MoveAct, *, now: datetime, reason: str = "") -> None:
    was = Stage(LeadState.objects.get(pk=lead.pk).stage)
    move_lead(move=Move(lead.pk, was, to, act, reason=reason), now=now)


def attempt(lead: Lead, *, now: datetime) -> None:
    ContactAttempt.objects.create(lead=lead, at=now, channel="call", outcome="no_answer")
    if LeadState.objects.get(pk=lead.pk).stage == Stage.MARKETING_QUALIFIED:
        move(lead, Stage.WORKING, MoveAct.ATTEMPT, now=now)
    run(lead, now=now)


def make_mql(*, act: MoveAct = MoveAct.GATE, **standing: Any) -> Lead:
    lead = make_lead(stage="mql", stage_at=NOW, stage_act=act, standing=standing)
    run(lead)
    return lead


def clock_of(lead: Lead, kind: str | None = None) -> Clock:
    clocks = Clock.objects.filter(lead=lead)
    clock: Clock = (clocks.filter(kind=kind) if kind else clocks).get()
    return clock


def results(lead: Lead) -> list[str]:
    return list(
        Decision.objects.filter(lead=lead, kind="clock").order_by("id").values_list("result", flat=True)
    )


def told(lead: Lead, prefix: str = "clock.") -> list[tuple[str, str]]:
    rows = Notification.objects.filter(lead_id=lead.pk, kind__startswith=prefix).order_by("id")
    return [(row.member.name, row.kind.removeprefix("clock.")) for row in rows]


def sweep(tenant: Any, now: datetime) -> int:
    return sweep_tenant(tenant_id=tenant.pk, now=now)


def due_rows() -> dict[int, datetime]:
    return dict(DueRow.objects.filter(kind="clock.share").values_list("subject", "due_at"))


@pytest.fixture
def people(in_tenant: Any) -> dict[str, Membership]:
    """Two SDRs in a team with a lead, a sales rep, a marketer and a manager."""
    sdrs = {name: make_member(name=name) for name in ("Ana", "Bia")}
    chief = make_member(name="Chief", role=Role.MANAGER)
    make_team(lead_member=chief, members=list(sdrs.values()))
    return sdrs | {
        "Chief": chief,
        "Sol": make_member(name="Sol", role=Role.SALES),
        "Meg": make_member(name="Meg", role=Role.MARKETING),
        "Max": make_member(name="Max", role=Role.MANAGER),
    }


# Starting ---------------------------------------------------------------------------------------------------------


def test_an_mql_runs_first_contact_under_the_tenants_calendar(in_tenant: Any) -> None:
    lead = make_mql()
    clock = clock_of(lead)
    assert (clock.kind, clock.state, clock.entered_at, clock.started_at, clock.due_at) == (
        ClockKind.FIRST_CONTACT,
        "running",
        NOW,
        NOW,
        THURSDAY_10,
    )
    assert (clock.level, clock.next_share, clock.calendar) == (0, 50, Calendar.objects.get(is_default=True))
    assert due_rows() == {clock.pk: HALF}
    assert results(lead) == ["running"]


def test_a_lead_that_asked_for_contact_runs_the_short_clock_instead(in_tenant: Any) -> None:
    lead = make_mql(act=MoveAct.ASKED_FOR_CONTACT)
    clock = clock_of(lead)
    assert (clock.kind, clock.due_at) == (ClockKind.ASKED_FOR_CONTACT, NOW + timedelta(hours=1))


def test_a_start_in_closed_time_counts_from_the_next_opening_over_the_holiday(in_tenant: Any) -> None:
    thursday_20 = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    lead = make_lead(stage="mql", stage_at=thursday_20)
    run(lead, now=thursday_20)
    clock = clock_of(lead)
    assert clock.started_at == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert clock.due_at == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_lead_told_by_files_counts_from_when_it_came_alive(in_tenant: Any) -> None:
    lead = make_lead(stage="mql", stage_at=NOW - timedelta(days=300), is_live=False)
    run(lead)
    assert not Clock.objects.exists()
    LeadState.objects.filter(pk=lead.pk).update(live_since=NOW)
    run(lead)
    assert (clock_of(lead).entered_at, clock_of(lead).due_at) == (NOW, THURSDAY_10)


def test_an_offered_sql_runs_its_clock_from_the_offer(in_tenant: Any) -> None:
    lead = make_lead(stage="sql", stage_at=NOW, stage_act=MoveAct.HAND_OVER)
    run(lead)
    assert not Clock.objects.exists()
    Handover.objects.create(lead=lead, offered_at=NOW)
    run(lead)
    clock = clock_of(lead)
    # Two working days: Thursday, then Monday.
    assert (clock.kind, clock.due_at) == (ClockKind.ANSWER_SQL, datetime(2026, 11, 23, 13, 0, tzinfo=UTC))


@pytest.mark.parametrize("act", [MoveAct.REJECT, MoveAct.RETURN, MoveAct.LOSE, MoveAct.IMPORT])
def test_a_lead_handed_back_for_marketing_to_decide_runs_back_to_nurture(
    in_tenant: Any, act: MoveAct
) -> None:
    waits = make_lead(stage="nurture", stage_at=NOW, stage_act=act, stage_reason="marketing_decides")
    decided = make_lead(stage="nurture", stage_at=NOW, stage_act=act, stage_reason="bad_timing")
    run(waits, decided)
    assert clock_of(waits).kind == ClockKind.BACK_TO_NURTURE
    assert clock_of(waits).due_at == datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    assert not Clock.objects.filter(lead=decided).exists()


def test_a_kind_without_a_policy_is_not_run(in_tenant: Any) -> None:
    publish_rules(kind=RuleKind.CLOCKS, document={"policies": []})
    make_mql()
    assert not Clock.objects.exists()


def test_running_the_step_again_changes_nothing(in_tenant: Any) -> None:
    lead = make_mql()
    before = (list(Clock.objects.values()), due_rows(), results(lead))
    run(lead, now=NOW + timedelta(hours=2))
    assert (list(Clock.objects.values()), due_rows(), results(lead)) == before
    attempt(lead, now=NOW + timedelta(hours=3))
    after = (list(Clock.objects.values()), due_rows(), results(lead))
    run(lead, now=NOW + timedelta(hours=4))
    assert (list(Clock.objects.values()), due_rows(), results(lead)) == after


def test_a_batch_of_n_gives_what_n_batches_of_one_give(people: Any) -> None:
    leads = [
        make_lead(stage="mql", stage_at=NOW),
        make_lead(stage="mql", stage_at=NOW, stage_act=MoveAct.ASKED_FOR_CONTACT),
        make_lead(stage="sql", stage_at=NOW),
        make_lead(stage="nurture", stage_at=NOW, stage_act=MoveAct.REJECT, stage_reason="marketing_decides"),
        make_lead(stage="working", stage_at=NOW),
    ]
    Handover.objects.create(lead=leads[2], offered_at=NOW)
    columns = ("lead_id", "kind", "state", "entered_at", "started_at", "due_at", "next_share")

    def outcome() -> list[Any]:
        return list(Clock.objects.order_by("lead_id", "kind").values_list(*columns))

    with transaction.atomic():
        run(*leads)
        together = outcome()
        transaction.set_rollback(True)
    assert len(together) == 4
    with transaction.atomic():
        for lead in leads:
            run(lead)
        assert outcome() == together


# Ending -----------------------------------------------------------------------------------------------------------


def test_the_first_attempt_meets_it_at_its_time(in_tenant: Any) -> None:
    lead = make_mql()
    attempt(lead, now=NOW + timedelta(hours=2))
    attempt(lead, now=NOW + timedelta(hours=3))
    clock = clock_of(lead)
    assert (clock.state, clock.met_at, clock.broken_at) == ("met", NOW + timedelta(hours=2), None)
    assert due_rows() == {}
    assert results(lead) == ["running", "met"]


def test_met_late_is_met_and_keeps_when_it_broke(people: Any, tenant: Any) -> None:
    lead = make_mql()
    owner_id = LeadState.objects.get(pk=lead.pk).owner_sdr_id
    attempt(lead, now=THURSDAY_10 + MINUTE)
    clock = clock_of(lead)
    assert (clock.state, clock.met_at, clock.broken_at) == ("met", THURSDAY_10 + MINUTE, THURSDAY_10)
    assert clock.responsible_id == owner_id
    assert sweep(tenant, THURSDAY_10 + timedelta(days=9)) == 0


@pytest.mark.parametrize(
    ("answer", "to", "act", "state"),
    [
        (HandoverAnswer.ACCEPTED, Stage.OPPORTUNITY, MoveAct.ACCEPT, "met"),
        (HandoverAnswer.REJECTED, Stage.NURTURE, MoveAct.REJECT, "met"),
        (HandoverAnswer.WITHDRAWN, Stage.DISQUALIFIED, MoveAct.DISQUALIFY, "cancelled"),
    ],
)
def test_the_answer_meets_it_and_a_withdrawal_cancels_it(
    in_tenant: Any, answer: HandoverAnswer, to: Stage, act: MoveAct, state: str
) -> None:
    lead = make_lead(stage="sql", stage_at=NOW)
    handover = Handover.objects.create(lead=lead, offered_at=NOW)
    run(lead)
    at = NOW + timedelta(hours=5)
    Handover.objects.filter(pk=handover.pk).update(answer=answer, answered_at=at)
    move(lead, to, act, now=at, reason="no_budget")
    run(lead, now=at)
    clock = clock_of(lead, ClockKind.ANSWER_SQL)
    assert (clock.state, clock.met_at) == (state, at if state == "met" else None)


def test_enrolment_or_disqualification_meets_back_to_nurture(in_tenant: Any) -> None:
    enrolled, out, again = (
        make_lead(stage="nurture", stage_at=NOW, stage_act=MoveAct.REJECT, stage_reason="marketing_decides")
        for _ in range(3)
    )
    run(enrolled, out, again)
    at = NOW + timedelta(hours=1)
    LeadState.objects.filter(pk=enrolled.pk).update(enrolled_at=at)
    move(out, Stage.DISQUALIFIED, MoveAct.DISQUALIFY, now=at)
    move(again, Stage.MARKETING_QUALIFIED, MoveAct.ASKED_FOR_CONTACT, now=at)
    run(enrolled, out, again, now=at)
    met = (clock_of(enrolled), clock_of(out))
    assert [(clock.state, clock.met_at) for clock in met] == [("met", at), ("met", at)]
    states = {clock.kind: clock.state for clock in Clock.objects.filter(lead=again)}
    assert states == {ClockKind.BACK_TO_NURTURE: "cancelled", ClockKind.ASKED_FOR_CONTACT: "running"}


def test_leaving_otherwise_cancels_and_coming_back_starts_anew(in_tenant: Any) -> None:
    lead = make_mql()
    at = NOW + timedelta(hours=1)
    move(lead, Stage.NURTURE, MoveAct.NURTURE, now=at, reason="bad_timing")
    run(lead, now=at)
    assert (clock_of(lead).state, due_rows()) == ("cancelled", {})
    back = NOW + timedelta(hours=3)
    move(lead, Stage.MARKETING_QUALIFIED, MoveAct.PROMOTE, now=back)
    run(lead, now=back)
    states = list(Clock.objects.filter(lead=lead).order_by("entered_at").values_list("state", "entered_at"))
    assert states == [("cancelled", NOW), ("running", back)]


def test_what_a_file_moved_on_escalates_no_more(people: Any, tenant: Any) -> None:
    lead = make_mql()
    LeadState.objects.filter(pk=lead.pk).update(stage="customer", stage_at=NOW, stage_act=MoveAct.IMPORT)
    sweep(tenant, THURSDAY_10)
    assert (clock_of(lead).state, told(lead), due_rows()) == ("cancelled", [], {})


# Shares of the time -----------------------------------------------------------------------------------------------


def test_the_whole_life_with_a_moving_now(people: dict[str, Membership], tenant: Any) -> None:
    lead = make_mql()
    assert LeadState.objects.get(pk=lead.pk).owner_sdr_id == people["Ana"].pk
    assert sweep(tenant, HALF - MINUTE) == 0
    assert sweep(tenant, HALF) == 1
    assert told(lead) == [("Ana", "warned.first_contact")]
    assert clock_of(lead).next_share == 80
    sweep(tenant, FOUR_FIFTHS)
    assert told(lead)[1:] == [("Ana", "warned.first_contact")]
    sweep(tenant, THURSDAY_10)
    clock = clock_of(lead)
    assert (clock.state, clock.broken_at, clock.responsible_id) == ("broken", THURSDAY_10, people["Ana"].pk)
    assert told(lead)[2:] == [("Chief", "broken.first_contact")]
    sweep(tenant, OFFERED)
    assert LeadState.objects.get(pk=lead.pk).owner_sdr_id == people["Bia"].pk
    assert told(lead)[3:] == [("Bia", "offered.first_contact"), ("Ana", "taken.first_contact")]
    assert due_rows() == {clock.pk: ESCALATED}
    sweep(tenant, ESCALATED)
    assert told(lead)[5:] == [("Chief", "escalated.first_contact"), ("Max", "escalated.first_contact")]
    clock = clock_of(lead)
    assert (clock.level, clock.next_share, due_rows()) == (200, None, {})
    assert results(lead) == ["running", "warned", "warned", "broken", "offered", "escalated"]
    attempt(lead, now=ESCALATED + MINUTE)
    assert (clock_of(lead).state, clock_of(lead).broken_at) == ("met", THURSDAY_10)
    assert clock_of(lead).responsible_id == people["Ana"].pk


def test_six_hours_down_are_caught_up_at_once_and_not_doubled(
    people: dict[str, Membership], tenant: Any
) -> None:
    lead = make_mql(act=MoveAct.ASKED_FOR_CONTACT)
    late = NOW + timedelta(hours=6)
    assert sweep(tenant, late) == 1
    assert sweep(tenant, late) == 0
    clock = clock_of(lead)
    assert (clock.state, clock.broken_at, clock.level) == ("broken", NOW + timedelta(hours=1), 200)
    assert results(lead) == ["running", "warned", "warned", "broken", "offered", "escalated"]
    assert Counter(told(lead)) == Counter(
        [
            ("Chief", "broken.asked_for_contact"),
            ("Bia", "offered.asked_for_contact"),
            ("Ana", "taken.asked_for_contact"),
            ("Chief", "escalated.asked_for_contact"),
            ("Max", "escalated.asked_for_contact"),
        ]
    )


def test_many_clocks_due_at_once_are_shared_fairly(people: dict[str, Membership], tenant: Any) -> None:
    leads = [make_lead(stage="mql", stage_at=NOW) for _ in range(6)]
    run(*leads)
    sweep(tenant, OFFERED)
    owners = Counter(LeadState.objects.filter(lead__in=leads).values_list("owner_sdr__name", flat=True))
    assert owners == {"Ana": 3, "Bia": 3}
    moved = Decision.objects.filter(kind="owner", detail__cause__late=ClockKind.FIRST_CONTACT).count()
    assert moved == 6


def test_without_an_owner_the_team_lead_is_warned(people: dict[str, Membership], tenant: Any) -> None:
    team = make_team(name="Norte", lead_member=people["Bia"], members=[people["Ana"]])
    lead = make_lead(stage="mql", stage_at=NOW, standing={"team_sdr": team})
    run(lead)
    sweep(tenant, HALF)
    assert told(lead) == [("Bia", "warned.first_contact")]
    sweep(tenant, OFFERED)
    assert told(lead)[1:] == [("Bia", "broken_alone.first_contact"), ("Ana", "offered_team.first_contact")]


def test_without_team_and_manager_the_administrator_is_warned(in_tenant: Any, tenant: Any) -> None:
    lead = make_mql()
    LeadState.objects.filter(pk=lead.pk).update(owner_sdr=None)
    sweep(tenant, HALF)
    assert told(lead) == [("admin", "warned.first_contact")]


def test_with_nobody_else_the_lead_stays_with_its_owner(in_tenant: Any, tenant: Any) -> None:
    lead = make_mql()
    owner = LeadState.objects.get(pk=lead.pk).owner_sdr_id
    sweep(tenant, OFFERED)
    assert owner is not None
    assert LeadState.objects.get(pk=lead.pk).owner_sdr_id == owner
    assert Decision.objects.filter(lead=lead, kind="owner").count() == 1
    assert results(lead)[-1] == "offered"


def test_marketing_is_told_where_there_is_no_pool(people: dict[str, Membership], tenant: Any) -> None:
    lead = make_lead(stage="nurture", stage_at=NOW, stage_act=MoveAct.LOSE, stage_reason="marketing_decides")
    run(lead)
    sweep(tenant, NOW + timedelta(days=9))
    assert told(lead) == [
        ("Chief", "broken_alone.back_to_nurture"),
        ("Max", "broken_alone.back_to_nurture"),
        ("Meg", "offered_team.back_to_nurture"),
        ("Chief", "escalated_alone.back_to_nurture"),
        ("Max", "escalated_alone.back_to_nurture"),
    ]


def test_a_clock_keeps_the_policy_it_began_with(people: Any, tenant: Any) -> None:
    lead = make_mql()
    document = default_clocks()
    document["policies"][0] |= {"warn": [], "duration": {"kind": "elapsed", "amount": 30}}
    publish_rules(kind=RuleKind.CLOCKS, document=document)
    sweep(tenant, HALF)
    assert results(lead) == ["running", "warned"]
    newer = make_mql()
    assert (clock_of(newer).due_at, clock_of(newer).calendar_id) == (NOW + timedelta(minutes=30), None)


@pytest.mark.django_db(transaction=True)
def test_a_lead_that_somebody_holds_is_left_for_the_next_sweep(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        held, free = make_mql(), make_mql()
    acted: list[int] = []

    def sweep_elsewhere() -> None:
        try:
            acted.append(sweep(tenant, HALF))
        finally:
            connection.close()

    with tenant_scope(tenant.pk):
        lock_leads([held.pk])
        other = threading.Thread(target=sweep_elsewhere)
        other.start()
        other.join(timeout=30)
        assert acted == [1]
        assert (results(free), results(held)) == (["running", "warned"], ["running"])
    assert sweep(tenant, HALF) == 1
    with tenant_scope(tenant.pk):
        assert results(held) == ["running", "warned"]


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_double_nothing(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        leads = [make_mql() for _ in range(8)]
    start = threading.Barrier(2)

    def sweep_elsewhere() -> None:
        try:
            start.wait(timeout=20)
            sweep(tenant, OFFERED)
        finally:
            connection.close()

    threads = [threading.Thread(target=sweep_elsewhere) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with tenant_scope(tenant.pk):
        expected = ["running", "warned", "warned", "broken", "offered"]
        assert [results(lead) for lead in leads] == [expected] * 8
        assert Notification.objects.filter(kind="clock.broken.first_contact").count() == 8


# Words and reads --------------------------------------------------------------------------------------------------


def test_notifications_read_as_sentences(people: Any, tenant: Any) -> None:
    lead = make_lead(stage="mql", stage_at=NOW, name="Maria Silva")
    run(lead)
    sweep(tenant, HALF)
    sweep(tenant, THURSDAY_10)
    rows = Notification.objects.filter(lead_id=lead.pk, kind__startswith="clock.").order_by("id")
    assert [text_of(row) for row in rows] == [
        "First contact: 50 % of the time for Maria Silva has passed",
        "First contact: the time for Maria Silva is over. Responsible: Ana",
    ]


def make_mqls(count: int, **standing: Any) -> list[Lead]:
    leads = [make_lead(stage="mql", stage_at=NOW, standing=standing) for _ in range(count)]
    run(*leads)
    return leads


def notices_of(member: Membership) -> list[tuple[str, int | None]]:
    rows = Notification.objects.filter(member=member, kind__startswith="clock").order_by("id")
    return [(text_of(row), row.lead_id) for row in rows]


def test_who_would_be_told_of_very_many_at_once_is_told_how_many(
    people: dict[str, Membership], tenant: Any
) -> None:
    make_mqls(MOST_SINGLY + 1, owner_sdr=people["Ana"])
    (bias,) = make_mqls(1, owner_sdr=people["Bia"])
    sweep(tenant, FOUR_FIFTHS)
    # Two shares have passed: the higher one is told.
    assert notices_of(people["Ana"]) == [("First contact: 80 % of the time for 21 leads has passed", None)]
    assert notices_of(people["Bia"]) == [(f"First contact: 80 % of the time for {bias} has passed", bias.pk)]
    sweep(tenant, THURSDAY_10)
    assert notices_of(people["Chief"]) == [("First contact: the time for 22 leads is over", None)]


def test_up_to_twenty_are_told_lead_by_lead(people: dict[str, Membership], tenant: Any) -> None:
    leads = make_mqls(MOST_SINGLY, owner_sdr=people["Ana"])
    sweep(tenant, THURSDAY_10)
    assert [lead_id for _text, lead_id in notices_of(people["Chief"])] == [lead.pk for lead in leads]


def test_a_notice_of_many_opens_the_list_of_them(people: dict[str, Membership], tenant: Any) -> None:
    late = make_mqls(MOST_SINGLY + 1, owner_sdr=people["Ana"])
    make_lead(stage="mql", stage_at=NOW)
    sweep(tenant, THURSDAY_10)
    notice = Notification.objects.get(member=people["Chief"])
    asked = dict(parse_qsl(urlsplit(url_of(notice, slug=tenant.slug)).query))
    query = read_list_query(parameters=asked, member=people["Chief"])
    assert sorted(list_leads(query=query, now=NOW).lead_ids) == [lead.pk for lead in late]


def test_leads_that_go_on_to_one_person_are_told_together(people: dict[str, Membership], tenant: Any) -> None:
    make_mqls(MOST_SINGLY + 1, owner_sdr=people["Ana"])
    sweep(tenant, OFFERED)
    texts = [text for text, _lead_id in notices_of(people["Ana"])]
    assert texts == ["First contact: 21 of your leads were late and went to others"]
    assert notices_of(people["Bia"])[-1] == ("First contact: 21 leads are late and are now yours", None)


@pytest.mark.parametrize("kind", ClockKind)
@pytest.mark.parametrize("event", EVENTS)
def test_every_notice_can_be_kept(in_tenant: Any, event: str, kind: ClockKind) -> None:
    member, single = make_member(), clock_notice(event, kind)
    tell(notices=[Notice(member.pk, name, {}) for name in (single, many_notice(single))], now=NOW)
    assert Notification.objects.filter(member=member).count() == 2


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_every_notice_of_many_has_words_and_a_list(event: str, language: str) -> None:
    kind = many_notice(clock_notice(event, ClockKind.ANSWER_SQL))
    notice = Notification(tenant_id=1, kind=kind, values={"count": 21, "percent": 50})
    with translation.override(language):
        assert "21" in text_of(notice)
    asked = dict(parse_qsl(urlsplit(url_of(notice, slug="acme")).query))
    parse_condition(json.loads(asked["filter"]))


def test_the_api_sees_the_newest_clock_of_each_kind(in_tenant: Any) -> None:
    lead, other = make_mql(), make_mql()
    at = NOW + timedelta(hours=1)
    attempt(lead, now=at)
    found = list_clocks(lead_ids=[lead.pk, other.pk])
    assert [clock.as_json() for clock in found[lead.pk]] == [
        {"kind": "first_contact", "state": "met", "due_at": "2026-11-19T13:00:00Z"}
    ]
    assert found[other.pk][0].state == "running"


def test_the_queue_sees_open_time_left(in_tenant: Any) -> None:
    lead = make_mql()
    seven_in_the_evening = datetime(2026, 11, 18, 22, 0, tzinfo=UTC)
    face = list_urgent_faces(lead_ids=[lead.pk], now=seven_in_the_evening)[lead.pk]
    # It is closed until Thursday 09:00, an hour before the deadline.
    assert (face.left_seconds, face.total_seconds, face.open_for_seconds) == (3600, 9 * 3600, 0)
    assert (face.due_at, str(face.target), face.tone) == (THURSDAY_10, "1 working day", "soon")
    at_ten = list_urgent_faces(lead_ids=[lead.pk], now=NOW)[lead.pk]
    assert at_ten.open_for_seconds == 8 * 3600
    row = LeadState.objects.get(pk=lead.pk)
    assert row.clock_due_at == THURSDAY_10
    attempt(lead, now=NOW)
    assert list_urgent_faces(lead_ids=[lead.pk], now=NOW) == {}


def test_why_tells_what_the_clock_did(people: Any, tenant: Any) -> None:
    lead = make_mql()
    sweep(tenant, THURSDAY_10)
    (part,) = explain_part(part="clocks", lead_id=lead.pk, now=THURSDAY_10)
    assert (part.title, part.version, part.at) == ("First contact", 1, NOW)
    assert part.result == "broken"
    assert part.words.startswith("Late since")
    verdicts = {rule.id: rule.verdict for rule in part.rules}
    assert verdicts == {
        "first_contact": "true",
        "share-50": "true",
        "share-80": "true",
        "share-100": "true",
        "share-150": "false",
        "share-200": "false",
        "met": "false",
    }
    assert part.rules[0].inputs == [{"label": "Time", "value": "1 working day"}]
    assert part.rules[3].inputs == [{"label": "Owner then", "value": "Ana"}]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "tea_break"}, "policies[0].kind"),
        ({"duration": {"kind": "working_days", "amount": 0}}, "policies[0].duration.amount"),
        ({"duration": {"kind": "moons", "amount": 1}}, "policies[0].duration"),
        ({"warn": [50, 100]}, "policies[0].warn"),
        ({"warn": [50, 50]}, "policies[0]"),
        ({"offer": 100}, "policies[0].offer"),
        ({"escalate": 150}, "policies[0]"),
        ({"kind": "answer_sql"}, "policies[2].kind"),
    ],
)
def test_a_bad_policy_is_refused_by_its_path(in_tenant: Any, change: dict[str, Any], path: str) -> None:
    document = default_clocks()
    document["policies"][0] |= change
    with pytest.raises(InvalidDocument) as refused:
        save_draft(kind=RuleKind.CLOCKS, document=document, by=None, now=NOW)
    assert [problem.field for problem in refused.value.errors] == [path]


def test_the_other_tenants_clocks_are_not_seen_nor_acted_on(tenant: Any, other_tenant: Any) -> None:
    with tenant_scope(other_tenant.pk):
        theirs = make_mql()
    with tenant_scope(tenant.pk):
        mine = make_mql()
        assert list_clocks(lead_ids=[mine.pk, theirs.pk]).keys() == {mine.pk}
        sweep(tenant, THURSDAY_10)
    with tenant_scope(other_tenant.pk):
        assert (clock_of(theirs).state, told(theirs)) == ("running", [])


def test_leads_are_sought_by_their_clock_only_where_clocks_run(in_tenant: Any) -> None:
    make_lead(stage="customer")
    mql = make_mql()
    run(mql)
    running = {"fact": "open_clock", "op": "eq", "value": "running"}
    elsewhere = {"all": [running, {"fact": "stage", "op": "eq", "value": "customer"}]}
    either = {"any": [running, {"fact": "stage", "op": "eq", "value": "customer"}]}
    for condition, stage, number in (
        (running, "", 1),
        (elsewhere, "", 0),
        (either, "", 2),
        (running, "sql,new", 0),
    ):
        given = {"filter": json.dumps(condition), "stage": stage, "order": "stage_at"}
        query = read_list_query(parameters=given, member=Membership())
        count = count_leads(query=query, now=NOW)
        assert count is not None
        assert (len(list_leads(query=query, now=NOW).lead_ids), count.value) == (number, number)
    # Of eight stages three are walked, and of those that are asked for none but them.
    asked = {"filter": json.dumps(running), "stage": "mql,customer"}
    assert read_list_query(parameters=asked, member=Membership()).possible_stages == (
        Stage.MARKETING_QUALIFIED,
    )


def test_a_clock_changes_where_it_stands(in_tenant: Any) -> None:
    """What an index stands on would have to be written anew in every index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid
            WHERE indrelid = 'routing_clock'::regclass
                AND (attnum = ANY (indkey) OR pg_get_expr(indpred, indrelid) LIKE '%' || attname || '%')
            """
        )
        indexed = {name for (name,) in cursor.fetchall()}
    assert indexed == {"id", "tenant_id", "lead_id", "kind", "entered_at"}


def test_functions_of_clocks_cover_every_kind() -> None:
    from routing.policies import CLOCK_FUNCTION

    assert set(CLOCK_FUNCTION) == set(ClockKind)
    assert CLOCK_FUNCTION[ClockKind.BACK_TO_NURTURE] == TeamFunction.MARKETING


def test_the_lead_page_shows_its_clocks(people: Any, tenant: Any, client: Any) -> None:
    lead = make_mql()
    attempt(lead, now=NOW + timedelta(hours=1))
    offered = make_lead(stage="sql", stage_at=NOW)
    Handover.objects.create(lead=offered, offered_at=NOW)
    run(offered)
    reader = people["Max"].user
    assert reader is not None
    reader.language = "en"
    reader.save()
    client.force_login(reader)
    page = client.get(f"/t/{tenant.slug}/leads/{offered.pk}/").content.decode()
    assert "Answer the SQL" in page
    assert "of 2 working days" in page
    met = client.get(f"/t/{tenant.slug}/leads/{lead.pk}/").content.decode()
    assert 'data-state="met"' in met
    assert f"/t/{tenant.slug}/leads/{lead.pk}/why/clocks/" in met
