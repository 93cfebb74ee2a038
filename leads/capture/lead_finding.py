"""Whose the deals and events of a file are: leads found by external id, e-mail or phone, or made where that was said."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from django.utils.translation import gettext_lazy as _

from leads.capture import writing
from leads.capture.columns import FieldType
from leads.capture.inputs import LeadInput
from leads.capture.intake import contradiction, take_in
from leads.models import Lead
from tenancy.errors import Conflict, FieldProblem, NotFound, Problem

# By which a row names its lead; the name is that of a lead to be made.
WHOSE_FIELDS: Final[dict[str, FieldType]] = dict.fromkeys(
    ("external_id", "email", "phone", "lead_name"), "text"
)


def whose_values(values: Mapping[str, str]) -> dict[str, str]:
    """The cells that say whose a row is, as fields of a lead."""
    found = {name: text for name, text in values.items() if name in WHOSE_FIELDS}
    return {"name" if name == "lead_name" else name: text for name, text in found.items()}


class UnknownLead(NotFound):
    """Nobody is known by what the row says of its lead."""


class SharedPhone(Conflict):
    """Several leads have the phone by which the row names its lead."""


class RowOfLead(Protocol):
    """One row on its way; its lead or its problem is found here."""

    lead_id: int | None
    problem: Problem | None

    @property
    def whose(self) -> LeadInput:
        """What the row says of its lead."""

    @property
    def at(self) -> datetime | None:
        """When what it tells of began; a lead that is made for it was captured then."""


def find_leads_of(rows: Sequence[RowOfLead], *, creates: bool, now: datetime, is_live: bool) -> list[int]:
    """Find and lock the lead of each row, and with ``creates`` make those that are not known; returns the ids of leads that were
    made. A row that names nobody, or two leads, gets its problem.

    External id and e-mail say who it is; the phone only where a row has neither.
    """
    _match(rows)
    missing = [row for row in rows if row.lead_id is None and row.problem is None]
    if creates and missing:
        return _make(missing, now, is_live=is_live)
    for row in missing:
        row.problem = _unknown(row.whose)
    return []


def _match(rows: Sequence[RowOfLead]) -> None:
    by_external_id, by_email = writing.find_leads(
        external_ids=[row.whose.external_id for row in rows if row.whose.external_id],
        emails=[row.whose.email for row in rows if row.whose.email],
    )
    by_phone = _find_by_phone([row.whose.phone for row in rows if _has_only_phone(row.whose)])
    for row in rows:
        whose = row.whose
        if _has_only_phone(whose):
            found = by_phone.get(whose.phone or "", [])
            row.lead_id = found[0] if len(found) == 1 else None
            row.problem = _shared(found) if len(found) > 1 else None
            continue
        named = by_external_id.get(whose.external_id or "")
        mailed = by_email.get(whose.email or "")
        row.problem = contradiction(whose, named, mailed)
        lead = named or mailed
        row.lead_id = lead["id"] if lead is not None and row.problem is None else None


def _has_only_phone(whose: LeadInput) -> bool:
    return not (whose.external_id or whose.email)


def _find_by_phone(phones: Sequence[str | None]) -> dict[str, list[int]]:
    """By phone the leads that have it, locked in id order."""
    wanted = {phone for phone in phones if phone}
    found: dict[str, list[int]] = {}
    if not wanted:
        return found
    leads: Any = Lead.objects.filter(phone__in=wanted).order_by("id").select_for_update(no_key=True)
    for lead_id, phone in leads.values_list("id", "phone"):
        found.setdefault(phone, []).append(lead_id)
    return found


def _make(rows: Sequence[RowOfLead], now: datetime, *, is_live: bool) -> list[int]:
    """Make the leads of these rows, one for all rows that name the same person in the same way."""
    given: dict[tuple[str | None, ...], LeadInput] = {}
    for row in rows:
        whose, key = row.whose, _key(row.whose)
        first = given.get(key)
        times = [each for each in (first.created_at if first else None, row.at) if each is not None]
        # What is captured live is captured now.
        at = min(times) if times and not is_live else None
        given[key] = replace(first or whose, created_at=at)
    taken = take_in(rows=list(given.values()), now=now, is_live=is_live)
    made = dict(zip(given, taken, strict=True))
    for row in rows:
        lead = made[_key(row.whose)]
        row.lead_id, row.problem = (None, lead.problem) if lead.problem else (lead.lead_id, None)
    return [lead.lead_id for lead in taken if lead.lead_id is not None and lead.problem is None]


def _key(whose: LeadInput) -> tuple[str | None, ...]:
    return whose.external_id, whose.email, whose.phone if _has_only_phone(whose) else None


def _shared(lead_ids: Sequence[int]) -> SharedPhone:
    words = ", ".join(str(each) for each in lead_ids[:5])
    message = _("Several leads have this phone: %(leads)s. Give the external id or the e-mail.") % {
        "leads": words
    }
    return SharedPhone(message, errors=[FieldProblem("phone", "several", message)])


def _unknown(whose: LeadInput) -> UnknownLead:
    field = "external_id" if whose.external_id else "email" if whose.email else "phone"
    return UnknownLead(
        _("No lead is known by “%(who)s”. Import the leads first.")
        % {"who": whose.external_id or whose.email or whose.phone},
        errors=[FieldProblem(field, "unknown", _("Unknown lead."))],
    )
