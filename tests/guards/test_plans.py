"""Each hot query uses its index under row security: by name, and by more of its columns than the tenant.

An operator that is not leakproof is asked only after row security has passed each row, so the index would be read for the
tenant alone, which is all of its rows. The planner is kept from reading tables whole and from sorting, so that few rows are
enough to see which index serves a query.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from core.due import schedule, sweep_tenant
from leads.clocks import list_urgent_faces
from leads.conditions.facts import get_fact, list_facts
from leads.conditions.operators import Arity
from leads.conditions.statements import PreparedCursor, numbered
from leads.held import held_rows
from leads.listing import list_leads, read_list_query
from leads.matching import SELECTIVE
from leads.models import CustomField, Lead
from leads.qualification.queue import count_inbox, count_queue, list_inbox, list_queue
from leads.rows import list_lead_rows
from leads.search import search_leads
from leads.selectors import lead_details
from tenancy.models import Membership, Role, Team, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_member, make_team
from tests.conftest import NOW

ROWS = 600
FILL = (
    """
    INSERT INTO leads_lead (tenant_id, external_id, email, email_kind, name, name_key, origin, created_at, recorded_at)
    SELECT %(tenant)s, 'x' || n, 'x' || n || '@x.test', 'business', 'Ana ' || n, 'ana ' || n, 'origin' || n %% 40,
        %(now)s - n * interval '1 hour', %(now)s
    FROM generate_series(1, %(rows)s) n
    """,
    """
    INSERT INTO leads_leadstate (tenant_id, lead_id, stage, stage_at, stage_act, stage_reason, furthest_stage, score, grade,
        owner_sdr_id, owner_sales_id, team_sdr_id, team_sales_id, clock_due_at)
    SELECT tenant_id, id, (ARRAY['new', 'mql', 'working', 'sql', 'nurture'])[1 + id %% 5], created_at, 'capture', '', 0, id %% 97,
        id %% 13, CASE WHEN id %% 2 = 0 THEN %(sdr)s END, CASE WHEN id %% 2 = 0 THEN %(rep)s END, %(team)s, %(sales_team)s,
        created_at + interval '90 days'
    FROM leads_lead
    """,
    """
    INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)
    SELECT tenant_id, id, 'page_viewed', created_at, created_at, '{}' FROM leads_lead
    """,
    """
    INSERT INTO leads_leadsearch (tenant_id, lead_id, text)
    SELECT tenant_id, id, ' ' || name_key || ' x' || id || ' test' FROM leads_lead
    """,
    """
    INSERT INTO leads_leadtag (tenant_id, lead_id, tag) SELECT tenant_id, id, 'tag' || id %% 50 FROM leads_lead
    """,
    """
    INSERT INTO leads_customvalue (tenant_id, lead_id, field_id, integer_value)
    SELECT tenant_id, id, %(field)s, id FROM leads_lead
    """,
    """
    INSERT INTO leads_submission (tenant_id, source, payload, received_at, state, attempts, error)
    SELECT %(tenant)s, 'api', '{}', %(now)s, (ARRAY['processed', 'received', 'received', 'received', 'held'])[1 + n %% 5], 0, ''
    FROM generate_series(1, %(rows)s) n
    """,
    """
    INSERT INTO core_duerow (tenant_id, kind, subject, due_at, attempts, error)
    SELECT tenant_id, 'clock.share', id, created_at + interval '90 days', 0, '' FROM leads_lead
    """,
)


TABLES = (
    "leads_lead",
    "leads_leadstate",
    "leads_event",
    "leads_leadsearch",
    "leads_leadtag",
    "leads_customvalue",
    "leads_submission",
    "core_duerow",
)


@contextmanager
def may_analyse() -> Iterator[None]:
    """Lets the application's role renew statistics for a moment: nobody else sees the rows of a test."""
    known = connections["owner"].settings_dict
    with psycopg.connect(
        host=known["HOST"],
        port=known["PORT"],
        user=known["USER"],
        password=known["PASSWORD"],
        dbname=known["NAME"],
    ) as owner:
        owner.execute(f"GRANT MAINTAIN ON {', '.join(TABLES)} TO leadsys_app")
        owner.commit()
        yield
        owner.execute(f"REVOKE MAINTAIN ON {', '.join(TABLES)} FROM leadsys_app")


