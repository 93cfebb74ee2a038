"""Deliveries on their way: due rows hand them to a worker, which claims each by itself, sends it and writes what came of it.

A claim is committed before the receiver hears of it and lapses by itself. A worker that dies in between leaves a delivery that
is due again after a minute and goes out under the same webhook-id: told at least once, known by its id if told twice.
"""

import json
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.due import DueKind, cancel, schedule
from core.metrics import WEBHOOKS
from core.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from core.notifications import Notice, NotificationKind, tell
from core.sealing import Unsealable, unseal
from core.tasks import system_task, wake
from core.webhooks.addresses import host_of
from core.webhooks.events import SEND_KIND
from core.webhooks.signing import signed_headers
from core.webhooks.wire import Outcome, post
from tenancy.audit import record
from tenancy.models import MemberKind, Membership, Role
from tenancy.scope import TenantSuspended, tenant_scope

log = structlog.get_logger(__name__)

# The pauses that Standard Webhooks advises: about three days and a half in all.
PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# Much longer than one request may take.
LEASE: Final = timedelta(minutes=1)
# An endpoint that did not answer is left alone for so long: it would hold the worker at each delivery.
SILENCE: Final = timedelta(minutes=1)
GIVE_UP_AFTER: Final = timedelta(days=5)
KEPT_FOR: Final = timedelta(days=30)
TIDY_KIND: Final = "webhook.tidy"
TIDY_EVERY: Final = timedelta(days=1)
BATCH_SIZE: Final = 50
# A worker has other things to do.
TURN_SECONDS: Final = 10.0
GAVE_UP: Final = "webhook.gave_up"


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours to send: to where, what, signed with which secrets."""

    delivery_id: int
    endpoint_id: int
    token: uuid.UUID
    url: str
    message_id: str
    body: bytes
    secrets: list[str]


def hand_over(delivery_ids: Sequence[int], now: datetime) -> None:
    """Have a worker send these; what it does not get to is due again in a minute."""
    pending = list(
        WebhookDelivery.objects.filter(pk__in=delivery_ids, state=WebhookDelivery.State.PENDING).values_list(
            "pk", flat=True
        )
    )
    schedule(kind=SEND_KIND, due=dict.fromkeys(pending, now + LEASE))
    if pending:
        wake(send_webhooks, delivery_ids=pending)


@system_task(name="core.send_webhooks")
def send_webhooks(*, tenant_id: int, delivery_ids: list[int]) -> None:
    """Send deliveries one by one for about ten seconds."""
    send_deliveries(tenant_id=tenant_id, delivery_ids=delivery_ids)


def send_deliveries(*, tenant_id: int, delivery_ids: Sequence[int]) -> int:
    """Send those of these deliveries that are due and nobody else has in hand; returns how many."""
    until = time.monotonic() + TURN_SECONDS
    sent = 0
    try:
        for delivery_id in delivery_ids:
            if time.monotonic() >= until:
                break
            with tenant_scope(tenant_id):
                claimed = claim(delivery_id=delivery_id, now=timezone.now())
            if claimed is None:
                continue
            outcome = send(claimed, now=timezone.now())
            with tenant_scope(tenant_id, even_suspended=True):
                settle(claimed=claimed, outcome=outcome, now=timezone.now())
            sent += 1
    except TenantSuspended:  # this moment; what is due waits
        log.info("webhooks of a suspended tenant left", tenant_id=tenant_id)
    return sent


def claim(*, delivery_id: int, now: datetime) -> Claimed | None:
    """Take a delivery in hand, or None where it is not due, is in somebody's hands, or its endpoint is left alone."""
    delivery: WebhookDelivery | None = (
        WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("endpoint")
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lte=now))
        .filter(pk=delivery_id, state=WebhookDelivery.State.PENDING, next_at__lte=now)
        .first()
    )
    if delivery is None:
        return None
    endpoint = delivery.endpoint
    if not endpoint.is_on:
        _end(delivery, WebhookDelivery.State.FAILED, now)
        return None
    if endpoint.paused_until is not None and endpoint.paused_until > now:
        schedule(kind=SEND_KIND, due={delivery.pk: endpoint.paused_until})
        return None
    try:
        secrets = _secrets(endpoint, now)
    except Unsealable:
        _note(delivery, Outcome(None, "", "The secret cannot be read: make a new one.", 0), now)
        _end(delivery, WebhookDelivery.State.FAILED, now)
        return None
    delivery.attempt_token, delivery.leased_until = uuid.uuid4(), now + LEASE
    delivery.save(update_fields=["attempt_token", "leased_until"])
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    return Claimed(
        delivery.pk, endpoint.pk, delivery.attempt_token, endpoint.url, delivery.message_id, body, secrets
    )


