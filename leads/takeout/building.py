"""Everything a tenant has: asked for by an administrator, built by a worker, kept for some days.

The rows of all tables are read in one snapshot, by a connection of its own that writes nothing; what is read is compressed and
kept piece by piece in short transactions of another. So the file is consistent, memory stays small, and the page sees how far it
is. A snapshot ends with its connection: a worker that dies leaves a request whose due row has another one begin anew. Whoever
erases a person deletes the file, also one that is being built, which then begins again without them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.due import DueKind, cancel, register_due_kind, schedule
from core.models import StoredFile
from core.notifications import Notice, NotificationKind, register_notification_kind, tell
from core.stored_files import add_piece, delete_files, store_pieces
from core.tasks import system_task, wake
from leads.erasure.erasing import wait_for_erasures
from leads.models import DataExport, DataExportState
from leads.takeout.archive import Archive, describe_files, manifest_of, manifest_text, readme_text
from leads.takeout.tables import TakenTable, copy_statement, count_statement, list_taken
from tenancy.audit import record, register_acts
from tenancy.errors import NotFound
from tenancy.models import MemberKind, Membership, Tenant
from tenancy.rights import require
from tenancy.scope import TENANT_SETTING, TenantSuspended, require_tenant_id, tenant_scope
from tenancy.selectors import language_of

log = structlog.get_logger(__name__)

BUILD_KIND: Final = "data.export"
BUILT: Final = "data.export_done"
FALLBACK: Final = timedelta(minutes=1)
MAX_ATTEMPTS: Final = 5
# As long as a snapshot may keep the database from clearing away what was changed since.
LONGEST: Final = timedelta(hours=2)
MAX_FILE_BYTES: Final = 1 << 34
UNDER_WAY: Final = (DataExportState.WAITING, DataExportState.BUILDING)
# The first half of the number of the lock under which one worker builds; the other half is the export.
_LOCK: Final = 0x5441_4B45


class NoSuchDataExport(NotFound):
    """There is no such export of everything, or its file has expired."""


class _FileGone(Exception):
    """Somebody was erased meanwhile: the file that was being built is deleted."""


class _TooMuch(Exception):
    """It took longer, or became larger, than may be."""


def require_takeout(by: Membership) -> None:
    """Raise NotAllowed unless they may take everything: administrators, and keys to which one of them gave that very scope.

    A key's scope is checked at the door; no other scope leads here.
    """
    if by.kind != MemberKind.SERVICE:
        require(by, "data.export")


def request_data_export(*, by: Membership, now: datetime) -> DataExport:
    """Have everything built; where that is under way already, it is that one. Raises NotAllowed."""
    require_takeout(by)
    try:
        with transaction.atomic():
            export: DataExport = DataExport.objects.create(asked_by=by, asked_by_name=by.name, asked_at=now)
    except IntegrityError:
        running: DataExport = DataExport.objects.get(state__in=UNDER_WAY)
        return running
    record(act="data.export_asked", subject=f"#{export.pk}", by=by, now=now)
    _hand_over([export.pk], now)
    return export


def list_data_exports(*, limit: int = 20) -> list[DataExport]:
    """The exports of everything, the newest first."""
    return list(DataExport.objects.select_related("file").order_by("-id")[:limit])


def get_data_export(*, export_id: int, by: Membership) -> DataExport:
    """One export of everything. Raises NotAllowed, NoSuchDataExport."""
    require_takeout(by)
    found: DataExport | None = DataExport.objects.select_related("file").filter(pk=export_id).first()
    if found is None:
        raise NoSuchDataExport(_("There is no such export."))
    return found


def take_file(*, export_id: int, by: Membership, now: datetime) -> StoredFile:
    """The file of one that is ready; that it was taken stands in the audit log. Raises NotAllowed, NoSuchDataExport."""
    export = get_data_export(export_id=export_id, by=by)
    if export.state != DataExportState.DONE or export.file is None:
        raise NoSuchDataExport(_("There is no file, or no longer. Ask for a new one."))
    record(act="data.downloaded", subject=f"#{export.pk}", by=by, now=now)
    file: StoredFile = export.file
    return file


def build_export(*, tenant_id: int, export_id: int) -> None:
    """Build an export of everything that waits, called outside a transaction. Nothing if somebody else is at it."""
    with _alone(export_id) as reader:
        if reader is None:
            return
        try:
            with tenant_scope(tenant_id):
                export = _begin(export_id, timezone.now())
            if export is not None:
                _Build(tenant_id, export, reader).run()
        except TenantSuspended:  # this moment; what is due waits
            log.info("export of a suspended tenant left", tenant_id=tenant_id)
        except _FileGone:
            with tenant_scope(tenant_id):
                _begin_again(export_id, timezone.now())
        except _TooMuch:
            with tenant_scope(tenant_id):
                _fail(export_id, "too_much")
        except Exception as error:
            # The due row has it begun anew, a few times; then whoever asked is told on the page.
            log.exception("export of everything failed", export_id=export_id, error=str(error))


@contextmanager
def _alone(export_id: int) -> Iterator[BaseDatabaseWrapper | None]:
    """A connection of its own, which nobody else has for this export; None if somebody has. It ends with its process."""
    reader = connection.copy()
    try:
        with reader.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, export_id % (1 << 31)])
            is_ours = bool(cursor.fetchone()[0])
        yield reader if is_ours else None
    finally:
        reader.close()


def _begin(export_id: int, now: datetime) -> DataExport | None:
    waiting = DataExport.objects.select_for_update(of=("self",)).filter(state__in=UNDER_WAY)
    export: DataExport | None = waiting.filter(pk=export_id).first()
    if export is None:
        cancel(kind=BUILD_KIND, subjects=[export_id])
        return None
    if export.attempts >= MAX_ATTEMPTS:
        _fail(export_id, "broke_off")
        return None
    # Who is being erased now is gone from the snapshot that follows; whoever is erased later finds the file and deletes it.
    wait_for_erasures()
    if export.file_id is not None:
        delete_files(file_ids=[export.file_id])
    tenant = Tenant.objects.get(pk=require_tenant_id())
    name = f"leadsys-{slugify(tenant.slug)}-{now.date().isoformat()}.zip"
    expires_at = now + timedelta(days=settings.FILE_DAYS)
    export.file = store_pieces(name=name, pieces=(), expires_at=expires_at, now=now)
    export.state, export.attempts = DataExportState.BUILDING, export.attempts + 1
    export.row_count, export.expected, export.part = 0, None, ""
    export.save()
    schedule(kind=BUILD_KIND, due={export_id: now + FALLBACK})
    return export


def _begin_again(export_id: int, now: datetime) -> None:
    """Soon; it is nobody's fault, so it counts as no attempt."""
    export: DataExport = DataExport.objects.select_for_update(of=("self",)).get(pk=export_id)
    export.state, export.attempts, export.file = DataExportState.WAITING, export.attempts - 1, None
    export.save()
    _hand_over([export_id], now)


