"""Qualification frameworks and what is missing for a handover."""

from datetime import timedelta
from typing import Any

import pytest

from leads.models import RuleKind
from leads.qualification.assessments import list_assessments, missing_for_hand_over, write_answers
from leads.qualification.frameworks import default_frameworks, list_frameworks, parse_framework
from leads.versions import InvalidDocument, open_rulebook
from tenancy.models import Tenant
from tests.builders import make_lead, publish_rules
from tests.conftest import NOW
from tests.leads.people import make_sdr

BANT = ["budget", "authority", "need", "timeline"]
GPCT = ["goals", "plans", "challenges", "timeline"]


def missing(lead_id: int) -> list[str]:
    return [question.key for question in missing_for_hand_over(lead_id=lead_id, rules=open_rulebook())]


def answer(lead_id: int, framework: str, *, later: int = 0, **met: bool | None) -> None:
    write_answers(
        lead_id=lead_id,
        framework=framework,
        answers={question: {"met": value} for question, value in met.items()},
        rules=open_rulebook(),
        by=None,
        now=NOW + timedelta(minutes=later),
    )


def test_a_new_tenant_asks_bant_and_gpct_and_wants_all_four(in_tenant: Tenant) -> None:
    frameworks = list_frameworks(open_rulebook())
    assert {key: [question.key for question in each.questions] for key, each in frameworks.items()} == {
        "bant": BANT,
        "gpct": GPCT,
    }
    assert {key: each.required for key, each in frameworks.items()} == {
        "bant": frozenset(BANT),
        "gpct": frozenset(GPCT),
    }


def test_unanswered_unknown_and_unmet_questions_are_missing(in_tenant: Tenant) -> None:
    lead = make_lead(stage="working")
    assert missing(lead.pk) == BANT
    answer(lead.pk, "bant", budget=True, authority=None, need=False)
    assert missing(lead.pk) == ["authority", "need", "timeline"]


def test_of_two_frameworks_in_use_one_that_holds_is_enough(in_tenant: Tenant) -> None:
    lead = make_lead(stage="working")
    answer(lead.pk, "bant", budget=True)
    answer(lead.pk, "gpct", goals=True, plans=True, challenges=True, timeline=True)
    assert missing(lead.pk) == []


def test_of_two_frameworks_in_use_the_nearest_and_then_the_latest_counts(in_tenant: Tenant) -> None:
    lead = make_lead(stage="working")
    answer(lead.pk, "bant", budget=True, need=True)
    answer(lead.pk, "gpct", later=5, goals=True)
    assert missing(lead.pk) == ["authority", "timeline"]
    answer(lead.pk, "gpct", later=6, plans=True)
    assert missing(lead.pk) == ["challenges", "timeline"]


def test_only_required_questions_hold_a_lead_back(in_tenant: Tenant) -> None:
    document = default_frameworks()["bant"] | {"exit": {"required": ["need"]}}
    publish_rules(kind=RuleKind.QUALIFICATION, name="bant", document=document)
    lead = make_lead(stage="working")
    answer(lead.pk, "bant", need=True)
    assert missing(lead.pk) == []


def test_an_answer_says_who_gave_it_and_when_and_stays_theirs_until_it_changes(in_tenant: Tenant) -> None:
    lead, first, second = make_lead(stage="working"), make_sdr(name="Ana"), make_sdr(name="Bia")
    given: dict[str, Any] = {"lead_id": lead.pk, "framework": "bant", "rules": open_rulebook()}
    write_answers(**given, answers={"need": {"met": True, "note": "x"}}, by=first, now=NOW)
    write_answers(**given, answers={"need": {"met": True}}, by=second, now=NOW + timedelta(days=1))
    [bant, gpct] = list_assessments(lead_id=lead.pk, rules=open_rulebook())
    need = bant.answers[2]
    assert (need.met, need.note, need.answered_by, need.answered_at) == (True, "x", "Ana", NOW)
    assert (bant.is_used, gpct.is_used) == (True, False)


def test_assessments_of_a_lead_are_one_query(in_tenant: Tenant, django_assert_num_queries: Any) -> None:
    lead, rules = make_lead(stage="working"), open_rulebook()
    answer(lead.pk, "bant", budget=True)
    with django_assert_num_queries(1):
        list_assessments(lead_id=lead.pk, rules=rules)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"questions": []}, "questions"),
        ({"questions": [{"key": "Need", "label": "Need"}]}, "questions[0].key"),
        ({"questions": [{"key": "need"}], "exit": {"required": []}}, "questions[0].label"),
        ({"exit": {"required": ["love"]}}, "exit.required"),
        ({"exit": {}}, "exit.required"),
        ({"label": 4}, "label"),
    ],
)
def test_a_faulty_framework_is_refused_at_the_place_of_the_fault(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        parse_framework(default_frameworks()["bant"] | change)
    assert path in [problem.field for problem in refusal.value.errors]


def test_a_question_that_stands_twice_is_refused() -> None:
    question = {"key": "need", "label": "Need"}
    with pytest.raises(InvalidDocument) as refusal:
        parse_framework({"label": "X", "questions": [question, question], "exit": {"required": ["need"]}})
    assert [problem.field for problem in refusal.value.errors] == ["questions"]
