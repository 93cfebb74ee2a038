"""The list of leads: filters, orders, pages by key, counts."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads import listing
from leads.listing import InvalidListQuery, ListTooSlow, count_leads, list_leads, read_list_query
from leads.models import CustomField, CustomValue, Lead, LeadState, LeadTag, Origin
from leads.paging import ORDERS, PageRead
from leads.rows import list_lead_rows
from tenancy.listing import COUNTED_TO, Count
from tenancy.models import Membership
from tests.builders import make_company, make_event, make_lead
from tests.conftest import NOW
from tests.leads.people import make_rep, make_sdr, mql_of, sql_of

pytestmark = pytest.mark.usefixtures("in_tenant")


def found(*member: Membership, **parameters: str) -> list[int]:
    """The ids on the first page, as this member sees it or somebody."""
    query = read_list_query(parameters=parameters, member=next(iter(member), Membership()))
    return list_leads(query=query, now=NOW).lead_ids


def ids(*leads: Lead) -> list[int]:
    return [lead.pk for lead in leads]


def test_without_a_filter_the_newest_lead_comes_first() -> None:
    old, new = make_lead(created_at=NOW - timedelta(days=2)), make_lead(created_at=NOW)
    assert found() == ids(new, old)


def test_by_stage_one_or_several() -> None:
    new, mql, sql = make_lead(), mql_of(None), sql_of(None)
    assert found(stage="mql") == ids(mql)
    assert set(found(stage="mql, sql")) == {mql.pk, sql.pk}
    assert set(found(stage="")) == {new.pk, mql.pk, sql.pk}


def test_by_owner_it_is_who_holds_the_stage_that_counts() -> None:
    sdr, rep = make_sdr(), make_rep()
    mql, free = mql_of(sdr), mql_of(None)
    sql = sql_of(rep, sdr=sdr)
    assert found(owner=str(sdr.pk)) == ids(mql)
    assert found(owner=rep.email.upper()) == ids(sql)
    assert found(sdr, owner="me") == ids(mql)
    assert found(owner="none") == ids(free)
    assert found(owner="ninguem@horizonte.test") == []


def test_by_origin_in_any_spelling() -> None:
    lead = make_lead(origin="organic_search")
    make_lead(origin="paid_search")
    make_lead(origin=None)
    assert found(origin=" Organic-Search ") == ids(lead)


def test_by_lowest_score_and_grade() -> None:
    low, high = make_lead(score=10, grade="C"), make_lead(score=60, grade="B+")
    assert found(score_min="11") == ids(high)
    assert set(found(score_min="-5")) == {low.pk, high.pk}
    assert found(grade_min="B") == ids(high)
    assert found(grade_min="B+") == ids(high)
    assert found(grade_min="b ") == ids(high)
    assert found(grade_min="9") == ids(high)
    assert found(grade_min="A-") == []


def test_by_exact_external_id_and_email() -> None:
    lead = make_lead(external_id="crm-17", email="ana@empresa.com.br")
    make_lead(external_id="crm-170", email="mariana@empresa.com.br")
    assert found(external_id="crm-17") == ids(lead)
    assert found(email=" ANA@empresa.com.br ") == ids(lead)


def test_by_a_condition_of_the_builder() -> None:
    big, small = make_lead(company=make_company(size=500)), make_lead(company=make_company(size=5))
    make_lead()
    make_event(lead=big, type="pricing_viewed")
    size = '{"fact": "company_size", "op": "gte", "value": 100}'
    visits = '{"fact": "event_count", "event": "pricing_viewed", "op": "eq", "value": 0}'
    assert found(filter=size) == ids(big)
    assert big.pk not in found(filter=visits)
    assert found(filter=f'{{"all": [{visits}, {{"none": [{size}]}}]}}') == ids(small)


def test_by_a_custom_field() -> None:
    field = CustomField.objects.create(name="plants", label="Plants", type="integer")
    lead = make_lead()
    make_lead()
    CustomValue.objects.create(lead=lead, field=field, integer_value=3)
    assert found(filter='{"fact": "custom.plants", "op": "gte", "value": 3}') == ids(lead)


def test_filters_add_up() -> None:
    lead = make_lead(stage="mql", score=80, origin="webinar")
    make_lead(stage="mql", score=20, origin="webinar")
    make_lead(stage="new", score=80, origin="webinar")
    make_lead(stage="mql", score=80, origin="event")
    assert found(stage="mql", score_min="50", origin="webinar") == ids(lead)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"stage": "mql,lost"}, "stage"),
        ({"score_min": "many"}, "score_min"),
        ({"score_min": "1.5"}, "score_min"),
        ({"score_min": "9" * 40}, "score_min"),
        ({"grade_min": "G"}, "grade_min"),
        ({"order": "email"}, "order"),
        ({"filter": "{"}, "filter"),
        ({"filter": "[" * 5000}, "filter"),
        ({"filter": '{"fact": "shoe_size", "op": "eq", "value": 1}'}, "filter.fact"),
        ({"q": "a\x00b"}, "q"),
    ],
)
def test_what_the_list_does_not_know_is_refused_by_name(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidListQuery) as refusal:
        found(**parameters)
    assert [problem.field for problem in refusal.value.errors] == [field]


def make_varied_leads() -> list[Lead]:
    """Leads with equal and missing values in every order."""
    names = ["bia", None, "ana", "bia", None, "caio", "ana", None, "dora"]
    leads = []
    for number, name in enumerate(names):
        moment = NOW - timedelta(days=number % 4)
        leads.append(
            make_lead(
                name=name,
                name_key=name,
                score=number % 3 * 10,
                grade=("C", "B", "A")[number % 3],
                created_at=moment,
                stage_at=moment,
            )
        )
    return leads


def expected(leads: list[Lead], order: str) -> list[int]:
    """The whole list by plain sorting: a missing value last, equal values by id in the same direction."""
    column, turned = order.removeprefix("-"), order.startswith("-")

    def key(lead: Lead) -> Any:
        holder: Any = lead if column in {"created_at", "name"} else lead.standing
        return getattr(holder, "name_key" if column == "name" else column)

    with_value = sorted(
        (lead for lead in leads if key(lead) is not None), key=lambda x: (key(x), x.pk), reverse=turned
    )
    without = sorted((lead for lead in leads if key(lead) is None), key=lambda x: x.pk, reverse=turned)
    return ids(*with_value, *without)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_pages_forth_and_back_show_every_lead_once_in_every_order(order: str, size: int) -> None:
    leads = [Lead.objects.select_related("standing").get(pk=lead.pk) for lead in make_varied_leads()]
    pages, back = forth_and_back({"order": order}, size)
    assert [lead_id for page_ids in pages for lead_id in page_ids] == expected(leads, order)
    assert back == pages


def forth_and_back(parameters: dict[str, str], size: int) -> tuple[list[list[int]], list[list[int]]]:
    """The pages from the first to the last, and as they are on the way back."""
    pages: list[list[int]] = []
    cursor, previous = "", ""
    while True:
        query = read_list_query(parameters=parameters | {"cursor": cursor}, member=Membership(), size=size)
        page = list_leads(query=query, now=NOW)
        pages.append(page.lead_ids)
        previous = page.previous_cursor or ""
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    back = [pages[-1]]
    while previous:
        query = read_list_query(parameters=parameters | {"cursor": previous}, member=Membership(), size=size)
        page = list_leads(query=query, now=NOW)
        back.insert(0, page.lead_ids)
        assert page.next_cursor is not None
        previous = page.previous_cursor or ""
    return pages, back


@pytest.mark.parametrize(
    ("column", "parameters"),
    [
        ("score", {"score_min": "10"}),
        ("grade", {"grade_min": "B"}),
        ("created_at", {"filter": '{"fact": "created_at", "op": "more_than_days_ago", "value": 1}'}),
        ("stage_at", {"filter": '{"fact": "stage_at", "op": "in_last_days", "value": 2}'}),
        ("score", {"filter": '{"fact": "score", "op": "between", "value": [10, 10]}'}),
    ],
    ids=str,
)
def test_a_bound_on_the_column_of_the_order_holds_on_every_page(
    column: str, parameters: dict[str, str]
) -> None:
    leads = [Lead.objects.select_related("standing").get(pk=lead.pk) for lead in make_varied_leads()]
    matching = set(found(stage="new", **parameters))
    assert 2 < len(matching) < len(leads)
    for order in (column, f"-{column}"):
        pages, back = forth_and_back(parameters | {"order": order, "stage": "new"}, size=2)
        assert [each for page in pages for each in page] == [
            lead_id for lead_id in expected(leads, order) if lead_id in matching
        ]
        assert back == pages


FILTERS: list[dict[str, Any]] = [
    {"stage": "mql,sql"},
    {"owner": "none"},
    {"origin": "fair"},
    {"score_min": "10"},
    {"grade_min": "B"},
    {"origin": "fair", "score_min": "10"},
    {"stage": "mql,new", "score_min": "10", "owner": "none"},
    {"stage": "mql,sql", "origin": "fair"},
    {"filter": '{"fact": "tags", "op": "has_any", "value": ["vip"]}'},
    {"filter": '{"fact": "tags", "op": "has_any", "value": ["vip", "cold"]}'},
    {"filter": '{"fact": "tags", "op": "has_none", "value": ["vip"]}'},
    {"filter": '{"fact": "custom.plants", "op": "gte", "value": 4}'},
    {"filter": '{"fact": "custom.plants", "op": "eq", "value": 4}'},
    {"filter": '{"fact": "custom.plants", "op": "is_unknown"}'},
    {"filter": '{"fact": "created_at", "op": "in_last_days", "value": 2}'},
    {
        "filter": '{"any": [{"fact": "score", "op": "gte", "value": 20}, {"fact": "origin", "op": "eq", "value": "fair"}]}'
    },
    {"filter": '{"none": [{"fact": "grade", "op": "eq", "value": "B"}]}', "origin": "fair"},
]


@pytest.fixture
def labelled_leads() -> list[Lead]:
    """The varied leads with what the filters ask for, each true of some and not of others."""
    leads = make_varied_leads()
    plants = CustomField.objects.create(name="plants", label="Plants", type="integer")
    for number, lead in enumerate(leads):
        Lead.objects.filter(pk=lead.pk).update(origin="fair" if number % 2 else None)
        LeadState.objects.filter(pk=lead.pk).update(stage=("mql", "sql", "new")[number % 3])
        if number % 4 < 2:
            LeadTag.objects.create(lead=lead, tag="vip")
        if number % 4 == 1:
            LeadTag.objects.create(lead=lead, tag="cold")
        if number > 1:
            CustomValue.objects.create(lead=lead, field=plants, integer_value=number)
    LeadState.objects.filter(pk=leads[0].pk).update(owner_sdr=make_sdr().pk)
    return [Lead.objects.select_related("standing").get(pk=lead.pk) for lead in leads]


# How many leads of a stage are few; how many of all are, and are soon made a set of; how many are passed before all that match
# are gathered.
WAYS = {
    "looked up by their ids": (1000, "SELECT %s::bigint AS most, 1000::bigint AS few", 1000),
    "the order walked past a set of them": (0, "SELECT %s::bigint AS most, 0::bigint AS few", 1000),
    "the order walked and each lead asked": (0, "SELECT %s::bigint * 0 AS most, 0::bigint AS few", 1000),
    "a set that lies far along the order": (0, "SELECT %s::bigint AS most, 0::bigint AS few", 1),
    "very many that lie far along the order": (0, "SELECT %s::bigint * 0 AS most, 0::bigint AS few", 1),
}


@pytest.mark.parametrize("parameters", FILTERS, ids=str)
def test_each_way_to_find_a_page_finds_the_same_leads_in_the_same_order(
    labelled_leads: list[Lead], monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str]
) -> None:
    matching = set(found(**parameters))
    assert 0 < len(matching) < len(labelled_leads)
    for few, limit, order in product((0, 1, 1000), (1, 1000), ("-score", "created_at", "name")):
        monkeypatch.setattr("leads.standing_pages.FEW", few)
        query = read_list_query(parameters=parameters | {"order": order}, member=Membership())
        count = count_leads(query=query, now=NOW, limit=limit)
        assert count == Count.up_to(len(matching), limit=limit)
    for few, bounds, passed in WAYS.values():
        monkeypatch.setattr("leads.standing_pages.FEW", few)
        for module in ("matching", "fact_pages"):
            monkeypatch.setattr(f"leads.{module}.BOUNDS", bounds)
        for module in ("paging", "standing_pages"):
            monkeypatch.setattr(f"leads.{module}.most_passed", lambda _steps, _rows, most=passed: most)
        for order in ("score", "-grade", "-stage_at", "-created_at", "-name"):
            whole = [lead_id for lead_id in expected(labelled_leads, order) if lead_id in matching]
            assert found(**parameters, order=order) == whole
            first = read_list_query(parameters=parameters | {"order": order}, member=Membership(), size=2)
            cursor = list_leads(query=first, now=NOW).next_cursor
            if cursor:
                assert found(**parameters, order=order, cursor=cursor) == whole[2:]


def test_the_standing_is_as_old_as_its_lead() -> None:
    lead = make_lead(created_at=NOW)
    assert LeadState.objects.get(pk=lead.pk).created_at == NOW
    Lead.objects.filter(pk=lead.pk).update(created_at=NOW - timedelta(days=3))
    assert LeadState.objects.get(pk=lead.pk).created_at == NOW - timedelta(days=3)


def test_a_tag_and_an_own_value_are_as_old_as_their_lead_whichever_it_is() -> None:
    lead, other = make_lead(created_at=NOW), make_lead(created_at=NOW - timedelta(days=9))
    field = CustomField.objects.create(name="plants", label="Plants", type="integer")
    LeadTag.objects.create(lead=lead, tag="vip")
    CustomValue.objects.create(lead=lead, field=field, integer_value=3)
    for changed, created_at in (
        (lambda: None, NOW),
        (
            lambda: Lead.objects.filter(pk=lead.pk).update(created_at=NOW - timedelta(days=3)),
            NOW - timedelta(days=3),
        ),
        (lambda: [model.objects.update(lead=other) for model in (LeadTag, CustomValue)], other.created_at),
    ):
        changed()
        assert [model.objects.get().created_at for model in (LeadTag, CustomValue)] == [created_at] * 2


def test_a_lead_that_comes_in_between_shifts_no_page() -> None:
    first, second, third = (make_lead(created_at=NOW - timedelta(days=day)) for day in (1, 2, 3))
    query = read_list_query(parameters={}, member=Membership(), size=2)
    page = list_leads(query=query, now=NOW)
    assert page.lead_ids == ids(first, second)
    make_lead(created_at=NOW)
    after = read_list_query(parameters={"cursor": page.next_cursor or ""}, member=Membership(), size=2)
    assert list_leads(query=after, now=NOW).lead_ids == ids(third)


def test_a_cursor_that_was_tampered_with_or_is_of_another_order_is_refused() -> None:
    make_lead(), make_lead()
    query = read_list_query(parameters={"order": "-score"}, member=Membership(), size=1)
    cursor = list_leads(query=query, now=NOW).next_cursor or ""
    assert cursor
    for order, bad in (("-score", cursor[:-1] + "!"), ("-score", "abc"), ("score", cursor), ("name", cursor)):
        with pytest.raises(InvalidListQuery) as refusal:
            found(order=order, cursor=bad)
        assert refusal.value.status == 400
        assert refusal.value.errors[0].field == "cursor"


def test_the_count_is_exact_to_its_limit_and_says_so_beyond() -> None:
    for _number in range(4):
        make_lead(stage="mql")
    make_lead()
    query = read_list_query(parameters={"stage": "mql"}, member=Membership())
    exact = count_leads(query=query, now=NOW, limit=4)
    capped = count_leads(query=query, now=NOW, limit=3)
    assert exact is not None
    assert (exact.value, exact.exact) == (4, True)
    assert capped is not None
    assert (capped.value, capped.exact) == (3, False)
    assert COUNTED_TO == 1000


SLOW = '{"fact": "company", "op": "contains", "value": "sa"}'


def test_a_filter_that_no_index_serves_is_given_up_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    make_lead(company=make_company())
    assert listing.SLOW_LIMIT_MS == 2000

    def sleep_in_the_database(*_arguments: Any, **_more: Any) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(3)")
        return []

    monkeypatch.setattr(listing, "SLOW_LIMIT_MS", 50)
    monkeypatch.setattr(PageRead, "read", sleep_in_the_database)
    with pytest.raises(ListTooSlow, match="narrows the list"):
        found(filter=SLOW)
    # The transaction goes on, and without a limit.
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.parametrize(
    ("parameters", "is_limited"),
    [
        ({}, False),
        ({"stage": "mql", "owner": "none"}, False),
        ({"stage": "mql", "order": "-stage_at"}, False),
        ({"stage": "mql", "order": "name"}, True),
        ({"score_min": "50", "stage": "mql"}, False),
        ({"score_min": "50", "order": "-score"}, False),
        ({"score_min": "50", "order": "stage_at"}, True),
        ({"grade_min": "B", "order": "grade"}, False),
        ({"grade_min": "B", "order": "-score"}, True),
        ({"origin": "fair"}, False),
        ({"origin": "fair", "order": "-score"}, True),
        ({"email": "ana@empresa.test", "order": "name"}, False),
        ({"filter": '{"fact": "created_at", "op": "in_last_days", "value": 7}'}, False),
        ({"filter": '{"fact": "created_at", "op": "in_last_days", "value": 7}', "order": "-score"}, True),
        ({"filter": '{"fact": "tags", "op": "has_any", "value": ["vip"]}'}, True),
    ],
    ids=str,
)
def test_a_list_has_a_time_limit_unless_its_filters_are_fast_in_its_order(
    parameters: dict[str, str], is_limited: bool
) -> None:
    lead = make_lead(
        stage="mql",
        score=50,
        grade="B",
        origin="fair",
        email="ana@empresa.test",
        tags=["vip"],
        created_at=NOW,
    )
    with CaptureQueriesContext(connection) as queries:
        assert found(**parameters) == ids(lead)
    assert any("statement_timeout" in query["sql"] for query in queries) is is_limited


def test_the_limit_ends_with_the_list() -> None:
    lead = make_lead(company=make_company())
    assert found(filter=SLOW) == ids(lead)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.parametrize("order", ["-score", "grade", "-stage_at", "created_at", "name"])
def test_a_page_deep_in_the_list_is_one_range_of_an_index(order: str) -> None:
    for _number in range(3):
        make_lead(name="x", name_key="x")
    query = read_list_query(parameters={"order": order}, member=Membership(), size=1)
    cursor = list_leads(query=query, now=NOW).next_cursor or ""
    deep = read_list_query(parameters={"order": order, "cursor": cursor}, member=Membership(), size=1)
    with CaptureQueriesContext(connection) as queries:
        list_leads(query=deep, now=NOW)
    statement = queries[0]["sql"]
    with connection.cursor() as db_cursor:
        db_cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
        )
        db_cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(row[0] for row in db_cursor.fetchall())
    assert "ROW(" in plan.split("Index Cond:", 1)[1].split("\n", 1)[0], plan
    assert "Sort" not in plan, plan


def test_rows_show_owner_company_and_origin_in_two_queries(django_assert_num_queries: Any) -> None:
    sdr = make_sdr(name="Bruno")
    Origin.objects.create(key="organic_search", label="Organic Search")
    leads = [
        mql_of(sdr, company=make_company(name="Empresa SA"), origin="organic_search"),
        make_lead(name=None, email="x@y.test"),
    ]
    with django_assert_num_queries(2):
        first, second = list_lead_rows(lead_ids=ids(*leads))
    assert (first.owner, first.owner_id, first.company) == ("Bruno", sdr.pk, "Empresa SA")
    assert (first.stage, first.origin_label) == ("mql", "Organic Search")
    assert (second.title, second.owner, second.owner_id) == ("x@y.test", "", None)
