"""Opportunities: open, won, lost."""

from datetime import datetime
from typing import Final

from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from leads.models import MoveAct, OpportunityOutcome
from leads.money import money_words
from leads.opportunities import list_opportunities
from leads.reasons import published_reasons
from leads.timeline import reason_words
from leads.versions import open_rulebook
from leads.views.addresses import lead_addresses
from leads.views.opportunity_filters import MYSELF, PERIODS, OpportunityFilters, read_filters
from tenancy.listing import (
    CURSOR,
    ORDER,
    SEARCH,
    Column,
    EmptyState,
    FilterChip,
    Listing,
    render_listing,
    show_number,
)
from tenancy.markup import short_date
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/opportunity_list.html"


@tenant_page(right="opportunity.read")
@require_safe
def opportunity_list(request: TenantRequest) -> HttpResponse:
    """Deals by outcome, the newest first."""
    outcome = _outcome(request.GET.get("outcome", ""))
    order = request.GET.get(ORDER, "")
    filters = read_filters(
        given=request.GET, member=request.member, tenant=request.tenant, now=timezone.now()
    )
    is_mine = filters.is_mine
    found = list_opportunities(
        outcome=outcome,
        owner=filters.owner,
        closed_since=filters.closed_since if outcome != OpportunityOutcome.OPEN else None,
        q=request.GET.get(SEARCH, ""),
        order=order,
        cursor=request.GET.get(CURSOR, ""),
    )
    page, count = found.page, found.count
    rulebook_reasons = published_reasons(open_rulebook()) if outcome == OpportunityOutcome.LOST else None
    lead_url = lead_addresses("lead-detail", slug=request.tenant.slug)
    shown = [
        {
            "row": row,
            "lead": format_html('<a href="{}">{}</a>', lead_url(row.lead_id), row.lead),
            "company": row.lead.company or "",
            "opened": _day(row.opened_at),
            "closed": _day(row.closed_at),
            "deal_id": row.deal_id,
            "expected": date_format(row.expected_close_on, "SHORT_DATE_FORMAT")
            if row.expected_close_on
            else "",
            "amount": money_words(row.amount_minor, row.currency),
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
        order=order,
        search_label=_("Search name, e-mail, company, phone, id"),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        chips=_chips(filters),
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
        "heading": labels[outcome] % {"n": show_number(count.value) + ("" if count.exact else "+")},
        "tabs": [
            {
                "label": each.label,
                "url": listing.url_with({"outcome": each.value, ORDER: ""}),
                "is_current": each is outcome,
            }
            for each in OpportunityOutcome
        ],
        "mine_url": listing.url_with({"owner": "" if is_mine else MYSELF}),
        "is_mine": is_mine,
    }
    return render_listing(request, PAGE, context, listing=listing)


def _chips(filters: OpportunityFilters) -> list[FilterChip]:
    chips = []
    if filters.owner:
        label = _("Only mine") if filters.is_mine else _("Owner: %(name)s") % {"name": filters.owner.name}
        chips.append(FilterChip(label=label, without=["owner"]))
    if period := filters.given.get("period"):
        chips.append(FilterChip(label=PERIODS[period], without=["period"]))
    return chips


def _outcome(given: str) -> OpportunityOutcome:
    return OpportunityOutcome(given) if given in OpportunityOutcome.values else OpportunityOutcome.OPEN


def _columns(outcome: OpportunityOutcome) -> list[Column]:
    columns = [
        Column(key="lead", label=_("Lead"), card="title", sort="lead"),
        Column(key="company", label=_("Company"), card="line"),
        Column(key="owner", label=_("Owner")),
        _time_column("opened", _("Opened")),
    ]
    amount = Column(key="amount", label=_("Amount"), end=True, sort="amount", descending_first=True)
    deal = Column(key="deal_id", label=_("Deal id"))
    if outcome is OpportunityOutcome.OPEN:
        return [*columns, Column(key="expected", label=_("Expected close"), end=True), amount, deal]
    columns.append(_time_column("closed", _("Closed")))
    if outcome is OpportunityOutcome.LOST:
        return [*columns, Column(key="reason", label=_("Reason")), deal]
    return [*columns, amount, deal]


def _time_column(name: str, label: str) -> Column:
    return Column(key=name, label=label, end=True, sort=f"{name}_at", descending_first=True)


def _day(at: datetime | None) -> str:
    if at is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', timezone.localtime(at).isoformat(), short_date(at))
