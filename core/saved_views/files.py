"""A list as a file: which columns may be asked for, and its rows as cells, part by part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from tenancy.listing import Column, Count
from tenancy.models import Membership

Cell = str | int | Decimal


class Columns(models.TextChoices):
    """Which columns a file has: those that the list shows, those that are usual for a file of it, or every one."""

    SHOWN = "view", _("The columns that the list shows")
    LIST = "list", _("The usual columns")
    ALL = "all", _("All fields")


@dataclass(frozen=True, kw_only=True)
class FilePart:
    """Up to ``size`` rows after ``cursor`` (empty: from the first) of what the parameters narrow a list to, as a member sees it.

    ``columns`` are one of Columns; ``keys`` those that the list shows, in order, where these were asked for.
    """

    parameters: Mapping[str, str]
    member: Membership
    columns: str
    keys: Sequence[str]
    cursor: str
    size: int
    now: datetime


@dataclass(frozen=True, kw_only=True)
class ListFile:
    """One list as a file.

    ``right`` is needed besides the list's. ``name`` begins the file's name. ``sets`` are the Columns that may be asked for.
    ``header`` names the columns of a set and keys; ``rows`` gives the cells of a part and the cursor of the next one (None: it
    was the last), and raises Problem where the list cannot be shown. ``count`` is how many rows there are, as the list counts.
    """

    right: str
    name: str
    sets: Sequence[Columns]
    header: Callable[[str, Sequence[str]], list[str]]
    rows: Callable[[FilePart], tuple[list[list[Cell]], str | None]]
    count: Callable[[Mapping[str, str], Membership, datetime], Count | None]


def column_file(
    *,
    name: str,
    right: str,
    columns: Callable[[], Sequence[Column]],
    rows: Callable[[FilePart], tuple[Sequence[Any], str | None]],
    count: Callable[[Mapping[str, str], Membership, datetime], Count | None],
) -> ListFile:
    """A file whose cells are what the list's columns say of a row (``Column.plain``); ``rows`` gives the rows of a part."""

    def header(chosen: str, keys: Sequence[str]) -> list[str]:
        labels = {column.key: str(column.label) for column in columns()}
        # A column that was taken away since has no name any more, but keeps its place.
        return [labels.get(key, key) for key in _keys(columns(), chosen, keys)]

    def cells(part: FilePart) -> tuple[list[list[Cell]], str | None]:
        by_key = {column.key: column for column in columns()}
        shown = _keys(list(by_key.values()), part.columns, part.keys)
        found, next_cursor = rows(part)
        return [[as_cell(plain_of(by_key.get(key), row)) for key in shown] for row in found], next_cursor

    return ListFile(
        name=name,
        right=right,
        sets=(Columns.SHOWN, Columns.ALL),
        header=header,
        rows=cells,
        count=count,
    )


def as_cell(value: Any) -> Cell:
    """A value as a file holds it: a number, or a text that says one thing wherever it is opened; instants in the active zone."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return localtime(value).isoformat(" ", "minutes")[:16]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return value.normalize() if value else Decimal(0)
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value)


def plain_of(column: Column | None, row: Any) -> Any:
    """What a column says of a row where there is no page to show it on; nothing for a column that is gone."""
    if column is None:
        return None
    assert column.plain is not None, f"the column {column.key} says what it is in a file"
    return column.plain(row)


def _keys(columns: Sequence[Column], chosen: str, keys: Sequence[str]) -> Sequence[str]:
    return keys if chosen == Columns.SHOWN else [column.key for column in columns]
