"""A file made ready to be imported: its columns planned, and their types, date formats and decimal marks decided.

The first of two passes: every value of the columns in question is looked at, so nothing is ever decided cell by cell.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from django.utils.translation import gettext as _

from leads.capture.columns import (
    CUSTOM,
    DateDecision,
    DateFormat,
    DateFormatDecider,
    DecimalMark,
    DecimalMarkDecider,
    FieldType,
    TypeDecider,
)
from leads.capture.files import Row
from leads.capture.inputs import IntakeRules
from leads.capture.mapping import ColumnPlan, InvalidOption, plan_columns
from leads.capture.waves import LEAST_ROWS, MOST_ROWS, Normalise, WaveScan

# The last column of the file of refused rows: never taken for a column of the user's when such a file is imported.
REFUSAL_COLUMN: Final = "refused_because"
# Before the name of a property of an event.
PROPERTY: Final = "properties."
CHUNK: Final = 2_000
_LABEL: Final = 120
# By prefix, the type of every field after it; None where each column has its own.
OpenFields = Mapping[str, FieldType | None]
NO_OPEN_FIELDS: Final[OpenFields] = {}
_Decider = DateFormatDecider | DecimalMarkDecider | TypeDecider


class AmbiguousDates(ValueError):
    """Dates of a file can be read in several ways; the message says in which columns, and what to add; ``columns`` holds what was
    found in each."""

    def __init__(self, message: str, columns: Mapping[str, DateDecision]) -> None:
        super().__init__(message)
        self.columns = columns


class RowSource(Protocol):
    """Where the rows come from: a file, or a file that was uploaded, in pieces."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names, in order."""

    @property
    def row_count(self) -> int | None:
        """How many rows there are, refused ones included; None if nobody has counted them."""

    def rows(self) -> Iterator[Row]:
        """Every row, from the start."""


@dataclass(frozen=True)
class NewField:
    """A custom field that the import makes: its name, the column's header as its label, the type of all its values."""

    name: str
    label: str
    type: FieldType


@dataclass(frozen=True)
class ImportOptions:
    """The options of both imports as they are typed (CONTRACT.md §1).

    ``is_live``: the rows enter as if captured now, not as history. ``is_dry_run``: count, and write nothing. ``creates_leads``: a
    deal or an event of somebody unknown makes a lead; ``event_type`` is what happened where no column says it. Only the pages
    give ``left_out``, columns that fill nothing whatever they are called, and ``new_fields``, custom fields to make of a type
    that is chosen; ``maps`` may name them.
    """

    maps: Sequence[str] = ()
    values: Sequence[str] = ()
    blanks: Sequence[str] = ()
    date_formats: Sequence[str] = ()
    create_fields: bool = False
    is_live: bool = False
    is_dry_run: bool = False
    left_out: Sequence[str] = ()
    new_fields: Sequence[NewField] = ()
    creates_leads: bool = False
    event_type: str = ""


@dataclass(frozen=True)
class ReadableFile:
    """A table with all that is needed to read its rows. ``digest`` is the same for the same file read in the same way.

    ``row_count`` counts refused rows, too. ``waves`` has the wave of each row (see leads.capture.waves); None where one process
    takes in all.
    """

    table: RowSource
    plan: ColumnPlan
    rules: IntakeRules
    created: tuple[NewField, ...]
    digest: str
    row_count: int
    waves: bytearray | None = None

    def column_of(self, field_name: str) -> str:
        """The column that fills a field, as the user knows it; the field itself if none does."""
        return self.plan.sources.get(field_name.partition("[")[0], field_name)


@dataclass
class Decisions:
    """What was decided from all values: types of fields to be made, date formats and decimal marks by field; ``doubts`` says in
    words which columns' dates can be read in several ways, ``doubtful`` names them."""

    types: dict[str, FieldType] = field(default_factory=dict)
    date_formats: dict[str, DateFormat] = field(default_factory=dict)
    marks: dict[str, DecimalMark | None] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    doubtful: dict[str, DateDecision] = field(default_factory=dict)


def plan_file(
    *,
    columns: Sequence[str],
    options: ImportOptions,
    fields: Mapping[str, FieldType],
    custom: Mapping[str, FieldType],
    open_fields: OpenFields = NO_OPEN_FIELDS,
) -> tuple[ColumnPlan, dict[str, FieldType]]:
    """What is done with the columns, and the fields that are known with their types: those of the import, the custom ones, and
    those it makes of a chosen type. Raises InvalidOption."""
    made_prefix = PROPERTY if PROPERTY in open_fields else CUSTOM
    custom = custom if made_prefix == CUSTOM else {}
    known: dict[str, FieldType] = {
        **fields,
        **{CUSTOM + name: kind for name, kind in custom.items()},
        **{CUSTOM + each.name: each.type for each in options.new_fields},
    }
    left_out = {REFUSAL_COLUMN, *options.left_out}
    plan = plan_columns(
        columns=[column for column in columns if column not in left_out],
        fields=known,
        maps=options.maps,
        values=options.values,
        blanks=options.blanks,
        date_formats=options.date_formats,
        create_fields=options.create_fields,
        prefixes=open_fields,
        made_prefix=made_prefix,
    )
    return plan, known


