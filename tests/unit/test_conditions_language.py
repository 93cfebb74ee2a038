"""Reading conditions from JSON, refusing bad ones with advice, writing them back, saying them in words."""

from typing import Any

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from leads.conditions.describe import describe_condition
from leads.conditions.facts import EVENT, LEAD, Fact, UnknownFact, Vocabulary, get_fact
from leads.conditions.language import (
    InvalidCondition,
    content_hash,
    is_fast,
    list_fact_keys,
    list_leaves,
    parse_condition,
    to_document,
)
from leads.conditions.logic import Bind, Unknown
from leads.conditions.operators import OPERATORS, FactType

BR = {"fact": "country", "op": "eq", "value": "BR"}


def faults(document: object, vocabulary: Vocabulary = LEAD) -> dict[str, str]:
    with pytest.raises(InvalidCondition) as refused:
        parse_condition(document, vocabulary=vocabulary)
    return {error.field: str(error.message) for error in refused.value.errors}


def leaf(**keys: Any) -> dict[str, Any]:
    return keys


@pytest.mark.parametrize(
    "document",
    [
        BR,
        {"all": [BR, {"any": [{"fact": "score", "op": "gte", "value": 50}, {"none": [BR]}]}]},
        {"fact": "company_size", "op": "between", "value": [20, 1000]},
        {"fact": "company_revenue", "op": "gt", "value": "1500000.50"},
        {"fact": "seniority", "op": "in", "value": ["manager", "director", "Head of everything"]},
        {"fact": "industry", "op": "in", "value": []},
        {"fact": "grade", "op": "gte", "value": "B-"},
        {"fact": "stage", "op": "not_in", "value": ["customer", "sql"]},
        {"fact": "tags", "op": "has_any", "value": ["feira", "vip"]},
        {"fact": "email", "op": "is_unknown"},
        {"fact": "created_at", "op": "in_last_days", "value": 30},
        {"fact": "created_at", "op": "before", "value": "2026-11-24"},
        {"fact": "created_at", "op": "after", "value": "2026-11-24T18:20:00Z"},
        {"fact": "consent.marketing", "op": "is_true"},
        {"fact": "consent.news-letter_2", "op": "is_false"},
        {
            "fact": "event_count",
            "event": "page_viewed",
            "days": 30,
            "where": {"all": [{"fact": "properties.path", "op": "starts_with", "value": "/planos"}]},
            "op": "gte",
            "value": 2,
        },
        {"fact": "event_count", "op": "eq", "value": 0},
    ],
)
def test_what_is_read_can_be_written_and_read_again(document: dict[str, Any]) -> None:
    condition = parse_condition(document)
    assert to_document(condition) == document
    assert parse_condition(to_document(condition)) == condition


