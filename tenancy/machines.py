"""The way of requests to the API: past what only people need (sessions, sign-in, messages), which is more than a small answer."""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from django.utils.module_loading import import_string

from tenancy.requests import is_for_machines, match_of

GetResponse = Callable[[HttpRequest], HttpResponse]


class MachineMiddleware:
    """Requests to the API leave MIDDLEWARE here; API_MIDDLEWARE is what stands between them and their view."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._answer_machine = _MachineHandler().answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_for_machines(request):
            return self._answer_machine(request)
        return self.get_response(request)


class _MachineHandler(BaseHandler):
    """Django's own handler with API_MIDDLEWARE, none of which looks at views or templates."""

    def __init__(self) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        inner: Any = self._get_response  # type: ignore[attr-defined]
        for path in reversed(settings.API_MIDDLEWARE):
            inner = import_string(path)(convert_exception_to_response(inner))
        self.answer: GetResponse = cast(GetResponse, convert_exception_to_response(inner))

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The row of the URL table, which has been looked for before. Raises Resolver404."""
        match = match_of(request)
        if match is None:
            return super().resolve_request(request)
        request.resolver_match = match
        return match
