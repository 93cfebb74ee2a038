"""Files of deals: how each stands or ended, by whom, and what that makes of their leads. Counted by deal.

A lead stands where the latest of its deals leaves it: open, an opportunity; won, a customer; lost, in the stage its reason
names. That happens outside the table of moves, for a file tells what was. The moves it tells of are known by their times;
stages in between are reached at a time nobody knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from leads.capture import writing
from leads.capture.columns import MILLION, FieldType
from leads.capture.imports import ImportContext, Taken, TakenBatch
from leads.capture.inputs import IntakeRules, LeadInput
from leads.capture.intake import Intake
from leads.capture.lead_finding import find_leads_of
from leads.capture.outcome_fields import OUTCOME_FIELDS, OutcomeInput, read_outcome
from leads.capture.outcome_moves import move_by_deals
from leads.capture.people import Person, find_people
from leads.capture.readable_file import NO_OPEN_FIELDS, OpenFields
from leads.capture.waves import Normalise
from leads.conditions.statements import Statement
from leads.models import CustomField, CustomType, ImportRun, Opportunity, OpportunityOutcome
from leads.models.handover import UNNAMED_DEAL
from tenancy.errors import Conflict, FieldProblem, Problem
from tenancy.models import Tenant

NOBODY: Final = Person(None, None)
DEAL_FIELDS: Final = (
    *(
        "outcome",
        "opened_at",
        "closed_at",
        "expected_close_on",
        "amount_minor",
        "currency",
        "reason",
        "custom",
    ),
    *("sdr_id", "kept_sdr_id", "sales_rep_id", "kept_sales_rep_id", "deal_key", "is_imported"),
)
# What says how and when a deal stands: a lead moves when one of these changes.
ENDING: Final = ("outcome", "opened_at", "closed_at", "reason")


class OtherLeadsDeal(Conflict):
    """The deal is another lead's."""


class SecondOpenDeal(Conflict):
    """The lead has another open deal."""


@dataclass
class DealRow:
    """One row on its way: its lead and its deal, what came of it, whether it changed how the deal ended."""

    given: OutcomeInput
    lead_id: int | None = None
    deal: Any = None
    outcome: str = "unchanged"
    is_ending: bool = False
    problem: Problem | None = None
    people: Mapping[str, Person] = field(default_factory=dict, repr=False)

    def person(self, text: str | None) -> Person:
        """Who is meant; NOBODY for a blank."""
        return self.people[text] if text else NOBODY

    @property
    def whose(self) -> LeadInput:
        """What the row says of its lead."""
        return self.given.lead

    @property
    def at(self) -> datetime | None:
        """When the deal began, as far as the row says."""
        return self.given.opened_at or self.given.closed_at

    @property
    def order(self) -> tuple[bool, float]:
        """Deals by when they ended; first those of which nobody knows."""
        closed_at = self.given.closed_at
        return closed_at is not None, closed_at.timestamp() if closed_at else 0


class OutcomeRows:
    """Rows that tell of deals in the currency and zone of a tenant. With ``creates_leads`` a deal of somebody unknown makes a
    lead."""

    kind = ImportRun.Subject.OUTCOMES
    fields: Mapping[str, FieldType] = OUTCOME_FIELDS
    open_fields: OpenFields = NO_OPEN_FIELDS
    # The deals of one lead depend on each other.
    identities: Mapping[str, Normalise] | None = None

    def __init__(self, tenant: Tenant, *, creates_leads: bool = False) -> None:
        self._currency = tenant.currency
        self._creates = creates_leads

    def read(
        self, values: Mapping[str, str], rules: IntakeRules, now: datetime
    ) -> tuple[OutcomeInput, Sequence[FieldProblem]]:
        """What a row says of a deal."""
        return read_outcome(values=values, rules=rules, currency=self._currency, now=now)

    def is_nameless(self, item: OutcomeInput) -> bool:
        """Every row names its lead, and so its deal."""
        return False

    def prepare(self, items: Sequence[OutcomeInput]) -> None:
        """Nothing: one process takes in all rows."""

    def take(
        self, items: Sequence[OutcomeInput], context: ImportContext, prepared: None = None
    ) -> TakenBatch:
        """Write deals, then what they make of their leads."""
        people = find_people(texts={text for item in items for text in (item.sdr, item.sales_rep) if text})
        rows = [DealRow(item, people=people) for item in items]
        made = find_leads_of(rows, creates=self._creates, now=context.now, is_live=context.is_live)
        deals = Deals([row for row in rows if row.problem is None], zone=ZoneInfo(context.tenant.time_zone))
        deals.take()
        deals.write()
        told = sorted((row for row in rows if row.outcome != "unchanged"), key=lambda row: row.order)
        write_lead_facts(told, context.now)
        changed = sorted({*made, *(row.lead_id for row in told if row.lead_id is not None)})
        move_by_deals(
            lead_ids=sorted({row.lead_id for row in told if row.is_ending and row.lead_id is not None}),
            ended={row.deal.pk for row in told if row.is_ending},
            now=context.now,
            is_live=context.is_live,
        )
        if context.is_live:
            writing.make_live(changed, context.now)
        return TakenBatch([_taken(row) for row in rows], changed)


