"""Endpoints: made, changed, switched, their secrets; deliveries read, sent again, tried out."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from core.due import cancel, schedule
from core.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from core.sealing import seal
from core.webhooks.addresses import host_of, read_url, resolve
from core.webhooks.events import SEND_KIND, TEST, Event, list_event_types, write_deliveries
from core.webhooks.sending import TIDY_EVERY, TIDY_KIND
from core.webhooks.signing import make_secret
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.models import Membership
from tenancy.settings_pages import SettingsPage

MAX_ENDPOINTS: Final = 20
# How long a former secret signs beside the new one.
OVERLAP: Final = timedelta(hours=24)
PAGE_SIZE: Final = 50


class NoSuchWebhook(NotFound):
    """The tenant has no such endpoint or delivery."""


class InvalidWebhook(Invalid):
    """An endpoint that cannot be kept; ``errors`` name the fields. A wrong address raises InvalidUrl instead."""


class TooManyWebhooks(Conflict):
    """The tenant has as many endpoints as it may."""


class SwitchedOff(Conflict):
    """Nothing is sent to an endpoint that is switched off."""


def get_endpoint(*, endpoint_id: int) -> WebhookEndpoint:
    """One endpoint. Raises NoSuchWebhook."""
    found: WebhookEndpoint | None = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    if found is None:
        raise NoSuchWebhook(_("There is no such webhook."))
    return found


def list_endpoints() -> list[dict[str, Any]]:
    """Every endpoint with its last attempt (None before the first), in two queries."""
    endpoints = list(WebhookEndpoint.objects.order_by("id"))
    newest = (
        WebhookAttempt.objects.filter(delivery__endpoint__in=endpoints)
        .order_by("delivery__endpoint", "-id")
        .distinct("delivery__endpoint")
        .select_related("delivery")
    )
    last = {attempt.delivery.endpoint_id: attempt for attempt in newest}
    return [
        {"endpoint": endpoint, "host": host_of(endpoint.url), "last": last.get(endpoint.pk)}
        for endpoint in endpoints
    ]


def list_deliveries(*, endpoint: WebhookEndpoint, cursor: str = "") -> Page[WebhookDelivery]:
    """A page of what an endpoint was told, newest first."""
    deliveries = WebhookDelivery.objects.filter(endpoint=endpoint).prefetch_related(
        Prefetch("tries", queryset=WebhookAttempt.objects.order_by("id"), to_attr="attempts_made")
    )
    return page_by_key(deliveries, keys=("-pk",), cursor=cursor, size=PAGE_SIZE)


def get_delivery(*, endpoint_id: int, delivery_id: int) -> WebhookDelivery:
    """One delivery of an endpoint. Raises NoSuchWebhook."""
    found: WebhookDelivery | None = (
        WebhookDelivery.objects.select_related("endpoint")
        .filter(pk=delivery_id, endpoint_id=endpoint_id)
        .first()
    )
    if found is None:
        raise NoSuchWebhook(_("There is no such delivery."))
    return found


def make_endpoint(
    *, url: str, description: str, event_types: Sequence[str], by: Membership | None, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint that is told what happens from now on; with its secret, which is not to be had again.

    Raises InvalidUrl, InvalidWebhook, TooManyWebhooks.
    """
    host = _check_url(url)
    types = _check_types(event_types)
    if WebhookEndpoint.objects.count() >= MAX_ENDPOINTS:
        raise TooManyWebhooks(
            _("There are %(count)s webhooks, which is as many as there may be.") % {"count": MAX_ENDPOINTS}
        )
    secret = make_secret()
    endpoint: WebhookEndpoint = WebhookEndpoint.objects.create(
        url=url,
        description=description,
        event_types=types,
        listens_since=now,
        secret=seal(secret),
        created_at=now,
        created_by=by,
    )
    schedule(kind=TIDY_KIND, due={endpoint.pk: now + TIDY_EVERY})
    record(act="webhook.made", subject=host, by=by, now=now, detail={"types": types})
    return endpoint, secret


def change_endpoint(
    *,
    endpoint: WebhookEndpoint,
    url: str,
    description: str,
    event_types: Sequence[str],
    by: Membership | None,
    now: datetime,
) -> None:
    """Tell another address, or of other things from now on. Raises InvalidUrl, InvalidWebhook."""
    host = _check_url(url) if url != endpoint.url else host_of(url)
    types = _check_types(event_types)
    if (endpoint.url, endpoint.description, endpoint.event_types) == (url, description, types):
        return
    if types != endpoint.event_types:
        endpoint.listens_since = now
    endpoint.url, endpoint.description, endpoint.event_types = url, description, types
    endpoint.paused_until = None
    endpoint.save(update_fields=["url", "description", "event_types", "listens_since", "paused_until"])
    record(act="webhook.changed", subject=host, by=by, now=now, detail={"types": types})