def fill(tenant: Tenant) -> None:
    """Some hundred leads, of which an SDR and a rep have half."""
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        team, sales_team = make_team(), make_team(function="sales")
        values = {
            "tenant": tenant.pk,
            "now": NOW,
            "rows": ROWS,
            "sdr": make_member(role=Role.SDR, team=team).pk,
            "rep": make_member(role=Role.SALES, team=sales_team).pk,
            "team": team.pk,
            "sales_team": sales_team.pk,
            "field": CustomField.objects.create(name="plants", label="Plants", type="integer").pk,
        }
        for statement in FILL:
            cursor.execute(statement, values)


@pytest.fixture
def filled(tenant: Tenant, other_tenant: Tenant) -> Iterator[Tenant]:
    """Two tenants with some hundred leads each, one of them in scope."""
    # A connection that uses a table already may not learn in time that it may analyse it, and pass over it.
    with may_analyse():
        for each in (other_tenant, tenant):
            fill(each)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(TABLES)}")
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relname = ANY (%s) AND reltuples <= 0", [list(TABLES)]
            )
            assert cursor.fetchall() == []
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        for setting in ("enable_seqscan", "enable_sort", "enable_hashjoin", "enable_mergejoin"):
            cursor.execute("SELECT set_config(%s, 'off', true)", [setting])
        yield tenant


def scans(sql: str, using: Any = connection) -> dict[str, str]:
    """The indexes that a statement's plan uses, each with the conditions by which it is entered. What is prepared is planned for
    any values."""
    generic = ", GENERIC_PLAN" if "$1" in sql else ""
    with using.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON{generic}) {sql}")
        (found,) = cursor.fetchone()
    plan = json.loads(found) if isinstance(found, str) else found
    used: dict[str, str] = {}
    for index, condition in _scans(plan[0]["Plan"]):
        used[index] = f"{used.get(index, '')} {condition}"
    return used


def _scans(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "Index Name" in node:
        yield node["Index Name"], node.get("Index Cond", "")
    for inner in node.get("Plans", ()):
        yield from _scans(inner)


def queries_of(call: Callable[[], Any], about: str) -> list[str]:
    """The statements that a call executes on a table; those that are prepared with their numbered places."""
    found: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer, raw = execute(sql, params, many, context), context["cursor"].cursor
        found.append(numbered(sql) if isinstance(raw, PreparedCursor) else raw._query.query.decode())
        return answer

    with connection.execute_wrapper(note):
        call()
    return [sql for sql in found if about in sql]


def assert_enters(sql: str, index: str, *columns: str) -> None:
    """The plan uses the index, entered by the tenant and these columns."""
    used = scans(sql)
    assert index in used, f"{sql}\nuses {used}"
    entered_by = set(re.findall(r"[a-z_]+", used[index]))
    assert {"tenant_id", *columns} <= entered_by, f"{index} is entered by {used[index]}"


def list_queries(**parameters: str) -> list[str]:
    """The statements of a page: what its filters match, if an index says it, and the ids in order."""
    query = read_list_query(parameters=parameters, member=Membership(), size=10)
    return queries_of(lambda: list_leads(query=query, now=NOW), "leads_lead")


def page_query(**parameters: str) -> str:
    """The first of them."""
    return list_queries(**parameters)[0]


def second_page_query(**parameters: str) -> str:
    """The same for the page after."""
    first = list_leads(query=read_list_query(parameters=parameters, member=Membership(), size=10), now=NOW)
    assert first.next_cursor
    return page_query(**parameters, cursor=first.next_cursor)


ORDERS = [
    *((f"{sign}score", "lead_state_stage_score", "score") for sign in ("", "-")),
    *((f"{sign}grade", "lead_state_stage_grade", "grade") for sign in ("", "-")),
    *((f"{sign}stage_at", "lead_state_stage_time", "stage_at") for sign in ("", "-")),
    *((f"{sign}created_at", "lead_newest", "created_at") for sign in ("", "-")),
    *((f"{sign}name", "lead_by_name", "name_key") for sign in ("", "-")),
]


@pytest.mark.parametrize(("order", "index", "column"), ORDERS)
def test_a_page_of_the_list_is_a_range_of_the_index_of_its_order(
    filled: Tenant, order: str, index: str, column: str
) -> None:
    assert_enters(page_query(order=order), index)
    assert_enters(second_page_query(order=order), index, column)


@pytest.mark.parametrize(
    ("parameters", "index", "column"),
    [
        ({"stage": "mql", "order": "-score"}, "lead_state_stage_score", "stage"),
        ({"stage": "mql,sql", "order": "name"}, "lead_by_name", "tenant_id"),
        ({"stage": "mql"}, "lead_state_stage_created", "stage"),
        ({"origin": "origin3"}, "lead_by_origin", "origin"),
        ({"score_min": "60", "order": "-score"}, "lead_state_stage_score", "score"),
        ({"grade_min": "B", "order": "-grade"}, "lead_state_stage_grade", "grade"),
        (
            {
                "filter": '{"fact": "event_count", "event": "page_viewed", "days": 30, "op": "gte", "value": 1}'
            },
            "event_by_lead",
            "lead_id",
        ),
    ],
    ids=str,
)
def test_a_fast_filter_that_very_many_leads_match_is_a_range_of_its_index(
    filled: Tenant, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str], index: str, column: str
) -> None:
    monkeypatch.setattr("leads.matching.BOUNDS", "SELECT %s::bigint * 0 AS most, 0::bigint AS few")
    assert_enters(list_queries(**parameters)[-1], index, column)


