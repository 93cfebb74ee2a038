"""What a lead did, as a submission or the door for events tells it: read and checked."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from leads.capture.inputs import EventInput, EventReading, IntakeRules
from leads.capture.scalars import MAX_FIELD_SHOWN, Unfit, check_json, read_instant, read_text, shorten
from tenancy.errors import FieldProblem

MAX_EVENTS: Final = 100
MAX_MESSAGE_ID: Final = 200
MAX_PROPERTIES_BYTES: Final = 16_384
MAX_PROPERTIES_DEPTH: Final = 5
MAX_AHEAD: Final = timedelta(minutes=5)
_EVENT_TYPE: Final = re.compile(r"[a-z0-9_]{1,64}")


def read_events(
    document: Mapping[str, Any], rules: IntakeRules, now: datetime, problems: list[FieldProblem]
) -> tuple[EventInput, ...]:
    """What the lead did, the single event before those of the list."""
    given: list[tuple[str, Any]] = []
    if document.get("event") is not None:
        given.append(("event.", document["event"]))
    listed = document.get("events")
    if listed is not None and not isinstance(listed, list):
        problems.append(FieldProblem("events", "type", _("Give a list of events.")))
    elif listed is not None and len(listed) > MAX_EVENTS:
        problems.append(FieldProblem("events", "too_many", _("Give at most %d events.") % MAX_EVENTS))
    elif listed is not None:
        given += [(f"events[{index}].", each) for index, each in enumerate(listed)]
    events = []
    for within, each in given:
        event, more = read_event(document=each, zone=rules.zone, now=now, within=within)
        problems += more
        if event is not None:
            events.append(event)
    return tuple(events)


def read_event(*, document: Any, zone: ZoneInfo, now: datetime, within: str = "") -> EventReading:
    """Read an event's ``type``, ``properties``, ``occurred_at`` and ``message_id``; other members are problems.

    ``within`` is put before the names of fields in problems. An instant without an offset is local time of the zone.
    """
    if not isinstance(document, Mapping):
        return EventReading(None, [FieldProblem(within.rstrip("."), "type", _("Give an object."))])
    found: dict[str, Any] = {"properties": {}, "occurred_at": None, "message_id": None}
    problems = []
    for name, value in {"type": None, **document}.items():
        reader = _EVENT_READERS.get(name)
        try:
            if reader is None:
                raise Unfit("unknown", _("There is no field “%s”.") % shorten(name))
            found[name] = reader(value, zone, now)
        except Unfit as unfit:
            problems.append(
                FieldProblem(
                    shorten(within + name + unfit.within, MAX_FIELD_SHOWN), unfit.code, unfit.message
                )
            )
    return EventReading(None if problems else EventInput(**found), problems)


def _read_event_type(value: Any, zone: ZoneInfo, now: datetime) -> str:
    if value is None:
        raise Unfit("required", _("Say what happened."))
    if not isinstance(value, str) or _EVENT_TYPE.fullmatch(value) is None:
        raise Unfit("invalid", _("Give 1 to 64 lower-case letters, digits or underscores."))
    return value


def _read_occurred_at(value: Any, zone: ZoneInfo, now: datetime) -> datetime | None:
    at = read_instant(value, None, zone)
    if at is not None and at > now + MAX_AHEAD:
        raise Unfit("future", _("The instant lies more than five minutes ahead."))
    return at


def _read_message_id(value: Any, zone: ZoneInfo, now: datetime) -> str | None:
    return read_text(value, MAX_MESSAGE_ID) or None


_JSON: Final = json.JSONEncoder(ensure_ascii=False)


def _read_properties(value: Any, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    return read_properties(value)


def read_properties(value: Any) -> dict[str, Any]:
    """What else an event says, as JSON gives it; none is an empty object. Raises Unfit for what is no object, deep or long."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unfit("type", _("Give an object."))
    check_json(value, levels=MAX_PROPERTIES_DEPTH)
    if value and len(_JSON.encode(value).encode()) > MAX_PROPERTIES_BYTES:
        raise Unfit("too_long", _("At most %d bytes.") % MAX_PROPERTIES_BYTES)
    return value


_EVENT_READERS: Final[Mapping[str, Callable[[Any, ZoneInfo, datetime], Any]]] = {
    "type": _read_event_type,
    "properties": _read_properties,
    "occurred_at": _read_occurred_at,
    "message_id": _read_message_id,
}
