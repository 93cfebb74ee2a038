"""A list as a file: built batch by batch by whichever worker is free, for the one who asked, for some days.

How far a file has been built is its row, as with imports: a worker that dies leaves it after the last batch. A batch begins after
the last row of the one before it in the order of the list: a row that moves in it meanwhile may be missed or come twice.
"""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.bisection import is_transient
from core.due import DueKind, cancel, register_due_kind, schedule
from core.formulas import defuse
from core.models import StoredFile
from core.notifications import Notice, NotificationKind, register_notification_kind, tell
from core.saved_views.files import Cell, Columns, FilePart
from core.saved_views.kinds import ListKind, get_kind
from core.stored_files import add_piece, delete_files, read_pieces, store_file, store_pieces
from core.tasks import tenant_task, wake
from leads.listing import ListTooSlow, patient_for
from leads.models import ExportState, ListExport
from tenancy.audit import record
from tenancy.errors import FieldProblem, Invalid, NotFound, Problem
from tenancy.models import Membership, Tenant
from tenancy.rights import require
from tenancy.scope import require_tenant_id
from tenancy.selectors import language_of

log = structlog.get_logger(__name__)

EXPORT_KIND: Final = "leads.export"
EXPORT_DONE: Final = "leads.export_done"
BATCH_SIZE: Final = 1_000
# So many are built while their reader waits.
AT_ONCE: Final = 1_000
MAX_WORKBOOK_ROWS: Final = 100_000
MAX_FILE_BYTES: Final = 1 << 30
MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FALLBACK: Final = timedelta(seconds=15)
RETRY_PAUSE: Final = timedelta(seconds=10)
# For a batch that a worker builds, where no index serves the list.
BUILDING_LIMIT_MS: Final = 30_000


class NoSuchExport(NotFound):
    """There is no such export, or it is not this person's."""


class UnknownColumns(Invalid):
    """Columns that the list does not have, or none."""


def check_columns(*, kind: ListKind, keys: Sequence[str]) -> None:
    """Raise UnknownColumns unless these are columns of the list, each once."""
    known = [column.key for column in kind.columns()]
    unknown = [key for key in keys if key not in known]
    if not keys or unknown or len(set(keys)) < len(keys):
        message = _("Give columns of the list, each once: %(keys)s.") % {"keys": ", ".join(known)}
        raise UnknownColumns(message, errors=[FieldProblem("columns", "unknown", message)])


def get_export(*, export_id: int, by: Membership) -> ListExport:
    """An export of one's own. Raises NoSuchExport."""
    found: ListExport | None = ListExport.objects.filter(pk=export_id, made_by=by).first()
    if found is None:
        raise NoSuchExport(_("There is no such export of yours."))
    return found


def list_exports(*, by: Membership, limit: int = 20) -> list[ListExport]:
    """One's own exports, the newest first."""
    return list(ListExport.objects.filter(made_by=by).order_by("-pk")[:limit])


def start_export(
    *,
    kind: ListKind,
    parameters: Mapping[str, str],
    columns: str,
    file_format: str,
    by: Membership,
    now: datetime,
    column_keys: Sequence[str] = (),
    language: str = "",
) -> ListExport:
    """Build a file of the rows that an address of a list means. Raises NotAllowed, UnknownColumns, and what the list refuses.

    ``column_keys`` are the columns that the list shows, in order, for ``Columns.SHOWN``; ``language`` is that of the
    page. Few rows are built at once.
    """
    require(by, kind.file.right)
    if columns == Columns.SHOWN:
        check_columns(kind=kind, keys=column_keys)
    kept = {name: parameters[name] for name in kind.parameters if parameters.get(name)}
    kind.check(kept, by)
    count = kind.file.count(kept, by, now)
    export: ListExport = ListExport.objects.create(
        list_kind=kind.key,
        made_by=by,
        made_at=now,
        format=file_format,
        columns=columns,
        column_keys=list(column_keys),
        query=kept,
        query_words=kind.words(kept, by),
        language=language,
        expected=count.value if count and count.exact else None,
    )
    _go_on(export, now)
    if export.expected is not None and export.expected <= AT_ONCE:
        while advance_export(export_id=export.pk, now=now, is_waited_for=True):
            pass
        export.refresh_from_db()
    return export


