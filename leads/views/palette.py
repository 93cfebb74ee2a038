"""The command palette: leads, pages and acts by a few letters, from wherever one is."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from leads.capture.values import fold_text
from leads.companies import CompaniesTooSlow, CompanyQuery, list_companies
from leads.listing import MAX_SEARCH_LENGTH, LeadListQuery, ListTooSlow, list_leads
from leads.rows import list_lead_rows
from tenancy.navigation import list_navigation
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

MOST_LEADS: Final = 6
MOST_COMPANIES: Final = 4
Text = str | Promise


@dataclass(frozen=True)
class PaletteEntry:
    """Somewhere to go."""

    label: Text
    url: str
    icon: str
    detail: Text = ""


@dataclass(frozen=True)
class _Act:
    label: Text
    icon: str
    url_name: str
    right: str


_ACTS: Final = (
    _Act(gettext_lazy("New lead"), "plus", "lead-new", "lead.create"),
    _Act(gettext_lazy("Invite somebody"), "user-plus", "invite", "member.manage"),
    _Act(gettext_lazy("New team"), "users-group", "create_team", "team.manage"),
    _Act(gettext_lazy("New API key"), "key", "create_key", "key.manage"),
)


@tenant_page(right="home.read")
@require_safe
def palette(request: TenantRequest) -> HttpResponse:
    """What a few letters may mean; without any, everything one may open or begin."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_SEARCH_LENGTH]
    groups = [
        (_("Leads"), _leads(request, text)),
        (_("Companies"), _companies(request, text)),
        (_("Pages"), _pages(request, text)),
        (_("Acts"), _acts(request, text)),
    ]
    context = {"groups": [(label, entries) for label, entries in groups if entries], "text": text}
    return render(request, "leads/palette.html", context)


def _leads(request: TenantRequest, text: str) -> list[PaletteEntry]:
    if not text or not may(request.member, "lead.read"):
        return []
    try:
        found = list_leads(query=LeadListQuery(q=text, size=MOST_LEADS), now=timezone.now())
    except ListTooSlow:
        return []
    return [
        PaletteEntry(
            row.title,
            reverse("lead-detail", kwargs={"slug": request.tenant.slug, "lead_id": row.id}),
            "user",
            " · ".join(part for part in (row.company, str(row.stage.label)) if part),
        )
        for row in list_lead_rows(lead_ids=found.lead_ids)
    ]


def _companies(request: TenantRequest, text: str) -> list[PaletteEntry]:
    if not fold_text(text) or not may(request.member, "lead.read"):
        return []
    try:
        found = list_companies(query=CompanyQuery(q=text), now=timezone.now(), size=MOST_COMPANIES).rows
    except CompaniesTooSlow:
        return []
    return [
        PaletteEntry(
            str(company),
            reverse("company-detail", kwargs={"slug": request.tenant.slug, "company_id": company.pk}),
            "building",
            company.domain or "",
        )
        for company in found
    ]


def _pages(request: TenantRequest, text: str) -> list[PaletteEntry]:
    return [
        PaletteEntry(item.label, _url(request, item.url_name), item.icon)
        for item in list_navigation()
        if may(request.member, item.right) and _is_meant(item.label, text)
    ]


def _acts(request: TenantRequest, text: str) -> list[PaletteEntry]:
    return [
        PaletteEntry(act.label, _url(request, act.url_name), act.icon)
        for act in _ACTS
        if may(request.member, act.right) and _is_meant(act.label, text)
    ]


def _url(request: TenantRequest, name: str) -> str:
    return reverse(name, kwargs={"slug": request.tenant.slug})


def _is_meant(label: Text, text: str) -> bool:
    return fold_text(text) in fold_text(str(label))