def _taken(row: DealRow) -> Taken:
    return Taken(row.deal.pk if row.deal is not None else None, row.outcome, row.problem, row.lead_id)


class Deals:
    """The deals that a batch is about, as they stand and as they become."""

    def __init__(self, rows: Sequence[DealRow], *, zone: ZoneInfo) -> None:
        self._rows = rows
        self._zone = zone
        self._fresh: list[Any] = []
        self._changed: dict[int, Any] = {}
        self._by_key: dict[str, Any] = {}
        self._by_lead: dict[int, list[Any]] = {}
        self._types = dict(CustomField.objects.values_list("name", "type"))
        for deal in self._known():
            self._remember(deal)

    def _known(self) -> list[Any]:
        """The deals of the rows' keys, whosever they are; of the rows' leads those that are open or that no file has told of."""
        leads = {row.lead_id for row in self._rows}
        if not leads:
            return []
        keys = {key for row in self._rows if (key := self._key(row)) is not None}
        is_loose = Q(deal_key__isnull=True) | Q(outcome=OpportunityOutcome.OPEN)
        deals = Opportunity.objects.filter(Q(deal_key__in=keys) | Q(lead_id__in=leads) & is_loose)
        return list(deals.order_by("id").select_for_update(of=("self",), no_key=True))

    def _remember(self, deal: Any) -> None:
        self._by_lead.setdefault(deal.lead_id, []).append(deal)
        if deal.deal_key is not None:
            self._by_key[deal.deal_key] = deal

    def take(self) -> None:
        """Find or make the deal of each row, in order, and merge the row into it."""
        for row in self._rows:
            assert row.lead_id is not None
            key = self._key(row)
            row.deal = self._find(row, key)
            row.problem = self._contradiction(row)
            if row.problem is not None:
                row.deal = None
            elif row.deal is None:
                row.deal = Opportunity(lead_id=row.lead_id, deal_key=key, is_imported=True)
                self._merge(row)
                row.outcome, row.is_ending = "new", True
                self._fresh.append(row.deal)
                self._remember(row.deal)
            else:
                self._update(row, key)

    def _contradiction(self, row: DealRow) -> Problem | None:
        """Why a row cannot be merged into its deal, or None."""
        if row.deal is not None and row.deal.lead_id != row.lead_id:
            return OtherLeadsDeal(
                _("The deal “%(deal)s” is one of lead %(lead)s.")
                % {"deal": row.given.deal_id, "lead": row.deal.lead_id},
                errors=[FieldProblem("deal_id", "other_lead", _("It is another lead's."))],
            )
        if row.given.outcome is not OpportunityOutcome.OPEN:
            return None
        for deal in self._by_lead.get(row.lead_id or 0, []):
            if deal is not row.deal and deal.outcome == OpportunityOutcome.OPEN:
                message = _(
                    "The lead has another open deal, %(deal)s. A lead has one open deal at a time."
                ) % {"deal": f"“{deal.deal_id}”" if deal.deal_id else f"#{deal.pk}"}
                return SecondOpenDeal(message, errors=[FieldProblem("outcome", "second_open", message)])
        return None

    def _key(self, row: DealRow) -> str | None:
        """The deal's id as given; without one a closed deal is its lead, its outcome and its local date, and an open one has
        none."""
        given = row.given
        if given.deal_id:
            return given.deal_id
        if given.outcome is OpportunityOutcome.OPEN:
            return None
        return f"{UNNAMED_DEAL}{row.lead_id}:{given.outcome.value}:{self._day(given.closed_at) or ''}"

    def _day(self, at: datetime | None) -> date | None:
        return at.astimezone(self._zone).date() if at else None

    def _find(self, row: DealRow, key: str | None) -> Any:
        """The deal by its key; without an id, one of the same outcome and day that was closed here; the open one."""
        if key in self._by_key:
            return self._by_key[key]
        given = row.given
        unnamed = [deal for deal in self._by_lead.get(row.lead_id or 0, []) if deal.deal_key is None]
        for deal in unnamed:
            is_same = deal.outcome == given.outcome and self._day(deal.closed_at) == self._day(
                given.closed_at
            )
            if is_same and not given.deal_id:
                return deal
        for deal in unnamed:
            if deal.outcome == OpportunityOutcome.OPEN and not _is_before(given.closed_at, deal.opened_at):
                return deal
        return None

    def _update(self, row: DealRow, key: str | None) -> None:
        deal = row.deal
        before = {name: getattr(deal, name) for name in DEAL_FIELDS}
        # When a deal was opened here is known better than by a file.
        keeps_opening = not deal.is_imported and deal.opened_at is not None
        if deal.outcome == OpportunityOutcome.OPEN and key is not None:
            deal.deal_key = key
            self._by_key[key] = deal
            deal.is_imported = deal.is_imported or row.given.outcome is not OpportunityOutcome.OPEN
        self._merge(row, keeps_opening=keeps_opening)
        changed = {name for name in DEAL_FIELDS if getattr(deal, name) != before[name]}
        if changed:
            row.outcome = "updated"
            row.is_ending = not changed.isdisjoint(ENDING)
            if deal.pk is not None:
                self._changed[deal.pk] = deal

    def _merge(self, row: DealRow, *, keeps_opening: bool = False) -> None:
        """What the deal becomes: a blank never erases, but the time of another outcome is not this one's."""
        deal, given = row.deal, row.given
        if given.closed_at is not None or deal.outcome != given.outcome:
            deal.closed_at = given.closed_at
        deal.outcome = given.outcome.value
        if given.opened_at is not None and not keeps_opening:
            deal.opened_at = given.opened_at
        for name in ("amount_minor", "currency", "reason", "expected_close_on"):
            if getattr(given, name) is not None:
                setattr(deal, name, getattr(given, name))
        for name, text in (("sdr", given.sdr), ("sales_rep", given.sales_rep)):
            if text:
                person = row.person(text)
                setattr(deal, f"{name}_id", person.member_id)
                setattr(deal, f"kept_{name}_id", person.kept_id)
        deal.custom = deal.custom | {name: self._as_json(name, each) for name, each in given.custom.items()}

    def _as_json(self, name: str, value: str | int | date) -> str | int | float:
        if isinstance(value, date):
            return value.isoformat()
        if self._types[name] == CustomType.DECIMAL:
            return int(value) / MILLION
        return value

    def write(self) -> None:
        """Write what has changed and what is new: what closes first, for a lead has one open deal."""
        changed = sorted(self._changed.values(), key=lambda deal: deal.pk)
        _write_deals([deal for deal in changed if deal.outcome != OpportunityOutcome.OPEN])
        _write_deals([deal for deal in changed if deal.outcome == OpportunityOutcome.OPEN])
        Opportunity.objects.bulk_create(self._fresh)


