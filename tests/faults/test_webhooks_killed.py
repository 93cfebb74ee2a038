"""Workers killed while they tell another system: deliveries lost 0, doubled 0; what was sent twice has one id."""

import subprocess
import sys
import time
from collections import Counter
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from core.models import DueRow, WebhookAttempt, WebhookDelivery
from core.webhooks.endpoints import make_endpoint
from core.webhooks.events import SEND_KIND, Event, write_deliveries
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.faults.workers import database_environment, make_dice, rounds
from tests.webhook_receiver import receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault, pytest.mark.slow]

DELIVERIES = 150
# What a Celery worker does: the sweep hands over, the task sends. A claim lapses soon, so that the test need not wait.
WORKER = """
import sys, time, datetime
import django
django.setup()
from core import due
from core.webhooks import sending
sending.LEASE = datetime.timedelta(seconds=0.3)
from django.test import override_settings
from django.utils import timezone
tenant_id = int(sys.argv[1])
handed = []
sending.wake = lambda task, delivery_ids: handed.extend(delivery_ids)
print("working", flush=True)
while True:
    due.sweep_kind(kind="webhook.send", tenant_id=tenant_id, now=timezone.now())
    ids, handed[:] = list(handed), []
    sending.send_deliveries(tenant_id=tenant_id, delivery_ids=ids)
    time.sleep(0.02)
"""


def start(tenant: Tenant) -> subprocess.Popen[str]:
    """A worker that is at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tenant.pk)],
        env=database_environment() | {"LEADSYS_WEBHOOKS_TO_INTERNAL": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """At once, in the middle of whatever it does."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_workers_killed_while_they_send_lose_nothing_and_double_nothing(tenant: Tenant) -> None:
    dice = make_dice()
    kills = rounds(small=3, full=25)
    now = timezone.now()
    with receiver() as told:
        # The receiver takes its time, so that most kills fall into a request.
        def slowly(handler: Any) -> None:
            time.sleep(0.01)
            handler.send_response(204)
            handler.end_headers()

        told.instead = slowly
        with tenant_scope(tenant.pk):
            with override_settings(WEBHOOKS_TO_INTERNAL=True):
                endpoint, _secret = make_endpoint(
                    url=told.url, description="", event_types=["lead.created"], by=None, now=now
                )
            events = [Event(f"created:{n}", "lead.created", now, {"n": n}) for n in range(DELIVERIES)]
            assert (
                write_deliveries(deliveries=[(endpoint.pk, each) for each in events], now=now) == DELIVERIES
            )
            assert write_deliveries(deliveries=[(endpoint.pk, each) for each in events], now=now) == 0
        for _kill in range(kills):
            worker = start(tenant)
            time.sleep(dice.uniform(0.05, 0.4))
            kill(worker)
        # Two at once end it: they keep out of each other's way.
        workers = [start(tenant), start(tenant)]
        until = time.monotonic() + 60
        while time.monotonic() < until and is_left(tenant):
            time.sleep(0.1)
        for worker in workers:
            kill(worker)
    assert count(tenant, state="delivered") == count(tenant) == DELIVERIES
    with tenant_scope(tenant.pk):
        ids = set(WebhookDelivery.objects.values_list("message_id", flat=True))
        assert WebhookAttempt.objects.count() == DELIVERIES
        assert not DueRow.objects.filter(kind=SEND_KIND).exists()
    sent = Counter(told.ids)
    assert set(sent) == ids
    # Only what a killed worker had in hand can have gone out twice, once for each kill.
    assert sum(sent.values()) - len(sent) <= kills


def is_left(tenant: Tenant) -> bool:
    """Whether something is to be sent, or a row that woke somebody for it is to be cleared away."""
    with tenant_scope(tenant.pk):
        return bool(
            WebhookDelivery.objects.filter(state="pending").exists()
            or DueRow.objects.filter(kind=SEND_KIND).exists()
        )


def count(tenant: Tenant, **where: str) -> int:
    with tenant_scope(tenant.pk):
        return int(WebhookDelivery.objects.filter(**where).count())
