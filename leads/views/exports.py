"""Taking a list out as a file: what of it, the file while it is built, the file."""

from typing import Any, Final

from django import forms
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from core.saved_views.files import Columns
from core.saved_views.kinds import ListKind, get_kind
from core.saved_views.showing import read_shown
from core.stored_files import stream_pieces
from leads.exports import (
    AT_ONCE,
    MAX_WORKBOOK_ROWS,
    MEDIA_TYPES,
    NoSuchExport,
    file_name_of,
    get_export,
    list_exports,
    start_export,
)
from leads.models import ExportState, ListExport
from tenancy.fragments import answer_progress, poll_headers
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import require

PAGE: Final = "leads/export_detail.html"


class ExportForm(forms.Form):
    """Which columns, as which kind of file."""

    columns = forms.ChoiceField(label=gettext_lazy("Columns"), widget=forms.RadioSelect)
    file_format = forms.ChoiceField(
        label=gettext_lazy("File"),
        choices=[
            (ListExport.Format.CSV.value, gettext_lazy("CSV, for any program")),
            (ListExport.Format.XLSX.value, gettext_lazy("XLSX, for Excel")),
        ],
        initial=ListExport.Format.CSV,
        widget=forms.RadioSelect,
    )

    def __init__(self, data: Any = None, *, kind: ListKind, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        field = self.fields["columns"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(each.value, each.label) for each in kind.file.sets]


@tenant_page(right="lead.export")
@require_http_methods(["GET", "HEAD", "POST"])
def export_new(request: TenantRequest, kind: str) -> HttpResponse:
    """The rows of the list that the address means, as a file. Raises NotAllowed, and what the list refuses."""
    now, listed = timezone.now(), get_kind(kind)
    require(request.member, listed.right)
    require(request.member, listed.file.right)
    shown = read_shown(request=request, kind=listed, member=request.member, slug=request.tenant.slug)
    labels = {column.key: str(column.label) for column in listed.columns()}
    keys = [key for key in shown.column_keys() if key in labels]
    given = dict(shown.parameters)
    listed.check(given, request.member)
    # Who has not chosen columns for the list is meant to get what is usual for a file of it, if that is something else.
    is_chosen = Columns.LIST not in listed.file.sets or keys != list(listed.usual(given))
    initial = {"columns": Columns.SHOWN if is_chosen else Columns.LIST}
    form = ExportForm(request.POST if request.method == "POST" else None, kind=listed, initial=initial)
    if form.is_bound and form.is_valid():
        export = start_export(
            kind=listed,
            parameters=given,
            columns=form.cleaned_data["columns"],
            column_keys=keys,
            file_format=form.cleaned_data["file_format"],
            by=request.member,
            now=now,
            language=translation.get_language(),
        )
        return redirect("export-detail", slug=request.tenant.slug, export_id=export.pk)
    count = listed.file.count(given, request.member, now)
    url = reverse(listed.url_name, kwargs={"slug": request.tenant.slug})
    context = {
        "form": form,
        "kind": listed,
        "words": listed.words(given, request.member),
        "shown_columns": ", ".join(labels[key] for key in keys),
        "count": count,
        "count_text": show_number(count.value) if count else "",
        "is_at_once": bool(count and count.exact and count.value <= AT_ONCE),
        "most_text": show_number(MAX_WORKBOOK_ROWS),
        "has_names_of_imports": Columns.LIST in listed.file.sets,
        "list_url": f"{url}?{request.GET.urlencode()}" if request.GET else url,
        "earlier": [(export, get_kind(export.list_kind).label) for export in list_exports(by=request.member)],
    }
    return render(request, "leads/export_new.html", context, status=422 if form.is_bound else 200)


@tenant_page(right="lead.export")
@require_safe
def export_detail(request: TenantRequest, export_id: int) -> HttpResponse:
    """One export of one's own; while it is built, the page asks how far."""
    export = get_export(export_id=export_id, by=request.member)
    return answer_progress(
        request,
        page=PAGE,
        etag=_etag(export),
        is_over=export.state != ExportState.BUILDING,
        context=lambda: _context(export),
    )


def _etag(export: ListExport) -> str:
    return f'"{export.pk}-{export.state}-{export.batch_count}-{translation.get_language()}"'


def _context(export: ListExport) -> dict[str, Any]:
    return {
        "export": export,
        "kind": get_kind(export.list_kind),
        "poll_headers": poll_headers(_etag(export)),
        "done_text": show_number(max(0, export.row_count)),
        "file_name": file_name_of(export),
        "has_file": export.state == ExportState.DONE and export.file_id is not None,
        "size": export.file.size_bytes if export.file_id is not None and export.file else 0,
    }


@tenant_page(right="lead.export")
@require_safe
def export_file(request: TenantRequest, export_id: int) -> HttpResponseBase:
    """The file, for whoever asked for it."""
    export = get_export(export_id=export_id, by=request.member)
    if export.state != ExportState.DONE or export.file_id is None:
        raise NoSuchExport(_("There is no file any more. Export the list again."))
    # The scope of the request ends with the view; a file may be far larger than what a process should hold.
    response = StreamingHttpResponse(
        stream_pieces(tenant_id=request.tenant.pk, file_id=export.file_id),
        content_type=MEDIA_TYPES[export.format] + ("; charset=utf-8" if export.format == "csv" else ""),
    )
    response["Content-Length"] = export.file.size_bytes
    disposition = content_disposition_header(as_attachment=True, filename=file_name_of(export))
    response["Content-Disposition"] = disposition or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response
