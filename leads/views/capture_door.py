"""Hosted forms as programs on other sites send them: JSON by ``fetch``, from the sites that a form names and no others."""

import uuid
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from leads.capture.form_documents import SOURCE_FIELDS
from leads.capture.hosted_forms import OpenForm, SiteNotAllowed, own_origins, require_site
from leads.views.capture_form import (
    AROUND,
    CONSENT,
    HONEYPOT,
    UTM,
    StrangerForm,
    keep,
    note_spam,
    open_form,
    origin_of,
)
from tenancy.doors import UnsupportedBody
from tenancy.errors import PROBLEM_TYPE, FieldProblem, Invalid, Problem
from tenancy.rates import client_address, count_form
from tenancy.strict_json import parse_json

MAX_BODY_BYTES: Final = 64 * 1024
PREFLIGHT_SECONDS: Final = 600
_MEMBERS: Final = frozenset({"fields", "consents", "sending", HONEYPOT, *AROUND, *UTM.values()})


@csrf_exempt
@never_cache
@require_http_methods(["OPTIONS", "POST"])
def capture_submissions(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Keep one submission: 202, or a problem document. Nobody's cookies are asked for, and none are read."""
    found = open_form(request, public_id)
    origin = request.headers.get("Origin")
    try:
        if origin is None:
            # A program without a page has a key and the API.
            raise SiteNotAllowed(_("This address is for pages in browsers, which name their origin."))
        require_site(found=found, origin=origin, own=own_origins(origin_of(request)))
    except SiteNotAllowed as refusal:
        return _with_vary(_as_json(refusal))
    response = _preflight() if request.method == "OPTIONS" else _post(request, found)
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Expose-Headers"] = "Retry-After"
    return _with_vary(response)


capture_submissions.max_body_bytes = MAX_BODY_BYTES  # type: ignore[attr-defined]


def _post(request: HttpRequest, found: OpenForm) -> HttpResponse:
    try:
        return _keep(request, found)
    except Problem as problem:
        return _as_json(problem)


def _keep(request: HttpRequest, found: OpenForm) -> HttpResponse:
    now = timezone.now()
    count_form(form_id=found.row.pk, address=client_address(request), now=now)
    if request.content_type != "application/json":
        raise UnsupportedBody(_("Send JSON, with the content type application/json."))
    body = _read_body(request)
    form = StrangerForm(_as_form(body, found), found=found)
    if body.get(HONEYPOT):
        note_spam(request, found, form, now)
    elif not form.is_valid():
        raise _invalid(
            [FieldProblem(name, "invalid", " ".join(map(str, each))) for name, each in form.errors.items()]
        )
    elif problems := keep(request, found, form, sending=str(body.get("sending") or ""), now=now):
        raise _invalid(problems)
    thanks = str(found.form.thanks) if found.form.thanks else _("Thank you!")
    answer = {"state": "received", "thanks": thanks, "redirect": found.form.redirect or None}
    return JsonResponse(answer, status=202)


def _read_body(request: HttpRequest) -> dict[str, Any]:
    """The body as an object of known members. Raises Invalid."""
    body = parse_json(request.body)
    if not isinstance(body, dict):
        raise Invalid(_("Send a JSON object."))
    unknown = sorted(set(body) - _MEMBERS)
    if unknown:
        raise _invalid(
            [FieldProblem(name[:100], "unknown", _("There is no such member.")) for name in unknown]
        )
    if not isinstance(body.get("fields"), dict):
        raise _invalid([FieldProblem("fields", "type", _("Give an object of names and values."))])
    purposes = body.get("consents") or []
    if not isinstance(purposes, list) or not all(isinstance(each, str) for each in purposes):
        raise _invalid([FieldProblem("consents", "type", _("Give a list of texts."))])
    return body


def _as_form(body: dict[str, Any], found: OpenForm) -> dict[str, str]:
    """The body as the page would send it. Raises Invalid for fields that the form does not ask for."""
    asked = {question.field.name for question in found.questions}
    offered = {consent.purpose for consent in found.form.consents}
    problems = [
        FieldProblem(name[:100], "unknown", _("The form does not ask for this."))
        for name in sorted(set(body["fields"]) - asked)
    ]
    problems += [
        FieldProblem(
            "consents",
            "unknown",
            _("The form does not ask to agree to “%(purpose)s”.") % {"purpose": name[:64]},
        )
        for name in sorted(set(body.get("consents") or []) - offered)
    ]
    problems += [
        FieldProblem(name[:100], "type", _("Give a text or a number."))
        for name, value in body["fields"].items()
        if isinstance(value, dict | list | bool)
    ]
    if problems:
        raise _invalid(problems)
    values = {name: "" if value is None else str(value) for name, value in body["fields"].items()}
    values |= {name: str(body.get(utm) or "")[: SOURCE_FIELDS[name]] for name, utm in UTM.items()}
    values |= {name: str(body.get(name) or "") for name in AROUND}
    return values | {CONSENT + purpose: "on" for purpose in body.get("consents") or []}


def _invalid(problems: list[FieldProblem]) -> Invalid:
    names = ", ".join(dict.fromkeys(problem.field for problem in problems))
    return Invalid(_("Mend these fields: %(names)s.") % {"names": names}, errors=problems)


def _preflight() -> HttpResponse:
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = "Content-Type"
    response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response


def _as_json(problem: Problem) -> HttpResponse:
    response = JsonResponse(problem.as_json(), status=problem.status, content_type=PROBLEM_TYPE)
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response


def _with_vary(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Origin"])
    return response
