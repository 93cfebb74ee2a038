"""Webhooks: what is told, signed, sent again, given up; where nothing is sent; what administrators see of it."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from core.due import sweep_kind
from core.models import DueRow, Notification, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from core.notifications import text_of
from core.sealing import Unsealable, seal, unseal
from core.webhooks import sending, wire
from core.webhooks.addresses import InvalidUrl, is_public, read_url, resolve
from core.webhooks.endpoints import make_endpoint, renew_secret, send_again, send_test, switch_endpoint
from core.webhooks.events import SEND_KIND
from core.webhooks.sending import (
    GIVE_UP_AFTER,
    LEASE,
    PAUSES,
    TIDY_KIND,
    claim,
    send_deliveries,
    send_webhooks,
)
from core.webhooks.signing import make_secret, signed_headers
from leads.acts import win
from leads.models import Lead
from leads.pipeline import Reason, run_pipeline
from leads.steps import announce
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.leads.people import make_rep, opportunity_of
from tests.webhook_receiver import Receiver, receiver

SETTINGS = "/t/horizonte/settings/webhooks/"
ALL = ("lead.created", "lead.stage_changed", "lead.assigned", "opportunity.created", "opportunity.won")


@pytest.fixture
def told() -> Iterator[Receiver]:
    """Another system, at an address inside our own network, which is allowed here."""
    with receiver() as about, override_settings(WEBHOOKS_TO_INTERNAL=True):
        yield about


@pytest.fixture
def as_admin(tenant: Tenant) -> Client:
    """The administrator's browser, in English."""
    with tenant_scope(tenant.pk):
        user = Membership.objects.select_related("user").get(roles=[Role.ADMIN]).user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def listen(url: str, *types: str, since: datetime | None = None) -> tuple[WebhookEndpoint, str]:
    """An endpoint that listens since a minute ago."""
    now = since or timezone.now() - timedelta(minutes=1)
    return make_endpoint(url=url, description="", event_types=types or ALL, by=None, now=now)


def deliver(tenant: Tenant) -> int:
    """Send whatever is pending and due."""
    ids = list(WebhookDelivery.objects.filter(state="pending").order_by("id").values_list("pk", flat=True))
    return send_deliveries(tenant_id=tenant.pk, delivery_ids=ids)


def make_due() -> None:
    """Time passes until every delivery that waits is due."""
    WebhookDelivery.objects.filter(state="pending").update(next_at=timezone.now())
    WebhookEndpoint.objects.update(paused_until=None)


def run(*leads: Lead) -> None:
    run_pipeline(lead_ids=[lead.pk for lead in leads], reason=Reason("test"), now=timezone.now())


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split()


# Signatures and secrets -------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification."""
    headers = signed_headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        sent_at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
        secrets_=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_kept_sealed_and_lost_with_the_key_it_was_sealed_under() -> None:
    secret = make_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    sealed = seal(secret)
    assert secret not in sealed
    with override_settings(SECRET_KEY="another key", SECRET_KEY_FALLBACKS=[]), pytest.raises(Unsealable):
        unseal(sealed)
    with override_settings(
        SECRET_KEY="another key", SECRET_KEY_FALLBACKS=["not-secret-and-refused-by-check-deploy"]
    ):
        assert unseal(seal(secret)) == secret


def test_a_new_secret_signs_beside_the_former_one_for_a_day(
    in_tenant: Any, tenant: Tenant, told: Receiver
) -> None:
    endpoint, former = listen(told.url)
    secret = renew_secret(endpoint=endpoint, by=None, now=timezone.now())
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    assert is_signed(secret, told.got[0].headers, told.got[0].body)
    assert is_signed(former, told.got[0].headers, told.got[0].body)
    WebhookEndpoint.objects.update(former_until=timezone.now())
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    assert is_signed(secret, told.got[1].headers, told.got[1].body)
    assert not is_signed(former, told.got[1].headers, told.got[1].body)


# Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("::7f00:1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_told(address: str, expected: bool) -> None:
    import ipaddress

    assert is_public(ipaddress.ip_address(address)) is expected


@pytest.mark.parametrize(
    "url",
    [
        "ftp://crm.example.com/",
        "https:///hooks",
        "https://user:pass@crm.example.com/",
        "https://crm.example.com/#part",
        "https://crm.example.com:99999/",
        "https://crm.example.com/a b",
        "https://crm.example.com/não",
        "https://crm..example.com/",
        "https://[::1",
        "https://crm.example.com/\x7f",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        read_url(url)


def test_http_is_refused_in_production() -> None:
    assert read_url("http://crm.example.com/hooks?a=1").path == "/hooks?a=1"
    with override_settings(PRODUCTION=True), pytest.raises(InvalidUrl, match="https"):
        read_url("http://crm.example.com/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "169.254.169.254", "[::ffff:10.0.0.1]"],
)
def test_an_internal_address_is_refused_when_it_is_saved(as_admin: Client, tenant: Tenant, host: str) -> None:
    answer = as_admin.post(f"{SETTINGS}new/", {"url": f"http://{host}/", "event_types": ["lead.created"]})
    assert answer.status_code == 422
    assert "private network" in words(answer) or "No machine of this name" in words(answer)
    with tenant_scope(tenant.pk):
        assert not WebhookEndpoint.objects.exists()


def test_one_internal_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: entries)
    with pytest.raises(InvalidUrl):
        resolve(read_url("https://crm.example.com/"))


def test_a_name_that_means_an_internal_machine_by_then_is_not_told(
    in_tenant: Any, tenant: Tenant, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(told.url.split(":")[2].split("/")[0])
    answers = [[(2, 1, 6, "", ("93.184.216.34", port))], [(2, 1, 6, "", ("127.0.0.1", port))]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: answers.pop(0))
    with override_settings(WEBHOOKS_TO_INTERNAL=False):
        endpoint, _secret = listen(f"http://rebinding.example.com:{port}/")
        send_test(endpoint=endpoint, by=None, now=timezone.now())
        deliver(tenant)
    assert told.got == []
    attempt = WebhookAttempt.objects.get()
    assert (attempt.status, attempt.error) == (
        None,
        "This address leads into a private network. Only public addresses are told.",
    )


def test_the_connection_goes_to_the_address_that_was_checked_and_names_the_host(
    told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(told.url.split(":")[2].split("/")[0])
    looked: list[str] = []

    def look(host: str, *_args: Any, **_named: Any) -> Any:
        looked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(wire, "resolve", lambda target: look(target.host)[0][4][0])
    outcome = wire.post(url=f"http://crm.example.com:{port}/", body=b"{}", headers={"webhook-id": "x"})
    assert (outcome.status, told.got[0].headers["host"]) == (200, f"crm.example.com:{port}")
    assert looked == ["crm.example.com"]


# What is told -----------------------------------------------------------------------------------------------------


def test_a_lead_that_comes_in_is_told_once_and_signed(
    in_tenant: Any, tenant: Tenant, told: Receiver, as_admin: Client
) -> None:
    _endpoint, secret = listen(told.url)
    as_admin.post("/t/horizonte/leads/new/", {"first_name": "Ana", "email": "ana@empresa.com.br"})
    lead = Lead.objects.get()
    run(lead)
    run(lead)
    assert deliver(tenant) == WebhookDelivery.objects.count()
    created = [each for each in told.got if json.loads(each.body)["type"] == "lead.created"]
    assert len(created) == 1
    assert is_signed(secret, created[0].headers, created[0].body)
    body = json.loads(created[0].body)
    assert (body["data"]["lead"]["id"], body["data"]["lead"]["email"]) == (lead.pk, "ana@empresa.com.br")
    assert datetime.fromisoformat(body["timestamp"]) == lead.recorded_at
    assert created[0].path == "/hooks?from=leadsys"
    assert WebhookDelivery.objects.filter(state="delivered", ended_at__isnull=False).count() == len(told.got)
    assert not DueRow.objects.filter(kind=SEND_KIND).exists()


def test_moves_owners_and_deals_are_told_with_what_they_are_about(
    in_tenant: Any, tenant: Tenant, told: Receiver
) -> None:
    rep = make_rep()
    lead = opportunity_of(rep)
    listen(told.url, "lead.stage_changed", "opportunity.won")
    win(lead_id=lead.pk, amount="1250.50", by=rep, now=timezone.now())
    deliver(tenant)
    bodies = {body["type"]: body["data"] for body in (json.loads(each.body) for each in told.got)}
    assert bodies.keys() == {"lead.stage_changed", "opportunity.won"}
    moved = bodies["lead.stage_changed"]
    assert (moved["from"], moved["to"], moved["act"]) == ("opportunity", "customer", "win")
    assert (bodies["opportunity.won"]["opportunity"]["amount"], bodies["opportunity.won"]["lead"]["id"]) == (
        "1250.50",
        lead.pk,
    )


def test_an_owner_is_told(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    listen(told.url, "lead.assigned")
    sdr = make_member(role=Role.SDR, name="Bruno")
    now = timezone.now()
    lead = make_lead(stage="mql", stage_at=now)
    run(lead)
    deliver(tenant)
    assert json.loads(told.got[0].body)["data"]["owner"] == {"id": sdr.pk, "name": "Bruno"}
    assert json.loads(told.got[0].body)["data"]["function"] == "sdr"


def test_only_what_is_wanted_and_happened_since_is_told(in_tenant: Any, told: Receiver) -> None:
    rep = make_rep()
    before, after = opportunity_of(rep), opportunity_of(rep)
    win(lead_id=before.pk, amount="1", by=rep, now=timezone.now())
    listen(told.url, "opportunity.won", since=timezone.now())
    listen(told.url, "opportunity.lost", since=timezone.now())
    run(before)
    win(lead_id=after.pk, amount="1", by=rep, now=timezone.now())
    told_of = WebhookDelivery.objects.values_list("payload__data__lead__id", "event_type")
    assert list(told_of) == [(after.pk, "opportunity.won")]


def test_what_happens_while_it_is_switched_off_is_not_told_later(in_tenant: Any, told: Receiver) -> None:
    rep = make_rep()
    lead = opportunity_of(rep)
    endpoint, _secret = listen(told.url)
    switch_endpoint(endpoint=endpoint, is_on=False, by=None, now=timezone.now())
    win(lead_id=lead.pk, amount="1", by=rep, now=timezone.now())
    switch_endpoint(endpoint=endpoint, is_on=True, by=None, now=timezone.now())
    run(lead)
    assert not WebhookDelivery.objects.exists()


def test_history_of_a_file_is_not_told(in_tenant: Any, told: Receiver) -> None:
    listen(told.url)
    lead = make_lead(is_live=False)
    run_pipeline(lead_ids=[lead.pk], reason=Reason("imported", is_history=True), now=timezone.now())
    assert not WebhookDelivery.objects.exists()


def test_without_an_endpoint_the_step_is_not_even_asked(
    in_tenant: Any, other_tenant: Tenant, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_batch: Any) -> Any:
        raise AssertionError("nobody listens")

    monkeypatch.setattr(announce, "plan", asked)
    lead = make_lead(stage="mql", stage_at=timezone.now())
    run(lead)
    listen(told.url)
    result = run_pipeline(lead_ids=[lead.pk], reason=Reason("test"), now=timezone.now())
    assert result.failed[lead.pk].startswith("AssertionError")


# Sending ----------------------------------------------------------------------------------------------------------


def test_a_refused_delivery_is_tried_again_after_growing_pauses_under_the_same_id(
    in_tenant: Any, tenant: Tenant, told: Receiver
) -> None:
    endpoint, _secret = listen(told.url)
    told.status = 500
    delivery = send_test(endpoint=endpoint, by=None, now=timezone.now())
    for pause in PAUSES:
        begun = timezone.now()
        assert deliver(tenant) == 1
        delivery.refresh_from_db()
        assert delivery.next_at is not None
        assert pause <= delivery.next_at - begun <= pause * 1.25 + timedelta(seconds=5)
        assert DueRow.objects.get(kind=SEND_KIND).due_at == delivery.next_at
        assert deliver(tenant) == 0
        make_due()
    deliver(tenant)
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert len(told.got) == len(PAUSES) + 1 == WebhookAttempt.objects.count()
    assert set(told.ids) == {delivery.message_id}
    assert not DueRow.objects.filter(kind=SEND_KIND).exists()


def test_a_receiver_that_asks_for_time_gets_it(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    told.status, told.headers = 429, {"Retry-After": "600"}
    delivery = send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    delivery.refresh_from_db()
    assert delivery.next_at is not None
    assert delivery.next_at > timezone.now() + timedelta(seconds=590)


def test_an_endpoint_that_does_not_answer_is_left_alone_for_a_minute(
    in_tenant: Any, tenant: Tenant, told: Receiver
) -> None:
    endpoint, _secret = listen("http://127.0.0.1:9/")
    for _time in range(3):
        send_test(endpoint=endpoint, by=None, now=timezone.now())
    assert deliver(tenant) == 1
    assert WebhookAttempt.objects.get().error.startswith("ConnectionRefusedError")
    endpoint.refresh_from_db()
    assert endpoint.failing_since is not None
    assert endpoint.paused_until is not None
    assert endpoint.paused_until > timezone.now() + timedelta(seconds=50)


def test_success_ends_the_failing(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=4))
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.is_on) == (None, True)


@pytest.mark.parametrize(("status", "failing_for"), [(500, GIVE_UP_AFTER), (410, timedelta(0))])
def test_an_endpoint_that_failed_for_days_or_is_gone_is_switched_off_and_admins_hear_of_it(
    in_tenant: Any, tenant: Tenant, told: Receiver, status: int, failing_for: timedelta
) -> None:
    endpoint, _secret = listen(told.url)
    WebhookEndpoint.objects.update(failing_since=timezone.now() - failing_for)
    told.status = status
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    later = send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    endpoint.refresh_from_db()
    assert not endpoint.is_on
    assert endpoint.gave_up_at is not None
    notice = Notification.objects.get(member__roles=[Role.ADMIN])
    assert text_of(notice) == "The webhook to 127.0.0.1 failed for days and is switched off"
    assert AuditEntry.objects.get(act="webhook.gave_up").actor is None
    later.refresh_from_db()
    assert (later.state, len(told.got)) == ("failed", 1)


def test_an_endpoint_that_fails_for_less_stays_on(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    WebhookEndpoint.objects.update(failing_since=timezone.now() - GIVE_UP_AFTER + timedelta(minutes=1))
    told.status = 500
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    endpoint.refresh_from_db()
    assert endpoint.is_on


def test_redirects_are_not_followed(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    told.status, told.headers = 302, {"Location": told.url}
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    assert (len(told.got), WebhookAttempt.objects.get().status) == (1, 302)
    assert WebhookDelivery.objects.get().state == "pending"


def test_a_long_answer_is_kept_short(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    told.answer = b"x" * 1_000_000
    send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    assert len(WebhookAttempt.objects.get().body) == wire.MAX_ANSWER


def test_an_answer_that_comes_drop_by_drop_is_cut_off(
    told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.6)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        for _drop in range(100):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if _drop == 0 else b"X-Drop: 1\r\n")
            time.sleep(0.1)

    told.instead = drip
    begun = time.monotonic()
    outcome = wire.post(url=told.url, body=b"{}", headers={"webhook-id": "x"})
    assert time.monotonic() - begun < 6  # of the ten that it would take
    assert outcome.status is None
    assert outcome.error


def test_a_delivery_in_somebodys_hands_is_not_sent_by_another(in_tenant: Any, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    now = timezone.now()
    delivery = send_test(endpoint=endpoint, by=None, now=now)
    assert claim(delivery_id=delivery.pk, now=now) is not None
    assert claim(delivery_id=delivery.pk, now=now) is None
    assert claim(delivery_id=delivery.pk, now=now + LEASE) is not None


def test_due_rows_hand_deliveries_over_and_come_back_until_they_are_sent(
    in_tenant: Any, tenant: Tenant, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[Any] = []
    monkeypatch.setattr(sending, "wake", lambda task, **arguments: woken.append((task, arguments)))
    endpoint, _secret = listen(told.url)
    now = timezone.now()
    delivery = send_test(endpoint=endpoint, by=None, now=now)
    assert sweep_kind(kind=SEND_KIND, tenant_id=tenant.pk, now=now) == 1
    [(task, arguments)] = woken
    assert (task, arguments) == (send_webhooks, {"delivery_ids": [delivery.pk]})
    # Whoever was woken for it died: it is due again.
    assert DueRow.objects.get(kind=SEND_KIND).due_at == now + LEASE
    assert send_deliveries(tenant_id=tenant.pk, **arguments) == 1
    assert not DueRow.objects.filter(kind=SEND_KIND).exists()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_a_month_old_log_is_forgotten(in_tenant: Any, tenant: Tenant, told: Receiver) -> None:
    endpoint, _secret = listen(told.url)
    for _time in range(2):
        send_test(endpoint=endpoint, by=None, now=timezone.now())
    deliver(tenant)
    kept, old = WebhookDelivery.objects.order_by("id")
    WebhookDelivery.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(days=31))
    now = timezone.now() + timedelta(days=1)
    sweep_kind(kind=TIDY_KIND, tenant_id=tenant.pk, now=now)
    assert list(WebhookDelivery.objects.values_list("pk", flat=True)) == [kept.pk]
    assert DueRow.objects.get(kind=TIDY_KIND).due_at == now + timedelta(days=1)


# Pages ------------------------------------------------------------------------------------------------------------


def test_a_webhook_is_made_on_the_page_and_its_secret_shown_once(
    as_admin: Client, tenant: Tenant, told: Receiver
) -> None:
    assert "Make the first webhook" in words(as_admin.get(SETTINGS))
    sent = {"url": told.url, "description": "Our CRM", "event_types": ["opportunity.won", "lead.created"]}
    made = as_admin.post(f"{SETTINGS}new/", sent)
    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    with tenant_scope(tenant.pk):
        endpoint = WebhookEndpoint.objects.get()
        secret = unseal(endpoint.secret)
        assert endpoint.event_types == ["lead.created", "opportunity.won"]
        entry = AuditEntry.objects.get(act="webhook.made")
        assert (entry.subject, secret in json.dumps(entry.detail)) == ("127.0.0.1", False)
    assert secret in made.content.decode()
    for path in ("", f"{endpoint.pk}/", f"{endpoint.pk}/change/"):
        page = as_admin.get(f"{SETTINGS}{path}").content.decode()
        assert secret not in page
        assert "whsec_" not in page


def test_a_test_is_sent_shown_and_sent_again_under_the_same_id(
    as_admin: Client, tenant: Tenant, told: Receiver
) -> None:
    with tenant_scope(tenant.pk):
        endpoint, _secret = listen(told.url)
    told.status, told.answer = 503, b"<script>busy</script>"
    page = as_admin.post(f"{SETTINGS}{endpoint.pk}/test/")["Location"]
    assert "Not sent yet." in words(as_admin.get(page))
    with tenant_scope(tenant.pk):
        deliver(tenant)
    shown = words(as_admin.get(page))
    assert "&lt;script&gt;busy" in shown
    assert "503" in shown
    with tenant_scope(tenant.pk):
        WebhookDelivery.objects.update(state="failed", next_at=None)
    assert "Send again" in words(as_admin.get(page))
    as_admin.post(f"{page}again/")
    told.status = 204
    with tenant_scope(tenant.pk):
        deliver(tenant)
        assert WebhookDelivery.objects.get().state == "delivered"
        assert AuditEntry.objects.filter(act="webhook.sent_again").count() == 1
    assert len(set(told.ids)) == 1
    log = words(as_admin.get(f"{SETTINGS}{endpoint.pk}/"))
    assert "2 attempts" in log
    assert "Delivered" in log
    assert "204" in words(as_admin.get(SETTINGS))


def test_a_webhook_is_changed_switched_and_deleted(as_admin: Client, tenant: Tenant, told: Receiver) -> None:
    with tenant_scope(tenant.pk):
        endpoint, former = listen(told.url)
    home = f"{SETTINGS}{endpoint.pk}/"
    as_admin.post(f"{home}change/", {"url": told.url, "description": "ERP", "event_types": ["lead.assigned"]})
    as_admin.post(f"{home}switch/", {"to": "off"})
    assert "ERP" in words(as_admin.get(home))
    refused = as_admin.post(f"{home}test/")
    assert refused.status_code == 409
    as_admin.post(f"{home}switch/", {"to": "on"})
    renewed = as_admin.post(f"{home}secret/").content.decode()
    assert "whsec_" in renewed
    assert former not in renewed
    with tenant_scope(tenant.pk):
        endpoint.refresh_from_db()
        assert (endpoint.event_types, endpoint.is_on) == (["lead.assigned"], True)
        send_test(endpoint=endpoint, by=None, now=timezone.now())
    as_admin.post(f"{home}delete/")
    assert as_admin.get(home).status_code == 404
    with tenant_scope(tenant.pk):
        assert not WebhookDelivery.objects.exists()
        sweep_kind(kind=SEND_KIND, tenant_id=tenant.pk, now=timezone.now() + timedelta(hours=1))
        assert not DueRow.objects.filter(kind__startswith="webhook.").exists()
        acts = list(
            AuditEntry.objects.filter(act__startswith="webhook.").order_by("id").values_list("act", flat=True)
        )
    assert acts == [
        "webhook.made",
        "webhook.changed",
        "webhook.switched_off",
        "webhook.switched_on",
        "webhook.secret_renewed",
        "webhook.deleted",
    ]


def test_a_delivery_of_an_endpoint_that_is_off_is_not_sent(
    in_tenant: Any, tenant: Tenant, told: Receiver
) -> None:
    endpoint, _secret = listen(told.url)
    delivery = send_test(endpoint=endpoint, by=None, now=timezone.now())
    switch_endpoint(endpoint=endpoint, is_on=False, by=None, now=timezone.now())
    assert deliver(tenant) == 0
    delivery.refresh_from_db()
    assert (delivery.state, told.got) == ("failed", [])
    switch_endpoint(endpoint=endpoint, is_on=True, by=None, now=timezone.now())
    delivery.refresh_from_db()
    send_again(delivery=delivery, by=None, now=timezone.now())
    assert deliver(tenant) == 1


def test_webhooks_of_another_tenant_are_not_there(
    as_admin: Client, other_tenant: Tenant, told: Receiver
) -> None:
    with tenant_scope(other_tenant.pk):
        endpoint, _secret = listen(told.url)
        delivery = send_test(endpoint=endpoint, by=None, now=timezone.now())
    assert as_admin.get(f"{SETTINGS}{endpoint.pk}/").status_code == 404
    assert as_admin.get(f"{SETTINGS}{endpoint.pk}/deliveries/{delivery.pk}/").status_code == 404
    assert "127.0.0.1" not in words(as_admin.get(SETTINGS))
