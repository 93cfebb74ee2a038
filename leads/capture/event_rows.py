"""Files of events: what leads did, one event a row, put on the leads that are known or on leads that are made for them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from leads.capture.columns import MILLION, FieldType, make_field_name
from leads.capture.event_fields import MAX_AHEAD, MAX_MESSAGE_ID, read_properties
from leads.capture.fields import read_row
from leads.capture.imports import ImportContext, Taken, TakenBatch
from leads.capture.inputs import IntakeRules, LeadInput
from leads.capture.lead_finding import WHOSE_FIELDS, find_leads_of, whose_values
from leads.capture.readable_file import PROPERTY, OpenFields
from leads.capture.scalars import (
    Unfit,
    parse_day,
    read_instant,
    read_millionths,
    read_text,
    read_whole_number,
    refuse_date,
)
from leads.capture.waves import Normalise
from leads.events import NewEvent, record_events
from leads.models import ImportRun
from tenancy.errors import FieldProblem, Problem

MAX_TYPE: Final = 64
MAX_PROPERTY: Final = 1_000
_DIGEST: Final = 40


@dataclass(frozen=True)
class FileEvent:
    """What one row says: whose event, of which type, when (UTC), the id by which it is known again, what else it says."""

    lead: LeadInput
    type: str
    occurred_at: datetime
    message_id: str | None
    properties: Mapping[str, Any]

    @property
    def email(self) -> str | None:
        """Whose it is, for those who look at a trial."""
        return self.lead.email or self.lead.external_id or self.lead.phone


@dataclass
class _EventRow:
    given: FileEvent
    lead_id: int | None = None
    problem: Problem | None = field(default=None)

    @property
    def whose(self) -> LeadInput:
        return self.given.lead

    @property
    def at(self) -> datetime | None:
        return self.given.occurred_at

    def event(self) -> NewEvent:
        """The event as it is written."""
        assert self.lead_id is not None
        given = self.given
        return NewEvent(
            type=given.type,
            occurred_at=given.occurred_at,
            lead_id=self.lead_id,
            message_id=given.message_id or _own_id(self.lead_id, given),
            properties=dict(given.properties),
        )


class EventRows:
    """Rows that tell of events. ``event_type`` is what happened where no column says it."""

    kind = ImportRun.Subject.EVENTS
    fields: Mapping[str, FieldType] = {
        **WHOSE_FIELDS,
        "type": "text",
        "occurred_at": "date",
        "message_id": "text",
        "properties": "text",
    }
    open_fields: OpenFields = {PROPERTY: None}
    # Events of one lead stand anywhere in the file.
    identities: Mapping[str, Normalise] | None = None

    def __init__(self, *, event_type: str = "", creates_leads: bool = False) -> None:
        self._type = event_type
        self._creates = creates_leads

    def read(
        self, values: Mapping[str, str], rules: IntakeRules, now: datetime
    ) -> tuple[FileEvent, Sequence[FieldProblem]]:
        """What a row says of an event."""
        return read_file_event(values=values, rules=rules, event_type=self._type, now=now)

    def is_nameless(self, item: FileEvent) -> bool:
        """Every row names its lead."""
        return False

    def prepare(self, items: Sequence[FileEvent]) -> None:
        """Nothing: one process takes in all rows."""

    def take(self, items: Sequence[FileEvent], context: ImportContext, prepared: None = None) -> TakenBatch:
        """Record events, those with a message id that is known not again."""
        rows = [_EventRow(item) for item in items]
        made = find_leads_of(rows, creates=self._creates, now=context.now, is_live=context.is_live)
        good = [row for row in rows if row.problem is None]
        recorded = record_events(
            events=[row.event() for row in good], now=context.now, is_live=context.is_live
        )
        came_of = {id(row): one for row, one in zip(good, recorded, strict=True)}
        changed = {row.lead_id for row in good if row.lead_id is not None and came_of[id(row)].is_new}
        taken = []
        for row in rows:
            one = came_of.get(id(row))
            if one is None:
                taken.append(Taken(None, "refused", row.problem))
            else:
                taken.append(Taken(one.id, "new" if one.is_new else "unchanged", None, row.lead_id))
        return TakenBatch(taken, sorted(changed.union(made)))


def _own_id(lead_id: int, given: FileEvent) -> str:
    """Without an id of its own an event is its lead, its type, its instant and what else it says: so a file that is imported
    again tells of the same ones."""
    properties = json.dumps(given.properties, sort_keys=True, ensure_ascii=False)
    return own_id(str(lead_id), given.type, given.occurred_at, properties)


def own_id(whose: str, event_type: str, at: datetime, more: str = "") -> str:
    """The message id of an event that a file tells of without one."""
    told = "\n".join((whose, event_type, at.isoformat(), more))
    return f"file:{hashlib.sha256(told.encode()).hexdigest()[:_DIGEST]}"


def read_file_event(
    *, values: Mapping[str, str], rules: IntakeRules, event_type: str, now: datetime
) -> tuple[FileEvent, Sequence[FieldProblem]]:
    """Read one event from the fields of a row, and one problem for each field that can't be read."""
    lead, found_problems = read_row(values=whose_values(values), rules=rules, now=now)
    problems = list(found_problems)
    found: dict[str, Any] = {}

    def read(name: str, reader: Callable[[], Any]) -> None:
        try:
            found[name] = reader()
        except Unfit as unfit:
            problems.append(FieldProblem(name, unfit.code, unfit.message))

    read("type", lambda: _read_type(values.get("type", "") or event_type))
    read("occurred_at", lambda: read_past(values.get("occurred_at", ""), "occurred_at", rules, now))
    read("message_id", lambda: read_text(values.get("message_id", ""), MAX_MESSAGE_ID) or None)
    read("properties", lambda: _read_properties(values, rules))
    if not problems and found["occurred_at"] is None:
        problems.append(FieldProblem("occurred_at", "required", _("Say when it happened.")))
    if not problems and not (lead.external_id or lead.email or lead.phone):
        message = _("Give the external id, the e-mail or the phone of a lead.")
        problems.append(FieldProblem("external_id", "required", message))
    if problems:
        return FileEvent(lead, "", now, None, {}), problems
    return FileEvent(lead, **found), problems


