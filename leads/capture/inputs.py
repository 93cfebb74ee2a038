"""What reading makes of a submission, whatever door it came by, and what the reading depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from leads.capture.columns import DateFormat, DecimalMark, FieldType
from tenancy.errors import FieldProblem


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
    change in doubt, and they are refused. ``properties`` are the types of columns that fill properties of events. ``source``
    (``api``, ``form``, ``import``…) and ``proof`` go with consents.
    """

    country: str
    zone: ZoneInfo
    custom: Mapping[str, FieldType] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_import: bool = False
    date_formats: Mapping[str, DateFormat] = field(default_factory=dict)
    marks: Mapping[str, DecimalMark | None] = field(default_factory=dict)
    properties: Mapping[str, FieldType] = field(default_factory=dict)
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
