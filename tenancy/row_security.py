"""Migration operations that let the database keep tenants apart."""

from typing import Any

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from tenancy.fields import TenantForeignKey, TenantKey, TenantOneToOneField
from tenancy.scope import TENANT_SETTING

# The setting is cast, not the column: the other way round no index is used. Without NULLIF a connection that has once had
# the setting raises on the empty string.
SCOPED_TENANT = f"NULLIF(current_setting('{TENANT_SETTING}', true), '')::bigint"

ON_DELETE = {models.CASCADE: "CASCADE", models.SET_NULL: "SET NULL ({column})", models.PROTECT: "NO ACTION"}


def tenant_models(apps: Any, app_label: str) -> list[type[models.Model]]:
    """The models of an app whose rows belong to a tenant."""
    return [
        model
        for model in apps.get_app_config(app_label).get_models(include_auto_created=True)
        if any(isinstance(field, TenantKey) for field in model._meta.local_fields)
    ]


def tenant_references(model: type[models.Model]) -> list[Any]:
    """The fields of a model that refer to a row of the same tenant, those without a constraint left out."""
    return [
        field
        for field in model._meta.local_fields
        if isinstance(field, TenantForeignKey | TenantOneToOneField) and not field.loose
    ]


def is_referred_to(apps: Any, model: type[models.Model]) -> bool:
    """Whether some reference needs ``UNIQUE (tenant_id, id)`` of this model."""
    return any(
        field.related_model is model
        for other in apps.get_models(include_auto_created=True)
        for field in tenant_references(other)
    )


class SecureTenantTables(Operation):
    """Row security, keys and composite references for every tenant-owned table of the app, or for the models named in ``only``.

    ``visible_to_self`` names models whose rows a person also sees outside a tenant scope when the column ``user_id`` is theirs.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, visible_to_self: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> None:
        self.visible_to_self, self.only = visible_to_self, only

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (
            self.__class__.__qualname__,
            [],
            {"visible_to_self": self.visible_to_self, "only": self.only},
        )

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Django's state knows nothing of row security."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        apps: Apps = to_state.apps
        secured = [
            model for model in tenant_models(apps, app_label) if not self.only or model.__name__ in self.only
        ]
        for model in secured:
            for statement in self._own_rows(model):
                schema_editor.execute(statement)
        for model in secured:
            for field in tenant_references(model):
                schema_editor.execute(composite_reference(model, field))

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Nothing to undo: the tables go with the migration that made them."""

    def describe(self) -> str:
        return "Force row security and add references that cannot cross tenants"

    def _own_rows(self, model: type[models.Model]) -> list[str]:
        table = model._meta.db_table
        key = model._meta.pk
        assert key is not None
        visible = f"tenant_id = {SCOPED_TENANT}"
        if model.__name__ in self.visible_to_self:
            visible += " OR user_id = NULLIF(current_setting('leadsys.user_id', true), '')::bigint"
        statements = [
            f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
            f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
            f'CREATE POLICY "{table}_tenant" ON "{table}" USING ({visible}) WITH CHECK (tenant_id = {SCOPED_TENANT})',
        ]
        tenant_key = model._meta.get_field("tenant")
        assert isinstance(tenant_key, TenantKey)
        if not tenant_key.loose:
            statements += [
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_tenant_fk" '
                f"FOREIGN KEY (tenant_id) REFERENCES tenancy_tenant (id) ON DELETE CASCADE",
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_key_in_tenant" UNIQUE (tenant_id, "{key.column}")',
            ]
        return statements


def composite_reference(model: type[models.Model], field: Any) -> str:
    """The statement that ties a reference to the tenant of its row."""
    table, column = model._meta.db_table, field.column
    target = field.related_model._meta
    action = ON_DELETE[field.remote_field.on_delete].format(column=f'"{column}"')
    return (
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_{column}_in_tenant" FOREIGN KEY (tenant_id, "{column}") '
        f'REFERENCES "{target.db_table}" (tenant_id, "{target.pk.column}") ON DELETE {action}'
    )


