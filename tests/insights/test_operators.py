"""The operators' page of health: who sees it, what turns it orange and red, and that it tells nothing of a tenant's own."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from core import broker
from core.models import DueRow, ProcessPulse
from core.pulse import tell_alive
from insights import health as health_module
from insights.health import Check, look_at_health
from insights.operation import read_operation_counts
from leads.models import HeldLead, Submission, SubmissionState
from nurturing.models import Message
from tenancy.models import Tenant, User
from tenancy.scope import tenant_scope
from tests.builders import make_lead
from tests.guards.rows import make_row

ADDRESS = "/operator/health/"


@pytest.fixture
def everybody_lives(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # No worker takes what other tests have sent to the broker.
    monkeypatch.setattr(health_module, "queue_depths", lambda: dict.fromkeys(broker.queue_depths(), 0))
    for role in ProcessPulse.Role:
        tell_alive(role=role, started_at=timezone.now())
    with translation.override("en"):
        yield


def check_called(name: str) -> Check:
    (found,) = [check for check in look_at_health(now=timezone.now()).checks if check.name == name]
    return found


def signed_in(*, is_staff: bool) -> Client:
    user = User.objects.create(email=f"ops{is_staff}@x.test", is_staff=is_staff)
    client = Client()
    client.force_login(user)
    return client


def test_operators_see_it_and_nobody_else_does(tenant: Tenant) -> None:
    assert signed_in(is_staff=True).get(ADDRESS).status_code == 200
    for client in (Client(), signed_in(is_staff=False)):
        answer = client.get(ADDRESS)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/operator/login/")
    assert signed_in_post().status_code == 405


def signed_in_post() -> Any:
    user = User.objects.create(email="post@x.test", is_staff=True)
    client = Client()
    client.force_login(user)
    return client.post(ADDRESS)


@pytest.mark.parametrize(("language", "words"), [("en", "Everything works"), ("pt-br", "Tudo funciona")])
def test_all_is_well_in_the_readers_language(everybody_lives: None, language: str, words: str) -> None:
    answer = signed_in(is_staff=True).get(ADDRESS, headers={"accept-language": language})
    assert words in answer.content.decode()


@pytest.mark.parametrize(("role", "name"), [("web", "Web"), ("worker", "Workers"), ("beat", "Beat")])
def test_a_part_that_was_not_seen_lately_is_red(everybody_lives: None, role: str, name: str) -> None:
    assert check_called(name).tone == "good"
    assert check_called(name).do == ""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_processpulse SET seen_at = now() - interval '1 minute' WHERE role = %s", [role]
        )
    assert check_called(name).tone == "late"
    assert check_called(name).do


def test_two_beats_and_two_versions_are_orange(everybody_lives: None) -> None:
    ProcessPulse.objects.create(role="beat", host="other", pid=1, version="0.0.9", started_at=timezone.now())
    assert check_called("Beat").tone == "soon"
    assert "0.0.9" in check_called("Versions").says


def test_a_broker_that_is_away_is_red_and_the_rest_is_still_shown(
    everybody_lives: None, settings: Any
) -> None:
    ours, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    broker._client.cache_clear()
    try:
        assert check_called("Broker").tone == "late"
        assert "Valkey" in check_called("Broker").do
        page = signed_in(is_staff=True).get(ADDRESS, headers={"accept-language": "en"})
        assert "1 thing needs you now" in page.content.decode()
    finally:
        settings.REDIS_URL = ours
        broker._client.cache_clear()
    assert check_called("Broker").tone == "good"


@pytest.mark.parametrize(("seconds", "tone"), [(5, "good"), (60, "soon"), (600, "late")])
def test_what_is_due_turns_orange_then_red(
    everybody_lives: None, tenant: Tenant, seconds: int, tone: str
) -> None:
    with tenant_scope(tenant.pk):
        DueRow.objects.create(
            kind="clock.share", subject=1, due_at=timezone.now() - timedelta(seconds=seconds)
        )
    assert check_called("What is due").tone == tone
    lags = look_at_health(now=timezone.now()).lags
    assert [lag.kind for lag in lags] == ([] if tone == "good" else ["clock.share"])


def test_what_waits_in_a_suspended_tenant_is_not_late(everybody_lives: None, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        DueRow.objects.create(kind="clock.share", subject=1, due_at=timezone.now() - timedelta(hours=9))
    Tenant.objects.filter(pk=tenant.pk).update(suspended_at=timezone.now())
    assert check_called("What is due").tone == "good"


def test_an_old_submission_is_red(everybody_lives: None, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        Submission.objects.create(
            source="api", payload={}, received_at=timezone.now() - timedelta(minutes=30)
        )
    found = check_called("Submissions")
    assert (found.tone, found.says) == ("late", "1 waits, for 30 min.")


def test_held_and_unknown_things_are_shown_by_tenant_as_counts_alone(
    everybody_lives: None, tenant: Tenant, other_tenant: Tenant
) -> None:
    now = timezone.now()
    with tenant_scope(tenant.pk):
        lead = make_lead(email="segredo@cliente.test", name="Segredo da Silva")
        HeldLead.objects.create(
            lead=lead, step="score", reason={}, error="segredo", first_failed_at=now, held_at=now
        )
        Submission.objects.create(
            source="api", payload={"email": "segredo@x.test"}, state=SubmissionState.HELD
        )
        DueRow.objects.create(kind="clock.share", subject=1, due_at=now, held_at=now, error="segredo")
    with tenant_scope(other_tenant.pk):
        message = make_row(Message, {})
        Message.objects.filter(pk=message.pk).update(state="unknown", ended_at=now)
    assert check_called("Held").tone == "soon"
    assert "held_due_rows" in check_called("Given up").do
    assert check_called("Messages").tone == "soon"
    troubles = {each.slug: each for each in look_at_health(now=now).troubles}
    ours, theirs = troubles[tenant.slug], troubles[other_tenant.slug]
    assert (ours.held_leads, ours.held_submissions, ours.held_due_rows, ours.unknown_messages) == (1, 1, 1, 0)
    assert (theirs.held_leads, theirs.unknown_messages) == (0, 1)
    page = signed_in(is_staff=True).get(ADDRESS).content.decode()
    assert tenant.slug in page
    assert "segredo" not in page.lower()


def test_a_database_that_is_too_busy_to_count_says_so(
    everybody_lives: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*, now: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '20ms'")
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(health_module, "read_operation_counts", too_slow)
    assert check_called("Work").tone == "soon"


def test_a_full_disk_is_red(everybody_lives: None, settings: Any, monkeypatch: Any, tmp_path: Any) -> None:
    settings.HOME_FOLDER = str(tmp_path)
    free = {"good": 50, "soon": 8, "late": 1}
    for tone, share in free.items():
        usage = type("Usage", (), {"total": 100e9, "free": share * 1e9})
        monkeypatch.setattr("shutil.disk_usage", lambda _folder, usage=usage: usage)
        assert check_called("Disk").tone == tone


def test_a_count_stops_at_its_limit(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    with tenant_scope(tenant.pk):
        DueRow.objects.bulk_create(
            DueRow(kind="clock.share", subject=number, due_at=now - timedelta(seconds=number))
            for number in range(30)
        )
    monkeypatch.setattr("insights.operation.MOST", 10)
    (count,) = [each for each in read_operation_counts(now=now) if each.what == "due_overdue"]
    # Of a backlog the oldest are read.
    assert (count.amount, count.oldest) == (10, now - timedelta(seconds=29))
