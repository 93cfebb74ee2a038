"""Reads tables from CSV files as people have them, row by row, never the whole file in memory.

`find_table` finds encoding and delimiter and checks the header; `open_table` reads the file through once besides: a file that
cannot be read is refused before anything is made of it. What is wrong with a single row is said with that row.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress, islice, repeat
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO

from charset_normalizer import from_bytes
from django.utils.translation import gettext as _

MAX_FILE_BYTES: Final = 1 << 30
MAX_COLUMNS: Final = 1_000
MAX_COLUMN_NAME: Final = 500
MAX_LINE_CHARACTERS: Final = 4_000_000
DELIMITERS: Final = (",", ";", "\t", "|")

ALL: Final = repeat(object=True)

_CHUNK: Final = 1 << 20
_SAMPLE_BYTES: Final = 1 << 16
_SAMPLE_LINES: Final = 200
# What people upload in place of a CSV, by the first bytes.
_OTHER_KINDS: Final = {
    b"PK\x03\x04": "XLSX, ODS, ZIP",
    b"\xd0\xcf\x11\xe0": "XLS",
    b"%PDF": "PDF",
    b"\x1f\x8b": "GZIP",
}
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF16_WITHOUT_MARK: Final = {0: "utf-16-be", 1: "utf-16-le"}
# Windows, then what Excel calls "MS-DOS" and "Macintosh".
_WESTERN_ENCODINGS: Final = ("cp1252", "cp850", "mac_roman")
_OTHER_ENCODINGS: Final = (
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp866", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
_NOT_ASCII_LINE: Final = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*")
# In western text an accent stands within a word of plain letters, a capital does not follow a small letter, a sign
# does not stand between two letters (but for apostrophe, middle dot, soft hyphen, hard space), and few other signs occur.
_STRANGE_IN_WESTERN_TEXT: Final = re.compile(
    r"[a-zß-ÿ][À-ÖØ-ÞŠŽŒŸ]"
    r"|(?<=[A-Za-zÀ-ÿ])[^\x00-\x7fÀ-ÿŠšŽžŒœŸªº°’·\xad\xa0](?=[A-Za-zÀ-ÿ])"
    r"|[À-ÿ]{3,}"
    r"|[^\x00-\x7fÀ-ÿŠšŽžŒœŸªº°’·\xad\xa0‘“”–—…•€£¥§©®™«»¿¡¹²³½±µ´¨]"
)
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_SEPARATOR_HINT: Final = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)


class UnreadableFile(ValueError):
    """A file that cannot be read as a table; the message tells its sender why, and how to mend it."""


class Row(NamedTuple):
    """One row. ``number`` is what a spreadsheet shows beside it: the header is row 1 and empty lines count.

    ``values`` has the cells by column, as they stand in the file. ``refusal`` says why the row can't be read, else
    None; then ``values`` holds what could be read, cells beyond the header as "column 7".
    """

    number: int
    values: dict[str, str]
    refusal: str | None


# Number, cells, refusal as of a Row; a plain tuple, since every cell of a long file goes through two or three of these.
_Record = tuple[int, list[str], str | None]


@dataclass(frozen=True)
class Table:
    """A file with a header: its columns, how it is written, and how many rows it has, refused ones included; None if nobody has
    counted them."""

    path: Path
    columns: tuple[str, ...]
    encoding: str
    delimiter: str
    row_count: int | None = None

    def rows(self, chosen: Iterable[bool] = ALL) -> Iterator[Row]:
        """Every row that isn't empty and is ``chosen``, from the start. Can be called again; raises UnreadableFile."""
        columns, width = self.columns, len(self.columns)
        records = _read_records(self.path, self.encoding, self.delimiter)
        next(records)
        for number, cells, refusal in compress(records, chosen):
            if refusal is None and len(cells) == width:
                yield Row(number, dict(zip(columns, cells)), None)  # noqa: B905 - as many: asking again takes a tenth longer
            else:
                yield _misshapen_row(columns, number, cells, refusal)


def open_table(path: Path) -> Table:
    """Open a CSV file as ``find_table`` does, and count its rows. Raises UnreadableFile."""
    table = find_table(path)
    records = _read_records(path, table.encoding, table.delimiter)
    next(records)
    return replace(table, row_count=sum(1 for _record in records))