class TenantReference(Operation):
    """Ties a reference that was added to a table to the tenant of its row, as ``SecureTenantTables`` does for a new table.

    In a migration that is not atomic, rows that are there are checked without keeping writers out.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, *, model: str, field: str) -> None:
        self.model, self.field = model, field

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__qualname__, [], {"model": self.model, "field": self.field}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Django's state knows nothing of it."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model)
        field = model._meta.get_field(self.field)
        table = model._meta.db_table
        schema_editor.execute(f"{composite_reference(model, field)} NOT VALID")
        schema_editor.execute(f'ALTER TABLE "{table}" VALIDATE CONSTRAINT "{table}_{field.column}_in_tenant"')

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Nothing to undo: the constraint goes with its column."""

    def describe(self) -> str:
        return f"Let {self.model}.{self.field} not cross tenants"


class DefinerFunction(Operation):
    """An audited ``SECURITY DEFINER`` function: runs as ``leadsys_definer``, who may read the named tables past row security.

    ``sql`` is the whole ``CREATE FUNCTION`` statement with ``SECURITY DEFINER`` and a fixed ``search_path``.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, *, signature: str, sql: str, reads: tuple[str, ...]) -> None:
        self.signature, self.sql, self.reads = signature, sql, reads

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (
            self.__class__.__qualname__,
            [],
            {"signature": self.signature, "sql": self.sql, "reads": self.reads},
        )

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Django's state knows nothing of functions."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute("GRANT CREATE, USAGE ON SCHEMA public TO leadsys_definer")
        for table in self.reads:
            schema_editor.execute(f'GRANT SELECT ON "{table}" TO leadsys_definer')
        schema_editor.execute(self.sql)
        schema_editor.execute(f"ALTER FUNCTION {self.signature} OWNER TO leadsys_definer")
        schema_editor.execute("REVOKE CREATE ON SCHEMA public FROM leadsys_definer")
        # Whoever owns the function decides who may call it; migrations run as a member of that role.
        schema_editor.execute("SET LOCAL ROLE leadsys_definer")
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {self.signature} FROM PUBLIC")
        schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {self.signature} TO leadsys_app")
        schema_editor.execute("RESET ROLE")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute("SET LOCAL ROLE leadsys_definer")
        schema_editor.execute(f"DROP FUNCTION {self.signature}")
        schema_editor.execute("RESET ROLE")

    def describe(self) -> str:
        return f"Create the audited function {self.signature}"


class ReplaceDefinerFunction(Operation):
    """Another body for an audited function of the same signature and result; callers, owner and rights stay.

    ``sql`` and ``before`` are whole ``CREATE OR REPLACE FUNCTION`` statements, the second to go back.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, *, signature: str, sql: str, before: str, reads: tuple[str, ...]) -> None:
        self.signature, self.sql, self.before, self.reads = signature, sql, before, reads

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (
            self.__class__.__qualname__,
            [],
            {"signature": self.signature, "sql": self.sql, "before": self.before, "reads": self.reads},
        )

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Django's state knows nothing of functions."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for table in self.reads:
            schema_editor.execute(f'GRANT SELECT ON "{table}" TO leadsys_definer')
        self._replace(schema_editor, self.sql)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._replace(schema_editor, self.before)

    def describe(self) -> str:
        return f"Replace the audited function {self.signature}"

    def _replace(self, schema_editor: Any, sql: str) -> None:
        # Only who owns a function may replace it.
        schema_editor.execute("GRANT CREATE ON SCHEMA public TO leadsys_definer")
        schema_editor.execute("SET LOCAL ROLE leadsys_definer")
        schema_editor.execute(sql)
        schema_editor.execute("RESET ROLE")
        schema_editor.execute("REVOKE CREATE ON SCHEMA public FROM leadsys_definer")
