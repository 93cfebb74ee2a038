"""Rows that an import refused: kept with their reasons, and written as a file that can be mended and imported again."""

import csv
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

from core.formulas import defuse
from leads.capture.files import Table
from leads.capture.readable_file import REFUSAL_COLUMN, ReadableFile
from leads.capture.row_reader import ReadRow, Refusal
from leads.erasure.identities import ERASED_CODE
from leads.models import ImportRefusal, ImportRun

_MOST_FILES: Final = 1_000
_CHUNK: Final = 2_000


def keep_refusals(
    *, run: ImportRun, readable: ReadableFile, refused: Iterable[tuple[ReadRow, Iterable[Refusal]]]
) -> None:
    """Keep refused rows as they stood in the file; a reason names the column, as the user knows it."""
    columns = readable.table.columns
    refused = [(row, list(refusals)) for row, refusals in refused]
    ImportRefusal.objects.bulk_create(
        ImportRefusal(
            run=run,
            row_number=row.number,
            row={}
            if any(each.code == ERASED_CODE for each in refusals)
            else row.cells
            if isinstance(row.cells, Mapping)
            else dict(zip(columns, row.cells, strict=True)),
            errors=[
                {
                    "field": each.field,
                    "column": readable.column_of(each.field),
                    "code": each.code,
                    "message": each.message,
                }
                for each in refusals
            ],
        )
        for row, refusals in refused
    )


def say_refusal(errors: Iterable[Mapping[str, str]]) -> str:
    """The reasons of one row in a line."""
    return "; ".join(
        f"{each['column']}: {each['message']}" if each["column"] else each["message"] for each in errors
    )


def write_refused_file(*, run: ImportRun, table: Table) -> Path | None:
    """Write the refused rows of a run as they stood, in UTF-8, with a column that says why; None if there are none.

    Beside the imported file, else in the current folder, else in the one for temporary files. No file is overwritten.
    """
    columns = [column for column in table.columns if column != REFUSAL_COLUMN]
    beyond = _columns_beyond_header(run, table.columns)
    if beyond is None:
        return None
    source = table.path.resolve()
    for folder in (source.parent, Path.cwd(), Path(tempfile.gettempdir())):
        with suppress(OSError):
            path, file = _open_new(folder, source.stem)
            try:
                with file:
                    _write_rows(file, run, [*columns, *beyond], table.delimiter)
            except OSError:
                path.unlink(missing_ok=True)
                raise
            return path
    return None


def write_refused(*, run: ImportRun, file: TextIO) -> None:
    """Write the refused rows of a run for download: as they stood, formulas made harmless, with a column that says why.

    For an import by the pages, which takes the marks away again when such a file is uploaded.
    """
    columns: dict[str, None] = {}
    for row, _errors in _list_refused(run):
        columns |= dict.fromkeys(row)
    columns.pop(REFUSAL_COLUMN, None)
    writer = csv.writer(file)
    writer.writerow([*map(defuse, columns), REFUSAL_COLUMN])
    for row, errors in _list_refused(run):
        writer.writerow([*(defuse(row.get(column, "")) for column in columns), say_refusal(errors)])


def list_refused(*, run: ImportRun, after: int, limit: int) -> list[ImportRefusal]:
    """Refused rows past that with the number ``after``, in order."""
    return list(ImportRefusal.objects.filter(run=run, row_number__gt=after).order_by("row_number")[:limit])


def _columns_beyond_header(run: ImportRun, columns: Iterable[str]) -> list[str] | None:
    """Cells of misshapen rows for which the header has no column, in order; None if no row was refused."""
    known, beyond, found = set(columns), set(), False
    for row, _errors in _list_refused(run):
        found = True
        beyond |= row.keys() - known
    return sorted(beyond, key=lambda name: int(name.rpartition(" ")[2])) if found else None


def _list_refused(run: ImportRun) -> Iterator[tuple[dict[str, str], list[dict[str, Any]]]]:
    rows = ImportRefusal.objects.filter(run=run).order_by("row_number", "id").values_list("row", "errors")
    yield from rows.iterator(chunk_size=_CHUNK)


def _open_new(folder: Path, stem: str) -> tuple[Path, TextIO]:
    for number in range(1, _MOST_FILES):
        name = f"{stem}.refused.csv" if number == 1 else f"{stem}.refused-{number}.csv"
        with suppress(FileExistsError):
            return folder / name, (folder / name).open("x", encoding="utf-8", newline="")
    raise FileExistsError(f"{folder / stem}.refused-*.csv")


def _write_rows(file: TextIO, run: ImportRun, columns: list[str], delimiter: str) -> None:
    # Cells stay as they are, formulas too: the file is its sender's own, and a mark before them would be imported again.
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow([*columns, REFUSAL_COLUMN])
    for row, errors in _list_refused(run):
        writer.writerow([*(row.get(column, "") for column in columns), say_refusal(errors)])