def _secrets(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The newest first; the former one as long as both sign."""
    kept = [endpoint.secret]
    if endpoint.former_secret and endpoint.former_until and endpoint.former_until > now:
        kept.append(endpoint.former_secret)
    return [unseal(each) for each in kept]


def send(claimed: Claimed, *, now: datetime) -> Outcome:
    """Tell the endpoint. No transaction is open meanwhile."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"LeadSys/{settings.VERSION}",
        **signed_headers(
            message_id=claimed.message_id, sent_at=now, body=claimed.body, secrets_=claimed.secrets
        ),
    }
    return post(url=claimed.url, body=claimed.body, headers=headers)


def settle(*, claimed: Claimed, outcome: Outcome, now: datetime) -> None:
    """Write what came of an attempt, if the delivery is still in our hands."""
    delivery: WebhookDelivery | None = (
        WebhookDelivery.objects.select_for_update()
        .filter(pk=claimed.delivery_id, attempt_token=claimed.token, state=WebhookDelivery.State.PENDING)
        .first()
    )
    if delivery is None:
        return
    _note(delivery, outcome, now)
    endpoints = WebhookEndpoint.objects.filter(pk=claimed.endpoint_id)
    if outcome.is_taken:
        endpoints.filter(Q(failing_since__isnull=False) | Q(paused_until__isnull=False)).update(
            failing_since=None, paused_until=None
        )
        _end(delivery, WebhookDelivery.State.DELIVERED, now)
        return
    WEBHOOKS.labels("refused").inc()
    pause = now + SILENCE if outcome.status is None else None
    endpoints.filter(failing_since__isnull=True).update(failing_since=now)
    endpoints.update(paused_until=pause)
    if outcome.is_gone or endpoints.filter(is_on=True, failing_since__lte=now - GIVE_UP_AFTER).exists():
        _give_up(endpoints.get(), now)
    _try_later(delivery, outcome, now)


def _try_later(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    delivery.attempts += 1
    if delivery.attempts > len(PAUSES):
        _end(delivery, WebhookDelivery.State.FAILED, now)
        return
    # Not all at the same moment, where many failed at once.
    pause = PAUSES[delivery.attempts - 1] * random.uniform(1, 1.2)  # noqa: S311 - no secret
    asked = timedelta(seconds=min(outcome.retry_after or 0, 86_400))
    delivery.next_at = now + max(pause, asked)
    delivery.attempt_token = delivery.leased_until = None
    delivery.save(update_fields=["attempts", "next_at", "attempt_token", "leased_until"])
    schedule(kind=SEND_KIND, due={delivery.pk: delivery.next_at})


def _end(delivery: WebhookDelivery, state: WebhookDelivery.State, now: datetime) -> None:
    delivery.state, delivery.ended_at, delivery.next_at = state, now, None
    delivery.attempt_token = delivery.leased_until = None
    delivery.save(update_fields=["state", "ended_at", "next_at", "attempt_token", "leased_until"])
    cancel(kind=SEND_KIND, subjects=[delivery.pk])
    WEBHOOKS.labels(state.value).inc()


def _note(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    WebhookAttempt.objects.create(
        delivery=delivery,
        at=now,
        milliseconds=outcome.milliseconds,
        status=outcome.status,
        error=outcome.error,
        body=outcome.body,
    )


def _give_up(endpoint: WebhookEndpoint, now: datetime) -> None:
    """Switch an endpoint off that has failed for days, and tell the administrators."""
    if not endpoint.is_on:
        return
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(is_on=False, gave_up_at=now, paused_until=None)
    host = host_of(endpoint.url)
    record(act="webhook.gave_up", subject=host, by=None, now=now)
    admins = Membership.objects.filter(
        kind=MemberKind.PERSON, is_active=True, roles__contains=[Role.ADMIN.value]
    ).values_list("pk", flat=True)
    tell(notices=[Notice(admin, GAVE_UP, {"host": host}) for admin in admins], now=now)


def tidy(endpoint_ids: Sequence[int], now: datetime) -> None:
    """Forget deliveries that ended a month ago; every day."""
    there = list(WebhookEndpoint.objects.filter(pk__in=endpoint_ids).values_list("pk", flat=True))
    WebhookDelivery.objects.filter(endpoint_id__in=there, ended_at__lt=now - KEPT_FOR).delete()
    schedule(kind=TIDY_KIND, due=dict.fromkeys(there, now + TIDY_EVERY))


SENDS: Final = DueKind(SEND_KIND, act=hand_over, batch_size=BATCH_SIZE)
TIDIES: Final = DueKind(TIDY_KIND, act=tidy)
NOTICE: Final = NotificationKind(
    GAVE_UP, _("The webhook to %(host)s failed for days and is switched off"), is_urgent=True
)