def file_name_of(export: ListExport) -> str:
    """What the file is called when it is downloaded."""
    name = get_kind(export.list_kind).file.name
    return f"{name}-{timezone.localtime(export.made_at).date().isoformat()}.{export.format}"


def read_export(export: ListExport) -> Iterator[bytes]:
    """The content of a file that is ready; nothing once it has expired."""
    yield from read_pieces(file_id=export.file_id or 0)


def advance_export(*, export_id: int, now: datetime, is_waited_for: bool = False) -> bool:
    """Build the next batch; whether there is more to do here. Nothing if somebody else is at it.

    While somebody waits for the answer, rows that take longer than a page's are left to the workers.
    """
    free = ListExport.objects.select_for_update(skip_locked=True, of=("self",))
    export: ListExport | None = free.filter(pk=export_id, state=ExportState.BUILDING).first()
    if export is None:
        return False
    tenant: Tenant = Tenant.objects.get(pk=require_tenant_id())
    maker = Membership.objects.select_related("user").get(pk=export.made_by_id)
    language = export.language or language_of(maker, tenant=tenant)
    zone = (maker.user.time_zone if maker.user else "") or tenant.time_zone
    with translation.override(language), timezone.override(ZoneInfo(zone)):
        try:
            with nullcontext() if is_waited_for else patient_for(BUILDING_LIMIT_MS), transaction.atomic():
                _build_batch(export, maker, now)
        except ListTooSlow as slow:
            if is_waited_for:
                return False
            _fail(export, str(slow.detail))
        except Problem as problem:
            _fail(export, str(problem.detail))
        except Exception as error:
            if is_transient(error):
                raise
            # Whoever asked is told on the page; the fault stands in the log.
            log.exception("export failed", export_id=export.pk, error=str(error))
            _fail(
                ListExport.objects.get(pk=export.pk),
                _("Something in LeadSys went wrong, and it has been noted."),
            )
        export.refresh_from_db()
    return export.state == ExportState.BUILDING


def _build_batch(export: ListExport, maker: Membership, now: datetime) -> None:
    file = _file_of(export, now)
    kind = get_kind(export.list_kind)
    require(maker, kind.right)
    require(maker, kind.file.right)
    part = FilePart(
        parameters=export.query,
        member=maker,
        columns=export.columns,
        keys=export.column_keys,
        cursor=export.cursor,
        size=BATCH_SIZE,
        now=now,
    )
    rows, next_cursor = kind.file.rows(part)
    if not export.batch_count:
        rows.insert(0, [*kind.file.header(export.columns, export.column_keys)])
        export.row_count -= 1
    write = _as_json if export.format == ListExport.Format.XLSX else _as_csv
    add_piece(file=file, number=export.batch_count, content=write(rows, is_first=not export.batch_count))
    export.batch_count += 1
    export.row_count += len(rows)
    export.cursor = next_cursor or ""
    if export.format == ListExport.Format.XLSX and export.row_count > MAX_WORKBOOK_ROWS:
        _fail(
            export,
            _("These are more than %(most)s rows, too many for a workbook. Choose CSV.")
            % {"most": f"{MAX_WORKBOOK_ROWS:,}"},
        )
    elif next_cursor:
        export.save()
        _go_on(export, now)
    else:
        _finish(export, maker, now)


def _file_of(export: ListExport, now: datetime) -> StoredFile:
    if export.file_id is None:
        expires_at = now + timedelta(days=settings.FILE_DAYS)
        export.file = store_pieces(name=file_name_of(export), pieces=(), expires_at=expires_at, now=now)
    file: StoredFile = StoredFile.objects.get(pk=export.file_id)
    return file


