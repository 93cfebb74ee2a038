"""Leads as rows of a file: the columns of the list, or all fields under the names by which an import takes them again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from core.saved_views.files import Cell, Columns, FilePart, ListFile, as_cell
from core.saved_views.kinds import get_kind
from leads.clocks import list_urgent_faces
from leads.conditions.lead_facts import MINOR_UNITS
from leads.listing import count_leads, list_leads, read_list_query
from leads.models import CustomField, CustomValue, Grade, Lead, LeadTag, Seniority, Stage
from leads.row_details import TAGS, list_details, plain_value
from leads.rows import LeadRow, list_lead_rows
from tenancy.components import ClockFace
from tenancy.listing import Count
from tenancy.models import Membership

# Fields of a lead, and where each is kept, as paths from a lead.
_PATHS: Final[Mapping[str, str]] = {
    "external_id": "external_id",
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
    "name": "name",
    "phone": "phone",
    "job_title": "job_title",
    "seniority": "seniority",
    "company": "company__name",
    "company_domain": "company__domain",
    "company_size": "company__size",
    "company_revenue": "company__revenue_minor",
    "industry": "company__industry",
    "cnpj": "company__cnpj",
    "country": "country",
    "state": "state",
    "city": "city",
    "postal_code": "postal_code",
    "language": "language",
    "time_zone": "time_zone",
    "origin": "origin",
    "campaign": "campaign",
    "medium": "medium",
    "landing_page": "landing_page",
    "stage": "standing__stage",
    "created_at": "created_at",
}
_OWNERS: Final = ("owner_sdr", "owner_sales")
_STANDING: Final[Mapping[str, str]] = {
    "score": "standing__score",
    "grade": "standing__grade",
    "stage_at": "standing__stage_at",
    "last_event_at": "standing__last_event_at",
}
# The usual columns of a file, whatever the list shows.
_USUAL: Final = ("name", "email", "company", "stage", "score", "grade", "owner", "origin", "created_at")
# By the key of a column of the list, what stands in its cells; other keys are details.
_SHOWN: Final[Mapping[str, Callable[[LeadRow], Any]]] = {
    "name": lambda row: row.title,
    "email": lambda row: row.email,
    "phone": lambda row: row.phone,
    "job_title": lambda row: row.job_title,
    "company": lambda row: row.company,
    "country": lambda row: row.country,
    "city": lambda row: row.city,
    "stage": lambda row: row.stage.label,
    "stage_at": lambda row: row.stage_at,
    "score": lambda row: row.score,
    "grade": lambda row: row.grade,
    "owner": lambda row: row.owner,
    "origin": lambda row: row.origin_label,
    "campaign": lambda row: row.campaign,
    "created_at": lambda row: row.created_at,
    "last_event_at": lambda row: row.last_event_at,
    "external_id": lambda row: row.external_id,
}
_CLOCK: Final = "clock"


def header_of(columns: str, keys: Sequence[str] = ()) -> list[str]:
    """The names of the columns: as people read them for those of a list (``keys`` are those that it shows), else as an import
    knows them."""
    if columns == Columns.ALL:
        return ["id", *_PATHS, "tags", *_OWNERS, *_STANDING, *(f"custom.{name}" for name, _type in _custom())]
    labels = {column.key: str(column.label) for column in get_kind("leads").columns()}
    # A field that was taken away since has no name any more, but keeps its place.
    return [labels.get(key, key) for key in _keys(columns, keys)]


def rows_of(
    *, lead_ids: Sequence[int], columns: str, now: datetime, keys: Sequence[str] = ()
) -> list[list[Cell]]:
    """The cells of these leads, in the order of the ids; instants are in the active zone."""
    if columns == Columns.ALL:
        return _all_rows(lead_ids)
    shown = _keys(columns, keys)
    details = list_details(lead_ids=lead_ids, keys=[key for key in shown if key not in _SHOWN])
    faces = list_urgent_faces(lead_ids=lead_ids, now=now) if _CLOCK in shown else {}
    return [
        [as_cell(_shown_value(key, row, details[row.id], faces.get(row.id))) for key in shown]
        for row in list_lead_rows(lead_ids=lead_ids)
    ]


def _keys(columns: str, keys: Sequence[str]) -> Sequence[str]:
    return keys if columns == Columns.SHOWN else _USUAL


def _shown_value(key: str, row: LeadRow, details: Mapping[str, Any], face: ClockFace | None) -> Any:
    if key in _SHOWN:
        return _SHOWN[key](row)
    if key == _CLOCK:
        return face.due_at if face else None
    value = details.get(key)
    if key == TAGS:
        return "; ".join(value or ())
    if key == "seniority":
        return dict(Seniority.choices).get(value or "", value)
    return value


def _all_rows(lead_ids: Sequence[int]) -> list[list[Cell]]:
    owners = [f"standing__{kind}_{who}__{name}" for who in ("sdr", "sales") for kind, name in _OWNER_PATHS]
    paths = [*_PATHS.values(), *owners, *_STANDING.values()]
    leads = Lead.objects.filter(pk__in=list(lead_ids))
    found = {row["pk"]: row for row in leads.values("pk", *paths)}
    tags: dict[int, list[str]] = {}
    for lead_id, tag in (
        LeadTag.objects.filter(lead__in=list(lead_ids)).order_by("tag").values_list("lead", "tag")
    ):
        tags.setdefault(lead_id, []).append(tag)
    custom = _custom()
    values = _custom_values(lead_ids)
    return [
        [
            lead_id,
            *(as_cell(_plain(name, row[path])) for name, path in _PATHS.items()),
            "; ".join(tags.get(lead_id, ())),
            *(_owner(row, who) for who in ("sdr", "sales")),
            *(as_cell(_plain(name, row[path])) for name, path in _STANDING.items()),
            *(as_cell(values.get((lead_id, name))) for name, _type in custom),
        ]
        for lead_id in lead_ids
        if (row := found.get(lead_id))
    ]


# A member by e-mail, so that an import finds them again; somebody else as a file named them.
_OWNER_PATHS: Final = (("owner", "user__email"), ("kept", "text"))


def _owner(row: Mapping[str, Any], who: str) -> str:
    return next((text for kind, name in _OWNER_PATHS if (text := row[f"standing__{kind}_{who}__{name}"])), "")


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "company_revenue":
        return Decimal(value) / MINOR_UNITS
    if name == "grade":
        return Grade(value).label
    return Stage(value).value if name == "stage" else value


def _custom() -> list[tuple[str, str]]:
    """Own fields that are not retired, by name with their types."""
    fields = CustomField.objects.filter(retired_at__isnull=True).order_by("label", "id")
    return list(fields.values_list("name", "type"))


def _custom_values(lead_ids: Sequence[int]) -> dict[tuple[int, str], Any]:
    kept = CustomValue.objects.filter(lead__in=list(lead_ids)).select_related("field")
    return {(each.lead_id, each.field.name): plain_value(each) for each in kept}


def _rows_of_part(part: FilePart) -> tuple[list[list[Cell]], str | None]:
    query = read_list_query(parameters=part.parameters, member=part.member, size=part.size)
    page = list_leads(query=replace(query, cursor=part.cursor), now=part.now)
    return rows_of(
        lead_ids=page.lead_ids, columns=part.columns, keys=part.keys, now=part.now
    ), page.next_cursor


def _count(parameters: Mapping[str, str], member: Membership, now: datetime) -> Count | None:
    return count_leads(query=read_list_query(parameters=parameters, member=member), now=now)


LEAD_FILE: Final = ListFile(
    name="leads",
    right="lead.export",
    sets=tuple(Columns),
    header=header_of,
    rows=_rows_of_part,
    count=_count,
)
