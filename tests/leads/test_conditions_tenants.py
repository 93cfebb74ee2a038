"""Conditions between tenants: one text for the same rules, no row of another."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import BigIntegerField

from leads.conditions.compile import compile_condition, compile_filter
from leads.conditions.explain import NoSuchLead, explain_condition
from leads.conditions.language import Condition, content_hash, is_fast, parse_condition
from leads.conditions.statements import Param, Statement
from leads.models import CustomField, CustomValue, Lead, LeadState
from tenancy.scope import NoTenantScope, tenant_scope

NOW = datetime(2026, 11, 18, 13, 0, tzinfo=UTC)
RULE = {
    "any": [
        {"fact": "custom.plants", "op": "gte", "value": 3},
        {"fact": "last_event_at", "op": "on", "value": "2026-11-15"},
    ]
}


def store_lead() -> Any:
    field = CustomField.objects.create(name="plants", label="Plants", type="integer")
    lead = Lead.objects.create(name="Ana")
    LeadState.objects.create(lead=lead, stage_at=NOW)
    CustomValue.objects.create(lead=lead, field=field, integer_value=5)
    return lead.pk


def compiled(condition: Condition) -> Statement:
    truth = compile_condition(condition, now=Param("now"))
    return Statement.of(Lead.objects.annotate(v=truth).values_list("pk", "v"))


def test_two_tenants_with_the_same_rules_share_one_text_and_no_row(tenant: Any, other_tenant: Any) -> None:
    seen = {}
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            lead_id = store_lead()
            condition = parse_condition(RULE)
            statement = compiled(condition)
            seen[each.pk] = (content_hash(condition), statement)
            assert statement.rows(now=NOW) == [(lead_id, True)]
            assert list(
                Lead.objects.filter(compile_filter(condition, now=NOW)).values_list("pk", flat=True)
            ) == [lead_id]
    assert seen[tenant.pk] == seen[other_tenant.pk]
    with tenant_scope(tenant.pk):
        theirs = seen[other_tenant.pk][1].rows(now=NOW)
    assert [verdict for _lead_id, verdict in theirs] == [True]
    assert seen[tenant.pk][1].rows(now=NOW) == []


def test_another_tenants_lead_cannot_be_explained(tenant: Any, other_tenant: Any) -> None:
    with tenant_scope(other_tenant.pk):
        lead_id = store_lead()
    with tenant_scope(tenant.pk), pytest.raises(NoSuchLead):
        explain_condition(
            parse_condition({"fact": "score", "op": "gte", "value": 0}), lead_id=lead_id, now=NOW
        )


def test_nothing_is_compiled_outside_a_tenant() -> None:
    with pytest.raises(NoTenantScope):
        parse_condition(RULE)
    counting = parse_condition({"fact": "event_count", "op": "gte", "value": 1})
    with pytest.raises(NoTenantScope):
        compile_condition(counting, now=NOW)


FAST_OPERATORS = {
    "text": ["=", "<>", "^@"],
    "int8": ["=", "<>", "<", "<=", ">", ">="],
    "int2": ["=", "<>", "<", "<=", ">", ">="],
    "date": ["=", "<", "<=", ">", ">="],
    "timestamptz": ["<", "<=", ">", ">="],
}


@pytest.mark.parametrize(
    ("type_", "operator"),
    [(type_, operator) for type_, operators in FAST_OPERATORS.items() for operator in operators],
)
@pytest.mark.django_db
def test_the_operators_of_fast_facts_are_leakproof(type_: str, operator: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT bool_and(proleakproof), count(*) FROM pg_operator JOIN pg_proc ON pg_proc.oid = oprcode
            WHERE oprname = %s AND oprleft = %s::regtype AND oprright = %s::regtype
            """,
            [operator, type_, type_],
        )
        assert cursor.fetchone() == (True, 1)


# Under row security the values of a question reach an index only through leakproof operators.
INDEXES = [
    ({"fact": "email", "op": "eq", "value": "ana@empresa.test"}, "lead_email_unique_per_tenant", "email"),
    ({"fact": "email", "op": "starts_with", "value": "ana"}, "lead_email_unique_per_tenant", "email"),
    (
        {"fact": "external_id", "op": "in", "value": ["a", "b"]},
        "lead_external_id_unique_per_tenant",
        "external_id",
    ),
    ({"fact": "origin", "op": "eq", "value": "o7"}, "lead_by_origin", "origin"),
    ({"fact": "created_at", "op": "in_last_days", "value": 7}, "lead_newest", "created_at"),
    ({"fact": "created_at", "op": "on", "value": "2024-11-15"}, "lead_newest", "created_at"),
    ({"fact": "score", "op": "gte", "value": 999}, "lead_state_stage_score", "score"),
    ({"fact": "grade", "op": "gte", "value": "B"}, "lead_state_stage_grade", "grade"),
    ({"fact": "stage", "op": "in", "value": ["mql", "sql"]}, "lead_state_stage", "stage"),
    ({"fact": "owner_sdr", "op": "eq", "value": 1}, "lead_state_of_sdr", "owner_sdr_id"),
    ({"fact": "tags", "op": "has_any", "value": ["t7"]}, "lead_tag_newest", "tag"),
    ({"fact": "tags", "op": "has_all", "value": ["t7", "t8"]}, "lead_tag_newest", "tag"),
    (
        {"fact": "custom.plants", "op": "between", "value": [3, 5]},
        "custom_value_integer_newest",
        "integer_value",
    ),
]


MANY_LEADS = """
    WITH lead AS (
        INSERT INTO leads_lead (tenant_id, email, external_id, origin, created_at)
        SELECT {tenant}, 'p' || i || '@x.test', 'x' || i, 'o' || i % 200, now() - i * interval '1 hour'
        FROM generate_series(1, 20000) i RETURNING id, tenant_id
    ), state AS (
        INSERT INTO leads_leadstate (tenant_id, lead_id, stage, stage_at, stage_act, stage_reason, furthest_stage, score, grade)
        SELECT tenant_id, id, 'new', now(), '', '', 0, id % 1000, 2 FROM lead
    ), tag AS (
        INSERT INTO leads_leadtag (tenant_id, lead_id, tag) SELECT tenant_id, id, 't' || id % 500 FROM lead
    )
    INSERT INTO leads_customvalue (tenant_id, lead_id, field_id, integer_value)
    SELECT tenant_id, id, {field}, id % 1000 FROM lead
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_an_index_serves_each_fast_fact_under_row_security(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        field = CustomField.objects.create(name="plants", label="Plants", type="integer")
        Statement.compose(
            MANY_LEADS,
            tenant=Param("tenant_id", BigIntegerField()),
            field=Param("field_id", BigIntegerField()),
        ).execute(tenant_id=tenant.pk, field_id=field.pk)
    with connections["owner"].cursor() as owner:
        owner.execute("ANALYZE leads_lead, leads_leadstate, leads_leadtag, leads_customvalue")
    with tenant_scope(tenant.pk):
        plans = [plan_of(parse_condition(document)) for document, _index, _column in INDEXES]
    for plan, (document, index, column) in zip(plans, INDEXES, strict=True):
        assert index in plan, (document, plan)
        assert any(column in line for line in plan.splitlines() if "Index Cond" in line), (document, plan)


def plan_of(condition: Condition) -> str:
    assert is_fast(condition)
    rows = Lead.objects.filter(compile_filter(condition, now=datetime.now(UTC)))
    plan: str = rows.order_by("-created_at", "-id").values_list("pk")[:50].explain()
    return plan
