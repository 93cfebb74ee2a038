"""Imports by the pages, as a person does them: upload a file, say what its columns are, see what would come of it, start it.

Each step is one function, which refuses when the import is no longer where it can be taken; what takes time is left to a worker
(``import_steps``).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from core.due import cancel
from core.stored_files import store_file
from leads.capture.assignment import Assignment
from leads.capture.import_steps import (
    IMPORT_KIND,
    advance_import,
    begin,
    check_columns,
    current_tenant,
    detected_of,
    follow_orders,
    forget_files,
    go_on,
    kept_for,
)
from leads.capture.ordered_imports import ImportOrders
from leads.models import ImportRun, ImportState
from tenancy.audit import record
from tenancy.errors import Conflict, NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.models import Membership

PAGE_SIZE: Final = 50
NOTHING_SAID: Final = ImportOrders()
MAX_UPLOAD_BYTES: Final = 100 << 20
# So small a file is read and tried while its sender waits.
AT_ONCE_BYTES: Final = 1 << 20
AT_ONCE_ROWS: Final = 1_000
ASSIGNABLE: Final = frozenset({ImportState.MAPPING, ImportState.TRIED})
RESUMABLE: Final = frozenset({ImportState.FAILED, ImportState.STOPPED})


class NoSuchImport(NotFound):
    """The tenant has no such import."""


class ImportMovedOn(Conflict):
    """The import is no longer where this can be done."""


class FileGone(Conflict):
    """The uploaded file has been deleted."""


def get_import(*, import_id: int) -> ImportRun:
    """One import. Raises NoSuchImport."""
    found: ImportRun | None = ImportRun.objects.filter(pk=import_id).select_related("made_by").first()
    if found is None:
        raise NoSuchImport(_("There is no such import."))
    return found


def list_imports(*, cursor: str) -> Page[ImportRun]:
    """A page of imports, the newest first. Raises CursorRefused."""
    runs = ImportRun.objects.select_related("made_by")
    return page_by_key(runs, keys=("-started_at", "-id"), cursor=cursor, size=PAGE_SIZE)


# Steps of a person -------------------------------------------------------------------------------------------------


def upload_import(
    *,
    name: str,
    subject: str,
    content: Iterable[bytes],
    by: Membership,
    now: datetime,
    orders: ImportOrders = NOTHING_SAID,
    language: str = "",
) -> ImportRun:
    """Keep a file to be imported; a worker reads it. Without a ``subject`` it is guessed from the columns. With ``orders`` nobody
    has to say more. ``language`` is that of the page. Raises FileTooLarge."""
    file = store_file(
        name=name, content=content, most_bytes=MAX_UPLOAD_BYTES, expires_at=now + kept_for(), now=now
    )
    run: ImportRun = ImportRun.objects.create(
        subject=subject or ImportRun.Subject.LEADS,
        orders=replace(orders, guesses_subject=not subject).as_json(),
        file_name=name[-255:],
        started_at=now,
        state=ImportState.READING,
        made_by=by,
        language=language,
        file=file,
    )
    go_on(run, now)
    if file.size_bytes <= AT_ONCE_BYTES:
        # What a program has said in advance is tried, too.
        for _step in ("read", "try") if orders.is_automatic else ("read",):
            advance_import(import_id=run.pk, now=now)
        run.refresh_from_db()
    return run


def choose_subject(*, run: ImportRun, subject: str) -> None:
    """Say what the file tells of; its columns are to be assigned anew. Raises ImportMovedOn, FileGone."""
    _lock(run, ASSIGNABLE)
    if subject not in ImportRun.Subject.values:
        raise ImportMovedOn(_("A file tells of leads, deals or events."))
    run.subject, run.assignment, run.trial, run.state = subject, None, None, ImportState.MAPPING
    run.problem = ""
    run.save(update_fields=["subject", "assignment", "trial", "state", "problem"])


def choose_sheet(*, run: ImportRun, sheet: str, now: datetime) -> None:
    """Read another sheet of the workbook. Raises ImportMovedOn, FileGone."""
    _lock(run, ASSIGNABLE)
    detected = detected_of(run)
    if sheet not in detected.sheets:
        raise ImportMovedOn(_("The workbook has no sheet of this name."))
    run.detected = detected.as_json() | {"sheet": sheet}
    _move(run, ImportState.READING, now)


def assign_columns(*, run: ImportRun, assignment: Assignment, now: datetime) -> None:
    """Say what the columns are; a worker tries it out. Raises InvalidAssignment, ImportMovedOn, FileGone."""
    _lock(run, ASSIGNABLE)
    check_columns(run, assignment)
    run.assignment = assignment.as_json()
    run.is_live = assignment.is_live
    run.trial = None
    _move(run, ImportState.TRYING, now)
    if detected_of(run).row_count <= AT_ONCE_ROWS:
        advance_import(import_id=run.pk, now=now)
        run.refresh_from_db()


def order_columns(*, run: ImportRun, subject: str, orders: ImportOrders, now: datetime) -> None:
    """Say as a program what the columns are; a worker tries it out, and takes the rows in unless that is a dry run. An empty
    ``subject`` stays as it was. Raises InvalidAssignment, ImportMovedOn, FileGone."""
    _lock(run, ASSIGNABLE)
    run.subject = subject or run.subject
    run.orders, run.assignment, run.trial, run.problem = orders.as_json(), None, None, ""
    follow_orders(run, orders, current_tenant())
    _move(run, ImportState.TRYING, now)
    if detected_of(run).row_count <= AT_ONCE_ROWS:
        advance_import(import_id=run.pk, now=now)
        run.refresh_from_db()


def reassign(*, run: ImportRun) -> None:
    """Go back to the columns of an import that was tried. Raises ImportMovedOn, FileGone."""
    _lock(run, ASSIGNABLE)
    run.state = ImportState.MAPPING
    run.save(update_fields=["state"])


def start_import(*, run: ImportRun, by: Membership, now: datetime) -> None:
    """Take the file in. Raises ImportMovedOn, FileGone."""
    _lock(run, frozenset({ImportState.TRIED}))
    begin(run, by=by, now=now)


def stop_import(*, run: ImportRun, by: Membership, now: datetime) -> bool:
    """Stop an import after its batch, or give up one that has not begun. Gives whether it had begun. Raises ImportMovedOn."""
    _lock(run, frozenset(ImportState) - {ImportState.DONE, ImportState.STOPPED}, needs_file=False)
    has_begun = run.state in {ImportState.RUNNING, ImportState.FAILED}
    run.state = ImportState.STOPPED
    run.save(update_fields=["state"])
    cancel(kind=IMPORT_KIND, subjects=[run.pk])
    if has_begun:
        record(act="import.stopped", subject=run.file_name, by=by, now=now)
    else:
        forget_files(run)
        run.save(update_fields=["file", "rows_file"])
    return has_begun


def resume_import(*, run: ImportRun, by: Membership, now: datetime) -> None:
    """Go on with an import that was stopped or failed. Raises ImportMovedOn, FileGone."""
    _lock(run, RESUMABLE)
    record(act="import.resumed", subject=run.file_name, by=by, now=now)
    run.problem = ""
    _move(run, ImportState.RUNNING, now)


def remembered_for(run: ImportRun) -> Assignment | None:
    """What was said of the last file with the same columns that was tried."""
    like = ImportRun.objects.filter(
        subject=run.subject, layout=run.layout, assignment__isnull=False, pk__lt=run.pk
    )
    kept = like.order_by("-pk").values_list("assignment", flat=True).first()
    return Assignment.from_json(kept) if kept else None


def _lock(run: ImportRun, states: frozenset[ImportState], *, needs_file: bool = True) -> None:
    """Lock an import and see it as it is now."""
    run.refresh_from_db(from_queryset=ImportRun.objects.select_for_update(of=("self",)))
    if run.state not in states or run.is_by_command:
        raise ImportMovedOn(_("The import has moved on. Load the page again."))
    if needs_file and run.rows_file_id is None:
        raise FileGone(
            _("The file was deleted, since files are kept for %(days)s days. Upload it again.")
            % {"days": settings.FILE_DAYS}
        )


def _move(run: ImportRun, state: ImportState, now: datetime) -> None:
    run.state = state
    run.attempts = 0
    run.save()
    go_on(run, now)
