"""Files as people upload them, and an import taken through its steps."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from openpyxl import Workbook

from leads.capture.assignment import Assignment, ColumnUse
from leads.capture.import_steps import advance_import, detected_of
from leads.capture.page_imports import assign_columns, start_import, upload_import
from leads.models import ImportRun, ImportState
from tenancy.models import Membership
from tests.conftest import NOW


def csv_bytes(*lines: str, encoding: str = "utf-8") -> bytes:
    """A file of these lines."""
    return ("\r\n".join(lines) + "\r\n").encode(encoding)


def workbook_bytes(rows: Sequence[Sequence[object]], **more: Sequence[Sequence[object]]) -> bytes:
    """A workbook whose first sheet has these rows; ``more`` are further sheets by title."""
    book = Workbook()
    first = book.active
    assert first is not None
    for row in rows:
        first.append(list(row))
    for title, others in more.items():
        sheet = book.create_sheet(title)
        for row in others:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def upload(
    content: bytes, *, by: Membership, name: str = "leads.csv", subject: str = "leads", now: datetime = NOW
) -> ImportRun:
    """A file that has been uploaded and read."""
    run = upload_import(name=name, subject=subject, content=[content], by=by, now=now)
    advance_import(import_id=run.pk, now=now)
    run.refresh_from_db()
    return run


def assign(run: ImportRun, *, is_live: bool = False, blanks: Sequence[str] = (), **targets: Any) -> ImportRun:
    """Say what the columns are, by their names with ``_`` for what no name can hold; a ColumnUse says more than a target."""
    uses = []
    for column in detected_of(run).columns:
        said = targets.get("".join(each if each.isalnum() else "_" for each in column.name), "")
        use = said if isinstance(said, ColumnUse) else ColumnUse(column.name, said)
        uses.append(use)
    assign_columns(run=run, assignment=Assignment(uses, blanks, is_live), now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    run.refresh_from_db()
    return run


def run_to_end(run: ImportRun, *, by: Membership, now: datetime = NOW) -> ImportRun:
    """Start an import that was tried, and let workers go on until there is nothing to do."""
    start_import(run=run, by=by, now=now)
    while advance_import(import_id=run.pk, now=now) is not None:
        pass
    run.refresh_from_db()
    assert run.state != ImportState.RUNNING
    return run
