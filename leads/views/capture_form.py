"""Hosted forms as strangers see them: the page that they fill in, by itself or in a frame of another site."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from csp.constants import SELF
from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from core.tasks import send, sweep_due_rows
from leads.capture.form_documents import SOURCE_FIELDS, read_site
from leads.capture.form_questions import Question
from leads.capture.hosted_forms import (
    MAX_PAGE,
    FormNotFound,
    OpenForm,
    Sender,
    build_payload,
    check_payload,
    find_form,
    keep_spam,
    own_origins,
    page_of,
    receive_form,
    require_site,
)
from tenancy.errors import FieldProblem
from tenancy.rates import TooMany, client_address, count_form
from tenancy.scope import tenant_scope

# A field that people don't see; what fills it in is no person.
HONEYPOT: Final = "website"
CONSENT: Final = "consent."
EMBED: Final = "embed"
UTM: Final = {"origin": "utm_source", "medium": "utm_medium", "campaign": "utm_campaign"}
# What the page around a form tells: its address, and where its visitor came from.
AROUND: Final = ("page", "referrer")
_AUTOCOMPLETE: Final[dict[str, str]] = {
    "email": "email",
    "phone": "tel",
    "first_name": "given-name",
    "last_name": "family-name",
    "name": "name",
    "company": "organization",
    "job_title": "organization-title",
    "city": "address-level2",
    "state": "address-level1",
    "country": "country",
    "postal_code": "postal-code",
}
_INPUT_TYPES: Final = {
    "email": "email",
    "tel": "tel",
    "number": "number",
    "decimal": "number",
    "date": "date",
}


class StrangerForm(forms.Form):
    """The fields of a hosted form."""

    def __init__(self, *args: Any, found: OpenForm, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for question in found.questions:
            self.fields[question.field.name] = _field(question)
        for name, most in SOURCE_FIELDS.items():
            self.fields.setdefault(
                name, forms.CharField(required=False, max_length=most, widget=forms.HiddenInput())
            )
        for name in AROUND:
            self.fields[name] = forms.CharField(required=False, widget=forms.HiddenInput())
        for consent in found.form.consents:
            self.fields[CONSENT + consent.purpose] = forms.BooleanField(
                label=str(consent.text),
                required=consent.is_required,
                error_messages={"required": _("Please agree, so that we may write to you.")},
            )

    @property
    def values(self) -> dict[str, str]:
        """What was answered, by field."""
        return {name: value for name, value in self.cleaned_data.items() if isinstance(value, str)}

    @property
    def agreed(self) -> set[str]:
        """The purposes that were agreed to."""
        return {
            name.removeprefix(CONSENT)
            for name, value in self.cleaned_data.items()
            if name.startswith(CONSENT) and value is True
        }


def _field(question: Question) -> forms.Field:
    """A question as a field of a page; what it takes is read by intake, which every door shares."""
    field = question.field
    common: dict[str, Any] = {
        "label": str(field.label),
        "required": field.is_required,
        "help_text": str(field.help) if field.help else "",
        "error_messages": {"required": _("Please fill this in.")},
    }
    if question.type == "choice":
        choices = [(value, str(label)) for value, label in question.choices]
        chosen = forms.ChoiceField(choices=[("", _("Choose…")), *choices], **common)
        chosen.error_messages["invalid_choice"] = _("Choose one of the list.")
        return chosen
    attributes = {"autocomplete": _AUTOCOMPLETE[field.name]} if field.name in _AUTOCOMPLETE else {}
    if question.type in {"number", "decimal"}:
        attributes |= {"step": "any" if question.type == "decimal" else "1"}
    widget = forms.TextInput(attrs=attributes)
    widget.input_type = _INPUT_TYPES.get(question.type, "text")
    return forms.CharField(max_length=1000, widget=widget, **common)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def capture_form(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The hosted form: what is sent is kept at once and processed after; nobody waits for it.

    It may stand in a frame of another site or be sent from a page of one, which have no cookie of ours: in place of a token the
    origin that browsers name is what keeps other sites from sending it. Raises SiteNotAllowed.
    """
    found = open_form(request, public_id)
    if request.method != "POST":
        initial = {name: request.GET.get(utm, "")[: SOURCE_FIELDS[name]] for name, utm in UTM.items()}
        initial |= {name: request.GET.get(name, "") for name in AROUND}
        return _show(request, found, StrangerForm(found=found, initial=initial))
    require_site(found=found, origin=request.headers.get("Origin"), own=own_origins(origin_of(request)))
    form = StrangerForm(_with_sources(request), found=found)
    now = timezone.now()
    try:
        count_form(form_id=found.row.pk, address=client_address(request), now=now)
    except TooMany as too_many:
        return _ask_to_wait(request, found, form, too_many)
    if request.POST.get(HONEYPOT):
        note_spam(request, found, form, now)
        return _go_on(request, found)
    if form.is_valid():
        problems = keep(request, found, form, sending=request.POST.get("sending", ""), now=now)
        if not problems:
            return _go_on(request, found)
        for problem in problems:
            form.add_error(problem.field if problem.field in form.fields else None, str(problem.message))
    return _show(request, found, form)


