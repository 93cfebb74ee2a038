"""What administrators do with people's data: erase a person with proof, give out what is stored of one."""

from typing import Final

from django import forms
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads.erasure.erasing import (
    NotConfirmed,
    get_erasure,
    list_erasures,
    preview_erasure,
    request_erasure,
    word_to_type,
)
from leads.erasure.giving import give_person_data
from leads.erasure.holdings import describe_rows
from leads.models import Erasure, ErasureState
from leads.selectors import get_lead
from tenancy.listing import Column, Count, EmptyState, Listing, render_listing, show_number
from tenancy.markup import short_datetime
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/data.html"


class EraseForm(forms.Form):
    """What has to be typed, the ground, whether the person is kept out."""

    confirmation = forms.CharField(max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    ground = forms.CharField(
        label=gettext_lazy("Ground"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("The number of the request, say. It stays in the proof: name nobody."),
    )
    keeps_out = forms.BooleanField(
        label=gettext_lazy("Don't take this person in again"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Only a hash is kept of e-mail, external id and phone, to recognise them by."),
    )

    def __init__(self, data: object = None, *, word: str) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["confirmation"].label = _("To confirm, type: %(word)s") % {"word": word}


@tenant_page(right="person.erase")
@require_safe
def data(request: TenantRequest) -> HttpResponse:
    """Who was erased, when and by whom."""
    rows = list_erasures()
    listing = Listing(
        key="erasures",
        request=request,
        caption=_("Erased people"),
        rows=rows,
        columns=[
            Column(key="number", label=_("Lead"), template=f"{PAGE}#number_cell", card="title"),
            Column(key="state", label=_("State"), value=lambda row: row.get_state_display()),
            Column(key="asked_at", label=_("When"), value=lambda row: short_datetime(row.asked_at)),
            Column(
                key="asked_by_name",
                label=_("By whom"),
                value=lambda row: row.asked_by_name or _("Retention"),
            ),
            Column(key="rows", label=_("Rows"), value=lambda row: show_number(_rows(row)), end=True),
        ],
        words=lambda n: ngettext("%(count)s person", "%(count)s people", n) % {"count": show_number(n)},
        count=Count(value=len(rows)),
        empty=EmptyState(
            title=_("Nobody has been erased"),
            text=_("Open a lead and choose “Personal data” when a person asks for it."),
            icon="shield-check",
        ),
    )
    return render_listing(request, PAGE, {}, listing=listing)


def _rows(erasure: Erasure) -> int:
    return int(sum(erasure.counts.values()))


@tenant_page(right="person.erase")
@require_safe
def erasure(request: TenantRequest, erasure_id: int) -> HttpResponse:
    """The proof that a person was erased."""
    found = get_erasure(erasure_id=erasure_id)
    context = {
        "erasure": found,
        "is_waiting": found.state == ErasureState.WAITING,
        "holdings": [(words, show_number(count)) for words, count in describe_rows(found.counts)],
        "rows_text": show_number(_rows(found)),
    }
    return render(request, "leads/erasure.html", context)


@tenant_page(right="person.erase")
@require_http_methods(["GET", "HEAD", "POST"])
def lead_data(request: TenantRequest, lead_id: int) -> HttpResponse:
    """What is stored of the person a lead is about, and how to erase it."""
    lead = get_lead(lead_id=lead_id)
    word = word_to_type(lead)
    form = EraseForm(request.POST if request.method == "POST" else None, word=word)
    if form.is_bound and form.is_valid():
        try:
            asked = request_erasure(
                lead_id=lead_id, **form.cleaned_data, by=request.member, now=timezone.now()
            )
        except NotConfirmed as problem:
            form.add_error("confirmation", str(problem.detail))
        else:
            return redirect("erasure", slug=request.tenant.slug, erasure_id=asked.pk)
    preview = preview_erasure(lead_id=lead_id, by=request.member)
    counts = describe_rows(preview or {})
    context = {
        "lead": lead,
        "form": form,
        "holdings": [(words, show_number(count)) for words, count in counts],
        "rows_text": show_number(sum(count for _words, count in counts)),
        "is_counted": preview is not None,
    }
    return render(request, "leads/lead_data.html", context, status=422 if form.errors else 200)


@tenant_page(right="person.erase")
@require_POST
def lead_data_file(request: TenantRequest, lead_id: int) -> HttpResponse:
    """All that is stored of a person, as JSON; that it was given out is kept."""
    given = give_person_data(lead_id=lead_id, by=request.member, now=timezone.now())
    response = JsonResponse(given, json_dumps_params={"ensure_ascii": False, "indent": 1})
    disposition = content_disposition_header(as_attachment=True, filename=f"lead-{lead_id}.json")
    response["Content-Disposition"] = disposition or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response