def make_readable(
    *,
    table: RowSource,
    digest: str,
    options: ImportOptions,
    fields: Mapping[str, FieldType],
    rules: IntakeRules,
    identities: Mapping[str, Normalise] | None = None,
    open_fields: OpenFields = NO_OPEN_FIELDS,
) -> ReadableFile:
    """Decide how each column of a table is read.

    ``fields`` are the fields that the import knows, with their types; the custom fields of ``rules`` come besides, and any name
    after a prefix of ``open_fields``. With ``identities``, fields by which rows are known, a file that is worth it is split
    into waves. Raises UnreadableFile, InvalidOption and AmbiguousDates; nothing is written.
    """
    plan, known = plan_file(
        columns=table.columns, options=options, fields=fields, custom=rules.custom, open_fields=open_fields
    )
    scan = WaveScan(plan=plan, identities=identities) if identities is not None else None
    decisions, row_count = _decide(table, plan, known, scan, open_fields)
    if decisions.doubts:
        raise AmbiguousDates("\n".join(decisions.doubts), decisions.doubtful)
    return as_decided(
        table=table,
        digest=digest,
        options=options,
        plan=plan,
        rules=rules,
        decisions=decisions,
        row_count=row_count,
        waves=scan.waves() if scan is not None and LEAST_ROWS <= row_count <= MOST_ROWS else None,
    )


def as_decided(
    *,
    table: RowSource,
    digest: str,
    options: ImportOptions,
    plan: ColumnPlan,
    rules: IntakeRules,
    decisions: Decisions,
    row_count: int,
    waves: bytearray | None = None,
) -> ReadableFile:
    """A table with decisions that were made of all of its values."""
    created = (
        *options.new_fields,
        *(
            NewField(name.removeprefix(CUSTOM), plan.sources[name][:_LABEL], decisions.types[name])
            for name in plan.created
        ),
    )
    return ReadableFile(
        table=table,
        plan=plan,
        rules=replace(
            rules,
            custom={**rules.custom, **{each.name: each.type for each in created}},
            date_formats=decisions.date_formats,
            marks=decisions.marks,
            properties={name: decisions.types[name] for name in plan.opened if name in decisions.types},
        ),
        created=created,
        digest=digest,
        row_count=row_count,
        waves=waves,
    )


def refuse_retired(*, readable: ReadableFile, retired: Sequence[str]) -> None:
    """Raise InvalidOption if a column would make a field of a name that was retired: its meaning would change."""
    for each in readable.created:
        if each.name in retired:
            raise InvalidOption(
                _("The custom field %(name)s is retired. Give the column “%(column)s” another name by --map.")
                % {"name": CUSTOM + each.name, "column": each.label}
            )


def content_digest(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(content: str, options: ImportOptions) -> str:
    """Of a file's bytes, by their digest, and what decides how they are read."""
    read_by = (
        *(sorted(options.maps), sorted(options.values), sorted(options.blanks), sorted(options.date_formats)),
        *(options.create_fields, options.is_live),
        *((options.creates_leads, options.event_type) if options.creates_leads or options.event_type else ()),
    )
    return hashlib.sha256(f"{content}{read_by!r}".encode()).hexdigest()


# First pass -------------------------------------------------------------------------------------------------------

_DECIDER_OF: Final[Mapping[FieldType, Callable[[], _Decider]]] = {
    "date": DateFormatDecider,
    "decimal": DecimalMarkDecider,
    "integer": DecimalMarkDecider,
}


def _decide(
    table: RowSource,
    plan: ColumnPlan,
    known: Mapping[str, FieldType],
    scan: WaveScan | None,
    open_fields: OpenFields,
) -> tuple[Decisions, int]:
    """What all values say, and how many rows there are."""
    opened = {
        name: next(kind for prefix, kind in open_fields.items() if name.startswith(prefix))
        for name in plan.opened
    }
    undecided = [*plan.created, *(name for name, kind in opened.items() if kind is None)]
    deciders: dict[str, _Decider] = {name: TypeDecider() for name in undecided}
    for name in plan.sources.keys() - deciders.keys():
        kind = known.get(name) or opened[name]
        if kind is not None and kind in _DECIDER_OF:
            deciders[name] = _DECIDER_OF[kind]()
    row_count = table.row_count
    if deciders or scan is not None or row_count is None:
        row_count = _feed(table, plan, deciders, scan)
    decisions = Decisions()
    for name in sorted(deciders, key=list(plan.sources).index):
        _take_decision(decisions, name, deciders[name], plan)
    return decisions, row_count


def _feed(table: RowSource, plan: ColumnPlan, deciders: Mapping[str, _Decider], scan: WaveScan | None) -> int:
    """Show every row to who has to see it; returns how many there are."""
    row_count = 0
    for rows in _chunks(table.rows()):
        row_count += len(rows)
        if scan is not None and row_count <= MOST_ROWS:
            scan.feed(rows)
        for name, decider in deciders.items():
            column = plan.sources[name]
            # Equal cells are cleaned once; in the order of the file, so that examples are the first ones.
            raw = dict.fromkeys(row.values[column] for row in rows if row.refusal is None)
            decider.feed(text for each in raw if (text := plan.clean(column, each)))
    return row_count


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _take_decision(decisions: Decisions, name: str, decider: _Decider, plan: ColumnPlan) -> None:
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


def _take_date(decisions: Decisions, name: str, decided: DateDecision, plan: ColumnPlan) -> None:
    """The format of a column: as an option says of it; as an option says of all, where that can be; else as decided."""
    column = plan.sources[name]
    said = plan.column_date_formats.get(column)
    if said is None and (decided.is_ambiguous or plan.date_format in decided.candidates):
        said = plan.date_format
    if said is not None:
        decisions.date_formats[name] = said
    elif decided.is_ambiguous:
        decisions.doubts.append(_say_doubt(column, decided))
        decisions.doubtful[column] = decided
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
