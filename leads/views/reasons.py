"""The lists of reasons, in the settings."""

from typing import Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads import reason_lists
from leads.reasons import ReasonChoice, ReasonList
from leads.settings_forms import ReasonForm, way_of
from tenancy.errors import NotFound, Problem
from tenancy.models import Language
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

form_methods = require_http_methods(["GET", "HEAD", "POST"])
TITLES: Final[dict[ReasonList, Promise]] = {
    ReasonList.REJECT: gettext_lazy("Sales rejects an SQL"),
    ReasonList.LOSE: gettext_lazy("An opportunity is lost"),
    ReasonList.NURTURE: gettext_lazy("A lead is sent to nurture, or returned by sales"),
    ReasonList.DISQUALIFY: gettext_lazy("A lead is disqualified"),
}


@tenant_page(right="reason.manage")
@require_safe
def reasons(request: TenantRequest) -> HttpResponse:
    """The four lists, in the order in which people are offered them."""
    sequences = dict(reason_lists.list_sequences())
    lists = [
        {
            "which": which,
            "title": TITLES[which],
            "offered": [_row(choice, sequences) for choice in choices if not choice.is_retired],
            "retired": [_row(choice, sequences) for choice in choices if choice.is_retired],
        }
        for which, choices in reason_lists.read_lists().lists.items()
    ]
    return render(request, "leads/reason_lists.html", {"lists": lists})


@tenant_page(right="reason.manage")
@form_methods
def add_reason(request: TenantRequest, kind: str) -> HttpResponse:
    """A new reason at the end of a list."""
    chosen = _which(kind)
    form = ReasonForm(
        request.POST if request.method == "POST" else None,
        which=chosen,
        sequences=reason_lists.list_sequences(),
    )
    if request.method == "POST" and form.is_valid():
        target, sequence = form.way_out()
        try:
            reason_lists.add_reason(
                which=chosen,
                label=form.label(),
                target=target,
                sequence=sequence,
                by=request.member,
                now=timezone.now(),
            )
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The reason is added. It is offered from now on."))
            return redirect("reasons", slug=request.tenant.slug)
    return _form_page(request, form, chosen)


@tenant_page(right="reason.manage")
@form_methods
def change_reason(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """One reason: its words, where it leads, and the way off the list."""
    chosen = _which(kind)
    reason = reason_lists.get_reason(which=chosen, key=name)
    initial = {f"label_{code}": text for code, text in reason.label.texts} | {"leads_to": way_of(reason)}
    form = ReasonForm(
        request.POST if request.method == "POST" else None,
        which=chosen,
        sequences=reason_lists.list_sequences(),
        initial=initial,
    )
    if request.method == "POST" and form.is_valid():
        target, sequence = form.way_out()
        try:
            reason_lists.change_reason(
                which=chosen,
                key=name,
                label=form.label(),
                target=target,
                sequence=sequence,
                by=request.member,
                now=timezone.now(),
            )
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The reason is saved."))
            return redirect("reasons", slug=request.tenant.slug)
    return _form_page(request, form, chosen, reason)


@tenant_page(right="reason.manage")
@require_POST
def move_reason(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """One place up or down in its list."""
    reason_lists.move_reason(
        which=_which(kind),
        key=name,
        direction="up" if request.POST.get("direction") == "up" else "down",
        by=request.member,
        now=timezone.now(),
    )
    return redirect("reasons", slug=request.tenant.slug)


@tenant_page(right="reason.manage")
@require_POST
def retire_reason(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """Offer a reason no more."""
    try:
        reason_lists.retire_reason(which=_which(kind), key=name, by=request.member, now=timezone.now())
    except reason_lists.LastReason as problem:
        messages.error(request, str(problem.detail))
    else:
        messages.success(request, _("The reason is retired. Leads that carry it keep it."))
    return redirect("reasons", slug=request.tenant.slug)


@tenant_page(right="reason.manage")
@require_POST
def bring_back_reason(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """Offer a retired reason again."""
    reason_lists.bring_back_reason(which=_which(kind), key=name, by=request.member, now=timezone.now())
    messages.success(request, _("The reason is offered again."))
    return redirect("reasons", slug=request.tenant.slug)


def _which(name: str) -> ReasonList:
    if name not in list(ReasonList):
        raise NotFound(_("There is no such list of reasons."))
    return ReasonList(name)


def _row(choice: ReasonChoice, sequences: dict[str, str]) -> dict[str, object]:
    """A reason with where it leads in words, and the languages in which it has none."""
    if choice.sequence:
        leads_to = _("%(stage)s, in the sequence “%(sequence)s”") % {
            "stage": choice.target.label,
            "sequence": sequences.get(choice.sequence, choice.sequence),
        }
    elif choice.decides_marketing:
        leads_to = _("%(stage)s, marketing decides what comes next") % {"stage": choice.target.label}
    else:
        leads_to = str(choice.target.label)
    known = {code for code, _text in choice.label.texts}
    missing = [label for code, label in Language.choices if code not in known]
    return {"choice": choice, "leads_to": leads_to, "missing": ", ".join(str(each) for each in missing)}


def _form_page(
    request: TenantRequest, form: ReasonForm, which: ReasonList, reason: ReasonChoice | None = None
) -> HttpResponse:
    context = {"form": form, "which": which, "list_title": TITLES[which], "reason": reason}
    return render(request, "leads/reason.html", context, status=422 if form.errors else 200)
