"""Recording events that callers send: find whose they are, write them once, let the pipeline see their leads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext as _

from leads.capture.event_fields import read_event
from leads.capture.fields import read_submission
from leads.capture.inputs import EventInput, IntakeRules, LeadInput
from leads.capture.intake import take_in
from leads.capture.rules import open_rules
from leads.events import NewEvent, record_events
from leads.models import LeadMerge
from leads.pipeline import Reason, ReasonCode, run_pipeline
from tenancy.errors import FieldProblem, Invalid, Problem, Unprocessable
from tenancy.models import Tenant

MAX_VISITOR: Final = 64
_MEMBERS: Final = {"lead", "visitor", "create"}
_IDENTITIES: Final = ("id", "external_id", "email")


class UnknownPerson(Unprocessable):
    """An event of somebody who is not a lead, without leave to make one."""


@dataclass
class EventRow:
    """One event on its way: what came in, whose it is, and what it is answered with."""

    event: EventInput | None = None
    lead: LeadInput | None = None
    lead_id: int | None = None
    visitor: str | None = None
    may_create: bool = False
    problem: Problem | None = None
    event_id: int | None = None
    is_new: bool = False

    @property
    def status(self) -> int:
        """201 for a new event, 200 for one recorded before, else the problem's."""
        return self.problem.status if self.problem else 201 if self.is_new else 200

    @property
    def body(self) -> dict[str, Any]:
        """What the caller is answered."""
        if self.problem is not None:
            return {
                "detail": str(self.problem.detail),
                "errors": [error.as_json() for error in self.problem.errors],
            }
        return {"id": self.event_id, "lead": self.lead_id}


def record_batch(*, tenant: Tenant, events: Sequence[Any], now: datetime) -> list[EventRow]:
    """Record events in order, each with its answer; one that cannot be recorded keeps none of the others back."""
    rules = replace(open_rules(tenant=tenant), source="api")
    rows = [read_event_row(document, rules, now) for document in events]
    find_people([row for row in rows if row.problem is None and row.visitor is None], now)
    good = [row for row in rows if row.problem is None]
    recorded = record_events(events=[new_event(row, now) for row in good], now=now)
    for row, one in zip(good, recorded, strict=True):
        row.event_id, row.is_new = one.id, one.is_new
    changed = {row.lead_id for row in good if row.is_new and row.lead_id is not None}
    run_pipeline(lead_ids=changed, reason=Reason(ReasonCode.EVENT), now=now)
    return rows


def read_event_row(document: Any, rules: IntakeRules, now: datetime) -> EventRow:
    """One event as JSON gives it; a row with a problem says what to mend."""
    if not isinstance(document, dict):
        return EventRow(problem=Invalid(_("An event is a JSON object.")))
    event, problems = read_event(
        document={name: value for name, value in document.items() if name not in _MEMBERS},
        zone=rules.zone,
        now=now,
    )
    row = EventRow(event=event, may_create=document.get("create") is True)
    problems += read_subject(row, document, rules, now)
    if problems:
        names = ", ".join(dict.fromkeys(problem.field for problem in problems))
        row.problem = Invalid(_("Mend these fields: %(names)s.") % {"names": names}, errors=problems)
    return row