@pytest.mark.parametrize(
    ("document", "path", "advice"),
    [
        (None, "", "as an object"),
        ([BR], "", "as an object"),
        ({}, "", "Give either one of"),
        ({"all": [BR], "any": [BR]}, "", "Give either one of"),
        ({"all": [BR], "fact": "country"}, "", "Give either one of"),
        ({"all": []}, "all", "Add a condition"),
        ({"any": [{"none": []}]}, "any[0].none", "Add a condition"),
        ({"all": "x"}, "all", "Add a condition"),
        (leaf(fact="kountry", op="eq", value="BR"), "fact", "There is no fact “kountry”"),
        (leaf(fact=7, op="eq", value="BR"), "fact", "Name a fact"),
        (leaf(fact="country", op="gte", value="BR"), "op", "eq, ne, in, not_in"),
        (leaf(fact="country", value="BR"), "op", "one of"),
        (leaf(fact="country", op="eq"), "value", "is_unknown"),
        (leaf(fact="country", op="eq", value=5), "value", "text in quotes"),
        (leaf(fact="country", op="eq", value="  "), "value", "Give a text"),
        (leaf(fact="country", op="eq", value="B\0R"), "value", "NUL"),
        (leaf(fact="country", op="eq", value="B\ud800"), "value", "Unicode"),
        (leaf(fact="country", op="eq", value="x" * 501), "value", "500"),
        (leaf(fact="country", op="eq", value="BR", case=True), "case", "Remove this"),
        (leaf(fact="country", op="eq", value="BR", days=3), "days", "Remove this"),
        (leaf(fact="country", op="in", value="BR"), "value", "list"),
        (leaf(fact="country", op="in", value=["BR", None]), "value[1]", "is_unknown"),
        (leaf(fact="country", op="in", value=["BR"] * 1001), "value", "at most 1000"),
        (leaf(fact="country", op="is_known", value="BR"), "value", "Leave the value out"),
        (leaf(fact="score", op="gte", value="50"), "value", "whole number"),
        (leaf(fact="score", op="gte", value=True), "value", "whole number"),
        (leaf(fact="score", op="gte", value=2**63), "value", "smaller"),
        (leaf(fact="score", op="is_unknown"), "op", "between"),
        (leaf(fact="company_size", op="between", value=[20]), "value", "list of two"),
        (leaf(fact="company_size", op="between", value=[20, 10]), "value", "lower value first"),
        (leaf(fact="grade", op="between", value=["A", "B"]), "value", "lower value first"),
        (leaf(fact="company_revenue", op="gt", value="1.005"), "value", "2 decimals"),
        (leaf(fact="company_revenue", op="gt", value="NaN"), "value", "smaller"),
        (leaf(fact="company_revenue", op="gt", value="many"), "value", "Give a number"),
        (leaf(fact="company_revenue", op="gt", value=10**30), "value", "smaller"),
        (leaf(fact="grade", op="gte", value="E"), "value", "A+"),
        (leaf(fact="stage", op="eq", value="closed"), "value", "nurture"),
        (leaf(fact="email_kind", op="eq", value="odd"), "value", "disposable"),
        (leaf(fact="created_at", op="before", value="24/11/2026"), "value", "2026-11-24"),
        (leaf(fact="created_at", op="before", value="2026-02-30"), "value", "exists"),
        (leaf(fact="created_at", op="after", value="2026-11-24T18:20:00"), "value", "offset"),
        (leaf(fact="created_at", op="on", value="2026-11-24T18:20:00Z"), "value", "2026-11-24"),
        (leaf(fact="created_at", op="in_last_days", value=0), "value", "between 1 and"),
        (leaf(fact="event_count", event="Page Viewed", op="gte", value=1), "event", "type of event"),
        (leaf(fact="event_count", days=0, op="gte", value=1), "days", "between 1 and"),
        (leaf(fact="event_count", where=BR, op="gte", value=1), "where.fact", "There is no fact"),
        (leaf(fact="event_count", where={"all": []}, op="gte", value=1), "where.all", "Add a condition"),
        (leaf(fact="answer.bant", op="is_true"), "fact", "There is no fact"),
        (leaf(fact="consent.", op="is_true"), "fact", "There is no fact"),
    ],
)
def test_a_bad_condition_is_refused_where_it_is_bad_with_advice(
    document: object, path: str, advice: str
) -> None:
    assert advice in faults(document)[path]


def test_every_fault_is_told_at_once() -> None:
    document = {
        "all": [leaf(fact="nope", op="eq", value=1), leaf(fact="score", op="gte", value="x"), {"any": []}]
    }
    assert list(faults(document)) == ["all[0].fact", "all[1].value", "all[2].any"]


def test_a_refused_condition_is_an_answer_for_the_api() -> None:
    with pytest.raises(InvalidCondition) as refused:
        parse_condition({"all": []})
    assert refused.value.status == 400
    assert refused.value.as_json()["errors"] == [
        {"field": "all", "code": "invalid", "message": "Add a condition to this group or remove the group."}
    ]


def test_groups_nest_five_deep_and_no_deeper() -> None:
    document: dict[str, Any] = BR
    for _level in range(5):
        document = {"all": [document]}
    assert len(list_leaves(parse_condition(document))) == 1
    assert "5" in faults({"all": [document]})["all[0].all[0].all[0].all[0].all[0].all"]


def test_a_condition_has_at_most_a_hundred_leaves() -> None:
    assert len(list_leaves(parse_condition({"any": [BR] * 100}))) == 100
    assert "100" in faults({"any": [BR] * 101})[""]


def test_leaves_inside_where_count_too() -> None:
    counted = leaf(fact="event_count", op="gte", value=1, where={"fact": "type", "op": "eq", "value": "x"})
    assert "100" in faults({"any": [counted] * 51})[""]


def test_values_are_brought_to_the_form_in_which_they_are_stored() -> None:
    document = {
        "all": [
            leaf(fact="email", op="eq", value=" Ana@Empresa.com.br "),
            leaf(fact="origin", op="in", value=["Organic Search", "organic-search"]),
            leaf(fact="country", op="eq", value="br"),
            leaf(fact="cnpj", op="eq", value="11.222.333/0001-81"),
        ]
    }
    values = [part["value"] for part in to_document(parse_condition(document))["all"]]
    assert values == ["ana@empresa.com.br", ["organic_search"], "BR", "11222333000181"]


