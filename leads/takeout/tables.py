"""Which tables and columns go out when a tenant takes everything along: registered once for every table of a tenant.

Only what is named here goes out. The guard in ``tests/leads/test_takeout.py`` walks every model of a tenant and turns red for a
table, or a column of one, of which nobody has said that it goes out or why it stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.functional import Promise

# As core.formulas.defuse does it; PostgreSQL's regular expressions know no [[:space:]] that Python's \s does not.
_BEGINS_FORMULA: Final = r"^\s*[=+\-@\t\r|%]"
_HARMLESS: Final = r"^([+-]?[0-9][0-9 ().,/-]*|-+)$"


@dataclass(frozen=True, kw_only=True)
class Extra:
    """A column that is not the table's own: an SQL expression, in which ``t`` is the row. ``about`` is English, for programs."""

    name: str
    sql: str
    about: str
    is_text: bool = False


@dataclass(frozen=True, kw_only=True)
class TakenTable:
    """One table that goes out as the file ``file``: as CSV, or with ``as_json`` as lines of JSON.

    ``about`` says what a row is. ``columns`` are the database's names of those that go out, ``withheld`` those that never do,
    with the reason; ``notes`` say of columns what their names and types don't. ``extras`` gives further columns, for which
    ``joins`` are tables that stand beside each row, at most one row each.
    """

    model: str
    file: str
    about: str | Promise
    columns: Sequence[str]
    withheld: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    extras: Callable[[], Sequence[Extra]] = tuple
    joins: Callable[[], str] = str
    as_json: bool = False

    @property
    def model_class(self) -> type[models.Model]:
        return apps.get_model(self.model)

    @property
    def file_name(self) -> str:
        return f"{self.file}.{'jsonl' if self.as_json else 'csv'}"


_tables: Final[dict[str, TakenTable]] = {}
_staying: Final[dict[str, str]] = {}


def register_taken(*tables: TakenTable) -> None:
    """Say, when an app is ready, that tables go out."""
    _tables.update({table.model: table for table in tables})


def register_staying(*labels: str, why: str) -> None:
    """Say, when an app is ready, that tables stay, and why."""
    _staying.update(dict.fromkeys(labels, why))


def list_taken() -> list[TakenTable]:
    """The tables that go out, by file."""
    return sorted(_tables.values(), key=lambda table: table.file)


def list_staying() -> dict[str, str]:
    """Why the other tables stay, by model."""
    return dict(sorted(_staying.items()))


def count_statement(table: TakenTable) -> str:
    """How many rows there are, as row security shows them."""
    return f'SELECT count(*) FROM "{table.model_class._meta.db_table}"'  # noqa: S608 - names of our own


def copy_statement(table: TakenTable) -> str:
    """A COPY that gives the table's rows as they stand in the file, the header first where there is one."""
    extras = [(extra.name, _as_cell(extra.sql, is_text=extra.is_text), extra.sql) for extra in table.extras()]
    own = [(name, _cell_of(table, name), f't."{name}"') for name in table.columns]
    source = f'"{table.model_class._meta.db_table}" t {table.joins()}'
    if table.as_json:
        parts = ", ".join(f'{plain} AS "{name}"' for name, _cell, plain in own + extras)
        rows = f"SELECT row_to_json(line)::text FROM (SELECT {parts} FROM {source}) line"  # noqa: S608 - names of our own
        # Characters that JSON never holds unescaped, so that a line is the JSON and nothing else.
        return f"COPY ({rows}) TO STDOUT (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01', ESCAPE E'\\x01')"
    cells = ", ".join(f'{cell} AS "{name}"' for name, cell, _plain in own + extras)
    return f"COPY (SELECT {cells} FROM {source}) TO STDOUT (FORMAT csv, HEADER true)"  # noqa: S608 - names of our own


def describe_columns(table: TakenTable) -> list[dict[str, Any]]:
    """What each column is, as the manifest says it."""
    files = {each.model_class: each for each in _tables.values()}
    described = []
    for name in table.columns:
        column = _field(table, name)
        about: dict[str, Any] = {"name": name, "type": _type_of(column)}
        target = files.get(column.related_model) if column.is_relation else None
        if target is not None:
            about["refers_to"] = f"{target.file_name}: {_key_of(target)}"
        if column.choices:
            about["values"] = {str(value): str(label) for value, label in column.choices}
        if name in table.notes:
            about["about"] = table.notes[name]
        described.append(about)
    return described + [
        {"name": extra.name, "type": "text", "about": extra.about} for extra in table.extras()
    ]


def _key_of(table: TakenTable) -> str:
    key = table.model_class._meta.pk
    assert key is not None
    return key.column


def _field(table: TakenTable, column: str) -> Any:
    return next(each for each in table.model_class._meta.local_concrete_fields if each.column == column)


def _cell_of(table: TakenTable, name: str) -> str:
    column, plain = _field(table, name), f't."{name}"'
    if isinstance(column, ArrayField):
        return f"to_json({plain})::text"
    if isinstance(column, models.JSONField | models.BooleanField):
        return f"{plain}::text"
    is_text = isinstance(column, models.CharField | models.TextField) and not column.choices
    return _as_cell(plain, is_text=is_text)


def _as_cell(sql: str, *, is_text: bool) -> str:
    """What a spreadsheet would calculate gets an apostrophe before it."""
    if not is_text:
        return sql
    return (
        f"CASE WHEN {sql} ~ '{_BEGINS_FORMULA}' AND {sql} !~ '{_HARMLESS}' THEN '''' || {sql} ELSE {sql} END"
    )


def _type_of(column: Any) -> str:
    kinds = (
        (ArrayField, "list as JSON"),
        (models.JSONField, "JSON"),
        (models.BooleanField, "true or false"),
        (models.DateTimeField, "instant, UTC"),
        (models.DateField, "date"),
        (models.UUIDField, "UUID"),
        (models.CharField | models.TextField, "text"),
    )
    return next((words for kind, words in kinds if isinstance(column, kind)), "number")