def _fail(export_id: int, problem: str) -> None:
    export: DataExport = DataExport.objects.select_for_update(of=("self",)).get(pk=export_id)
    if export.file_id is not None:
        delete_files(file_ids=[export.file_id])
    export.state, export.problem, export.file = DataExportState.FAILED, problem, None
    export.save()
    cancel(kind=BUILD_KIND, subjects=[export_id])


class _Build:
    """One attempt: a snapshot that is read, a file that is written beside it."""

    def __init__(self, tenant_id: int, export: DataExport, reader: BaseDatabaseWrapper) -> None:
        self._tenant_id, self._export, self._reader = tenant_id, export, reader
        self._file_id, self._pieces, self._bytes = export.file_id or 0, 0, 0
        self._rows, self._part = 0, ""
        self._until = time.monotonic() + LONGEST.total_seconds()

    def run(self) -> None:
        """Build all of it. Raises _FileGone, _TooMuch, TenantSuspended."""
        with tenant_scope(self._tenant_id):
            tenant: Tenant = Tenant.objects.get(pk=self._tenant_id)
            by = self._export.asked_by
            language = language_of(by, tenant=tenant)
            tables = [(table, copy_statement(table)) for table in list_taken()]
            with translation.override(language):
                files = describe_files()
        with self._reader.cursor() as cursor:
            snapshot_at = self._open_snapshot(cursor)
            archive = Archive(self._keep, made_at=snapshot_at)
            counts = {}
            for table, statement in tables:
                counts[table.file_name] = self._write(cursor, archive, table, statement)
            cursor.execute("COMMIT")
        with translation.override(language):
            manifest = manifest_of(account=tenant.name, snapshot_at=snapshot_at, files=files, counts=counts)
            archive.add("manifest.json", [manifest_text(manifest)])
            archive.add("README.txt", [readme_text(manifest)])
            archive.close()
        with tenant_scope(self._tenant_id):
            self._finish(snapshot_at, counts)

    def _open_snapshot(self, cursor: Any) -> datetime:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        # The first statement takes the snapshot.
        cursor.execute(
            "SELECT set_config(%s, %s, true), statement_timestamp()", [TENANT_SETTING, str(self._tenant_id)]
        )
        snapshot_at: datetime = cursor.fetchone()[1]
        expected = 0
        for table in list_taken():
            cursor.execute(count_statement(table))
            expected += cursor.fetchone()[0]
        with tenant_scope(self._tenant_id):
            DataExport.objects.filter(pk=self._export.pk).update(expected=expected, snapshot_at=snapshot_at)
        return snapshot_at

    def _write(self, cursor: Any, archive: Archive, table: TakenTable, statement: str) -> int:
        self._part = table.file_name
        with cursor.copy(statement) as copy:
            # A byte order mark tells spreadsheets that accents are UTF-8.
            mark = b"" if table.as_json else b"\xef\xbb\xbf"
            lines = archive.add(table.file_name, self._counted(copy), begins_with=mark)
        header = 0 if table.as_json else 1
        self._rows -= header
        return lines - header

    def _counted(self, rows: Any) -> Iterator[Any]:
        for row in rows:
            self._rows += 1
            yield row

    def _keep(self, piece: bytes) -> None:
        """Commit a piece, and how far it is."""
        self._bytes += len(piece)
        if time.monotonic() > self._until or self._bytes > MAX_FILE_BYTES:
            raise _TooMuch
        with tenant_scope(self._tenant_id):
            file = StoredFile.objects.select_for_update().filter(pk=self._file_id).first()
            if file is None:
                raise _FileGone
            add_piece(file=file, number=self._pieces, content=piece)
            DataExport.objects.filter(pk=self._export.pk).update(part=self._part, row_count=self._rows)
            schedule(kind=BUILD_KIND, due={self._export.pk: timezone.now() + FALLBACK})
        self._pieces += 1

    def _finish(self, snapshot_at: datetime, counts: dict[str, int]) -> None:
        now = timezone.now()
        if not StoredFile.objects.select_for_update().filter(pk=self._file_id).exists():
            raise _FileGone
        export: DataExport = DataExport.objects.select_for_update(of=("self",)).get(pk=self._export.pk)
        export.state, export.finished_at = DataExportState.DONE, now
        export.counts, export.row_count, export.snapshot_at = counts, sum(counts.values()), snapshot_at
        export.save()
        cancel(kind=BUILD_KIND, subjects=[export.pk])
        by = export.asked_by
        record(
            act="data.exported", subject=f"#{export.pk}", by=by, now=now, detail={"rows": export.row_count}
        )
        if by is not None and by.kind == MemberKind.PERSON:
            tell(notices=[Notice(by.pk, BUILT, {"export_id": export.pk})], now=now)