# Of each fact that a list is fast by: the column of an index by which it is entered, and two values.
FAST: dict[str, tuple[str, Any, Any]] = {
    "email": ("email", "x7@x.test", "x8@x.test"),
    "external_id": ("external_id", "x7", "x8"),
    "origin": ("origin", "origin3", "origin4"),
    "created_at": ("created_at", "2026-01-01", "2026-02-01"),
    "score": ("score", 20, 30),
    "grade": ("grade", "B", "A"),
    "stage": ("stage", "mql", "sql"),
    "owner_sdr": ("owner_sdr_id", Role.SDR, Role.SALES),
    "owner_sales": ("owner_sales_id", Role.SALES, Role.SDR),
}


def test_each_fact_that_a_list_is_fast_by_has_its_plans_looked_at(filled: Tenant) -> None:
    assert {fact.key for fact in list_facts() if fact.fast_orders} == FAST.keys()


@pytest.mark.parametrize("key", FAST)
def test_a_fast_filter_enters_an_index_by_its_own_column_in_each_order_it_is_fast_in(
    filled: Tenant, key: str
) -> None:
    fact, (column, *values) = get_fact(key=key), FAST[key]
    assert fact is not None
    low, high = (
        Membership.objects.get(roles=[value]).pk if isinstance(value, Role) else value for value in values
    )
    asked = 0
    for operator in fact.operators:
        if not operator.is_fast or operator.key not in SELECTIVE:
            continue
        value = {Arity.ONE: low, Arity.TWO: [low, high], Arity.LIST: [low, high]}[operator.arity]
        condition = {"fact": key, "op": operator.key, "value": 30 if operator.takes_days else value}
        for order in (f"{sign}{each}" for each in fact.fast_orders for sign in ("", "-")):
            statements = list_queries(filter=json.dumps(condition), order=order)
            conditions = " ".join(each for sql in statements for each in scans(sql).values())
            assert column in re.findall(r"[a-z_]+", conditions), (condition, order, conditions)
            asked += 1
    assert asked


@pytest.mark.parametrize(
    ("parameters", "index", "column"),
    [
        ({"score_min": "60"}, "lead_state_stage_score", "score"),
        ({"filter": '{"fact": "tags", "op": "has_any", "value": ["tag7"]}'}, "lead_tag_newest", "tag"),
        ({"grade_min": "B"}, "lead_state_stage_grade", "grade"),
    ],
    ids=str,
)
def test_how_many_match_is_a_range_of_the_index_of_the_filter(
    filled: Tenant, parameters: dict[str, str], index: str, column: str
) -> None:
    assert_enters(page_query(**parameters), index, column)


WALKS = [
    ("-created_at", "lead_newest"),
    ("name", "lead_by_name"),
    ("-score", "lead_state_stage_score"),
    ("-grade", "lead_state_stage_grade"),
    ("stage_at", "lead_state_stage_time"),
]


