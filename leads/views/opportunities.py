"""Opportunities: open, won, lost."""

from typing import Final

from django.http import HttpResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from leads.models import MoveAct, Opportunity, OpportunityOutcome
from leads.money import amount_in_units, minor_digits
from leads.reasons import published_reasons
from leads.timeline import reason_words
from leads.versions import open_rulebook
from tenancy.keyset import page_by_key
from tenancy.listing import (
    CURSOR,
    Column,
    Count,
    EmptyState,
    FilterChip,
    Listing,
    render_listing,
    show_number,
)
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/opportunity_list.html"
PAGE_SIZE: Final = 50
COUNT_LIMIT: Final = 1000
MYSELF: Final = "me"


@tenant_page(right="opportunity.read")
@require_safe
def opportunity_list(request: TenantRequest) -> HttpResponse:
    """Deals by outcome, the newest first."""
    outcome = request.GET.get("outcome", OpportunityOutcome.OPEN)
    if outcome not in OpportunityOutcome.values:
        outcome = OpportunityOutcome.OPEN
    is_mine = request.GET.get("owner") == MYSELF
    rows = Opportunity.objects.filter(outcome=outcome).select_related(
        "lead", "lead__company", "sales_rep", "kept_sales_rep"
    )
    if is_mine:
        rows = rows.filter(sales_rep=request.member)
    page = page_by_key(rows, keys=("-pk",), cursor=request.GET.get(CURSOR, ""), size=PAGE_SIZE)
    number = rows.order_by()[: COUNT_LIMIT + 1].count()
    count = Count(value=min(number, COUNT_LIMIT), exact=number <= COUNT_LIMIT)
    rulebook_reasons = published_reasons(open_rulebook()) if outcome == OpportunityOutcome.LOST else None
    shown = [
        {
            "row": row,
            "amount": money_words(row),
            "owner": row.sales_rep or row.kept_sales_rep or "",
            "reason": reason_words(act=MoveAct.LOSE, reason=row.reason, reasons=rulebook_reasons),
        }
        for row in page.rows
    ]
    listing = Listing(
        key="opportunities",
        request=request,
        caption=_("Opportunities"),
        columns=_columns(outcome),
        rows=shown,
        words=lambda n: ngettext("%(n)s opportunity", "%(n)s opportunities", n) % {"n": show_number(n)},
        count=count,
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        chips=[FilterChip(label=_("Only mine"), without=["owner"])] if is_mine else [],
        empty=EmptyState(
            title=_("No opportunity here"),
            text=_("An SQL that sales accepts becomes an opportunity."),
            icon="briefcase",
        ),
    )
    labels = {
        OpportunityOutcome.OPEN: _("%(n)s open"),
        OpportunityOutcome.WON: _("%(n)s won"),
        OpportunityOutcome.LOST: _("%(n)s lost"),
    }
    context = {
        "heading": labels[OpportunityOutcome(outcome)]
        % {"n": show_number(count.value) + ("" if count.exact else "+")},
        "tabs": [
            {
                "label": each.label,
                "url": listing.url_with({"outcome": each.value}),
                "is_current": each.value == outcome,
            }
            for each in OpportunityOutcome
        ],
        "mine_url": listing.url_with({"owner": "" if is_mine else MYSELF}),
        "is_mine": is_mine,
    }
    return render_listing(request, PAGE, context, listing=listing)


def _columns(outcome: str) -> list[Column]:
    columns = [
        Column(key="lead", label=_("Lead"), template=f"{PAGE}#lead_cell", card="title"),
        Column(key="company", label=_("Company"), template=f"{PAGE}#company_cell", card="line"),
        Column(key="owner", label=_("Owner")),
        Column(key="opened", label=_("Opened"), template=f"{PAGE}#opened_cell", end=True),
    ]
    if outcome == OpportunityOutcome.OPEN:
        return columns
    closed = Column(key="closed", label=_("Closed"), template=f"{PAGE}#closed_cell", end=True)
    if outcome == OpportunityOutcome.LOST:
        return [*columns, closed, Column(key="reason", label=_("Reason"))]
    return [*columns, closed, Column(key="amount", label=_("Amount"), end=True)]


def money_words(row: Opportunity) -> str:
    """An amount as the reader writes it, with its currency; nothing if it is not known."""
    if row.amount_minor is None or not row.currency:
        return ""
    amount = amount_in_units(row.amount_minor, currency=row.currency)
    digits = minor_digits(row.currency)
    return f"{row.currency} {number_format(amount, decimal_pos=digits, use_l10n=True, force_grouping=True)}"
