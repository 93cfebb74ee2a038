"""One submission, from any door, as the fields it fills: normalised and checked, with a problem for each that can't be.

`read_submission` takes what JSON gave (company nested, flat, or a plain text), `read_row` the fields of one row of a file.
Nothing here asks the database: what must be known of the tenant comes in as `IntakeRules`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from leads.capture.columns import (
    CUSTOM,
    MAX_BIGINT,
    MILLION,
    DateFormat,
    DecimalMark,
    FieldType,
    parse_date,
    parse_decimal,
    to_millionths,
)
from leads.capture.values import (
    email_kind,
    fold_text,
    normalise_cnpj,
    normalise_country,
    normalise_domain,
    normalise_email,
    normalise_language,
    normalise_phone,
    normalise_postal_code,
    normalise_seniority,
    normalise_time_zone,
)
from leads.conditions.lead_facts import MINOR_UNITS, fold_origin
from leads.models import Stage
from tenancy.errors import FieldProblem

# Longest texts, as the columns hold them.
TEXT_LIMITS: Final = {
    "external_id": 200,
    "first_name": 100,
    "last_name": 100,
    "name": 200,
    "job_title": 200,
    "company": 200,
    "industry": 120,
    "city": 120,
    "campaign": 200,
    "medium": 120,
    "landing_page": 500,
}
MAX_PHONE: Final = 40
MAX_STATE: Final = 80
MAX_POSTAL_CODE: Final = 20
MAX_LANGUAGE: Final = 16
MAX_SENIORITY: Final = 40
MAX_ORIGIN: Final = 120
MAX_OWNER: Final = 200
MAX_TAG: Final = 80
MAX_TAGS: Final = 100
MAX_CUSTOM_TEXT: Final = 1000
MAX_CONSENTS: Final = 20
MAX_EVENTS: Final = 100
MAX_CONSENT_TEXT: Final = 10_000
MAX_MESSAGE_ID: Final = 200
MAX_PROPERTIES_BYTES: Final = 16_384
MAX_PROPERTIES_DEPTH: Final = 5
MAX_COMPANY_SIZE: Final = 2**31 - 1
# Of a field's name in a problem.
MAX_FIELD_SHOWN: Final = 200
MAX_AHEAD: Final = timedelta(minutes=5)
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200

COMPANY_FIELDS: Final = ("company", "company_domain", "company_size", "company_revenue", "industry", "cnpj")
IMPORT_ONLY_FIELDS: Final = ("stage", "owner_sdr", "owner_sales")
# Every field of a lead that can be filled from outside, besides custom.NAME (CONTRACT.md §1).
LEAD_FIELDS: Final = (
    *("external_id", "email", "first_name", "last_name", "name", "phone", "job_title", "seniority"),
    *COMPANY_FIELDS,
    *("country", "state", "city", "postal_code", "language", "time_zone"),
    *("origin", "campaign", "medium", "landing_page", "stage", "tags", "owner_sdr", "owner_sales"),
    *("consent", "created_at"),
)
# Members of a nested company, and the field that each one is.
_NESTED_COMPANY: Final = {
    "name": "company",
    "domain": "company_domain",
    "size": "company_size",
    "revenue": "company_revenue",
    "industry": "industry",
    "cnpj": "cnpj",
}
_EVENT_TYPE: Final = re.compile(r"[a-z0-9_]{1,64}")
_PURPOSE: Final = re.compile(r"[a-z0-9_-]{1,64}")
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:$|[T ])")
_RANGE: Final = re.compile(r"[0-9., ]+\s*(?:-|–|—|to|a|até|\+)\s*[0-9., ]*", re.IGNORECASE)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ConsentInput:
    """A lawful basis for a purpose, with the words agreed to or the name of their version."""

    purpose: str
    basis: str
    text: str


@dataclass(frozen=True, slots=True)
class EventInput:
    """Something the lead did. ``occurred_at`` is None if it wasn't said: then it is now."""

    type: str
    properties: dict[str, Any]
    occurred_at: datetime | None
    message_id: str | None


