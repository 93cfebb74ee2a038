"""The list of leads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.saved_views.kinds import ListKind, Parameters
from core.saved_views.showing import read_shown
from leads.clocks import list_urgent_faces
from leads.conditions.builder import builder_vocabulary
from leads.export_fields import LEAD_FILE
from leads.list_words import filter_chips, filter_words
from leads.listing import (
    LIST_PARAMETERS,
    MYSELF,
    InvalidListQuery,
    LeadListQuery,
    LeadPage,
    ListTooSlow,
    count_exactly,
    count_leads,
    count_on,
    list_leads,
    read_list_query,
)
from leads.matching import NOBODY, rows_to_count
from leads.models import Grade, Stage
from leads.row_details import list_details
from leads.rows import list_lead_rows
from leads.search import HINT as SEARCH_HINT
from leads.views.lead_columns import USUAL, lead_columns, listed_leads
from leads.views.marking import list_marking
from tenancy.errors import FieldProblem
from tenancy.listing import (
    Count,
    EmptyState,
    ListError,
    Listing,
    ListTabs,
    render_listing,
    show_number,
    too_slow,
)
from tenancy.models import MemberKind, Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

PAGE: Final = "leads/lead_list.html"
COUNT_PAGE: Final = "leads/lead_list_count.html"
COUNT_ID: Final = "leads-count"
FILTERS: Final = ("filter", "owner", "score_min", "grade_min", "origin")


@tenant_page(right="lead.read")
@require_safe
def lead_list(request: TenantRequest) -> HttpResponse:
    """Leads by stage, search, filters; the same query as the API's list."""
    now = timezone.now()
    shown = read_shown(request=request, kind=LEADS, member=request.member, slug=request.tenant.slug)
    given = shown.given
    problems: tuple[FieldProblem, ...] = ()
    error: ListError | None = None
    query, page = LeadListQuery(), LeadPage([], None, None)
    try:
        query = read_list_query(parameters=given, member=request.member)
        if request.headers.get("HX-Target") == COUNT_ID:
            return _counted(request, query, now)
        page = list_leads(query=query, now=now)
    except InvalidListQuery as invalid:
        problems = invalid.errors
        error = ListError(title=invalid.detail, text=" ".join(str(each.message) for each in problems))
    except ListTooSlow:
        error = too_slow()
    columns = shown.pick(known_columns := lead_columns())
    details = list_details(lead_ids=page.lead_ids, keys={column.key for column in columns})
    faces = list_urgent_faces(lead_ids=page.lead_ids, now=now)
    rows = listed_leads(list_lead_rows(lead_ids=page.lead_ids), faces, details, slug=request.tenant.slug)
    count = None if error else count_leads(query=query, now=now)
    chips = filter_chips(query, given)
    listing = Listing(
        key=LEADS.key,
        request=request,
        caption=_("Leads"),
        columns=columns,
        rows=rows,
        words=_words,
        count=count,
        heading=_heading(query, count),
        order=query.order,
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        search_label=_("Search name, e-mail, company, phone, id"),
        search_hint=SEARCH_HINT,
        chips=chips,
        filter_template="leads/lead_filter.html",
        filter_parameters=FILTERS,
        error=error,
        empty=_empty(request, query),
        everything_label=_("All leads"),
        marking=list_marking(
            request, LEADS, row_id=lambda row: row.lead.id, row_name=lambda row: row.lead.title
        ),
    )
    listing = shown.complete(listing, known_columns)
    listing = replace(listing, tabs=_tabs(listing, query))
    context = {
        "query": query,
        "builder": builder_vocabulary,
        "filter_text": given.get("filter", ""),
        "filter_errors": builder_errors(problems),
        "grades": [(grade.label, grade.label) for grade in reversed(Grade)],
        "people": _people,
        "given": given,
        "nobody": NOBODY,
        "myself": MYSELF,
    }
    return render_listing(request, PAGE, context, listing=listing)


def _counted(request: TenantRequest, query: LeadListQuery, now: datetime) -> HttpResponse:
    """How many there are, for a page that came before it was known."""
    count = count_on(query=query, now=now)
    listing = Listing(
        key=LEADS.key,
        request=request,
        columns=(),
        rows=(),
        words=_words,
        count=count,
        heading=_heading(query, count),
    )
    response = render(request, COUNT_PAGE, {"listing": listing})
    patch_vary_headers(response, ["HX-Request"])
    return response


def _check(parameters: Parameters, member: Membership) -> None:
    read_list_query(parameters=parameters, member=member)


def _in_words(parameters: Parameters, member: Membership) -> str:
    """What a view of the list shows; nothing where it is not known any more, such as a field that is gone."""
    try:
        return filter_words(read_list_query(parameters=parameters, member=member), dict(parameters))
    except InvalidListQuery as invalid:
        return str(invalid.detail)


def _count(parameters: Parameters, member: Membership, now: datetime) -> int | None:
    return count_exactly(query=read_list_query(parameters=parameters, member=member), now=now)


def _leads(parameters: Parameters, member: Membership, now: datetime) -> QuerySet[Any, Any]:
    query = read_list_query(parameters=parameters, member=member)
    return rows_to_count(query, now=now).order_by().values("pk")


LEADS: Final = ListKind(
    key="leads",
    label=gettext_lazy("Leads"),
    url_name="lead-list",
    right="lead.read",
    parameters=LIST_PARAMETERS,
    columns=lead_columns,
    usual=lambda _parameters: USUAL,
    check=_check,
    words=_in_words,
    count=_count,
    file=LEAD_FILE,
    leads=_leads,
)


def _words(count: int) -> str:
    return ngettext("%(count)s lead", "%(count)s leads", count) % {"count": show_number(count)}


def _heading(query: LeadListQuery, count: Count | None) -> str:
    if count is None:
        return _("Leads")
    words = _words(count.value)
    number = words if count.exact else _("%(count)s+ leads") % {"count": show_number(count.value)}
    stages = ", ".join(str(stage.label) for stage in query.stages)
    return _("%(leads)s in %(stages)s") % {"leads": number, "stages": stages} if stages else number


def _tabs(listing: Listing, query: LeadListQuery) -> ListTabs:
    """All stages, then each: the rest of the address stays."""
    everything = (_("All"), listing.url_with({"stage": ""}), not query.stages)
    stages = [
        (stage.label, listing.url_with({"stage": stage.value}), query.stages == (stage,)) for stage in Stage
    ]
    return ListTabs(label=_("Stages"), links=[everything, *stages])


def _people() -> list[tuple[int, str]]:
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).order_by("name", "pk")
    return list(people.values_list("pk", "name"))


def builder_errors(problems: Sequence[FieldProblem]) -> list[dict[str, str]]:
    """Where in the condition of a list's filter something is wrong, as the condition builder takes it."""
    return [
        {"path": each.field.removeprefix("filter").lstrip("."), "message": str(each.message)}
        for each in problems
        if each.field.startswith("filter")
    ]


def _empty(request: TenantRequest, query: LeadListQuery) -> EmptyState:
    if query.stages:
        stages = ", ".join(str(stage.label) for stage in query.stages)
        return EmptyState(
            title=_("No lead in %(stages)s") % {"stages": stages}, text=_("Leads come here as they move on.")
        )
    may_create = may(request.member, "lead.create")
    return EmptyState(
        title=_("No leads yet"),
        text=_("They come by forms, by the API, from files, or entered by hand."),
        icon="users",
        act_label=_("New lead") if may_create else "",
        act_url=reverse("lead-new", kwargs={"slug": request.tenant.slug}) if may_create else "",
    )
