"""Everything that the account has as one file: ask for it, see how far it is, download it."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.downloads import file_response
from leads.models import DataExport, DataExportState
from leads.takeout.building import (
    UNDER_WAY,
    get_data_export,
    list_data_exports,
    problem_words,
    request_data_export,
    take_file,
)
from leads.takeout.tables import list_taken
from tenancy.fragments import answer_progress, poll_headers
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/data_export.html"


@tenant_page(right="data.export")
@require_http_methods(["GET", "HEAD", "POST"])
def data_exports(request: TenantRequest) -> HttpResponse:
    """What such an export is, the earlier ones, and the button that asks for one."""
    if request.method == "POST":
        asked = request_data_export(by=request.member, now=timezone.now())
        return redirect("data-export", slug=request.tenant.slug, export_id=asked.pk)
    exports = list_data_exports()
    context = {
        "exports": exports,
        "running": next((export for export in exports if export.state in UNDER_WAY), None),
        "tables_text": show_number(len(list_taken())),
        "days": settings.FILE_DAYS,
    }
    return render(request, "leads/data_export_list.html", context)


@tenant_page(right="data.export")
@require_safe
def data_export(request: TenantRequest, export_id: int) -> HttpResponse:
    """One export of everything; while it is built, the page asks how far."""
    export = get_data_export(export_id=export_id, by=request.member)
    return answer_progress(
        request,
        page=PAGE,
        etag=_etag(export),
        is_over=export.state not in UNDER_WAY,
        context=lambda: _context(export),
    )


@tenant_page(right="data.export")
@require_POST
def data_export_file(request: TenantRequest, export_id: int) -> HttpResponseBase:
    """The file, for administrators; that it was taken stands in the audit log."""
    file = take_file(export_id=export_id, by=request.member, now=timezone.now())
    return file_response(file, content_type="application/zip")


def _etag(export: DataExport) -> str:
    return f'"{export.pk}-{export.state}-{export.row_count}-{export.part}-{translation.get_language()}"'


def _context(export: DataExport) -> dict[str, Any]:
    has_file = export.state == DataExportState.DONE and export.file is not None
    return {
        "export": export,
        "is_under_way": export.state in UNDER_WAY,
        "has_file": has_file,
        "problem": problem_words(export),
        "poll_headers": poll_headers(_etag(export)),
        "done_text": show_number(export.row_count),
        "of_text": show_number(export.expected or 0),
        "files": [(name, show_number(rows)) for name, rows in sorted(export.counts.items())],
    }
