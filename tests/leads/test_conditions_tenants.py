"""Conditions between tenants: one text for the same rules, no row of another."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from leads.conditions.compile import compile_condition, compile_filter
from leads.conditions.explain import NoSuchLead, explain_condition
from leads.conditions.language import Condition, content_hash, parse_condition
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
