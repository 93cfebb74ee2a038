"""Files of leads: what `import_leads` makes of a row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from leads.capture.columns import FieldType
from leads.capture.event_rows import own_id, read_past
from leads.capture.fields import LEAD_FIELDS, read_row
from leads.capture.imports import ImportContext, Taken, TakenBatch
from leads.capture.inputs import EventInput, IntakeRules, LeadInput
from leads.capture.intake import Intake, PreparedCompany, prepare_companies, take_in
from leads.capture.people import find_people
from leads.capture.readable_file import OpenFields
from leads.capture.scalars import Unfit
from leads.capture.values import normalise_email
from leads.capture.waves import Normalise
from leads.models import ImportRun
from tenancy.errors import FieldProblem

_TYPES: Final[Mapping[str, FieldType]] = {
    "created_at": "date",
    "company_size": "integer",
    "company_revenue": "decimal",
}


# Before a type of event, with the date of one in the row of a lead. A number follows where several columns tell of one type.
EVENT: Final = "event."


class PreparedLeads(NamedTuple):
    """Rows with the people they name, and the companies they tell of."""

    rows: list[LeadInput]
    companies: list[PreparedCompany]


@lru_cache(maxsize=1024)
def _dates_among(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a row's fields that are dates of events; most rows fill the same."""
    return tuple(name for name in fields if name.startswith(EVENT))


def _comparable_email(text: str) -> str | None:
    """Equal for two addresses that are the same; of plain letters it is not asked whether it is one."""
    return text.strip().lower() if text.isascii() else normalise_email(text)


class LeadRows:
    """Rows that tell of leads."""

    kind = ImportRun.Subject.LEADS
    open_fields: OpenFields = {EVENT: "date"}
    fields: Mapping[str, FieldType] = {name: _TYPES.get(name, "text") for name in LEAD_FIELDS}
    identities: Mapping[str, Normalise] | None = {"external_id": str.strip, "email": _comparable_email}

    def read(
        self, values: Mapping[str, str], rules: IntakeRules, now: datetime
    ) -> tuple[LeadInput, Sequence[FieldProblem]]:
        """What a row says of a lead, and of what happened at its dates."""
        names = _dates_among(tuple(values))
        if not names:
            return read_row(values=values, rules=rules, now=now)
        dates = {name: values[name] for name in names}
        lead, problems = read_row(
            values={name: text for name, text in values.items() if name not in dates}, rules=rules, now=now
        )
        events = _read_dates(dates, lead, rules, now, problems)
        return replace(lead, events=events), problems

    def is_nameless(self, item: LeadInput) -> bool:
        """Whether the row has neither external id nor e-mail."""
        return item.external_id is None and item.email is None

    def prepare(self, items: Sequence[LeadInput]) -> PreparedLeads:
        """People, origins and companies that rows name."""
        named = name_owners(items)
        return PreparedLeads(named, prepare_companies(rows=named))

    def take(
        self, items: Sequence[LeadInput], context: ImportContext, prepared: PreparedLeads | None = None
    ) -> TakenBatch:
        """Make and merge leads, with the owners that the file names."""
        rows = prepared.rows if prepared else name_owners(items)
        companies = prepared.companies if prepared else None
        taken = take_in(
            rows=rows, now=context.now, is_live=context.is_live, companies=companies, leaves_standings=True
        )
        newborn = [row.newborn for row in taken if row.newborn is not None]
        return TakenBatch([_taken(row) for row in taken], _changed(taken), newborn)


def _read_dates(
    dates: Mapping[str, str], lead: LeadInput, rules: IntakeRules, now: datetime, problems: list[FieldProblem]
) -> tuple[EventInput, ...]:
    """An event for each date, known again by its lead, its type and its instant: those of a lead by phone or name alone are new
    each time, as the lead is."""
    whose = lead.external_id or lead.email
    events = []
    for name, text in dates.items():
        try:
            at = read_past(text, name, rules, now)
        except Unfit as unfit:
            problems.append(FieldProblem(name, unfit.code, unfit.message))
            continue
        event_type = name.removeprefix(EVENT).partition(".")[0]
        if at is not None:
            message_id = own_id(whose, event_type, at) if whose else None
            events.append(EventInput(event_type, {}, at, message_id))
    return tuple(events)


def name_owners(rows: Sequence[LeadInput]) -> list[LeadInput]:
    """The rows with the people that their owner texts mean."""
    people = find_people(
        texts={text for row in rows for text in (row.owner_sdr, row.owner_sales) if text is not None}
    )
    if not people:
        return list(rows)
    named = []
    for row in rows:
        sdr, sales = people.get(row.owner_sdr or ""), people.get(row.owner_sales or "")
        if sdr:
            row = replace(row, owner_sdr_id=sdr.member_id, kept_sdr_id=sdr.kept_id)
        if sales:
            row = replace(row, owner_sales_id=sales.member_id, kept_sales_id=sales.kept_id)
        named.append(row)
    return named


def _taken(row: Intake) -> Taken:
    return Taken(row.lead_id if row.problem is None else None, row.outcome, row.problem)


def _changed(taken: Sequence[Intake]) -> list[int]:
    return [
        row.lead_id
        for row in taken
        if row.lead_id is not None and row.problem is None and row.outcome != "unchanged"
    ]