def _hand_over(export_ids: Any, now: datetime) -> None:
    """Have a worker build these; one that dies at it is followed by another after a minute."""
    schedule(kind=BUILD_KIND, due=dict.fromkeys(export_ids, now + FALLBACK))
    for export_id in export_ids:
        wake(continue_data_export, export_id=export_id)


@system_task(name="leads.continue_data_export")
def continue_data_export(*, tenant_id: int, export_id: int) -> None:
    """Build an export of everything."""
    build_export(tenant_id=tenant_id, export_id=export_id)


def problem_words(export: DataExport) -> str:
    """Why it could not be built, and what to do."""
    if export.state != DataExportState.FAILED:
        return ""
    if export.problem == "too_much":
        return _(
            "It is more than one file can hold. Ask whoever runs this installation for a copy of the database."
        )
    return _(
        "It broke off %(times)s times, and that has been noted. Nothing is lost; ask for it again later."
    ) % {"times": MAX_ATTEMPTS}


def register_data_exports() -> None:
    """Let workers build exports of everything. Call it when the app is ready."""
    register_due_kind(DueKind(BUILD_KIND, act=_hand_over, batch_size=10))
    register_notification_kind(
        NotificationKind(
            BUILT,
            gettext_lazy("The export of everything is ready to be downloaded"),
            url_name="data-export",
            url_value="export_id",
        )
    )
    register_acts(
        {
            "data.export_asked": gettext_lazy("Asked for an export of everything (%(subject)s)"),
            "data.exported": gettext_lazy("The export of everything %(subject)s is ready (%(rows)s rows)"),
            "data.downloaded": gettext_lazy("Downloaded the export of everything %(subject)s"),
        }
    )
