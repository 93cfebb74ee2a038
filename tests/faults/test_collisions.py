"""Several processes at the same rows at the same moment: nobody waits in a circle, and who loses a deadlock tries again."""

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from core import due
from core.bisection import is_transient
from core.due import DueKind, register_due_kind, schedule, sweep_tenant
from core.models import DueRow
from leads.capture import intake, submissions
from leads.capture.inputs import LeadInput
from leads.capture.intake import Intake
from leads.capture.receiving import DUE_KIND, Raw, receive
from leads.capture.submissions import process_now
from leads.models import Event, Submission
from routing.models import Pool
from tenancy.models import Tenant
from tenancy.scope import tenant_scope

pytestmark = pytest.mark.django_db(transaction=True)

PERSON = {
    "email": "ana@empresa.com.br",
    "event": {"type": "form_submitted", "properties": {"kind": "demo"}},
}


def another_connection(tenant: Tenant) -> "psycopg.Connection[Any]":
    """Somebody else in the same tenant, in a transaction of their own."""
    about = connection.settings_dict
    other = psycopg.connect(
        host=about["HOST"],
        port=about["PORT"] or None,
        user=about["USER"],
        password=about["PASSWORD"],
        dbname=about["NAME"],
    )
    other.execute("SELECT set_config('leadsys.tenant_id', %s, true)", [str(tenant.pk)])
    return other


def take_pool_once_awaited(other: "psycopg.Connection[Any]", pool_id: int) -> None:
    """Wait until somebody waits for this transaction, then ask for the pool that they hold."""
    deadline = time.monotonic() + 20
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    while time.monotonic() < deadline and other.execute(waiting).fetchone() == (0,):
        time.sleep(0.02)
    other.execute("SELECT FROM routing_pool WHERE id = %s FOR UPDATE", [pool_id])
    other.rollback()


def test_a_sender_who_loses_a_deadlock_is_answered_as_if_there_had_been_none(tenant: Tenant) -> None:
    now = timezone.now()
    [submission_id] = receive(tenant_id=tenant.pk, raws=[Raw(PERSON, "api")], now=now, due_at=now)
    with tenant_scope(tenant.pk):
        pool_id = Pool.objects.get(function="sdr").pk
    with another_connection(tenant) as other:
        other.execute(
            "SELECT FROM core_duerow WHERE kind = %s AND subject = %s FOR UPDATE", [DUE_KIND, submission_id]
        )
        sweeper = threading.Thread(target=take_pool_once_awaited, args=(other, pool_id))
        sweeper.start()
        [answer] = process_now(tenant=tenant, submission_ids=[submission_id], now=now)
        sweeper.join()
    assert (answer.status, answer.body["stage"]) == (201, "mql")
    with tenant_scope(tenant.pk):
        assert Submission.objects.get().state == "processed"
        assert Event.objects.count() == 1
        assert not DueRow.objects.filter(kind=DUE_KIND).exists()


def test_a_submission_that_the_database_was_away_for_is_processed_when_it_is_back(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    [submission_id] = receive(
        tenant_id=tenant.pk, raws=[Raw(PERSON, "api")], now=now, due_at=now + timedelta(seconds=30)
    )

    def away(**_given: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(submissions, "take_in", away)
        [answer] = process_now(tenant=tenant, submission_ids=[submission_id], now=now)
    assert (answer.status, answer.body["state"]) == (202, "received")
    sweep_tenant(tenant_id=tenant.pk, now=now + timedelta(seconds=31))
    with tenant_scope(tenant.pk):
        submission = Submission.objects.get()
        assert (submission.state, submission.attempts) == ("processed", 0)


def test_a_sender_whose_submission_a_worker_has_taken_up_meanwhile_is_told_where_to_look(
    tenant: Tenant,
) -> None:
    now = timezone.now()
    [submission_id] = receive(tenant_id=tenant.pk, raws=[Raw(PERSON, "api")], now=now, due_at=now)
    sweep_tenant(tenant_id=tenant.pk, now=now)
    [answer] = process_now(tenant=tenant, submission_ids=[submission_id], now=now)
    assert (answer.status, answer.body["state"]) == (202, "processed")


def test_a_sender_whose_submission_raises_takes_nobody_along_who_was_processed_with_it(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    raws = [Raw({**PERSON, "email": f"{name}@empresa.com.br"}, "api") for name in ("ana", "bia", "caio")]
    ids = receive(tenant_id=tenant.pk, raws=raws, now=now, due_at=now)

    def take_in(*, rows: Sequence[LeadInput], **given: Any) -> list[Intake]:
        if any(row.email == "bia@empresa.com.br" for row in rows):
            raise ValueError("a bug that only one of them meets")
        return intake.take_in(rows=rows, **given)

    monkeypatch.setattr(submissions, "take_in", take_in)
    answers = process_now(tenant=tenant, submission_ids=ids, now=now)
    assert [(answer.submission_id, answer.status) for answer in answers] == list(
        zip(ids, (201, 202, 201), strict=True)
    )
    with tenant_scope(tenant.pk):
        assert list(Submission.objects.order_by("pk").values_list("state", flat=True)) == [
            "processed",
            "held",
            "processed",
        ]


def test_a_sweep_lets_go_of_rows_whose_subjects_somebody_has_in_hand(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_kinds", {})
    let_go: list[bool] = []

    def act(subjects: Sequence[int], now: datetime) -> None:
        with another_connection(tenant) as other:
            rows = other.execute(
                "SELECT subject FROM core_duerow WHERE kind = 'test.kind' FOR UPDATE SKIP LOCKED"
            ).fetchall()
        let_go.append(rows == [(1,)] and list(subjects) == [2, 3])

    now = timezone.now()
    register_due_kind(
        DueKind("test.kind", act=act, lock=lambda subjects: [each for each in subjects if each != 1])
    )
    with tenant_scope(tenant.pk):
        schedule(kind="test.kind", due=dict.fromkeys((1, 2, 3), now))
    assert sweep_tenant(tenant_id=tenant.pk, now=now) == 2
    assert let_go == [True]
    with tenant_scope(tenant.pk):
        assert list(DueRow.objects.filter(kind="test.kind").values_list("subject", "attempts")) == [(1, 0)]


@pytest.mark.parametrize("sqlstate", ["40P01", "53100", "53300", "57P02", "58030"])
def test_what_the_machine_is_short_of_is_no_fault_of_the_row(sqlstate: str) -> None:
    cause = psycopg.errors.lookup(sqlstate)("short")
    error = OperationalError("short")
    error.__cause__ = cause
    assert is_transient(error)
