"""The step that tells other systems what happened: deliveries to webhooks, written with the lead.

What there is to tell is read from what is kept of the lead (its intake, its moves, who got it), and each is told once by its key.
So a run that is repeated tells nothing twice, and a lead that was held catches up. Without an endpoint it costs nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext_lazy as _

from core.webhooks.events import (
    SOMEBODY_LISTENS,
    TOLD_FOR,
    EventType,
    Found,
    Listener,
    list_listeners,
)
from core.webhooks.events import (
    announce as write,
)
from leads.conditions.statements import Statement
from leads.models import MoveAct, Opportunity, OpportunityOutcome
from leads.pipeline import Batch
from leads.selectors import instant_json, lead_details

CREATED: Final = "lead.created"
STAGE_CHANGED: Final = "lead.stage_changed"
ASSIGNED: Final = "lead.assigned"
OPENED: Final = "opportunity.created"
WON: Final = "opportunity.won"
LOST: Final = "opportunity.lost"
DEAL_EVENTS: Final = {MoveAct.ACCEPT.value: OPENED, MoveAct.WIN.value: WON, MoveAct.LOSE.value: LOST}

Json = dict[str, Any]


@dataclass
class AnnouncePlan:
    """What was found of the batch's leads, and who listens."""

    listeners: list[Listener] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)


class AnnounceStep:
    """Writes deliveries of what happened to leads since their endpoints listen."""

    name = "announce"
    runs_on_history = False
    concerns = f"state.live_since IS NOT NULL AND {SOMEBODY_LISTENS}"

    def plan(self, batch: Batch) -> AnnouncePlan:
        """What happened lately."""
        listeners = list_listeners()
        if not listeners:
            return AnnouncePlan()
        since = max(min(listener.since for listener in listeners), batch.now - TOLD_FOR)
        return AnnouncePlan(listeners, _find(batch.lead_ids, since))

    def apply(self, batch: Batch, plan: AnnouncePlan) -> None:
        """Write the deliveries that are missing."""
        if plan.found:
            write(found=plan.found, listeners=plan.listeners, now=batch.now)


class _Leads:
    """The JSON of the leads that something is told of, read at once for the batch when the first is asked for."""

    def __init__(self, lead_ids: list[int]) -> None:
        self._lead_ids = lead_ids
        self._read: dict[int, Json] | None = None
        self._deals: dict[int, Json] | None = None

    def of(self, lead_id: int) -> Json:
        """One lead, as the API gives it."""
        if self._read is None:
            self._read = lead_details(lead_ids=self._lead_ids)
        return self._read[lead_id]

    def deal_of(self, lead_id: int) -> Json | None:
        """The newest opportunity of a lead."""
        if self._deals is None:
            newest = Opportunity.objects.filter(lead__in=self._lead_ids).order_by("lead_id", "-id")
            self._deals = {deal.lead_id: _deal(deal) for deal in newest.distinct("lead_id")}
        return self._deals.get(lead_id)


def _deal(deal: Opportunity) -> Json:
    return {
        "id": deal.pk,
        "outcome": OpportunityOutcome(deal.outcome).value,
        "amount": None
        if deal.amount_minor is None
        else f"{deal.amount_minor // 100}.{deal.amount_minor % 100:02}",
        "currency": deal.currency,
        "reason": deal.reason or None,
        "opened_at": instant_json(deal.opened_at) if deal.opened_at else None,
        "closed_at": instant_json(deal.closed_at) if deal.closed_at else None,
    }


def _find(lead_ids: list[int], since: datetime) -> list[Found]:
    leads = _Leads(lead_ids)
    rows = _HAPPENED.rows(lead_ids=lead_ids, since=since)
    read = (_Happened(what, pk, at, lead_id, json.loads(text)) for what, pk, at, lead_id, text in rows)
    happened = sorted(read, key=lambda each: (each.at, each.pk))
    return [found for each in happened for found in _events(leads, each)]


class _Happened(NamedTuple):
    """A row of what is kept: ``what`` is created, stage or owner, ``pk`` the row's id."""

    what: str
    pk: int
    at: datetime
    lead_id: int
    detail: Json


def _events(leads: _Leads, each: _Happened) -> list[Found]:
    detail = each.detail

    def telling(**more: Any) -> Callable[[], Json]:
        return lambda: {"lead": leads.of(each.lead_id)} | more

    if each.what == "created":
        return [Found(f"created:{each.pk}", CREATED, each.at, telling())]
    if each.what == "owner":
        owner = {"id": detail["owner_id"], "name": detail["result"]}
        # Nobody, or a team in whose queue it waits: nobody got it.
        is_given = detail["owner_id"] is not None
        told = telling(function=detail["topic"], owner=owner)
        return [Found(f"owner:{each.pk}", ASSIGNED, each.at, told)] if is_given else []
    moved = {name: detail[name] for name in ("from", "to", "act", "reason")}
    found = [Found(f"stage:{each.pk}", STAGE_CHANGED, each.at, telling(**moved))]
    if detail["act"] in DEAL_EVENTS:
        found.append(
            Found(
                f"deal:{each.pk}",
                DEAL_EVENTS[detail["act"]],
                each.at,
                lambda: {"lead": leads.of(each.lead_id), "opportunity": leads.deal_of(each.lead_id)},
            )
        )
    return found


# A lead that live intake brought was recorded and came alive in one statement, at one instant.
_HAPPENED: Final = Statement.text("""
SELECT 'created', lead.id, lead.recorded_at, lead.id, '{}'
FROM leads_lead lead JOIN leads_leadstate state ON state.lead_id = lead.id
WHERE lead.id = ANY (%(lead_ids)s::bigint[]) AND state.lead_id = ANY (%(lead_ids)s::bigint[])
  AND state.live_since = lead.recorded_at AND lead.recorded_at >= %(since)s::timestamptz
UNION ALL
SELECT 'stage', change.id, change.at, change.lead_id, jsonb_build_object(
    'from', change.from_stage, 'to', change.to_stage, 'act', change.act, 'reason', NULLIF(change.reason, ''))::text
FROM leads_stagechange change
WHERE change.lead_id = ANY (%(lead_ids)s::bigint[]) AND change.at >= %(since)s::timestamptz AND change.act <> 'import'
UNION ALL
SELECT 'owner', decision.id, decision.at, decision.lead_id, jsonb_build_object(
    'topic', decision.topic, 'result', decision.result,
    'owner_id', COALESCE(decision.detail -> 'member', decision.detail -> 'owner_id'))::text
FROM leads_decision decision
WHERE decision.lead_id = ANY (%(lead_ids)s::bigint[]) AND decision.kind = 'owner'
  AND decision.at >= %(since)s::timestamptz
""")

announce = AnnounceStep()

EVENT_TYPES: Final = (
    EventType(CREATED, _("A lead came in")),
    EventType(STAGE_CHANGED, _("A lead came into another stage")),
    EventType(ASSIGNED, _("A lead got another owner")),
    EventType(OPENED, _("Sales accepted an SQL: an opportunity")),
    EventType(WON, _("An opportunity was won")),
    EventType(LOST, _("An opportunity was lost")),
)
