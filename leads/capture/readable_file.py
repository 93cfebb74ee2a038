"""A file made ready to be imported: its columns planned, and their types, date formats and decimal marks decided.

The first of two passes: every value of the columns in question is looked at, so nothing is ever decided cell by cell.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from django.utils.translation import gettext as _

from leads.capture.columns import (
    CUSTOM,
    DateDecision,
    DateFormat,
    DateFormatDecider,
    DecimalMarkDecider,
    FieldType,
    TypeDecider,
)
from leads.capture.fields import IntakeRules
from leads.capture.files import Row, Table, open_table
from leads.capture.lanes import LEAST_ROWS, MOST_ROWS, LaneScan, Normalise
from leads.capture.mapping import ColumnPlan, InvalidOption, plan_columns

# The last column of the file of refused rows: never taken for a column of the user's when such a file is imported.
REFUSAL_COLUMN: Final = "refused_because"
CHUNK: Final = 2_000
_LABEL: Final = 120
_Decider = DateFormatDecider | DecimalMarkDecider | TypeDecider


class AmbiguousDates(ValueError):
    """Dates of a file can be read in several ways; the message says in which columns, and what to add."""


@dataclass(frozen=True)
class ImportOptions:
    """The options of both imports as they are typed (CONTRACT.md §1).

    ``is_live``: the rows enter as if captured now, not as history. ``is_dry_run``: count, and write nothing.
    """

    maps: Sequence[str] = ()
    values: Sequence[str] = ()
    blanks: Sequence[str] = ()
    date_formats: Sequence[str] = ()
    create_fields: bool = False
    is_live: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True)
class NewField:
    """A custom field that the import makes: its name, the column's header as its label, the type of all its values."""

    name: str
    label: str
    type: FieldType


@dataclass(frozen=True)
class ReadableFile:
    """A table with all that is needed to read its rows. ``digest`` is the same for the same file read in the same way.

    ``lanes`` has one of lanes.LAST, FIRST, SECOND for each row; None where one process reads all.
    """

    table: Table
    plan: ColumnPlan
    rules: IntakeRules
    created: tuple[NewField, ...]
    digest: str
    lanes: bytearray | None = None

    def column_of(self, field_name: str) -> str:
        """The column that fills a field, as the user knows it; the field itself if none does."""
        return self.plan.sources.get(field_name.partition("[")[0], field_name)


@dataclass
class _Decisions:
    types: dict[str, FieldType] = field(default_factory=dict)
    date_formats: dict[str, DateFormat] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


def make_readable(
    *,
    path: Path,
    options: ImportOptions,
    fields: Mapping[str, FieldType],
    rules: IntakeRules,
    identities: Mapping[str, Normalise] | None = None,
) -> ReadableFile:
    """Open a file and decide how each of its columns is read.

    ``fields`` are the fields that the import knows, with their types; the custom fields of ``rules`` come besides. With
    ``identities``, fields by which rows are known, a file that is worth it is split into lanes. Raises UnreadableFile,
    InvalidOption and AmbiguousDates; nothing is written.
    """
    table = open_table(path)
    known: dict[str, FieldType] = {
        **fields,
        **{CUSTOM + name: kind for name, kind in rules.custom.items()},
    }
    plan = plan_columns(
        columns=[column for column in table.columns if column != REFUSAL_COLUMN],
        fields=known,
        maps=options.maps,
        values=options.values,
        blanks=options.blanks,
        date_formats=options.date_formats,
        create_fields=options.create_fields,
    )
    scan = (
        LaneScan(plan=plan, identities=identities)
        if identities is not None and LEAST_ROWS <= table.row_count <= MOST_ROWS
        else None
    )
    decisions = _decide(table, plan, known, scan)
    if decisions.doubts:
        raise AmbiguousDates("\n".join(decisions.doubts))
    created = tuple(
        NewField(name.removeprefix(CUSTOM), plan.sources[name][:_LABEL], decisions.types[name])
        for name in plan.created
    )
    return ReadableFile(
        table=table,
        plan=plan,
        rules=replace(
            rules,
            custom={**rules.custom, **{each.name: each.type for each in created}},
            date_formats=decisions.date_formats,
            marks=decisions.marks,
        ),
        created=created,
        digest=_digest(path, options),
        lanes=scan.lanes() if scan is not None else None,
    )


