"""What a list shows of leads beyond its rows: fields, tags and own fields, read only for the columns that are shown."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, Final

from leads.custom_fields import CUSTOM
from leads.models import CustomField, CustomType, CustomValue, Lead, LeadTag

MILLIONTHS: Final = 1_000_000
TAGS: Final = "tags"
VALUE_COLUMN: Final = {
    CustomType.TEXT: "text_value",
    CustomType.INTEGER: "integer_value",
    CustomType.DECIMAL: "decimal_value",
    CustomType.DATE: "date_value",
}
# By the key of the column, as paths from a lead.
PATHS: Final = {
    "seniority": "seniority",
    "state": "state",
    "medium": "medium",
    "landing_page": "landing_page",
    "company_size": "company__size",
    "company_domain": "company__domain",
    "industry": "company__industry",
    "owner_sdr": "standing__owner_sdr__name",
    "owner_sales": "standing__owner_sales__name",
}

Details = dict[int, dict[str, Any]]


def list_details(*, lead_ids: Sequence[int], keys: Collection[str]) -> Details:
    """By lead the values of these columns (of PATHS, ``tags``, ``custom.NAME``): at most one query for each of the three."""
    found: Details = {lead_id: {} for lead_id in lead_ids}
    if not lead_ids:
        return found
    if wanted := {key: PATHS[key] for key in keys if key in PATHS}:
        for row in Lead.objects.filter(pk__in=list(lead_ids)).values("pk", *wanted.values()):
            found[row["pk"]] |= {key: row[path] for key, path in wanted.items()}
    if TAGS in keys:
        tags = LeadTag.objects.filter(lead__in=list(lead_ids)).order_by("tag")
        for lead_id, tag in tags.values_list("lead", "tag"):
            found[lead_id].setdefault(TAGS, []).append(tag)
    names = [key.removeprefix(CUSTOM) for key in keys if key.startswith(CUSTOM)]
    if names:
        values = CustomValue.objects.filter(lead__in=list(lead_ids), field__name__in=names)
        for value in values.select_related("field"):
            found[value.lead_id][f"{CUSTOM}{value.field.name}"] = plain_value(value)
    return found


def plain_value(value: CustomValue) -> Any:
    """What a value of an own field is: a text, a whole number, a decimal or a date."""
    kind = CustomType(value.field.type)
    plain = getattr(value, VALUE_COLUMN[kind])
    return Decimal(plain) / MILLIONTHS if kind == CustomType.DECIMAL else plain


def list_own_fields() -> list[tuple[str, str, str]]:
    """Key, label and type of the own fields that are not retired, by label."""
    fields = CustomField.objects.filter(retired_at__isnull=True).order_by("label", "id")
    return [
        (f"{CUSTOM}{name}", label, kind) for name, label, kind in fields.values_list("name", "label", "type")
    ]
