"""Reads the rows of a file in batches: cells become what they say of a lead or deal. Asks no database."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from leads.capture.files import Row
from leads.capture.inputs import IntakeRules
from leads.capture.readable_file import ReadableFile
from tenancy.errors import FieldProblem

BATCH_SIZE: Final = 1_000

ReadItem = Callable[[Mapping[str, str], IntakeRules, datetime], tuple[Any, Sequence[FieldProblem]]]


class Refusal(NamedTuple):
    """Why a row is refused: the field as the import knows it ("" for the row as a whole), a stable code, a sentence."""

    field: str
    code: str
    message: str


class ReadRow(NamedTuple):
    """One row: its number in the file, what it says (None if it is refused), its cells by column, why it is refused."""

    number: int
    item: Any
    cells: Sequence[str] | Mapping[str, str]
    refusals: Sequence[Refusal]


def read_batches(
    *,
    rows: Iterable[Row],
    readable: ReadableFile,
    read: ReadItem,
    now: datetime,
    size: int = BATCH_SIZE,
) -> Iterator[list[ReadRow]]:
    """Rows of a file in batches. Raises UnreadableFile."""
    rows = iter(rows)
    while batch := read_rows(rows=islice(rows, size), readable=readable, read=read, now=now):
        yield batch


def read_rows(*, rows: Iterable[Row], readable: ReadableFile, read: ReadItem, now: datetime) -> list[ReadRow]:
    """Rows of a file with what each says."""
    return [_read_row(row, readable, read, now) for row in rows]


def _read_row(row: Row, readable: ReadableFile, read: ReadItem, now: datetime) -> ReadRow:
    if row.refusal is not None:
        return ReadRow(row.number, None, row.values, [Refusal("", "unreadable", row.refusal)])
    item, problems = read(readable.plan.read_row(row.values), readable.rules, now)
    cells = tuple(row.values.values())
    if problems:
        refusals = [Refusal(each.field, each.code, str(each.message)) for each in problems]
        return ReadRow(row.number, None, cells, refusals)
    return ReadRow(row.number, item, cells, ())
