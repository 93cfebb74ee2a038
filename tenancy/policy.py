"""The content security policy of answers, and who may frame them."""

from collections.abc import Callable
from functools import lru_cache

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

# What a view may set on its answer to have a policy of its own.
_OWN = ("_csp_config", "_csp_update", "_csp_replace", "_csp_exempt")


@lru_cache(maxsize=1)
def usual_policy() -> str:
    """The policy of the settings."""
    return build_policy()


class PolicyMiddleware(CSPMiddleware):
    """django-csp with the usual header written once, not anew for each answer: of a small answer that is an eighth."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Give the answer its policy, unless a view or a template asked for another one."""
        has_own = (
            settings.DEBUG or any(name in vars(response) for name in _OWN) or "_csp_nonce" in vars(request)
        )
        if has_own or HEADER in response:
            return super().process_response(request, response)
        response.headers[HEADER] = usual_policy()
        return response


class MachinePolicyMiddleware:
    """The usual policy, and no frames, for the answers of the API: none of its views asks for another one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._headers = {HEADER: usual_policy(), "X-Frame-Options": settings.X_FRAME_OPTIONS}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in self._headers.items():
            response.headers[name] = value
        return response
