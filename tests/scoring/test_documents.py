"""What is refused of a scoring model and of grade criteria, and where."""

from typing import Any

import pytest

from leads.models import CustomField, RuleKind
from leads.versions import InvalidDocument, parse_document, save_draft
from scoring.default_pack import default_grading, default_scoring
from scoring.documents import parse_grading, parse_scoring
from tests.builders import make_rule
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("in_tenant")

BRAZIL = {"fact": "country", "op": "eq", "value": "BR"}


def faults(document: Any, parse: Any = parse_scoring) -> set[str]:
    with pytest.raises(InvalidDocument) as caught:
        parse(document)
    assert all(str(error.message) for error in caught.value.errors)
    return {error.field for error in caught.value.errors}


def model(*rules: Any, **parts: Any) -> dict[str, Any]:
    return {"rules": list(rules), "model_cap": None} | parts


RULES: list[tuple[dict[str, Any], str]] = [
    ({"id": "Rule One"}, "rules[0].id"),
    ({"id": None}, "rules[0].id"),
    ({"label": ""}, "rules[0].label.en"),
    ({"label": {"fr": "Règle"}}, "rules[0].label.fr"),
    ({"points": 10}, "rules[0].points"),
    ({"points": "ten"}, "rules[0].points"),
    ({"points": "0"}, "rules[0].points"),
    ({"points": "NaN"}, "rules[0].points"),
    ({"points": "1.00001"}, "rules[0].points"),
    ({"points": "10001"}, "rules[0].points"),
    ({"cap": "-5"}, "rules[0].cap"),
    ({"cap": "0"}, "rules[0].cap"),
    ({"points": "-10", "cap": "20"}, "rules[0].cap"),
    ({"window_days": 0}, "rules[0].window_days"),
    ({"window_days": 1.5}, "rules[0].window_days"),
    ({"window_days": True}, "rules[0].window_days"),
    ({"count": "weekly"}, "rules[0].count"),
    ({"event": {"type": "Page Viewed"}}, "rules[0].event.type"),
    ({"event": {"type": "x", "when": BRAZIL}}, "rules[0].event.when"),
    ({"event": {"type": "x", "where": BRAZIL}}, "rules[0].event.where.fact"),
    ({"event": {"type": "x", "where": {"all": []}}}, "rules[0].event.where.all"),
    ({"event": None}, "rules[0]"),
    ({"when": BRAZIL}, "rules[0]"),
    ({"event": None, "when": BRAZIL, "window_days": 3}, "rules[0].window_days"),
    ({"event": None, "when": {"fact": "country", "op": "eq", "value": 3}}, "rules[0].when.value"),
    ({"event": None, "when": {"all": [{"fact": "score", "op": "gte", "value": 3}]}}, "rules[0].when"),
    ({"weight": 3}, "rules[0].weight"),
]


@pytest.mark.parametrize(("parts", "path"), RULES)
def test_a_fault_of_a_rule_is_named_by_its_path(parts: dict[str, Any], path: str) -> None:
    assert faults(model(make_rule() | parts)) == {path}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (None, ""),
        ([], ""),
        ({"rules": {}, "model_cap": None}, "rules"),
        (model(*[make_rule(id=f"r{number}") for number in range(101)]), "rules"),
        (model(make_rule(), make_rule()), "rules[1].id"),
        (model(model_cap="0"), "model_cap"),
        (model(model_cap=100), "model_cap"),
        (model(groups=[]), "groups"),
    ],
)
def test_a_fault_of_the_model_is_named_by_its_path(document: Any, path: str) -> None:
    assert faults(document) == {path}


def test_all_faults_are_found_at_once() -> None:
    bad = model(make_rule(points="x"), make_rule(id="b", window_days=-1), "rule", model_cap="-1")
    assert faults(bad) == {"rules[0].points", "rules[1].window_days", "rules[2]", "model_cap"}


@pytest.mark.parametrize(
    ("criterion", "path"),
    [
        ({"steps": 0}, "criteria[0].steps"),
        ({"steps": 4}, "criteria[0].steps"),
        ({"steps": "2"}, "criteria[0].steps"),
        ({"when": None}, "criteria[0].when"),
        ({"when": {"fact": "stage", "op": "eq", "value": "mql"}}, "criteria[0].when"),
        ({"id": "C 1"}, "criteria[0].id"),
    ],
)
def test_a_fault_of_a_criterion_is_named_by_its_path(criterion: dict[str, Any], path: str) -> None:
    whole = {"id": "c", "label": "C", "when": BRAZIL, "steps": 1} | criterion
    assert faults({"start": "D", "criteria": [whole]}, parse_grading) == {path}


def test_a_start_is_a_letter_of_the_scale() -> None:
    assert faults({"start": "E", "criteria": []}, parse_grading) == {"start"}


def test_the_default_pack_is_accepted_and_has_the_rules_of_the_contract() -> None:
    rules = parse_scoring(default_scoring())
    told = [
        (rule.event_type, str(rule.points), rule.window_days, rule.cap and str(rule.cap), rule.count.value)
        for rule in rules.event_rules
    ]
    assert told == [
        ("form_submitted", "30", 90, "60", "each"),
        ("form_submitted", "20", 90, "60", "each"),
        ("page_viewed", "1", 14, "10", "daily"),
        ("pricing_viewed", "5", 14, "15", "each"),
        ("content_downloaded", "10", 60, "30", "each"),
        ("webinar_attended", "20", 60, "40", "each"),
        ("email_clicked", "5", 30, "20", "each"),
        ("email_opened", "1", 30, "5", "each"),
        ("careers_viewed", "-20", 90, "-20", "each"),
        ("unsubscribed", "-30", None, None, "first"),
    ]
    criteria = parse_grading(default_grading(country="BR"))
    assert [(criterion.id, criterion.steps) for criterion in criteria.criteria] == [
        ("country", 1),
        ("company_size", 2),
        ("seniority", 2),
        ("industry", 1),
        ("business_email", 1),
    ]


def test_a_new_draft_may_not_use_a_retired_field_and_a_published_one_goes_on() -> None:
    CustomField.objects.create(name="plants", label="Plants", type="integer")
    document = model(make_rule(event=None, when={"fact": "custom.plants", "op": "gte", "value": 2}))
    save_draft(kind=RuleKind.SCORING, document=document, by=None, now=NOW)
    CustomField.objects.update(retired_at=NOW)
    with pytest.raises(InvalidDocument) as caught:
        save_draft(kind=RuleKind.SCORING, document=document, by=None, now=NOW)
    assert [error.field for error in caught.value.errors] == ["rules[0].when.fact"]
    assert parse_document(kind=RuleKind.SCORING, document=document).lead_rules
