"""The list of opportunities: by outcome, search, order, pages by key, a count to 1,000."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from leads.models import Lead, Opportunity, OpportunityOutcome
from leads.search import search_leads
from tenancy.keyset import Page, page_by_key
from tenancy.listing import Count
from tenancy.models import Membership

COUNT_LIMIT: Final = 1000
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
    q: str = "",
    order: str = "",
    cursor: str = "",
) -> OpportunityPage:
    """Opportunities with their lead, company and rep: of one ``outcome``, of one ``owner`` (None: of all).

    ``q`` is what ``leads.search`` makes of it. ``order`` is one of ORDERS; any other is the newest first. Raises CursorRefused.
    """
    rows = Opportunity.objects.filter(outcome=outcome)
    if owner is not None:
        rows = rows.filter(sales_rep=owner)
    if text := q.strip()[:MAX_SEARCH_LENGTH].replace("\x00", ""):
        rows = rows.filter(lead__in=Lead.objects.filter(search_leads(text=text).truth()))
    number = rows.order_by()[: COUNT_LIMIT + 1].count()
    rows, keys = _in_order(rows, order)
    page = page_by_key(
        rows.select_related("lead", "lead__company", "sales_rep", "kept_sales_rep"),
        keys=keys,
        cursor=cursor,
        size=PAGE_SIZE,
    )
    return OpportunityPage(page, Count(value=min(number, COUNT_LIMIT), exact=number <= COUNT_LIMIT))


def _in_order(rows: QuerySet[Any, Any], order: str) -> tuple[QuerySet[Any, Any], tuple[str, ...]]:
    if order not in ORDERS:
        return rows, ("-pk",)
    sign = "-" if order.startswith("-") else ""
    column, last_ascending, last_descending = _ORDERS[order.removeprefix("-")]
    missing = Value(last_descending if sign else last_ascending)
    return rows.annotate(place=Coalesce(column, missing)), (f"{sign}place", f"{sign}pk")
