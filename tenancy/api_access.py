"""The door of the API: keys, scopes and strict bodies, as DRF's settings name them."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenancy.errors import Forbidden, TooLarge
from tenancy.keys import KeyRefused
from tenancy.models import Membership
from tenancy.requests import KeyAccess
from tenancy.strict_json import parse_json

MAX_BODY_BYTES = 5 * 1024 * 1024


class ScopeMissing(Forbidden):
    """The key is valid but was not given this scope."""


class ApiKeyAuthentication(BaseAuthentication):
    """The tenant middleware has resolved the key; this hands its service user to DRF."""

    def authenticate(self, request: Request) -> tuple[Membership, KeyAccess] | None:
        refusal = getattr(request._request, "key_refusal", None)
        if refusal is not None:
            raise refusal
        key = getattr(request._request, "key", None)
        return (request._request.member, key) if key else None  # type: ignore[attr-defined]

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """Each API view names the scope that each of its methods needs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = getattr(request._request, "key", None)
        if key is None:
            raise KeyRefused(_("Send the key as “Authorization: Bearer lsk_…”."))
        scope = view.scopes.get(request.method if request.method != "HEAD" else "GET")
        if scope is None:
            raise MethodNotAllowed(str(request.method))
        if scope not in key.scopes:
            raise ScopeMissing(_("This key lacks the scope %(scope)s.") % {"scope": scope})
        return True


class StrictJSONParser(BaseParser):
    """JSON of bounded size and depth."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(_("The body may have at most 5 MB. Send fewer rows at once."))
        return parse_json(body)
