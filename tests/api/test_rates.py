"""Rate limits: of a key, of a hosted form, of an address; a cache that is away counts nobody."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.test import Client
from structlog.testing import capture_logs

from core import cache as core_cache
from leads.models import CaptureForm, Submission
from tenancy.models import Scope, Tenant
from tenancy.rates import TooMany, count_key, network_of
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller

HOUR = 3600
FILLED = {
    "first_name": "Ana",
    "email": "ana@empresa.com.br",
    "phone": "+55 19 99888-7766",
    "company": "Empresa SA",
}


@pytest.fixture(autouse=True)
def _fresh_counters(settings: Any) -> None:
    settings.CACHES = settings.CACHES | {"default": settings.CACHES["default"] | {"KEY_PREFIX": uuid4().hex}}


@pytest.fixture
def valkey_away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_cache, "absence", core_cache.Absence())
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}


def contact_form(tenant: Tenant) -> tuple[str, CaptureForm]:
    with tenant_scope(tenant.pk):
        row = CaptureForm.objects.get(key="contact")
    return f"/f/{row.public_id}/", row


def count_submissions(tenant: Tenant) -> int:
    with tenant_scope(tenant.pk):
        return int(Submission.objects.count())


def test_a_key_that_asks_too_often_is_told_when_to_come_back(tenant: Tenant, settings: Any) -> None:
    settings.RATES = {"key": (3, HOUR)}
    api = ApiCaller(tenant)
    assert [api.get("/leads/").status_code for _time in range(3)] == [200, 200, 200]
    answer = api.post("/leads/", {"email": "a@x.test"})
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert 1 <= int(answer["Retry-After"]) <= HOUR
    assert answer["Retry-After"] in answer.json()["detail"]
    assert count_submissions(tenant) == 0
    reader = ApiCaller(tenant, Scope.LEADS_READ)
    assert reader.get("/leads/").status_code == 200, "another key counts for itself"


def test_the_count_begins_anew_with_the_next_window(settings: Any, now: datetime) -> None:
    settings.RATES = {"key": (1, 60)}
    late = now.replace(second=50)
    count_key(key_id=1, now=late)
    with pytest.raises(TooMany) as refused:
        count_key(key_id=1, now=late)
    assert refused.value.retry_after == 10
    count_key(key_id=1, now=late + timedelta(seconds=10))


def test_a_form_that_is_sent_too_often_asks_to_wait_and_keeps_what_was_typed(
    tenant: Tenant, settings: Any
) -> None:
    settings.RATES = {"form": (1, HOUR)}
    path, _row = contact_form(tenant)
    assert Client(REMOTE_ADDR="203.0.113.1").post(path, FILLED).status_code == 302
    answer = Client(REMOTE_ADDR="203.0.113.2", headers={"accept-language": "en"}).post(path, FILLED)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= HOUR
    page = answer.content.decode()
    assert "What you typed is still here" in page
    assert all(f'value="{text}"' in page for text in FILLED.values())
    assert count_submissions(tenant) == 1
    assert Client().get(path).status_code == 200, "looking is not counted"


def test_one_address_cannot_use_up_the_form_for_others(tenant: Tenant, settings: Any) -> None:
    settings.RATES = {"form": (10, HOUR), "address": (1, HOUR)}
    path, _row = contact_form(tenant)
    first, second = Client(REMOTE_ADDR="203.0.113.1"), Client(REMOTE_ADDR="203.0.113.2")
    assert [first.post(path, FILLED).status_code for _time in range(3)] == [302, 429, 429]
    assert second.post(path, FILLED).status_code == 302


def test_an_address_is_what_the_trusted_proxy_saw(tenant: Tenant, settings: Any) -> None:
    settings.RATES = {"address": (1, HOUR)}
    path, _row = contact_form(tenant)

    def post(forwarded: str) -> int:
        return Client(headers={"X-Forwarded-For": forwarded}).post(path, FILLED).status_code

    assert [post("198.51.100.1"), post("198.51.100.2")] == [302, 429], "no proxy is trusted"
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    forged = [post("198.51.100.1, 203.0.113.9"), post("198.51.100.2, 203.0.113.9"), post("203.0.113.10")]
    assert forged == [302, 429, 302], "only what the proxy appended counts"
    agreed = FILLED | {"consent.marketing": "on"}
    Client(headers={"X-Forwarded-For": "x, 203.0.113.11"}).post(path, agreed)
    with tenant_scope(tenant.pk):
        assert Submission.objects.latest("pk").payload["proof"]["address"] == "203.0.113.11"


def test_an_ipv6_subscriber_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("203.0.113.1") == "203.0.113.1"
    assert network_of("unknown") == "unknown"


@pytest.mark.usefixtures("valkey_away")
def test_while_the_cache_is_away_everybody_is_let_in_and_it_is_said_once(
    tenant: Tenant, settings: Any
) -> None:
    settings.RATES = {"key": (1, HOUR), "form": (1, HOUR)}
    api = ApiCaller(tenant)
    path, _row = contact_form(tenant)
    with capture_logs() as logs:
        assert [api.get("/leads/").status_code for _time in range(5)] == [200] * 5
        assert [Client().post(path, FILLED).status_code for _time in range(2)] == [302, 302]
    assert [entry["event"] for entry in logs if entry["event"].startswith("cache")] == ["cache away"]


@pytest.mark.usefixtures("valkey_away")
def test_a_cache_that_comes_back_counts_again_and_says_how_many_it_missed(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: Any = caches["default"]
    assert cache.count({"a": 60, "b": 60}) == {}
    assert cache.get("a", "nothing") == "nothing"
    monkeypatch.setattr(core_cache.absence, "_until", 0.0)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": settings.REDIS_URL}}
    cache = caches["default"]
    with capture_logs() as logs:
        assert cache.count({"a": 60, "b": 60}) == {"a": 1, "b": 1}
        assert cache.count({"a": 60}) == {"a": 2}
    assert [(entry["event"], entry["uncounted"]) for entry in logs] == [("cache back", 2)]
