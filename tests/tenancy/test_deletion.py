"""A tenant is deleted: every row of it in every table, and nothing of anybody else."""

import threading
from io import StringIO

import psycopg
import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db import models

from tenancy import deletion
from tenancy.deletion import StillInUse, delete_tenant, in_order_of_deletion
from tenancy.fields import TenantForeignKey
from tenancy.models import Membership, Role, Team, Tenant, TenantDeletion, User
from tenancy.scope import TenantSuspended, tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.faults.workers import database_environment
from tests.guards.rows import make_row, tenant_owned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def both_filled(tenant: Tenant, other_tenant: Tenant) -> tuple[Tenant, Tenant]:
    """Two tenants, each with a row in every table."""
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            made: dict[type[models.Model], models.Model] = {}
            for model in tenant_owned():
                make_row(model, made)
    return tenant, other_tenant


def rows_of(tenant: Tenant) -> dict[str, int]:
    """How many rows of each table the tenant has."""
    with tenant_scope(tenant.pk, even_suspended=True):
        return {model._meta.label: model._default_manager.count() for model in tenant_owned()}


def test_every_row_in_every_table_goes_and_the_other_tenant_keeps_all(
    both_filled: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = both_filled
    before = rows_of(theirs)
    assert min(rows_of(ours).values()) >= 1
    done = delete_tenant(tenant=ours, now=NOW)
    assert set(rows_of(ours).values()) == {0}
    assert rows_of(theirs) == before
    assert not Tenant.objects.filter(slug="horizonte").exists()
    assert (done.slug, done.name, done.began_at, done.ended_at) == ("horizonte", "Horizonte SaaS", NOW, NOW)
    tables = {model._meta.db_table for model in tenant_owned()}
    # Nothing went by a cascade behind our back.
    assert set(done.rows) == tables


def test_rows_go_in_batches_and_a_large_table_in_many(
    tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "BATCH_SIZE", 10)
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            for _number in range(25):
                make_lead()
    told: list[tuple[str, int]] = []
    delete_tenant(tenant=tenant, now=NOW, progress=lambda table, rows: told.append((table, rows)))
    assert [rows for table, rows in told if table == "leads_lead"] == [10, 10, 5]
    assert max(rows for _table, rows in told) <= 10
    assert rows_of(other_tenant)["leads.Lead"] == 25


def test_a_deletion_that_was_interrupted_goes_on(
    both_filled: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _theirs = both_filled
    left = rows_of(ours)

    def stop_at_leads(table: str, rows: int) -> None:
        if table == "leads_lead":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        delete_tenant(tenant=ours, now=NOW, progress=stop_at_leads)
    with pytest.raises(TenantSuspended), tenant_scope(ours.pk):
        pytest.fail("entered")
    assert TenantDeletion.objects.get().ended_at is None
    done = delete_tenant(tenant=ours, now=NOW)
    assert set(rows_of(ours).values()) == {0}
    assert done.rows["leads_lead"] == left["leads.Lead"]
    assert TenantDeletion.objects.count() == 1


def test_logins_with_a_place_elsewhere_and_operators_stay(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        only_here = make_member(role=Role.SDR).user
        both = make_member(role=Role.SDR).user
        operator = make_member(role=Role.SDR).user
        assert only_here is not None
        assert both is not None
        assert operator is not None
    EmailAddress.objects.create(user=only_here, email=only_here.email, verified=True, primary=True)
    User.objects.filter(pk=operator.pk).update(is_staff=True)
    with tenant_scope(other_tenant.pk):
        Membership.objects.create(user=both, name="Ana", roles=["viewer"], is_active=False)
    delete_tenant(tenant=tenant, now=NOW)
    left = set(User.objects.values_list("pk", flat=True))
    assert {both.pk, operator.pk} <= left
    assert only_here.pk not in left
    assert not EmailAddress.objects.exists()
    assert not User.objects.filter(email="admin@horizonte.test").exists()
    assert User.objects.filter(email="admin@outra.test").exists()


def test_it_waits_for_who_is_still_at_work_in_the_tenant(tenant: Tenant) -> None:
    address = database_environment()["DATABASE_URL"]
    with psycopg.connect(address) as other:
        other.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(tenant.pk)])
        with pytest.raises(StillInUse):
            delete_tenant(tenant=tenant, now=NOW, patience_seconds=0.5)
        assert rows_of(tenant)["tenancy.Membership"] == 1

        def write_late() -> None:
            other.execute(
                "INSERT INTO tenancy_team (tenant_id, name, function) VALUES (%s, 'Late', 'sdr')", [tenant.pk]
            )
            other.commit()

        late = threading.Timer(0.5, write_late)
        late.start()
        delete_tenant(tenant=tenant, now=NOW, patience_seconds=20)
        late.join()
    assert set(rows_of(tenant).values()) == {0}


def test_the_address_may_be_taken_anew(tenant: Tenant) -> None:
    delete_tenant(tenant=tenant, now=NOW)
    call_command(
        "create_tenant",
        "Horizonte",
        "--slug",
        "horizonte",
        "--admin",
        "nova@horizonte.test",
        stdout=StringIO(),
    )
    fresh = Tenant.objects.get(slug="horizonte")
    assert fresh.pk != tenant.pk
    with tenant_scope(fresh.pk):
        assert [member.email for member in Membership.objects.all()] == ["nova@horizonte.test"]


def test_the_command_wants_the_address_twice(tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="must repeat"):
        call_command("delete_tenant", "horizonte", "--confirm", "horizonte2")
    assert Tenant.objects.get(slug="horizonte").suspended_at is None
    out = StringIO()
    call_command("delete_tenant", "horizonte", "--confirm", "horizonte", stdout=out, stderr=StringIO())
    assert out.getvalue().startswith("Horizonte SaaS is deleted: ")
    with pytest.raises(CommandError, match="no tenant 'horizonte'"):
        call_command("delete_tenant", "horizonte", "--confirm", "horizonte")


def test_whoever_refers_to_another_goes_first() -> None:
    order = in_order_of_deletion()
    assert set(order) == set(tenant_owned())
    place = {model: number for number, model in enumerate(order)}
    for model in order:
        for field in model._meta.local_fields:
            target = field.related_model
            is_firm = (
                isinstance(field, TenantForeignKey) and field.remote_field.on_delete is not models.SET_NULL
            )
            if is_firm and isinstance(target, type) and target is not model:
                assert place[model] < place[target], f"{model._meta.label}.{field.name}"
    assert place[Team] < place[Membership]
