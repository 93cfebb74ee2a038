"""Importing a file, of leads or of outcomes: two passes over it, batches of a thousand rows, each in its own transaction.

A long file of leads is shared between two processes, wave by wave (see leads.capture.waves): each takes the next batch that
nobody has begun. What has to be taken in in order follows when both are done.

An import that dies loses nothing that is committed, and the same import run again goes on: rows already there change nothing,
and rows that nobody could recognise (a name or phone alone) are passed over by their number.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import structlog
from django.db import DatabaseError, connection, transaction

from core.bisection import is_transient
from core.statistics import freshen_statistics
from leads.capture.columns import FieldType
from leads.capture.files import Row, Table, find_table
from leads.capture.inputs import IntakeRules
from leads.capture.readable_file import (
    ImportOptions,
    OpenFields,
    ReadableFile,
    content_digest,
    digest_of,
    make_readable,
    refuse_retired,
)
from leads.capture.refusals import keep_refusals, say_refusal, write_refused_file
from leads.capture.row_reader import BATCH_SIZE, ReadRow, Refusal, read_batches
from leads.capture.rules import open_rules
from leads.capture.second_process import second_process
from leads.capture.shares import TakeTurn, WaveRows, turns
from leads.capture.waves import Normalise
from leads.models import CustomField, ImportRun, ImportState
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leads.standings import NewStanding, write_standings
from tenancy.errors import FieldProblem, Problem
from tenancy.models import Tenant
from tenancy.scope import tenant_scope

log = structlog.get_logger(__name__)

BATCH_TRIES: Final = 5
EXAMPLES: Final = 10


class Taken(NamedTuple):
    """What came of one row: what it is about (the lead, the deal, the event; None if refused), its outcome, or why it is refused;
    whose it is."""

    subject_id: int | None
    outcome: str
    problem: Problem | None
    lead_id: int | None = None


class TakenBatch(NamedTuple):
    """What came of the rows, in order; the leads on which the pipeline has to run, and the standings it has to write."""

    rows: Sequence[Taken]
    changed: Sequence[int]
    newborn: Sequence[NewStanding] = ()


@dataclass(frozen=True)
class ImportContext:
    """What the taking in of a batch needs to know beside its rows."""

    tenant: Tenant
    now: datetime
    is_live: bool


class Subject(Protocol):
    """What a file tells of: leads, deals or events."""

    kind: ImportRun.Subject
    # The fields that a row can fill, with their types; custom fields come besides.
    fields: Mapping[str, FieldType]
    # By prefix, fields whose names are the file's own.
    open_fields: OpenFields
    # By which fields a row's lead is known, with their normal forms; None where one process has to take in all rows.
    identities: Mapping[str, Normalise] | None

    def read(
        self, values: Mapping[str, str], rules: IntakeRules, now: datetime
    ) -> tuple[Any, Sequence[FieldProblem]]:
        """What a row says, and what is wrong with it. Asks no database."""

    def is_nameless(self, item: Any) -> bool:
        """Whether the row has no identity, so that it would not be known again."""

    def prepare(self, items: Sequence[Any]) -> Any:
        """What rows of two processes have in common, found or made ahead in a transaction of its own."""

    def take(self, items: Sequence[Any], context: ImportContext, prepared: Any = None) -> TakenBatch:
        """Write rows into the current tenant."""


@dataclass
class Counts:
    """Rows by what came of them; their sum is the rows of the file."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        return self.new + self.updated + self.unchanged + self.duplicate + self.refused

    def add(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(frozen=True)
class ImportResult:
    """What came of an import. ``examples`` are the first reasons of refused rows; ``failed`` counts leads that the
    pipeline could not process and tries again."""

    counts: Counts
    columns_unmapped: tuple[str, ...]
    refused_file: Path | None
    examples: tuple[str, ...]
    failed: int

    def as_json(self) -> dict[str, Any]:
        """The object that both commands print last."""
        return asdict(self.counts) | {
            "columns_unmapped": list(self.columns_unmapped),
            "refused_file": str(self.refused_file) if self.refused_file else None,
        }


# Rows done, rows of the file.
Progress = Callable[[int, int], None]


def run_import(
    *,
    subject: Subject,
    tenant: Tenant,
    path: Path,
    options: ImportOptions,
    now: datetime,
    progress: Progress = lambda _done, _of: None,
) -> ImportResult:
    """Import a file into a tenant, outside any tenant scope, to its end.

    Raises UnreadableFile, InvalidOption and AmbiguousDates before anything is written.
    """
    table = find_table(path)
    readable = _make_readable(subject, tenant, table, options)
    context = ImportContext(tenant, now, options.is_live)
    with ExitStack() as stack:
        if options.is_dry_run:
            # Later rows must see earlier ones: all is written, and then taken back.
            stack.enter_context(tenant_scope(tenant.pk))
            stack.callback(transaction.set_rollback, True)  # noqa: FBT003 - Django's own signature
        return _Run(subject, table, readable, context, is_dry_run=options.is_dry_run).go(progress)


def _make_readable(subject: Subject, tenant: Tenant, table: Table, options: ImportOptions) -> ReadableFile:
    with tenant_scope(tenant.pk):
        rules = import_rules(tenant=tenant, file_name=table.path.name)
        retired = list_retired()
    readable = make_readable(
        table=table,
        digest=digest_of(content_digest(table.path), options),
        options=options,
        fields=subject.fields,
        rules=rules,
        identities=None if _needs_one_process(options) else subject.identities,
        open_fields=subject.open_fields,
    )
    refuse_retired(readable=readable, retired=retired)
    return readable


def import_rules(*, tenant: Tenant, file_name: str) -> IntakeRules:
    """What reading a file needs to know of the current tenant."""
    rules = open_rules(tenant=tenant)
    return replace(rules, is_import=True, source="import", proof={"file": file_name})


def list_retired() -> list[str]:
    """The names of the current tenant's custom fields that are retired."""
    return list(CustomField.objects.filter(retired_at__isnull=False).values_list("name", flat=True))


def _needs_one_process(options: ImportOptions) -> bool:
    """A dry run is one transaction, and another process would not see what is not committed; live rows take turns in pools."""
    return options.is_dry_run or options.is_live or connection.in_atomic_block


@dataclass
class Tally:
    """What has come of the rows that one process, or one batch, has taken in. ``seen``: the subjects, with the outcome first
    counted; ``leads``: whose they are, of the last batch; ``examples``: row numbers and reasons of the first refused rows."""

    counts: Counts = field(default_factory=Counts)
    seen: dict[int, str] = field(default_factory=dict)
    leads: dict[int, int] = field(default_factory=dict)
    examples: list[tuple[int, str]] = field(default_factory=list)
    failed: int = 0

    def add(self, other: "Tally") -> None:
        """Add what another process, or a further batch, has counted; a subject that both saw came twice."""
        for name, count in asdict(other.counts).items():
            setattr(self.counts, name, getattr(self.counts, name) + count)
        for subject_id in other.seen.keys() & self.seen.keys():
            outcome = other.seen[subject_id]
            setattr(self.counts, outcome, getattr(self.counts, outcome) - 1)
            self.counts.duplicate += 1
        for subject_id, outcome in other.seen.items():
            self.seen.setdefault(subject_id, outcome)
        self.examples = sorted(self.examples + other.examples)[:EXAMPLES]
        self.failed += other.failed


class Taker:
    """Takes batches of rows into the current tenant, with their refusals, and counts what came of them."""

    def __init__(
        self,
        subject: Subject,
        readable: ReadableFile,
        context: ImportContext,
        *,
        known_to: int,
        is_dry_run: bool,
    ) -> None:
        self._subject = subject
        self._readable = readable
        self._context = context
        self._is_dry_run = is_dry_run
        # Up to here an earlier run of the same import, cut off, has taken in the rows that have no identity.
        self._known_to = known_to

    def good(self, rows: Sequence[ReadRow]) -> list[ReadRow]:
        """The rows that can be taken in and have not been yet."""
        good = [row for row in rows if row.item is not None]
        return [row for row in good if not self._is_done(row)] if self._known_to else good

    def take(
        self,
        run: ImportRun,
        rows: Sequence[ReadRow],
        prepared: Any = None,
        note: Callable[[ReadRow, str], None] = lambda _row, _outcome: None,
    ) -> Tally:
        """Take in one batch, in the transaction around; ``note`` is told what came of each row."""
        good = self.good(rows)
        taken = self._subject.take([row.item for row in good], self._context, prepared)
        came_of = dict(zip((row.number for row in good), taken.rows, strict=True))
        tally = Tally()
        refused = []
        for row in rows:
            refusals, outcome = self._settle(tally, row, came_of.get(row.number))
            if refusals:
                refused.append((row, refusals))
            note(row, outcome)
        tally.examples = self._examples(refused[:EXAMPLES])
        keep_refusals(run=run, readable=self._readable, refused=refused)
        now = self._context.now
        if self._is_dry_run:
            write_standings(taken.newborn, now=now)
        elif taken.changed:
            reason = Reason(ReasonCode.IMPORTED, is_history=not self._context.is_live)
            result = run_pipeline(
                lead_ids=taken.changed,
                reason=reason,
                now=now,
                tenant=self._context.tenant,
                newborn=taken.newborn,
            )
            tally.failed = len(result.failed)
        return tally

    def _is_done(self, row: ReadRow) -> bool:
        return row.number <= self._known_to and self._subject.is_nameless(row.item)

    def _settle(self, tally: Tally, row: ReadRow, taken: Taken | None) -> tuple[Sequence[Refusal], str]:
        """Count one row; returns why it is refused, if it is, and what came of it."""
        refusals: Sequence[Refusal] = row.refusals
        if row.item is None:
            outcome = "refused"
        elif taken is None:
            outcome = "unchanged"
        elif taken.problem is not None:
            refusals, outcome = [_refusal(taken.problem)], "refused"
        else:
            assert taken.subject_id is not None
            outcome = "duplicate" if taken.subject_id in tally.seen else taken.outcome
            tally.seen.setdefault(taken.subject_id, outcome)
            if taken.lead_id is not None:
                tally.leads[taken.subject_id] = taken.lead_id
        tally.counts.add(outcome)
        return refusals, outcome

    def _examples(self, refused: Sequence[tuple[ReadRow, Sequence[Refusal]]]) -> list[tuple[int, str]]:
        return [
            (
                row.number,
                say_refusal(
                    {"column": self._readable.column_of(each.field), "message": each.message}
                    for each in refusals
                ),
            )
            for row, refusals in refused
        ]


class _Run:
    """One import on its way, in the foreground."""

    def __init__(
        self,
        subject: Subject,
        table: Table,
        readable: ReadableFile,
        context: ImportContext,
        *,
        is_dry_run: bool,
    ) -> None:
        self._subject = subject
        self._table = table
        self._readable = readable
        self._context = context
        self._is_dry_run = is_dry_run
        self._tally = Tally()
        self._waves = WaveRows(table.rows, readable.waves or bytearray())

    def go(self, progress: Progress) -> ImportResult:
        """Every row of the file, then the file of refused ones."""
        run = self._begin()
        rows = self._table.rows()
        if self._readable.waves is not None:
            for wave in self._waves.numbers:
                self._share_wave(run, wave, progress)
            rows = self._waves.rest()
        for _taken in self._take_rows(run, rows, self._tally):
            progress(self._tally.counts.rows, self._readable.row_count)
            self._freshen_statistics()
        return ImportResult(
            counts=self._tally.counts,
            columns_unmapped=self._readable.plan.unmapped,
            refused_file=self._end(run),
            examples=tuple(f"{number}: {said}" for number, said in self._tally.examples),
            failed=self._tally.failed,
        )

    def _share_wave(self, run: ImportRun, wave: int, progress: Progress) -> None:
        """Take in the rows of one wave together with another process; those of earlier waves are committed."""
        tally, before = Tally(), self._tally.counts.rows
        batches, size = self._waves.batches(wave)
        with (
            turns(batches) as take_turn,
            second_process(lambda tell: self._take_second_share(run, wave, take_turn, tell)) as second,
        ):
            rows = self._waves.share(wave, take_turn, keeps=True)
            for _taken in self._take_rows(run, rows, tally, share=size):
                progress(before + tally.counts.rows + second.progress(), self._readable.row_count)
                # One says it for both.
                self._freshen_statistics()
            other = second.wait()
        self._tally.add(tally)
        self._tally.add(other)

    def _take_second_share(
        self, run: ImportRun, wave: int, take_turn: TakeTurn, tell: Callable[[int], None]
    ) -> Tally:
        tally = Tally()
        _batches, size = self._waves.batches(wave)
        for _taken in self._take_rows(run, self._waves.share(wave, take_turn), tally, share=size):
            tell(tally.counts.rows)
        return tally

    def _take_rows(
        self, run: ImportRun, rows: Iterable[Row], tally: Tally, *, share: int | None = None
    ) -> Iterator[None]:
        """Take in rows batch by batch, and add to the tally what has come of each. ``share``: they are this process's share of a
        wave, in batches of so many."""
        batches = read_batches(
            rows=rows,
            readable=self._readable,
            read=self._subject.read,
            now=self._context.now,
            size=share or BATCH_SIZE,
        )
        for batch in batches:
            tally.add(self._take_until_committed(run, batch, is_shared=share is not None))
            yield

    def _freshen_statistics(self) -> None:
        with tenant_scope(self._context.tenant.pk):
            freshen_statistics()

    def _begin(self) -> ImportRun:
        readable, context = self._readable, self._context
        with tenant_scope(context.tenant.pk):
            make_fields(readable, context.now)
            run: ImportRun = ImportRun.objects.create(
                subject=self._subject.kind,
                file_name=self._table.path.name[:255],
                is_live=context.is_live,
                started_at=context.now,
                file_hash=readable.digest,
            )
            self._taker = Taker(
                self._subject, readable, context, known_to=known_to(run), is_dry_run=self._is_dry_run
            )
        return run

    def _take_until_committed(self, run: ImportRun, rows: Sequence[ReadRow], *, is_shared: bool) -> Tally:
        """One batch in one transaction, again if it lost a deadlock."""
        for tries_left in reversed(range(BATCH_TRIES)):
            try:
                prepared = self._prepare(rows) if is_shared else None
                with tenant_scope(self._context.tenant.pk):
                    if not self._context.is_live:
                        _leave_to_last_commit()
                    return self._take(run, rows, prepared, is_shared=is_shared)
            except DatabaseError as error:
                if self._is_dry_run or not tries_left or not is_transient(error):
                    raise
                log.warning("import batch is tried again", rows=len(rows), error=str(error))
        raise AssertionError("the last try returns or raises")

    def _prepare(self, rows: Sequence[ReadRow]) -> Any:
        with tenant_scope(self._context.tenant.pk):
            return self._subject.prepare([row.item for row in self._taker.good(rows)])

    def _take(self, run: ImportRun, rows: Sequence[ReadRow], prepared: Any, *, is_shared: bool) -> Tally:
        tally = self._taker.take(run, rows, prepared)
        if not is_shared:
            run.row_number = rows[-1].number
            run.save(update_fields=["row_number"])
        return tally

    def _end(self, run: ImportRun) -> Path | None:
        """Finish the run, and with it those of the same import that were cut off."""
        with tenant_scope(self._context.tenant.pk):
            finish_run(run, self._tally.counts, self._context.now)
            if self._is_dry_run or not self._tally.counts.refused:
                return None
            return write_refused_file(run=run, table=self._table)


def _leave_to_last_commit() -> None:
    """The end of this transaction doesn't wait for the disk: the import's last one does, and with it all before are there. If the
    database dies earlier so does the import, and when it is run again it goes on from what is there."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")


def make_fields(readable: ReadableFile, now: datetime) -> None:
    """Make the custom fields that an import brings, but for those that it has made before it was cut off."""
    made = set(CustomField.objects.values_list("name", flat=True))
    CustomField.objects.bulk_create(
        CustomField(name=each.name, label=each.label, type=each.type, created_at=now)
        for each in readable.created
        if each.name not in made
    )


def known_to(run: ImportRun) -> int:
    """The last row that earlier runs of the same import, cut off, have committed."""
    return max(_list_cut_off(run).filter(pk__lt=run.pk).values_list("row_number", flat=True), default=0)


def finish_run(run: ImportRun, counts: Counts, now: datetime) -> None:
    """Note the end of a run, and with it of those of the same import that were cut off."""
    run.counts = asdict(counts)
    run.state = ImportState.DONE
    run.finished_at = now
    run.save(update_fields=["counts", "state", "finished_at"])
    _list_cut_off(run).update(finished_at=now)


def _list_cut_off(run: ImportRun) -> Any:
    return ImportRun.objects.filter(subject=run.subject, file_hash=run.file_hash, finished_at__isnull=True)


def _refusal(problem: Problem) -> Refusal:
    """Why a row that could be read was not taken in."""
    first = problem.errors[0] if problem.errors else None
    return Refusal(first.field if first else "", first.code if first else "refused", str(problem.detail))
