"""Everything that the account has as one file, over HTTP: asked for, watched, downloaded."""

from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.downloads import file_response
from leads.models import DataExport
from leads.selectors import instant_json
from leads.takeout.building import get_data_export, problem_words, request_data_export, take_file
from tenancy.api import SettingsAPIView
from tenancy.models import Scope

DATA_EXPORT = inline_serializer(
    "DataExport",
    {
        "id": s.IntegerField(),
        "state": s.ChoiceField(["waiting", "building", "done", "failed"]),
        "asked_at": s.DateTimeField(),
        "asked_by": s.CharField(),
        "snapshot_at": s.DateTimeField(
            allow_null=True, help_text="All that was committed then is in the file, and nothing else."
        ),
        "finished_at": s.DateTimeField(allow_null=True),
        "expected": s.IntegerField(allow_null=True, help_text="Rows that are to be written."),
        "rows": s.IntegerField(help_text="Rows that are written."),
        "files": s.DictField(child=s.IntegerField(), help_text="Rows by file of the ZIP."),
        "file": s.CharField(allow_null=True, help_text="Where the ZIP is, until it expires."),
        "problem": s.CharField(),
    },
)
_NO_FILE = OpenApiResponse(description="There is no such export, or no file of it.")


class DataExportCollectionView(SettingsAPIView):
    """Exports of everything."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.DATA_EXPORT}
    rights: ClassVar[dict[str, str]] = {"POST": "data.export"}

    @extend_schema(
        operation_id="data_export_start", request=None, responses={202: DATA_EXPORT}, tags=["data"]
    )
    def post(self, request: Request) -> Response:
        """Have everything built as one ZIP, in the background. Where that is under way already, it is that one."""
        return Response(data_export_json(request_data_export(by=self.member, now=timezone.now())), status=202)


class DataExportView(SettingsAPIView):
    """One export of everything."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.DATA_EXPORT}
    rights: ClassVar[dict[str, str]] = {"GET": "data.export"}

    @extend_schema(operation_id="data_export", responses={200: DATA_EXPORT}, tags=["data"])
    def get(self, request: Request, export_id: int) -> Response:
        """How far it is."""
        return Response(data_export_json(get_data_export(export_id=export_id, by=self.member)))


class DataExportFileView(SettingsAPIView):
    """The ZIP."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.DATA_EXPORT}
    rights: ClassVar[dict[str, str]] = {"GET": "data.export"}

    @extend_schema(
        operation_id="data_export_file",
        responses={(200, "application/zip"): OpenApiTypes.BINARY, 404: _NO_FILE},
        tags=["data"],
    )
    def get(self, request: Request, export_id: int) -> StreamingHttpResponse:
        """The ZIP, once it is ready. That it was taken stands in the audit log."""
        file = take_file(export_id=export_id, by=self.member, now=timezone.now())
        return file_response(file, content_type="application/zip")


def data_export_json(export: DataExport) -> dict[str, Any]:
    """An export of everything in the shape of the API."""
    return {
        "id": export.pk,
        "state": export.state,
        "asked_at": instant_json(export.asked_at),
        "asked_by": export.asked_by_name,
        "snapshot_at": instant_json(export.snapshot_at) if export.snapshot_at else None,
        "finished_at": instant_json(export.finished_at) if export.finished_at else None,
        "expected": export.expected,
        "rows": export.row_count,
        "files": export.counts,
        "file": f"/api/v1/data-exports/{export.pk}/file/"
        if export.state == "done" and export.file_id
        else None,
        "problem": problem_words(export),
    }