def _write_deals(deals: Sequence[Any]) -> None:
    if not deals:
        return
    rows = [{"id": deal.pk} | {name: getattr(deal, name) for name in DEAL_FIELDS} for deal in deals]
    _UPDATE_DEALS.execute(rows=writing.as_json(rows))


_DEAL_TYPES: Final = {
    **dict.fromkeys(("outcome", "currency", "reason", "deal_key"), "text"),
    **dict.fromkeys(("opened_at", "closed_at"), "timestamptz"),
    "expected_close_on": "date",
    "amount_minor": "bigint",
    "custom": "jsonb",
    **dict.fromkeys(("sdr_id", "kept_sdr_id", "sales_rep_id", "kept_sales_rep_id"), "bigint"),
    "is_imported": "boolean",
}
_UPDATE_DEALS: Final = Statement.text(f"""
UPDATE leads_opportunity deal SET {", ".join(f"{name} = given.{name}" for name in DEAL_FIELDS)}
FROM jsonb_to_recordset(%(rows)s::jsonb) AS given (
    id bigint, {", ".join(f"{name} {_DEAL_TYPES[name]}" for name in DEAL_FIELDS)}
)
WHERE deal.id = given.id
""")  # noqa: S608 - only the constant column names above


def _is_before(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one < other


def write_lead_facts(rows: Sequence[DealRow], now: datetime) -> None:
    """What new and changed deals say of their leads: owners and custom values; of several deals the latest counts."""
    owners: dict[int, LeadInput] = {}
    custom: dict[int, dict[str, Any]] = {}
    for row in rows:
        assert row.lead_id is not None
        named = owners.get(row.lead_id, LeadInput())
        if row.given.sdr:
            person = row.person(row.given.sdr)
            named = replace(named, owner_sdr_id=person.member_id, kept_sdr_id=person.kept_id)
        if row.given.sales_rep:
            person = row.person(row.given.sales_rep)
            named = replace(named, owner_sales_id=person.member_id, kept_sales_id=person.kept_id)
        owners[row.lead_id] = named
        custom.setdefault(row.lead_id, {}).update(row.given.custom)
    writing.update_standing(list(owners.values()), [{"id": lead_id} for lead_id in owners], now)
    writing.write_custom_values(
        [Intake(LeadInput(custom=values), lead_id=lead_id) for lead_id, values in custom.items() if values]
    )