# In order of creation the rows of the fact are read themselves.
@pytest.mark.parametrize(("order", "index"), WALKS[1:])
def test_a_filter_of_another_table_is_a_set_past_which_the_order_is_walked(
    filled: Tenant, order: str, index: str
) -> None:
    least = Lead.objects.order_by("pk").values_list("pk", flat=True)[ROWS // 3]
    plants = json.dumps({"fact": "custom.plants", "op": "gte", "value": least})
    _matching, page = list_queries(filter=plants, order=order)[:2]
    assert_enters(page, index)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {page}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "hashed SubPlan" in plan
    # A sort or a join would read all that match.
    assert "Sort  (" not in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan


@pytest.mark.parametrize(
    ("condition", "entered"),
    [
        ({"fact": "tags", "op": "has_any", "value": ["tag7"]}, ("lead_tag_newest", "tag")),
        (
            {"fact": "custom.plants", "op": "eq", "value": 7},
            ("custom_value_integer_newest", "integer_value"),
        ),
        (
            {"fact": "custom.plants", "op": "gte", "value": 7},
            ("custom_value_integer_newest", "integer_value"),
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", ["created_at", "-created_at"])
def test_tags_and_own_values_are_read_in_order_of_creation_off_their_own_index(
    filled: Tenant, condition: dict[str, Any], entered: tuple[str, str], order: str
) -> None:
    query = read_list_query(
        parameters={"filter": json.dumps(condition), "order": order}, member=Membership(), size=10
    )
    page = queries_of(lambda: list_leads(query=query, now=NOW), '"created_at"')[-1]
    assert_enters(page, *entered)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {page}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    # Only the rows of a range of values have to be put in order.
    assert ("Sort  (" in plan) is (condition["op"] == "gte")


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("-created_at", "lead_state_stage_created"),
        ("-grade", "lead_state_stage_grade"),
        ("stage_at", "lead_state_stage_time"),
    ],
)
def test_what_the_standing_says_is_asked_of_each_stage_in_the_index_of_the_order(
    filled: Tenant, monkeypatch: pytest.MonkeyPatch, order: str, index: str
) -> None:
    monkeypatch.setattr("leads.standing_pages.FEW", 0)
    created = json.dumps({"fact": "created_at", "op": "in_last_days", "value": 365})
    page = list_queries(owner="none", score_min="30", filter=created, order=order)[-1]
    assert_enters(page, index, "stage")
    page = list_queries(score_min="30", filter=created, order=order)[-1]
    assert_enters(page, index, "stage")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {page}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    # Beside the order stands what is asked: the table is not looked at.
    assert f"Index Only Scan Backward using {index}" in plan or f"Index Only Scan using {index}" in plan
    assert "Sort  (" not in plan


def test_the_list_of_an_owner_is_ranges_of_what_that_person_has(filled: Tenant) -> None:
    sdr = Membership.objects.get(roles=[Role.SDR])
    for sql in list_queries(owner=str(sdr.pk)):
        assert_enters(sql, "lead_state_of_sdr", "owner_sdr_id", "stage")


@pytest.mark.parametrize("order", [order for order, _index in WALKS])
def test_few_leads_that_match_are_read_by_their_ids(filled: Tenant, order: str) -> None:
    tagged = json.dumps({"fact": "tags", "op": "has_any", "value": ["tag7", "tag8"]})
    _matching, page = list_queries(filter=tagged, order=order)[:2]
    assert "JOIN" not in page
    assert "= ANY" in page


def test_a_common_text_is_looked_for_along_the_order(filled: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leads.search.MOST_FOUND", 5)
    for order, index in WALKS:
        # In order of creation the search's own index gives the page.
        if order != "-created_at":
            page = list_queries(q="ana", order=order)[-1]
            assert_enters(page, index)
            assert "JOIN" not in page


@pytest.mark.parametrize(
    ("read", "role", "index", "column"),
    [
        (list_queue, Role.SDR, "lead_state_queue_own", "owner_sdr_id"),
        (list_inbox, Role.SALES, "lead_state_inbox_own", "owner_sales_id"),
    ],
    ids=["queue", "inbox"],
)
def test_the_first_page_of_queue_and_inbox_is_a_range_of_ones_own(
    filled: Tenant, read: Callable[..., Any], role: Role, index: str, column: str
) -> None:
    member = Membership.objects.get(roles=[role])
    first = queries_of(lambda: read(member=member, now=NOW, size=5), "leads_leadstate")[0]
    assert_enters(first, index, column)
    page = read(member=member, now=NOW, size=5)
    after = queries_of(
        lambda: read(member=member, now=NOW, size=5, cursor=page.next_cursor), "leads_leadstate"
    )[0]
    assert_enters(after, index, column, "clock_due_at")


@pytest.mark.parametrize(
    ("desk", "role", "index", "column"),
    [
        ((list_queue, count_queue), Role.SDR, "lead_state_queue_free", "team_sdr_id"),
        ((list_inbox, count_inbox), Role.SALES, "lead_state_inbox_free", "team_sales_id"),
    ],
    ids=["queue", "inbox"],
)
def test_free_leads_are_ranges_of_the_index_of_their_teams(
    filled: Tenant, desk: tuple[Callable[..., Any], Callable[..., Any]], role: Role, index: str, column: str
) -> None:
    read, count = desk
    newcomer = make_member(role=role, team=Team.objects.get(function=role.value))
    first = queries_of(lambda: read(member=newcomer, now=NOW, size=5), "leads_leadstate")[0]
    assert_enters(first, index, column)
    page = read(member=newcomer, now=NOW, size=5)
    after = queries_of(
        lambda: read(member=newcomer, now=NOW, size=5, cursor=page.next_cursor), "leads_leadstate"
    )[0]
    assert_enters(after, index, column, "clock_due_at")
    (counted,) = queries_of(lambda: count(member=newcomer), "leads_leadstate")
    assert_enters(counted, index, column)


def test_rows_and_answers_are_read_by_key(filled: Tenant) -> None:
    lead_ids = list(Lead.objects.order_by("pk").values_list("pk", flat=True)[:10])
    for read in (list_lead_rows, lead_details):
        asked = queries_of(lambda read=read: read(lead_ids=lead_ids), 'FROM "leads_lead"')  # type: ignore[misc]
        assert asked
        for sql in asked:
            entered = [condition for index, condition in scans(sql).items() if index.startswith("lead")]
            assert any("id = ANY" in condition for condition in entered), scans(sql)


def test_the_clocks_of_a_page_are_read_by_lead(filled: Tenant) -> None:
    lead_ids = list(Lead.objects.order_by("pk").values_list("pk", flat=True)[:10])
    (sql,) = queries_of(lambda: list_urgent_faces(lead_ids=lead_ids, now=NOW), "routing_clock")
    assert_enters(sql, "clock_once_per_visit", "lead_id")


def test_a_sweep_claims_what_is_due_by_the_index_of_its_kind(filled: Tenant) -> None:
    schedule(kind="score.changes", due={1: NOW - timedelta(minutes=1)})
    claims = queries_of(lambda: sweep_tenant(tenant_id=filled.pk, now=NOW), "SKIP LOCKED")
    # A kind of which there is little, at a time when all of another one is due: who looked at that too would read it in vain.
    claims = [sql for sql in claims if "core_duerow" in sql and "clock.share" not in sql]
    assert any("'score.changes'" in sql for sql in claims)
    for sql in claims:
        assert str(NOW) in sql
        later = sql.replace(str(NOW), str(NOW + timedelta(days=365)))
        assert_enters(later, "due_row_of_kind", "kind", "due_at")


@pytest.mark.django_db(databases=["default", "owner"])
def test_the_search_asks_the_index_of_parts(filled: Tenant) -> None:
    search = search_leads(text="ana 77")
    assert search.lead_ids
    spans = "leadsys_search_spans(tenant_id, created_at) && ARRAY[1::bigint << 36]"
    sql = f"SELECT lead_id FROM leads_leadsearch WHERE {spans} AND text LIKE '% conceicao%' AND text LIKE '%souza%'"
    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute("SET LOCAL ROLE leadsys_definer")
            for setting in ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan"):
                cursor.execute(f"SET LOCAL {setting} = off")
            used = scans(sql, using=owner)
        finally:
            cursor.execute("ROLLBACK")
    # Texts and spans at once: the spans alone would give a tenant's leads of years.
    assert "text" in used["lead_search_spans"]
    assert "created_at" in used["lead_search_spans"]
    # Under row security the index is no use: why there are functions.
    assert "text" not in scans(sql).get("lead_search_spans", "")


def test_what_is_held_is_counted_past_what_only_waits(filled: Tenant) -> None:
    [_leads, submissions] = held_rows()
    [sql] = queries_of(submissions.count, "leads_submission")
    assert_enters(sql, "submission_unfinished_by_state", "state")


@pytest.mark.parametrize(
    ("test", "index", "column"),
    [
        ("lower(email) = 'x7@x.test'", "lead_email_unique_per_tenant", "email"),
        ("name_key ILIKE 'ana 7%'", "lead_by_name", "name_key"),
        ("external_id LIKE 'x7%'", "lead_external_id_unique_per_tenant", "external_id"),
    ],
)
def test_the_check_finds_an_operator_that_is_not_leakproof(
    filled: Tenant, test: str, index: str, column: str
) -> None:
    with pytest.raises(AssertionError):
        assert_enters(f"SELECT id FROM leads_lead WHERE {test}", index, column)