def find_table(path: Path) -> Table:
    """Find a CSV file's columns: any of , ; tab | between the cells, quoted by ", in UTF-8, UTF-16 or an older encoding.

    The first line that isn't empty is the header; its names are trimmed, and must be present and differ. Raises
    UnreadableFile.
    """
    try:
        encoding = _find_encoding(path)
        delimiter = _find_delimiter(path, encoding)
    except OSError as error:
        raise UnreadableFile(_("The file can't be read: %s.") % (error.strerror or error)) from error
    records = _read_records(path, encoding, delimiter)
    header = next(records, None)
    if header is None:
        raise UnreadableFile(_("The file is empty."))
    return Table(path, _check_header(header), encoding, delimiter)


def _misshapen_row(columns: tuple[str, ...], number: int, cells: list[str], refusal: str | None) -> Row:
    """A row whose cells do not match the header, accepted if only empty cells follow the last column."""
    width = len(columns)
    values = dict(zip(columns, cells, strict=False))
    beyond = cells[width:]
    if refusal is None and beyond and not any(cell.strip() for cell in beyond):
        return Row(number, values, None)
    values |= {f"column {width + index}": cell for index, cell in enumerate(beyond, start=1)}
    if refusal is None:
        refusal = _(
            "The row has %(cells)d cells, the header %(columns)d: a delimiter or a quotation mark is missing or one too many."
        ) % {"cells": len(cells), "columns": width}
    # A NUL can be kept nowhere; the mark shows where it stood.
    return Row(number, {name: cell.replace("\0", "\ufffd") for name, cell in values.items()}, refusal)


def _check_header(header: _Record) -> tuple[str, ...]:
    _number, cells, refusal = header
    if refusal is not None:
        raise UnreadableFile(_("The header can't be read. %s") % refusal)
    columns = tuple(cell.strip() for cell in cells)
    if len(columns) > MAX_COLUMNS:
        raise UnreadableFile(_("The file has more than %d columns.") % MAX_COLUMNS)
    seen: set[str] = set()
    for position, column in enumerate(columns, start=1):
        if not column:
            raise UnreadableFile(
                _("Column %d has no name. Give it one in the first row, or remove the column.") % position
            )
        if len(column) > MAX_COLUMN_NAME:
            raise UnreadableFile(
                _("The name of column %(position)d is longer than %(limit)d characters.")
                % {"position": position, "limit": MAX_COLUMN_NAME}
            )
        if column in seen:
            raise UnreadableFile(
                _("Two columns are named “%s”. Rename one of them in the first row, or remove it.") % column
            )
        seen.add(column)
    return columns


# Records ----------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a text for the csv reader. ``has_nul``: one held a NUL since that was last taken back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.has_nul = False

    def __iter__(self) -> Iterator[str]:
        for line in iter(partial(self._text.readline, MAX_LINE_CHARACTERS), ""):
            if len(line) == MAX_LINE_CHARACTERS:
                raise UnreadableFile(
                    _("A line of the file is longer than %d characters. Is it a CSV file?")
                    % MAX_LINE_CHARACTERS
                )
            if "\0" in line:
                self.has_nul = True
            yield line


