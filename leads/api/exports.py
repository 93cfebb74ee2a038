"""Lists as files over HTTP: asked for with a filter or a view, built by workers, downloaded by who asked."""

from typing import Any, ClassVar, Final

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.saved_views.files import Columns
from core.saved_views.kinds import ListKind, get_kind, list_kinds
from core.saved_views.services import NoSuchView, get_view
from core.stored_files import stream_pieces
from leads.exports import MEDIA_TYPES, NoSuchExport, file_name_of, get_export, start_export
from leads.models import ExportState, ListExport
from leads.selectors import instant_json
from tenancy.api import TenantAPIView
from tenancy.api_bodies import Body, read_body, refuse
from tenancy.models import Membership, Scope

_STATES: Final = {ExportState.BUILDING.value: "building"}
_COLUMNS: Final = {"all": Columns.ALL, "usual": Columns.LIST}
EXPORT: Final = inline_serializer(
    "Export",
    {
        "id": s.IntegerField(),
        "list": s.CharField(),
        "state": s.ChoiceField(["building", "done", "failed"]),
        "format": s.ChoiceField(ListExport.Format.values),
        "rows": s.IntegerField(help_text="So many are in it by now."),
        "made_at": s.DateTimeField(),
        "finished_at": s.DateTimeField(allow_null=True),
        "file": s.CharField(allow_null=True, help_text="Where it is, once it is ready and until it expires."),
        "problem": s.CharField(),
    },
)
NEW_EXPORT: Final = inline_serializer(
    "NewExport",
    {
        "list": s.CharField(
            required=False,
            allow_null=True,
            help_text="leads if left out, opportunities, companies, messages …",
        ),
        "format": s.ChoiceField(ListExport.Format.values, required=False, allow_null=True),
        "columns": s.JSONField(
            required=False,
            help_text="all (of leads under the names by which an import takes them), usual (of leads alone), or keys of"
            " columns of the list, in order.",
        ),
        "view": s.IntegerField(
            required=False,
            allow_null=True,
            min_value=1,
            help_text="A view of the list: its filter, and its columns where none are given.",
        ),
        "filter": s.DictField(
            child=s.CharField(), required=False, allow_null=True, help_text="As the address of the list."
        ),
    },
)
_EXAMPLE: Final = OpenApiExample(
    "columns", value={"format": "csv", "columns": ["name", "email", "score"], "filter": {"stage": "mql"}}
)


class ExportCollectionView(TenantAPIView):
    """Lists as files."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_READ}

    @extend_schema(
        operation_id="export_start",
        request=NEW_EXPORT,
        responses={202: EXPORT},
        tags=["exports"],
        examples=[_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Begin to build a file of the rows that a filter or a view means; of all rows without one. It is audited."""
        body = read_body(request, "list", "format", "columns", "view", "filter")
        kind = get_kind(body.one_of("list", list_kinds(), default="leads"))
        self.require_scope(kind.scope)
        self.require(kind.right)
        parameters, of_view = _parameters(body, self.member, kind)
        columns, keys = _columns(body, of_view, kind)
        export = start_export(
            kind=kind,
            parameters=parameters,
            columns=columns,
            column_keys=keys,
            file_format=body.one_of("format", ListExport.Format.values, default=ListExport.Format.CSV.value),
            by=self.member,
            now=timezone.now(),
        )
        return Response(export_json(export), status=202)


class ExportView(TenantAPIView):
    """One file of a list."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="export", responses={200: EXPORT}, tags=["exports"])
    def get(self, request: Request, export_id: int) -> Response:
        """How far it has been built, for the key that asked for it."""
        return Response(export_json(get_export(export_id=export_id, by=self.member)))


class ExportFileView(TenantAPIView):
    """The file itself."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(
        operation_id="export_file",
        responses={(200, kind): OpenApiTypes.BINARY for kind in ("text/csv", MEDIA_TYPES["xlsx"])},
        tags=["exports"],
    )
    def get(self, request: Request, export_id: int) -> StreamingHttpResponse:
        """The file, once it is ready."""
        export = get_export(export_id=export_id, by=self.member)
        if export.state != ExportState.DONE or export.file_id is None:
            raise NoSuchExport(_("There is no file any more. Export the list again."))
        response = StreamingHttpResponse(
            stream_pieces(tenant_id=self.tenant.pk, file_id=export.file_id),
            content_type=MEDIA_TYPES[export.format],
        )
        response["Content-Length"] = export.file.size_bytes
        disposition = content_disposition_header(as_attachment=True, filename=file_name_of(export))
        response["Content-Disposition"] = disposition or "attachment"
        response["Cache-Control"] = "private, no-store"
        return response


def _parameters(body: Body, member: Membership, kind: ListKind) -> tuple[dict[str, str], list[str]]:
    """What narrows the list, and the columns of the view that was named. Raises Invalid."""
    parameters: dict[str, str] = {}
    columns: list[str] = []
    view_id = body.whole_or_none("view")
    if view_id is not None:
        try:
            view = get_view(view_id=view_id, kind=kind, member=member)
        except NoSuchView as missing:
            raise refuse("view", missing.detail, "unknown") from missing
        parameters, columns = dict(view.parameters), list(view.columns or ())
    given = body.texts_by_name("filter")
    if unknown := given.keys() - set(kind.parameters):
        raise refuse(f"filter.{min(unknown)}", _("There is no such filter."), "unknown")
    return parameters | {name: value for name, value in given.items() if value.strip()}, columns


def _columns(body: Body, of_view: list[str], kind: ListKind) -> tuple[str, list[str]]:
    """Which columns, and the keys of those that are named one by one."""
    asked = body.get("columns")
    if asked is None and of_view:
        return Columns.SHOWN, of_view
    if asked is None:
        return Columns.ALL, []
    if isinstance(asked, list) and all(isinstance(each, str) for each in asked):
        return Columns.SHOWN, asked
    offered = [name for name, each in _COLUMNS.items() if each in kind.file.sets]
    if not isinstance(asked, str) or asked not in offered:
        message = _("Give one of %(values)s.") % {"values": ", ".join((*offered, "[…]"))}
        raise refuse("columns", message, "unknown")
    return _COLUMNS[asked], []


def export_json(export: ListExport) -> dict[str, Any]:
    """An export in the shape of the API."""
    is_ready = export.state == ExportState.DONE and export.file_id is not None
    return {
        "id": export.pk,
        "list": export.list_kind,
        "state": _STATES.get(export.state, export.state),
        "format": export.format,
        "rows": max(0, export.row_count),
        "made_at": instant_json(export.made_at),
        "finished_at": instant_json(export.finished_at) if export.finished_at else None,
        "file": f"/api/v1/exports/{export.pk}/file/" if is_ready else None,
        "problem": export.problem,
    }
