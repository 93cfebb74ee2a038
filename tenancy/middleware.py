"""Language, and the one wrapper around every request to a tenant: scope, transaction, render, roll back."""

import zoneinfo
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import get_supported_language_variant, gettext_lazy
from django.utils.translation.trans_real import parse_accept_lang_header

from tenancy.errors import Problem
from tenancy.keys import KeyRefused, recall_key, resolve_key
from tenancy.models import Membership, Tenant
from tenancy.requests import is_for_machines, match_of
from tenancy.scope import TenantSuspended, tenant_scope
from tenancy.selectors import list_memberships

GetResponse = Callable[[HttpRequest], HttpResponse]


class LanguageMiddleware:
    """The person's choice, else the browser's if it is one of ours; the tenant's is filled in by TenantMiddleware."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = chosen_language(request)
        request.has_chosen_language = language is not None  # type: ignore[attr-defined]
        with translation.override(language or settings.LANGUAGE_CODE), timezone.override(None):
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language())
        return response


def chosen_language(request: HttpRequest) -> str | None:
    """The language the person or their browser asks for, or None if neither asks for one of ours."""
    if not is_for_machines(request):
        if request.user.is_authenticated and request.user.language:
            return request.user.language
        cookie = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if cookie in dict(settings.LANGUAGES):
            return cookie
    for code, _quality in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "")):
        if code == "*":
            return None
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return None


class SignedOut(Problem):
    """Somebody signed out, elsewhere in their browser perhaps, before this was sent."""

    status = 401
    title = gettext_lazy("Signed out")

    def __init__(self) -> None:
        super().__init__(
            gettext_lazy(
                "You are signed out, and nothing was saved. Copy what you typed, then open the page anew."
            )
        )


class TenantMiddleware:
    """Resolves tenant and member once, and runs the view and its rendering in one transaction in the tenant's scope.

    ``ATOMIC_REQUESTS`` would end before a response renders and would commit a 500, which middleware sees as a response. A view
    with ``own_transactions = frozenset({"POST"})`` (the capture doors: first the raw submission, then the pipeline) enters the
    scope itself for these methods; with ``proves_key`` it proves the key itself, too (``tenancy.keys.recall_key``).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.key = None  # type: ignore[attr-defined]
        view = resolved_view(request)
        if view is None:
            return self.get_response(request)
        if request.path_info.startswith("/t/"):
            return self._page(request, view)
        if is_for_machines(request) and "HTTP_AUTHORIZATION" in request.META:
            return self._api(request, view)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer an anticipated error of a page in the user's words; what the view wrote is rolled back."""
        if not isinstance(exception, Problem):
            return None
        response = render(request, "errors/problem.html", {"problem": exception}, status=exception.status)
        response.rolls_back = True  # type: ignore[attr-defined]
        return response

    def _page(self, request: HttpRequest, view: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return self._ask_to_sign_in(request)
        slug = request.path_info.split("/", 3)[2]
        # The tenant switch of the frame lists them all: one query serves both.
        request.memberships = list_memberships(user=request.user)  # type: ignore[attr-defined]
        found = next((pair for pair in request.memberships if pair[0].slug == slug), None)  # type: ignore[attr-defined]
        if found is None:
            # Absent, or another tenant's: the two look the same.
            raise Http404
        return self._run(request, view, *found, zone=request.user.time_zone)

    def _ask_to_sign_in(self, request: HttpRequest) -> HttpResponse:
        """A page leads to the login; a part of one would become it. What asked for a part loads its page anew, and what sent
        something is told, so that nothing typed is lost."""
        if request.headers.get("HX-Request") != "true":
            return redirect_to_login(request.get_full_path())
        if request.method in {"GET", "HEAD"}:
            return HttpResponse(status=401)
        return render(request, "errors/problem.html", {"problem": SignedOut()}, status=SignedOut.status)

    def _api(self, request: HttpRequest, view: Any) -> HttpResponse:
        recognise = recall_key if request.method in getattr(view, "proves_key", ()) else resolve_key
        try:
            tenant, member, key = recognise(header=request.META["HTTP_AUTHORIZATION"], now=timezone.now())
        except (KeyRefused, TenantSuspended) as refusal:
            return self._refuse(request, refusal)
        request.key = key  # type: ignore[attr-defined]
        return self._run(request, view, tenant, member, zone="")

    def _run(
        self, request: HttpRequest, view: Any, tenant: Tenant, member: Membership, *, zone: str
    ) -> HttpResponse:
        request.tenant, request.member = tenant, member  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(tenant=tenant.slug)
        if not request.has_chosen_language:  # type: ignore[attr-defined]
            translation.activate(tenant.language)
            request.LANGUAGE_CODE = tenant.language
        timezone.activate(zoneinfo.ZoneInfo(zone or tenant.time_zone))
        if request.method in getattr(view, "own_transactions", ()):
            return self.get_response(request)
        try:
            with tenant_scope(tenant.pk):
                response = self.get_response(request)
                if response.status_code >= 500 or getattr(response, "rolls_back", False):
                    transaction.set_rollback(True)
        except TenantSuspended as suspended:
            return self._refuse(request, suspended)
        return response

    def _refuse(self, request: HttpRequest, refusal: Problem) -> HttpResponse:
        """Answer before the view is reached: the API by its own error handler, a page as every problem."""
        if is_for_machines(request):
            request.key_refusal = refusal  # type: ignore[attr-defined]
            return self.get_response(request)
        response = self.process_exception(request, refusal)
        assert response is not None
        return response


def resolved_view(request: HttpRequest) -> Any | None:
    """The view a request will reach, or None when there is none."""
    match = match_of(request)
    if match is None:
        return None
    func = match.func
    return getattr(func, "view_class", None) or getattr(func, "cls", None) or func
