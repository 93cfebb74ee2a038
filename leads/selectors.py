"""One lead and its JSON, read light: a fixed number of queries for any number of leads."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.clocks import list_clocks
from leads.conditions.fact_families import MILLIONTHS
from leads.conditions.lead_facts import MINOR_UNITS
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.lifecycle import STAGE_FUNCTION
from leads.models import Consent, CustomField, CustomType, CustomValue, Grade, Lead, LeadTag, Origin, Stage
from tenancy.errors import NotFound
from tenancy.models import TeamFunction

Json = dict[str, Any]

# Fields of the lead that the API names as the column is named.
PLAIN_FIELDS: Final = (
    *("external_id", "email", "first_name", "last_name", "name", "phone", "job_title", "seniority"),
    *("country", "state", "city", "postal_code", "language", "time_zone"),
    *("origin", "campaign", "medium", "landing_page"),
)
COMPANY_FIELDS: Final = {
    "company": "company__name",
    "company_domain": "company__domain",
    "company_size": "company__size",
    "company_revenue": "company__revenue_minor",
    "industry": "company__industry",
    "cnpj": "company__cnpj",
}
_STANDING: Final = tuple(
    f"standing__{column}"
    for column in (
        *("stage", "score", "grade"),
        *("owner_marketing", "owner_marketing__name"),
        *("owner_sdr", "owner_sdr__name", "kept_sdr__text"),
        *("owner_sales", "owner_sales__name", "kept_sales__text"),
    )
)
_CUSTOM_COLUMN: Final = {
    CustomType.TEXT: "text_value",
    CustomType.INTEGER: "integer_value",
    CustomType.DECIMAL: "decimal_value",
    CustomType.DATE: "date_value",
}


class LeadNotFound(NotFound):
    """Absent, or another tenant's."""


def is_lead_id(number: int) -> bool:
    """Whether a number can be a lead's id at all: an address may hold any."""
    return 0 < number < 2**63


def origin_label(key: str | None) -> str:
    """An origin as it was first spelt."""
    if not key:
        return ""
    return Origin.objects.filter(key=key).values_list("label", flat=True).first() or key


def get_lead(*, lead_id: int) -> Lead:
    """A lead with company, standing and owners. Raises LeadNotFound."""
    related = (
        "company",
        "standing",
        "standing__owner_marketing",
        "standing__owner_sdr",
        "standing__owner_sales",
    )
    kept = ("standing__kept_sdr", "standing__kept_sales", "standing__team_sdr", "standing__team_sales")
    found = Lead.objects.select_related(*related, *kept).filter(pk=lead_id) if is_lead_id(lead_id) else []
    lead: Lead | None = next(iter(found), None)
    if lead is None:
        raise LeadNotFound(_("There is no such lead."))
    return lead


def lead_answers(*, lead_ids: Iterable[int]) -> dict[int, Json]:
    """By lead id what capture answers, without outcome: id, stage, score, grade, owners, clocks, why. Two queries."""
    ids = list(lead_ids)
    columns = ("id", *_STANDING)
    statement = cached_statement(key="lead answers", build=lambda: _build_answers(columns))
    rows = [dict(zip(columns, row, strict=True)) for row in statement.rows(lead_ids=ids)]
    clocks = list_clocks(lead_ids=ids) if ids else {}
    leads_url = reverse("api-leads")
    return {row["id"]: _answer(row, clocks.get(row["id"], []), leads_url) for row in rows}


def _build_answers(columns: Sequence[str]) -> Statement:
    lead_ids = Param("lead_ids", ArrayField(BigIntegerField()))
    return Statement.of(Lead.objects.filter(InList(F("pk"), lead_ids)).values_list(*columns))


def lead_details(*, lead_ids: Iterable[int]) -> dict[int, Json]:
    """By lead id the whole JSON of a lead: the answer of ``lead_answers`` and its fields by name. Six queries."""
    ids = list(lead_ids)
    if not ids:
        return {}
    rows = Lead.objects.filter(pk__in=ids).values(
        "id", "created_at", *PLAIN_FIELDS, *COMPANY_FIELDS.values(), *_STANDING
    )
    clocks = list_clocks(lead_ids=ids)
    tags, custom, consents = _tags(ids), _custom(ids), _consents(ids)
    leads_url = reverse("api-leads")
    return {
        row["id"]: _answer(row, clocks.get(row["id"], []), leads_url)
        | _fields(row)
        | {
            "tags": tags.get(row["id"], []),
            "consent": consents.get(row["id"], []),
            "custom": custom.get(row["id"], {}),
        }
        for row in rows
    }