@contextmanager
def _open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, line ends as they are; a wrong byte or a failing disk is an unreadable file."""
    try:
        with path.open(encoding=encoding, newline="") as text:
            yield text
    except UnicodeError as error:
        raise UnreadableFile(_("The file isn't readable as %s throughout.") % encoding) from error
    except OSError as error:
        raise UnreadableFile(_("The file can't be read: %s.") % (error.strerror or error)) from error


def _read_records(path: Path, encoding: str, delimiter: str) -> Iterator[_Record]:
    """The records that are not empty, the header first, numbered as a spreadsheet does."""
    with _open_text(path, encoding) as text:
        _skip_separator_hint(text)
        lines = _Lines(text)
        reader = csv.reader(iter(lines), delimiter=delimiter, skipinitialspace=True, strict=True)
        number = 0
        while True:
            number += 1
            first_line = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, [], _broken_quote(number, reader.line_num - first_line, error)
                continue
            if lines.has_nul:
                lines.has_nul = False
                yield number, cells, _("The row holds a NUL character.")
            elif any(map(str.strip, cells)):
                yield number, cells, None


def _skip_separator_hint(text: TextIO) -> None:
    """Pass over the line ``sep=;`` that tells Excel the delimiter."""
    start = text.tell()
    if not _SEPARATOR_HINT.fullmatch(text.readline(16)):
        text.seek(start)


def _broken_quote(number: int, line_count: int, error: csv.Error) -> str:
    """Why one line is refused; a broken quotation over several lines has swallowed rows, so the file is refused."""
    if line_count > 1 or "expected after" not in str(error):
        raise UnreadableFile(
            _("A quotation mark in row %d is never closed, so that the rows after it can't be told apart.")
            % number
        ) from error
    return _("A quotation mark within a quoted cell isn't doubled.")


# Encoding ---------------------------------------------------------------------------------------------------------


def _find_encoding(path: Path) -> str:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UnreadableFile(_("The file is larger than %d MB.") % (MAX_FILE_BYTES >> 20))
    with path.open("rb") as file:
        head = file.read(4096)
        for start, kind in _OTHER_KINDS.items():
            if head.startswith(start):
                raise UnreadableFile(_("This is a file of another kind (%s). Save it as CSV first.") % kind)
        for mark, encoding in _BYTE_ORDER_MARKS:
            if head.startswith(mark):
                return encoding
        for place, encoding in _UTF16_WITHOUT_MARK.items():
            # Every second byte of plain text in UTF-16 is zero.
            if len(head) > 3 and head[place::2].count(0) * 2 > len(head[place::2]):
                return encoding
        file.seek(0)
        if _is_utf8(file):
            return "utf-8"
        file.seek(0)
        return _guess_encoding(_read_lines_beyond_ascii(file))


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", True)  # noqa: FBT003 - positional in the codec protocol
    except UnicodeDecodeError:
        return False
    return True


def _read_lines_beyond_ascii(file: BinaryIO) -> bytes:
    sample: list[bytes] = []
    size = 0
    while size < _SAMPLE_BYTES and (chunk := file.read(_CHUNK)):
        for line in _NOT_ASCII_LINE.finditer(chunk):
            sample.append(line[0][:_SAMPLE_BYTES])
            size += len(line[0])
            if size >= _SAMPLE_BYTES:
                break
    return b"\n".join(sample)


def _guess_encoding(sample: bytes) -> str:
    """The encoding of lines that are not UTF-8: western text is told by its letters, other text by its statistics."""
    as_utf8 = sample.decode("utf-8", errors="replace")
    broken = as_utf8.count("\ufffd")
    if len(_NOT_ASCII.findall(as_utf8)) > 5 * broken:
        raise UnreadableFile(_("The file is UTF-8 but for a few bytes that aren't. Save it again as UTF-8."))
    for encoding in _WESTERN_ENCODINGS:
        if _looks_western(sample, encoding):
            return encoding
    best = from_bytes(sample, cp_isolation=list(_OTHER_ENCODINGS)).best()
    if best is None:
        raise UnreadableFile(_("The file's encoding can't be told. Save it as CSV in UTF-8."))
    return best.encoding


def _looks_western(sample: bytes, encoding: str) -> bool:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    strange = sum(len(each[0]) for each in _STRANGE_IN_WESTERN_TEXT.finditer(text))
    return strange * 10 <= len(_NOT_ASCII.findall(text))


# Delimiter --------------------------------------------------------------------------------------------------------


def _find_delimiter(path: Path, encoding: str) -> str:
    """The delimiter under which most rows have as many cells as the header; the one that gives more columns if equal."""
    with _open_text(path, encoding) as text:
        hint = _SEPARATOR_HINT.fullmatch(text.readline(16))
        if hint and hint[1] in DELIMITERS:
            return hint[1]
        text.seek(0)
        lines = list(islice(_Lines(text), _SAMPLE_LINES))
    fits = {each: _measure_fit(lines, each) for each in DELIMITERS}
    best = max(DELIMITERS, key=lambda each: fits[each])
    return best if fits[best][1] > 1 else ","


def _measure_fit(lines: list[str], delimiter: str) -> tuple[float, int]:
    """(share of rows as wide as the header, columns); (0, 1) if the header is one cell."""
    try:
        widths = [
            len(cells) for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if cells
        ]
    except csv.Error:
        return 0.0, 1
    if not widths or widths[0] < 2:
        return 0.0, 1
    return widths.count(widths[0]) / len(widths), widths[0]
