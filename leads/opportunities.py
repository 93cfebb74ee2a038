"""Opportunities: the list by outcome, search, order, pages by key, a count to 1,000; and the board with sums."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Case, F, Q, QuerySet, Sum, Value, When
from django.db.models import Count as CountRows
from django.db.models.functions import Coalesce

from leads.conditions.language import Condition
from leads.listing import in_time
from leads.matching import LeadFilters
from leads.models import Lead, LeadState, Opportunity, OpportunityOutcome, Stage
from tenancy.keyset import Page, page_by_key
from tenancy.models import Membership

PAGE_SIZE: Final = 50
MAX_SEARCH_LENGTH: Final = 200
_FAR_AHEAD, _LONG_AGO = datetime(9000, 1, 1, tzinfo=UTC), datetime(1000, 1, 1, tzinfo=UTC)
# By the name in the address: the column, and what stands for a missing value so that it comes last, ascending and descending.
_ORDERS: Final[dict[str, tuple[str, Any, Any]]] = {
    "lead": ("lead__name_key", "\uffff", ""),
    "opened_at": ("opened_at", _FAR_AHEAD, _LONG_AGO),
    "closed_at": ("closed_at", _FAR_AHEAD, _LONG_AGO),
    "amount": ("amount_minor", 2**62, -1),
}
ORDERS: Final = frozenset(f"{sign}{name}" for name in _ORDERS for sign in ("", "-"))


@dataclass(frozen=True, kw_only=True)
class OpportunityQuery:
    """Which opportunities: of one ``outcome`` (None: of each), of one ``owner`` (None: of all), won or lost no earlier than
    ``closed_since``, found by ``q`` (see ``leads.search``), of leads that meet a ``condition``, or these ``ids`` alone.

    ``order`` is one of ORDERS; any other is the newest first.
    """

    outcome: OpportunityOutcome | None = None
    owner: Membership | None = None
    closed_since: datetime | None = None
    q: str = ""
    condition: Condition | None = None
    ids: tuple[int, ...] | None = None
    order: str = ""

    @property
    def is_fast(self) -> bool:
        """Whether no lead has to be looked for."""
        return not self.q and self.condition is None


def list_opportunities(
    *, query: OpportunityQuery, now: datetime, cursor: str = "", size: int = PAGE_SIZE
) -> Page[Opportunity]:
    """A page of opportunities with their lead, company and people. Raises CursorRefused, ListTooSlow."""
    rows, keys = _in_order(matching_opportunities(query=query, now=now), query.order)
    rows = rows.select_related("lead", "lead__company", "sales_rep", "kept_sales_rep", "sdr", "kept_sdr")
    with in_time(is_fast=query.is_fast):
        return page_by_key(rows, keys=keys, cursor=cursor, size=size)


def matching_opportunities(*, query: OpportunityQuery, now: datetime) -> QuerySet[Opportunity]:
    """Those that a query means, in no order."""
    rows = _narrowed(Opportunity.objects.all(), query.owner, query.closed_since)
    if query.outcome is not None:
        rows = rows.filter(outcome=query.outcome)
    if query.ids is not None:
        rows = rows.filter(pk__in=query.ids)
    text = query.q.strip()[:MAX_SEARCH_LENGTH].replace("\x00", "")
    if text or query.condition is not None:
        leads = LeadFilters(q=text, condition=query.condition).narrow(root=Lead, now=now)
        rows = rows.filter(lead__in=leads.values("pk"))
    return rows


def list_lead_opportunities(*, lead_id: int, limit: int) -> list[Opportunity]:
    """Those of one lead, the open one first, then the newest."""
    rows = Opportunity.objects.filter(lead=lead_id).select_related("sales_rep", "kept_sales_rep")
    by_time = Coalesce("closed_at", "opened_at").desc(nulls_last=True)
    is_open = Case(When(outcome=OpportunityOutcome.OPEN, then=0), default=1)
    return list(rows.order_by(is_open, by_time, "-pk")[:limit])


def list_for_programs(
    *, outcome: str = "", lead_id: int | None = None, deal_id: str = "", cursor: str = ""
) -> Page[Opportunity]:
    """A page of opportunities, the newest first; empty arguments narrow nothing. Raises CursorRefused."""
    rows = Opportunity.objects.select_related("sdr", "kept_sdr", "sales_rep", "kept_sales_rep")
    if outcome:
        rows = rows.filter(outcome=outcome)
    if lead_id is not None:
        rows = rows.filter(lead=lead_id)
    if deal_id:
        rows = rows.filter(deal_key=deal_id)
    return page_by_key(rows, keys=("-pk",), cursor=cursor, size=PAGE_SIZE)


def _narrowed(
    rows: QuerySet[Opportunity], owner: Membership | None, closed_since: datetime | None
) -> QuerySet[Opportunity]:
    if owner is not None:
        rows = rows.filter(sales_rep=owner)
    if closed_since is not None:
        rows = rows.filter(Q(outcome=OpportunityOutcome.OPEN) | Q(closed_at__gte=closed_since))
    return rows


@dataclass(frozen=True)
class BoardColumn:
    """One column: how many there are, what their amounts add up to by currency (minor units), and the first of them."""

    count: int
    sums: dict[str, int]
    cards: list[Any]


@dataclass(frozen=True)
class Board:
    """SQLs offered to sales (leads with their standing), and opportunities by outcome."""

    offered: BoardColumn
    outcomes: dict[OpportunityOutcome, BoardColumn]


def get_board(*, owner: Membership | None, closed_since: datetime | None, size: int) -> Board:
    """What sales has before it and what came of it, of one rep or of all; the same number of queries for any number of rows.

    Offered and open ones come oldest first, since they wait; won and lost ones newest first.
    """
    rows = _narrowed(Opportunity.objects.all(), owner, closed_since)
    figures = (
        rows.order_by().values("outcome", "currency").annotate(n=CountRows("pk"), total=Sum("amount_minor"))
    )
    counts: dict[str, int] = dict.fromkeys(OpportunityOutcome.values, 0)
    sums: dict[str, dict[str, int]] = {outcome: {} for outcome in OpportunityOutcome.values}
    for each in figures:
        counts[each["outcome"]] += each["n"]
        if each["total"] is not None and each["currency"]:
            sums[each["outcome"]][each["currency"]] = each["total"]
    related = rows.select_related("lead", "lead__company", "lead__standing", "sales_rep", "kept_sales_rep")
    columns = {}
    for outcome in OpportunityOutcome:
        order = ("opened_at", "pk") if outcome is OpportunityOutcome.OPEN else ("-closed_at", "-pk")
        cards = list(related.filter(outcome=outcome).order_by(*order)[:size])
        columns[outcome] = BoardColumn(counts[outcome], sums[outcome], cards)
    return Board(_offered(owner, size), columns)


def _offered(owner: Membership | None, size: int) -> BoardColumn:
    states = LeadState.objects.filter(stage=Stage.SALES_QUALIFIED)
    if owner is not None:
        states = states.filter(owner_sales=owner)
    cards = states.select_related("lead", "lead__company", "owner_sales", "kept_sales")
    return BoardColumn(
        states.order_by().count(),
        {},
        list(cards.order_by(F("clock_due_at").asc(nulls_last=True), "lead")[:size]),
    )


def _in_order(rows: QuerySet[Any, Any], order: str) -> tuple[QuerySet[Any, Any], tuple[str, ...]]:
    if order not in ORDERS:
        return rows, ("-pk",)
    sign = "-" if order.startswith("-") else ""
    column, last_ascending, last_descending = _ORDERS[order.removeprefix("-")]
    missing = Value(last_descending if sign else last_ascending)
    return rows.annotate(place=Coalesce(column, missing)), (f"{sign}place", f"{sign}pk")
