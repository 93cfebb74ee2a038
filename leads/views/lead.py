"""One lead: its page, why it stands as it does, its assessment, its fields."""

import uuid
import zoneinfo
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads import acts
from leads.capture.editing import ERASABLE, change_tags, edit_lead
from leads.capture.receiving import Raw, Replay, receive_once
from leads.capture.submissions import GRACE, Answer, process_now, replayed
from leads.capture.values import normalise_time_zone
from leads.cards import LeadCard, get_card, list_consents, list_tags, proof_words
from leads.forms import LeadForm
from leads.merging.comparison import own_value
from leads.merging.merge import find_survivor
from leads.models import OPEN_STAGES, CustomValue, Lead, Seniority, Submission
from leads.panels import list_panels
from leads.selectors import LeadNotFound, get_lead, lead_json, origin_label
from leads.timeline import list_timeline
from leads.views.acts import is_fragment, list_offers
from leads.why import WhyPart, explain_part
from tenancy.components import Why, WhyInput, WhyRule
from tenancy.errors import FieldProblem, Problem
from tenancy.fragments import Undo, trigger_toast
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may
from tenancy.scope import tenant_scope

_VERDICTS = {"true": True, "false": False}


@tenant_page(right="lead.read")
@require_safe
def lead_detail(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Who the lead is, how it stands, what happened, what to do next."""
    now = timezone.now()
    try:
        card = get_card(lead_id=lead_id, member=request.member, now=now)
    except LeadNotFound:
        survivor_id = find_survivor(lead_id=lead_id)
        if survivor_id is None:
            raise
        messages.info(request, _("This lead was merged into the one that you see."))
        return redirect("lead-detail", slug=request.tenant.slug, lead_id=survivor_id)
    context = card_context(request, card, now=now, back=request.path) | {
        "panels": _panels(request, card.lead),
        "facts": _facts(card.lead),
        "consents": [(consent, proof_words(consent)) for consent in list_consents(lead_id=lead_id)],
    }
    return render(request, "leads/lead_detail.html", context)


def card_context(request: TenantRequest, card: LeadCard, *, now: datetime, back: str) -> dict[str, Any]:
    """What the parts of a lead need wherever they are shown: ``card``, its acts, whether answers may be given."""
    offers = list_offers(card=card, member=request.member, slug=request.tenant.slug, back=back)
    return {
        "card": card,
        "offers": offers,
        "can_assess": card.can_act and card.stage in OPEN_STAGES and may(request.member, "lead.qualify"),
        "advice": _advice(card, now),
        "back": back,
    }


def _advice(card: LeadCard, now: datetime) -> str:
    """What speaks for acting now, in a sentence; nothing if nothing does."""
    newest = next((entry for entry in card.timeline.entries if entry.points and entry.points > 0), None)
    parts = []
    if newest is not None and (now - newest.at).days < 7:
        parts.append(_("%(what)s %(ago)s ago") % {"what": newest.title, "ago": ago_words(now - newest.at)})
    if zone := normalise_time_zone(card.lead.time_zone or ""):
        local = now.astimezone(zoneinfo.ZoneInfo(zone))
        parts.append(_("it is %(time)s there") % {"time": local.strftime("%H:%M")})
    return "; ".join(parts)


def ago_words(span: Any) -> str:
    """How long ago, in its largest unit: "22 min", "3 h", "2 days"."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 60:
        return _("%(n)s min") % {"n": minutes}
    if minutes < 24 * 60:
        return _("%(n)s h") % {"n": minutes // 60}
    days = minutes // (24 * 60)
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": days}


def _panels(request: TenantRequest, lead: Lead) -> list[str]:
    """What the engines show of the lead, drawn."""
    drawn: list[str] = []
    for panel in list_panels():
        context = panel.context(lead, request.member)
        if context is not None:
            drawn.append(render_to_string(panel.template, {"lead": lead, **context}, request=request))
    return drawn


def _facts(lead: Lead) -> list[tuple[str, Any]]:
    """The fields that are known, with their labels, those of the tenant last; numbers and days as the reader writes them."""
    known = lead_json(lead_id=lead.pk)
    known["origin"] = origin_label(lead.origin)
    if known["seniority"] in Seniority.values:
        known["seniority"] = Seniority(known["seniority"]).label
    labels = {
        "email": _("E-mail"),
        "phone": _("Phone"),
        "seniority": _("Seniority"),
        "company_domain": _("Website"),
        "industry": _("Industry"),
        "cnpj": _("CNPJ"),
        "postal_code": _("Postal code"),
        "language": _("Language"),
        "time_zone": _("Time zone"),
        "origin": _("Origin"),
        "medium": _("Medium"),
        "campaign": _("Campaign"),
        "landing_page": _("Landing page"),
        "external_id": _("External id"),
    }
    facts: list[tuple[str, Any]] = [(label, known[name]) for name, label in labels.items() if known.get(name)]
    own = (
        CustomValue.objects.filter(lead=lead.pk).select_related("field").order_by("field__label", "field_id")
    )
    return [*facts, *((row.field.label, own_value(row)) for row in own)]


@tenant_page(right="lead.read")
@require_safe
def lead_story(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Older things that happened to a lead, from ``before`` on."""
    lead = get_lead(lead_id=lead_id)
    before = parse_datetime(request.GET.get("before", "").replace(" ", "+"))
    if before is None or timezone.is_naive(before):
        raise Http404
    page = list_timeline(lead_id=lead_id, before=before)
    return render(request, "leads/lead_detail.html#entries", {"lead": lead, "timeline": page})


@tenant_page(right="lead.read")
@require_safe
def lead_why(request: TenantRequest, lead_id: int, part: str) -> HttpResponse:
    """Why a lead stands as it does: the body of the side panel, or a page of its own."""
    lead = get_lead(lead_id=lead_id)
    try:
        found = explain_part(part=part, lead_id=lead_id, now=timezone.now())
    except KeyError:
        raise Http404 from None
    context = {"lead": lead, "answers": [as_why(each) for each in found]}
    template = "leads/lead_why.html#answers" if is_fragment(request) else "leads/lead_why.html"
    return render(request, template, context)


def as_why(part: WhyPart) -> Why:
    """An engine's answer as the panel draws it."""
    return Why(
        title=part.title,
        result=part.words or part.result,
        version=_("Version %(number)s") % {"number": part.version} if part.version else "",
        at=part.at,
        rules=[
            WhyRule(
                label=rule.label,
                verdict=_VERDICTS.get(rule.verdict),
                effect=rule.effect,
                inputs=[WhyInput(label=each["label"], value=each["value"]) for each in rule.inputs],
            )
            for rule in part.rules
        ],
        smallest_change=part.smallest_change,
    )


@tenant_page(right="lead.qualify")
@require_POST
def lead_assess(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Keep one answer; the assessment and the acts are shown anew, for a handover may have become possible."""
    now = timezone.now()
    met = {"yes": True, "no": False}.get(request.POST.get("met", ""))
    answer = {"met": met, "note": request.POST.get("note", "").strip()}
    framework, question = request.POST.get("framework", ""), request.POST.get("question", "")
    with transaction.atomic():
        acts.assess(
            lead_id=lead_id, framework=framework, answers={question: answer}, by=request.member, now=now
        )
    back = request.POST.get("back", "")
    if not back.startswith(f"/t/{request.tenant.slug}/"):
        back = reverse("lead-detail", kwargs={"slug": request.tenant.slug, "lead_id": lead_id})
    if not is_fragment(request):
        messages.success(request, _("The answer is kept."))
        return redirect(back)
    card = get_card(lead_id=lead_id, member=request.member, now=now)
    context = card_context(request, card, now=now, back=back) | {"shown_framework": framework}
    return render(request, "leads/lead_side.html", context)


@tenant_page(right="lead.edit")
@require_POST
def lead_tags(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Add tags to a lead or take one off; ``tags``, several apart by commas, replaces them all."""
    before = list_tags(lead_id=lead_id)
    if "tags" in request.POST:
        tags = request.POST["tags"].split(",")
    elif "remove" in request.POST:
        tags = [tag for tag in before if tag != request.POST["remove"]]
    else:
        tags = [*before, *request.POST.get("add", "").split(",")]
    change_tags(lead_id=lead_id, tags=tags, by=request.member, now=timezone.now())
    card = get_card(lead_id=lead_id, member=request.member, now=timezone.now())
    if not is_fragment(request):
        return redirect("lead-detail", slug=request.tenant.slug, lead_id=lead_id)
    response = render(request, "leads/lead_detail.html#tags", {"card": card})
    undo = Undo(request.path, {"tags": ",".join(before)}) if before != card.tags else None
    return trigger_toast(response, text=_("Tags are saved."), undo=undo)


@tenant_page(right="lead.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def lead_edit(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Change a lead's fields; an emptied field is taken away where that is possible."""
    lead = get_lead(lead_id=lead_id)
    known = lead_json(lead_id=lead_id)
    initial = {name: known.get(name) for name in LeadForm.base_fields if name != "tags"}
    initial["origin"] = origin_label(lead.origin)
    form = LeadForm(request.POST or None, initial=initial)
    del form.fields["tags"]
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                has_changed = edit_lead(
                    lead_id=lead_id,
                    values=changed_values(form, initial),
                    erase=[
                        name for name in ERASABLE if initial.get(name) and not form.cleaned_data.get(name)
                    ],
                    tenant=request.tenant,
                    by=request.member,
                    now=timezone.now(),
                )
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("Saved.") if has_changed else _("Nothing was changed."))
            return redirect("lead-detail", slug=request.tenant.slug, lead_id=lead_id)
    context = {"form": form, "lead": lead}
    return render(request, "leads/lead_form.html", context, status=422 if form.errors else 200)


def changed_values(form: LeadForm, initial: dict[str, Any]) -> dict[str, Any]:
    """What was filled in otherwise than it stood, so that what somebody else changed meanwhile stays."""
    return {name: value for name, value in form.payload().items() if value != initial.get(name)}


@tenant_page(right="lead.create")
@require_http_methods(["GET", "HEAD", "POST"])
def lead_new(request: TenantRequest) -> HttpResponse:
    """Enter a lead by hand: kept raw first, then taken in; one that is known already is said so and updated."""
    if request.method != "POST":
        context = {"form": LeadForm(), "sending": uuid.uuid4().hex}
        return render(request, "leads/lead_form.html", context)
    form = LeadForm(request.POST)
    sending = request.POST.get("sending", "")[:64]
    if form.is_valid():
        try:
            answer = _take_in(request, form, sending)
        except Problem as problem:
            form.add_problem(problem)
        else:
            if answer.status < 300:
                return _after_intake(request, answer)
            for error in answer.body.get("errors", []):
                form.add_problem(
                    Problem(
                        error["message"],
                        errors=[FieldProblem(error["field"], error["code"], error["message"])],
                    )
                )
            if not form.errors:
                form.add_error(None, answer.body["detail"])
    with tenant_scope(request.tenant.pk):
        context = {"form": form, "sending": uuid.uuid4().hex}
        return render(request, "leads/lead_form.html", context, status=422)


lead_new.own_transactions = frozenset({"POST"})  # type: ignore[attr-defined]


def _take_in(request: TenantRequest, form: LeadForm, sending: str) -> Answer:
    """Receive and process what was typed; the same form sent twice is taken in once."""
    now = timezone.now()
    raw = Raw(
        payload=form.payload(),
        source=Submission.Source.MANUAL,
        member_id=request.member.pk,
        idempotency_key=f"manual:{request.member.pk}:{sending}" if sending else None,
    )
    received = receive_once(tenant_id=request.tenant.pk, raw=raw, now=now, due_at=now + GRACE)
    if isinstance(received, Replay):
        return replayed(received)
    [answer] = process_now(tenant=request.tenant, submission_ids=[received], now=now)
    return answer


def _after_intake(request: TenantRequest, answer: Answer) -> HttpResponse:
    if answer.status == 202:
        messages.warning(
            request, _("Kept, but not processed yet. An administrator sees it among the held leads.")
        )
        return redirect("lead-list", slug=request.tenant.slug)
    words = {
        "new": _("The lead is captured."),
        "updated": _("This lead was known already. What you entered is added to it."),
        "unchanged": _("This lead was known already, with just these details."),
    }
    messages.success(request, words[answer.body["outcome"]])
    return redirect("lead-detail", slug=request.tenant.slug, lead_id=answer.body["id"])
