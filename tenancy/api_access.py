"""The door of the API: keys, scopes and strict bodies, as DRF's settings name them."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from tenancy.doors import MAX_BODY_BYTES
from tenancy.errors import Forbidden, TooLarge
from tenancy.keys import KeyRefused
from tenancy.models import Membership, Scope
from tenancy.rates import count_key
from tenancy.requests import KeyAccess
from tenancy.strict_json import parse_json


class ScopeMissing(Forbidden):
    """The key is valid but was not given this scope."""


class ApiKeyAuthentication(BaseAuthentication):
    """The tenant middleware has resolved the key; this hands its service user to DRF."""

    def authenticate(self, request: Request) -> tuple[Membership, KeyAccess] | None:
        refusal = getattr(request._request, "key_refusal", None)
        if refusal is not None:
            raise refusal
        key: KeyAccess | None = getattr(request._request, "key", None)
        if key is None:
            return None
        count_key(key_id=key.id, now=timezone.now())
        return request._request.member, key  # type: ignore[attr-defined]

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """Each API view names the scope that each of its methods needs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = getattr(request._request, "key", None)
        if key is None:
            raise KeyRefused(_("Send the key as “Authorization: Bearer lsk_…”."))
        if request.method == "OPTIONS":
            return True
        scope = view.scopes.get(request.method if request.method != "HEAD" else "GET")
        if scope is None:
            raise MethodNotAllowed(str(request.method))
        require_scope(key, scope)
        return True


def require_scope(key: KeyAccess, scope: Scope) -> None:
    """Raise ScopeMissing unless the key was given this scope."""
    if scope not in key.scopes:
        raise ScopeMissing(_("This key lacks the scope %(scope)s.") % {"scope": scope})


class JSONOnly(DefaultContentNegotiation):
    """There is one form of answer, whatever a caller says to accept (RFC 9110 §12.4.1 allows it)."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The one renderer there is."""
        return renderers[0], renderers[0].media_type


class StrictJSONParser(BaseParser):
    """JSON of bounded size and depth."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(_("The body may have at most 5 MB. Send fewer rows at once."))
        return parse_json(body)
