"""Files of outcomes: how deals ended, by whom, and what that makes of their leads. Counted by deal.

A lead stands where the latest of its deals leaves it: won, a customer; lost, in the stage its reason names. That happens outside
the table of moves, for a file tells what was. The moves it tells of are known by their times; stages in between are reached at a
time nobody knows.
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
from leads.capture.intake import Intake, contradiction
from leads.capture.lanes import Normalise
from leads.capture.outcome_fields import OUTCOME_FIELDS, OutcomeInput, read_outcome
from leads.capture.outcome_moves import move_by_deals
from leads.capture.people import Person, find_people
from leads.models import CustomField, CustomType, ImportRun, Opportunity, OpportunityOutcome
from tenancy.errors import Conflict, FieldProblem, NotFound, Problem
from tenancy.models import Tenant

NOBODY: Final = Person(None, None)
DEAL_FIELDS: Final = (
    *("outcome", "closed_at", "amount_minor", "currency", "reason", "custom"),
    *("sdr_id", "kept_sdr_id", "sales_rep_id", "kept_sales_rep_id", "deal_key", "is_imported"),
)
# What says how and when a deal ended: a lead moves when one of these changes.
ENDING: Final = ("outcome", "closed_at", "reason")


class UnknownLead(NotFound):
    """Nobody is known by the row's external id or e-mail."""


class OtherLeadsDeal(Conflict):
    """The deal is another lead's."""


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
    def order(self) -> tuple[bool, float]:
        """Deals by when they ended; first those of which nobody knows."""
        closed_at = self.given.closed_at
        return closed_at is not None, closed_at.timestamp() if closed_at else 0


class OutcomeRows:
    """Rows that tell of outcomes in the currency and zone of a tenant."""

    kind = ImportRun.Subject.OUTCOMES
    fields: Mapping[str, FieldType] = OUTCOME_FIELDS
    # The deals of one lead depend on each other.
    identities: Mapping[str, Normalise] | None = None

    def __init__(self, tenant: Tenant) -> None:
        self._currency = tenant.currency

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
        find_leads_of(rows)
        deals = Deals([row for row in rows if row.problem is None], zone=ZoneInfo(context.tenant.time_zone))
        deals.take()
        deals.write()
        told = sorted((row for row in rows if row.outcome != "unchanged"), key=lambda row: row.order)
        write_lead_facts(told, context.now)
        changed = sorted({row.lead_id for row in told if row.lead_id is not None})
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
    return Taken(row.deal.pk if row.deal is not None else None, row.outcome, row.problem)


def find_leads_of(rows: Sequence[DealRow]) -> None:
    """Find and lock the lead of each row; a row that names nobody, or two leads, gets its problem."""
    by_external_id, by_email = writing.find_leads(
        external_ids=[row.given.external_id for row in rows if row.given.external_id],
        emails=[row.given.email for row in rows if row.given.email],
    )
    for row in rows:
        given = LeadInput(external_id=row.given.external_id, email=row.given.email)
        named = by_external_id.get(given.external_id or "")
        mailed = by_email.get(given.email or "")
        row.problem = contradiction(given, named, mailed)
        lead = named or mailed
        if lead is not None and row.problem is None:
            row.lead_id = lead["id"]
        elif row.problem is None:
            row.problem = UnknownLead(
                _("No lead is known by “%(who)s”. Import the leads first.")
                % {"who": given.external_id or given.email},
                errors=[
                    FieldProblem(
                        "external_id" if given.external_id else "email", "unknown", _("Unknown lead.")
                    )
                ],
            )


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
        """The deals of the rows' keys, whosever they are, and those of the rows' leads that no file has told of."""
        leads = {row.lead_id for row in self._rows}
        if not leads:
            return []
        keys = {self._key(row) for row in self._rows}
        told = Q(deal_key__in=keys)
        deals = Opportunity.objects.filter(told | Q(lead_id__in=leads, deal_key__isnull=True)).order_by("id")
        return list(deals.select_for_update(of=("self",), no_key=True))

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
            if row.deal is not None and row.deal.lead_id != row.lead_id:
                row.problem = OtherLeadsDeal(
                    _("The deal “%(deal)s” is one of lead %(lead)s.")
                    % {"deal": row.given.deal_id, "lead": row.deal.lead_id},
                    errors=[FieldProblem("deal_id", "other_lead", _("It is another lead's."))],
                )
                row.deal = None
            elif row.deal is None:
                row.deal = Opportunity(lead_id=row.lead_id, deal_key=key, is_imported=True)
                self._merge(row)
                row.outcome, row.is_ending = "new", True
                self._fresh.append(row.deal)
                self._remember(row.deal)
            else:
                self._update(row, key)

    def _key(self, row: DealRow) -> str:
        """The deal's id as given; without one a deal is its lead, its outcome and its local date."""
        if row.given.deal_id:
            return row.given.deal_id
        return f"date:{row.lead_id}:{row.given.outcome.value}:{self._day(row.given.closed_at) or ''}"

    def _day(self, at: datetime | None) -> date | None:
        return at.astimezone(self._zone).date() if at else None

    def _find(self, row: DealRow, key: str) -> Any:
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

    def _update(self, row: DealRow, key: str) -> None:
        deal = row.deal
        before = {name: getattr(deal, name) for name in DEAL_FIELDS}
        if deal.outcome == OpportunityOutcome.OPEN:
            deal.deal_key, deal.is_imported = key, True
            self._by_key[key] = deal
        self._merge(row)
        changed = {name for name in DEAL_FIELDS if getattr(deal, name) != before[name]}
        if changed:
            row.outcome = "updated"
            row.is_ending = not changed.isdisjoint(ENDING)
            if deal.pk is not None:
                self._changed[deal.pk] = deal

    def _merge(self, row: DealRow) -> None:
        """What the deal becomes: a blank never erases, but the time of another outcome is not this one's."""
        deal, given = row.deal, row.given
        if given.closed_at is not None or deal.outcome != given.outcome:
            deal.closed_at = given.closed_at
        deal.outcome = given.outcome.value
        for name in ("amount_minor", "currency", "reason"):
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
        """Write what is new and what has changed."""
        Opportunity.objects.bulk_create(self._fresh)
        Opportunity.objects.bulk_update(
            self._changed.values(), [name.removesuffix("_id") for name in DEAL_FIELDS]
        )


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
