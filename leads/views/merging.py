"""Duplicates: who may be the same person, two leads side by side, merging them and taking them apart again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads.listing import LeadListQuery, ListTooSlow, list_leads
from leads.merging import duplicates
from leads.merging.comparison import compare_leads
from leads.merging.merge import is_undoable, list_merges, merge_leads, undo_merge
from leads.models import DuplicateProposal, DuplicateReason, DuplicateSearch, Lead, LeadMerge
from leads.panels import Panel
from leads.rows import list_lead_rows
from leads.selectors import get_lead
from leads.views.acts import is_fragment
from tenancy.errors import Problem
from tenancy.fragments import Undo, trigger_toast
from tenancy.listing import CURSOR, show_number
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

PAGE: Final = "leads/duplicate_list.html"
MOST_COUNTED: Final = 1000
MOST_FOUND: Final = 10
CHOICE: Final = "field."


@dataclass(frozen=True)
class ShownMerge:
    """A merge, and whether it can still be undone."""

    merge: LeadMerge
    is_undoable: bool


@tenant_page(right="lead.merge")
@require_safe
def duplicate_list(request: TenantRequest) -> HttpResponse:
    """Pairs that may be the same person, the likeliest first; and what was merged lately."""
    return render(request, PAGE, _list_context(request))


def _list_context(request: TenantRequest) -> dict[str, Any]:
    tab = request.GET.get("show", "")
    tab = tab if tab in ("merged", "dismissed") else "open"
    count, search = duplicates.count_proposals(most=MOST_COUNTED + 1), duplicates.last_search()
    context: dict[str, Any] = {
        "tab": tab,
        "heading": _heading(count, search),
        "search": search,
        "query": request.GET.urlencode(),
    }
    if tab == "merged":
        return context | {"merges": shown_merges(list_merges(), timezone.now())}
    page = duplicates.list_proposals(cursor=request.GET.get(CURSOR, ""), is_dismissed=tab == "dismissed")
    return context | {
        "pairs": [_pair(proposal) for proposal in page.rows],
        "next_url": _page_url(request, page.next_cursor),
        "previous_url": _page_url(request, page.previous_cursor),
    }


def shown_merges(merges: list[LeadMerge], now: datetime) -> list[ShownMerge]:
    """Merges as pages show them."""
    return [ShownMerge(merge, is_undoable(merge, now=now)) for merge in merges]


def _heading(count: int, search: DuplicateSearch | None) -> str:
    if count > MOST_COUNTED:
        return _("More than %(n)s pairs may be the same person") % {"n": show_number(MOST_COUNTED)}
    if not count:
        return _("No duplicates in sight") if search is not None and search.finished_at else _("Duplicates")
    return ngettext("%(n)s pair may be the same person", "%(n)s pairs may be the same person", count) % {
        "n": show_number(count)
    }


def _pair(proposal: DuplicateProposal) -> dict[str, Any]:
    return {
        "proposal": proposal,
        "reasons": reason_words(proposal),
        "leads": (proposal.first, proposal.second),
    }


def reason_words(proposal: DuplicateProposal) -> str:
    """Why two leads may be the same, in words."""
    return ", ".join(str(DuplicateReason(reason).label) for reason in proposal.reasons)


def _page_url(request: TenantRequest, cursor: str | None) -> str:
    if cursor is None:
        return ""
    query = request.GET.copy()
    query[CURSOR] = cursor
    return f"{request.path}?{query.urlencode()}"


@tenant_page(right="lead.merge")
@require_POST
def duplicate_search(request: TenantRequest) -> HttpResponse:
    """Search now instead of at night."""
    duplicates.start_search(now=timezone.now())
    messages.success(request, _("The search has begun. Come back in a moment."))
    return redirect("duplicate-list", slug=request.tenant.slug)


@tenant_page(right="lead.merge")
@require_POST
def duplicate_dismiss(request: TenantRequest, proposal_id: int) -> HttpResponse:
    """These two are not the same person; the toast takes it back."""
    duplicates.dismiss_proposal(proposal_id=proposal_id, by=request.member, now=timezone.now())
    undo = Undo(reverse("duplicate-reopen", kwargs={"slug": request.tenant.slug, "proposal_id": proposal_id}))
    return _after(request, _("They will not be proposed again."), undo)


@tenant_page(right="lead.merge")
@require_POST
def duplicate_reopen(request: TenantRequest, proposal_id: int) -> HttpResponse:
    """They may be the same person after all."""
    duplicates.reopen_proposal(proposal_id=proposal_id, by=request.member)
    if is_fragment(request) and request.headers.get("HX-Target") != "duplicates":
        # From a toast, on whichever page that is.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return _after(request, _("The pair is proposed again."), None)


def _after(request: TenantRequest, words: str, undo: Undo | None) -> HttpResponse:
    if not is_fragment(request):
        messages.success(request, words)
        return redirect("duplicate-list", slug=request.tenant.slug)
    if request.headers.get("HX-Target") == "duplicates":
        response = render(request, f"{PAGE}#pairs", _list_context(request))
    else:
        response = HttpResponse()
    return trigger_toast(response, text=words, undo=undo)


@tenant_page(right="lead.merge")
@require_safe
def merge_choose(request: TenantRequest, lead_id: int) -> HttpResponse:
    """With which lead one is to be merged: the proposed ones, or any that is searched for."""
    lead = get_lead(lead_id=lead_id)
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    found: list[int] = []
    if text:
        try:
            found = list_leads(query=LeadListQuery(q=text, size=MOST_FOUND), now=timezone.now()).lead_ids
        except ListTooSlow as problem:
            messages.warning(request, str(problem.detail))
    else:
        proposed = duplicates.list_proposals_of(lead_id=lead_id)
        found = [each.first_id if each.second_id == lead_id else each.second_id for each in proposed]
    rows = list_lead_rows(lead_ids=[each for each in found if each != lead_id])
    context = {"lead": lead, "rows": rows, "text": text}
    template = "leads/merge_choose.html#found" if is_fragment(request) else "leads/merge_choose.html"
    return render(request, template, context)


@tenant_page(right="lead.merge")
@require_http_methods(["GET", "HEAD", "POST"])
def merge_compare(request: TenantRequest, lead_id: int, other_id: int) -> HttpResponse:
    """Two leads side by side: whose values stay, what moves; and merging them."""
    now = timezone.now()
    comparison = compare_leads(survivor_id=lead_id, loser_id=other_id)
    problem: Problem | None = None
    if request.method == "POST":
        choices = {
            name.removeprefix(CHOICE): request.POST[name] for name in request.POST if name.startswith(CHOICE)
        }
        try:
            with transaction.atomic():
                merge = merge_leads(
                    survivor_id=lead_id, loser_id=other_id, choices=choices, by=request.member, now=now
                )
        except Problem as refused:
            problem = refused
        else:
            words = _("%(loser)s is a part of this lead now. This can be undone for 30 days.")
            messages.success(request, words % {"loser": merge.loser_name})
            return redirect("lead-detail", slug=request.tenant.slug, lead_id=lead_id)
    context = {"comparison": comparison, "problem": problem, "choice": CHOICE}
    status = problem.status if problem else 200
    return render(request, "leads/merge.html", context, status=422 if status == 400 else status)


@tenant_page(right="lead.merge")
@require_POST
def merge_undo(request: TenantRequest, merge_id: int) -> HttpResponse:
    """Take two merged leads apart again."""
    try:
        with transaction.atomic():
            merge = undo_merge(merge_id=merge_id, by=request.member, now=timezone.now())
    except Problem as problem:
        if problem.status in (403, 404):
            raise
        messages.error(request, str(problem.detail))
        return redirect(f"{reverse('duplicate-list', kwargs={'slug': request.tenant.slug})}?show=merged")
    messages.success(request, _("%(name)s is a lead of its own again.") % {"name": merge.loser_name})
    return redirect("lead-detail", slug=request.tenant.slug, lead_id=merge.loser_id)


def panel_context(lead: Lead, member: Membership) -> dict[str, Any] | None:
    """Who may be the same person, and who was merged into the lead. None if there is nothing to show or do."""
    if not may(member, "lead.merge"):
        return None
    proposals = duplicates.list_proposals_of(lead_id=lead.pk)
    merges = list_merges(survivor_id=lead.pk, limit=5)
    return {
        "twins": [
            {
                "proposal": each,
                "other": each.first if each.second_id == lead.pk else each.second,
                "reasons": reason_words(each),
            }
            for each in proposals
        ],
        "merges": shown_merges([merge for merge in merges if not merge.undone_at], timezone.now()),
    }


DUPLICATES_PANEL: Final = Panel("duplicates", "leads/duplicates_panel.html", panel_context, order=5)
