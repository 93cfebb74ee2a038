"""What every API view shares: its scopes, and problem answers (RFC 9457) for every error."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.core.exceptions import SuspiciousOperation
from django.db.models import Model
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import inline_serializer
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from tenancy.api_access import require_scope
from tenancy.doors import UnsupportedBody, readable
from tenancy.errors import PROBLEM_TYPE, NotFound, Problem
from tenancy.keys import require_of_maker
from tenancy.keyset import Page
from tenancy.models import Membership, Scope, Tenant

M = TypeVar("M", bound=Model)


class TenantAPIView(APIView):
    """An API view of a tenant; ``scopes`` maps each method to the scope it needs."""

    scopes: ClassVar[dict[str, Scope]] = {}

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """The methods there are, in Allow; what they do is in the OpenAPI document."""
        return Response(status=204)

    @property
    def member(self) -> Membership:
        """The service user with whom the key acts."""
        return cast(Membership, self.request._request.member)  # type: ignore[attr-defined]

    def require_scope(self, scope: Scope) -> None:
        """Raise ScopeMissing unless the key has a scope that only some of what this view does needs."""
        require_scope(self.request._request.key, scope)  # type: ignore[attr-defined]

    def require(self, right: str) -> None:
        """Raise NotAllowed unless whoever made the key has this right now."""
        require_of_maker(key_id=self.request._request.key.id, right=right)  # type: ignore[attr-defined]

    @property
    def tenant(self) -> Tenant:
        """Whose key it is."""
        return cast(Tenant, self.request._request.tenant)  # type: ignore[attr-defined]


class SettingsAPIView(TenantAPIView):
    """What people do by the pages of the settings.

    ``rights`` maps each method to the right that whoever made the key must have.
    """

    rights: ClassVar[dict[str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a key whose maker may not do this any more."""
        super().initial(request, *args, **kwargs)
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method in self.rights:
            self.require(self.rights[method])


def page_url(request: Request, cursor: str | None) -> str | None:
    """The address of another page of the same list."""
    if cursor is None:
        return None
    parameters = request.query_params.copy()
    parameters["cursor"] = cursor
    return f"{request.path}?{parameters.urlencode()}"


def page_answer(request: Request, page: Page[M], as_json: Callable[[M], dict[str, Any]]) -> dict[str, Any]:
    """One page by key in the shape of ``page_shape``."""
    return {
        "results": [as_json(row) for row in page.rows],
        "next": page_url(request, page.next_cursor),
        "previous": page_url(request, page.previous_cursor),
    }


def page_shape(name: str, row: Any) -> Any:
    """How a page of a list is described: rows, and the addresses of the pages around it."""
    cursors = {each: serializers.CharField(allow_null=True) for each in ("next", "previous")}
    return inline_serializer(name, {"results": serializers.ListField(child=row), **cursors})


def problem_response(problem: Problem) -> Response:
    """An ``application/problem+json`` answer (RFC 9457)."""
    response = Response(problem.as_json(), status=problem.status, content_type=PROBLEM_TYPE)
    if problem.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response


def problem_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Turn each anticipated exception into a problem answer; others go up and are reported."""
    set_rollback()
    problem = as_problem(exception)
    if problem is None:
        return None
    response = problem_response(problem)
    response.rolls_back = True  # type: ignore[attr-defined]
    return response


def as_problem(exception: Exception) -> Problem | None:
    """The problem that an exception stands for, or None if it was not anticipated."""
    if isinstance(exception, Problem):
        return exception
    if isinstance(exception, Http404):
        return NotFound(_("There is nothing at this address."))
    if isinstance(exception, SuspiciousOperation):
        return readable(exception)
    if isinstance(exception, exceptions.UnsupportedMediaType):
        return UnsupportedBody(_("Send the body as application/json."))
    if isinstance(exception, exceptions.APIException):
        problem = Problem(str(exception.detail))
        problem.status, problem.title = exception.status_code, str(exception.default_detail)
        return problem
    return None
