"""Every table is global and on the list, or kept apart by the database; nobody has to remember a new one."""

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction

from core.health import role_can_bypass
from tenancy.fields import TenantForeignKey, TenantKey, TenantManager, TenantOneToOneField
from tenancy.global_tables import GLOBAL_MODELS
from tenancy.models import Membership, Tenant
from tenancy.row_security import tenant_references
from tenancy.scope import NoTenantScope, tenant_scope
from tests.guards.rows import make_row, tenant_owned

each_tenant_model = pytest.mark.parametrize("model", tenant_owned(), ids=lambda model: model._meta.label)

# References without a constraint: their tables have rows by the ten million, and a nightly check looks for orphans.
LOOSE_REFERENCES = {"leads.Decision.lead", "leads.Decision.version", "leads.Event.lead"}

# What answers before a scope exists, or must pass row security for speed: each reviewed, each with its tenant predicate.
DEFINER_FUNCTIONS = {
    "leadsys_analyse_grown_tables",
    "leadsys_find_api_key",
    "leadsys_find_form",
    "leadsys_find_invitation",
    "leadsys_find_message",
    "leadsys_operation_counts",
    "leadsys_search_leads",
    "leadsys_search_page",
    "leadsys_tenants_with_due_rows",
    "leadsys_tenants_with_messages_due",
}

TABLES_WITHOUT_MODEL = {"django_migrations"}


