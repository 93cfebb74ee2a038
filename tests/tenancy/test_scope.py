"""The database keeps tenants apart, and the ORM says so early."""

from datetime import datetime

import pytest
from django.db import DatabaseError, connection, transaction

from tenancy.models import Membership, Team, Tenant
from tenancy.scope import NoTenantScope, OtherTenantScope, current_tenant_id, tenant_scope


def test_orm_outside_a_scope_raises(tenant: Tenant) -> None:
    with pytest.raises(NoTenantScope):
        Team.objects.count()
    with pytest.raises(NoTenantScope):
        Team(name="Pre-sales", function="sdr")


def test_raw_sql_without_where_sees_only_the_scope(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant_id FROM tenancy_membership")
        assert cursor.fetchall() == [(tenant.pk,)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenancy_membership")
        assert cursor.fetchone() == (0,)


def test_writing_into_another_tenant_fails(tenant: Tenant, other_tenant: Tenant) -> None:
    with (
        tenant_scope(tenant.pk),
        pytest.raises(DatabaseError, match="row-level security"),
        transaction.atomic(),
    ):
        Team.objects.create(tenant=other_tenant, name="Intruders", function="sdr")


def test_a_reference_cannot_cross_tenants(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(other_tenant.pk):
        foreigner = Membership.objects.get()
    with tenant_scope(tenant.pk), pytest.raises(DatabaseError, match="in_tenant"), transaction.atomic():
        Team.objects.create(name="Pre-sales", function="sdr", lead_member_id=foreigner.pk)


def test_entering_another_tenant_inside_a_scope_is_refused(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(tenant.pk), pytest.raises(OtherTenantScope), tenant_scope(other_tenant.pk):
        pass


@pytest.mark.django_db(transaction=True)
def test_the_scope_ends_with_its_transaction_and_with_an_error(now: datetime) -> None:
    with pytest.raises(ZeroDivisionError), tenant_scope(1):
        1 / 0  # noqa: B018
    assert current_tenant_id() is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('leadsys.tenant_id', true)")
        assert cursor.fetchone()[0] in (None, "")


def test_a_scope_inside_a_transaction_restores_what_was_before(tenant: Tenant) -> None:
    with transaction.atomic():
        with tenant_scope(tenant.pk):
            pass
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tenancy_membership")
            assert cursor.fetchone() == (0,)
