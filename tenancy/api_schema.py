"""How the OpenAPI document describes what every operation shares: the key it needs, and the ways it may refuse."""

import hashlib
import json
from functools import lru_cache
from typing import Any, Final, TypeVar

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.http import condition, require_safe
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from rest_framework.serializers import BaseSerializer

from tenancy.errors import PROBLEM_TYPE

Document = dict[str, Any]
S = TypeVar("S", bound="BaseSerializer[Any]")

FIELD_PROBLEM: Final[Document] = {"$ref": "#/components/schemas/FieldProblem"}
PROBLEM: Final[Document] = {"$ref": "#/components/schemas/Problem"}
_COMPONENTS: Final[Document] = {
    "FieldProblem": {
        "type": "object",
        "description": "One field to mend: its name as the caller wrote it, a stable code, a sentence.",
        "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
        "required": ["field", "code", "message"],
    },
    "Problem": {
        "type": "object",
        "description": "Why a request was refused, and how to mend it (RFC 9457).",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": FIELD_PROBLEM},
        },
        "required": ["type", "title", "status", "detail", "errors"],
    },
}
_ALWAYS: Final = {
    "400": "Something in the address, the headers or the body is missing, not known or cannot be read.",
    "401": "No key, or one that is not known, was revoked or has expired.",
    "403": "The key lacks the scope.",
    "413": "The body or the headers are too large.",
    "429": "The key has asked too often; Retry-After says in how many seconds it may ask again.",
}
_WITH_ID: Final = {"404": "There is nothing with this id, or it is another tenant's."}
_WITH_BODY: Final = {"415": "The body is not JSON, or it is compressed."}
_RETRY_AFTER: Final[Document] = {
    "description": "Seconds.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}

_closed: set[str] = set()


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """``Authorization: Bearer KEY``; which scope an operation needs is said there."""

    target_class = "tenancy.api_access.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key made under Settings, API keys."}


def closed(serializer: S) -> S:
    """Mark the shape of an object that takes no members but those it names."""
    _closed.add(type(serializer).__name__.removesuffix("Serializer"))
    return serializer


def describe_refusals(result: Document, **_context: Any) -> Document:
    """Give each operation that needs a key the refusals that any may answer with, each as a problem document.

    drf-spectacular calls it with the finished document; what an operation says of a status itself is kept.
    """
    schemas = result["components"].setdefault("schemas", {})
    schemas |= _COMPONENTS
    for name in _closed & schemas.keys():
        schemas[name]["additionalProperties"] = False
    for path in result["paths"].values():
        for operation in path.values():
            if operation.get("security"):
                _describe(operation)
    return result


@lru_cache(maxsize=1)
def document() -> bytes:
    """The OpenAPI document of every address under /api/, as JSON. Made once, since making it is work and anybody may ask."""
    with translation.override("en"):
        generator = SchemaGenerator()  # type: ignore[no-untyped-call]
        schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        return json.dumps(schema, ensure_ascii=False).encode()


def _version(_request: HttpRequest) -> str:
    return f'"{hashlib.sha256(document()).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=_version)
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document, for everybody."""
    return HttpResponse(document(), content_type="application/vnd.oai.openapi+json")


def _describe(operation: Document) -> None:
    words = dict(_ALWAYS)
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        words |= _WITH_ID
    if "requestBody" in operation:
        words |= _WITH_BODY
    responses = operation["responses"]
    for status, description in words.items():
        responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {PROBLEM_TYPE: {"schema": PROBLEM}}
    responses["429"]["headers"] = {"Retry-After": _RETRY_AFTER}
    operation["responses"] = dict(sorted(responses.items()))