def switch_endpoint(*, endpoint: WebhookEndpoint, is_on: bool, by: Membership | None, now: datetime) -> None:
    """Switch an endpoint on, from when it is told again, or off."""
    if endpoint.is_on == is_on:
        return
    endpoint.is_on = is_on
    if is_on:
        endpoint.listens_since = now
        endpoint.failing_since = endpoint.paused_until = endpoint.gave_up_at = None
    endpoint.save(update_fields=["is_on", "listens_since", "failing_since", "paused_until", "gave_up_at"])
    act = "webhook.switched_on" if is_on else "webhook.switched_off"
    record(act=act, subject=host_of(endpoint.url), by=by, now=now)


def renew_secret(*, endpoint: WebhookEndpoint, by: Membership | None, now: datetime) -> str:
    """Give an endpoint a new secret, shown once; the former one signs beside it for a day."""
    secret = make_secret()
    endpoint.former_secret, endpoint.former_until = endpoint.secret, now + OVERLAP
    endpoint.secret = seal(secret)
    endpoint.save(update_fields=["secret", "former_secret", "former_until"])
    record(act="webhook.secret_renewed", subject=host_of(endpoint.url), by=by, now=now)
    return secret


def delete_endpoint(*, endpoint: WebhookEndpoint, by: Membership | None, now: datetime) -> None:
    """Forget an endpoint with all it was told."""
    record(act="webhook.deleted", subject=host_of(endpoint.url), by=by, now=now)
    cancel(kind=TIDY_KIND, subjects=[endpoint.pk])
    # What is still due of its deliveries finds nothing and ends.
    endpoint.delete()


def send_test(*, endpoint: WebhookEndpoint, by: Membership | None, now: datetime) -> WebhookDelivery:
    """Tell an endpoint that this is a test. Raises SwitchedOff."""
    _expect_on(endpoint)
    event = Event(f"{TEST}:{uuid.uuid4().hex}", TEST, now, {"by": by.name if by else None})
    write_deliveries(deliveries=[(endpoint.pk, event)], now=now)
    made: WebhookDelivery = WebhookDelivery.objects.get(endpoint=endpoint, event_key=event.key)
    return made


def send_again(*, delivery: WebhookDelivery, by: Membership | None, now: datetime) -> None:
    """Send a delivery once more, under the same webhook-id: at once, and if need be with all pauses. Raises SwitchedOff."""
    _expect_on(delivery.endpoint)
    delivery.state, delivery.attempts = WebhookDelivery.State.PENDING, 0
    delivery.next_at, delivery.ended_at = now, None
    delivery.attempt_token = delivery.leased_until = None
    delivery.save(update_fields=["state", "attempts", "next_at", "ended_at", "attempt_token", "leased_until"])
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(paused_until=None)
    schedule(kind=SEND_KIND, due={delivery.pk: now})
    detail = {"message": delivery.message_id}
    host = host_of(delivery.endpoint.url)
    record(act="webhook.sent_again", subject=host, by=by, now=now, detail=detail)


def _expect_on(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_on:
        raise SwitchedOff(_("The webhook is switched off. Switch it on first."))


def _check_url(url: str) -> str:
    """The host. Raises InvalidUrl."""
    target = read_url(url)
    resolve(target)
    return target.host


def _check_types(event_types: Sequence[str]) -> list[str]:
    """In the order in which they are offered, each once."""
    known = [each.name for each in list_event_types()]
    if not event_types or set(event_types) - set(known):
        words = _("Choose at least one of: %(types)s.") % {"types": ", ".join(known)}
        raise InvalidWebhook(words, errors=[FieldProblem("event_types", "unknown", words)])
    return [name for name in known if name in event_types]


SETTINGS_PAGE: Final = SettingsPage(
    url_name="webhooks", label=_("Webhooks"), icon="webhook", right="webhook.manage", order=75
)

register_acts(
    {
        "webhook.made": _("Made the webhook to %(subject)s: %(types)s"),
        "webhook.changed": _("Changed the webhook to %(subject)s: %(types)s"),
        "webhook.switched_on": _("Switched on the webhook to %(subject)s"),
        "webhook.switched_off": _("Switched off the webhook to %(subject)s"),
        "webhook.gave_up": _("The webhook to %(subject)s failed for days and was switched off"),
        "webhook.secret_renewed": _("Made a new secret for the webhook to %(subject)s"),
        "webhook.deleted": _("Deleted the webhook to %(subject)s"),
        "webhook.sent_again": _("Sent %(message)s to %(subject)s again"),
    }
)
