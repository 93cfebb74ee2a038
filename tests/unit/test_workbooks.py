"""Workbooks as CSV: what a cell becomes, and what is not even unpacked."""

import io
import zipfile
from datetime import date, time
from pathlib import Path

import pytest
from openpyxl import Workbook

from leads.capture import workbooks
from leads.capture.files import UnreadableFile, open_table
from leads.capture.workbooks import cell_text, convert_workbook, is_workbook, refuse_bomb


def save(path: Path, *rows: list[object]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def repack(path: Path, entry: str, content: bytes) -> None:
    """The same workbook with another content of one entry."""
    kept = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as new:
        for each in old.infolist():
            new.writestr(each.filename, content if each.filename == entry else old.read(each))
    path.write_bytes(kept.getvalue())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (11998887766.0, "11998887766"),
        (0.1 + 0.2, "0.3"),
        (2500.5, "2500.5"),
        # Three digits after the point could be thousands.
        (1.234, "1.2340"),
        (1e-7, "0.0000001"),
        (1e20, "100000000000000000000"),
        (float("nan"), ""),
        (date(2026, 2, 3), "2026-02-03"),
        (time(9, 30), "09:30:00"),
        ("#N/A", ""),
        (" Ana ", "Ana"),
    ],
)
def test_a_cell_is_written_as_a_person_would(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_rows_keep_their_numbers_and_empty_columns_beyond_the_header_are_left_out(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xlsx", ["a", "b", None], ["1", None, None], [None], [None, "x;y\nz", None])
    convert_workbook(path=path, target=tmp_path / "a.csv")
    table = open_table(tmp_path / "a.csv")
    assert table.columns == ("a", "b")
    assert [(row.number, row.values, row.refusal) for row in table.rows()] == [
        (2, {"a": "1", "b": ""}, None),
        (4, {"a": "", "b": "x;y\nz"}, None),
    ]


def test_a_formula_is_not_calculated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xlsx", ["a", "b"], ["=1+1", "x"])
    convert_workbook(path=path, target=tmp_path / "a.csv")
    assert [row.values for row in open_table(tmp_path / "a.csv").rows()] == [{"a": "", "b": "x"}]


def test_what_would_unpack_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 20 << 20)
    path = save(tmp_path / "a.xlsx", ["a"], ["1"])
    # A few kilobytes that claim, truly, to be as much as may be and one more.
    repack(path, "xl/worksheets/sheet1.xml", b" " * (workbooks.MAX_UNPACKED_BYTES + 1))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnreadableFile, match="MB when it is unpacked"):
        refuse_bomb(path)


@pytest.mark.parametrize("limit", ["MAX_ROWS", "MAX_CELLS"])
def test_rows_and_cells_are_counted_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(workbooks, limit, 2)
    path = save(tmp_path / "a.xlsx", ["a"], ["1"], ["2"], ["3"])
    with pytest.raises(UnreadableFile, match="more than"):
        convert_workbook(path=path, target=tmp_path / "a.csv")


def test_a_row_that_says_it_is_the_billionth_does_not_keep_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "MAX_ROWS", 1_000)
    path = save(tmp_path / "a.xlsx", ["a"])
    far = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    far += b'<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    far += b'<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData></worksheet>'
    repack(path, "xl/worksheets/sheet1.xml", far)
    with pytest.raises(UnreadableFile):
        convert_workbook(path=path, target=tmp_path / "a.csv")


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xlsx", ["a"])
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    bomb += b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    bomb += b'<row r="1"><c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>'
    repack(path, "xl/worksheets/sheet1.xml", bomb)
    with pytest.raises(UnreadableFile, match="can't be read"):
        convert_workbook(path=path, target=tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (("xl/workbook.bin",), "XLSB"),
        (("mimetype", "content.xml"), "ODS"),
        (("leads.csv",), "ZIP archive"),
    ],
)
def test_other_kinds_say_what_to_do(tmp_path: Path, entries: tuple[str, ...], words: str) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for each in entries:
            archive.writestr(each, "x")
    with pytest.raises(UnreadableFile, match=words):
        is_workbook(path)