def query(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def test_every_model_is_global_and_listed_or_belongs_to_a_tenant() -> None:
    labels = {model._meta.label for model in apps.get_models(include_auto_created=True)}
    owned = {model._meta.label for model in tenant_owned()}
    assert labels - owned == GLOBAL_MODELS


def test_every_table_of_the_database_has_a_model(db: None) -> None:
    tables = {name for (name,) in query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert tables - known == TABLES_WITHOUT_MODEL


@each_tenant_model
def test_row_security_is_forced_by_one_policy_for_reads_and_writes(
    db: None, model: type[models.Model]
) -> None:
    table = model._meta.db_table
    ((enabled, forced),) = query(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", table
    )
    assert (enabled, forced) == (True, True)
    ((command, permissive, seen, written),) = query(
        """
        SELECT polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
        FROM pg_policy WHERE polrelid = %s::regclass
        """,
        table,
    )
    scoped = "(tenant_id = (NULLIF(current_setting('leadsys.tenant_id'::text, true), ''::text))::bigint)"
    own = "(user_id = (NULLIF(current_setting('leadsys.user_id'::text, true), ''::text))::bigint)"
    assert (command, permissive, written) == ("*", True, scoped)
    assert seen == (f"({scoped} OR {own})" if model is Membership else scoped)


@each_tenant_model
def test_an_index_begins_with_the_tenant(db: None, model: type[models.Model]) -> None:
    found = query(
        """
        SELECT indexrelid::regclass FROM pg_index LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = %s::regclass AND indpred IS NULL
            -- The spans of creation that the search goes through are numbers that begin with the tenant.
            AND (attname = 'tenant_id' OR pg_get_indexdef(indexrelid, 1, false) LIKE 'leadsys_search_spans(tenant_id, %%')
        """,
        model._meta.db_table,
    )
    assert found


@each_tenant_model
def test_references_to_tenant_rows_carry_the_tenant(db: None, model: type[models.Model]) -> None:
    owned = tenant_owned()
    relations = [field for field in model._meta.local_fields if field.related_model in owned]
    plain = [
        field.name for field in relations if not isinstance(field, TenantForeignKey | TenantOneToOneField)
    ]
    assert plain == [], "use TenantForeignKey or TenantOneToOneField"
    loose = {f"{model._meta.label}.{field.name}" for field in relations} - {
        f"{model._meta.label}.{field.name}" for field in tenant_references(model)
    }
    assert loose <= LOOSE_REFERENCES
    constraints = query(
        """
        SELECT confrelid::regclass::text, array_agg(attname::text ORDER BY place)
        FROM pg_constraint CROSS JOIN unnest(conkey) WITH ORDINALITY AS key (number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = number
        WHERE contype = 'f' AND conrelid = %s::regclass GROUP BY pg_constraint.oid, confrelid
        """,
        model._meta.db_table,
    )
    assert all(
        (field.related_model._meta.db_table, ["tenant_id", field.column]) in constraints
        for field in tenant_references(model)
    )
    tables = {each._meta.db_table for each in owned}
    assert all(columns[0] == "tenant_id" for target, columns in constraints if target in tables)


@pytest.fixture
def both_filled(tenant: Tenant, other_tenant: Tenant) -> tuple[Tenant, Tenant]:
    """Two tenants, each with a row in every table."""
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            made: dict[type[models.Model], models.Model] = {}
            for model in tenant_owned():
                make_row(model, made)
    return tenant, other_tenant


def test_raw_sql_without_where_sees_and_changes_only_the_tenant_of_the_scope(
    both_filled: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = both_filled
    for table in [model._meta.db_table for model in tenant_owned()]:
        with tenant_scope(ours.pk):
            assert query(f'SELECT DISTINCT tenant_id FROM "{table}"') == [(ours.pk,)], table
        with tenant_scope(theirs.pk):
            assert query(f'SELECT DISTINCT tenant_id FROM "{table}"') == [(theirs.pk,)], table
        assert query(f'SELECT count(*) FROM "{table}"') == [(0,)], f"{table} outside a scope"
        with tenant_scope(ours.pk), connection.cursor() as cursor:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            rows = cursor.fetchone()
            cursor.execute(f'UPDATE "{table}" SET tenant_id = tenant_id')
            assert (cursor.rowcount,) == rows, table


def test_no_row_can_be_written_for_or_moved_to_another_tenant(both_filled: tuple[Tenant, Tenant]) -> None:
    ours, theirs = both_filled
    for table in [model._meta.db_table for model in tenant_owned()]:
        with tenant_scope(ours.pk):
            # Row security is asked before NOT NULL and other constraints, so the tenant alone is enough of a row.
            for statement in (
                f'INSERT INTO "{table}" (tenant_id) VALUES (%s)',
                f'UPDATE "{table}" SET tenant_id = %s',
            ):
                with (
                    pytest.raises(DatabaseError, match="violates row-level security"),
                    transaction.atomic(),
                ):
                    query(statement, theirs.pk)


def test_the_insert_that_is_refused_for_them_is_not_refused_for_us(
    both_filled: tuple[Tenant, Tenant],
) -> None:
    ours, _theirs = both_filled
    with tenant_scope(ours.pk), pytest.raises(DatabaseError, match="null value"), transaction.atomic():
        query("INSERT INTO tenancy_team (tenant_id) VALUES (%s)", ours.pk)


@each_tenant_model
def test_the_orm_refuses_to_work_outside_a_scope(model: type[models.Model]) -> None:
    for manager in (model._default_manager, model._base_manager):
        with pytest.raises(NoTenantScope):
            manager.all()
    with pytest.raises(NoTenantScope):
        model()


def test_only_membership_has_a_manager_that_knows_no_scope() -> None:
    open_managers = {
        f"{model._meta.label}.{manager.name}"
        for model in tenant_owned()
        for manager in model._meta.managers
        if not isinstance(manager, TenantManager)
    }
    assert open_managers == {"tenancy.Membership.unscoped"}


def test_a_tenant_key_cannot_be_null_or_point_elsewhere() -> None:
    for model in tenant_owned():
        key = model._meta.get_field("tenant")
        assert isinstance(key, TenantKey)
        assert (key.null, key.related_model) == (False, Tenant), model._meta.label


def test_the_application_role_cannot_pass_row_security_and_owns_nothing(db: None) -> None:
    assert not role_can_bypass()
    owned = query("SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = current_user")
    assert owned == []
    memberships = query(
        """
        SELECT pg_get_userbyid(roleid) FROM pg_auth_members
        WHERE member = (SELECT oid FROM pg_roles WHERE rolname = current_user)
        """
    )
    assert memberships == []
    ((creates,),) = query("SELECT has_schema_privilege(current_user, 'public', 'CREATE')")
    assert not creates


def test_functions_that_pass_row_security_are_few_known_and_fixed(db: None) -> None:
    found = query(
        """
        SELECT proname, pg_get_userbyid(proowner), proconfig FROM pg_proc
        WHERE prosecdef AND pronamespace = 'public'::regnamespace
        """
    )
    assert {name for name, _owner, _config in found} == DEFINER_FUNCTIONS
    assert {owner for _name, owner, _config in found} == {"leadsys_definer"}
    assert all("search_path=public, pg_temp" in config for _name, _owner, config in found)
    owned = query("SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = 'leadsys_definer'")
    assert owned == []
