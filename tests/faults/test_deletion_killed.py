"""A tenant's deletion, killed again and again at moments drawn from a printed seed: it goes on, and touches nobody else."""

import signal
import subprocess
import sys
import time

import pytest
from django.db import connection

from tenancy.models import Tenant, TenantDeletion
from tenancy.scope import tenant_scope
from tests.builders import make_lead
from tests.faults.workers import database_environment, make_dice, rounds
from tests.guards.rows import tenant_owned

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LEADS, EVENTS = 200, rounds(small=20_000, full=100_000)
KILLS = rounds(small=3, full=15)
# In batches of the size that a large table has in proportion to its rows.
DELETE = """
import sys
import django
django.setup()
from django.utils import timezone
from tenancy import deletion
from tenancy.models import Tenant
deletion.BATCH_SIZE = 20
tenant = Tenant.objects.get(slug="horizonte")
print("working", flush=True)
deletion.delete_tenant(tenant=tenant, now=timezone.now())
"""


def fill(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        ids = [make_lead().pk for _number in range(LEADS)]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)
                SELECT %s, (%s::bigint[])[1 + n %% %s], 'page_viewed', now(), now(), '{}' FROM generate_series(1, %s) n
                """,
                [tenant.pk, ids, LEADS, EVENTS],
            )


def rows_of(tenant: Tenant) -> dict[str, int]:
    with tenant_scope(tenant.pk, even_suspended=True):
        return {model._meta.db_table: model._default_manager.count() for model in tenant_owned()}


def begin() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", DELETE], env=database_environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def test_a_killed_deletion_goes_on_and_the_other_tenant_keeps_every_row(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    dice = make_dice()
    for each in (tenant, other_tenant):
        fill(each)
    ours, theirs = rows_of(tenant), rows_of(other_tenant)
    assert ours["leads_event"] == EVENTS
    left = []
    for _time in range(KILLS):
        process = begin()
        time.sleep(dice.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(sum(rows_of(tenant).values()))
        assert Tenant.objects.filter(slug="horizonte", suspended_at__isnull=False).exists()
    assert min(left) > 0, "it was never killed in mid-work"
    assert begin().wait(timeout=300) == 0
    assert set(rows_of(tenant).values()) == {0}
    assert rows_of(other_tenant) == theirs
    done = TenantDeletion.objects.get()
    assert done.ended_at is not None
    # Every row is counted once: a batch and its count are committed together. The suspension added its own audit entry.
    assert done.rows == {table: rows for table, rows in ours.items() if rows} | {
        "tenancy_auditentry": ours["tenancy_auditentry"] + 1
    }
