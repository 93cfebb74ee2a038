"""What the database makes of conditions: every type and operator, three-valued logic, explanations, statements."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import DataError, connection, transaction
from django.db.models import BigIntegerField, F, TextField
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads.conditions.builder import builder_vocabulary
from leads.conditions.compile import compile_condition, compile_filter, record_condition
from leads.conditions.describe import describe_condition
from leads.conditions.explain import (
    NoSuchLead,
    explain_condition,
    explain_conditions,
    explain_record,
    read_records,
    smallest_changes,
)
from leads.conditions.facts import LEAD
from leads.conditions.language import InvalidCondition, content_hash, parse_condition, to_document
from leads.conditions.logic import Bind, InList, IsFalse, IsKnown, IsTrue, IsUnknown
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import (
    Answer,
    Company,
    Consent,
    CustomField,
    CustomValue,
    Event,
    Grade,
    Lead,
    LeadState,
    LeadTag,
    Stage,
)

NOW = datetime(2026, 11, 18, 13, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PAGE, FORM = "page_viewed", "form_submitted"

pytestmark = pytest.mark.usefixtures("in_tenant")


@dataclass(frozen=True)
class Person:
    """A lead as a test describes it; None is what is not known."""

    country: str | None = None
    size: int | None = None
    revenue: int | None = None
    score: int = 0
    grade: str = "D"
    stage: str = "new"
    last_event_at: datetime | None = None
    created_at: datetime = NOW - 10 * DAY
    tags: frozenset[str] = frozenset()
    plants: int | None = None
    weight: Decimal | None = None
    founded: date | None = None
    erp: str | None = None
    budget: bool | None = None
    # Whether each consent to marketing is still in force.
    consents: tuple[bool, ...] = ()
    events: tuple[tuple[str, int, dict[str, Any]], ...] = field(default=())


def store(person: Person, *, external_id: str | None = None) -> Any:
    """The rows of a person."""
    company = Company.objects.create(name="Empresa", size=person.size, revenue_minor=person.revenue)
    lead = Lead.objects.create(
        external_id=external_id, country=person.country, company=company, created_at=person.created_at
    )
    LeadState.objects.create(
        lead=lead,
        stage=person.stage,
        stage_at=NOW,
        score=person.score,
        grade=Grade.labels.index(person.grade),
        last_event_at=person.last_event_at,
    )
    LeadTag.objects.bulk_create(LeadTag(lead=lead, tag=tag) for tag in person.tags)
    columns = {
        "plants": ("integer_value", person.plants),
        "weight": ("decimal_value", None if person.weight is None else int(person.weight * 1_000_000)),
        "founded": ("date_value", person.founded),
        "erp": ("text_value", person.erp),
    }
    fields = custom_fields()
    for name, (column, value) in columns.items():
        if value is not None:
            CustomValue.objects.create(lead=lead, field_id=fields[name], **{column: value})
    Answer.objects.create(lead=lead, framework="bant", question="budget", met=person.budget, answered_at=NOW)
    for in_force in person.consents:
        Consent.objects.create(
            lead=lead,
            purpose="marketing",
            basis="consent",
            given_at=NOW,
            withdrawn_at=None if in_force else NOW,
        )
    Event.objects.bulk_create(
        Event(lead=lead, type=type_, occurred_at=NOW - days * DAY, properties=properties)
        for type_, days, properties in person.events
    )
    return lead


def custom_fields() -> dict[str, int]:
    """The tenant's own fields by name, made at the first call."""
    for name, type_ in {"plants": "integer", "weight": "decimal", "founded": "date", "erp": "text"}.items():
        CustomField.objects.get_or_create(name=name, defaults={"label": name.capitalize(), "type": type_})
    return dict(CustomField.objects.values_list("name", "id"))


def verdict(document: dict[str, Any], lead: Lead) -> bool | None:
    """What SQL says of a condition for one lead; a filter must agree with it."""
    condition = parse_condition(document)
    (found,) = (
        Lead.objects.filter(pk=lead.pk)
        .annotate(verdict=compile_condition(condition, now=NOW))
        .values_list("verdict", flat=True)
    )
    is_selected = Lead.objects.filter(pk=lead.pk).filter(compile_filter(condition, now=NOW)).exists()
    assert is_selected == (found is True)
    assert found is None or isinstance(found, bool)
    return found


KNOWN = Person(
    country="BR",
    size=180,
    revenue=150_000_050,
    score=42,
    grade="B-",
    stage="mql",
    last_event_at=NOW - 3 * DAY,
    tags=frozenset({"feira", "vip"}),
    plants=3,
    weight=Decimal("1.5"),
    founded=date(2026, 11, 11),
    erp="totvs",
    budget=True,
    consents=(False, True),
    events=(
        (PAGE, 1, {"path": "/planos", "seconds": 12}),
        (PAGE, 40, {"path": "/blog"}),
        (FORM, 2, {"kind": "demo"}),
    ),
)

