"""Workers killed in the middle of sending: mails doubled 0, lost 0; those of which nobody can know are listed as such."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.due import schedule
from leads.models import Lead, LeadState, RuleKind
from leads.versions import open_rulebook
from nurturing.enrollments import STEP_KIND, NewEnrollment, enroll
from nurturing.models import Enrollment, Message
from nurturing.sending import LEASE, Sender
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.faults.mail_sink import Sink, mail_sink
from tests.faults.workers import database_environment, make_dice, rounds
from tests.nurturing.sequences import email, publish_sequence

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault, pytest.mark.slow]

# What a Celery worker does when it is woken: steps that are due, then messages. The parent only makes workers, so that each
# of them begins within milliseconds: it is told the port of the mail server and says the new worker's process id.
MAKE_WORKERS = """
import os, signal, sys, time
import django
django.setup()
from django.conf import settings
from django.utils import timezone
from core.due import sweep
from nurturing.sending import MailCarrier, Sender

def work(port):
    settings.EMAIL_PORT = port
    sender = Sender()
    while True:
        acted = sweep(now=timezone.now())
        acted += sender.take_turn(carrier=MailCarrier(), clock=timezone.now)
        if not acted:
            time.sleep(0.02)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        work(int(line))
    print(child, flush=True)
"""


@pytest.fixture(scope="module")
def workers(django_db_setup: None, django_db_blocker: Any) -> Iterator[subprocess.Popen[str]]:
    """The process that makes workers on the test's database."""
    environment = database_environment() | {"LEADSYS_SMTP_HOST": "127.0.0.1", "LEADSYS_SMTP_TLS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE_WORKERS],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


@contextmanager
def worker(workers: subprocess.Popen[str], sink: Sink) -> Iterator[None]:
    """A worker that sends to the sink until it is killed."""
    assert workers.stdin is not None
    assert workers.stdout is not None
    workers.stdin.write(f"{sink.port}\n")
    workers.stdin.flush()
    process_id = int(workers.stdout.readline())
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGKILL)


def enroll_many(tenant: Tenant, *, count: int) -> None:
    """As many leads in a sequence of two e-mails, both due now."""
    now = timezone.now()
    with tenant_scope(tenant.pk):
        publish_sequence(email("one"), email("two"), now=now)
        published = open_rulebook().get(RuleKind.SEQUENCE, "trial")
        assert published is not None
        leads = Lead.objects.bulk_create(Lead(email=f"ana{number}@empresa.com.br") for number in range(count))
        LeadState.objects.bulk_create(
            LeadState(lead=lead, stage="nurture", stage_at=now, live_since=now, enrolled_at=now)
            for lead in leads
        )
        entered = enroll(new=[NewEnrollment(lead.pk, published) for lead in leads], now=now)
        # One second apart, so that steps and sending go side by side.
        schedule(
            kind=STEP_KIND,
            due={key: now + timedelta(milliseconds=10 * place) for place, key in enumerate(entered.values())},
        )
        Enrollment.objects.update(next_at=now)


def states(tenant: Tenant) -> dict[str, list[str]]:
    """Message-IDs by state."""
    found: dict[str, list[str]] = {}
    with tenant_scope(tenant.pk):
        for state, message_id in Message.objects.values_list("state", "message_id"):
            found.setdefault(state, []).append(message_id)
    return found


def send_the_rest(tenant: Tenant, workers: subprocess.Popen[str], sink: Sink, *, count: int) -> None:
    """Let a worker work until nothing waits; what dead ones had in hand is unknown when its lease ends."""
    until = time.monotonic() + 60
    with worker(workers, sink):
        while "queued" in (now := states(tenant)) or sum(map(len, now.values())) < count:
            assert time.monotonic() < until, {state: len(names) for state, names in now.items()}
            time.sleep(0.1)
            make_retries_due(tenant)
    ended = timezone.now() + LEASE + timedelta(minutes=1)
    Sender().take_turn(carrier=None, clock=lambda: ended)


def make_retries_due(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        Message.objects.filter(state="queued", due_at__gt=timezone.now()).update(due_at=timezone.now())


def test_no_mail_is_doubled_and_none_is_lost_when_workers_are_killed(tenant: Any, workers: Any) -> None:
    dice, times = make_dice(), rounds(small=5, full=60)
    leads = rounds(small=80, full=1500)
    enroll_many(tenant, count=leads)
    with mail_sink(dice, slowest_ms=6) as sink:
        for _time in range(times):
            with worker(workers, sink):
                time.sleep(dice.uniform(0.02, 0.8))
        send_the_rest(tenant, workers, sink, count=2 * leads)
    found = states(tenant)
    unknown = found.pop("unknown", [])
    assert set(found) == {"sent"}
    assert len(found["sent"]) + len(unknown) == 2 * leads
    assert len(unknown) <= times
    # Each that is called sent arrived once; one whose outcome is unknown arrived once or not at all.
    assert {sink.taken[name] for name in found["sent"]} == {1}
    assert {sink.taken[name] for name in unknown} <= {0, 1}
    assert set(sink.taken) <= {*found["sent"], *unknown}
    with tenant_scope(tenant.pk):
        assert set(Enrollment.objects.values_list("state", flat=True)) == {"finished"}


def test_what_a_server_took_without_an_answer_is_unknown_and_what_it_put_off_is_sent_once(
    tenant: Any, workers: Any
) -> None:
    dice, leads = make_dice(), rounds(small=40, full=600)
    enroll_many(tenant, count=leads)
    with mail_sink(dice, rude=0.1, busy=0.1) as sink:
        send_the_rest(tenant, workers, sink, count=2 * leads)
    found = states(tenant)
    assert set(found.get("unknown", [])) == sink.hung_up
    assert set(found["sent"]) == set(sink.taken) - sink.hung_up
    assert "failed" not in found
    assert set(sink.taken.values()) == {1}


def test_two_workers_send_each_message_once(tenant: Any, workers: Any) -> None:
    dice, leads = make_dice(), rounds(small=40, full=1000)
    enroll_many(tenant, count=leads)
    with mail_sink(dice, slowest_ms=3) as sink, worker(workers, sink):
        send_the_rest(tenant, workers, sink, count=2 * leads)
    assert {state: len(names) for state, names in states(tenant).items()} in (
        {"sent": 2 * leads},
        # The one that the other worker had in hand when it was stopped.
        {"sent": 2 * leads - 1, "unknown": 1},
    )
    assert set(sink.taken.values()) == {1}
