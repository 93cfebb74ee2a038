"""Recording what leads and visitors did: idempotent by message id, in one statement for any number of events."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection

from tenancy.scope import require_tenant_id

FORM_SUBMITTED: Final = "form_submitted"
# A form of one of these kinds asks to be called, priced or shown a demo.
CONTACT_KINDS: Final = frozenset({"demo", "pricing", "contact"})


@dataclass(frozen=True)
class NewEvent:
    """One event to record, of a lead or of a visitor who is not known as one."""

    type: str
    occurred_at: datetime
    lead_id: int | None = None
    visitor: str | None = None
    message_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def asks_for_contact(self) -> bool:
        """Whether somebody should call: past the gate, under the shorter clock."""
        return self.type == FORM_SUBMITTED and self.properties.get("kind") in CONTACT_KINDS


@dataclass(frozen=True)
class RecordedEvent:
    """The id an event has; ``is_new`` is false when its message id was recorded before."""

    id: int
    is_new: bool


def record_events(*, events: Sequence[NewEvent], now: datetime, is_live: bool = True) -> list[RecordedEvent]:
    """Write events and what they change at once on their leads: last event, live since, asked for contact.

    Answers in the order given. A message id seen before keeps its first event. The caller runs the pipeline afterwards.
    """
    if not events:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, _parameters(events, now, is_live))
        fresh = dict(cursor.fetchall())
        repeated = [event.message_id for index, event in enumerate(events) if index not in fresh]
        if not repeated:
            return [RecordedEvent(fresh[index], is_new=True) for index in range(len(events))]
        cursor.execute(
            "SELECT message_id, id FROM leads_event WHERE message_id IS NOT NULL AND message_id = ANY(%s)",
            [repeated],
        )
        known = dict(cursor.fetchall())
    return [
        RecordedEvent(fresh[index], is_new=True)
        if index in fresh
        else RecordedEvent(known[event.message_id], is_new=False)
        for index, event in enumerate(events)
    ]


def _parameters(events: Sequence[NewEvent], now: datetime, is_live: bool) -> dict[str, Any]:
    return {
        "tenant": require_tenant_id(),
        "now": now,
        "live": is_live,
        "leads": [event.lead_id for event in events],
        "visitors": [event.visitor for event in events],
        "types": [event.type for event in events],
        "times": [event.occurred_at for event in events],
        "messages": [event.message_id for event in events],
        "properties": [json.dumps(event.properties) for event in events],
        "asks": [event.asks_for_contact for event in events],
    }


_RECORD = """
WITH given AS MATERIALIZED (
    SELECT nextval('leads_event_id_seq') AS id, given.*
    FROM unnest(
        %(leads)s::bigint[], %(visitors)s::text[], %(types)s::text[], %(times)s::timestamptz[],
        %(messages)s::text[], %(properties)s::text[], %(asks)s::boolean[]
    ) WITH ORDINALITY AS given (lead_id, visitor, type, occurred_at, message_id, properties, asks, place)
), inserted AS (
    INSERT INTO leads_event (id, tenant_id, lead_id, visitor, type, occurred_at, received_at, message_id, properties)
    SELECT id, %(tenant)s, lead_id, visitor, type, occurred_at, %(now)s, message_id, properties::jsonb
    FROM given ORDER BY place
    ON CONFLICT (tenant_id, message_id) WHERE message_id IS NOT NULL DO NOTHING
    RETURNING id
), per_lead AS (
    SELECT given.lead_id, max(given.occurred_at) AS last_at, max(given.occurred_at) FILTER (WHERE given.asks) AS asked_at
    FROM given JOIN inserted USING (id)
    WHERE given.lead_id IS NOT NULL
    GROUP BY given.lead_id
), touched AS (
    UPDATE leads_leadstate state
    SET last_event_at = GREATEST(state.last_event_at, per_lead.last_at),
        live_since = CASE WHEN %(live)s THEN COALESCE(state.live_since, %(now)s) ELSE state.live_since END,
        asked_for_contact_at = CASE
            WHEN %(live)s AND (state.stage = 'new' OR per_lead.asked_at >= state.stage_at)
            THEN GREATEST(state.asked_for_contact_at, per_lead.asked_at)
            ELSE state.asked_for_contact_at
        END
    FROM per_lead WHERE state.lead_id = per_lead.lead_id
)
SELECT (given.place - 1)::int, given.id FROM given JOIN inserted USING (id)
"""
