"""The list of companies, with what their leads come to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.saved_views.showing import read_shown
from leads import companies
from leads.companies import CompanyNumbers, CompanyQuery, list_companies, matching_companies
from leads.conditions.builder import builder_vocabulary
from leads.conditions.describe import describe_condition
from leads.conditions.lead_facts import MINOR_UNITS
from leads.listing import InvalidListQuery, read_condition, read_ids
from leads.models import Company, Lead
from leads.views.lists import builder_errors
from leads.views.marking import list_marking
from leads.views.row_lists import RowList
from tenancy.errors import FieldProblem
from tenancy.listing import (
    SEARCH,
    Column,
    Count,
    EmptyState,
    FilterChip,
    Listing,
    render_listing,
    show_number,
)
from tenancy.markup import day
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/company_list.html"
PARAMETERS: Final = ("q", "ids", "filter", "order")
USUAL: Final = ("name", "industry", "size", "leads", "open", "customers", "created")


@dataclass(frozen=True)
class ListedCompany:
    """One row: the company, what its leads come to, its page."""

    company: Company
    numbers: CompanyNumbers
    url: str

    @property
    def title(self) -> str:
        return str(self.company) or self.company.cnpj or f"#{self.company.pk}"


@tenant_page(right="lead.read")
@require_safe
def company_list(request: TenantRequest) -> HttpResponse:
    """Companies by name, with what their leads come to."""
    now = timezone.now()
    shown = read_shown(request=request, kind=COMPANIES, member=request.member, slug=request.tenant.slug)
    given = shown.given
    answer = ROWS.answer(given, request.member, now)
    columns = _columns()
    listing = Listing(
        key="companies",
        request=request,
        caption=_("Companies"),
        columns=columns,
        rows=_rows(answer.page.rows, request.tenant.slug),
        words=_words,
        count=answer.count,
        heading=_heading(answer.count),
        order=answer.query.order if answer.query else "",
        next_cursor=answer.page.next_cursor,
        previous_cursor=answer.page.previous_cursor,
        search_label=_("Search name or website"),
        chips=answer.chips,
        filter_template="leads/company_filter.html",
        filter_parameters=["filter"],
        error=answer.error,
        empty=EmptyState(
            title=_("No companies yet"),
            text=_("They come with their leads: by name, website, CNPJ, or a business e-mail."),
            icon="building",
        ),
        everything_label=_("All companies"),
        marking=list_marking(
            request, COMPANIES, row_id=lambda row: row.company.pk, row_name=lambda row: row.title
        ),
    )
    listing = shown.complete(listing, columns)
    context = {
        "builder": builder_vocabulary,
        "filter_text": given.get("filter", ""),
        "filter_errors": builder_errors(answer.problems),
    }
    return render_listing(request, PAGE, context, listing=listing)


def _read_query(given: Mapping[str, str], _member: Membership, _now: datetime) -> CompanyQuery:
    problems: list[FieldProblem] = []
    order = given.get("order", "")
    query = CompanyQuery(
        q=given.get(SEARCH, ""),
        condition=read_condition(given.get("filter") or None, problems),
        ids=read_ids(given["ids"], problems) if given.get("ids") else None,
        order=order if order in companies.ORDERS else "name",
    )
    if problems:
        raise InvalidListQuery(_("The list cannot be shown like this."), errors=problems)
    return query


def _rows(found: Sequence[Company], slug: str) -> list[ListedCompany]:
    numbers = companies.count_for(company_ids=[company.pk for company in found])
    return [
        ListedCompany(
            company,
            numbers[company.pk],
            reverse("company-detail", kwargs={"slug": slug, "company_id": company.pk}),
        )
        for company in found
    ]


def _heading(count: Count | None) -> str:
    if count is None:
        return _("Companies")
    return _words(count.value) if count.exact else _("1,000+ companies")


def _words(n: int) -> str:
    return ngettext("%(n)s company", "%(n)s companies", n) % {"n": show_number(n)}


def _chips(query: CompanyQuery) -> list[FilterChip]:
    chips = []
    if query.condition is not None:
        words = _("With a lead: %(condition)s") % {"condition": describe_condition(query.condition)}
        chips.append(FilterChip(label=words, without=["filter"]))
    if query.ids is not None:
        marked = ngettext("%(n)s marked company", "%(n)s marked companies", len(query.ids))
        chips.append(FilterChip(label=marked % {"n": show_number(len(query.ids))}, without=["ids"]))
    return chips


def _columns() -> list[Column]:
    fact = partial(_fact, card="hidden")
    return [
        Column(
            key="name",
            label=_("Name"),
            value=_name,
            plain=lambda row: row.title,
            sort="name",
            card="title",
        ),
        _fact("industry", _("Industry"), lambda row: row.company.industry, card="line"),
        _number("size", _("People"), lambda row: row.company.size, sort="size"),
        _number("leads", _("Leads"), lambda row: row.numbers.leads),
        _number("open", _("Open opportunities"), lambda row: row.numbers.open_opportunities),
        _number("customers", _("Customers"), lambda row: row.numbers.customers),
        Column(
            key="created",
            label=_("Known since"),
            value=lambda row: day(row.company.created_at),
            plain=lambda row: row.company.created_at,
            sort="created_at",
            descending_first=True,
            end=True,
        ),
        fact("domain", _("Website"), lambda row: row.company.domain),
        fact("cnpj", _("CNPJ"), lambda row: row.company.cnpj),
        _number("revenue", _("Yearly revenue"), _revenue),
        fact("company_id", _("Company id"), lambda row: str(row.company.pk)),
    ]


def _fact(key: str, label: str, read: Callable[[ListedCompany], Any], card: Any = "pair") -> Column:
    return Column(key=key, label=label, value=read, plain=read, card=card)


def _number(key: str, label: str, read: Callable[[ListedCompany], Any], *, sort: str = "") -> Column:
    return Column(
        key=key,
        label=label,
        value=lambda row: show_number(number) if (number := read(row)) else "",
        plain=read,
        sort=sort,
        descending_first=True,
        end=True,
    )


def _revenue(row: ListedCompany) -> Decimal | None:
    minor = row.company.revenue_minor
    return None if minor is None else Decimal(minor) / MINOR_UNITS


def _name(row: ListedCompany) -> SafeString:
    name = format_html('<a href="{}">{}</a>', row.url, row.title)
    if not (row.company.domain and row.company.name):
        return name
    return format_html('{}<div class="small text-secondary text-truncate">{}</div>', name, row.company.domain)


ROWS: Final = RowList[CompanyQuery, Company](
    read=_read_query,
    matching=lambda query, now: matching_companies(query=query, now=now),
    page=lambda query, now, cursor, size: list_companies(query=query, now=now, cursor=cursor, size=size),
    is_fast=lambda query: query.is_fast,
    chips=_chips,
    search=lambda query: [f"“{query.q}”"] if query.q else [],
    leads=lambda found: Lead.objects.filter(company__in=found.values("pk")).order_by().values("pk"),
    listed=lambda found: _rows(found, slug="-"),
)
COMPANIES: Final = ROWS.kind(
    key="companies",
    label=gettext_lazy("Companies"),
    url_name="company-list",
    right="lead.read",
    parameters=PARAMETERS,
    columns=_columns,
    usual=lambda _parameters: USUAL,
)