@require_safe
def capture_form_thanks(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """What is said after a form was sent."""
    found = open_form(request, public_id)
    return _frame(found, render(request, "leads/capture_form_thanks.html", _context(request, found)))


def open_form(request: HttpRequest, public_id: uuid.UUID) -> OpenForm:
    """The form, in its language, or else that of the browser or of its tenant. Raises Http404."""
    try:
        found = find_form(public_id=public_id)
    except FormNotFound:
        raise Http404 from None
    if found.form.language:
        translation.activate(found.form.language)
    elif not getattr(request, "has_chosen_language", False):
        translation.activate(found.tenant.language)
    return found


def origin_of(request: HttpRequest) -> str:
    """The origin of this installation as the request came to it."""
    return f"{request.scheme}://{request.get_host()}"


def keep(
    request: HttpRequest, found: OpenForm, form: StrangerForm, *, sending: str, now: datetime
) -> list[FieldProblem]:
    """Keep what was sent, or say what intake would refuse. ``sending`` names one attempt; the same again is left out."""
    payload = _payload(request, found, form)
    with tenant_scope(found.tenant.pk):
        problems = list(check_payload(tenant=found.tenant, payload=payload, now=now))
    if not problems:
        receive_form(found=found, payload=payload, sending=sending[:64] or uuid.uuid4().hex, now=now)
        # The submission is a due row already: a lost wake-up delays it by a second.
        send(sweep_due_rows, {})
    return problems


def note_spam(request: HttpRequest, found: OpenForm, form: StrangerForm, now: datetime) -> None:
    """Keep apart what no person sent, as far as it can be read."""
    form.full_clean()
    keep_spam(found=found, payload=_payload(request, found, form), now=now)


def _payload(request: HttpRequest, found: OpenForm, form: StrangerForm) -> dict[str, Any]:
    values = form.values
    own = own_origins(origin_of(request))
    around = values.get("page") or request.headers.get("Referer", "")
    page = page_of(text=around, own=own, found=found) or request.build_absolute_uri(
        reverse("capture-form", kwargs={"public_id": found.row.public_id})
    )
    sender = Sender(
        address=client_address(request),
        browser=request.headers.get("User-Agent", ""),
        page=page,
        referrer=values.get("referrer", "")[:MAX_PAGE],
    )
    return build_payload(found=found, values=values, agreed=form.agreed, sender=sender)


def _with_sources(request: HttpRequest) -> Mapping[str, Any]:
    """What was sent, with the parameters of campaigns by their names in addresses too: a page of another site writes those."""
    given = request.POST.copy()
    for name, utm in UTM.items():
        if not given.get(name):
            given[name] = (given.get(utm) or request.GET.get(utm, ""))[: SOURCE_FIELDS[name]]
    return given


def _go_on(request: HttpRequest, found: OpenForm) -> HttpResponse:
    """After a form was sent: to its owner's address, or to the thanks. A frame stays where it is and tells the page around it."""
    if EMBED in request.GET:
        thanks = reverse("capture-form-thanks", kwargs={"public_id": found.row.public_id})
        return _frame(found, redirect(f"{thanks}?{EMBED}=1"))
    if found.form.redirect:
        return HttpResponseRedirect(found.form.redirect)
    return redirect("capture-form-thanks", public_id=found.row.public_id)


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
    context = {
        **_context(request, found),
        "form": form,
        "honeypot": HONEYPOT,
        "sending": uuid.uuid4().hex,
    }
    status = 422 if form.errors else 200
    return _frame(found, render(request, "leads/capture_form.html", context, status=status))


def _context(request: HttpRequest, found: OpenForm) -> dict[str, Any]:
    is_embedded = EMBED in request.GET
    # A page around it is light unless its owner says otherwise, which nobody can know here.
    theme = {"theme_choice": "light"} if is_embedded else {}
    return {"found": found, "is_embedded": is_embedded, **theme}


def _frame(found: OpenForm, response: HttpResponse) -> HttpResponse:
    """Let the sites that the form names, and no others, show it in a frame; let it lead to its owner's address once sent."""
    policy: dict[str, list[str]] = {}
    if found.form.origins:
        policy["frame-ancestors"] = list(found.form.origins)
        # It knows no list, and browsers that know frame-ancestors disregard it.
        response.xframe_options_exempt = True
    site = read_site("/".join(found.form.redirect.split("/", 3)[:3])) if found.form.redirect else None
    if site:
        policy["form-action"] = [SELF, site]
    if policy:
        cast(Any, response)._csp_replace = policy
    return response
