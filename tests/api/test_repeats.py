"""Senders who do not wait and repeat themselves: answered without being looked at anew, and never otherwise than at first."""

import io
import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import structlog
from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, close_old_connections
from django.utils import timezone
from structlog.testing import capture_logs

from core import repeats
from core.due import sweep_tenant
from core.metrics import REQUESTS
from core.repeats import LIFETIME_SECONDS, MOST_BODY_BYTES, Repeating
from leads.capture.receiving import receive_once
from leads.models import Lead, Submission
from tenancy.keys import create_key, revoke_key
from tenancy.models import ApiKey, Scope, Tenant
from tenancy.scope import tenant_scope

LEADS = "/api/v1/leads/"
ITS_OWN = {"Location", "Content-Length", "X-Request-ID"}


class Seen(NamedTuple):
    """An answer, and whether Django was asked for it."""

    status: int
    headers: dict[str, str]
    body: Any
    is_djangos: bool


class Sender:
    """Who sends to a web process with a key."""

    def __init__(self, key: str) -> None:
        self.headers = {
            "Authorization": f"Bearer {key}",
            "Prefer": "respond-async",
            "Accept-Language": "pt-BR",
        }
        self.application = Repeating(self._ask_django)
        self._django = get_wsgi_application()
        self._asked = 0

    def _ask_django(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._asked += 1
        answer: Iterable[bytes] = self._django(environ, start_response)
        return answer

    def send(self, body: Any, path: str = LEADS, **said: str) -> Seen:
        """Send a body, with other headers than usual where ``said``."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(raw)),
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(raw),
            "wsgi.errors": sys.stderr,
        }
        headers = self.headers | said
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
        begun: list[tuple[int, dict[str, str]]] = []
        before = self._asked
        answer = self.application(environ, lambda line, given: begun.append((int(line[:3]), dict(given))))
        content = b"".join(answer)
        return Seen(*begun[0], json.loads(content), self._asked > before)


@pytest.fixture(autouse=True)
def _in_the_tests_transaction() -> Iterator[None]:
    """A request closes what connections others have left in the middle of something, as a test's is."""
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)


@pytest.fixture
def sender(tenant: Tenant, now: datetime) -> Sender:
    """Somebody who has been answered once, so that the next request is a repeated one."""
    with tenant_scope(tenant.pk):
        key = create_key(name="site", scopes=[Scope.LEADS_WRITE], by=None, now=now)[1]
    sender = Sender(key)
    assert sender.send({"email": "first@empresa.com.br"}).status == 202
    return sender


def kept(tenant: Tenant) -> list[Any]:
    with tenant_scope(tenant.pk):
        return list(Submission.objects.order_by("pk").values_list("payload", flat=True))


def test_whoever_repeats_themselves_is_answered_as_at_first(
    sender: Sender, tenant: Tenant, now: datetime
) -> None:
    first = Sender(sender.headers["Authorization"].removeprefix("Bearer ")).send({"name": "Ana"})
    again = sender.send({"email": "bia@empresa.com.br"})
    assert (first.is_djangos, again.is_djangos) == (True, False)
    assert again.status == first.status == 202
    assert again.headers.keys() == first.headers.keys()
    assert {name: text for name, text in again.headers.items() if name not in ITS_OWN} == {
        name: text for name, text in first.headers.items() if name not in ITS_OWN
    }
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert (
        again.headers["Location"] == again.body["href"] == f"/api/v1/submissions/{again.body['submission']}/"
    )
    assert again.body.keys() == first.body.keys()
    assert kept(tenant)[-1] == {"email": "bia@empresa.com.br"}
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now())
    with tenant_scope(tenant.pk):
        submission = Submission.objects.get(pk=again.body["submission"])
        assert submission.lead == Lead.objects.get(email="bia@empresa.com.br")
        assert submission.api_key == ApiKey.objects.get()


