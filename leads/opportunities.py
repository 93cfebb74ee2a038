"""Opportunities: the list by outcome, search, order, pages by key, a count to 1,000; and the board with sums."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Case, F, Q, QuerySet, Sum, Value, When
from django.db.models import Count as CountRows
from django.db.models.functions import Coalesce

from leads.models import Lead, LeadState, Opportunity, OpportunityOutcome, Stage
from leads.search import search_leads
from tenancy.keyset import Page, page_by_key
from tenancy.listing import Count, count_rows
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


@dataclass(frozen=True)
class OpportunityPage:
    """One page in order, and how many there are in all."""

    page: Page[Opportunity]
    count: Count


def list_opportunities(
    *,
    outcome: OpportunityOutcome,
    owner: Membership | None = None,
    closed_since: datetime | None = None,
    q: str = "",
    order: str = "",
    cursor: str = "",
) -> OpportunityPage:
    """Opportunities with their lead, company and rep: of one ``outcome``, of one ``owner`` (None: of all).

    ``closed_since`` leaves out what was won or lost before. ``q`` is what ``leads.search`` makes of it. ``order`` is one of
    ORDERS; any other is the newest first. Raises CursorRefused.
    """
    rows = _narrowed(Opportunity.objects.filter(outcome=outcome), owner, closed_since)
    if text := q.strip()[:MAX_SEARCH_LENGTH].replace("\x00", ""):
        rows = rows.filter(lead__in=Lead.objects.filter(search_leads(text=text).truth()))
    count = count_rows(rows)
    rows, keys = _in_order(rows, order)
    page = page_by_key(
        rows.select_related("lead", "lead__company", "sales_rep", "kept_sales_rep"),
        keys=keys,
        cursor=cursor,
        size=PAGE_SIZE,
    )
    return OpportunityPage(page, count)


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
