"""What every tenant-owned table is made of: the tenant key, references that cannot cross tenants, the scoped manager."""

from typing import Any, TypeVar

from django.db import models

from tenancy.scope import require_tenant_id

M = TypeVar("M", bound=models.Model)


class TenantKey(models.ForeignKey[Any, Any]):
    """The tenant that owns a row, filled from the scope.

    Its constraint is made by ``SecureTenantTables``; a table of very many rows may go without one (``loose=True``).
    """

    def __init__(self, *, loose: bool = False, **kwargs: Any) -> None:
        self.loose = loose
        fixed: dict[str, Any] = {
            "to": "tenancy.Tenant",
            "on_delete": models.DO_NOTHING,
            "editable": False,
            "related_name": "+",
            "db_index": False,
            "db_constraint": False,
        }
        super().__init__(**fixed | kwargs)

    def get_default(self) -> int:
        return require_tenant_id()

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"loose": self.loose}


class TenantForeignKey(models.ForeignKey[Any, Any]):
    """A reference that carries the tenant: ``(tenant_id, x_id) REFERENCES x (tenant_id, id)``, made by ``SecureTenantTables``.

    ``loose=True`` leaves the constraint out where it would cost a third of an import; a nightly check looks for orphans.
    """

    def __init__(self, to: Any, on_delete: Any, *, loose: bool = False, **kwargs: Any) -> None:
        self.loose = loose
        super().__init__(to, on_delete, **{"db_constraint": False, "db_index": False} | kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"loose": self.loose}


class TenantOneToOneField(models.OneToOneField[Any, Any]):
    """A one-to-one reference that carries the tenant, as ``TenantForeignKey``."""

    loose = False

    def __init__(self, to: Any, on_delete: Any, **kwargs: Any) -> None:
        super().__init__(to, on_delete, **{"db_constraint": False} | kwargs)


class TenantManager(models.Manager[M]):
    """Refuses to work outside a tenant scope; inside one, row security does the filtering."""

    def get_queryset(self) -> models.QuerySet[M]:
        require_tenant_id()
        return super().get_queryset()


class TenantModel(models.Model):
    """A row that belongs to one tenant."""

    tenant = TenantKey()

    objects: Any = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