LEAVES: list[tuple[str, str, Any, bool]] = [
    ("country", "eq", "BR", True),
    ("country", "eq", "PT", False),
    ("country", "ne", "PT", True),
    ("country", "in", ["PT", "BR"], True),
    ("country", "not_in", ["PT", "BR"], False),
    ("country", "starts_with", "B", True),
    ("country", "starts_with", "%", False),
    ("country", "contains", "r", True),
    ("country", "contains", "_", False),
    ("country", "is_known", None, True),
    ("country", "is_unknown", None, False),
    ("company_size", "eq", 180, True),
    ("company_size", "ne", 180, False),
    ("company_size", "lt", 180, False),
    ("company_size", "lte", 180, True),
    ("company_size", "gt", 179, True),
    ("company_size", "gte", 181, False),
    ("company_size", "between", [20, 180], True),
    ("company_size", "between", [181, 1000], False),
    ("company_size", "lt", 2**62, True),
    ("company_revenue", "eq", "1500000.50", True),
    ("company_revenue", "gt", 1500000, True),
    ("custom.plants", "gte", 3, True),
    ("custom.plants", "is_known", None, True),
    ("custom.weight", "between", ["1.499999", 1.5], True),
    ("custom.weight", "gt", "1.500001", False),
    ("custom.erp", "in", ["totvs", "sap"], True),
    ("custom.erp", "starts_with", "tot", True),
    ("custom.founded", "on", "2026-11-11", True),
    ("custom.founded", "before", "2026-11-11", False),
    ("custom.founded", "after", "2026-11-10", True),
    ("custom.founded", "in_last_days", 7, True),
    ("custom.founded", "in_last_days", 6, False),
    ("custom.founded", "more_than_days_ago", 6, True),
    ("custom.founded", "more_than_days_ago", 7, False),
    ("last_event_at", "in_last_days", 4, True),
    ("last_event_at", "in_last_days", 3, False),
    ("last_event_at", "more_than_days_ago", 3, True),
    ("last_event_at", "before", "2026-11-15T13:00:01Z", True),
    ("last_event_at", "before", "2026-11-15T13:00:00Z", False),
    ("last_event_at", "after", "2026-11-15T10:00:00-03:00", False),
    ("last_event_at", "on", "2026-11-15", True),
    ("last_event_at", "after", "2026-11-14", True),
    ("last_event_at", "after", "2026-11-15", False),
    ("stage", "eq", "mql", True),
    ("stage", "in", ["new", "working"], False),
    ("stage", "not_in", ["new", "working"], True),
    ("furthest_stage", "eq", "new", True),
    ("grade", "eq", "B-", True),
    ("grade", "ne", "B", True),
    ("grade", "gte", "C+", True),
    ("grade", "gt", "B-", False),
    ("grade", "lte", "B-", True),
    ("grade", "lt", "B", True),
    ("grade", "between", ["C", "A+"], True),
    ("score", "gte", 42, True),
    ("tags", "has_any", ["vip", "x"], True),
    ("tags", "has_any", ["x"], False),
    ("tags", "has_all", ["vip", "feira"], True),
    ("tags", "has_all", ["vip", "vip"], True),
    ("tags", "has_all", ["vip", "x"], False),
    ("tags", "has_none", ["x", "y"], True),
    ("tags", "has_none", ["vip"], False),
    ("answer.bant.budget", "is_true", None, True),
    ("answer.bant.budget", "is_false", None, False),
    ("consent.marketing", "is_true", None, True),
    ("consent.marketing", "is_known", None, True),
    ("created_at", "in_last_days", 30, True),
    ("owner_sdr", "is_unknown", None, True),
]


@pytest.mark.parametrize(("fact", "op", "value", "expected"), LEAVES)
def test_each_question_has_its_answer_for_a_lead_that_is_known(
    fact: str, op: str, value: Any, expected: bool
) -> None:
    lead = store(KNOWN)
    assert verdict({"fact": fact, "op": op} | ({} if value is None else {"value": value}), lead) is expected


ALWAYS_KNOWN = {"stage", "furthest_stage", "grade", "score", "tags", "created_at", "event_count"}


@pytest.mark.parametrize(
    ("fact", "op", "value"),
    [
        leaf[:3]
        for leaf in LEAVES
        if leaf[0] not in ALWAYS_KNOWN and leaf[1] not in {"is_known", "is_unknown"}
    ],
)
def test_each_question_about_what_is_missing_is_unknown(fact: str, op: str, value: Any) -> None:
    lead = store(Person())
    assert verdict({"fact": fact, "op": op} | ({} if value is None else {"value": value}), lead) is None


@pytest.mark.parametrize(
    "fact",
    ["country", "company_size", "custom.plants", "answer.bant.budget", "consent.marketing", "last_event_at"],
)
def test_whether_something_is_known_is_never_unknown(fact: str) -> None:
    lead = store(Person())
    assert verdict({"fact": fact, "op": "is_unknown"}, lead) is True
    assert verdict({"fact": fact, "op": "is_known"}, lead) is False


