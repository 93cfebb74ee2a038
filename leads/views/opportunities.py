"""Opportunities: open, won, lost."""

from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.saved_views.files import FilePart, column_file
from core.saved_views.kinds import ListKind, Parameters
from core.saved_views.showing import read_shown
from leads.conditions.builder import builder_vocabulary
from leads.listing import EXACT_LIMIT_MS, ListTooSlow, TookTooLong, limited_to
from leads.models import Opportunity, OpportunityOutcome
from leads.opportunities import (
    OpportunityQuery,
    count_opportunities,
    list_opportunities,
    matching_opportunities,
)
from leads.views.addresses import lead_addresses
from leads.views.lists import builder_errors
from leads.views.marking import list_marking
from leads.views.opportunity_columns import (
    USUAL,
    ListedOpportunity,
    listed_opportunities,
    opportunity_columns,
)
from leads.views.opportunity_filters import (
    MYSELF,
    PARAMETERS,
    PERIODS,
    InvalidOpportunityFilter,
    filter_chips,
    filter_words,
    list_reps,
    read_outcome,
    read_query,
)
from tenancy.errors import FieldProblem
from tenancy.keyset import Page
from tenancy.listing import (
    CURSOR,
    ORDER,
    Count,
    EmptyState,
    FilterChip,
    ListError,
    Listing,
    render_listing,
    show_number,
    too_slow,
)
from tenancy.models import Membership
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
    page: Page[Opportunity] = Page((), None, None)
    count: Count | None = None
    chips: list[FilterChip] = []
    problems: tuple[FieldProblem, ...] = ()
    error: ListError | None = None
    try:
        query, filters = read_query(given=given, member=request.member, tenant=request.tenant, now=now)
        chips = filter_chips(query, filters)
        page = list_opportunities(query=query, now=now, cursor=given.get(CURSOR, ""))
        count = count_opportunities(query=query, now=now)
    except InvalidOpportunityFilter as invalid:
        problems = invalid.errors
        error = ListError(title=invalid.detail, text=" ".join(str(each.message) for each in problems))
    except ListTooSlow:
        error = too_slow()
    columns = opportunity_columns()
    listing = Listing(
        key="opportunities",
        request=request,
        caption=_("Opportunities"),
        columns=columns,
        rows=listed_opportunities(page.rows, lead_url=lead_addresses("lead-detail", slug=slug)),
        words=_words,
        count=count,
        order=given.get(ORDER, ""),
        search_label=_("Search name, e-mail, company, phone, id"),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        chips=chips,
        filter_template="leads/opportunity_filter.html",
        filter_parameters=FILTERS,
        error=error,
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
    is_mine = given.get("owner") == MYSELF
    context = {
        "heading": _heading(outcome, count),
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
        "given": given,
        "myself": MYSELF,
        "people": list_reps,
        "periods": PERIODS.items() if outcome != OpportunityOutcome.OPEN else (),
        "builder": builder_vocabulary,
        "filter_text": given.get("filter", ""),
        "filter_errors": builder_errors(problems),
    }
    return render_listing(request, PAGE, context, listing=listing)


def _words(n: int) -> str:
    return ngettext("%(n)s opportunity", "%(n)s opportunities", n) % {"n": show_number(n)}


def _heading(outcome: OpportunityOutcome, count: Count | None) -> str:
    labels = {
        OpportunityOutcome.OPEN: _("%(n)s open"),
        OpportunityOutcome.WON: _("%(n)s won"),
        OpportunityOutcome.LOST: _("%(n)s lost"),
    }
    if count is None:
        return str(outcome.label)
    return labels[outcome] % {"n": show_number(count.value) + ("" if count.exact else "+")}


def _query(parameters: Parameters, member: Membership, now: datetime) -> OpportunityQuery:
    return read_query(given=parameters, member=member, tenant=member.tenant, now=now)[0]


def _check(parameters: Parameters, member: Membership) -> None:
    _query(parameters, member, timezone.now())


def _in_words(parameters: Parameters, member: Membership) -> str:
    try:
        return filter_words(
            *read_query(given=parameters, member=member, tenant=member.tenant, now=timezone.now())
        )
    except InvalidOpportunityFilter as invalid:
        return str(invalid.detail)


def _count(parameters: Parameters, member: Membership, now: datetime) -> int | None:
    try:
        with limited_to(EXACT_LIMIT_MS):
            return matching_opportunities(query=_query(parameters, member, now), now=now).count()
    except TookTooLong:
        return None


def _leads(parameters: Parameters, member: Membership, now: datetime) -> QuerySet[Any, Any]:
    deals = matching_opportunities(query=_query(parameters, member, now), now=now)
    return deals.order_by().values("lead").distinct()


def _file_rows(part: FilePart) -> tuple[list[ListedOpportunity], str | None]:
    query = _query(part.parameters, part.member, part.now)
    page = list_opportunities(query=query, now=part.now, cursor=part.cursor, size=part.size)
    return listed_opportunities(page.rows, lead_url=lambda _lead_id: ""), page.next_cursor


OPPORTUNITIES: Final = ListKind(
    key="opportunities",
    label=gettext_lazy("Opportunities"),
    url_name="opportunity-list",
    right="opportunity.read",
    parameters=PARAMETERS,
    columns=opportunity_columns,
    usual=lambda parameters: USUAL[read_outcome(parameters)],
    check=_check,
    words=_in_words,
    count=_count,
    file=column_file(
        name="opportunities",
        right="lead.export",
        columns=opportunity_columns,
        rows=_file_rows,
        count=lambda parameters, member, now: count_opportunities(
            query=_query(parameters, member, now), now=now
        ),
    ),
    leads=_leads,
)