def test_what_is_repeated_is_counted_and_logged(
    sender: Sender, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = REQUESTS.labels("POST", "api-leads", "202")
    before = counter._value.get()
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        again = sender.send({"name": "Ana"})
    assert not again.is_djangos
    assert counter._value.get() == before + 1
    [line] = [line for line in lines if line["event"] == "POST"]
    assert (line["path"], line["status"], line["tenant"]) == (LEADS, 202, tenant.slug)
    assert line["request"] == again.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Prefer": "wait=10"}, 201),
        ({"Idempotency-Key": "a"}, 202),
        ({"Authorization": "Bearer lsk_no_key"}, 401),
        ({"Host": "elsewhere.example"}, 400),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Accept-Language": "en"}, 202),
    ],
)
def test_whatever_is_said_otherwise_is_looked_at(sender: Sender, said: dict[str, str], status: int) -> None:
    answer = sender.send({"name": "Ana"}, **said)
    assert (answer.status, answer.is_djangos) == (status, True)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"a": 1, "a": 2}',
        b'{"name": "\\u0000"}',
        b'{"a":' * 30 + b"1" + b"}" * 30,
        b"\xff",
    ],
)
def test_a_body_that_cannot_be_read_is_refused_as_at_first(
    sender: Sender, tenant: Tenant, body: bytes
) -> None:
    fresh = Sender(sender.headers["Authorization"].removeprefix("Bearer "))
    before = kept(tenant)
    again, first = sender.send(body), fresh.send(body)
    assert again.is_djangos
    assert (again.status, again.body) == (first.status, first.body)
    assert again.status == 400
    assert kept(tenant) == before


@pytest.mark.parametrize("body", [b"", json.dumps({"name": "x" * MOST_BODY_BYTES}).encode()])
def test_no_body_and_a_large_one_are_looked_at(sender: Sender, body: bytes) -> None:
    answer = sender.send(body)
    assert (answer.status, answer.is_djangos) == (202, True)


def test_a_key_that_is_not_what_it_was_is_refused(sender: Sender, tenant: Tenant, now: datetime) -> None:
    with tenant_scope(tenant.pk):
        ApiKey.objects.update(scopes=[Scope.LEADS_READ])
    assert sender.send({"name": "Ana"}).status == 403
    with tenant_scope(tenant.pk):
        ApiKey.objects.update(scopes=[Scope.LEADS_WRITE])
    assert sender.send({"name": "Ana"}).status == 202
    with tenant_scope(tenant.pk):
        revoke_key(key=ApiKey.objects.get(), by=None, now=now)
    before = kept(tenant)
    assert sender.send({"name": "Ana"}).status == 401
    assert kept(tenant) == before


def test_nothing_is_taken_in_for_a_suspended_tenant(sender: Sender, tenant: Tenant, now: datetime) -> None:
    before = kept(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(suspended_at=now)
    answer = sender.send({"name": "Ana"})
    assert answer.status == 403
    Tenant.objects.filter(pk=tenant.pk).update(suspended_at=None)
    assert kept(tenant) == before


def test_whoever_asks_too_often_has_to_wait(sender: Sender, settings: Any) -> None:
    fresh = settings.CACHES["default"] | {"KEY_PREFIX": uuid4().hex}
    settings.CACHES = settings.CACHES | {"default": fresh}
    settings.RATES = {"key": (2, 3600)}
    answers = [sender.send({"name": "Ana"}) for _turn in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 429, 429]
    assert [answer.is_djangos for answer in answers[:2]] == [False, False]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_fault_on_the_way_is_answered_once_as_every_fault(
    sender: Sender, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have happened after all was kept: it is not tried a second time."""
    before = kept(tenant)

    def keep_and_fail(**given: Any) -> Any:
        receive_once(**given)
        raise OperationalError("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr("leads.api.intake.receive_once", keep_and_fail)
        answer = sender.send({"name": "Ana"})
    assert (answer.status, answer.body["status"], answer.is_djangos) == (500, 500, True)
    assert "X-Request-ID" in answer.headers
    assert len(kept(tenant)) == len(before) + 1


def test_after_a_minute_everything_is_looked_at_again(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.monotonic() + LIFETIME_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert sender.send({"name": "Ana"}).is_djangos
    assert not sender.send({"name": "Ana"}).is_djangos


def test_what_is_remembered_stays_small(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST", 3)
    for number in range(8):
        assert sender.send({"name": "Ana"}, **{"X-Number": str(number)}).status == 202
    assert len(sender.application._known) <= 3
    long = {"X-Long": "x" * repeats.MOST_CHARACTERS}
    assert [sender.send({"name": "Ana"}, **long).is_djangos for _turn in range(2)] == [True, True]
