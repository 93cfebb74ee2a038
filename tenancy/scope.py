"""The tenant scope: the only door to tenant-owned rows.

Inside ``tenant_scope(tenant_id)`` the transaction carries the tenant in the setting that the row-security policies read, and
the ORM's tenant managers work. Outside, the ORM raises and raw SQL sees nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from tenancy.errors import Forbidden

TENANT_SETTING = "leadsys.tenant_id"
USER_SETTING = "leadsys.user_id"

_tenant_id: ContextVar[int | None] = ContextVar("tenant_id", default=None)


class NoTenantScope(RuntimeError):
    """Tenant-owned data was touched outside a tenant scope."""


class OtherTenantScope(RuntimeError):
    """A scope was entered inside the scope of another tenant."""


class TenantSuspended(Forbidden):
    """The operators have suspended the tenant: nobody works in it until they resume it."""

    title = _("This account is suspended")

    def __init__(self) -> None:
        super().__init__(
            _("Nothing in it is lost. Ask whoever runs this installation of LeadSys to resume it.")
        )


def current_tenant_id() -> int | None:
    """The tenant of the scope we are in, or None."""
    return _tenant_id.get()


def require_tenant_id() -> int:
    """The tenant of the scope we are in; raises NoTenantScope outside one."""
    tenant_id = _tenant_id.get()
    if tenant_id is None:
        raise NoTenantScope("Enter tenancy.scope.tenant_scope(tenant_id) before touching a tenant's data.")
    return tenant_id


@contextmanager
def tenant_scope(tenant_id: int, *, even_suspended: bool = False) -> Iterator[None]:
    """One transaction in which the rows of one tenant can be seen and written.

    Entering the same tenant again is free; entering another raises OtherTenantScope. The scope ends with its transaction, so
    the next user of the connection starts with none. A suspended tenant raises TenantSuspended, except with
    ``even_suspended``: for operators, and for what a person outside is owed (to unsubscribe).
    """
    outer = _tenant_id.get()
    if outer == tenant_id:
        yield
        return
    if outer is not None:
        raise OtherTenantScope(f"Tenant {tenant_id} was entered inside the scope of tenant {outer}.")
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(), _named_in_logs(tenant_id):
        if _enter(tenant_id) and not even_suspended:
            raise TenantSuspended
        token = _tenant_id.set(tenant_id)
        try:
            yield
        finally:
            _tenant_id.reset(token)
        # SET LOCAL outlives a released savepoint, so inside somebody's transaction the scope is closed by hand; one of its own
        # ends with the scope. An exception has no need of it: rolling back to the savepoint restores the setting.
        if not is_outermost and not connection.needs_rollback:
            _set_local(TENANT_SETTING, "")


@contextmanager
def _named_in_logs(tenant_id: int) -> Iterator[None]:
    """Lines logged inside carry the tenant; so does the line at the end of a request, which is about one tenant."""
    tokens = structlog.contextvars.bind_contextvars(tenant_id=tenant_id)
    try:
        yield
    finally:
        if "request" not in structlog.contextvars.get_contextvars():
            structlog.contextvars.reset_contextvars(**tokens)


@contextmanager
def person_scope(user_id: int) -> Iterator[None]:
    """One transaction in which a person sees their own memberships, in whichever tenant."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        _set_local(USER_SETTING, str(user_id))
        yield
        # As above: a transaction of its own ends the scope by itself, one statement less for every page.
        if not is_outermost and not connection.needs_rollback:
            _set_local(USER_SETTING, "")


def _enter(tenant_id: int) -> bool:
    """Set the tenant for this transaction; whether it is suspended. One statement: every request and batch begins with it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(%s, %s, true),"
            " EXISTS (SELECT FROM tenancy_tenant WHERE id = %s AND suspended_at IS NOT NULL)",
            [TENANT_SETTING, str(tenant_id), tenant_id],
        )
        return bool(cursor.fetchone()[1])


def _set_local(setting: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [setting, value])