def _finish(export: ListExport, maker: Membership, now: datetime) -> None:
    if export.format == ListExport.Format.XLSX:
        _write_workbook(export, now)
    export.state, export.finished_at = ExportState.DONE, now
    export.save()
    cancel(kind=EXPORT_KIND, subjects=[export.pk])
    kind = get_kind(export.list_kind)
    record(
        act="list.exported",
        subject=export.query_words or _("everything"),
        by=maker,
        now=now,
        detail={
            "list": kind.key,
            "rows": export.row_count,
            "format": export.format,
            "columns": export.columns,
            "query": [f"{name}={value}" for name, value in export.query.items()],
            "export": export.pk,
        },
    )
    if export.row_count > AT_ONCE:
        values = {"rows": export.row_count, "export_id": export.pk}
        tell(notices=[Notice(maker.pk, EXPORT_DONE, values)], now=now)


def _fail(export: ListExport, problem: str) -> None:
    export.state, export.problem = ExportState.FAILED, problem
    if export.file_id is not None:
        delete_files(file_ids=[export.file_id])
    export.file = None
    export.save()
    cancel(kind=EXPORT_KIND, subjects=[export.pk])


def _as_csv(rows: Sequence[Sequence[Cell]], *, is_first: bool) -> bytes:
    """Rows for a spreadsheet of the reader's country: where a comma is the decimal mark, cells are apart by semicolons."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";" if get_format("DECIMAL_SEPARATOR") == "," else ",")
    for row in rows:
        writer.writerow([defuse(cell) if isinstance(cell, str) else _number_text(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig" if is_first else "utf-8")


def _number_text(number: int | Decimal) -> str:
    return str(number) if isinstance(number, int) else f"{number:f}"


def _as_json(rows: Sequence[Sequence[Cell]], *, is_first: bool) -> bytes:
    plain = [[float(cell) if isinstance(cell, Decimal) else cell for cell in row] for row in rows]
    return json.dumps(plain, ensure_ascii=False).encode()


def _write_workbook(export: ListExport, now: datetime) -> None:
    """Turn the batches into a workbook. Texts are cells of text, so nothing in them is a formula."""
    # Loaded by who writes a workbook: it takes its time and 20 MB of every process.
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet(str(get_kind(export.list_kind).label))
    sheet.freeze_panes = "A2"
    for piece in read_pieces(file_id=export.file_id or 0):
        for row in json.loads(piece):
            sheet.append([_workbook_cell(sheet, value) for value in row])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        if export.file_id is not None:
            delete_files(file_ids=[export.file_id])
        export.file = store_file(
            name=file_name_of(export),
            content=iter(lambda: file.read(1 << 20), b""),
            most_bytes=MAX_FILE_BYTES,
            expires_at=now + timedelta(days=settings.FILE_DAYS),
            now=now,
        )


def _workbook_cell(sheet: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    text = ILLEGAL_CHARACTERS_RE.sub("", value)
    if not text.startswith("="):
        return text
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell


def _go_on(export: ListExport, now: datetime) -> None:
    schedule(kind=EXPORT_KIND, due={export.pk: now + FALLBACK})
    wake(continue_export, export_id=export.pk)


@tenant_task(name="leads.continue_export")
def continue_export(*, export_id: int) -> None:
    """Build the next batch of an export."""
    advance_export(export_id=export_id, now=timezone.now())


def _advance_due(export_ids: Sequence[int], now: datetime) -> None:
    for export_id in export_ids:
        advance_export(export_id=export_id, now=now)


def _lock_exports(export_ids: Sequence[int]) -> list[int]:
    """Those that nobody is at; the others stay due, in case whoever is at them dies."""
    free = ListExport.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk__in=list(export_ids)
    )
    return list(free.values_list("pk", flat=True))


def register_exports() -> None:
    """Let workers build files of lists and tell who asked for one. Call it when the app is ready."""
    register_due_kind(DueKind(EXPORT_KIND, act=_advance_due, lock=_lock_exports, batch_size=1))
    register_notification_kind(
        NotificationKind(
            EXPORT_DONE,
            gettext_lazy("Your file of %(rows)s rows is ready to be downloaded"),
            url_name="export-detail",
            url_value="export_id",
        )
    )