def lead_json(*, lead_id: int) -> Json:
    """The whole JSON of one lead. Raises LeadNotFound."""
    found = lead_details(lead_ids=[lead_id]) if is_lead_id(lead_id) else {}
    if lead_id not in found:
        raise LeadNotFound(_("There is no such lead."))
    return found[lead_id]


def _answer(row: Mapping[str, Any], clocks: Sequence[Any], leads_url: str) -> Json:
    stage = Stage(row["standing__stage"])
    owners = _owners(row)
    function = STAGE_FUNCTION.get(stage)
    ordinal = row["standing__grade"]
    return {
        "id": row["id"],
        "stage": stage.value,
        "score": row["standing__score"],
        "grade": Grade(ordinal).label,
        "grade_ordinal": ordinal,
        "owner": owners.get(function.value) if function else None,
        "owners": owners,
        "clocks": [clock.as_json() for clock in clocks],
        # Reversing an address for each of fifty leads costs as much as reading them.
        "why": f"{leads_url}{row['id']}/why/",
    }


def _owners(row: Mapping[str, Any]) -> dict[str, Json]:
    """By function, those alone that have somebody; a person kept by name has no id."""
    owners: dict[str, Json] = {}
    for function in TeamFunction:
        prefix = f"standing__owner_{function.value}"
        kept = row.get(f"standing__kept_{function.value}__text")
        if row[prefix] is not None:
            owners[function.value] = {"id": row[prefix], "name": row[f"{prefix}__name"]}
        elif kept is not None:
            owners[function.value] = {"id": None, "name": kept}
    return owners


def _fields(row: Mapping[str, Any]) -> Json:
    owners = _owners(row)
    fields = {name: row[name] for name in PLAIN_FIELDS}
    fields |= {name: row[path] for name, path in COMPANY_FIELDS.items()}
    if fields["company_revenue"] is not None:
        fields["company_revenue"] = _number(fields["company_revenue"], MINOR_UNITS)
    fields["owner_sdr"], fields["owner_sales"] = owners.get("sdr"), owners.get("sales")
    fields["created_at"] = instant_json(row["created_at"])
    return fields


def _tags(lead_ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for lead_id, tag in LeadTag.objects.filter(lead__in=lead_ids).order_by("tag").values_list("lead", "tag"):
        found.setdefault(lead_id, []).append(tag)
    return found


def _custom(lead_ids: Sequence[int]) -> dict[int, Json]:
    """Values of the fields that are not retired, by name."""
    found: dict[int, Json] = {}
    fields = {field.pk: field for field in CustomField.objects.filter(retired_at=None)}
    columns = ("lead", "field", *_CUSTOM_COLUMN.values())
    for row in CustomValue.objects.filter(lead__in=lead_ids, field__in=list(fields)).values(*columns):
        field = fields[row["field"]]
        value = row[_CUSTOM_COLUMN[CustomType(field.type)]]
        if field.type == CustomType.DECIMAL and value is not None:
            value = _number(value, MILLIONTHS)
        elif field.type == CustomType.DATE and value is not None:
            value = value.isoformat()
        found.setdefault(row["lead"], {})[field.name] = value
    return found


def _consents(lead_ids: Sequence[int]) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    columns = ("lead", "purpose", "basis", "text", "given_at", "withdrawn_at")
    for row in Consent.objects.filter(lead__in=lead_ids).order_by("given_at", "id").values(*columns):
        lead_id = row.pop("lead")
        row["given_at"] = instant_json(row["given_at"])
        row["withdrawn_at"] = instant_json(row["withdrawn_at"]) if row["withdrawn_at"] else None
        found.setdefault(lead_id, []).append(row)
    return found


def instant_json(instant: datetime) -> str:
    """An instant as the API writes it, in UTC: ``2026-11-24T18:20:00Z``."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(stored: int, scale: int) -> int | float:
    return stored // scale if stored % scale == 0 else stored / scale
