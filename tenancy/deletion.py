"""Deleting a tenant: every row of it in every table, in batches with a transaction of their own.

A process that is killed leaves a suspended tenant with a part of its rows; deleting it again goes on. What stays is a
``TenantDeletion``: number, address and name of the tenant, when, and how many rows of which table.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, cast

from django.apps import apps
from django.db import connection, models, transaction
from django.utils.translation import gettext_lazy as _

from tenancy.errors import Conflict
from tenancy.fields import TenantForeignKey, TenantKey, TenantOneToOneField
from tenancy.models import Membership, Tenant, TenantDeletion, User
from tenancy.scope import tenant_scope
from tenancy.selectors import belongs_elsewhere
from tenancy.suspension import suspend_tenant

BATCH_SIZE: Final = 2000
LOOK_EVERY_SECONDS: Final = 0.2

Progress = Callable[[str, int], None]


class StillInUse(Conflict):
    """A transaction that began before the tenant was suspended has not ended."""


def delete_tenant(
    *,
    tenant: Tenant,
    now: datetime,
    patience_seconds: float = 60,
    progress: Progress = lambda table, rows: None,
) -> TenantDeletion:
    """Suspend a tenant and delete all of it, the logins included that have a place nowhere else; returns the record.

    ``progress`` is told each table's name and rows deleted, batch by batch. Called outside a transaction. Raises StillInUse;
    calling it again goes on.
    """
    deletion = _begin(tenant, now)
    _wait_for_older_transactions(patience_seconds)
    for model in in_order_of_deletion():
        table = model._meta.db_table
        for deleted in _delete_rows(tenant, model, deletion):
            progress(table, deleted)
    with transaction.atomic():
        Tenant.objects.filter(pk=tenant.pk).delete()
        TenantDeletion.objects.filter(pk=deletion.pk).update(ended_at=now)
    deletion.refresh_from_db()
    return deletion


def in_order_of_deletion() -> list[type[models.Model]]:
    """Every model whose rows belong to a tenant, whoever refers to another one before it, as far as that is possible.

    Otherwise each row would be looked for in the tables that refer to it. Where two refer to each other, a reference that is
    emptied by the deletion of what it names gives way.
    """
    owned = [
        model
        for model in apps.get_models(include_auto_created=True)
        if any(isinstance(field, TenantKey) for field in model._meta.local_fields)
    ]
    after: dict[type[models.Model], set[type[models.Model]]] = {model: set() for model in owned}
    firm: list[tuple[type[models.Model], type[models.Model]]] = []
    loose: list[tuple[type[models.Model], type[models.Model]]] = []
    for model in owned:
        for field in model._meta.local_fields:
            if isinstance(field, TenantForeignKey | TenantOneToOneField) and field.related_model is not model:
                is_loose = field.remote_field.on_delete is models.SET_NULL
                (loose if is_loose else firm).append((model, cast(type[models.Model], field.related_model)))
    for model, target in firm:
        after[target].add(model)
    for model, target in loose:
        if model not in after[target]:
            after[target].add(model)
            if not _can_be_ordered(after):
                after[target].remove(model)
    return list(TopologicalSorter(after).static_order())


def _can_be_ordered(after: dict[type[models.Model], set[type[models.Model]]]) -> bool:
    try:
        TopologicalSorter(after).prepare()
    except CycleError:
        return False
    return True


def _begin(tenant: Tenant, now: datetime) -> TenantDeletion:
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)
        suspend_tenant(tenant=tenant, now=now, reason="deletion")
        deletion, _is_new = TenantDeletion.objects.get_or_create(
            tenant_number=tenant.pk,
            defaults={"slug": tenant.slug, "name": tenant.name, "began_at": now},
        )
    return deletion


def _wait_for_older_transactions(patience_seconds: float) -> None:
    """Until everybody who may be in the tenant's scope has left it: nobody enters any more."""
    until = time.monotonic() + patience_seconds
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        suspended_at = cursor.fetchone()[0]
        while True:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
                " AND xact_start <= %s AND pid <> pg_backend_pid()",
                [suspended_at],
            )
            processes = [str(pid) for (pid,) in cursor.fetchall()]
            if not processes:
                return
            if time.monotonic() > until:
                raise StillInUse(
                    _("Transactions that began before the suspension have not ended yet (%(processes)s).")
                    % {"processes": ", ".join(processes)}
                )
            time.sleep(LOOK_EVERY_SECONDS)


def _delete_rows(tenant: Tenant, model: type[models.Model], deletion: TenantDeletion) -> Iterator[int]:
    """Delete a table's rows in batches by key, so that no batch walks through what earlier ones have left dead."""
    after: Any = None
    while True:
        with tenant_scope(tenant.pk, even_suspended=True):
            keys = _next_keys(model, after)
            if keys:
                people = _people_of(keys) if model is Membership else []
                deleted = _delete_keys(model, keys)
                _delete_logins(people, tenant)
                _note(deletion, model._meta.db_table, deleted)
        if not keys:
            return
        after = keys[-1]
        yield deleted


def _next_keys(model: type[models.Model], after: Any) -> list[Any]:
    rows = model._default_manager.order_by("pk")
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.values_list("pk", flat=True)[:BATCH_SIZE])


def _delete_keys(model: type[models.Model], keys: list[Any]) -> int:
    """By SQL: the database follows the references itself, Django would read the rows first."""
    quote, parts = connection.ops.quote_name, model._meta.pk_fields
    columns = ", ".join(quote(part.column) for part in parts)
    arrays = ", ".join(f"%s::{part.db_type(connection)}[]" for part in parts)
    values = zip(*keys, strict=True) if len(parts) > 1 else [keys]
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {quote(model._meta.db_table)} WHERE ({columns}) IN (SELECT * FROM unnest({arrays}))",  # noqa: S608 - our own names
            [list(each) for each in values],
        )
        return int(cursor.rowcount)


def _people_of(keys: Iterable[int]) -> list[User]:
    users = Membership.objects.filter(pk__in=list(keys), user__isnull=False).values_list("user_id", flat=True)
    return list(User.objects.filter(pk__in=list(users), is_staff=False, is_superuser=False))


def _delete_logins(people: Iterable[User], tenant: Tenant) -> None:
    """Who has, or had, a place in another tenant keeps the login; so do operators."""
    for user in people:
        if not belongs_elsewhere(user=user, tenant_id=tenant.pk):
            user.delete()


def _note(deletion: TenantDeletion, table: str, deleted: int) -> None:
    found = TenantDeletion.objects.select_for_update().get(pk=deletion.pk)
    found.rows[table] = found.rows.get(table, 0) + deleted
    found.save(update_fields=["rows"])
