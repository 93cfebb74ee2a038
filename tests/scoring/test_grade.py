"""What a grade is: steps up, down or none from a start, bounded once at the end."""

from datetime import timedelta
from typing import Any

import pytest

from core.models import DueRow
from leads.models import Decision, Lead, LeadState, RuleKind
from leads.pipeline import Batch, Reason, ReasonCode
from leads.versions import open_rulebook
from scoring.steps import rate
from tests.builders import make_company, make_event, make_lead, publish_rules
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("in_tenant")

BRAZIL = {"fact": "country", "op": "eq", "value": "BR"}


def run(tenant: Any, *leads: Lead) -> None:
    batch = Batch([lead.pk for lead in leads], Reason(ReasonCode.EVENT), NOW, tenant, open_rulebook())
    rate.apply(batch, rate.plan(batch))


def grade_of(tenant: Any, lead: Lead) -> str:
    run(tenant, lead)
    letter: str = LeadState.objects.get(lead=lead).get_grade_display()
    return letter


def publish(*criteria: tuple[dict[str, Any], int], start: str = "D") -> None:
    named = [
        {"id": f"c{index}", "label": f"Criterion {index}", "when": when, "steps": steps}
        for index, (when, steps) in enumerate(criteria)
    ]
    publish_rules(kind=RuleKind.GRADING, document={"start": start, "criteria": named})


@pytest.mark.parametrize(("country", "expected"), [("BR", "C-"), ("PT", "F"), (None, "D")])
def test_a_criterion_moves_up_on_match_down_on_mismatch_and_not_on_unknown(
    in_tenant: Any, country: str | None, expected: str
) -> None:
    publish((BRAZIL, 2))
    assert grade_of(in_tenant, make_lead(country=country)) == expected


def test_the_scale_bounds_the_sum_once_at_the_end(in_tenant: Any) -> None:
    # One after the other D would fall to F and stay there: −3 −3 +3 +3.
    down = {"fact": "country", "op": "eq", "value": "PT"}
    publish((down, 3), (down, 3), (BRAZIL, 3), (BRAZIL, 3))
    assert grade_of(in_tenant, make_lead(country="BR")) == "D"


@pytest.mark.parametrize(("start", "country", "expected"), [("A", "BR", "A+"), ("D-", "PT", "F")])
def test_a_grade_stays_on_the_scale(in_tenant: Any, start: str, country: str, expected: str) -> None:
    publish((BRAZIL, 3), start=start)
    assert grade_of(in_tenant, make_lead(country=country)) == expected


DEFAULT_CASES: list[tuple[dict[str, Any], int | None, str, str]] = [
    # The worked example of the contract: country +1, size +2, business e-mail +1.
    ({"country": "BR"}, 180, "business", "C+"),
    ({"country": "BR", "seniority": "director"}, 180, "business", "B"),
    ({"country": "BR", "seniority": "senior"}, 180, "business", "C-"),
    ({"country": "BR"}, 20, "business", "C+"),
    ({"country": "BR"}, 1000, "business", "C+"),
    ({"country": "BR"}, 19, "business", "D"),
    ({"country": "BR"}, 1001, "business", "D"),
    ({"country": "BR"}, None, "business", "C-"),
    ({"country": "PT"}, 180, "free", "D"),
    ({}, None, "free", "D-"),
]


@pytest.mark.parametrize(("person", "size", "email_kind", "expected"), DEFAULT_CASES)
def test_the_default_criteria_grade_as_the_contract_says(
    in_tenant: Any, person: dict[str, Any], size: int | None, email_kind: str, expected: str
) -> None:
    company = make_company(size=size, industry="metal")
    assert grade_of(in_tenant, make_lead(company=company, email_kind=email_kind, **person)) == expected


def test_a_lead_of_which_nothing_is_known_keeps_the_start(in_tenant: Any) -> None:
    assert grade_of(in_tenant, make_lead(email=None)) == "D"


def test_the_decision_keeps_every_verdict_unknown_included(in_tenant: Any) -> None:
    lead = make_lead(country="BR", email_kind="free")
    publish((BRAZIL, 1), ({"fact": "company_size", "op": "gte", "value": 20}, 2), ({"none": [BRAZIL]}, 3))
    run(in_tenant, lead)
    decision = Decision.objects.get(lead=lead, kind="grade")
    assert (decision.result, decision.version.number) == ("F", 2)
    assert decision.detail == {"verdicts": {"c0": True, "c1": None, "c2": False}}


def test_running_twice_writes_nothing(in_tenant: Any) -> None:
    lead = make_lead(country="BR")
    run(in_tenant, lead)
    before = list(Decision.objects.values())
    run(in_tenant, lead)
    assert list(Decision.objects.values()) == before
    assert len(before) == 1


def test_an_unchanged_grade_is_not_decided_again_by_a_new_version(in_tenant: Any) -> None:
    lead = make_lead(country="BR")
    publish((BRAZIL, 2))
    run(in_tenant, lead)
    publish((BRAZIL, 1), (BRAZIL, 1))
    run(in_tenant, lead)
    assert Decision.objects.get(lead=lead, kind="grade").version.number == 2


def test_leads_of_a_batch_are_graded_each_by_itself(in_tenant: Any) -> None:
    leads = [make_lead(country=country) for country in ("BR", None, "PT")]
    publish((BRAZIL, 1))
    run(in_tenant, *leads)
    grades = dict(LeadState.objects.values_list("lead_id", "grade"))
    assert [grades[lead.pk] for lead in leads] == [3, 2, 1]


def test_a_criterion_that_looks_at_the_clock_is_asked_again_in_time(in_tenant: Any) -> None:
    publish(({"fact": "last_event_at", "op": "in_last_days", "value": 30}, 1))
    lead = make_lead()
    make_event(lead=lead, occurred_at=NOW - timedelta(days=10))
    assert grade_of(in_tenant, lead) == "D+"
    assert DueRow.objects.get(kind="grade.changes", subject=lead.pk).due_at == NOW + timedelta(days=20)