def read_subject(
    row: EventRow, document: dict[str, Any], rules: IntakeRules, now: datetime
) -> list[FieldProblem]:
    """Whose event it is: a lead by one identity, or a visitor. Returns what has to be mended."""
    lead, visitor = document.get("lead"), document.get("visitor")
    if visitor is not None and lead is None:
        if not isinstance(visitor, str) or not 0 < len(visitor.strip()) <= MAX_VISITOR:
            return [FieldProblem("visitor", "invalid", _("Give a text of at most 64 characters."))]
        row.visitor = visitor.strip()
        return []
    if (
        visitor is not None
        or not isinstance(lead, dict)
        or len(lead) != 1
        or not set(lead) <= set(_IDENTITIES)
    ):
        message = _("Say whose event it is: one of lead.id, lead.external_id, lead.email or visitor.")
        return [FieldProblem("lead", "required", message)]
    if "id" in lead:
        if not isinstance(lead["id"], int) or isinstance(lead["id"], bool) or not 0 < lead["id"] < 2**63:
            return [FieldProblem("lead.id", "invalid", _("Give the number of a lead."))]
        row.lead_id = lead["id"]
        return []
    row.lead, problems = read_submission(document=lead, rules=rules, now=now)
    if not problems and not (row.lead.email or row.lead.external_id):
        problems = [FieldProblem("lead", "required", _("The lead's identity is blank."))]
    return [replace(problem, field=f"lead.{problem.field}") for problem in problems]


def find_people(rows: Sequence[EventRow], now: datetime) -> None:
    """Find the leads that events are of, making those that the caller allows."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND,
            {
                "ids": [row.lead_id for row in rows if row.lead_id is not None],
                "external_ids": [row.lead.external_id for row in rows if row.lead and row.lead.external_id],
                "emails": [row.lead.email for row in rows if row.lead and row.lead.email],
            },
        )
        found = cursor.fetchall()
    ids = {lead_id for lead_id, _external_id, _email in found}
    by_identity = {external_id: lead_id for lead_id, external_id, _email in found if external_id}
    by_email = {email: lead_id for lead_id, _external_id, email in found if email}
    # A lead that was merged into another is known by its number, too.
    merged = _find_merged([row.lead_id for row in rows if row.lead_id is not None and row.lead_id not in ids])
    missing: list[EventRow] = []
    for row in rows:
        if row.lead is not None:
            row.lead_id = by_identity.get(row.lead.external_id or "") or by_email.get(row.lead.email or "")
        elif row.lead_id not in ids:
            row.lead_id = merged.get(row.lead_id or 0)
        if row.lead_id is None:
            missing.append(row)
    makeable = [row for row in missing if row.may_create and row.lead is not None]
    for row, made in zip(
        makeable, take_in(rows=[row.lead for row in makeable if row.lead], now=now, is_live=True), strict=True
    ):
        row.lead_id, row.problem = made.lead_id, made.problem
    for row in missing:
        if row.lead_id is None and row.problem is None:
            row.problem = UnknownPerson(
                _(
                    "Nobody is known by this. Capture the lead first, or send “create”: true with its external id or e-mail."
                )
            )


_FIND: Final = """
SELECT id, external_id, email FROM leads_lead
WHERE id IN (
    SELECT id FROM leads_lead WHERE id = ANY(%(ids)s::bigint[])
    UNION ALL SELECT id FROM leads_lead WHERE external_id IS NOT NULL AND external_id = ANY(%(external_ids)s)
    UNION ALL SELECT id FROM leads_lead WHERE email IS NOT NULL AND email = ANY(%(emails)s)
)
UNION ALL
SELECT lead_id, CASE kind WHEN 'external_id' THEN value END, CASE kind WHEN 'email' THEN value END
FROM leads_leadalias
WHERE kind = 'external_id' AND value = ANY(%(external_ids)s) OR kind = 'email' AND value = ANY(%(emails)s)
"""


def _find_merged(lead_ids: Sequence[int]) -> dict[int, int]:
    """The leads of which others, that are gone, are a part now; by the number of the one that is gone."""
    if not lead_ids:
        return {}
    merges = LeadMerge.objects.filter(loser_id__in=lead_ids, undone_at__isnull=True)
    return dict(merges.values_list("loser_id", "survivor_id"))


def new_event(row: EventRow, now: datetime) -> NewEvent:
    """The event as it is written."""
    assert row.event is not None
    return NewEvent(
        type=row.event.type,
        occurred_at=row.event.occurred_at or now,
        lead_id=row.lead_id,
        visitor=row.visitor,
        message_id=row.event.message_id,
        properties=row.event.properties,
    )
