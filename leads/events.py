"""Recording what leads and visitors did: idempotent by message id, in one statement for any number of events."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from leads.conditions.statements import Statement
from tenancy.scope import require_tenant_id

FORM_SUBMITTED: Final = "form_submitted"
# What an event is written from; ``place`` says which of several rows it belongs to or is.
EVENT_COLUMNS: Final = """
place int, lead bigint, visitor text, type text, occurred_at timestamptz, message_id text, properties jsonb, asks boolean
"""
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

    def as_row(self, place: int) -> dict[str, Any]:
        """The event as JSON, for a record of EVENT_COLUMNS."""
        return {
            "place": place,
            "lead": self.lead_id,
            "visitor": self.visitor,
            "type": self.type,
            "occurred_at": self.occurred_at.isoformat(),
            "message_id": self.message_id,
            "properties": self.properties,
            "asks": self.asks_for_contact,
        }


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
    rows = json.dumps([event.as_row(place) for place, event in enumerate(events)])
    fresh = dict(_RECORD.rows(tenant=require_tenant_id(), rows=rows, now=now, live=is_live))
    repeated = [event.message_id for index, event in enumerate(events) if index not in fresh]
    known = dict(_KNOWN.rows(messages=repeated)) if repeated else {}
    return [
        RecordedEvent(fresh[index], is_new=True)
        if index in fresh
        else RecordedEvent(known[event.message_id], is_new=False)
        for index, event in enumerate(events)
    ]


_KNOWN: Final = Statement.text("""
SELECT message_id, id FROM leads_event WHERE message_id IS NOT NULL AND message_id = ANY (%(messages)s::text[])
""")
_RECORD: Final = Statement.text(f"""
WITH given AS MATERIALIZED (
    SELECT nextval('leads_event_id_seq') AS id, given.lead AS lead_id, given.*
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS given ({EVENT_COLUMNS})
), inserted AS (
    INSERT INTO leads_event (id, tenant_id, lead_id, visitor, type, occurred_at, received_at, message_id, properties)
    SELECT id, %(tenant)s::bigint, lead_id, visitor, type, occurred_at, %(now)s::timestamptz, message_id, properties
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
        live_since = CASE WHEN %(live)s::boolean THEN COALESCE(state.live_since, %(now)s::timestamptz) ELSE state.live_since END,
        asked_for_contact_at = CASE
            WHEN %(live)s::boolean AND (state.stage = 'new' OR per_lead.asked_at >= state.stage_at)
            THEN GREATEST(state.asked_for_contact_at, per_lead.asked_at)
            ELSE state.asked_for_contact_at
        END
    FROM per_lead
    WHERE state.lead_id = per_lead.lead_id AND state.lead_id = ANY (ARRAY(SELECT lead_id FROM per_lead))
)
SELECT given.place, given.id FROM given JOIN inserted USING (id)
""")  # noqa: S608 - only the constant column names above