def refuse_retired(*, readable: ReadableFile, retired: Sequence[str]) -> None:
    """Raise InvalidOption if a column would make a field of a name that was retired: its meaning would change."""
    for each in readable.created:
        if each.name in retired:
            raise InvalidOption(
                _("The custom field %(name)s is retired. Give the column “%(column)s” another name by --map.")
                % {"name": CUSTOM + each.name, "column": each.label}
            )


def _digest(path: Path, options: ImportOptions) -> str:
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    read_by = (
        *(sorted(options.maps), sorted(options.values), sorted(options.blanks), sorted(options.date_formats)),
        *(options.create_fields, options.is_live),
    )
    return hashlib.sha256(f"{content}{read_by!r}".encode()).hexdigest()


# First pass -------------------------------------------------------------------------------------------------------

_DECIDER_OF: Final[Mapping[FieldType, Callable[[], _Decider]]] = {
    "date": DateFormatDecider,
    "decimal": DecimalMarkDecider,
    "integer": DecimalMarkDecider,
}


def _decide(
    table: Table, plan: ColumnPlan, known: Mapping[str, FieldType], scan: LaneScan | None
) -> _Decisions:
    deciders: dict[str, _Decider] = {name: TypeDecider() for name in plan.created}
    for name in plan.sources.keys() - deciders.keys():
        if known[name] in _DECIDER_OF:
            deciders[name] = _DECIDER_OF[known[name]]()
    if deciders or scan is not None:
        _feed(table, plan, deciders, scan)
    decisions = _Decisions()
    for name in sorted(deciders, key=list(plan.sources).index):
        _take_decision(decisions, name, deciders[name], plan)
    return decisions


def _feed(table: Table, plan: ColumnPlan, deciders: Mapping[str, _Decider], scan: LaneScan | None) -> None:
    for rows in _chunks(table.rows()):
        if scan is not None:
            scan.feed(rows)
        for name, decider in deciders.items():
            column = plan.sources[name]
            # Equal cells are cleaned once; in the order of the file, so that examples are the first ones.
            raw = dict.fromkeys(row.values[column] for row in rows if row.refusal is None)
            decider.feed(text for each in raw if (text := plan.clean(column, each)))


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _take_decision(decisions: _Decisions, name: str, decider: _Decider, plan: ColumnPlan) -> None:
    if isinstance(decider, DecimalMarkDecider):
        decisions.marks[name] = decider.decision()
        return
    if isinstance(decider, DateFormatDecider):
        _take_date(decisions, name, decider.decision(), plan)
        return
    decided = decider.decision()
    decisions.types[name] = decided.type
    if decided.type == "decimal":
        decisions.marks[name] = decided.mark
    elif decided.date is not None and decided.date.is_ambiguous and not decided.date.candidates:
        # Every value is a date in some format, but not all in one.
        asked = plan.date_format_of(plan.sources[name])
        decisions.types[name] = "date" if asked else "text"
        if asked:
            decisions.date_formats[name] = asked
    elif decided.date is not None:
        _take_date(decisions, name, decided.date, plan)


def _take_date(decisions: _Decisions, name: str, decided: DateDecision, plan: ColumnPlan) -> None:
    """The format of a column: as an option says of it; as an option says of all, where that can be; else as decided."""
    column = plan.sources[name]
    said = plan.column_date_formats.get(column)
    if said is None and (decided.is_ambiguous or plan.date_format in decided.candidates):
        said = plan.date_format
    if said is not None:
        decisions.date_formats[name] = said
    elif decided.is_ambiguous:
        decisions.doubts.append(_say_doubt(column, decided))
    elif decided.format is not None:
        decisions.date_formats[name] = decided.format


def _say_doubt(column: str, decided: DateDecision) -> str:
    formats = [each.value for each in decided.candidates or tuple(DateFormat)]
    if decided.candidates:
        text = _(
            "The dates of the column “%(column)s” can be read as %(formats)s, for example “%(example)s”. "
            'Say which, for example: --date-format "%(column)s=%(first)s".'
        )
    else:
        text = _(
            "The dates of the column “%(column)s” are not all of one format; “%(example)s” differs from those before it. "
            'Say which format counts, for example: --date-format "%(column)s=%(first)s"; other rows are refused.'
        )
    first = "dmy" if "dmy" in formats else formats[0]
    return text % {
        "column": column,
        "formats": _(" or ").join(formats),
        "example": decided.example,
        "first": first,
    }