@pytest.mark.parametrize(
    ("fact", "op"),
    [
        *itertools.product(["country", "custom.erp", "stage"], ["in", "not_in"]),
        *itertools.product(["tags"], ["has_any", "has_all", "has_none"]),
    ],
)
def test_a_list_that_was_left_empty_gives_unknown(fact: str, op: str) -> None:
    for person in (KNOWN, Person()):
        assert verdict({"fact": fact, "op": op, "value": []}, store(person)) is None


def test_empty_tags_are_empty_and_not_unknown() -> None:
    lead = store(Person())
    assert verdict({"fact": "tags", "op": "has_any", "value": ["x"]}, lead) is False
    assert verdict({"fact": "tags", "op": "has_none", "value": ["x"]}, lead) is True


def test_consent_that_was_withdrawn_is_false() -> None:
    assert verdict({"fact": "consent.marketing", "op": "is_true"}, store(Person(consents=(False,)))) is False
    assert verdict({"fact": "consent.newsletter", "op": "is_true"}, store(Person(consents=(True,)))) is None


def test_a_question_of_a_framework_is_a_fact_with_its_label() -> None:
    labels = {fact.key: fact.label for fact in LEAD.facts()}
    with override("en"):
        assert str(labels["answer.bant.budget"]) == "BANT: Budget"
    with override("pt-br"):
        assert str(labels["answer.bant.budget"]) == "BANT: Orçamento"
    with pytest.raises(InvalidCondition, match="There is no fact"):
        parse_condition({"fact": "answer.bant.bugdet", "op": "is_true"})
    Answer.objects.create(
        lead=store(Person()), framework="bant", question="champion", met=True, answered_at=NOW
    )
    with pytest.raises(InvalidCondition, match="retired"):
        parse_condition({"fact": "answer.bant.champion", "op": "is_true"})


def count_leaf(op: str, value: int, **filters: Any) -> dict[str, Any]:
    return {"fact": "event_count", "op": op, "value": value} | filters


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, 3),
        ({"event": PAGE}, 2),
        ({"event": PAGE, "days": 40}, 1),
        ({"event": PAGE, "days": 41}, 2),
        ({"event": PAGE, "days": 1}, 0),
        ({"event": "never_seen"}, 0),
        ({"days": 3}, 2),
        ({"where": {"fact": "properties.path", "op": "starts_with", "value": "/planos"}}, 1),
        ({"where": {"fact": "properties.seconds", "op": "gte", "value": 12}}, 1),
        ({"where": {"fact": "properties.seconds", "op": "lt", "value": "12"}}, 0),
        ({"where": {"fact": "properties.kind", "op": "in", "value": ["demo", "pricing"]}}, 1),
        ({"where": {"none": [{"fact": "properties.path", "op": "eq", "value": "/planos"}]}}, 1),
        ({"where": {"fact": "properties.path", "op": "is_unknown"}}, 1),
        ({"where": {"all": [{"fact": "type", "op": "eq", "value": FORM}]}}, 1),
        ({"where": {"fact": "occurred_at", "op": "in_last_days", "value": 3}}, 2),
    ],
)
def test_events_are_counted_by_type_window_and_properties(filters: dict[str, Any], expected: int) -> None:
    lead = store(KNOWN)
    assert verdict(count_leaf("eq", expected, **filters), lead) is True
    assert verdict(count_leaf("gt", expected, **filters), lead) is False


def test_no_event_counts_as_none_and_not_as_unknown() -> None:
    assert verdict(count_leaf("lt", 1, event=PAGE), store(Person())) is True


def test_an_event_of_the_future_is_not_counted() -> None:
    lead = store(Person(events=((PAGE, -1, {}), (PAGE, 0, {}))))
    assert verdict(count_leaf("eq", 1), lead) is True


@pytest.mark.parametrize(
    ("raw", "is_number"),
    [
        *((raw, True) for raw in ("12", " 12.5 ", 12)),
        *((raw, False) for raw in (-12, "twelve", "", None, True, [13], {"a": 13}, "1e9", "9" * 400, "NaN")),
    ],
)
def test_a_property_that_is_no_number_is_unknown_as_a_number(raw: Any, is_number: bool) -> None:
    lead = store(Person(events=((PAGE, 1, {"n": raw}),)))
    at_least = {"fact": "properties.n", "op": "gte", "value": 12}
    assert verdict(count_leaf("eq", int(is_number), where=at_least), lead) is True


def test_a_day_is_a_day_of_the_tenant_not_of_utc(in_tenant: Any) -> None:
    assert in_tenant.time_zone == "America/Sao_Paulo"
    late = store(Person(last_event_at=datetime(2026, 11, 16, 2, 59, tzinfo=UTC)))
    early = store(Person(last_event_at=datetime(2026, 11, 16, 3, 0, tzinfo=UTC)))
    on = {"fact": "last_event_at", "op": "on", "value": "2026-11-15"}
    assert (verdict(on, late), verdict(on, early)) == (True, False)
    after = {"fact": "last_event_at", "op": "after", "value": "2026-11-15"}
    assert (verdict(after, late), verdict(after, early)) == (False, True)