def a_retired_fact() -> Vocabulary:
    vocabulary = Vocabulary("test")
    vocabulary.register(
        Fact("old", "Old", "Group", FactType.INTEGER, lambda: Bind(1, None), is_retired=True)  # type: ignore[arg-type]
    )
    return vocabulary


def test_a_retired_fact_is_refused_in_new_documents_and_read_in_old_ones() -> None:
    document = leaf(fact="old", op="eq", value=1)
    assert "retired" in faults(document, a_retired_fact())["fact"]
    kept = parse_condition(document, vocabulary=a_retired_fact(), allow_retired=True)
    assert to_document(kept) == document


def test_a_fact_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        LEAD.register(get_fact(key="score"))


def test_an_unknown_key_is_no_fact() -> None:
    with pytest.raises(UnknownFact):
        get_fact(key="password")
    with pytest.raises(UnknownFact):
        get_fact(key="properties.a b", vocabulary=EVENT)


def test_every_type_has_operators_and_every_operator_a_label() -> None:
    assert set(OPERATORS) == set(FactType)
    assert all(str(operator.label) for operators in OPERATORS.values() for operator in operators)


def test_a_condition_is_fast_if_every_leaf_is() -> None:
    score = leaf(fact="score", op="gte", value=1)
    assert is_fast(parse_condition({"all": [score, leaf(fact="tags", op="has_any", value=["x"])]}))
    assert not is_fast(parse_condition({"all": [score, leaf(fact="job_title", op="eq", value="x")]}))
    assert not is_fast(parse_condition(leaf(fact="email", op="contains", value="x")))


def test_the_content_hash_follows_the_content() -> None:
    one = parse_condition({"all": [BR]})
    assert content_hash(one) == content_hash(parse_condition({"all": [dict(reversed(BR.items()))]}))
    assert content_hash(one) != content_hash(parse_condition({"any": [BR]}))
    assert list_fact_keys(one) == {"country"}


def test_django_negation_is_refused() -> None:
    with pytest.raises(TypeError, match="NoneOf"):
        ~Unknown()


@pytest.mark.parametrize(
    ("document", "english"),
    [
        (
            {"all": [BR, {"fact": "company_size", "op": "between", "value": [20, 1000]}]},
            "country is BR and company size is between 20 and 1,000",
        ),
        (
            {"any": [{"all": [BR, {"fact": "email", "op": "is_unknown"}]}, {"none": [BR]}]},
            "(country is BR and e-mail is unknown) or country is not BR",
        ),
        (
            {"none": [BR, {"fact": "score", "op": "gte", "value": 50}]},
            "none of (country is BR; score is 50 or more)",
        ),
        ({"fact": "city", "op": "in", "value": ["A", "B", "C"]}, "city is one of A, B or C"),
        ({"fact": "city", "op": "in", "value": []}, "city is one of an empty list"),
        (
            {"fact": "city", "op": "in", "value": list("ABCDEFGH")},
            "city is one of A, B, C, D, E, F or 2 more",
        ),
        ({"fact": "tags", "op": "has_all", "value": ["a", "b"]}, "tags include all of a and b"),
        ({"fact": "grade", "op": "gte", "value": "B-"}, "grade is B- or better"),
        ({"fact": "stage", "op": "eq", "value": "mql"}, "stage is MQL"),
        (
            {"fact": "company_revenue", "op": "lt", "value": "1500000.50"},
            "company revenue is less than 1,500,000.5",
        ),
        ({"fact": "created_at", "op": "in_last_days", "value": 30}, "created is in the last 30 days"),
        ({"fact": "cnpj", "op": "is_known"}, "CNPJ is known"),
        (
            {
                "fact": "event_count",
                "event": "page_viewed",
                "days": 30,
                "where": {"fact": "properties.path", "op": "starts_with", "value": "/planos"},
                "op": "gte",
                "value": 2,
            },
            "number of “Viewed a page” events in the last 30 days (where path starts with /planos) is 2 or more",
        ),
    ],
)
def test_a_condition_can_be_said_in_words(document: dict[str, Any], english: str) -> None:
    with override("en"):
        assert describe_condition(parse_condition(document)) == english


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "any", "none", "fact", "op", "value", "days", "event", "where"])
            | st.text(max_size=3),
            inner
            | st.sampled_from(["score", "country", "event_count", "tags", "eq", "in", "gte", "is_known"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_comes_is_a_condition_or_refused_with_reasons(document: object) -> None:
    try:
        condition = parse_condition(document)
    except InvalidCondition:
        assert faults(document)
    else:
        assert parse_condition(to_document(condition)) == condition
