"""Hosted forms: the page that strangers fill in, and the list of them."""

import uuid
from typing import Any, Final

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core.tasks import send, sweep_due_rows
from leads.capture.hosted_forms import (
    SOURCE_FIELDS,
    FormNotFound,
    HostedForm,
    OpenForm,
    Sender,
    build_payload,
    check_payload,
    find_form,
    list_forms,
    parse_form,
    receive_form,
)
from tenancy.pages import tenant_page
from tenancy.rates import TooMany, client_address, count_form
from tenancy.requests import TenantRequest
from tenancy.scope import tenant_scope

# A field that people don't see; what fills it in is no person.
HONEYPOT: Final = "website"
CONSENT: Final = "consent"
_INPUT: Final[dict[str, dict[str, str]]] = {
    "email": {"type": "email", "autocomplete": "email"},
    "phone": {"type": "tel", "autocomplete": "tel"},
    "first_name": {"autocomplete": "given-name"},
    "last_name": {"autocomplete": "family-name"},
    "name": {"autocomplete": "name"},
    "company": {"autocomplete": "organization"},
    "job_title": {"autocomplete": "organization-title"},
    "company_size": {"inputmode": "numeric"},
    "city": {"autocomplete": "address-level2"},
    "state": {"autocomplete": "address-level1"},
    "country": {"autocomplete": "country"},
    "postal_code": {"autocomplete": "postal-code"},
}
_UTM: Final = {"origin": "utm_source", "medium": "utm_medium", "campaign": "utm_campaign"}


class StrangerForm(forms.Form):
    """The fields of a hosted form's document."""

    def __init__(self, *args: Any, hosted: HostedForm, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in hosted.fields:
            attributes = dict(_INPUT.get(field.name, {}))
            kind = attributes.pop("type", "text")
            widget = forms.TextInput(attrs=attributes)
            widget.input_type = kind
            self.fields[field.name] = forms.CharField(
                label=str(field.label),
                required=field.is_required,
                max_length=1000,
                widget=widget,
                error_messages={"required": _("Please fill this in.")},
            )
        for name in SOURCE_FIELDS:
            self.fields.setdefault(
                name, forms.CharField(required=False, max_length=200, widget=forms.HiddenInput())
            )
        if hosted.consent is not None:
            self.fields[CONSENT] = forms.BooleanField(
                label=str(hosted.consent.text),
                required=hosted.consent.is_required,
                error_messages={"required": _("Please agree, so that we may write to you.")},
            )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def capture_form(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The hosted form: what is sent is kept at once and processed after; nobody waits for it."""
    found = open_form(request, public_id)
    if request.method != "POST":
        initial = {name: request.GET.get(utm, "")[:200] for name, utm in _UTM.items()}
        return _show(request, found, StrangerForm(hosted=found.form, initial=initial))
    if request.POST.get(HONEYPOT):
        return redirect("capture-form-thanks", public_id=public_id)
    form = StrangerForm(request.POST, hosted=found.form)
    try:
        count_form(form_id=found.row.pk, address=client_address(request), now=timezone.now())
    except TooMany as too_many:
        return _ask_to_wait(request, found, form, too_many)
    if form.is_valid() and _keep(request, found, form):
        return redirect("capture-form-thanks", public_id=public_id)
    return _show(request, found, form)


@require_safe
def capture_form_thanks(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What is said after a form was sent."""
    found = open_form(request, public_id)
    return render(request, "leads/capture_form_thanks.html", {"found": found})


def open_form(request: HttpRequest, public_id: uuid.UUID) -> OpenForm:
    """The form, in the language of the browser or else of its tenant. Raises Http404."""
    try:
        found = find_form(public_id=public_id)
    except FormNotFound:
        raise Http404 from None
    if not getattr(request, "has_chosen_language", False):
        translation.activate(found.tenant.language)
    return found


def _keep(request: HttpRequest, found: OpenForm, form: StrangerForm) -> bool:
    """Keep what was sent; false with errors at the fields that intake would refuse."""
    now = timezone.now()
    values = {name: value for name, value in form.cleaned_data.items() if isinstance(value, str)}
    payload = build_payload(
        found=found,
        values=values,
        has_consented=bool(form.cleaned_data.get(CONSENT)),
        sender=Sender(
            address=client_address(request),
            browser=request.headers.get("User-Agent", ""),
            page=request.build_absolute_uri(request.path),
        ),
    )
    with tenant_scope(found.tenant.pk):
        problems = check_payload(tenant=found.tenant, payload=payload, now=now)
    for problem in problems:
        form.add_error(problem.field if problem.field in form.fields else None, str(problem.message))
    if problems:
        return False
    receive_form(found=found, payload=payload, sending=request.POST.get("sending", "")[:64], now=now)
    # The submission is a due row already: a lost wake-up delays it by a second.
    send(sweep_due_rows, {})
    return True


def _ask_to_wait(
    request: HttpRequest, found: OpenForm, form: StrangerForm, too_many: TooMany
) -> HttpResponse:
    """The form with what was typed, to be sent again; what else may be wrong with it is not looked at."""
    form.errors.clear()
    form.add_error(None, str(too_many.detail))
    response = _show(request, found, form)
    response.status_code = too_many.status
    response["Retry-After"] = str(too_many.retry_after)
    return response


def _show(request: HttpRequest, found: OpenForm, form: StrangerForm) -> HttpResponse:
    context = {"found": found, "form": form, "honeypot": HONEYPOT, "sending": uuid.uuid4().hex}
    return render(request, "leads/capture_form.html", context, status=422 if form.errors else 200)


@tenant_page(right="form.read")
@require_safe
def form_list(request: TenantRequest) -> HttpResponse:
    """The hosted forms, with the links to give away."""
    rows = [
        {
            "form": row,
            "document": parse_form(row.document),
            "url": request.build_absolute_uri(reverse("capture-form", kwargs={"public_id": row.public_id})),
        }
        for row in list_forms()
    ]
    return render(request, "leads/form_list.html", {"rows": rows})