def test_a_custom_field_is_the_tenants_own() -> None:
    with pytest.raises(InvalidCondition, match="There is no fact"):
        parse_condition({"fact": "custom.plants", "op": "gte", "value": 3})
    custom_fields()
    document = {"fact": "custom.plants", "op": "gte", "value": 3}
    assert to_document(parse_condition(document)) == document


def test_a_retired_custom_field_still_counts_and_is_not_offered() -> None:
    lead = store(KNOWN)
    document = {"fact": "custom.plants", "op": "gte", "value": 3}
    CustomField.objects.filter(name="plants").update(retired_at=NOW)
    with pytest.raises(InvalidCondition, match="retired"):
        parse_condition(document)
    condition = parse_condition(document, allow_retired=True)
    assert Lead.objects.filter(compile_filter(condition, now=NOW)).get() == lead
    assert "custom.plants" not in [fact.key for fact in LEAD.facts()]
    assert "custom.erp" in [fact.key for fact in LEAD.facts()]


TRUE = {"fact": "country", "op": "eq", "value": "BR"}
FALSE = {"fact": "country", "op": "eq", "value": "PT"}
UNKNOWN = {"fact": "company_size", "op": "gte", "value": 20}


@pytest.mark.parametrize(
    ("parts", "in_all", "in_any", "in_none"),
    [
        ([TRUE], True, True, False),
        ([FALSE], False, False, True),
        ([UNKNOWN], None, None, None),
        ([TRUE, TRUE], True, True, False),
        ([TRUE, FALSE], False, True, False),
        ([TRUE, UNKNOWN], None, True, False),
        ([FALSE, FALSE], False, False, True),
        ([FALSE, UNKNOWN], False, None, None),
        ([UNKNOWN, UNKNOWN], None, None, None),
    ],
)
def test_groups_follow_the_three_valued_truth_tables(
    parts: list[dict[str, Any]], in_all: bool | None, in_any: bool | None, in_none: bool | None
) -> None:
    lead = store(Person(country="BR"))
    for order in (parts, parts[::-1]):
        assert verdict({"all": order}, lead) is in_all
        assert verdict({"any": order}, lead) is in_any
        assert verdict({"none": order}, lead) is in_none
        assert verdict({"none": [{"none": order}]}, lead) is in_any


def test_a_truth_can_be_asked_for_each_of_its_three_values() -> None:
    lead = store(Person(country="BR"))
    rows = Lead.objects.filter(pk=lead.pk)
    for document, expected in ((TRUE, "true"), (FALSE, "false"), (UNKNOWN, "unknown")):
        truth = compile_condition(parse_condition(document), now=NOW)
        tests = {"true": IsTrue(truth), "false": IsFalse(truth), "unknown": IsUnknown(truth)}
        assert [name for name, test in tests.items() if rows.filter(test).exists()] == [expected]
        assert rows.filter(IsKnown(truth)).exists() == (expected != "unknown")


# A second evaluator, for comparison only: Kleene's logic over a Person.

Reference = Callable[[Person], bool | None]


def lifted(read: Callable[[Person], Any], test: Callable[[Any], bool]) -> Reference:
    def evaluate(person: Person) -> bool | None:
        value = read(person)
        return None if value is None else test(value)

    return evaluate


def counted(event: str, days: int) -> Callable[[Person], int]:
    return lambda person: sum(1 for type_, ago, _ in person.events if type_ == event and 0 <= ago < days)


NUMBERS: dict[str, Callable[[Person], Any]] = {
    "company_size": lambda person: person.size,
    "score": lambda person: person.score,
    "custom.plants": lambda person: person.plants,
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}
COUNTRIES, TAGS, SMALL = ["BR", "PT", "US"], ["a", "b", "c"], st.integers(0, 4)


@st.composite
def number_leaves(draw: st.DrawFn) -> tuple[dict[str, Any], Reference]:
    fact, op, value = draw(st.sampled_from(list(NUMBERS))), draw(st.sampled_from(list(COMPARE))), draw(SMALL)
    return {"fact": fact, "op": op, "value": value}, lifted(
        NUMBERS[fact], lambda known: COMPARE[op](known, value)
    )


@st.composite
def list_leaves_(draw: st.DrawFn) -> tuple[dict[str, Any], Reference]:
    values = draw(st.lists(st.sampled_from(COUNTRIES), max_size=2))
    op = draw(st.sampled_from(["in", "not_in"]))
    document = {"fact": "country", "op": op, "value": values}
    if not values:
        return document, lambda person: None
    return document, lifted(lambda person: person.country, lambda known: (known in values) == (op == "in"))


