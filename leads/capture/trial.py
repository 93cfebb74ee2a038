"""Trying an import out: the first rows are taken in and then taken back, so that everybody sees what would come of the file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Final

from django.db import transaction

from leads.capture.columns import DateFormat
from leads.capture.imports import ImportContext, Subject, Taker, Tally, make_fields
from leads.capture.readable_file import Decisions, ReadableFile
from leads.capture.refusals import say_refusal
from leads.capture.row_reader import BATCH_SIZE, ReadRow, read_batches
from leads.models import ImportRefusal, ImportRun

# Leads that a trial would change are locked until it has ended, so it is not a long one.
TRIAL_BATCHES: Final = 20
TRIAL_ROWS: Final = TRIAL_BATCHES * BATCH_SIZE
EXAMPLES: Final = 3
MAX_SHOWN: Final = 120


@dataclass(frozen=True)
class Example:
    """A row of the file: its number, whom it is about, and why it is refused if it is."""

    row: int
    who: str
    why: str = ""


@dataclass(frozen=True)
class Trial:
    """What came of the first ``rows`` of a file of ``of`` rows. ``examples`` are by outcome, ``decided`` is kept for the run."""

    rows: int
    of: int
    counts: Mapping[str, int]
    examples: Mapping[str, list[Example]]
    decided: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What an import keeps of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Trial":
        """What ``as_json`` gave."""
        examples = {name: [Example(**each) for each in rows] for name, rows in kept["examples"].items()}
        return cls(**{**kept, "examples": examples})

    @property
    def is_whole(self) -> bool:
        """Whether every row was tried."""
        return self.rows >= self.of


class _Examples:
    def __init__(self) -> None:
        self.by_outcome: dict[str, list[Example]] = {}

    def note(self, row: ReadRow, outcome: str) -> None:
        found = self.by_outcome.setdefault(outcome, [])
        if len(found) < EXAMPLES:
            found.append(Example(row.number, say_who(row)))


def say_who(row: ReadRow) -> str:
    """Whom a row is about, in as few words as name them."""
    if row.item is None:
        cells = row.cells.values() if isinstance(row.cells, Mapping) else row.cells
        return ", ".join(cell for cell in islice(filter(str.strip, cells), 2))[:MAX_SHOWN]
    names = (
        getattr(row.item, name, None) for name in ("deal_id", "type", "name", "email", "external_id", "phone")
    )
    return ", ".join(islice((str(name) for name in names if name), 2))[:MAX_SHOWN]


def try_rows(*, run: ImportRun, subject: Subject, readable: ReadableFile, context: ImportContext) -> Trial:
    """Take in the first TRIAL_ROWS rows and take all of it back; the pipeline does not run, as it would after the file."""
    tally, examples = Tally(), _Examples()
    with transaction.atomic():
        make_fields(readable, context.now)
        taker = Taker(subject, readable, context, known_to=0, is_dry_run=True)
        batches = read_batches(
            rows=readable.table.rows(), readable=readable, read=subject.read, now=context.now
        )
        for rows in islice(batches, TRIAL_BATCHES):
            tally.add(taker.take(run, rows, note=examples.note))
        _explain(examples, run)
        transaction.set_rollback(True)
    return Trial(
        rows=tally.counts.rows,
        of=readable.row_count,
        counts=asdict(tally.counts),
        examples=examples.by_outcome,
        decided=decided_json(readable),
    )


def _explain(examples: _Examples, run: ImportRun) -> None:
    refused = examples.by_outcome.get("refused", [])
    rows = [each.row for each in refused]
    kept = ImportRefusal.objects.filter(run=run, row_number__in=rows).values_list("row_number", "errors")
    reasons = {number: say_refusal(errors) for number, errors in kept}
    examples.by_outcome["refused"] = [
        Example(each.row, each.who, reasons.get(each.row, "")) for each in refused
    ]


def decided_json(readable: ReadableFile) -> dict[str, Any]:
    """What was decided of a file, for whoever goes on with it."""
    rules = readable.rules
    return {
        "date_formats": {name: each.value for name, each in rules.date_formats.items()},
        "marks": dict(rules.marks),
        "properties": dict(rules.properties),
    }


def decisions_of(decided: Mapping[str, Any]) -> Decisions:
    """The decisions that ``decided_json`` wrote down."""
    formats = {name: DateFormat(each) for name, each in decided["date_formats"].items()}
    types = dict(decided.get("properties", {}))
    return Decisions(types=types, date_formats=formats, marks=dict(decided["marks"]))
