"""The rows of an uploaded file, kept in batches: whoever goes on with an import reads the batch that is next, nothing else."""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from core.stored_files import read_piece, store_pieces
from leads.capture.files import Row
from leads.capture.row_reader import BATCH_SIZE

_LEVEL: Final = 1


@dataclass(frozen=True)
class StoredRows:
    """A table whose rows are kept in batches of ``BATCH_SIZE``; see files.Table for what a row is."""

    file_id: int
    columns: tuple[str, ...]
    row_count: int

    def rows(self) -> Iterator[Row]:
        """Every row, from the first."""
        for number in range(-(-self.row_count // BATCH_SIZE)):
            yield from self.batch(number)

    def batch(self, number: int) -> list[Row]:
        """The rows of one batch, counted from 0; empty beyond the last, and when the file has expired."""
        content = read_piece(file_id=self.file_id, number=number)
        if content is None:
            return []
        return [self._row(*each) for each in json.loads(zlib.decompress(content))]

    def _row(self, number: int, cells: list[str] | dict[str, str], refusal: str | None) -> Row:
        if isinstance(cells, dict):
            return Row(number, cells, refusal)
        return Row(number, dict(zip(self.columns, cells, strict=True)), refusal)


def keep_rows(
    *, name: str, columns: tuple[str, ...], rows: Iterable[Row], expires_at: datetime, now: datetime
) -> StoredRows:
    """Keep the rows of a table, read once."""
    counted = _Counted(rows)
    file = store_pieces(name=name, pieces=_packed(counted, columns), expires_at=expires_at, now=now)
    return StoredRows(file.pk, columns, counted.count)


class _Counted:
    """Rows on their way, with how many have passed."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def _packed(rows: Iterable[Row], columns: tuple[str, ...]) -> Iterator[bytes]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_SIZE)):
        text = json.dumps([_kept(row, columns) for row in batch], ensure_ascii=False)
        yield zlib.compress(text.encode(), _LEVEL)


def _kept(row: Row, columns: tuple[str, ...]) -> tuple[int, list[str] | dict[str, str], str | None]:
    """A row as it is written: only cells where it has the shape of the header."""
    is_whole = row.refusal is None and len(row.values) == len(columns)
    return row.number, list(row.values.values()) if is_whole else row.values, row.refusal