@st.composite
def tag_leaves(draw: st.DrawFn) -> tuple[dict[str, Any], Reference]:
    wanted = draw(st.sets(st.sampled_from(TAGS), min_size=1))
    op = draw(st.sampled_from(["has_any", "has_all", "has_none"]))
    tests: dict[str, Reference] = {
        "has_any": lambda person: bool(person.tags & wanted),
        "has_all": lambda person: wanted <= person.tags,
        "has_none": lambda person: not person.tags & wanted,
    }
    return {"fact": "tags", "op": op, "value": sorted(wanted)}, tests[op]


@st.composite
def knowing_leaves(draw: st.DrawFn) -> tuple[dict[str, Any], Reference]:
    fact = draw(st.sampled_from(["company_size", "custom.plants"]))
    op = draw(st.sampled_from(["is_known", "is_unknown"]))
    return {"fact": fact, "op": op}, lambda person: (NUMBERS[fact](person) is None) == (op == "is_unknown")


@st.composite
def other_leaves(draw: st.DrawFn) -> tuple[dict[str, Any], Reference]:
    value, days, grade = draw(SMALL), draw(st.integers(1, 5)), draw(st.sampled_from(Grade.labels))
    met = draw(st.booleans())
    drawn: tuple[dict[str, Any], Reference] = draw(
        st.sampled_from(
            [
                (
                    count_leaf("gte", value, event=PAGE, days=days),
                    lifted(counted(PAGE, days), lambda known: known >= value),
                ),
                (
                    {"fact": "grade", "op": "gte", "value": grade},
                    lambda person: Grade.labels.index(person.grade) >= Grade.labels.index(grade),
                ),
                (
                    {"fact": "answer.bant.budget", "op": "is_true" if met else "is_false"},
                    lifted(lambda person: person.budget, lambda known: known is met),
                ),
                (
                    {"fact": "consent.marketing", "op": "is_true"},
                    lambda person: any(person.consents) if person.consents else None,
                ),
                (
                    {"fact": "last_event_at", "op": "in_last_days", "value": days},
                    lifted(
                        lambda person: person.last_event_at, lambda known: NOW - days * DAY < known <= NOW
                    ),
                ),
            ]
        )
    )
    return drawn


