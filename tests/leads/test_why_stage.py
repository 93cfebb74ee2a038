"""Why a lead is in its stage, and why it is not MQL yet."""

from datetime import timedelta
from typing import Any

import pytest

from leads.lifecycle import Move, move_lead
from leads.models import Lead, MoveAct, Stage
from leads.pipeline import Batch, Reason, ReasonCode
from leads.steps import advance
from leads.versions import open_rulebook
from leads.why import WhyPart, explain_part
from tests.builders import make_lead, make_member
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("in_tenant")


def why(lead: Lead) -> WhyPart:
    (found,) = explain_part(part="stage", lead_id=lead.pk, now=NOW)
    return found


def said(part: WhyPart) -> list[tuple[str, str]]:
    return [(rule.label, rule.verdict) for rule in part.rules]


def test_before_the_gate_each_condition_and_what_is_missing_is_told() -> None:
    part = why(make_lead(score=42, grade="B"))
    assert (part.result, part.words, part.version) == ("new", "New", 1)
    assert said(part) == [("Score is 50 or more", "false"), ("Grade is C or better", "true")]
    assert part.rules[0].inputs == [{"label": "Score", "value": "42"}]
    assert part.smallest_change == ["score is 50 or more (now 42)"]


def test_two_conditions_that_are_missing_are_told_together() -> None:
    part = why(make_lead(score=42, grade="D"))
    assert part.smallest_change == ["score is 50 or more (now 42) and grade is C or better (now D)"]


def test_in_nurture_the_lead_has_to_do_something_first() -> None:
    lead = make_lead(stage="nurture", score=90, grade="A")
    part = why(lead)
    assert said(part)[-1] == ("Did something that gives points since it came to nurture", "false")
    assert part.smallest_change == ["a new event that gives points"]


def test_a_lead_that_only_files_tell_of_waits_for_an_event() -> None:
    part = why(make_lead(score=90, grade="A", is_live=False))
    assert said(part)[-1] == ("Heard of by more than a file", "false")
    assert part.smallest_change == ["a new event that gives points"]


def test_behind_the_gate_the_inputs_of_then_are_told(in_tenant: Any) -> None:
    lead = make_lead(score=73, grade="B")
    batch = Batch([lead.pk], Reason(ReasonCode.EVENT), NOW, in_tenant, open_rulebook())
    advance.apply(batch, advance.plan(batch))
    lead.standing.__class__.objects.filter(lead=lead).update(score=5, grade=0)
    part = why(lead)
    assert (part.result, part.version, part.at) == ("mql", 1, NOW)
    assert [rule.inputs[0]["value"] for rule in part.rules] == ["73", "B"]
    assert {rule.verdict for rule in part.rules} == {"true"}


def test_an_act_of_a_person_is_told_with_who_and_why() -> None:
    lead, person = make_lead(stage="sql"), make_member(role="sales", name="Carla")
    move = Move(
        lead.pk, Stage.SALES_QUALIFIED, Stage.NURTURE, MoveAct.REJECT, "no_budget", actor_id=person.pk
    )
    move_lead(move=move, now=NOW - timedelta(hours=1))
    move_lead(
        move=Move(lead.pk, Stage.NURTURE, Stage.DISQUALIFIED, MoveAct.DISQUALIFY, "junk", actor_id=person.pk),
        now=NOW,
    )
    part = why(lead)
    assert (part.result, part.at) == ("disqualified", NOW)
    (rule,) = part.rules
    assert (rule.label, rule.effect) == ("Disqualified", "Junk or test entry")
    assert {"label": "By", "value": "Carla"} in rule.inputs
