"""One company with its leads and deals, and its fields."""

from typing import Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from leads import companies
from leads.company_story import list_company_story
from leads.conditions.lead_facts import MINOR_UNITS
from leads.forms import ActForm, read_typed_amount
from leads.models import Company, OpportunityOutcome
from leads.money import money_words
from leads.rows import LeadRow, list_lead_rows
from leads.views.addresses import lead_addresses
from tenancy.errors import Problem
from tenancy.listing import (
    CURSOR,
    Column,
    Count,
    EmptyState,
    Listing,
    render_listing,
    show_number,
)
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

SHOWN_DEALS: Final = 10


class CompanyForm(ActForm):
    """The fields of a company; an emptied one is taken away."""

    name = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=200)
    domain = forms.CharField(label=gettext_lazy("Website"), required=False, max_length=253)
    cnpj = forms.CharField(label=gettext_lazy("CNPJ"), required=False, max_length=20)
    size = forms.IntegerField(label=gettext_lazy("Number of people"), required=False, min_value=0)
    revenue = forms.CharField(
        label=gettext_lazy("Yearly revenue"),
        required=False,
        max_length=24,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    industry = forms.CharField(label=gettext_lazy("Industry"), required=False, max_length=120)

    def clean_revenue(self) -> str:
        """The amount with a decimal point, whichever way it was written."""
        return read_typed_amount(self.cleaned_data["revenue"])


@tenant_page(right="lead.read")
@require_safe
def company_detail(request: TenantRequest, company_id: int) -> HttpResponse:
    """What is known of a company, its leads by stage, its deals, and what happened to its leads lately."""
    company = companies.get_company(company_id=company_id)
    numbers = companies.count_for(company_ids=[company_id])[company_id]
    page = companies.list_company_leads(company_id=company_id, cursor=request.GET.get(CURSOR, ""))
    url = lead_addresses("lead-detail", slug=request.tenant.slug)
    listing = Listing(
        key="company-leads",
        request=request,
        caption=_("Leads"),
        columns=_lead_columns(),
        rows=[(row, url(row.id)) for row in list_lead_rows(lead_ids=[lead.pk for lead in page.rows])],
        words=lambda n: ngettext("%(count)s lead", "%(count)s leads", n) % {"count": show_number(n)},
        count=Count(value=numbers.leads),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        empty=EmptyState(title=_("No lead works here"), icon="users"),
    )
    deals = companies.list_company_deals(company_id=company_id, limit=SHOWN_DEALS)
    context = {
        "company": company,
        "title": str(company) or company.cnpj or f"#{company.pk}",
        "numbers": numbers,
        "stages": companies.count_stages(company_id=company_id),
        "facts": _facts(company, request.tenant.currency),
        "sums": [_sum_words(each) for each in companies.sum_deals(company_id=company_id)],
        "deals": [(deal, money_words(deal.amount_minor, deal.currency)) for deal in deals],
        "can_edit": may(request.member, "company.edit"),
    }
    return render_listing(request, "leads/company_detail.html", context, listing=listing)


def _lead_columns() -> list[Column]:
    def name(row: tuple[LeadRow, str]) -> SafeString:
        link = format_html('<a href="{}">{}</a>', row[1], row[0].title)
        title = row[0].job_title or ""
        return format_html('{}<div class="small text-secondary text-truncate">{}</div>', link, title)

    return [
        Column(key="name", label=_("Name"), value=name, card="title"),
        Column(key="stage", label=_("Stage"), value=lambda row: row[0].stage.label),
        Column(key="score", label=_("Score"), value=lambda row: show_number(row[0].score), end=True),
        Column(key="grade", label=_("Grade"), value=lambda row: row[0].grade),
        Column(key="owner", label=_("Owner"), value=lambda row: row[0].owner),
    ]


def _facts(company: Company, currency: str) -> list[tuple[str, str]]:
    revenue = company.revenue_minor
    facts = [
        (_("Website"), company.domain or ""),
        (_("CNPJ"), company.cnpj or ""),
        (_("People"), show_number(company.size) if company.size is not None else ""),
        (_("Yearly revenue"), money_words(revenue, currency)),
        (_("Industry"), company.industry or ""),
    ]
    return [(label, value) for label, value in facts if value]


def _sum_words(each: companies.Deals) -> tuple[str, str, str]:
    """An outcome, how many deals, and what they are worth."""
    label = str(OpportunityOutcome(each.outcome).label)
    money = money_words(each.amount_minor or None, each.currency)
    return label, show_number(each.count), money


@tenant_page(right="lead.read")
@require_safe
def company_story(request: TenantRequest, company_id: int) -> HttpResponse:
    """What happened lately to the leads of a company; read when its part of the page is looked at."""
    company = companies.get_company(company_id=company_id)
    context = {"company": company, "entries": list_company_story(company_id=company_id)}
    return render(request, "leads/company_detail.html#story", context)


@tenant_page(right="company.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def company_edit(request: TenantRequest, company_id: int) -> HttpResponse:
    """Change what is known of a company."""
    company = companies.get_company(company_id=company_id)
    revenue = company.revenue_minor
    initial = {
        **{name: getattr(company, name) for name in ("name", "domain", "cnpj", "size", "industry")},
        "revenue": "" if revenue is None else f"{revenue / MINOR_UNITS:.2f}",
    }
    form = CompanyForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        try:
            with transaction.atomic():
                has_changed = companies.edit_company(
                    company_id=company_id,
                    values=values,
                    tenant=request.tenant,
                    by=request.member,
                    now=timezone.now(),
                )
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("Saved.") if has_changed else _("Nothing was changed."))
            return redirect("company-detail", slug=request.tenant.slug, company_id=company_id)
    context = {"form": form, "company": company}
    return render(request, "leads/company_form.html", context, status=422 if form.errors else 200)
