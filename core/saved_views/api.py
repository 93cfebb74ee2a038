"""Views of lists over HTTP: a program sees its own and those shared with everyone, and may keep and change them."""

from typing import Any, ClassVar, Final

from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.models import SavedView
from core.saved_views import services
from core.saved_views.kinds import ListKind, get_kind, list_kinds
from tenancy.api import TenantAPIView
from tenancy.api_bodies import read_body, refuse
from tenancy.models import Scope
from tenancy.rights import require

_NAME = s.CharField(max_length=60)
_SHARING = s.ChoiceField(
    SavedView.Sharing.values, required=False, allow_null=True, help_text="“me” if left out."
)
_TEAM = s.IntegerField(required=False, allow_null=True, help_text="Of the team, where sharing is “team”.")
_PARAMETERS = s.DictField(
    child=s.CharField(), required=False, allow_null=True, help_text="As the list's address takes them."
)
_COLUMNS = s.ListField(
    child=s.CharField(), required=False, allow_null=True, help_text="Keys; none for the usual ones."
)
VIEW = inline_serializer(
    "SavedView",
    {
        "id": s.IntegerField(),
        "list": s.CharField(),
        "name": _NAME,
        "made_by": s.CharField(),
        "sharing": s.ChoiceField(SavedView.Sharing.values),
        "team": s.IntegerField(allow_null=True),
        "parameters": s.DictField(child=s.CharField()),
        "columns": s.ListField(child=s.CharField()),
    },
)
_CHANGES: Final[dict[str, s.Field[Any, Any, Any, Any]]] = {
    "sharing": _SHARING,
    "team": _TEAM,
    "parameters": _PARAMETERS,
    "columns": _COLUMNS,
}
NEW_VIEW = inline_serializer("NewView", {"list": s.ChoiceField(list_kinds()), "name": _NAME, **_CHANGES})
VIEW_CHANGE = inline_serializer(
    "ViewChange", {"name": s.CharField(required=False, max_length=60), **_CHANGES}
)
VIEWS = inline_serializer("SavedViews", {"results": s.ListField(child=VIEW)})
VIEW_COUNT = inline_serializer("ViewCount", {"count": s.IntegerField(allow_null=True)})
_EXAMPLE = OpenApiExample(
    "mql for everyone",
    value={"list": "leads", "name": "MQLs", "sharing": "all", "parameters": {"stage": "mql"}},
    request_only=True,
)
_BAD = OpenApiResponse(description="A name, parameter or column is not known or not allowed.")
_TAKEN = OpenApiResponse(description="There is a view of this name.")
_KEYS: Final = ("name", "sharing", "team", "parameters", "columns")


class ViewCollectionView(TenantAPIView):
    """The views of a list."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ, "POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="views_list",
        parameters=[OpenApiParameter("list", str, description="Which list; “leads” if left out.")],
        responses={200: VIEWS},
        tags=["views"],
    )
    def get(self, request: Request) -> Response:
        """The views that are shared with everyone, and the key's own."""
        kind = _kind(request.query_params.get("list", "leads"))
        require(self.member, kind.right)
        views = services.list_views(kind=kind, member=self.member)
        return Response({"results": [view_json(view) for view in views]})

    @extend_schema(
        operation_id="view_create",
        request=NEW_VIEW,
        responses={201: VIEW, 400: _BAD, 409: _TAKEN},
        examples=[_EXAMPLE],
        tags=["views"],
    )
    def post(self, request: Request) -> Response:
        """Keep a filter, an order and columns under a name."""
        body = read_body(request, "list", *_KEYS)
        kind = get_kind(body.one_of("list", list_kinds()))
        require(self.member, kind.right)
        view = services.make_view(
            kind=kind,
            name=body.text("name"),
            parameters=body.texts_by_name("parameters"),
            columns=body.texts("columns", default=()),
            sharing=body.text("sharing", default=SavedView.Sharing.ME),
            team_id=body.whole_or_none("team"),
            by=self.member,
            now=timezone.now(),
        )
        return Response(view_json(view), status=201)


class ViewView(TenantAPIView):
    """One view."""

    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.LEADS_READ,
        "PATCH": Scope.LEADS_WRITE,
        "DELETE": Scope.LEADS_WRITE,
    }

    @extend_schema(operation_id="view", responses={200: VIEW}, tags=["views"])
    def get(self, request: Request, view_id: int) -> Response:
        """What a view shows: its rows are those of the list with ``parameters``."""
        return Response(view_json(services.get_view(view_id=view_id, member=self.member)))

    @extend_schema(
        operation_id="view_change",
        request=VIEW_CHANGE,
        responses={200: VIEW, 400: _BAD, 409: _TAKEN},
        tags=["views"],
    )
    def patch(self, request: Request, view_id: int) -> Response:
        """Change what is given."""
        body = read_body(request, *_KEYS)
        view = services.get_view(view_id=view_id, member=self.member)
        has_sharing = "sharing" in body or "team" in body
        services.change_view(
            view=view,
            name=body.text("name") if "name" in body else None,
            sharing=body.text("sharing", default=view.sharing) if has_sharing else None,
            team_id=body.whole_or_none("team") if "team" in body else view.team_id,
            parameters=body.texts_by_name("parameters") if "parameters" in body else None,
            columns=body.texts("columns", default=()) if "columns" in body else None,
            by=self.member,
            now=timezone.now(),
        )
        return Response(view_json(view))

    @extend_schema(operation_id="view_delete", responses={204: None}, tags=["views"])
    def delete(self, request: Request, view_id: int) -> Response:
        """Delete a view."""
        view = services.get_view(view_id=view_id, member=self.member)
        services.delete_view(view=view, by=self.member, now=timezone.now())
        return Response(status=204)


class ViewCountView(TenantAPIView):
    """How many rows a view shows."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="view_count", responses={200: VIEW_COUNT}, tags=["views"])
    def get(self, request: Request, view_id: int) -> Response:
        """The exact count; null where counting takes too long."""
        view = services.get_view(view_id=view_id, member=self.member)
        kind = get_kind(view.kind)
        require(self.member, kind.right)
        return Response({"count": kind.count(view.parameters, self.member, timezone.now())})


def view_json(view: SavedView) -> dict[str, Any]:
    """A view in the shape of the API."""
    return {
        "id": view.pk,
        "list": view.kind,
        "name": view.name,
        "made_by": view.made_by.name,
        "sharing": view.sharing,
        "team": view.team_id,
        "parameters": view.parameters,
        "columns": view.columns,
    }


def _kind(key: str) -> ListKind:
    if key not in list_kinds():
        raise refuse("list", _("Give one of %(values)s.") % {"values": ", ".join(list_kinds())}, "unknown")
    return get_kind(key)


urlpatterns = [
    path("views/", ViewCollectionView.as_view(), name="api-views"),
    path("views/<int:view_id>/", ViewView.as_view(), name="api-view"),
    path("views/<int:view_id>/count/", ViewCountView.as_view(), name="api-view-count"),
]
