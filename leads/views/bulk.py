"""One act on many leads: what is to be done on which, how far it has come, what was not possible; stop, take back."""

from typing import Any, Final

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.saved_views.kinds import ListKind, get_kind
from leads.bulk.kinds import CONFIRMATION, BulkAct, InvalidBulkValues, get_bulk_act
from leads.bulk.runs import (
    AT_WORK,
    can_be_undone,
    count_leads_behind,
    get_bulk,
    list_refused,
    start_bulk,
    stop_bulk,
    undo_bulk,
)
from leads.models import BulkRun, BulkState
from leads.views.addresses import lead_addresses
from tenancy.fragments import answer_progress, poll_headers
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import require

PAGE: Final = "leads/bulk_detail.html"
REFUSED_SHOWN: Final = 100


class BulkForm(forms.Form):
    """What an act has to be told."""

    def __init__(self, data: Any = None, *, act: BulkAct, count_text: str = "") -> None:
        super().__init__(data)
        self._add_fields(act)
        if act.is_confirmed:
            self.fields[CONFIRMATION.name] = forms.CharField(
                label=_("To confirm, type the number of leads: %(count)s") % {"count": count_text or "—"},
                max_length=CONFIRMATION.most,
                widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
            )

    def _add_fields(self, act: BulkAct) -> None:
        for each in act.fields:
            options: dict[str, Any] = {"label": each.label, "required": each.is_required}
            if each.choices is not None:
                choices = [("", "—"), *each.choices()]
                self.fields[each.name] = forms.ChoiceField(choices=choices, **options)
                continue
            widget = forms.Textarea(attrs={"rows": 3}) if each.is_long else forms.TextInput()
            self.fields[each.name] = forms.CharField(max_length=each.most, widget=widget, **options)


@tenant_page(right="lead.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def bulk_new(request: TenantRequest, kind: str, act: str) -> HttpResponse:
    """What is to be done on the leads behind the rows that the address means. Raises NotAllowed, and what the list refuses."""
    chosen, listed, now = get_bulk_act(act), get_kind(kind), timezone.now()
    require(request.member, chosen.right)
    given = {name: request.GET[name] for name in listed.parameters if request.GET.get(name)}
    listed.check(given, request.member)
    count = count_leads_behind(kind=listed, parameters=given, by=request.member, now=now)
    count_text = "" if count is None else show_number(count)
    form = BulkForm(request.POST if request.method == "POST" else None, act=chosen, count_text=count_text)
    if form.is_bound and form.is_valid():
        try:
            run = start_bulk(
                act=chosen,
                values=form.cleaned_data,
                kind=listed,
                parameters=given,
                by=request.member,
                now=now,
                language=translation.get_language(),
            )
        except InvalidBulkValues as problem:
            for each in problem.errors:
                form.add_error(each.field, str(each.message))
        else:
            return redirect("bulk-detail", slug=request.tenant.slug, run_id=run.pk)
    context = {
        "act": chosen,
        "form": form,
        "kind": listed,
        "words": listed.words(given, request.member),
        "count": count,
        "count_text": count_text,
        "list_url": _listed(request, listed, given),
    }
    return render(request, "leads/bulk_new.html", context, status=422 if form.errors else 200)


@tenant_page(right="lead.edit")
@require_safe
def bulk_detail(request: TenantRequest, run_id: int) -> HttpResponse:
    """One run; while it is under way, the page asks how far it has come."""
    run = get_bulk(run_id=run_id, by=request.member)
    return answer_progress(
        request,
        page=PAGE,
        etag=_etag(run),
        is_over=run.state not in AT_WORK,
        context=lambda: _context(request, run),
    )


@tenant_page(right="lead.edit")
@require_POST
def bulk_stop(request: TenantRequest, run_id: int) -> HttpResponse:
    """Stop after the batch that is on its way."""
    stop_bulk(run=get_bulk(run_id=run_id, by=request.member), by=request.member, now=timezone.now())
    return redirect("bulk-detail", slug=request.tenant.slug, run_id=run_id)


@tenant_page(right="lead.edit")
@require_POST
def bulk_undo(request: TenantRequest, run_id: int) -> HttpResponse:
    """Take a run back. Raises NotToBeUndone."""
    run = get_bulk(run_id=run_id, by=request.member)
    undoing = undo_bulk(run=run, by=request.member, now=timezone.now())
    return redirect("bulk-detail", slug=request.tenant.slug, run_id=undoing.pk)


def _listed(request: TenantRequest, kind: ListKind, parameters: dict[str, str]) -> str:
    url = reverse(kind.url_name, kwargs={"slug": request.tenant.slug})
    return f"{url}?{urlencode(parameters)}" if parameters else url


def _etag(run: BulkRun) -> str:
    done = run.applied + run.unchanged + run.refused
    return f'"{run.pk}-{run.state}-{done}-{translation.get_language()}"'


def _context(request: TenantRequest, run: BulkRun) -> dict[str, Any]:
    done = run.applied + run.unchanged + run.refused
    seconds = (run.seen_at - run.made_at).total_seconds() if run.seen_at and done else 0.0
    page, kind = lead_addresses("lead-detail", slug=request.tenant.slug), get_kind(run.list_kind)
    refused = list_refused(run=run, limit=REFUSED_SHOWN) if run.refused and run.state not in AT_WORK else []
    return {
        "run": run,
        "is_at_work": run.state in AT_WORK,
        "is_choosing": run.state == BulkState.CHOOSING,
        "poll_headers": poll_headers(_etag(run)),
        "done": done,
        "done_text": show_number(done),
        "of_text": show_number(run.total),
        "rate": show_number(round(done / seconds)) if seconds >= 1 else "",
        "counts": [
            ("applied", show_number(run.applied)),
            ("unchanged", show_number(run.unchanged)),
            ("refused", show_number(run.refused)),
        ],
        "refused": [(row, page(row.lead_id)) for row in refused],
        "refused_more": run.refused > len(refused),
        "refused_shown": show_number(len(refused)),
        "can_be_undone": can_be_undone(run=run, now=timezone.now()),
        "undone_by": BulkRun.objects.filter(undoes=run).first(),
        "kind": kind,
        "list_url": _listed(request, kind, run.query),
    }