@dataclass(frozen=True)
class LeadInput:
    """What one submission says of a lead. None says nothing: a blank never erases.

    ``email`` and ``origin`` are the keys that are stored, ``origin_label`` the origin as it was written. ``name`` is
    composed of first and last name if it wasn't given; ``is_name_partial`` is true if only one of the two was, so that
    a fuller name that is known should stay. ``name_key`` and ``company_key`` are for sorting and finding.
    ``company_revenue_minor`` is in hundredths of the tenant's currency. ``custom`` has values by name without
    ``custom.``: text, int, date, and millionths for a decimal. Instants are in UTC.

    ``owner_sdr`` and ``owner_sales`` are the texts of a file; who is meant is for the import to find, which fills in
    the ids (``dataclasses.replace``). ``source`` and ``proof`` are kept with consents.
    """

    external_id: str | None = None
    email: str | None = None
    email_kind: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    name_key: str | None = None
    is_name_partial: bool = False
    phone: str | None = None
    job_title: str | None = None
    seniority: str | None = None
    company: str | None = None
    company_key: str | None = None
    company_domain: str | None = None
    company_size: int | None = None
    company_revenue_minor: int | None = None
    industry: str | None = None
    cnpj: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    postal_code: str | None = None
    language: str | None = None
    time_zone: str | None = None
    origin: str | None = None
    origin_label: str | None = None
    campaign: str | None = None
    medium: str | None = None
    landing_page: str | None = None
    stage: str | None = None
    tags: tuple[str, ...] = ()
    owner_sdr: str | None = None
    owner_sales: str | None = None
    consent: tuple[ConsentInput, ...] = ()
    created_at: datetime | None = None
    custom: Mapping[str, str | int | date] = field(default_factory=dict)
    events: tuple[EventInput, ...] = ()
    source: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)
    received_at: datetime | None = None
    owner_sdr_id: int | None = None
    owner_sales_id: int | None = None
    kept_sdr_id: int | None = None
    kept_sales_id: int | None = None


@dataclass(frozen=True)
class IntakeRules:
    """What reading depends on beside the submission itself.

    ``country`` (ISO alpha-2) and ``zone`` are the tenant's. ``custom`` are the defined custom fields by name, ``choices`` the
    only values of those texts that have a list.
    ``is_import`` allows stage and owners. ``date_formats`` and ``marks`` are a file's decisions by field (with
    ``custom.``); a field without one has ISO dates and the decimal point, a mark of None leaves numbers that it would
    change in doubt, and they are refused. ``source`` (``api``, ``form``, ``import``…) and ``proof`` go with consents.
    """

    country: str
    zone: ZoneInfo
    custom: Mapping[str, FieldType] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_import: bool = False
    date_formats: Mapping[str, DateFormat] = field(default_factory=dict)
    marks: Mapping[str, DecimalMark | None] = field(default_factory=dict)
    source: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)


class Reading(NamedTuple):
    """What could be read, and one problem for each field that could not; with problems nothing should be written."""

    lead: LeadInput
    problems: list[FieldProblem]


class EventReading(NamedTuple):
    """The event, or None with the problems."""

    event: EventInput | None
    problems: list[FieldProblem]


