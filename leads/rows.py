"""Leads as rows of a list, queue or inbox: what people see of each, in two queries for any number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F, TextField

from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.lifecycle import STAGE_FUNCTION
from leads.models import Grade, Lead, Origin, Stage
from tenancy.models import TeamFunction

_COLUMNS = (
    *("id", "name", "email", "phone", "external_id", "job_title", "origin", "campaign", "created_at"),
    *("company__name", "country", "city"),
    *(
        "standing__stage",
        "standing__stage_at",
        "standing__score",
        "standing__grade",
        "standing__last_event_at",
    ),
    *("standing__asked_for_contact_at", "standing__claimed_until"),
    *("standing__owner_marketing", "standing__owner_marketing__name"),
    *("standing__owner_sdr", "standing__owner_sdr__name", "standing__kept_sdr__text"),
    *("standing__owner_sales", "standing__owner_sales__name", "standing__kept_sales__text"),
)


@dataclass(frozen=True)
class LeadRow:
    """One lead as a list shows it. ``owner`` is who holds it now: a member's name, or the text a file gave."""

    id: int
    title: str
    name: str | None
    email: str | None
    phone: str | None
    external_id: str | None
    job_title: str | None
    company: str | None
    city: str | None
    country: str | None
    stage: Stage
    stage_at: datetime
    score: int
    grade: str
    owner: str
    owner_id: int | None
    origin: str | None
    origin_label: str
    campaign: str | None
    created_at: datetime
    last_event_at: datetime | None
    claimed_until: datetime | None


def list_lead_rows(*, lead_ids: Sequence[int]) -> list[LeadRow]:
    """The rows of these leads, in the order of the ids; ids that don't exist are left out."""
    # Ten tables: to plan the statement takes several times as long as to run it, so it is prepared.
    statement = cached_statement(key="lead_rows", build=_rows_statement)
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in statement.rows(lead_ids=list(lead_ids)))
    found = {row["id"]: row for row in rows}
    keys = {row["origin"] for row in found.values() if row["origin"]}
    origins = cached_statement(key="lead_rows.origins", build=_origins_statement)
    labels = dict(origins.rows(keys=sorted(keys))) if keys else {}
    return [_row(found[lead_id], labels) for lead_id in lead_ids if lead_id in found]


def _rows_statement() -> Statement:
    wanted = InList(F("pk"), Param("lead_ids", ArrayField(BigIntegerField())))
    return Statement.of(Lead.objects.filter(wanted).values_list(*_COLUMNS))


def _origins_statement() -> Statement:
    named = Origin.objects.filter(InList(F("key"), Param("keys", ArrayField(TextField()))))
    return Statement.of(named.values_list("key", "label"))


def _row(row: Mapping[str, Any], origin_labels: Mapping[str, str]) -> LeadRow:
    stage = Stage(row["standing__stage"])
    owner, owner_id = _owner(row, STAGE_FUNCTION.get(stage))
    title = row["name"] or row["email"] or row["external_id"] or row["phone"] or f"#{row['id']}"
    plain = (
        "id",
        "name",
        "email",
        "phone",
        "external_id",
        "job_title",
        "city",
        "country",
        "origin",
        "campaign",
    )
    return LeadRow(
        title=title,
        company=row["company__name"],
        stage=stage,
        stage_at=row["standing__stage_at"],
        score=row["standing__score"],
        grade=Grade(row["standing__grade"]).label,
        owner=owner,
        owner_id=owner_id,
        origin_label=origin_labels.get(row["origin"], row["origin"] or ""),
        created_at=row["created_at"],
        last_event_at=row["standing__last_event_at"],
        claimed_until=row["standing__claimed_until"],
        **{name: row[name] for name in plain},
    )


def _owner(row: Mapping[str, Any], function: TeamFunction | None) -> tuple[str, int | None]:
    if function is None:
        return "", None
    prefix = f"standing__owner_{function.value}"
    if row[prefix] is not None:
        return row[f"{prefix}__name"], row[prefix]
    return row.get(f"standing__kept_{function.value}__text") or "", None
