"""Two leads side by side: their fields in words, and how many rows of each sort would move."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.conditions.describe import show_number, show_time
from leads.conditions.fact_families import MILLIONTHS
from leads.merging.fields import CHOICES, CUSTOM, FieldPair, default_side
from leads.merging.merge import SameLead
from leads.merging.records import Row, read_rows
from leads.merging.tables import Fate, list_lead_tables
from leads.models import CustomValue, Lead, Seniority
from leads.selectors import get_lead, origin_label

# What people know of what moves, by table; the rest moves without a word.
_WORDS: Final[dict[str, Promise]] = {
    "leads_event": gettext_lazy("Events"),
    "leads_touch": gettext_lazy("Touches"),
    "leads_leadnote": gettext_lazy("Notes"),
    "leads_leadtask": gettext_lazy("Tasks"),
    "leads_contactattempt": gettext_lazy("Contact attempts"),
    "leads_stagechange": gettext_lazy("Moves between stages"),
    "leads_handover": gettext_lazy("Handovers to sales"),
    "leads_opportunity": gettext_lazy("Opportunities"),
    "leads_consent": gettext_lazy("Consents"),
    "leads_submission": gettext_lazy("Submissions"),
    "leads_leadtag": gettext_lazy("Tags"),
    "leads_answer": gettext_lazy("Answers"),
    "leads_decision": gettext_lazy("Decisions"),
    "routing_clock": gettext_lazy("Clocks"),
    "nurturing_enrollment": gettext_lazy("Enrolments"),
    "nurturing_message": gettext_lazy("Messages"),
}


@dataclass(frozen=True)
class Comparison:
    """The lead that stays, the one that becomes a part of it, their fields, and what moves (words, number)."""

    survivor: Lead
    loser: Lead
    fields: list[FieldPair]
    moving: list[tuple[str, int]]


def compare_leads(*, survivor_id: int, loser_id: int) -> Comparison:
    """Look at two leads that may be made one. Raises LeadNotFound, SameLead."""
    survivor, loser = get_lead(lead_id=survivor_id), get_lead(lead_id=loser_id)
    if survivor_id == loser_id:
        raise SameLead(_("Choose another lead: this is the same one."))
    rows = [read_rows(Lead._meta.db_table, "kept.id = %s", lead.pk)[0] for lead in (survivor, loser)]
    fields = [
        FieldPair(
            name,
            str(label),
            _words(name, columns, rows[0], survivor),
            _words(name, columns, rows[1], loser),
            default_side(name, rows[0], rows[1]),
        )
        for name, (columns, label) in CHOICES.items()
    ]
    known = [pair for pair in fields if pair.survivor or pair.loser]
    return Comparison(survivor, loser, [*known, *_custom(survivor_id, loser_id)], _count_moving(loser_id))


def _words(name: str, columns: tuple[str, ...], row: Row, lead: Lead) -> str:
    if name == "company":
        return str(lead.company) if lead.company else ""
    if name == "name":
        return row["name"] or ""
    if name == "source":
        parts = [origin_label(row["origin"]), *(row[column] for column in columns[1:])]
        return " / ".join(part for part in parts if part)
    value: Any = row[columns[0]]
    if name == "seniority" and value in Seniority.values:
        return str(Seniority(value).label)
    return value or ""


def _custom(survivor_id: int, loser_id: int) -> list[FieldPair]:
    values: dict[str, dict[int, str]] = {}
    labels: dict[str, str] = {}
    found = CustomValue.objects.filter(lead__in=[survivor_id, loser_id]).select_related("field")
    for value in found.order_by("field__label", "field_id"):
        labels[value.field.name] = value.field.label
        values.setdefault(value.field.name, {})[value.lead_id] = own_value(value)
    return [
        FieldPair(
            f"{CUSTOM}{name}",
            labels[name],
            by_lead.get(survivor_id, ""),
            by_lead.get(loser_id, ""),
            "survivor" if survivor_id in by_lead else "loser",
        )
        for name, by_lead in values.items()
    ]


def own_value(row: CustomValue) -> str:
    """A value of the tenant's own field as the reader writes it."""
    if row.integer_value is not None:
        return show_number(row.integer_value)
    if row.decimal_value is not None:
        return show_number(Decimal(row.decimal_value) / MILLIONTHS)
    return show_time(row.date_value) if row.date_value is not None else str(row.text_value)


def _count_moving(loser_id: int) -> list[tuple[str, int]]:
    """How many rows of each sort the loser has; one query."""
    tables = [table for table in list_lead_tables() if table.fate is Fate.MOVE and table.name in _WORDS]
    counts = ", ".join(
        f'(SELECT count(*) FROM "{table.name}" kept WHERE kept."{table.column}" = %(lead)s)'  # noqa: S608
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts}", {"lead": loser_id})
        numbers = dict(zip([table.name for table in tables], cursor.fetchone(), strict=True))
    return [(str(words), numbers[name]) for name, words in _WORDS.items() if numbers.get(name)]