class Unfit(Exception):
    """What a reader raises for a value that its field cannot hold. ``within`` names the part of a composed value."""

    def __init__(self, code: str, message: str, within: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.within = within


# Doors ------------------------------------------------------------------------------------------------------------


def read_submission(*, document: Mapping[str, Any], rules: IntakeRules, now: datetime) -> Reading:
    """Read one lead as JSON gives it: flat fields, ``company`` nested or a text, ``custom``, ``event`` or a list of ``events``.

    A problem names its field as the caller wrote it: ``company.size``, ``custom.plants``, ``event.type``.
    """
    problems: list[FieldProblem] = []
    values, written = _flatten(document, problems)
    events = _read_events(document, rules, now, problems)
    lead, more = _read(values, rules, now=now, events=events)
    problems += [FieldProblem(written.get(each.field, each.field), each.code, each.message) for each in more]
    return Reading(lead, problems)


def read_row(*, values: Mapping[str, str], rules: IntakeRules, now: datetime) -> Reading:
    """Read one lead from the fields of a file's row, as ``ColumnPlan.read_row`` gives them."""
    return _read(values, rules, now=now, events=())


def _read_events(
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
                raise Unfit("unknown", _("There is no field “%s”.") % _shorten(name))
            found[name] = reader(value, zone, now)
        except Unfit as unfit:
            problems.append(
                FieldProblem(
                    _shorten(within + name + unfit.within, MAX_FIELD_SHOWN), unfit.code, unfit.message
                )
            )
    return EventReading(None if problems else EventInput(**found), problems)


def _flatten(
    document: Mapping[str, Any], problems: list[FieldProblem]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The submission's values by flat field, and how the caller wrote those that were nested."""
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    for name, value in document.items():
        if name in ("event", "events"):
            continue
        if name == "company" and isinstance(value, Mapping):
            nested = {
                _NESTED_COMPANY.get(key, f"company.{key}"): (f"company.{key}", each)
                for key, each in value.items()
            }
        elif name == "custom" and isinstance(value, Mapping):
            nested = {CUSTOM + key: (CUSTOM + key, each) for key, each in value.items()}
        elif name == "custom" and value is not None:
            problems.append(FieldProblem("custom", "type", _("Give an object of names and values.")))
            continue
        elif name == "custom":
            continue
        else:
            nested = {name: (name, value)}
        for flat, (as_written, each) in nested.items():
            if flat in values:
                problems.append(FieldProblem(_shorten(as_written), "twice", _("The field is given twice.")))
            values[flat] = each
            written[flat] = as_written
    return values, written


# Reading ----------------------------------------------------------------------------------------------------------


def _read(
    values: Mapping[str, Any], rules: IntakeRules, *, now: datetime, events: tuple[EventInput, ...]
) -> Reading:
    found: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, value in values.items():
        try:
            limit = TEXT_LIMITS.get(name)
            if limit is not None:
                text = _as_text(value)
                if text:
                    found[name] = text if len(text) <= limit else _refuse_long(text, limit)
            elif (reader := _READERS.get(name)) is not None:
                reader(found, value, rules)
            else:
                _read_other(found, name, value, rules)
        except Unfit as unfit:
            problems.append(
                FieldProblem(_shorten(name + unfit.within, MAX_FIELD_SHOWN), unfit.code, unfit.message)
            )
    _complete(found, rules)
    found |= {"events": events, "source": rules.source, "proof": rules.proof, "received_at": now}
    return Reading(_make_lead(found), problems)


def _make_lead(found: dict[str, Any]) -> LeadInput:
    """The frozen lead with these attributes, the rest by default: six times as fast as calling the class."""
    lead = object.__new__(LeadInput)
    lead.__dict__.update(found)
    lead.__dict__.setdefault("custom", {})
    return lead


def _complete(found: dict[str, Any], rules: IntakeRules) -> None:
    """Fill in what follows from other fields: names and keys, and what depends on the country."""
    first, last = found.get("first_name"), found.get("last_name")
    if "name" not in found and (first or last):
        found["name"] = f"{first} {last}"[: TEXT_LIMITS["name"]] if first and last else first or last
        found["is_name_partial"] = not (first and last)
    if "name" in found:
        found["name_key"] = make_sort_key(found["name"])
    if "company" in found:
        found["company_key"] = make_sort_key(found["company"])
    country = found.get("country", rules.country)
    if "phone" in found:
        found["phone"] = normalise_phone(found["phone"], country=country)
    if "postal_code" in found:
        found["postal_code"] = normalise_postal_code(found["postal_code"], country=country)


@lru_cache(maxsize=4096)
def make_sort_key(text: str) -> str | None:
    """A name without accents, case and punctuation: sorts as people expect and finds the name again. None if nothing is left."""
    return fold_text(text)[:200] or None


def _read_other(found: dict[str, Any], name: str, value: Any, rules: IntakeRules) -> None:
    """Read what is not the same for every tenant and door."""
    if name in IMPORT_ONLY_FIELDS:
        if not rules.is_import:
            raise Unfit("import_only", _("The field comes by import only."))
        _read_standing(found, name, value)
    elif name.startswith(CUSTOM):
        key = name.removeprefix(CUSTOM)
        kind = rules.custom.get(key)
        if kind is None:
            raise Unfit("undefined", _("There is no custom field “%s”. Define it first.") % _shorten(key))
        custom = _CUSTOM_READERS[kind](name, value, rules)
        if isinstance(custom, str) and key in rules.choices:
            custom = _choose(custom, rules.choices[key])
        if custom is not None:
            found.setdefault("custom", {})[key] = custom
    else:
        raise Unfit("unknown", _("There is no field “%s”.") % _shorten(name))


def _choose(text: str, choices: Sequence[str]) -> str:
    """The choice that is meant, whatever its case, as it stands on the list."""
    for choice in choices:
        if choice.casefold() == text.casefold():
            return choice
    raise Unfit("choice", _("Give one of %s.") % _shorten(", ".join(choices), limit=300))


def _as_text(value: Any) -> str:
    """A value as trimmed text, empty for null. Raises Unfit for what is no text and for characters that cannot be kept."""
    if not isinstance(value, str):
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Unfit("type", _("Give a text."))
        if abs(value) > MAX_BIGINT:
            raise Unfit("type", _("Give so large a number as a text."))
        return str(value)
    if "\0" in value or not value.isascii():
        refuse_unkeepable(value)
    return value.strip()


def refuse_unkeepable(text: str) -> None:
    """Raise Unfit for a NUL or half a surrogate pair: no column can keep them."""
    if "\0" in text:
        raise Unfit("nul", _("The text holds a NUL character."))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Unfit("characters", _("The text holds a character that is none.")) from error


def _refuse_long(text: str, limit: int) -> str:
    raise Unfit(
        "too_long",
        _("At most %(limit)d characters; there are %(length)d.") % {"limit": limit, "length": len(text)},
    )


def read_text(value: Any, limit: int) -> str:
    """A trimmed text of at most ``limit`` characters, empty for null. Raises Unfit."""
    text = _as_text(value)
    return text if len(text) <= limit else _refuse_long(text, limit)


def _shorten(text: str, limit: int = 60) -> str:
    """A caller's text for use in a message: not too long, and without what can't be kept."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def find_unkeepable(document: Any) -> FieldProblem | None:
    """The first text anywhere in a JSON document, names included, that no column can keep; its problem, else None.

    For doors that keep what came in as it is.
    """
    stack = [("", document)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, str):
            try:
                refuse_unkeepable(value)
            except Unfit as unfit:
                return FieldProblem(_shorten(place, MAX_FIELD_SHOWN), unfit.code, unfit.message)
        elif isinstance(value, dict):
            names = [str(name) for name in value]
            stack += [(f"{place}.{name}".lstrip("."), value[name]) for name in value]
            stack += [(f"{place}.{name}".lstrip("."), name) for name in names]
        elif isinstance(value, list):
            stack += [(f"{place}[{index}]", each) for index, each in enumerate(value)]
    return None


# Fields that are more than a text ---------------------------------------------------------------------------------


def _read_email(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    text = _as_text(value)
    if not text:
        return
    email = normalise_email(text)
    if email is None:
        raise Unfit("invalid", _("“%s” is no e-mail address.") % _shorten(text))
    found["email"] = email
    found["email_kind"] = email_kind(email).value


def _read_phone(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if text := read_text(value, MAX_PHONE):
        found["phone"] = text


def _read_postal_code(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if text := read_text(value, MAX_POSTAL_CODE):
        found["postal_code"] = text


def _read_state(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if text := read_text(value, MAX_STATE):
        found["state"] = text.upper() if len(text) == 2 else text


def _read_seniority(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if text := read_text(value, MAX_SENIORITY):
        found["seniority"] = normalise_seniority(text)


def _read_named(
    name: str, normalise: Callable[[str], str | None], say: Callable[[str], str], limit: int = 253
) -> "_Reader":
    """A reader of a text that must be one of a kind."""

    def read(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
        if text := _as_text(value):
            known = normalise(text) if len(text) <= 4 * limit else None
            if known is None or len(known) > limit:
                raise Unfit("invalid", say(_shorten(text)))
            found[name] = known

    return read


def _say_country(text: str) -> str:
    return _("“%s” is no country. Give its two letters (ISO 3166) or its name.") % text


def _say_language(text: str) -> str:
    return _("“%s” is no language. Give it like pt-BR or en.") % text


def _say_time_zone(text: str) -> str:
    return _("“%s” is no time zone. Give it like America/Sao_Paulo.") % text


def _say_domain(text: str) -> str:
    return _("“%s” is no domain. Give it like empresa.com.br.") % text


def _say_cnpj(text: str) -> str:
    return _("“%s” is no CNPJ: it has 14 characters, the last two being check digits.") % text


def _read_origin(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if text := read_text(value, MAX_ORIGIN):
        key = _fold_origin(text)
        found["origin"] = key if len(key) <= MAX_ORIGIN else _refuse_long(key, MAX_ORIGIN)
        found["origin_label"] = text


_fold_origin = lru_cache(maxsize=1024)(fold_origin)


def _read_tags(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    texts = value if isinstance(value, list | tuple) else [value]
    parts = (part.strip() for each in texts for part in _as_text(each).split(";"))
    tags = tuple(dict.fromkeys(part for part in parts if part))
    if len(tags) > MAX_TAGS:
        raise Unfit("too_many", _("At most %d tags.") % MAX_TAGS)
    for tag in tags:
        if len(tag) > MAX_TAG:
            _refuse_long(tag, MAX_TAG)
    if tags:
        found["tags"] = tags


def _read_standing(found: dict[str, Any], name: str, value: Any) -> None:
    text = read_text(value, MAX_OWNER)
    if not text:
        return
    if name == "stage":
        text = text.lower()
        if text not in Stage.values:
            raise Unfit(
                "invalid",
                _("“%(text)s” is no stage. There are: %(stages)s.")
                % {"text": _shorten(text), "stages": ", ".join(Stage.values)},
            )
    found[name] = text


# Numbers ----------------------------------------------------------------------------------------------------------


def read_millionths(name: str, value: Any, rules: IntakeRules) -> int | None:
    """A number in millionths, None if blank: from JSON as it is, from text with the decimal mark of its column."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = to_millionths(Decimal(str(value))) if _is_small(value) else None
        if number is None:
            raise Unfit("range", _("The number is too large."))
        return number
    text = _as_text(value)
    if not text:
        return None
    mark = rules.marks.get(name, ".")
    readings = [parse_decimal(text, each) for each in ([mark] if mark else [".", ","])]
    known = {each for each in readings if each is not None}
    if len(known) > 1:
        raise Unfit(
            "ambiguous",
            _("“%s” can be read as two numbers. Write it without separators of thousands.") % _shorten(text),
        )
    if not known:
        raise Unfit("invalid", _("“%s” is no number.") % _shorten(text))
    return known.pop()


def _is_small(value: int | float) -> bool:
    """Whether a number is finite and short enough to be written out."""
    return -MAX_BIGINT <= value <= MAX_BIGINT


def _read_whole_number(name: str, value: Any, rules: IntakeRules) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        if not _is_small(value):
            raise Unfit("range", _("The number is too large."))
        return value
    if isinstance(value, str) and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    number = read_millionths(name, value, rules)
    if number is None:
        return None
    if number % MILLION:
        raise Unfit("invalid", _("“%s” is no whole number.") % _shorten(str(value)))
    return number // MILLION


def _read_company_size(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if isinstance(value, str) and _RANGE.fullmatch(value.strip()) and not value.strip().startswith("-"):
        raise Unfit(
            "range", _("“%s” is a range. Give the number of people as one whole number.") % _shorten(value)
        )
    size = _read_whole_number("company_size", value, rules)
    if size is None:
        return
    if not 0 <= size <= MAX_COMPANY_SIZE:
        raise Unfit("range", _("The number must be from 0 to %d.") % MAX_COMPANY_SIZE)
    found["company_size"] = size


def _read_company_revenue(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    millionths = read_millionths("company_revenue", value, rules)
    if millionths is None:
        return
    if millionths < 0:
        raise Unfit("range", _("The number can't be negative."))
    minor = Decimal(millionths) * MINOR_UNITS / MILLION
    found["company_revenue_minor"] = int(minor.to_integral_value(rounding=ROUND_HALF_UP))


# Dates ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def _parse_day(text: str, date_format: DateFormat | None) -> date | datetime | None:
    """A date or datetime in a column's format, or in ISO 8601 if there is none; None if it isn't one of 1900–2200."""
    if date_format is not None:
        day = parse_date(text, date_format)
    elif _ISO_DATE.match(text) is None:
        day = None
    else:
        try:
            day = datetime.fromisoformat(text) if len(text) > 10 else date.fromisoformat(text)
        except ValueError:
            day = None
    return day if day is not None and FIRST_YEAR <= day.year <= LAST_YEAR else None


@lru_cache(maxsize=8192)
def _parse_instant(text: str, date_format: DateFormat | None, zone: ZoneInfo) -> datetime | None:
    """The instant in UTC: without a time local midnight, without an offset local time (CONTRACT.md §2)."""
    day = _parse_day(text, date_format)
    if day is None:
        return None
    if not isinstance(day, datetime):
        day = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (day if day.tzinfo is not None else day.replace(tzinfo=zone)).astimezone(UTC)


def _refuse_date(text: str, date_format: DateFormat | None) -> None:
    if date_format is None:
        raise Unfit(
            "invalid", _("“%s” is no date. Give it like 2026-11-24 or 2026-11-24T18:20:00Z.") % _shorten(text)
        )
    raise Unfit(
        "invalid",
        _("“%(text)s” is no date of the format %(format)s.")
        % {"text": _shorten(text), "format": date_format.value},
    )


def read_instant(value: Any, date_format: DateFormat | None, zone: ZoneInfo) -> datetime | None:
    """An instant in UTC, None if blank: local midnight without a time, ISO 8601 without a format. Raises Unfit."""
    if value is not None and not isinstance(value, str):
        raise Unfit("type", _("Give a date or an instant as a text."))
    text = _as_text(value)
    if not text:
        return None
    at = _parse_instant(text, date_format, zone) if len(text) <= 64 else None
    if at is None:
        _refuse_date(text, date_format)
    return at


def _read_created_at(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    at = read_instant(value, rules.date_formats.get("created_at"), rules.zone)
    if at is not None:
        found["created_at"] = at


# Custom fields ----------------------------------------------------------------------------------------------------


def _read_custom_text(name: str, value: Any, rules: IntakeRules) -> str | None:
    return read_text(value, MAX_CUSTOM_TEXT) or None


def _read_custom_date(name: str, value: Any, rules: IntakeRules) -> date | None:
    """The date; of an instant with an offset, the local date of the tenant."""
    if value is not None and not isinstance(value, str):
        raise Unfit("type", _("Give a date as a text."))
    text = _as_text(value)
    if not text:
        return None
    date_format = rules.date_formats.get(name)
    day = _parse_day(text, date_format) if len(text) <= 64 else None
    if day is None:
        _refuse_date(text, date_format)
    if isinstance(day, datetime):
        return (day.astimezone(rules.zone) if day.tzinfo is not None else day).date()
    return day


_CUSTOM_READERS: Final[Mapping[FieldType, Callable[[str, Any, IntakeRules], str | int | date | None]]] = {
    "text": _read_custom_text,
    "integer": _read_whole_number,
    "decimal": read_millionths,
    "date": _read_custom_date,
}


# Consent ----------------------------------------------------------------------------------------------------------


def _read_consent(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    """Consents as a list of objects; in a file the same as JSON, or ``purpose`` or ``purpose:basis``, several apart by ;"""
    given = _parse_consent_text(_as_text(value)) if isinstance(value, str) or value is None else value
    if not isinstance(given, list):
        raise Unfit("type", _("Give a list of purpose, basis and text."))
    if len(given) > MAX_CONSENTS:
        raise Unfit("too_many", _("At most %d consents.") % MAX_CONSENTS)
    if given:
        found["consent"] = tuple(_read_one_consent(each, f"[{index}]") for index, each in enumerate(given))


def _parse_consent_text(text: str) -> Any:
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unfit("invalid", _("The list of consents isn't valid JSON.")) from error
    pairs = (part.partition(":") for part in text.split(";") if part.strip())
    return [{"purpose": purpose, "basis": basis} for purpose, _colon, basis in pairs]


def _read_one_consent(given: Any, place: str) -> ConsentInput:
    if not isinstance(given, Mapping):
        raise Unfit("type", _("Give an object with purpose, basis and text."), place)
    for name in given:
        if name not in {"purpose", "basis", "text"}:
            raise Unfit("unknown", _("There is no field “%s”.") % _shorten(name), f"{place}.{name}")
    try:
        purpose = _as_text(given.get("purpose")).lower()
        basis = _as_text(given.get("basis")).lower() or "consent"
        text = read_text(given.get("text"), MAX_CONSENT_TEXT)
    except Unfit as unfit:
        raise Unfit(unfit.code, unfit.message, place) from unfit
    for name, key in (("purpose", purpose), ("basis", basis)):
        if _PURPOSE.fullmatch(key) is None:
            raise Unfit(
                "invalid",
                _("Give 1 to 64 lower-case letters, digits, hyphens or underscores."),
                f"{place}.{name}",
            )
    return ConsentInput(purpose, basis, text)


# Events -----------------------------------------------------------------------------------------------------------


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
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unfit("type", _("Give an object."))
    _check_json(value, MAX_PROPERTIES_DEPTH)
    if value and len(_JSON.encode(value).encode()) > MAX_PROPERTIES_BYTES:
        raise Unfit("too_long", _("At most %d bytes.") % MAX_PROPERTIES_BYTES)
    return value


def _check_json(value: Any, depth: int) -> None:
    """Refuse what jsonb cannot keep (NUL, half characters, numbers that are none) and what is nested too deeply."""
    if isinstance(value, str):
        refuse_unkeepable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Unfit("invalid", _("A number is infinite or none."))
    elif isinstance(value, dict | list):
        if depth == 0:
            raise Unfit("too_deep", _("At most %d levels.") % MAX_PROPERTIES_DEPTH)
        parts: Iterable[Any] = (*value, *value.values()) if isinstance(value, dict) else value
        for part in parts:
            _check_json(part, depth - 1)


_Reader = Callable[[dict[str, Any], Any, IntakeRules], None]
_READERS: Final[Mapping[str, _Reader]] = {
    "email": _read_email,
    "phone": _read_phone,
    "seniority": _read_seniority,
    "company_domain": _read_named("company_domain", normalise_domain, _say_domain),
    "company_size": _read_company_size,
    "company_revenue": _read_company_revenue,
    "cnpj": _read_named("cnpj", normalise_cnpj, _say_cnpj),
    "country": _read_named("country", normalise_country, _say_country),
    "state": _read_state,
    "postal_code": _read_postal_code,
    "language": _read_named("language", normalise_language, _say_language, MAX_LANGUAGE),
    "time_zone": _read_named("time_zone", normalise_time_zone, _say_time_zone),
    "origin": _read_origin,
    "tags": _read_tags,
    "consent": _read_consent,
    "created_at": _read_created_at,
}
_EVENT_READERS: Final[Mapping[str, Callable[[Any, ZoneInfo, datetime], Any]]] = {
    "type": _read_event_type,
    "properties": _read_properties,
    "occurred_at": _read_occurred_at,
    "message_id": _read_message_id,
}
