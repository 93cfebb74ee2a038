"""Opportunities: open, won, lost."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.saved_views.showing import read_shown
from leads.conditions.builder import builder_vocabulary
from leads.models import Opportunity, OpportunityOutcome
from leads.opportunities import list_opportunities, matching_opportunities
from leads.search import HINT as SEARCH_HINT
from leads.views.addresses import lead_addresses
from leads.views.lists import builder_errors
from leads.views.marking import list_marking
from leads.views.opportunity_columns import USUAL, listed_opportunities, opportunity_columns
from leads.views.opportunity_filters import (
    MYSELF,
    PARAMETERS,
    PERIODS,
    OpportunityAddress,
    filter_chips,
    list_reps,
    read_address,
    read_outcome,
    search_words,
)
from leads.views.row_lists import RowList
from tenancy.listing import (
    ORDER,
    Count,
    EmptyState,
    Listing,
    ListSwitch,
    ListTabs,
    render_listing,
    show_number,
)
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/opportunity_list.html"
FILTERS: Final = ("owner", "period", "filter")


@tenant_page(right="opportunity.read")
@require_safe
def opportunity_list(request: TenantRequest) -> HttpResponse:
    """Deals by outcome, the newest first."""
    now, slug = timezone.now(), request.tenant.slug
    shown = read_shown(request=request, kind=OPPORTUNITIES, member=request.member, slug=slug)
    given, outcome = shown.given, read_outcome(shown.given)
    answer = ROWS.answer(given, request.member, now)
    columns = opportunity_columns()
    listing = Listing(
        key="opportunities",
        request=request,
        caption=_("Opportunities"),
        columns=columns,
        rows=listed_opportunities(answer.page.rows, lead_url=lead_addresses("lead-detail", slug=slug)),
        words=_words,
        count=answer.count,
        heading=_heading(outcome, answer.count),
        order=given.get(ORDER, ""),
        search_label=_("Search name, e-mail, company, phone, id"),
        search_hint=SEARCH_HINT,
        next_cursor=answer.page.next_cursor,
        previous_cursor=answer.page.previous_cursor,
        chips=answer.chips,
        filter_template="leads/opportunity_filter.html",
        filter_parameters=FILTERS,
        error=answer.error,
        empty=EmptyState(
            title=_("No opportunity here"),
            text=_("An SQL that sales accepts becomes an opportunity."),
            icon="briefcase",
        ),
        everything_label=_("Opportunities"),
        marking=list_marking(
            request,
            OPPORTUNITIES,
            row_id=lambda row: row.deal.pk,
            row_name=lambda row: str(row.deal.lead),
        ),
    )
    listing = shown.complete(listing, columns)
    listing = replace(listing, tabs=_tabs(listing, outcome), switch=_only_mine(listing, given))
    context = {
        "given": given,
        "myself": MYSELF,
        "people": list_reps,
        "periods": PERIODS.items() if outcome != OpportunityOutcome.OPEN else (),
        "builder": builder_vocabulary,
        "filter_text": given.get("filter", ""),
        "filter_errors": builder_errors(answer.problems),
    }
    return render_listing(request, PAGE, context, listing=listing)


def _words(n: int) -> str:
    return ngettext("%(n)s opportunity", "%(n)s opportunities", n) % {"n": show_number(n)}


def _tabs(listing: Listing, outcome: OpportunityOutcome) -> ListTabs:
    links = [
        (each.label, listing.url_with({"outcome": each.value, ORDER: ""}), each is outcome)
        for each in OpportunityOutcome
    ]
    return ListTabs(label=_("Outcome"), links=links)


def _only_mine(listing: Listing, given: Mapping[str, Any]) -> ListSwitch:
    is_on = given.get("owner") == MYSELF
    url = listing.url_with({"owner": "" if is_on else MYSELF})
    return ListSwitch(label=_("Only mine"), icon="user", url=url, is_on=is_on)


def _heading(outcome: OpportunityOutcome, count: Count | None) -> str:
    labels = {
        OpportunityOutcome.OPEN: _("%(n)s open"),
        OpportunityOutcome.WON: _("%(n)s won"),
        OpportunityOutcome.LOST: _("%(n)s lost"),
    }
    if count is None:
        return str(outcome.label)
    return labels[outcome] % {"n": show_number(count.value) + ("" if count.exact else "+")}


ROWS: Final = RowList[OpportunityAddress, Opportunity](
    read=read_address,
    matching=lambda address, now: matching_opportunities(query=address.query, now=now),
    page=lambda address, now, cursor, size: list_opportunities(
        query=address.query, now=now, cursor=cursor, size=size
    ),
    is_fast=lambda address: address.query.is_fast,
    chips=filter_chips,
    search=search_words,
    leads=lambda deals: deals.values("lead").distinct(),
    listed=lambda deals: listed_opportunities(deals, lead_url=lambda _lead_id: ""),
)
OPPORTUNITIES: Final = ROWS.kind(
    key="opportunities",
    label=gettext_lazy("Opportunities"),
    url_name="opportunity-list",
    right="opportunity.read",
    parameters=PARAMETERS,
    columns=opportunity_columns,
    usual=lambda parameters: USUAL[read_outcome(parameters)],
)
