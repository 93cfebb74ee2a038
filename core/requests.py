"""One log line and one count for each request, with an id that the answer carries too."""

import time
import uuid
from collections.abc import Callable
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from core.metrics import REQUEST_TIME, REQUESTS
from tenancy.requests import match_of, resolved

log = structlog.get_logger("leadsys.request")

QUIET_PATHS = ("/static/", "/healthz", "/readyz", "/metrics")
# Parts of addresses that open a door to whoever has them: one-time, unsubscribe and password links.
SECRET_PARTS: Final = ("token", "key")
# Anything else is made up by the caller, and there is no end of what can be made up.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE: Final = "none"


class Asked:
    """A request on its way. From its beginning on all that is logged carries its id."""

    def __init__(self) -> None:
        structlog.contextvars.clear_contextvars()
        self._id = uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request=self._id)
        self._began = time.perf_counter()

    @property
    def header(self) -> tuple[str, str]:
        """What the answer says of it."""
        return "X-Request-ID", self._id

    def was_answered(self, *, method: str, route: str, path: str, status: int) -> None:
        """Count and log it; ``route`` and ``path`` as by the functions below."""
        seconds = time.perf_counter() - self._began
        method = method if method in METHODS else "other"
        REQUESTS.labels(method, route, str(status)).inc()
        REQUEST_TIME.labels(method, route).observe(seconds)
        if not path.startswith(QUIET_PATHS):
            log.info(method, path=path, status=status, ms=round(seconds * 1000, 1))


class RequestLogMiddleware:
    """Binds the request id for everything logged on the way, then logs method, path without query, status, duration."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = Asked()
        response = self.get_response(request)
        name, value = asked.header
        response.headers[name] = value
        asked.was_answered(
            method=str(request.method),
            route=route_of(request),
            path=path_to_log(request),
            status=response.status_code,
        )
        return response


def route_of(request: HttpRequest) -> str:
    """The name of the address that a request asked for; never its path, which holds ids and secrets."""
    match = find_match(request)
    return (match.view_name or match.route) if match else NO_ROUTE


def path_to_log(request: HttpRequest) -> str:
    """The path without the secret that a one-time, unsubscribe or password link carries in it."""
    path, match = request.path_info, find_match(request)
    for part in SECRET_PARTS:
        secret = match.kwargs.get(part) if match else None
        if secret:
            path = path.replace(str(secret), "…")
    return path


def find_match(request: HttpRequest) -> ResolverMatch | None:
    """The row of the URL table; also of a request that was answered on the way, or that lacks the slash at the end."""
    return match_of(request) or resolved(f"{request.path_info}/")
