"""``GET /metrics``: who may look, what is there, and what is not."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from core import broker, scrape
from core.due import DueKind, _kinds, sweep_tenant
from core.metrics import WAKE_UPS
from core.models import DueRow
from core.scrape import Reading
from leads.models import HeldLead, Submission, SubmissionState
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leadsys.settings import env_secret
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead

TOKEN = "9dK2mQ7xW4bN8sV1cZ6tR3"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def client(db: None) -> Client:
    return Client()


def read(client: Client, **headers: str) -> Samples:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    families = list(text_string_to_metric_families(answer.content.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def status(client: Client, address: str = "127.0.0.1", **headers: str) -> int:
    return int(client.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
def test_the_machine_itself_may_look_without_a_token(client: Client, address: str) -> None:
    assert status(client, address) == 200


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.2", "::ffff:10.0.0.2", "", "unix:"])
def test_others_may_not(client: Client, address: str) -> None:
    assert status(client, address) == 401
    assert client.get("/metrics", REMOTE_ADDR=address)["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via"]
)
def test_the_loopback_counts_for_nothing_with_a_trace_of_a_proxy(client: Client, header: str) -> None:
    assert status(client, "127.0.0.1", **{header: "127.0.0.1"}) == 401


def test_the_loopback_counts_for_nothing_where_a_proxy_stands_in_front(client: Client, settings: Any) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert status(client, "127.0.0.1") == 401


def test_the_token_opens_from_anywhere_and_a_wrong_one_nowhere(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    forwarded = {"x-forwarded-for": "203.0.113.7"}
    assert status(client, "10.0.0.2", authorization=f"Bearer {TOKEN}", **forwarded) == 200
    assert status(client, "10.0.0.2", authorization=f"bearer {TOKEN}") == 200
    for wrong in (f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer Ω"):
        assert status(client, "10.0.0.2", authorization=wrong) == 401
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 0
    assert status(client, "127.0.0.1", authorization="Bearer wrong") == 401
    assert status(client, "127.0.0.1") == 200


def test_without_a_token_of_ours_no_token_opens(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert status(client, "10.0.0.2", authorization="Bearer ") == 401


def test_a_short_token_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADSYS_METRICS_TOKEN", "short")
    with pytest.raises(ImproperlyConfigured, match="LEADSYS_METRICS_TOKEN"):
        env_secret("LEADSYS_METRICS_TOKEN")
    monkeypatch.setenv("LEADSYS_METRICS_TOKEN", TOKEN)
    assert env_secret("LEADSYS_METRICS_TOKEN") == TOKEN


def test_requests_are_counted_by_route_and_never_by_path(client: Client, tenant: Tenant) -> None:
    before = read(client)
    client.get(f"/t/{tenant.slug}/leads/777000777000777/")
    client.get("/no/such/nobody-knows")
    client.generic("MADEUP", "/healthz")
    after = read(client)

    def grown(method: str, route: str, status: str) -> float:
        key = ("leadsys_requests_total", (("method", method), ("route", route), ("status", status)))
        return after[key] - before.get(key, 0)

    assert grown("GET", "lead-detail", "302") == 1
    assert grown("GET", "none", "404") == 1
    assert grown("other", "healthz", "405") == 1
    assert grown("GET", "metrics", "200") == 1
    time = ("leadsys_request_seconds_count", (("method", "GET"), ("route", "lead-detail")))
    assert after[time] - before.get(time, 0) == 1
    body = client.get("/metrics").content.decode()
    assert "777000777000777" not in body
    assert "nobody-knows" not in body
    assert tenant.slug not in body


def test_a_lead_in_the_pipeline_is_counted_at_every_step_that_concerns_it(
    client: Client, tenant: Tenant
) -> None:
    before = read(client)
    with tenant_scope(tenant.pk):
        leads = [make_lead().pk, make_lead().pk]
        run_pipeline(lead_ids=leads, reason=Reason(ReasonCode.ACT), now=timezone.now())
    after = read(client)
    concerned = dict.fromkeys(("identify", "rate", "advance"), True)
    for step, is_counted in (concerned | dict.fromkeys(("assign", "enroll", "time"), False)).items():
        for name, more in (("leadsys_pipeline_leads_total", 2), ("leadsys_pipeline_step_seconds_count", 1)):
            key = (name, (("step", step),))
            assert after.get(key, 0) - before.get(key, 0) == more * is_counted, key


@pytest.fixture
def failing_kind() -> Iterator[str]:
    def act(subjects: Any, now: Any) -> None:
        raise ValueError("always")

    _kinds["test.fails"] = DueKind("test.fails", act=act)
    yield "test.fails"
    del _kinds["test.fails"]


def test_what_waits_is_shown_with_its_age_and_names_no_tenant(
    client: Client, tenant: Tenant, other_tenant: Tenant, failing_kind: str
) -> None:
    now = timezone.now()
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            DueRow.objects.create(kind="test.fails", subject=1, due_at=now - timedelta(seconds=90))
            DueRow.objects.create(kind="test.fails", subject=2, due_at=now + timedelta(hours=1))
            Submission.objects.create(
                source="api", payload={}, state=SubmissionState.HELD, received_at=now - timedelta(hours=2)
            )
            HeldLead.objects.create(
                lead=make_lead(), step="score", reason={}, error="x", first_failed_at=now, held_at=now
            )
    shown = read(client)
    assert shown["leadsys_due_rows_overdue", (("kind", "test.fails"),)] == 2
    assert 90 <= shown["leadsys_due_lag_seconds", (("kind", "test.fails"),)] < 120
    assert shown["leadsys_submissions_unfinished", (("state", "held"),)] == 2
    assert shown["leadsys_submissions_unfinished", (("state", "received"),)] == 0
    assert 7200 <= shown["leadsys_submissions_oldest_seconds", (("state", "held"),)] < 7300
    assert shown["leadsys_leads_held", (("state", "held"),)] == 2
    sweep_tenant(tenant_id=tenant.pk, now=now)
    after = read(client)
    key = ("leadsys_due_row_failures_total", (("kind", "test.fails"),))
    assert after[key] - shown.get(key, 0) == 1
    body = client.get("/metrics").content.decode()
    assert tenant.slug not in body
    assert other_tenant.slug not in body


def test_a_database_that_takes_too_long_is_left_out_and_said_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> Iterator[Reading]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        yield Reading("never", "", 1)

    monkeypatch.setattr(scrape, "STATEMENT_TIMEOUT", "50ms")
    monkeypatch.setitem(scrape._readers, "slow", slow)
    shown = read(client)
    assert shown["leadsys_reader_up", (("reader", "slow"),)] == 0
    assert shown["leadsys_reader_up", (("reader", "operation"),)] == 1
    assert shown["leadsys_reader_up", (("reader", "database"),)] == 1


def test_an_error_that_nobody_expects_is_not_swallowed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[Reading]:
        raise KeyError("a mistake")

    monkeypatch.setitem(scrape._readers, "broken", broken)
    with pytest.raises(KeyError):
        client.get("/metrics")


def test_a_broker_that_is_away_is_shown_and_lost_wake_ups_are_counted(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(client)["leadsys_broker_up", ()] == 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(broker, "_absent_until", 0.0)
    broker._client.cache_clear()
    try:
        shown = read(client)
        assert shown["leadsys_broker_up", ()] == 0
        assert "leadsys_broker_queue" not in {name for name, _labels in shown}
        from core.tasks import send, sweep_due_rows

        lost = WAKE_UPS.labels("core.sweep", "lost")._value.get()
        send(sweep_due_rows, {})
        assert WAKE_UPS.labels("core.sweep", "lost")._value.get() == lost + 1
    finally:
        broker._client.cache_clear()
        monkeypatch.setattr(broker, "_absent_until", 0.0)
