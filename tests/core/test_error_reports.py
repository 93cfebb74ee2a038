"""Error reports to a Sentry-compatible service: what arrives at a sink on this machine, and that nothing does without one."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brotli
import pytest

ROOT = Path(__file__).parents[2]
SECRETS = ("ana.souza", "99888", "lsk_ab12", "s3cret", "Ana", "203.0.113.9")

# A web request, a log line with its exception and a task, each of which fails with personal values all over it.
FAILING = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "leadsys.settings"
import django
django.setup()
import structlog
from unittest.mock import patch
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

broken = ValueError("'Ana' <ana.souza@empresa.com.br> +55 19 99888-7766\\nDETAIL:  Key (email)=(ana.souza) exists.")

asked = RequestFactory().get(
    "/readyz?email=ana.souza@empresa.com.br",
    headers={"authorization": "Bearer lsk_ab12_s3cret", "cookie": "sessionid2=s3cret", "x-who": "Ana"},
    REMOTE_ADDR="203.0.113.9",
)
with patch("core.health.broker_state", side_effect=broken):
    list(get_wsgi_application()(asked.environ, lambda status, headers: None))

structlog.contextvars.bind_contextvars(tenant="horizonte", tenant_id=7, request="abc")
log = structlog.get_logger("test")
try:
    raise KeyError("ana.souza@empresa.com.br")
except KeyError as error:
    log.error("lead failed in the pipeline", lead=812, step="score", who="Ana", exc_info=error)
log.info("nothing to report", who="Ana")
structlog.contextvars.clear_contextvars()

from core.tasks import system_task
from leadsys.celery import app

@system_task(name="test.fails")
def fails(email):
    raise RuntimeError(f"no mail for {email}")

app.conf.task_always_eager = True
fails.apply(kwargs={"email": "ana.souza@empresa.com.br"})

if "sentry_sdk" in sys.modules:
    sys.modules["sentry_sdk"].flush(10)
print("imported" if "sentry_sdk" in sys.modules else "not imported")
"""


class Sink(ThreadingHTTPServer):
    """Takes envelopes and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.bodies: list[bytes] = []

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/42"

    def events(self) -> list[dict[str, Any]]:
        """The events of all envelopes (JSON lines: headers, then an item's header and its payload, and so on)."""
        found = []
        for body in self.bodies:
            lines = body.split(b"\n")
            for header, payload in zip(lines[1::2], lines[2::2], strict=False):
                if header and json.loads(header).get("type") == "event":
                    found.append(json.loads(payload))
        return found


class _Door(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        unpack = {"gzip": gzip.decompress, "br": brotli.decompress}.get(
            self.headers["Content-Encoding"], bytes
        )
        self.server.bodies.append(unpack(body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def fail(dsn: str) -> str:
    """Run the failing program; what it printed last."""
    done = subprocess.run(
        [sys.executable, "-c", FAILING],
        cwd=ROOT,
        env={**os.environ, "LEADSYS_SENTRY_DSN": dsn, "LEADSYS_LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_what_breaks_is_reported_with_its_place_and_nothing_of_anybody(sink: Sink) -> None:
    assert fail(sink.dsn) == "imported"
    assert {secret for secret in SECRETS for body in sink.bodies if secret.encode() in body} == set()
    by_type = {event["exception"]["values"][-1]["type"]: event for event in sink.events()}
    assert set(by_type) == {"ValueError", "KeyError", "RuntimeError"}
    web, pipeline, task = by_type["ValueError"], by_type["KeyError"], by_type["RuntimeError"]
    assert web["transaction"] == "/readyz"
    assert web["tags"]["method"] == "GET"
    assert len(web["tags"]["request"]) == 32
    frames = web["exception"]["values"][-1]["stacktrace"]["frames"]
    assert "readyz" in {frame["function"] for frame in frames}
    assert not any("vars" in frame for frame in frames)
    assert {"request", "user", "extra", "breadcrumbs", "contexts"} & set(web) == set()
    assert pipeline["tags"] == {"tenant": "horizonte", "tenant_id": "7", "request": "abc", "step": "score"}
    assert pipeline["logentry"]["message"] == "lead failed in the pipeline"
    assert task["transaction"] == "test.fails"
    assert task["tags"]["task"] == "test.fails"
    assert {event["release"] for event in sink.events()} == {"leadsys@0.1.0"}


@pytest.mark.slow
def test_without_an_address_nothing_is_imported_or_sent(sink: Sink) -> None:
    assert fail("") == "not imported"
    assert sink.bodies == []
