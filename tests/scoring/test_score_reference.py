"""A score equals a plain calculation by the contract's sentence, for any rules and events."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models import DueRow
from leads.models import Decision, Event, LeadState, RuleKind
from leads.pipeline import Batch, Reason, ReasonCode
from leads.versions import open_rulebook
from scoring.steps import rate
from tests.builders import make_lead, publish_rules
from tests.conftest import NOW

ZONE = ZoneInfo("America/Sao_Paulo")
TICK = timedelta(microseconds=1)

pytestmark = [pytest.mark.usefixtures("in_tenant"), pytest.mark.slow]


@dataclass(frozen=True)
class Rule:
    """A rule as the test describes it; ``kind`` asks for a property of the event."""

    type: str
    points: Decimal
    window: int | None
    count: str
    cap: Decimal | None
    kind: str | None

    def document(self, index: int) -> dict[str, Any]:
        where = {"fact": "properties.kind", "op": "eq", "value": self.kind} if self.kind else None
        return {
            "id": f"r{index}",
            "label": f"Rule {index}",
            "event": {"type": self.type, "where": where},
            "window_days": self.window,
            "count": self.count,
            "points": str(self.points),
            "cap": None if self.cap is None else str(self.cap),
        }


@dataclass(frozen=True)
class Happening:
    """An event as the test describes it."""

    type: str
    at: datetime
    kind: str


def points_of(rule: Rule, happenings: list[Happening], t: datetime) -> Decimal:
    counted = [
        each
        for each in happenings
        if each.type == rule.type
        and each.at <= t
        and (rule.window is None or each.at > t - timedelta(days=rule.window))
        and rule.kind in {None, each.kind}
    ]
    if rule.count == "first":
        number = min(len(counted), 1)
    elif rule.count == "daily":
        number = len({each.at.astimezone(ZONE).date() for each in counted})
    else:
        number = len(counted)
    total = number * rule.points
    if rule.cap is None:
        return total
    return min(total, rule.cap) if rule.cap > 0 else max(total, rule.cap)


def reference(rules: list[Rule], model_cap: Decimal | None, happenings: list[Happening], t: datetime) -> int:
    total = sum((points_of(rule, happenings, t) for rule in rules), Decimal(0))
    if model_cap is not None:
        total = min(total, model_cap)
    return int(max(total, Decimal(0)).quantize(Decimal(1), rounding=ROUND_HALF_UP))


TYPES = st.sampled_from(["view", "form", "mail"])
POINTS = st.decimals(min_value=-40, max_value=40, places=2).filter(lambda points: points != 0)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    points = draw(POINTS)
    bound = draw(st.none() | st.decimals(min_value="0.01", max_value=90, places=2))
    return Rule(
        type=draw(TYPES),
        points=points,
        window=draw(st.none() | st.integers(min_value=1, max_value=6)),
        count=draw(st.sampled_from(["each", "first", "daily"])),
        cap=bound if bound is None or points > 0 else -bound,
        kind=draw(st.sampled_from([None, None, "demo"])),
    )


# Whole hours and the ticks beside them: where windows and days begin and end.
INSTANTS = st.builds(
    lambda hours, ticks: NOW + timedelta(hours=hours) + ticks * TICK,
    st.integers(min_value=-24 * 8, max_value=2),
    st.sampled_from([-1, 0, 1]),
)
HAPPENINGS = st.lists(
    st.builds(Happening, type=TYPES, at=INSTANTS, kind=st.sampled_from(["demo", "other"])), max_size=12
)


@given(
    rules=st.lists(rules(), max_size=6),
    model_cap=st.none() | st.decimals(min_value=1, max_value=100, places=1),
    people=st.lists(HAPPENINGS, min_size=1, max_size=4),
    t=INSTANTS,
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_score_is_what_the_contract_says_of_any_rules_and_events(
    in_tenant: Any,
    rules: list[Rule],
    model_cap: Decimal | None,
    people: list[list[Happening]],
    t: datetime,
) -> None:
    document = {
        "rules": [rule.document(index) for index, rule in enumerate(rules)],
        "model_cap": None if model_cap is None else str(model_cap),
    }
    publish_rules(kind=RuleKind.SCORING, document=document)
    leads = {make_lead().pk: happenings for happenings in people}
    Event.objects.bulk_create(
        Event(lead_id=lead_id, type=each.type, occurred_at=each.at, properties={"kind": each.kind})
        for lead_id, happenings in leads.items()
        for each in happenings
    )
    batch = Batch(sorted(leads), Reason(ReasonCode.EVENT), t, in_tenant, open_rulebook())
    rate.apply(batch, rate.plan(batch))
    found = dict(LeadState.objects.filter(lead_id__in=leads).values_list("lead_id", "score"))
    due = dict(
        DueRow.objects.filter(kind="score.changes", subject__in=leads).values_list("subject", "due_at")
    )
    for lead_id, happenings in leads.items():
        expected = reference(rules, model_cap, happenings, t)
        assert found[lead_id] == expected
        # Until the instant that is due, time alone changes nothing.
        until = due[lead_id] - TICK if lead_id in due else t + timedelta(days=5000)
        assert reference(rules, model_cap, happenings, until) == expected
        decisions = list(Decision.objects.filter(lead_id=lead_id, kind="score"))
        assert Counter(decision.result for decision in decisions) == Counter(
            [str(expected)] if expected else []
        )
        for decision in decisions:
            said = {
                f"r{index}": points
                for index, rule in enumerate(rules)
                if (points := points_of(rule, happenings, t)) != 0
            }
            assert {id_: Decimal(points) for id_, points in decision.detail["points"].items()} == said
