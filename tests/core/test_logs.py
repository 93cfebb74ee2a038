"""What stands in the logs, read from the lines themselves: ids on each, nobody's secrets on any."""

import io
import json
import logging
from collections.abc import Iterator
from random import randrange
from typing import Any

import pytest
import structlog
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from core.due import DueKind, _kinds, schedule
from core.tasks import sweep_due_rows, system_task
from leads.models import Lead
from leadsys.logging import configure_logging
from nurturing.models import Message
from tenancy.invitations import invite
from tenancy.keys import create_key
from tenancy.models import Membership, Role, Scope, Tenant, User
from tenancy.scope import tenant_scope
from tests.guards.rows import make_row

PASSWORD = "correct-horse-battery-7"
EMAIL = "ana.souza@empresa.com.br"


class Lines:
    """What would stand on standard error, a JSON object a line."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The handler of production, at the level of an operator who looks for something, with another stream."""
    found = Lines()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    # Loggers in use keep to the configuration they began with.
    structlog_before = structlog.get_config()
    configure_logging(level="DEBUG", as_json=True)
    structlog.configure(**structlog_before)
    (ours,) = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    ours.setStream(found.text)
    yield found
    root.handlers = before
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()


def test_neither_keys_nor_passwords_nor_links_nor_addresses_of_people_stand_in_the_logs(
    lines: Lines, tenant: Tenant, settings: Any
) -> None:
    # An address of its own, so that no other test's attempts count against it.
    client = Client(raise_request_exception=False, REMOTE_ADDR=f"10.7.{randrange(256)}.{randrange(256)}")
    with tenant_scope(tenant.pk):
        admin = Membership.objects.get(roles=[Role.ADMIN])
        key = create_key(name="CRM", scopes=[Scope.LEADS_WRITE], by=admin, now=timezone.now())[1]
        invitation = invite(email="dora@x.test", roles=[Role.SALES], by=admin, now=timezone.now())[1]
        message = make_row(Message, {})
        assert isinstance(message, Message)
    user = User.objects.create(email="pessoa@x.test")
    user.set_password(PASSWORD)
    user.save()
    body = {"email": EMAIL, "name": "Ana Souza", "phone": "+55 19 99888-7766", "custom": {"no_such": 1}}
    for document in (body, {"email": EMAIL, "phone": "+55 19 99888-7766"}):
        client.post(
            "/api/v1/leads/", document, "application/json", headers={"authorization": f"Bearer {key}"}
        )
    client.post("/api/v1/leads/", body, "application/json", headers={"authorization": f"Bearer {key}x"})
    for password in (PASSWORD + "x", PASSWORD):
        client.post("/accounts/login/", {"login": user.email, "password": password})
    for path in (f"/u/{message.token}/", f"/u/{message.token}", f"/u/{message.token}x/"):
        client.get(path)
        client.post(path, {"act": "unsubscribe"})
    for path in (f"/invitations/{invitation}/", f"/invitations/{invitation}", f"/invitations/{invitation}x/"):
        client.get(path)
    client.get("/accounts/password/reset/key/1a-c8mzop-4f2b9e7d6a5c3b1f/")
    text = lines.text.getvalue()
    assert "/api/v1/leads/" in text
    assert {"/u/…/", "/invitations/…/"} <= {line.get("path") for line in lines.read()}
    secrets = {
        "key": key,
        # The secret may itself have underscores, so it is what follows the second one.
        "its secret": key.split("_", 2)[2],
        "password": PASSWORD,
        "unsubscribe link": message.token,
        "invitation": invitation,
        "password link": "c8mzop-4f2b9e7d6a5c3b1f",
        "e-mail": EMAIL,
        "login": user.email,
        "phone": "99888",
        "name": "Ana Souza",
        "session": client.cookies[settings.SESSION_COOKIE_NAME].value,
    }
    assert {name for name, secret in secrets.items() if secret in text} == set()


def test_every_line_of_a_request_has_its_id_and_its_tenant(lines: Lines, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        admin = Membership.objects.select_related("user").get(roles=[Role.ADMIN])
        key = create_key(name="CRM", scopes=[Scope.LEADS_READ], by=admin, now=timezone.now())[1]
    answer = Client().get("/api/v1/leads/", headers={"authorization": f"Bearer {key}"})
    (line,) = [line for line in lines.read() if line["logger"] == "leadsys.request"]
    assert (line["tenant"], line["tenant_id"]) == (tenant.slug, tenant.pk)
    assert line["request"] == answer["X-Request-ID"]
    assert (line["status"], line["path"]) == (200, "/api/v1/leads/")
    Client().get("/healthz-not-there/")
    last = lines.read()[-1]
    assert last["request"] != line["request"]
    assert "tenant_id" not in last


@pytest.mark.django_db(transaction=True)
def test_every_line_of_a_task_has_its_id_and_its_tenant(lines: Lines, tenant: Tenant) -> None:
    def act(subjects: Any, now: Any) -> None:
        raise ValueError(f"{EMAIL} broke it")

    _kinds["test.logs"] = DueKind("test.logs", act=act)
    try:
        with tenant_scope(tenant.pk):
            schedule(kind="test.logs", due={1: timezone.now()})
        sweep_due_rows()
    finally:
        del _kinds["test.logs"]
    (line,) = [line for line in lines.read() if line["event"] == "due row failed"]
    assert (line["task"], line["tenant_id"], line["kind"]) == ("core.sweep", tenant.pk, "test.logs")
    assert len(line["task_id"]) == 32
    assert "ValueError" in line["exception"]
    assert EMAIL not in line["exception"]


def test_a_task_that_ends_takes_its_ids_along(lines: Lines, db: None) -> None:
    @system_task(name="test.says")
    def says() -> None:
        structlog.get_logger("test").info("inside")

    says()
    structlog.get_logger("test").info("after")
    inside, after = (line for line in lines.read() if line["logger"] == "test")
    assert inside["task"] == "test.says"
    assert "task" not in after


def test_a_broken_constraint_is_told_without_its_row(lines: Lines, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        Lead.objects.create(email=EMAIL)
        try:
            with transaction.atomic():
                Lead.objects.create(email=EMAIL)
        except IntegrityError as error:
            structlog.get_logger("test").error("broken", error=str(error), exc_info=error)
    (line,) = [line for line in lines.read() if line["event"] == "broken"]
    assert "lead_email_unique_per_tenant" in line["exception"]
    assert EMAIL not in json.dumps(line)