def _read_type(text: str) -> str:
    """A type as events have them: “E-mail aberto” is ``e_mail_aberto``."""
    if not text.strip():
        raise Unfit("required", _("Say what happened."))
    name = make_field_name(read_text(text, MAX_PROPERTY))
    if len(name) > MAX_TYPE:
        raise Unfit("too_long", _("At most %d characters.") % MAX_TYPE)
    return name


def read_past(text: str, name: str, rules: IntakeRules, now: datetime) -> datetime | None:
    """An instant that is not ahead, of a column's format; None if blank. Raises Unfit."""
    at = read_instant(text, rules.date_formats.get(name), rules.zone)
    if at is not None and at > now + MAX_AHEAD:
        raise Unfit("future", _("The instant lies more than five minutes ahead."))
    return at


def _read_properties(values: Mapping[str, str], rules: IntakeRules) -> dict[str, Any]:
    """Those of the JSON cell, then those that have columns of their own."""
    text = values.get("properties", "").strip()
    try:
        document = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise Unfit("invalid", _("The properties are no valid JSON.")) from error
    if not isinstance(document, dict):
        raise Unfit("type", _("Give an object."))
    for name, cell in values.items():
        if name.startswith(PROPERTY):
            document[name.removeprefix(PROPERTY)] = _read_property(name, cell, rules)
    return read_properties(document)


def _read_property(name: str, text: str, rules: IntakeRules) -> str | int | float | None:
    """A cell as all values of its column are."""
    kind = rules.properties.get(name, "text")
    if kind == "integer":
        return read_whole_number(name, text, rules)
    if kind == "decimal":
        millionths = read_millionths(name, text, rules)
        return None if millionths is None else millionths / MILLION
    if kind == "date":
        date_format = rules.date_formats.get(name)
        day: date | datetime | None = parse_day(text.strip(), date_format)
        if day is None:
            refuse_date(text, date_format)
            return None
        return day.isoformat()
    return read_text(text, MAX_PROPERTY)
