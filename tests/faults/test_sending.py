"""Workers killed in the middle of sending: mails doubled 0, lost 0; those of which nobody can know are listed as such."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.due import schedule, sweep_tenant
from leads.models import Lead, LeadState, RuleKind
from leads.versions import open_rulebook
from nurturing.enrollments import STEP_KIND, NewEnrollment, enroll
from nurturing.models import Enrollment, Message
from nurturing.sending import LEASE, Sender
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.faults.mail_sink import TAKEN, Sink, mail_sink
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
def worker(workers: subprocess.Popen[str], sink: Sink) -> Iterator[int]:
    """A worker that sends to the sink until it is killed."""
    assert workers.stdin is not None
    assert workers.stdout is not None
    workers.stdin.write(f"{sink.port}\n")
    workers.stdin.flush()
    process_id = int(workers.stdout.readline())
    try:
        yield process_id
    finally:
        with suppress(ProcessLookupError):
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
    until = time.monotonic() + 60 + count / 5
    in_dead_hands = set(states(tenant).get("sending", []))

    def is_at_work(now: dict[str, list[str]]) -> bool:
        in_hand = set(now.get("sending", [])) - in_dead_hands
        return bool(in_hand) or "queued" in now or sum(map(len, now.values())) < count

    with worker(workers, sink):
        while is_at_work(now := states(tenant)):
            assert time.monotonic() < until, {state: len(names) for state, names in now.items()}
            time.sleep(0.1)
            make_due(tenant)
    ended = timezone.now() + LEASE + timedelta(minutes=1)
    Sender().take_turn(carrier=None, clock=lambda: ended)


def write_all(tenant: Tenant) -> None:
    """Take the steps that are left, so that every message waits to be sent now."""
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + timedelta(minutes=1))
    make_due(tenant)


def make_due(tenant: Tenant) -> None:
    """Let nothing wait for its time any more."""
    with tenant_scope(tenant.pk):
        Message.objects.filter(state="queued", due_at__gt=timezone.now()).update(due_at=timezone.now())


def assert_each_once(tenant: Tenant, sink: Sink, *, count: int, kills: int) -> None:
    """Each message that is called sent arrived once; one whose outcome is unknown arrived once or not at all."""
    found = states(tenant)
    unknown = found.pop("unknown", [])
    assert set(found) == {"sent"}
    assert len(found["sent"]) + len(unknown) == count
    assert len(unknown) <= kills
    assert {sink.taken[name] for name in found["sent"]} == {1}
    assert {sink.taken[name] for name in unknown} <= {0, 1}
    assert set(sink.taken) <= {*found["sent"], *unknown}


def kill_workers(
    workers: Any, sink: Sink, dice: random.Random, *, times: int, longest_seconds: float
) -> None:
    """Let a worker begin, kill it at a random moment, and so on."""
    for _time in range(times):
        with worker(workers, sink):
            time.sleep(dice.uniform(0.02, longest_seconds))


def test_no_mail_is_doubled_and_none_is_lost_when_workers_are_killed(tenant: Any, workers: Any) -> None:
    dice, kills = make_dice(), rounds(small=4, full=40)
    leads = rounds(small=60, full=600)
    enroll_many(tenant, count=leads)
    with mail_sink(dice, slowest_ms=6) as sink:
        # In the middle of steps, then in the middle of sending.
        kill_workers(workers, sink, dice, times=kills, longest_seconds=0.5)
        write_all(tenant)
        kill_workers(workers, sink, dice, times=kills, longest_seconds=0.6)
        send_the_rest(tenant, workers, sink, count=2 * leads)
    assert_each_once(tenant, sink, count=2 * leads, kills=2 * kills)
    with tenant_scope(tenant.pk):
        assert set(Enrollment.objects.values_list("state", flat=True)) == {"finished"}


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", TAKEN])
def test_a_worker_that_dies_between_two_commands_leaves_one_message_unknown(
    tenant: Any, workers: Any, command: str
) -> None:
    enroll_many(tenant, count=5)
    write_all(tenant)
    heard: list[str] = []
    with mail_sink(make_dice()) as sink:
        killed = threading.Event()

        def kill_at_third(said: str) -> None:
            heard.append(said)
            if heard.count(command) == 3 and not killed.is_set():
                os.kill(process_id, signal.SIGKILL)
                killed.set()

        with worker(workers, sink) as process_id:
            sink.trap = kill_at_third
            assert killed.wait(60)
        send_the_rest(tenant, workers, sink, count=10)
    found = states(tenant)
    assert {state: len(names) for state, names in found.items()} == {"sent": 9, "unknown": 1}
    assert sink.taken[found["unknown"][0]] == (1 if command == TAKEN else 0)
    assert_each_once(tenant, sink, count=10, kills=1)


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
