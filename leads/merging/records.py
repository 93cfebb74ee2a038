"""The exact record of a merge: rows as they stood, as JSON, and the statements that move rows and bring them back.

Table and column names come from the models alone.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection

Row = dict[str, Any]


@dataclass
class Record:
    """What a merge did. All rows are whole rows as JSON, by table.

    ``leads`` and ``states`` hold the rows of "survivor" and "loser" before, and of "merged" after. ``moved``: ids of rows that
    went over to the survivor. ``aside``: rows of either that were taken away. ``before``: rows that were changed, or may be by
    what follows, as they stood. ``made``: ids of rows that the merge made.
    """

    leads: dict[str, Row] = field(default_factory=dict)
    states: dict[str, Row] = field(default_factory=dict)
    moved: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    aside: dict[str, list[Row]] = field(default_factory=dict)
    before: dict[str, list[Row]] = field(default_factory=dict)
    made: dict[str, list[int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The record as it is stored."""
        return asdict(self)

    def put_aside(self, table: str, rows: Iterable[Row]) -> None:
        """Note rows that were taken away."""
        self.aside.setdefault(table, []).extend(rows)

    def note_before(self, table: str, rows: Iterable[Row]) -> None:
        """Note rows as they stand, before they are changed."""
        self.before.setdefault(table, []).extend(rows)


def _run(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def _rows(found: Iterable[Any]) -> list[Row]:
    return [json.loads(row) if isinstance(row, str) else row for row in found]


def read_rows(table: str, condition: str, *parameters: Any) -> list[Row]:
    """Rows of a table called ``kept`` in the condition."""
    return _rows(_run(f'SELECT to_jsonb(kept) FROM "{table}" kept WHERE {condition}', *parameters))  # noqa: S608


def take_rows(table: str, condition: str, *parameters: Any) -> list[Row]:
    """Delete rows of a table called ``kept`` in the condition; returns them as they stood."""
    return _rows(
        _run(f'DELETE FROM "{table}" kept WHERE {condition} RETURNING to_jsonb(kept)', *parameters)  # noqa: S608
    )


def move_rows(
    table: str, column: str, *, source: int, target: int, ids: Sequence[int] | None = None
) -> list[int]:
    """Let rows refer to another lead, those named by ``ids`` or all; returns their ids."""
    only = "" if ids is None else " AND id = ANY (%s::bigint[])"
    parameters: list[Any] = [target, source] if ids is None else [target, source, list(ids)]
    return _run(
        f'UPDATE "{table}" SET "{column}" = %s WHERE "{column}" = %s{only} RETURNING id',  # noqa: S608
        *parameters,
    )


def _columns(table: str, rows: Sequence[Row]) -> list[str]:
    """The columns that the rows have and the table still has, but those that it computes."""
    known = set(
        _run(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = ''",
            f'"{table}"',
        )
    )
    return sorted(known.intersection(*rows)) if rows else []


def insert_rows(table: str, rows: Sequence[Row]) -> None:
    """Bring rows back; one in whose place another stands by now stays away."""
    columns = _columns(table, rows)
    if not columns:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    _run(
        f'INSERT INTO "{table}" ({names}) SELECT {names}'  # noqa: S608
        f' FROM jsonb_populate_recordset(NULL::"{table}", %s::jsonb) ON CONFLICT DO NOTHING',
        json.dumps(rows),
    )


def restore_rows(table: str, rows: Sequence[Row]) -> None:
    """Put rows that are still there back to how they stood."""
    columns = [name for name in _columns(table, rows) if name not in ("id", "tenant_id")]
    if not columns:
        return
    values = ", ".join(f'"{name}" = given."{name}"' for name in columns)
    _run(
        f'UPDATE "{table}" kept SET {values}'  # noqa: S608
        f' FROM jsonb_populate_recordset(NULL::"{table}", %s::jsonb) AS given WHERE kept.id = given.id',
        json.dumps(rows),
    )


def delete_ids(table: str, ids: Sequence[int]) -> None:
    """Delete the rows that a merge made."""
    _run(f'DELETE FROM "{table}" WHERE id = ANY (%s::bigint[])', list(ids))  # noqa: S608


def update_row(table: str, key: str, value: int, changes: Row) -> None:
    """Write columns of one row from JSON values."""
    if not changes:
        return
    names = ", ".join(f'"{name}" = given."{name}"' for name in sorted(changes))
    _run(
        f'UPDATE "{table}" kept SET {names}'  # noqa: S608
        f' FROM jsonb_populate_record(NULL::"{table}", %s::jsonb) AS given WHERE kept."{key}" = %s',
        json.dumps(changes),
        value,
    )
