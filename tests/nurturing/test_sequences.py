"""Sequences as documents: what is refused, where, and why."""

from typing import Any

import pytest

from leads.models import CustomField, RuleKind
from leads.versions import InvalidDocument, parse_document, save_draft
from nurturing.default_pack import default_re_engagement
from nurturing.sequences import ConditionStep, parse_new_sequence, parse_sequence
from tests.conftest import NOW
from tests.nurturing.sequences import branch, email, sequence, wait

LIKES_US = {"fact": "score", "op": "gte", "value": 10}


def faults(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        parse_new_sequence(document)
    return {error.field: str(error.message) for error in refused.value.errors}


def test_the_default_sequence_is_written_in_both_languages(in_tenant: Any) -> None:
    rules = parse_new_sequence(default_re_engagement())
    assert [set(step.wordings) for step in rules.emails] == [{"en", "pt-br"}] * 3


def test_a_text_with_faults_is_refused_with_the_line_of_each(in_tenant: Any) -> None:
    body = "Hello {{ lead.frist_name }},\n\n{{ company.name | shout }}"
    with pytest.raises(InvalidDocument) as refused:
        parse_sequence(sequence(email(body=body)))
    told = [str(error.message) for error in refused.value.errors]
    assert told[0].startswith("Line 3: There is no filter “shout”")
    assert told[1].startswith("Line 1: There is no field “lead.frist_name”")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("one\n{% if lead.name %}", "Line 2"),
        ("{% include 'secret' %}", "Line 1"),
        ("{% render 'secret' %}", "Line 1"),
        ("{% for i in (1..1000000000) %}x{% endfor %}", "Line 1"),
        ("{% capture x %}y{% endcapture %}", "Line 1"),
        ("{{ lead.name | replace: 'a', 'b' }}", "Line 1"),
        ("{{ lead }}", "Line 1"),
        ("{{ lead['__class__'] }}", "Line 1"),
        ("{{ lead[company.name] }}", "Line 1"),
        ("{{ settings.SECRET_KEY }}", "Line 1"),
        ("text\n\n{{ tenant.name }}", "Line 3"),
        ("{{ lead.name", "Line 1"),
    ],
)
def test_a_text_names_and_does_only_what_is_given(in_tenant: Any, body: str, line: str) -> None:
    assert faults(sequence(email(body=body)))["steps[0].template.en.body_markdown"].startswith(line)


def test_a_subject_of_which_nothing_may_be_left_is_refused(in_tenant: Any) -> None:
    found = faults(sequence(email(subject="{{ lead.first_name }}")))
    assert "default" in found["steps[0].template.en.subject"]


def test_jumps_go_forward_and_to_steps_that_exist(in_tenant: Any) -> None:
    steps = [
        email("a"),
        branch("b", LIKES_US, "a", "nowhere"),
        branch("c", LIKES_US, "d", "exit"),
        email("d"),
    ]
    assert set(faults(sequence(*steps))) == {"steps[1].then", "steps[1].else"}


def test_a_jump_lands_where_it_says(in_tenant: Any) -> None:
    rules = parse_sequence(sequence(branch("b", LIKES_US, "d", None), email("c"), email("d")))
    step = rules.steps[0]
    assert isinstance(step, ConditionStep)
    assert (step.then, step.otherwise) == (2, 1)


def test_ids_are_unique_and_exit_is_no_id(in_tenant: Any) -> None:
    assert set(faults(sequence(email("a"), wait("a")))) == {"steps[1].id"}
    assert set(faults(sequence(email("exit")))) == {"steps[0].id"}


@pytest.mark.parametrize(
    "duration", [{"days": 0}, {"hours": -1}, {"days": 1, "hours": 1}, {"days": 1.5}, {"days": True}]
)
def test_a_wait_has_one_whole_length(in_tenant: Any, duration: dict[str, Any]) -> None:
    assert faults(sequence(wait(**duration)))


def test_what_is_not_known_is_refused(in_tenant: Any) -> None:
    document = sequence(email() | {"cc": "boss"}, colour="red")
    assert {"colour", "steps[0].cc"} <= set(faults(document))
    assert "steps[0].template.fr" in faults(sequence({"id": "a", "kind": "email", "template": {"fr": {}}}))


def test_a_condition_is_checked_as_everywhere(in_tenant: Any) -> None:
    found = faults(sequence(exit_when={"fact": "shoe_size", "op": "eq", "value": 44}))
    assert list(found) == ["exit_when.fact"]


def test_a_text_may_name_the_tenants_own_fields_and_no_others(in_tenant: Any) -> None:
    CustomField.objects.create(name="plants", label="Plants", type="integer")
    parse_new_sequence(sequence(email(body="{{ custom.plants }}")))
    found = faults(sequence(email(body="{{ custom.animals }}")))
    assert "custom.animals" in found["steps[0].template.en.body_markdown"]


def test_a_version_with_a_retired_field_is_read_but_not_written(in_tenant: Any) -> None:
    CustomField.objects.create(name="plants", label="Plants", type="integer", retired_at=NOW)
    document = sequence(email(body="{{ custom.plants }}"))
    assert parse_document(kind=RuleKind.SEQUENCE, document=document).custom_fields == {"plants"}
    with pytest.raises(InvalidDocument):
        save_draft(kind=RuleKind.SEQUENCE, document=document, by=None, now=NOW, name="trial")
