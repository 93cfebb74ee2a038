"""Suspending a tenant: nobody works in it, nothing of it is lost, and what is due meanwhile is done when it is resumed.

The check stands in ``tenant_scope``, the one door to a tenant's rows, so that it holds for pages, API, forms, sweeps, sends and
commands alike. What a running transaction has begun, it ends.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from tenancy.audit import record
from tenancy.errors import Conflict
from tenancy.models import Tenant, TenantDeletion
from tenancy.scope import tenant_scope


class DeletionBegun(Conflict):
    """A part of the tenant's rows may be gone already."""


def suspend_tenant(*, tenant: Tenant, now: datetime, reason: str = "") -> bool:
    """Let nobody in from now on; whether that is news. ``reason`` is kept in the tenant's audit log."""
    with transaction.atomic():
        news = Tenant.objects.filter(pk=tenant.pk, suspended_at__isnull=True).update(suspended_at=now)
        if news:
            with tenant_scope(tenant.pk, even_suspended=True):
                record(
                    act="tenant.suspended", subject=tenant.name, by=None, now=now, detail={"reason": reason}
                )
    return bool(news)


def resume_tenant(*, tenant: Tenant, now: datetime) -> bool:
    """Let everybody in again; whether that is news. The next sweeps do what has fallen due. Raises DeletionBegun."""
    with transaction.atomic():
        # Whoever begins to delete waits for this row, and finds a tenant that is not suspended.
        found = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if TenantDeletion.objects.filter(tenant_number=tenant.pk).exists():
            raise DeletionBegun(_("The deletion of this account has begun and can't be undone."))
        if found.suspended_at is None:
            return False
        Tenant.objects.filter(pk=tenant.pk).update(suspended_at=None)
        with tenant_scope(tenant.pk):
            record(
                act="tenant.resumed",
                subject=tenant.name,
                by=None,
                now=now,
                detail={"suspended_at": found.suspended_at.isoformat()},
            )
    return True