def all_of(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def opposite(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def group(connective: str, parts: list[tuple[dict[str, Any], Reference]]) -> tuple[dict[str, Any], Reference]:
    def evaluate(person: Person) -> bool | None:
        verdicts = [reference(person) for _document, reference in parts]
        if connective == "all":
            return all_of(verdicts)
        none = all_of([opposite(verdict) for verdict in verdicts])
        return none if connective == "none" else opposite(none)

    return {connective: [document for document, _reference in parts]}, evaluate


LEAF_TREES = st.one_of(number_leaves(), list_leaves_(), tag_leaves(), knowing_leaves(), other_leaves())


def trees(depth: int = 4) -> st.SearchStrategy[tuple[dict[str, Any], Reference]]:
    if depth == 0:
        return LEAF_TREES
    parts = st.lists(trees(depth - 1), min_size=1, max_size=3)
    return LEAF_TREES | st.builds(group, st.sampled_from(["all", "any", "none"]), parts)


PERSONS = st.builds(
    Person,
    country=st.none() | st.sampled_from(COUNTRIES),
    size=st.none() | SMALL,
    score=SMALL,
    grade=st.sampled_from(Grade.labels),
    last_event_at=st.none() | st.integers(0, 6).map(lambda days: NOW - days * DAY),
    tags=st.frozensets(st.sampled_from(TAGS)),
    plants=st.none() | SMALL,
    budget=st.none() | st.booleans(),
    consents=st.lists(st.booleans(), max_size=2).map(tuple),
    events=st.lists(st.tuples(st.sampled_from([PAGE, FORM]), st.integers(0, 5), st.just({})), max_size=5).map(
        tuple
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(persons=st.lists(PERSONS, min_size=1, max_size=6), grown=st.lists(trees(), min_size=1, max_size=6))
def test_sql_agrees_with_kleene_on_any_tree_and_any_lead(
    persons: list[Person], grown: list[tuple[dict[str, Any], Reference]]
) -> None:
    with transaction.atomic():
        for person in persons:
            store(person)
        conditions = [parse_condition(document) for document, _reference in grown]
        columns = {f"c{i}": compile_condition(condition, now=NOW) for i, condition in enumerate(conditions)}
        rows = Lead.objects.order_by("pk").annotate(**columns).values_list(*columns)
        expected = [tuple(reference(person) for _document, reference in grown) for person in persons]
        assert list(rows) == expected
        for place, condition in enumerate(conditions):
            selected = set(
                Lead.objects.filter(compile_filter(condition, now=NOW)).values_list("pk", flat=True)
            )
            ids = Lead.objects.order_by("pk").values_list("pk", flat=True)
            assert selected == {pk for pk, row in zip(ids, expected, strict=True) if row[place] is True}
        transaction.set_rollback(True)


HOSTILE = ["'; DROP TABLE leads_lead; --", '" OR 1=1 --', "%s", "%(x)s", "{}", "\\'", "$1", "${now}", "a%%b"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_value_is_only_a_value(text: str) -> None:
    other, lead = store(Person(country="BR")), store(Person(country=None, erp=text, tags=frozenset({text})))
    for document in (
        {"fact": "custom.erp", "op": "eq", "value": text},
        {"fact": "custom.erp", "op": "in", "value": [text]},
        {"fact": "custom.erp", "op": "starts_with", "value": text},
        {"fact": "custom.erp", "op": "contains", "value": text},
        {"fact": "tags", "op": "has_any", "value": [text]},
    ):
        assert verdict(document, lead) is True
        assert verdict(document, other) is not True


def hostile_statement(text: str) -> Statement:
    condition = parse_condition(
        {
            "all": [
                {"fact": "custom.erp", "op": "in", "value": [text]},
                {"fact": "city", "op": "contains", "value": text},
                {"fact": "tags", "op": "has_all", "value": [text, "other"]},
                count_leaf("gte", 1, where={"fact": "properties.x", "op": "ne", "value": text}),
            ]
        }
    )
    truth = compile_condition(condition, now=Param("now"))
    return Statement.of(Lead.objects.annotate(v=truth).values_list("pk", "v"))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_stands_in_the_text(text: str) -> None:
    custom_fields()
    statement = hostile_statement(text)
    assert statement.sql == hostile_statement("harmless").sql
    assert text in statement.bind(now=NOW)
    assert statement.rows(now=NOW) == []


def test_the_hash_knows_the_type_of_a_custom_field() -> None:
    fields = custom_fields()
    document = {"fact": "custom.plants", "op": "is_known"}
    before = content_hash(parse_condition(document))
    CustomField.objects.filter(pk=fields["plants"]).update(type="text")
    assert content_hash(parse_condition(document)) != before


def test_a_fact_can_be_replaced_by_a_value_that_is_not_stored_yet() -> None:
    lead = store(Person(score=10))
    condition = parse_condition({"all": [{"fact": "score", "op": "gte", "value": 50}]})
    replaced = compile_condition(condition, now=NOW, replacing={"score": F("planned")})
    rows = Lead.objects.filter(pk=lead.pk).annotate(planned=Bind(60, BigIntegerField()), v=replaced)
    assert rows.values_list("v", flat=True).get() is True
    assert verdict({"fact": "score", "op": "gte", "value": 50}, lead) is False


# Explanations

GATE = {
    "all": [
        {"fact": "score", "op": "gte", "value": 50},
        {"fact": "grade", "op": "gte", "value": "C"},
        {"any": [UNKNOWN, FALSE]},
    ]
}


def test_an_explanation_has_the_verdict_and_the_input_of_every_node() -> None:
    lead = store(Person(country="BR", score=1042, grade="C+"))
    with override("en"):
        told = explain_condition(parse_condition(GATE), lead_id=lead.pk, now=NOW)
    assert (told.kind, told.verdict_word) == ("all", "unknown")
    assert told.sentence == (
        "score is 50 or more and grade is C or better and (company size is 20 or more or country is PT)"
    )
    score, grade, either = told.parts
    assert (score.verdict, score.inputs[0].label, score.inputs[0].value, score.inputs[0].text) == (
        True,
        "Score",
        1042,
        "1,042",
    )
    assert (grade.verdict, grade.inputs[0].value) == (True, "C+")
    assert (either.kind, either.verdict) == ("any", None)
    assert [(part.verdict_word, part.inputs[0].text) for part in either.parts] == [
        ("unknown", "unknown"),
        ("false", "BR"),
    ]
    assert json.loads(json.dumps(told.as_json()))["parts"][2]["verdict"] == "unknown"
    assert [read.fact for read in told.all_inputs()] == ["score", "grade", "company_size", "country"]


def test_inputs_of_every_type_read_well() -> None:
    lead = store(KNOWN)
    leaves = {
        "company_revenue": ("gt", 1, "1500000.5", "1,500,000.5"),
        "custom.weight": ("gt", 1, "1.5", "1.5"),
        "custom.founded": ("after", "2020-01-01", "2026-11-11", "Nov. 11, 2026"),
        "tags": ("has_any", ["x"], ("feira", "vip"), "feira and vip"),
        "stage": ("eq", "sql", "mql", "MQL"),
        "answer.bant.budget": ("is_false", None, True, "yes"),
        "event_count": ("gte", 1, 3, "3"),
    }
    documents = {
        key: {"fact": key, "op": op} | ({} if value is None else {"value": value})
        for key, (op, value, _shown, _text) in leaves.items()
    }
    conditions = {key: parse_condition(document) for key, document in documents.items()}
    with (
        override("en"),
        CaptureQueriesContext(
            connection,
        ) as queries,
    ):
        told = explain_conditions(conditions, lead_id=lead.pk, now=NOW)
    assert len(queries) == 1
    read = {key: (told[key].inputs[0].value, told[key].inputs[0].text) for key in leaves}
    assert read == {key: (shown, text) for key, (_op, _value, shown, text) in leaves.items()}


def test_a_stored_record_explains_what_was_true_then() -> None:
    lead = store(Person(score=60, country="BR"))
    condition = parse_condition({"all": [{"fact": "score", "op": "gte", "value": 50}, TRUE]})
    record = (
        Lead.objects.annotate(r=record_condition(condition, now=NOW))
        .values_list("r", flat=True)
        .get(pk=lead.pk)
    )
    LeadState.objects.filter(lead=lead).update(score=0)
    kept = json.loads(json.dumps(record))
    assert kept == [[True, 60], [True, "BR"]]
    assert explain_record(condition, kept).verdict is True
    assert explain_condition(condition, lead_id=lead.pk, now=NOW).verdict is False


def test_many_conditions_are_explained_in_two_queries() -> None:
    lead = store(KNOWN)
    conditions = {index: parse_condition(GATE) for index in range(20)}
    with CaptureQueriesContext(connection) as queries:
        told = explain_conditions(conditions, lead_id=lead.pk, now=NOW)
    assert len(queries) == 2
    assert {explanation.verdict for explanation in told.values()} == {False}


def test_the_largest_condition_can_be_explained() -> None:
    lead = store(Person(country="BR", score=5))
    leaves = [{"fact": "score", "op": "ne", "value": value} for value in range(99)]
    document: dict[str, Any] = {"all": [{"any": [TRUE]}, *leaves]}
    told = explain_condition(parse_condition(document), lead_id=lead.pk, now=NOW)
    assert told.verdict is False
    assert [part.verdict for part in told.parts].count(False) == 1
    assert texts(document, lead) == ["score is not 5 (now 5)"]


def test_a_lead_that_does_not_exist_cannot_be_explained() -> None:
    with pytest.raises(NoSuchLead):
        explain_condition(parse_condition(TRUE), lead_id=2**40, now=NOW)


def texts(document: dict[str, Any], lead: Lead, limit: int = 3) -> list[str]:
    with override("en"):
        changes = smallest_changes(parse_condition(document), lead_id=lead.pk, now=NOW, limit=limit)
    return [change.text for change in changes]


def test_the_smallest_change_is_one_leaf_where_one_is_enough() -> None:
    lead = store(Person(country="BR", size=180, score=42, grade="C+"))
    assert texts(GATE, lead) == ["score is 50 or more (now 42)"]


def test_the_smallest_changes_are_pairs_where_one_is_not_enough() -> None:
    lead = store(Person(country="BR", score=42, grade="C+"))
    assert texts(GATE, lead) == [
        "score is 50 or more (now 42) and company size is 20 or more (now unknown)",
        "score is 50 or more (now 42) and country is PT (now BR)",
    ]
    assert len(texts(GATE, lead, limit=1)) == 1


def test_under_none_a_leaf_has_to_become_false() -> None:
    lead = store(Person(country="BR", tags=frozenset({"vip"})))
    assert texts({"none": [TRUE, FALSE]}, lead) == ["country is not BR (now BR)"]
    assert texts({"none": [{"fact": "tags", "op": "has_any", "value": ["vip"]}]}, lead) == [
        "tags include none of vip (now vip)"
    ]
    assert texts({"none": [UNKNOWN]}, lead) == ["company size is less than 20 (now unknown)"]


def test_nothing_has_to_change_where_the_condition_holds() -> None:
    assert texts(TRUE, store(Person(country="BR"))) == []


def test_three_changes_at_once_are_not_offered() -> None:
    document = {"all": [{"fact": "score", "op": "gte", "value": bound} for bound in (10, 20, 30)]}
    assert texts(document, store(Person(score=0))) == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(person=PERSONS, grown=trees())
def test_explanations_agree_with_the_condition_itself(
    person: Person, grown: tuple[dict[str, Any], Reference]
) -> None:
    with transaction.atomic():
        lead = store(person)
        condition = parse_condition(grown[0])
        told = explain_condition(condition, lead_id=lead.pk, now=NOW)
        assert told.verdict is verdict(grown[0], lead)
        assert bool(describe_condition(condition))
        changes = smallest_changes(condition, lead_id=lead.pk, now=NOW)
        assert not (told.verdict and changes)
        assert len(changes) <= 3
        transaction.set_rollback(True)


# Statements

IDS: Any = ArrayField(BigIntegerField())


def scored_statement() -> Statement:
    condition = parse_condition({"all": [TRUE, count_leaf("gte", 1, event=PAGE, days=30)]})
    rows = (
        Lead.objects.filter(InList(F("pk"), Param("lead_ids", IDS)))
        .annotate(v=compile_condition(condition, now=Param("now")))
        .order_by("pk")
    )
    return Statement.of(rows.values_list("pk", "v"))


def test_a_statement_runs_again_and_again_with_other_values() -> None:
    known, new = store(KNOWN), store(Person())
    statement = scored_statement()
    assert statement.names == {"lead_ids", "now"}
    assert statement.rows(lead_ids=[known.pk, new.pk], now=NOW) == [(known.pk, True), (new.pk, False)]
    assert statement.rows(lead_ids=[known.pk], now=NOW + 60 * DAY) == [(known.pk, False)]
    assert statement.rows(lead_ids=[], now=NOW) == []


def test_a_statement_is_prepared_once_whatever_the_size_of_its_numbers() -> None:
    statement = scored_statement()
    for lead_ids in ([1], [2**15, 2], [2**40, 3, 4]):
        statement.rows(lead_ids=lead_ids, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements")
        assert cursor.fetchone() == (1, 3, 0)


def test_statements_are_composed_into_one_that_writes() -> None:
    lead = store(KNOWN)
    statement = Statement.compose(
        "WITH plan (lead_id, is_met) AS ({plan}) "
        "UPDATE leads_leadstate s SET score = s.score + {points} FROM plan "
        "WHERE s.lead_id = plan.lead_id AND plan.is_met AND '100%' LIKE '1%' AND '{{}}'::jsonb IS NOT NULL",
        plan=scored_statement(),
        points=Param("points", BigIntegerField()),
    )
    assert statement.execute(lead_ids=[lead.pk], now=NOW, points=8) == 1
    assert LeadState.objects.get(lead=lead).score == 50


def test_a_statement_asks_for_the_values_it_needs() -> None:
    statement = scored_statement()
    with pytest.raises(TypeError, match="needs lead_ids"):
        statement.bind(now=NOW)
    with pytest.raises(TypeError, match="no place for other"):
        Statement.compose("SELECT 1", other=statement)


def test_an_error_of_a_statement_is_djangos_own() -> None:
    statement = Statement.compose("SELECT {text}::bigint", text=Param("text", TextField()))
    with pytest.raises(DataError), transaction.atomic():
        statement.rows(text="not a number")


def test_a_statement_is_seen_by_whoever_counts_queries() -> None:
    statement = scored_statement()
    with CaptureQueriesContext(connection) as queries:
        statement.rows(lead_ids=[1], now=NOW)
    assert len(queries) == 1


def test_a_cached_statement_is_built_once() -> None:
    built: list[int] = []

    def build() -> Statement:
        built.append(1)
        return scored_statement()

    assert cached_statement(key="test.built-once", build=build) is cached_statement(
        key="test.built-once", build=build
    )
    assert built == [1]


# The builder


def test_the_builder_gets_every_fact_with_its_operators_and_choices() -> None:
    custom_fields()
    with override("en"):
        vocabulary = json.loads(json.dumps(builder_vocabulary()))
    facts = {fact["key"]: fact for fact in vocabulary["facts"]}
    assert {
        "score",
        "grade",
        "stage",
        "tags",
        "custom.plants",
        "event_count",
        "consent.marketing",
    } <= facts.keys()
    assert facts["stage"]["choices"][1] == {"value": "mql", "label": "MQL"}
    assert facts["custom.plants"] == {
        "key": "custom.plants",
        "label": "Plants",
        "group": "Own fields",
        "type": "integer",
        "fast": True,
        "always_known": False,
        "counts_events": False,
        "choices": None,
        "suggests": False,
    }
    assert all(fact["type"] in vocabulary["operators"] for fact in facts.values())
    integer = {operator["op"]: operator["arity"] for operator in vocabulary["operators"]["integer"]}
    assert integer == {
        "eq": 1, "ne": 1, "lt": 1, "lte": 1, "gt": 1, "gte": 1, "between": 2, "is_known": 0, "is_unknown": 0,
    }  # fmt: skip
    assert {fact["key"] for fact in vocabulary["event_facts"]} == {"type", "occurred_at"}
    assert "properties." in [family["prefix"] for family in vocabulary["event_families"]]


def test_every_listed_fact_can_be_read() -> None:
    store(KNOWN)
    custom_fields()
    facts = LEAD.facts()
    questions = {
        fact.key: {"fact": fact.key, "op": next(op for op in ("is_known", "is_true") if fact.operator(op))}
        if fact.operator("is_known") or fact.operator("is_true")
        else {"fact": fact.key, "op": fact.operators[0].key, "value": sample(fact)}
        for fact in facts
    }
    conditions = {key: parse_condition(document) for key, document in questions.items()}
    lead = Lead.objects.get()
    assert read_records(conditions, lead_id=lead.pk, now=NOW).keys() == {fact.key for fact in facts}


def sample(fact: Any) -> Any:
    samples = {
        "grade": "B",
        "stage": Stage.NEW.value,
        "furthest_stage": "new",
        "tags": ["x"],
        "created_at": "2026-01-01",
    }
    return samples.get(fact.key, ["x"] if fact.operators[0].arity == "list" else 1)
