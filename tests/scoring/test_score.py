"""What a score is: windows, counting, caps, rounding, the next instant at which it changes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from core.models import DueRow
from leads.models import Decision, Lead, LeadState, RuleKind
from leads.pipeline import Batch, Reason, ReasonCode
from leads.versions import open_rulebook
from scoring.steps import rate
from tenancy.scope import tenant_scope
from tests.builders import make_event, make_lead, make_rule, publish_rules
from tests.conftest import NOW

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

pytestmark = pytest.mark.usefixtures("db")


def publish(*rules: dict[str, Any], model_cap: str | None = None) -> None:
    named = [rule | {"id": f"r{index}"} for index, rule in enumerate(rules)]
    publish_rules(kind=RuleKind.SCORING, document={"rules": named, "model_cap": model_cap})


def run(tenant: Any, *leads: Lead, now: datetime = NOW, code: str = ReasonCode.EVENT) -> None:
    batch = Batch([lead.pk for lead in leads], Reason(code), now, tenant, open_rulebook())
    rate.apply(batch, rate.plan(batch))


def score_of(tenant: Any, lead: Lead, now: datetime = NOW) -> int:
    run(tenant, lead, now=now)
    value: int = LeadState.objects.get(lead=lead).score
    return value


def views(lead: Lead, *times: datetime, kind: str = "page_viewed") -> None:
    for at in times:
        make_event(lead=lead, type=kind, occurred_at=at)


def test_an_event_counts_from_its_own_instant_until_just_before_its_window_ends(in_tenant: Any) -> None:
    publish(make_rule(window_days=14))
    lead = make_lead()
    views(lead, NOW)
    for at, points in [(NOW - TICK, 0), (NOW, 10), (NOW + 14 * DAY - TICK, 10), (NOW + 14 * DAY, 0)]:
        assert score_of(in_tenant, lead, at) == points, at


def test_without_a_window_an_event_counts_for_ever(in_tenant: Any) -> None:
    publish(make_rule(window_days=None))
    lead = make_lead()
    views(lead, NOW - 4000 * DAY)
    assert score_of(in_tenant, lead) == 10


def test_each_event_counts_and_the_cap_bounds_their_sum(in_tenant: Any) -> None:
    publish(make_rule(cap="25"))
    lead = make_lead()
    views(lead, NOW - DAY)
    assert score_of(in_tenant, lead) == 10
    views(lead, NOW - DAY, NOW - 2 * DAY)
    assert score_of(in_tenant, lead) == 25


def test_the_first_in_the_window_counts_once_however_many_follow(in_tenant: Any) -> None:
    publish(make_rule(count="first", window_days=14))
    lead = make_lead()
    views(lead, NOW - 20 * DAY, NOW - 3 * DAY, NOW - DAY)
    assert score_of(in_tenant, lead) == 10
    assert score_of(in_tenant, lead, NOW + 13 * DAY - TICK) == 10
    assert score_of(in_tenant, lead, NOW + 13 * DAY) == 0


def test_once_a_day_means_a_day_of_the_tenants_zone(in_tenant: Any) -> None:
    assert in_tenant.time_zone == "America/Sao_Paulo"
    publish(make_rule(count="daily"))
    lead = make_lead()
    # 02:30 and 03:30 UTC stand on two days in São Paulo, 03:30 and 23:00 on one.
    views(lead, datetime(2026, 11, 10, 2, 30, tzinfo=UTC))
    assert score_of(in_tenant, lead) == 10
    views(lead, datetime(2026, 11, 10, 3, 30, tzinfo=UTC))
    assert score_of(in_tenant, lead) == 20
    views(lead, datetime(2026, 11, 10, 23, 0, tzinfo=UTC))
    assert score_of(in_tenant, lead) == 20


def test_a_negative_cap_bounds_a_rule_that_takes_points_away(in_tenant: Any) -> None:
    publish(make_rule(points="50"), make_rule(event="careers_viewed", points="-20", cap="-20"))
    lead = make_lead()
    views(lead, NOW - DAY)
    views(lead, NOW - DAY, NOW - DAY, NOW - DAY, kind="careers_viewed")
    assert score_of(in_tenant, lead) == 30


def test_a_score_is_never_below_zero(in_tenant: Any) -> None:
    publish(make_rule(points="-30"))
    lead = make_lead(score=5)
    views(lead, NOW)
    assert score_of(in_tenant, lead) == 0


def test_the_model_cap_bounds_the_sum_before_the_floor(in_tenant: Any) -> None:
    publish(make_rule(points="70"), make_rule(event="b", points="50"), model_cap="100")
    lead = make_lead()
    views(lead, NOW)
    views(lead, NOW, kind="b")
    assert score_of(in_tenant, lead) == 100


@pytest.mark.parametrize(
    ("points", "count", "expected"), [("0.5", 1, 1), ("0.4999", 1, 0), ("0.1", 5, 1), ("2.5", 1, 3)]
)
def test_points_are_exact_and_rounded_half_up_once_at_the_end(
    in_tenant: Any, points: str, count: int, expected: int
) -> None:
    publish(make_rule(points=points))
    lead = make_lead()
    views(lead, *[NOW - DAY] * count)
    assert score_of(in_tenant, lead) == expected


def test_rounding_happens_after_the_rules_are_added_up(in_tenant: Any) -> None:
    publish(make_rule(points="0.3"), make_rule(points="0.3"))
    lead = make_lead()
    views(lead, NOW)
    assert score_of(in_tenant, lead) == 1


def test_a_condition_on_the_event_says_which_are_counted(in_tenant: Any) -> None:
    where = {"fact": "properties.kind", "op": "eq", "value": "demo"}
    publish(make_rule(event=None) | {"event": {"type": "form_submitted", "where": where}})
    lead = make_lead()
    make_event(lead=lead, type="form_submitted", properties={"kind": "newsletter"})
    make_event(lead=lead, type="form_submitted", properties={})
    make_event(lead=lead, type="page_viewed", properties={"kind": "demo"})
    assert score_of(in_tenant, lead) == 0
    make_event(lead=lead, type="form_submitted", properties={"kind": "demo"})
    assert score_of(in_tenant, lead) == 10


def test_a_rule_on_the_lead_acts_only_on_true(in_tenant: Any) -> None:
    publish(make_rule(event=None, when={"fact": "country", "op": "eq", "value": "BR"}))
    for country, points in [("BR", 10), ("PT", 0), (None, 0)]:
        assert score_of(in_tenant, make_lead(country=country)) == points


def test_events_of_other_leads_and_of_visitors_do_not_count(in_tenant: Any) -> None:
    publish(make_rule())
    lead, other = make_lead(), make_lead()
    views(other, NOW)
    assert score_of(in_tenant, lead) == 0


def test_a_lead_without_rules_has_no_points(in_tenant: Any) -> None:
    publish()
    lead = make_lead(score=7)
    views(lead, NOW)
    assert score_of(in_tenant, lead) == 0


def test_the_decision_keeps_the_points_of_each_rule_that_gave_any(in_tenant: Any) -> None:
    publish(
        make_rule(points="12.50"),
        make_rule(event="careers_viewed", points="-2", cap="-2"),
        make_rule(event="x"),
    )
    lead = make_lead()
    views(lead, NOW, NOW - DAY)
    views(lead, NOW, NOW, kind="careers_viewed")
    assert score_of(in_tenant, lead) == 23
    decision = Decision.objects.get(lead=lead, kind="score")
    assert (decision.result, decision.detail["points"]) == ("23", {"r0": "25", "r1": "-2"})
    assert decision.version.number == 2


def test_running_twice_writes_nothing(in_tenant: Any) -> None:
    publish(make_rule(window_days=14))
    lead = make_lead()
    views(lead, NOW)
    run(in_tenant, lead)
    before = (
        LeadState.objects.values().get(lead=lead),
        list(Decision.objects.values()),
        list(DueRow.objects.values()),
    )
    run(in_tenant, lead)
    after = (
        LeadState.objects.values().get(lead=lead),
        list(Decision.objects.values()),
        list(DueRow.objects.values()),
    )
    assert before == after


def test_the_next_change_is_when_the_first_event_leaves_a_window(in_tenant: Any) -> None:
    publish(make_rule(window_days=14), make_rule(event="b", window_days=2))
    lead = make_lead()
    views(lead, NOW - 10 * DAY, NOW)
    run(in_tenant, lead)
    assert due_of(lead) == NOW + 4 * DAY
    views(lead, NOW - DAY, kind="b")
    run(in_tenant, lead)
    assert due_of(lead) == NOW + DAY


def test_of_a_rule_that_counts_one_event_the_last_decides_when_it_changes(in_tenant: Any) -> None:
    publish(make_rule(window_days=14, count="first"))
    lead = make_lead()
    views(lead, NOW - 10 * DAY, NOW - DAY)
    run(in_tenant, lead)
    assert due_of(lead) == NOW + 13 * DAY


def test_an_event_dated_ahead_is_waited_for(in_tenant: Any) -> None:
    publish(make_rule())
    lead = make_lead()
    ahead = NOW + timedelta(minutes=4)
    views(lead, ahead)
    assert (score_of(in_tenant, lead), due_of(lead)) == (0, ahead)
    assert (score_of(in_tenant, lead, ahead), due_of(lead)) == (10, None)


def test_what_never_changes_by_itself_has_nothing_due(in_tenant: Any) -> None:
    publish(make_rule(window_days=14))
    lead = make_lead()
    views(lead, NOW - 10 * DAY)
    run(in_tenant, lead)
    assert due_of(lead) is not None
    run(in_tenant, lead, now=NOW + 4 * DAY)
    assert due_of(lead) is None


def test_no_event_for_some_days_has_its_instant_too(in_tenant: Any) -> None:
    quiet = {"fact": "last_event_at", "op": "more_than_days_ago", "value": 30}
    publish(make_rule(points="10"), make_rule(event=None, when=quiet, points="-10"))
    lead = make_lead()
    views(lead, NOW - DAY)
    assert (score_of(in_tenant, lead), due_of(lead)) == (10, NOW + 29 * DAY)
    assert (score_of(in_tenant, lead, NOW + 29 * DAY), due_of(lead)) == (0, None)


def test_a_count_of_events_in_a_rule_on_the_lead_has_its_instant_too(in_tenant: Any) -> None:
    often = {"fact": "event_count", "event": "page_viewed", "days": 7, "op": "gte", "value": 2}
    publish(make_rule(event=None, when=often))
    lead = make_lead()
    views(lead, NOW - 5 * DAY, NOW)
    assert (score_of(in_tenant, lead), due_of(lead)) == (10, NOW + 2 * DAY)
    assert score_of(in_tenant, lead, NOW + 2 * DAY) == 0


def due_of(lead: Lead) -> datetime | None:
    at: datetime | None = (
        DueRow.objects.filter(kind="score.changes", subject=lead.pk).values_list("due_at", flat=True).first()
    )
    return at


def test_the_last_positive_event_is_the_newest_that_a_rule_gives_points_for(in_tenant: Any) -> None:
    publish(
        make_rule(window_days=14),
        make_rule(event="careers_viewed", points="-5"),
        make_rule(event="day", count="daily"),
    )
    lead = make_lead()
    views(lead, NOW - 3 * DAY, NOW - 20 * DAY)
    views(lead, NOW, kind="careers_viewed")
    run(in_tenant, lead)
    assert LeadState.objects.get(lead=lead).last_positive_at == NOW - 3 * DAY
    # Of a day only the earliest counts.
    views(lead, NOW - timedelta(hours=3), NOW - timedelta(hours=1), NOW - 2 * DAY, kind="day")
    run(in_tenant, lead)
    assert LeadState.objects.get(lead=lead).last_positive_at == NOW - timedelta(hours=3)


def test_of_the_decisions_that_only_time_made_the_latest_of_a_day_stays(in_tenant: Any) -> None:
    publish(make_rule(window_days=1))
    lead = make_lead()
    hours = [NOW - timedelta(hours=hour) for hour in (1, 2, 3, 30)]
    views(lead, *hours)
    run(in_tenant, lead)
    for at in hours[2], hours[1], hours[0]:
        run(in_tenant, lead, now=at + DAY, code=ReasonCode.TIME)
    kept = list(Decision.objects.filter(lead=lead).order_by("id").values_list("result", "at"))
    assert kept == [("30", NOW), ("0", hours[0] + DAY)]


def test_leads_of_a_batch_are_scored_as_each_by_itself(in_tenant: Any) -> None:
    publish(make_rule(window_days=14, cap="30"), make_rule(count="daily"), model_cap="45")
    together: list[Lead] = []
    alone: list[Lead] = []
    for group in (together, alone):
        for number in range(5):
            lead = make_lead()
            views(lead, *[NOW - timedelta(hours=13 * step * number) for step in range(number)])
            group.append(lead)
    run(in_tenant, *together)
    for lead in alone:
        run(in_tenant, lead)
    columns = ("score", "last_positive_at")
    assert [row_of(lead, columns) for lead in together] == [row_of(lead, columns) for lead in alone]
    assert [due_of(lead) for lead in together] == [due_of(lead) for lead in alone]


def row_of(lead: Lead, columns: tuple[str, ...]) -> Any:
    return LeadState.objects.values_list(*columns).get(lead=lead)


def test_planning_writes_nothing(in_tenant: Any) -> None:
    publish(make_rule(points="10.25", window_days=14))
    lead = make_lead()
    views(lead, NOW)
    batch = Batch([lead.pk], Reason(ReasonCode.EVENT), NOW, in_tenant, open_rulebook())
    plan = rate.plan(batch)
    assert plan is not None
    assert plan.scores is not None
    assert plan.scores.rows(**plan.values) == [(lead.pk, 10, [Decimal("10.2500")], NOW, NOW + 14 * DAY)]
    assert LeadState.objects.get(lead=lead).score == 0
    assert not Decision.objects.exists()


def test_a_batch_reads_its_events_by_their_index_under_row_security(in_tenant: Any) -> None:
    lead = make_lead()
    views(lead, NOW)
    batch = Batch([lead.pk], Reason(ReasonCode.EVENT), NOW, in_tenant, open_rulebook())
    plan = rate.plan(batch)
    assert plan is not None
    assert plan.scores is not None
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {plan.scores.sql}", plan.scores.bind(**plan.values))
        lines = [line for (line,) in cursor.fetchall()]
    (scan,) = [index for index, line in enumerate(lines) if "on leads_event" in line]
    assert "Index Scan using event_by_lead" in lines[scan]
    assert "tenant_id" in lines[scan + 1]
    assert "lead_id = ANY" in lines[scan + 1]


def test_tenants_with_the_same_rules_share_one_text(tenant: Any, other_tenant: Any) -> None:
    plans = []
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            batch = Batch([1], Reason(ReasonCode.EVENT), NOW, each, open_rulebook())
            plans.append(rate.plan(batch))
    one, other = plans
    assert one is not None
    assert other is not None
    assert one.write is other.write
    assert one.values["tenant"] != other.values["tenant"]
