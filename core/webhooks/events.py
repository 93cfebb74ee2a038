"""What endpoints may be told: types of events, registered by the apps in which they happen, and the writing of deliveries.

Deliveries are written in the transaction of what they tell, one for each event and endpoint, whatever is repeated.
"""

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.due import schedule
from core.models import WebhookDelivery, WebhookEndpoint
from tenancy.scope import require_tenant_id

SEND_KIND: Final = "webhook.send"
TEST: Final = "test"
# What an event is not told any more when it is found later than this; deliveries are kept longer.
TOLD_FOR: Final = timedelta(days=7)
# In SQL: whether any endpoint of the tenant listens. For a step's ``concerns``.
SOMEBODY_LISTENS: Final = "EXISTS (SELECT FROM core_webhookendpoint endpoint WHERE endpoint.is_on)"

Text = Promise | str
Json = dict[str, Any]


@dataclass(frozen=True)
class EventType:
    """``name`` is what receivers see, as ``lead.created``; ``label`` what administrators choose."""

    name: str
    label: Text


@dataclass(frozen=True)
class Event:
    """Something that happened. ``key`` makes it one; ``data`` is what receivers get, as JSON values."""

    key: str
    type: str
    at: datetime
    data: Json


@dataclass(frozen=True)
class Listener:
    """An endpoint that is switched on."""

    endpoint_id: int
    types: frozenset[str]
    since: datetime


_types: dict[str, EventType] = {}


def register_event_type(event_type: EventType) -> None:
    """Say once, when an app is ready, what endpoints may be told."""
    _types[event_type.name] = event_type


def list_event_types() -> list[EventType]:
    """Every type that may be chosen, in the order in which they were registered."""
    return list(_types.values())


def label_of(name: str) -> str:
    """A type in words."""
    if name == TEST:
        return str(_("Test"))
    return str(_types[name].label) if name in _types else name


def list_listeners() -> list[Listener]:
    """The endpoints that are switched on."""
    rows = WebhookEndpoint.objects.filter(is_on=True).order_by("id")
    return [
        Listener(pk, frozenset(types), since)
        for pk, types, since in rows.values_list("id", "event_types", "listens_since")
    ]


@dataclass(frozen=True)
class Found:
    """An event that was found and may have been told already: ``describe`` makes its data, only if it has not."""

    key: str
    type: str
    at: datetime
    describe: Callable[[], Json]


def announce(*, found: Sequence[Found], listeners: Sequence[Listener], now: datetime) -> int:
    """Write a delivery of each event for each endpoint that listens to its type and has none; returns how many."""
    known = _known_keys([each.key for each in found], [listener.endpoint_id for listener in listeners])
    wanted = [
        (each, [listener.endpoint_id for listener in listeners if _wants(listener, each, known)])
        for each in found
    ]
    events = {each.key: Event(each.key, each.type, each.at, each.describe()) for each, ids in wanted if ids}
    return write_deliveries(
        deliveries=[(endpoint_id, events[each.key]) for each, ids in wanted for endpoint_id in ids], now=now
    )


def _wants(listener: Listener, each: Found, known: Collection[tuple[int, str]]) -> bool:
    return (
        each.type in listener.types
        and each.at >= listener.since
        and (listener.endpoint_id, each.key) not in known
    )


def _known_keys(keys: Sequence[str], endpoint_ids: Sequence[int]) -> set[tuple[int, str]]:
    told = WebhookDelivery.objects.filter(endpoint_id__in=endpoint_ids, event_key__in=keys)
    return set(told.values_list("endpoint_id", "event_key"))


def write_deliveries(*, deliveries: Iterable[tuple[int, Event]], now: datetime) -> int:
    """Write deliveries and have them sent; one that is there already is left alone. Returns how many are new."""
    rows = [
        {
            "endpoint_id": endpoint_id,
            "message_id": f"msg_{uuid.uuid4().hex}",
            "event_type": event.type,
            "event_key": event.key,
            "occurred_at": event.at.isoformat(),
            "payload": payload_of(event),
        }
        for endpoint_id, event in deliveries
    ]
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"tenant": require_tenant_id(), "now": now, "rows": json.dumps(rows)})
        ids = [pk for (pk,) in cursor.fetchall()]
    schedule(kind=SEND_KIND, due=dict.fromkeys(ids, now))
    return len(ids)


_INSERT: Final = """
INSERT INTO core_webhookdelivery
    (tenant_id, endpoint_id, message_id, event_type, event_key, occurred_at, payload, state, attempts, next_at, created_at)
SELECT %(tenant)s, endpoint_id, message_id, event_type, event_key, occurred_at, payload, 'pending', 0, %(now)s, %(now)s
FROM jsonb_to_recordset(%(rows)s::jsonb) AS told (
    endpoint_id bigint, message_id text, event_type text, event_key text, occurred_at timestamptz, payload jsonb
)
ON CONFLICT (tenant_id, endpoint_id, event_key) DO NOTHING
RETURNING id
"""


def payload_of(event: Event) -> Mapping[str, Any]:
    """The body of a message, as Standard Webhooks recommends it."""
    return {
        "type": event.type,
        "timestamp": event.at.isoformat().replace("+00:00", "Z"),
        "data": event.data,
    }
