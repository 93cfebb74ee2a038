"""Workbooks (XLSX) as CSV files: the one sheet that is asked for, each cell as a person would write it.

A workbook is a ZIP of XML, which can claim to be small and be gigabytes: what it holds is measured before it is unpacked, and
rows and cells are counted while it is read. Formulas are not calculated: what a cell showed last is what counts.
"""

import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import structlog
from django.utils.translation import gettext as _

from leads.capture.files import UnreadableFile

log = structlog.get_logger(__name__)

MAX_UNPACKED_BYTES: Final = 400 << 20
MAX_STRINGS_BYTES: Final = 120 << 20
MAX_ENTRIES: Final = 2_000
MAX_ROWS: Final = 300_000
MAX_CELLS: Final = 6_000_000

_ZIP: Final = b"PK\x03\x04"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_WORKBOOK: Final = "xl/workbook.xml"
_BINARY_WORKBOOK: Final = "xl/workbook.bin"
_STRINGS: Final = "xl/sharedStrings.xml"
# The stream in which Office keeps a file that has a password, as its folder spells it.
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_ERRORS: Final = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
_SCAN_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Sheets:
    """The sheets of a workbook that people see, and which of them was read."""

    names: tuple[str, ...]
    chosen: str


def is_workbook(path: Path) -> bool:
    """Whether a file is an XLSX workbook, by its content. Raises UnreadableFile for what looks like one and can't be read."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_OLD_OFFICE):
        raise UnreadableFile(_say_old_office(path))
    if not head.startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[: MAX_ENTRIES + 1])
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableFile(_("The file is damaged. Save it again as XLSX or CSV.")) from error
    if _BINARY_WORKBOOK in names:
        raise UnreadableFile(_("This is a binary workbook (XLSB). Save it as XLSX or CSV."))
    if _WORKBOOK in names:
        return True
    if "mimetype" in names and "content.xml" in names:
        raise UnreadableFile(_("This is an OpenDocument file (ODS). Save it as XLSX or CSV."))
    raise UnreadableFile(_("This is a ZIP archive. Unpack it and upload the file in it."))


def _say_old_office(path: Path) -> str:
    with path.open("rb") as file:
        if _ENCRYPTED in file.read(_SCAN_BYTES) or _ENCRYPTED in _read_end(path):
            return _(
                "The workbook has a password. Save it without one (File, Info, Protect workbook), then upload it."
            )
    return _("This is a file of an old Office (XLS). Save it as XLSX or CSV.")


def _read_end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _SCAN_BYTES))
        return file.read()


def convert_workbook(*, path: Path, target: Path, sheet: str = "") -> Sheets:
    """Write one sheet of a workbook as CSV: the one named, else the first that people see and that holds something.

    Rows keep their numbers. Raises UnreadableFile.
    """
    # A library for workbooks alone, which a process that never sees one does without.
    from openpyxl import load_workbook

    refuse_bomb(path)
    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:
        raise _unreadable(error) from error
    with closing(book):
        visible = [each for each in book.worksheets if each.sheet_state == "visible"]
        names = tuple(each.title for each in visible)
        wanted = [each for each in visible if each.title == sheet] or visible
        for each in wanted:
            with target.open("w", encoding="utf-8", newline="") as file:
                written = _write_sheet(file, _rows_of(each))
            if written or sheet:
                return Sheets(names, each.title)
    raise UnreadableFile(_("The workbook has no sheet with anything in it."))


def refuse_bomb(path: Path) -> None:
    """Raise UnreadableFile for a workbook that would unpack to more than it may. Python unpacks no more than an entry claims."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableFile(_("The file is damaged. Save it again as XLSX or CSV.")) from error
    sizes = {each.filename: each.file_size for each in entries}
    if len(entries) > MAX_ENTRIES or sum(each.file_size for each in entries) > MAX_UNPACKED_BYTES:
        raise UnreadableFile(
            _(
                "The workbook holds more than %(most)s MB when it is unpacked. Save the sheet as CSV, or split it."
            )
            % {"most": MAX_UNPACKED_BYTES >> 20}
        )
    if sizes.get(_STRINGS, 0) > MAX_STRINGS_BYTES:
        raise UnreadableFile(_("The workbook holds too much text. Save the sheet as CSV, or split it."))


def _unreadable(error: Exception) -> UnreadableFile:
    log.info("workbook not readable", error=f"{type(error).__name__}: {error}"[:500])
    return UnreadableFile(
        _("The workbook can't be read. Open it and save it again as XLSX, or save the sheet as CSV.")
    )


def _rows_of(sheet: Any) -> Iterator[Sequence[object]]:
    # What a sheet says of its own size may be wrong.
    sheet.reset_dimensions()
    rows = iter(sheet.iter_rows(values_only=True))
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:
            raise _unreadable(error) from error
        yield row


def _write_sheet(file: Any, rows: Iterable[Sequence[object]]) -> bool:
    """Write rows; whether one held anything. Empty cells to the right of the header's last name are left out."""
    writer = csv.writer(file)
    width = cells = 0
    for number, row in enumerate(rows, start=1):
        cells += len(row)
        if number > MAX_ROWS or cells > MAX_CELLS:
            raise UnreadableFile(
                _(
                    "The sheet has more than %(rows)s rows, or more than %(cells)s cells. Save it as CSV, or split it."
                )
                % {"rows": f"{MAX_ROWS:,}", "cells": f"{MAX_CELLS:,}"}
            )
        texts = [cell_text(value) for value in row]
        while texts and not texts[-1] and len(texts) > width:
            texts.pop()
        if not any(texts):
            # One empty cell would be a row to whoever reads the file with one column.
            file.write("\r\n")
            continue
        width = width or len(texts)
        writer.writerow(texts + [""] * (width - len(texts)))
    return width > 0


def cell_text(value: object) -> str:
    """A cell as a person would write it, so that neither a decimal mark nor a date format is in doubt.

    A fraction of exactly three digits gets a zero more: 1.234 could else be read as a thousand and more. Cells that show an error
    are blank.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, datetime):
        is_day = value.time() == time()
        return value.date().isoformat() if is_day else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    text = str(value).strip()
    return "" if text in _ERRORS else text


def _float_text(value: float) -> str:
    # Fifteen digits are what a spreadsheet shows; the rest is the noise of binary fractions.
    number = Decimal(f"{value:.15g}")
    if not number.is_finite():
        return ""
    text = f"{number:f}"
    whole, point, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if not point or not fraction:
        return whole
    return f"{whole}.{fraction}0" if len(fraction) == 3 else f"{whole}.{fraction}"
