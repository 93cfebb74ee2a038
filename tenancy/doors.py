"""What no address takes, refused before anything is read, looked up or kept: too much, the unreadable, NUL characters."""

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views import defaults

from tenancy.errors import PROBLEM_TYPE, FieldProblem, Invalid, NotFound, Problem, TooLarge
from tenancy.rates import TooMany
from tenancy.requests import is_for_machines, match_of

GetResponse = Callable[[HttpRequest], HttpResponse]

# Of a view that names no other as its ``max_body_bytes``.
MAX_BODY_BYTES: Final = 5 * 1024 * 1024
MAX_HEADER_BYTES: Final = 32 * 1024
MAX_QUERY_BYTES: Final = 16 * 1024
# How what came as a header is named in the environment (PEP 3333).
_HEADERS: Final = ("HTTP_", "CONTENT_")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class UnsupportedBody(Problem):
    """A body in a form that is not taken."""

    status = 415
    title = _("Unsupported body")


class Broken(Problem):
    """Something of ours is broken."""

    status = 500
    title = _("Something went wrong")


class DoorMiddleware:
    """Stands before sessions and sign-in, so that what it refuses has cost next to nothing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            refuse_size(request)
            refuse_encoding(request)
            refuse_nul(request)
        except Problem as problem:
            return as_response(request, problem)
        return self.get_response(request)


def refuse_size(request: HttpRequest) -> None:
    """Raise TooLarge for headers, an address or a body beyond their limits; a body is measured by what it says of itself."""
    given = request.META
    # By hand: Django's own mapping of them costs as much as all else that happens here.
    headers = sum(len(name) + len(given[name]) for name in given if name.startswith(_HEADERS))
    if headers > MAX_HEADER_BYTES:
        raise TooLarge(
            _(
                "The headers may have at most %(most)s KB. Send fewer or shorter ones; delete this site's cookies."
            )
            % {"most": MAX_HEADER_BYTES // 1024}
        )
    if len(given.get("QUERY_STRING", "")) > MAX_QUERY_BYTES:
        raise TooLarge(
            _("What follows the question mark may have at most %(most)s KB. Ask for less at once.")
            % {"most": MAX_QUERY_BYTES // 1024}
        )
    length = given.get("CONTENT_LENGTH") or "0"
    most = max_body_bytes(request)
    if not length.isascii() or not length.isdigit() or len(length) > 20 or int(length) > most:
        raise TooLarge(
            _("The body may have at most %(most)s MB. Send fewer rows at once.")
            % {"most": most // 1024 // 1024}
        )


def max_body_bytes(request: HttpRequest) -> int:
    """How large a body the view takes."""
    if request.method in {"GET", "HEAD"}:
        return MAX_BODY_BYTES
    match = match_of(request)
    if match is None:
        return MAX_BODY_BYTES
    view: Any = match.func
    found: int = getattr(getattr(view, "view_class", view), "max_body_bytes", MAX_BODY_BYTES)
    return found


def refuse_encoding(request: HttpRequest) -> None:
    """Raise UnsupportedBody for a compressed body: a small one may hold gigabytes."""
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in {"", "identity"}:
        raise UnsupportedBody(_("Send the body uncompressed, without Content-Encoding."))


def refuse_nul(request: HttpRequest) -> None:
    """Raise Invalid for a NUL character in the address or a form, which no text of the database can hold.

    A cookie with one in it is none of ours and counts as left out.
    """
    for name in [name for name, value in request.COOKIES.items() if "\x00" in name + value]:
        del request.COOKIES[name]
    if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        raise Invalid(_("The address holds a NUL character. Remove it."))
    if request.method == "POST" and request.content_type in _FORMS and not is_for_machines(request):
        if takes_files(request):
            return
        try:
            given = list(request.POST.lists())
        except (SuspiciousOperation, MultiPartParserError, UnreadablePostError) as error:
            raise readable(error) from error
        fields = [
            name for name, values in given if "\x00" in name or any("\x00" in value for value in values)
        ]
        if fields:
            problems = [FieldProblem(name, "nul", _("Remove the NUL character.")) for name in fields]
            raise Invalid(_("What was sent holds a NUL character. Remove it."), errors=problems)


def takes_files(request: HttpRequest) -> bool:
    """Whether the view takes files (``takes_files``): its form is read once it is known who sends it, and the view keeps no
    text of it."""
    match = match_of(request)
    return match is not None and getattr(match.func, "takes_files", False)


def readable(error: Exception) -> Problem:
    """What Django refuses in a request, in words that say how to mend it."""
    if isinstance(error, TooManyFieldsSent):
        return TooLarge(_("There are too many fields. Send fewer at once."))
    if isinstance(error, TooManyFilesSent):
        return TooLarge(_("There are too many files. Send fewer at once."))
    if isinstance(error, RequestDataTooBig):
        return TooLarge(_("The body is too large. Send less at once."))
    return Invalid(_("What was sent cannot be read."))


# What Django and allauth answer by themselves, wherever it comes from: leadsys.urls names these.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that cannot be read."""
    problem = readable(exception)
    if is_for_machines(request) or problem.status != Invalid.status:
        return as_response(request, problem)
    return defaults.bad_request(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Nothing at this address."""
    if is_for_machines(request):
        return as_response(request, NotFound(_("There is nothing at this address.")))
    return defaults.page_not_found(request, exception)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """An address or a login that has tried too often; allauth counts in windows of a few minutes."""
    return as_response(request, TooMany(_("You have tried too often. Wait a few minutes."), retry_after=300))


def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours, which has been reported."""
    if is_for_machines(request):
        return as_response(request, Broken(_("The fault is ours and has been noted. Ask again later.")))
    return defaults.server_error(request)


def as_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The refusal for a machine or a person, in the language that the browser asks for."""
    with translation.override(translation.get_language_from_request(request)):
        response: HttpResponse
        if is_for_machines(request):
            response = JsonResponse(problem.as_json(), status=problem.status, content_type=PROBLEM_TYPE)
        else:
            page = render_to_string("errors/problem.html", {"problem": problem})
            response = HttpResponse(page, status=problem.status)
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response
