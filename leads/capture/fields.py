"""One submission, from any door, as the fields it fills: normalised and checked, with a problem for each that can't be.

`read_submission` takes what JSON gave (company nested, flat, or a plain text), `read_row` the fields of one row of a file.
Nothing here asks the database: what must be known of the tenant comes in as `IntakeRules`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _

from leads.capture.columns import (
    CUSTOM,
    MILLION,
    FieldType,
)
from leads.capture.event_fields import read_events
from leads.capture.inputs import ConsentInput, EventInput, IntakeRules, LeadInput, Reading
from leads.capture.scalars import (
    MAX_FIELD_SHOWN,
    Unfit,
    as_text,
    parse_day,
    read_instant,
    read_millionths,
    read_text,
    read_whole_number,
    refuse_date,
    refuse_long,
    shorten,
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
MAX_CONSENT_TEXT: Final = 10_000
MAX_COMPANY_SIZE: Final = 2**31 - 1

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
_PURPOSE: Final = re.compile(r"[a-z0-9_-]{1,64}")
_RANGE: Final = re.compile(r"[0-9., ]+\s*(?:-|–|—|to|a|até|\+)\s*[0-9., ]*", re.IGNORECASE)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


# Doors ------------------------------------------------------------------------------------------------------------


def read_submission(*, document: Mapping[str, Any], rules: IntakeRules, now: datetime) -> Reading:
    """Read one lead as JSON gives it: flat fields, ``company`` nested or a text, ``custom``, ``event`` or a list of ``events``.

    A problem names its field as the caller wrote it: ``company.size``, ``custom.plants``, ``event.type``.
    """
    problems: list[FieldProblem] = []
    values, written = _flatten(document, problems)
    events = read_events(document, rules, now, problems)
    lead, more = _read(values, rules, now=now, events=events)
    problems += [FieldProblem(written.get(each.field, each.field), each.code, each.message) for each in more]
    return Reading(lead, problems)


def read_row(*, values: Mapping[str, str], rules: IntakeRules, now: datetime) -> Reading:
    """Read one lead from the fields of a file's row, as ``ColumnPlan.read_row`` gives them."""
    return _read(values, rules, now=now, events=())


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
                problems.append(FieldProblem(shorten(as_written), "twice", _("The field is given twice.")))
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
                text = as_text(value)
                if text:
                    found[name] = text if len(text) <= limit else refuse_long(text, limit)
            elif (reader := _READERS.get(name)) is not None:
                reader(found, value, rules)
            else:
                _read_other(found, name, value, rules)
        except Unfit as unfit:
            problems.append(
                FieldProblem(shorten(name + unfit.within, MAX_FIELD_SHOWN), unfit.code, unfit.message)
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
            raise Unfit("undefined", _("There is no custom field “%s”. Define it first.") % shorten(key))
        custom = _CUSTOM_READERS[kind](name, value, rules)
        if isinstance(custom, str) and key in rules.choices:
            custom = _choose(custom, rules.choices[key])
        if custom is not None:
            found.setdefault("custom", {})[key] = custom
    else:
        raise Unfit("unknown", _("There is no field “%s”.") % shorten(name))


def _choose(text: str, choices: Sequence[str]) -> str:
    """The choice that is meant, whatever its case, as it stands on the list."""
    for choice in choices:
        if choice.casefold() == text.casefold():
            return choice
    raise Unfit("choice", _("Give one of %s.") % shorten(", ".join(choices), limit=300))


# Fields that are more than a text ---------------------------------------------------------------------------------


def _read_email(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    text = as_text(value)
    if not text:
        return
    email = normalise_email(text)
    if email is None:
        raise Unfit("invalid", _("“%s” is no e-mail address.") % shorten(text))
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
        if text := as_text(value):
            known = normalise(text) if len(text) <= 4 * limit else None
            if known is None or len(known) > limit:
                raise Unfit("invalid", say(shorten(text)))
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
        found["origin"] = key if len(key) <= MAX_ORIGIN else refuse_long(key, MAX_ORIGIN)
        found["origin_label"] = text


_fold_origin = lru_cache(maxsize=1024)(fold_origin)


def _read_tags(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    texts = value if isinstance(value, list | tuple) else [value]
    parts = (part.strip() for each in texts for part in as_text(each).split(";"))
    tags = tuple(dict.fromkeys(part for part in parts if part))
    if len(tags) > MAX_TAGS:
        raise Unfit("too_many", _("At most %d tags.") % MAX_TAGS)
    for tag in tags:
        if len(tag) > MAX_TAG:
            refuse_long(tag, MAX_TAG)
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
                % {"text": shorten(text), "stages": ", ".join(Stage.values)},
            )
    found[name] = text


def _read_company_size(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    if isinstance(value, str) and _RANGE.fullmatch(value.strip()) and not value.strip().startswith("-"):
        raise Unfit(
            "range", _("“%s” is a range. Give the number of people as one whole number.") % shorten(value)
        )
    size = read_whole_number("company_size", value, rules)
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
    text = as_text(value)
    if not text:
        return None
    date_format = rules.date_formats.get(name)
    day = parse_day(text, date_format) if len(text) <= 64 else None
    if day is None:
        refuse_date(text, date_format)
    if isinstance(day, datetime):
        return (day.astimezone(rules.zone) if day.tzinfo is not None else day).date()
    return day


_CUSTOM_READERS: Final[Mapping[FieldType, Callable[[str, Any, IntakeRules], str | int | date | None]]] = {
    "text": _read_custom_text,
    "integer": read_whole_number,
    "decimal": read_millionths,
    "date": _read_custom_date,
}


# Consent ----------------------------------------------------------------------------------------------------------


def _read_consent(found: dict[str, Any], value: Any, rules: IntakeRules) -> None:
    """Consents as a list of objects; in a file the same as JSON, or ``purpose`` or ``purpose:basis``, several apart by ;"""
    given = _parse_consent_text(as_text(value)) if isinstance(value, str) or value is None else value
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
            raise Unfit("unknown", _("There is no field “%s”.") % shorten(name), f"{place}.{name}")
    try:
        purpose = as_text(given.get("purpose")).lower()
        basis = as_text(given.get("basis")).lower() or "consent"
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
