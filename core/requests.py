"""One log line for each request, with an id that the answer carries too."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("leadsys.request")

QUIET_PATHS = ("/static/", "/healthz", "/readyz")


class RequestLogMiddleware:
    """Binds the request id for everything logged on the way, then logs method, path without query, status, duration."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        request_id = uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request=request_id)
        began = time.perf_counter()
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        if not request.path_info.startswith(QUIET_PATHS):
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log.info(request.method, path=path_to_log(request), status=response.status_code, ms=milliseconds)
        return response


def path_to_log(request: HttpRequest) -> str:
    """The path without the secret that a one-time or unsubscribe link carries in it."""
    token = request.resolver_match.kwargs.get("token") if request.resolver_match else None
    return request.path_info.replace(token, "…") if token else request.path_info
