"""The acts on a lead as pages: which are offered, what they ask, and what is said when they are done."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_http_methods

from leads import acts
from leads.cards import LeadCard, get_card
from leads.forms import ActForm, AssignForm, AttemptForm, OverrideForm, ReasonForm, WinForm, WordsForm
from leads.lifecycle import MOVES
from leads.models import ContactAttempt, MoveAct, Stage
from leads.ownership import function_of
from tenancy.errors import Forbidden, NotFound, Problem
from tenancy.fragments import trigger_toast
from tenancy.models import MemberKind, Membership, Role
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may, require

Text = str | Promise
Tone = Literal["primary", "success", "danger", "plain"]
# The same attempt sent twice within this time is one.
TWICE: Final = timedelta(seconds=10)

MQL, WORKING = Stage.MARKETING_QUALIFIED, Stage.WORKING


@dataclass(frozen=True)
class Doing:
    """An act being done: by whom, when, with what was typed."""

    lead_id: int
    by: Membership
    now: datetime
    data: Mapping[str, Any]

    def text(self, name: str) -> str:
        return str(self.data.get(name) or "")

    @property
    def common(self) -> dict[str, Any]:
        """What every act takes."""
        return {"lead_id": self.lead_id, "by": self.by, "now": self.now}


@dataclass(frozen=True)
class ActPage:
    """One act: its words, where it is possible, what it asks (``form``; None is one press), how it is done.

    ``run`` does it and returns what to say.
    """

    name: str
    label: Text
    right: str
    stages: frozenset[Stage]
    form: Callable[[LeadCard, Any], ActForm] | None
    run: Callable[[Doing], Text]
    key: str
    icon: str
    submit: Text = ""
    tone: Tone = "plain"
    explanation: Text = ""


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


def _with_reason(act: MoveAct) -> Callable[[LeadCard, Any], ActForm]:
    def build(card: LeadCard, data: Any) -> ActForm:
        return ReasonForm(data, reasons=card.reasons, act=act)

    return build


def _build_nurture(card: LeadCard, data: Any) -> ActForm:
    return ReasonForm(data, reasons=card.reasons, act=MoveAct.NURTURE)


def _build_attempt(card: LeadCard, data: Any) -> ActForm:
    return AttemptForm(data)


def _build_words(card: LeadCard, data: Any) -> ActForm:
    return WordsForm(data)


def _build_hand_over(card: LeadCard, data: Any) -> ActForm:
    return OverrideForm(data) if card.missing else ActForm(data)


def _build_win(card: LeadCard, data: Any) -> ActForm:
    return WinForm(data, currency=card.lead.tenant.currency)


def _build_assign(card: LeadCard, data: Any) -> ActForm:
    return AssignForm(data, people=list_assignable(stage=card.stage))


def list_assignable(*, stage: Stage) -> list[Membership]:
    """The people who may own a lead in this stage, by name."""
    function = function_of(stage)
    if function is None:
        return []
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True)
    by_role = [people.filter(roles__contains=[role]) for role in (function.value, Role.ADMIN.value)]
    return sorted(
        {person for group in by_role for person in group}, key=lambda person: person.name.casefold()
    )


def _run_attempt(doing: Doing) -> Text:
    twin = ContactAttempt.objects.filter(
        lead=doing.lead_id,
        actor=doing.by,
        at__gt=doing.now - TWICE,
        channel=doing.text("channel"),
        outcome=doing.text("outcome"),
        note=doing.text("note").strip(),
    )
    if not twin.exists():
        acts.log_attempt(
            **doing.common,
            channel=doing.text("channel"),
            outcome=doing.text("outcome"),
            note=doing.text("note"),
        )
    return _("Attempt logged: %(outcome)s") % {"outcome": ContactAttempt.Outcome(doing.text("outcome")).label}


def _run_claim(doing: Doing) -> Text:
    until = acts.claim(**doing.common)
    minutes = max(0, round((until - doing.now).total_seconds() / 60))
    return _("The lead is yours for %(minutes)s minutes; your first act keeps it.") % {"minutes": minutes}


def _run_hand_over(doing: Doing) -> Text:
    acts.hand_over(**doing.common, override_reason=doing.text("override_reason"))
    return _("Handed over to sales.")


def _run_accept(doing: Doing) -> Text:
    acts.accept(**doing.common)
    return _("Accepted: it is an opportunity now.")


def _run_reject(doing: Doing) -> Text:
    acts.reject(**doing.common, reason=doing.text("reason"), note=doing.text("note"))
    return _("Rejected. The SDR and marketing are told why.")


def _run_win(doing: Doing) -> Text:
    acts.win(**doing.common, amount=doing.text("amount"), currency=doing.text("currency"))
    return _("Won. Congratulations!")


def _run_lose(doing: Doing) -> Text:
    acts.lose(**doing.common, reason=doing.text("reason"), note=doing.text("note"))
    return _("Lost, with its reason.")


def _run_nurture(doing: Doing) -> Text:
    acts.nurture(**doing.common, reason=doing.text("reason"), note=doing.text("note"))
    return _("Sent to nurture.")


def _run_disqualify(doing: Doing) -> Text:
    acts.disqualify(**doing.common, reason=doing.text("reason"), note=doing.text("note"))
    return _("Disqualified.")


def _run_promote(doing: Doing) -> Text:
    acts.promote(**doing.common, reason=doing.text("reason"))
    return _("Promoted to MQL.")


def _run_reopen(doing: Doing) -> Text:
    acts.reopen(**doing.common, reason=doing.text("reason"))
    return _("Reopened as new.")


def _run_assign(doing: Doing) -> Text:
    member = acts.assign(**doing.common, user=doing.text("user"))
    return _("%(name)s has the lead now.") % {"name": member.name}


# In the order of the buttons: the first one that is possible is the next act.
ACT_PAGES: Final[dict[str, ActPage]] = {
    page.name: page
    for page in (
        ActPage(
            name="attempt",
            label=gettext_lazy("Log a call"),
            right="lead.qualify",
            stages=frozenset({MQL, WORKING}),
            form=_build_attempt,
            run=_run_attempt,
            key="c",
            icon="phone-call",
            submit=gettext_lazy("Log it"),
            tone="primary",
        ),
        ActPage(
            name="hand-over",
            label=gettext_lazy("Hand over to sales"),
            right="lead.qualify",
            stages=frozenset({MQL, WORKING}),
            form=_build_hand_over,
            run=_run_hand_over,
            key="h",
            icon="arrow-forward-up",
            submit=gettext_lazy("Hand over"),
            tone="success",
        ),
        ActPage(
            name="accept",
            label=gettext_lazy("Accept"),
            right="lead.sell",
            stages=MOVES[MoveAct.ACCEPT][0],
            form=None,
            run=_run_accept,
            key="a",
            icon="check",
            tone="primary",
        ),
        ActPage(
            name="reject",
            label=gettext_lazy("Reject"),
            right="lead.sell",
            stages=MOVES[MoveAct.REJECT][0],
            form=_with_reason(MoveAct.REJECT),
            run=_run_reject,
            key="r",
            icon="x",
            submit=gettext_lazy("Reject"),
            explanation=gettext_lazy("The SDR and marketing see the reason."),
        ),
        ActPage(
            name="win",
            label=pgettext_lazy("act on an opportunity", "Win"),
            right="lead.sell",
            stages=MOVES[MoveAct.WIN][0],
            form=_build_win,
            run=_run_win,
            key="w",
            icon="trophy",
            submit=gettext_lazy("It is won"),
            tone="primary",
        ),
        ActPage(
            name="lose",
            label=pgettext_lazy("act on an opportunity", "Lose"),
            right="lead.sell",
            stages=MOVES[MoveAct.LOSE][0],
            form=_with_reason(MoveAct.LOSE),
            run=_run_lose,
            key="l",
            icon="mood-sad",
            submit=gettext_lazy("It is lost"),
        ),
        ActPage(
            name="promote",
            label=gettext_lazy("Promote to MQL"),
            right="lead.move",
            stages=MOVES[MoveAct.PROMOTE][0],
            form=_build_words,
            run=_run_promote,
            key="p",
            icon="stairs-up",
            submit=gettext_lazy("Promote"),
            tone="primary",
        ),
        ActPage(
            name="reopen",
            label=gettext_lazy("Reopen"),
            right="lead.move",
            stages=MOVES[MoveAct.REOPEN][0],
            form=_build_words,
            run=_run_reopen,
            key="o",
            icon="recycle",
            submit=gettext_lazy("Reopen"),
            tone="primary",
        ),
        ActPage(
            name="claim",
            label=gettext_lazy("Claim"),
            right="queue.work",
            stages=frozenset({MQL, WORKING}),
            form=None,
            run=_run_claim,
            key="x",
            icon="hand-stop",
        ),
        ActPage(
            name="nurture",
            label=gettext_lazy("Nurture"),
            right="lead.move",
            stages=MOVES[MoveAct.NURTURE][0],
            form=_build_nurture,
            run=_run_nurture,
            key="n",
            icon="recycle",
            submit=gettext_lazy("Send to nurture"),
        ),
        ActPage(
            name="disqualify",
            label=gettext_lazy("Disqualify"),
            right="lead.move",
            stages=MOVES[MoveAct.DISQUALIFY][0],
            form=_with_reason(MoveAct.DISQUALIFY),
            run=_run_disqualify,
            key="d",
            icon="ban",
            submit=gettext_lazy("Disqualify"),
            tone="danger",
        ),
        ActPage(
            name="assign",
            label=gettext_lazy("Assign"),
            right="lead.assign",
            stages=frozenset(stage for stage in Stage if function_of(stage) is not None),
            form=_build_assign,
            run=_run_assign,
            key="s",
            icon="user-check",
            submit=gettext_lazy("Assign"),
        ),
    )
}


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
        offers.append(_offer(page, card, member, slug=slug, back=back, is_first=not offers))
    return offers


def _offer(
    page: ActPage, card: LeadCard, member: Membership, *, slug: str, back: str, is_first: bool
) -> ActOffer:
    url = act_url(slug=slug, lead_id=card.lead.pk, act=page.name, back=back)
    label, asks, hindrance = page.label, page.form is not None, ""
    if page.name == "hand-over":
        asks = bool(card.missing)
        if card.stage == MQL:
            hindrance = _("Log a contact attempt first.")
        if card.missing:
            missing = _("Missing for handover: %(names)s") % {"names": card.missing_words}
            may_override = card.stage == WORKING and may(member, "lead.override")
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
            return go_on(request, url=next_url(request, lead_id), said=said)
    context = {"page": page, "card": card, "form": form, "back": next_url(request, lead_id)}
    template = "leads/lead_act.html#dialog" if is_fragment(request) else "leads/lead_act.html"
    return render(request, template, context, status=422 if form.errors else 200)


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


def go_on(request: TenantRequest, *, url: str, said: Text) -> HttpResponse:
    """Show the page that follows with what was done: HTMX swaps the main part alone, so that nothing jumps."""
    if not is_fragment(request):
        messages.success(request, str(said))
        return redirect(url)
    response = HttpResponse(status=204)
    response["HX-Location"] = json.dumps(
        {"path": url, "target": "#main", "select": "#main", "swap": "outerHTML"}
    )
    response["HX-Trigger"] = json.dumps({"act-done": {}})
    return trigger_toast(response, text=said)
