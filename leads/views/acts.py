"""Acts on a lead as people do them: which are offered now, asked for in a dialog or a page, and what is said when done."""

import json
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from leads.cards import LeadCard, get_card
from leads.forms import ActForm
from leads.models import Stage
from leads.views.act_pages import ACT_PAGES, ActPage, Doing, Text, Tone
from tenancy.errors import Forbidden, NotFound, Problem
from tenancy.fragments import Undo, trigger_toast
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may, require


@dataclass(frozen=True)
class ActOffer:
    """An act as one person sees it on one lead; ``hindrance`` says what is missing for it."""

    page: ActPage
    url: str
    label: Text
    asks: bool
    is_big: bool = False
    tone: Tone = "plain"
    hindrance: Text = ""


def list_offers(*, card: LeadCard, member: Membership, slug: str, back: str) -> list[ActOffer]:
    """The acts that this person may do on this lead now, the next one first and big."""
    offers: list[ActOffer] = []
    if not card.can_act:
        return offers
    for page in ACT_PAGES.values():
        if card.stage not in page.stages or not may(member, page.right):
            continue
        if page.name == "claim" and card.has_owner:
            continue
        if page.name == "release" and not (card.is_mine and card.standing.claimed_until):
            continue
        offers.append(_offer(page, card, member, slug=slug, back=back, is_first=not offers))
    return offers


def _offer(
    page: ActPage, card: LeadCard, member: Membership, *, slug: str, back: str, is_first: bool
) -> ActOffer:
    url = act_url(slug=slug, lead_id=card.lead.pk, act=page.name, back=back)
    label, asks, hindrance = page.label, page.form is not None, ""
    if page.name == "hand-over":
        asks = bool(card.missing)
        if card.stage == Stage.MARKETING_QUALIFIED:
            hindrance = _("Log a contact attempt first.")
        if card.missing:
            missing = _("Missing for handover: %(names)s") % {"names": card.missing_words}
            may_override = card.stage == Stage.WORKING and may(member, "lead.override")
            label = _("Hand over all the same") if may_override else label
            hindrance = "" if may_override else missing
    is_big = is_first or page.name == "hand-over"
    return ActOffer(page, url, label, asks, is_big, page.tone if is_big else "plain", hindrance)


def act_url(*, slug: str, lead_id: int, act: str, back: str) -> str:
    """Where an act is done; ``back`` is the page that its answer leads to."""
    url = reverse("lead-act", kwargs={"slug": slug, "lead_id": lead_id, "act": act})
    return f"{url}?{urlencode({'next': back})}" if back else url


@tenant_page(right="lead.read")
@require_http_methods(["GET", "HEAD", "POST"])
def lead_act(request: TenantRequest, lead_id: int, act: str) -> HttpResponse:
    """Ask what an act needs, do it, go on. A dialog for HTMX, a page of its own otherwise."""
    page = ACT_PAGES.get(act)
    if page is None:
        raise Http404
    now = timezone.now()
    card = get_card(lead_id=lead_id, member=request.member, now=now)
    # Don't ask for reasons that cannot be given.
    require(request.member, page.right)
    data = request.POST if request.method == "POST" else None
    form = page.form(card, data) if page.form else ActForm(data)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                said = page.run(Doing(lead_id, request.member, now, form.cleaned_data))
        except (Forbidden, NotFound):
            raise
        except Problem as problem:
            if page.form is None and is_fragment(request):
                raise
            form.add_problem(problem)
        else:
            return go_on(request, url=next_url(request, lead_id), said=said, undo=_undo(request, page, card))
    context = {"page": page, "card": card, "form": form, "back": next_url(request, lead_id)}
    template = "leads/lead_act.html#dialog" if is_fragment(request) else "leads/lead_act.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _undo(request: TenantRequest, page: ActPage, before: LeadCard) -> Undo | None:
    """What takes the act back, if anything truly does."""
    found = page.undo(before) if page.undo else None
    if found is None:
        return None
    act, values = found
    lead_id = before.lead.pk
    back = next_url(request, lead_id)
    return Undo(act_url(slug=request.tenant.slug, lead_id=lead_id, act=act, back=back), values)


def is_fragment(request: TenantRequest) -> bool:
    """Whether HTMX asks, and so needs a part of the page."""
    return request.headers.get("HX-Request") == "true"


def next_url(request: TenantRequest, lead_id: int) -> str:
    """The page an act leads back to: one of this tenant's, else the lead's own."""
    wanted = request.GET.get("next", "")
    is_ours = wanted.startswith(f"/t/{request.tenant.slug}/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts=None
    )
    return (
        wanted
        if is_ours
        else reverse("lead-detail", kwargs={"slug": request.tenant.slug, "lead_id": lead_id})
    )


def go_on(request: TenantRequest, *, url: str, said: Text, undo: Undo | None = None) -> HttpResponse:
    """Show the page that follows with what was done: HTMX swaps the main part alone, so that nothing jumps."""
    if not is_fragment(request):
        messages.success(request, str(said))
        return redirect(url)
    response = HttpResponse(status=204)
    response["HX-Location"] = json.dumps(
        {"path": url, "target": "#main", "select": "#main", "swap": "outerHTML"}
    )
    response["HX-Trigger"] = json.dumps({"act-done": {}})
    return trigger_toast(response, text=said, undo=undo)
