"""What a worker does for imports by the pages: reads a file, tries it, takes it in batch by batch.

How far an import has come is its row, written in the transaction of each step and of each batch, together with the leads of the
batch: a worker that dies leaves everything as it was after the last one, and the next goes on there. A wake-up starts the next
batch at once; the due row starts it when no wake-up arrives.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.bisection import is_transient
from core.due import DueKind, cancel, register_due_kind, schedule
from core.formulas import fuse
from core.notifications import Notice, NotificationKind, register_notification_kind, tell
from core.statistics import freshen_statistics
from core.stored_files import copy_to, delete_files
from core.tasks import tenant_task, wake
from leads.capture.assignment import Assignment, InvalidAssignment, check_assignment
from leads.capture.columns import DateFormat
from leads.capture.detection import Detected, Detector
from leads.capture.event_rows import EventRows
from leads.capture.files import Row, UnreadableFile, open_table
from leads.capture.guessing import guess_subject
from leads.capture.imports import (
    Counts,
    ImportContext,
    Subject,
    Taker,
    Tally,
    finish_run,
    import_rules,
    known_to,
    make_fields,
)
from leads.capture.lead_rows import LeadRows
from leads.capture.mapping import InvalidOption
from leads.capture.ordered_imports import ImportOrders, assign_as_ordered, name_columns
from leads.capture.outcomes import OutcomeRows
from leads.capture.readable_file import (
    REFUSAL_COLUMN,
    AmbiguousDates,
    ReadableFile,
    as_decided,
    content_digest,
    digest_of,
    make_readable,
    plan_file,
)
from leads.capture.row_reader import BATCH_SIZE, read_rows
from leads.capture.stored_rows import StoredRows, keep_rows
from leads.capture.trial import Trial, decisions_of, try_rows
from leads.capture.workbooks import Sheets, convert_workbook, is_workbook
from leads.models import CustomField, ImportMark, ImportRun, ImportState
from tenancy.audit import record
from tenancy.models import Membership, Tenant
from tenancy.scope import require_tenant_id
from tenancy.selectors import language_of

log = structlog.get_logger(__name__)

IMPORT_KIND: Final = "leads.import"
# When a wake-up is lost the sweep goes on after this.
FALLBACK: Final = timedelta(seconds=15)
RETRY_PAUSE: Final = timedelta(seconds=10)
MAX_ATTEMPTS: Final = 3
IMPORT_DONE: Final = "leads.import_done"
IMPORT_FAILED: Final = "leads.import_failed"
MAX_PROBLEM: Final = 2_000
# What waits for a worker.
AT_WORK: Final = frozenset({ImportState.READING, ImportState.TRYING, ImportState.RUNNING})


def advance_import(*, import_id: int, now: datetime) -> ImportRun | None:
    """Do what is next: read the file, try it, or take in the next batch. None if nothing is, or somebody else is at it."""
    free = ImportRun.objects.select_for_update(skip_locked=True, of=("self",))
    run: ImportRun | None = free.filter(pk=import_id, state__in=AT_WORK).first()
    if run is None:
        return None
    tenant = current_tenant()
    maker = Membership.objects.select_related("user").filter(pk=run.made_by_id).first()
    with translation.override(run.language or language_of(maker, tenant=tenant)):
        try:
            with transaction.atomic():
                _STEPS[ImportState(run.state)](run, tenant, now)
        except Exception as error:
            if is_transient(error):
                raise
            # Whatever it is, its maker is told, and it stands in the log; the next try may go through.
            log.exception("import failed", import_id=run.pk, state=run.state, error=str(error))
            run = ImportRun.objects.get(pk=run.pk)
            _note_failure(run, error, now)
    return run


def _note_failure(run: ImportRun, error: Exception, now: datetime) -> None:
    run.attempts += 1
    if run.attempts < MAX_ATTEMPTS:
        run.save(update_fields=["attempts"])
        schedule(kind=IMPORT_KIND, due={run.pk: now + RETRY_PAUSE})
        return
    words = _("Something in LeadSys went wrong, and it has been noted: %(error)s. What was taken in is safe.")
    _fail(run, words % {"error": f"{type(error).__name__}: {error}"}, now)


def _fail(run: ImportRun, problem: str, now: datetime) -> None:
    """Leave an import where it is, with its reason, until somebody looks at it."""
    run.problem = problem[:MAX_PROBLEM]
    run.state = _AFTER_FAILURE[ImportState(run.state)]
    run.save(update_fields=["attempts", "state", "problem"])
    cancel(kind=IMPORT_KIND, subjects=[run.pk])
    _tell(run, IMPORT_FAILED, now)


_AFTER_FAILURE: Final = {
    ImportState.READING: ImportState.UNREADABLE,
    ImportState.TRYING: ImportState.MAPPING,
    ImportState.RUNNING: ImportState.FAILED,
}


def _read(run: ImportRun, tenant: Tenant, now: datetime) -> None:
    """Read the whole file once: keep its rows in batches, and what its columns hold."""
    wanted = (run.detected or {}).get("sheet", "")
    try:
        if run.file_id is None:
            raise UnreadableFile(_("The file was deleted meanwhile. Upload it again."))
        with tempfile.TemporaryDirectory(prefix="leadsys-import-") as folder:
            detected, rows = _read_into_rows(run, Path(folder), wanted, now)
    except UnreadableFile as error:
        run.problem = str(error)[:MAX_PROBLEM]
        run.state = ImportState.UNREADABLE
    else:
        if run.rows_file_id is not None:
            delete_files(file_ids=[run.rows_file_id])
        run.problem = ""
        run.rows_file_id = rows.file_id
        run.detected = detected.as_json()
        run.layout = layout_of(rows.columns)
        run.state = ImportState.MAPPING
        _follow_orders(run, detected, tenant)
    run.seen_at = now
    run.save()
    _wait_or_go_on(run, now)


def _follow_orders(run: ImportRun, detected: Detected, tenant: Tenant) -> None:
    """Find out what the file tells of, and say what its columns are, as far as that was asked for."""
    orders = ImportOrders.from_json(run.orders)
    if orders.guesses_subject and not run.assignment:
        run.subject = guess_subject(detected.columns)
    if not orders.is_automatic:
        return
    try:
        follow_orders(run, orders, tenant)
    except InvalidAssignment as invalid:
        problems = (f"{each.field}: {each.message}" for each in invalid.errors)
        run.problem = "\n".join(problems)[:MAX_PROBLEM]
    else:
        run.state = ImportState.TRYING


def follow_orders(run: ImportRun, orders: ImportOrders, tenant: Tenant) -> None:
    """Say what the columns are as a program ordered it; the import is not saved. Raises InvalidAssignment."""
    detected = detected_of(run)
    custom = CustomField.objects.filter(retired_at__isnull=True).values_list("name", "label")
    try:
        said = assign_as_ordered(
            orders=orders,
            detected=detected,
            fields=subject_of(run, tenant).fields,
            custom=dict(custom),
            subject=run.subject,
        )
        check_columns(run, said)
    except InvalidAssignment as invalid:
        raise name_columns(invalid, detected) from invalid
    run.assignment, run.is_live = said.as_json(), said.is_live


def _wait_or_go_on(run: ImportRun, now: datetime) -> None:
    """Either a person is next, or a worker."""
    if run.state in AT_WORK:
        go_on(run, now)
    else:
        cancel(kind=IMPORT_KIND, subjects=[run.pk])


def check_columns(run: ImportRun, assignment: Assignment) -> None:
    """Raise InvalidAssignment for what can't be meant of an import's columns."""
    names = dict(CustomField.objects.values_list("name", "retired_at"))
    check_assignment(
        assignment=assignment,
        detected=detected_of(run),
        fields=subject_of(run, current_tenant()).fields,
        custom=[name for name, retired_at in names.items() if retired_at is None],
        taken=names,
    )


def begin(run: ImportRun, *, by: Membership | None, now: datetime) -> None:
    """Let workers take in an import that was tried."""
    run.started_at, run.counts, run.attempts = now, {}, 0
    run.file_hash = digest_of(detected_of(run).digest, assignment_of(run).options())
    run.state = ImportState.RUNNING
    record(
        act="import.started",
        subject=run.file_name,
        by=by,
        now=now,
        detail={"rows": detected_of(run).row_count},
    )
    run.save()
    go_on(run, now)


def _read_into_rows(run: ImportRun, folder: Path, sheet: str, now: datetime) -> tuple[Detected, StoredRows]:
    path, sheets = folder / "upload", Sheets((), "")
    with path.open("wb") as file:
        copy_to(file_id=run.file_id or 0, target=file)
    kind = "csv"
    digest = content_digest(path)
    if is_workbook(path):
        kind = "xlsx"
        # The library goes by the name.
        path = path.rename(path.with_suffix(".xlsx"))
        sheets = convert_workbook(path=path, target=folder / "sheet.csv", sheet=sheet)
        path = folder / "sheet.csv"
    table = open_table(path)
    if not table.row_count:
        raise UnreadableFile(_("The file has a header and no rows."))
    detector = Detector(table.columns)
    read = table.rows() if REFUSAL_COLUMN not in table.columns else map(_as_it_stood, table.rows())
    rows = keep_rows(
        name=run.file_name,
        columns=table.columns,
        rows=detector.watch(read),
        expires_at=now + kept_for(),
        now=now,
    )
    detected = Detected(
        kind=kind,
        encoding=table.encoding,
        delimiter=table.delimiter,
        sheets=list(sheets.names),
        sheet=sheets.chosen,
        row_count=rows.row_count,
        refused_count=detector.refused_count,
        columns=detector.columns(),
        blank_words=detector.blank_words(),
        digest=f"{digest}{sheets.chosen}",
        headers=list(table.columns),
    )
    return detected, rows


def _as_it_stood(row: Row) -> Row:
    """A row of a file of refused rows, whose formulas were made harmless for the way."""
    return row._replace(values={name: fuse(cell) for name, cell in row.values.items()})


def layout_of(columns: Sequence[str]) -> str:
    """The same for files with the same columns, in whatever order."""
    return hashlib.sha256("\n".join(sorted(columns)).encode()).hexdigest()


def _try(run: ImportRun, tenant: Tenant, now: datetime) -> None:
    """Try the rows; dates that can be read in several ways lead back to the columns."""
    subject, options = subject_of(run, tenant), assignment_of(run).options()
    try:
        readable = make_readable(
            table=rows_of(run),
            digest="",
            options=options,
            fields=subject.fields,
            rules=import_rules(tenant=tenant, file_name=run.file_name),
            open_fields=subject.open_fields,
        )
    except AmbiguousDates as error:
        columns = ", ".join(f"“{each}”" for each in error.columns)
        run.problem = _("Say how the dates are written in %(columns)s.") % {"columns": columns}
        run.state = ImportState.MAPPING
        run.detected = _with_doubts(detected_of(run), error).as_json()
    except InvalidOption as error:
        run.problem, run.state = str(error), ImportState.MAPPING
    else:
        context = ImportContext(tenant, now, run.is_live)
        run.trial = try_rows(run=run, subject=subject, readable=readable, context=context).as_json()
        run.problem, run.state = "", ImportState.TRIED
    run.seen_at = now
    orders = ImportOrders.from_json(run.orders)
    if run.state == ImportState.TRIED and orders.is_automatic and not orders.is_dry_run:
        by = Membership.objects.filter(pk=run.made_by_id).first()
        begin(run, by=by, now=now)
        return
    run.save()
    cancel(kind=IMPORT_KIND, subjects=[run.pk])


def _take_batch(run: ImportRun, tenant: Tenant, now: datetime) -> None:
    """Take in the batch that is next, with all that follows of it; with the last one the import ends."""
    subject, table = subject_of(run, tenant), rows_of(run)
    readable = _as_decided(run, subject, table, tenant)
    before = Counts(**run.counts)
    if not before.rows:
        make_fields(readable, now)
    batch = read_rows(
        rows=table.batch(before.rows // BATCH_SIZE), readable=readable, read=subject.read, now=now
    )
    if not batch:
        fault = _(
            "The file was deleted before all of its rows were taken in. Upload it again: what is there stays."
        )
        _fail(run, fault, now)
        return
    taker = Taker(
        subject,
        readable,
        ImportContext(tenant, now, run.is_live),
        known_to=known_to(run),
        is_dry_run=False,
    )
    tally = _add_marks(run, before, taker.take(run, batch))
    freshen_statistics()
    run.row_number, run.attempts, run.seen_at = batch[-1].number, 0, now
    if tally.counts.rows >= table.row_count:
        forget_files(run)
        run.save()
        finish_run(run, tally.counts, now)
        cancel(kind=IMPORT_KIND, subjects=[run.pk])
        _tell(run, IMPORT_DONE, now)
    else:
        run.counts = asdict(tally.counts)
        run.save()
        go_on(run, now)


def _add_marks(run: ImportRun, before: Counts, batch: Tally) -> Tally:
    """What has come of all rows so far; a subject that an earlier batch had came twice."""
    known = ImportMark.objects.filter(run=run, subject__in=list(batch.seen))
    total = Tally(counts=before, seen=dict(known.values_list("subject", "outcome")))
    fresh = {each: outcome for each, outcome in batch.seen.items() if each not in total.seen}
    total.add(batch)
    leads = batch.leads if run.subject != ImportRun.Subject.LEADS else {each: each for each in fresh}
    ImportMark.objects.bulk_create(
        ImportMark(run=run, subject=each, outcome=outcome, lead_id=leads.get(each), key=str(run.pk))
        for each, outcome in fresh.items()
    )
    return total


def rows_of(run: ImportRun) -> StoredRows:
    """The rows of the uploaded file."""
    detected = detected_of(run)
    columns = tuple(detected.headers)
    return StoredRows(run.rows_file_id or 0, columns, detected.row_count)


def _as_decided(run: ImportRun, subject: Subject, table: StoredRows, tenant: Tenant) -> ReadableFile:
    """The file as the trial decided how to read it."""
    options = assignment_of(run).options()
    rules = import_rules(tenant=tenant, file_name=run.file_name)
    plan, _known = plan_file(
        columns=table.columns,
        options=options,
        fields=subject.fields,
        custom=rules.custom,
        open_fields=subject.open_fields,
    )
    return as_decided(
        table=table,
        digest=run.file_hash,
        options=options,
        plan=plan,
        rules=rules,
        decisions=decisions_of(trial_of(run).decided),
        row_count=table.row_count,
    )


def _with_doubts(detected: Detected, error: AmbiguousDates) -> Detected:
    """The columns with the dates about which one has to ask."""
    columns = [
        replace(
            column,
            date_formats=[each.value for each in doubt.candidates or tuple(DateFormat)],
            date_example=doubt.example or "",
        )
        if (doubt := error.columns.get(column.name))
        else column
        for column in detected.columns
    ]
    return replace(detected, columns=columns)


def detected_of(run: ImportRun) -> Detected:
    """What the file was found to be."""
    assert run.detected is not None
    return Detected.from_json(run.detected)


def assignment_of(run: ImportRun) -> Assignment:
    """What was said of the columns."""
    assert run.assignment is not None
    return Assignment.from_json(run.assignment)


def trial_of(run: ImportRun) -> Trial:
    """What came of the rows that were tried."""
    assert run.trial is not None
    return Trial.from_json(run.trial)


def subject_of(run: ImportRun, tenant: Tenant) -> Subject:
    """What the rows of an import tell of."""
    said = assignment_of(run) if run.assignment else Assignment(())
    if run.subject == ImportRun.Subject.OUTCOMES:
        return OutcomeRows(tenant, creates_leads=said.creates_leads)
    if run.subject == ImportRun.Subject.EVENTS:
        return EventRows(event_type=said.event_type, creates_leads=said.creates_leads)
    return LeadRows()


def current_tenant() -> Tenant:
    """The tenant of the scope."""
    found: Tenant = Tenant.objects.get(pk=require_tenant_id())
    return found


def kept_for() -> timedelta:
    """How long an uploaded file is kept."""
    return timedelta(days=settings.FILE_DAYS)


def forget_files(run: ImportRun) -> None:
    """Delete the uploaded file; the import is not saved."""
    kept = [each for each in (run.file_id, run.rows_file_id) if each is not None]
    run.file = run.rows_file = None
    delete_files(file_ids=kept)


def go_on(run: ImportRun, now: datetime) -> None:
    """Let a worker do what is next: at once, and if nobody hears it, a little later."""
    schedule(kind=IMPORT_KIND, due={run.pk: now + FALLBACK})
    wake(continue_import, import_id=run.pk)


def _tell(run: ImportRun, kind: str, now: datetime) -> None:
    """Tell whoever made the import."""
    if run.made_by_id is None:
        return
    values = {"file": run.file_name, "import_id": run.pk, **run.counts}
    tell(notices=[Notice(run.made_by_id, kind, values)], now=now)


@tenant_task(name="leads.continue_import")
def continue_import(*, import_id: int) -> None:
    """Do what is next of an import that is under way."""
    advance_import(import_id=import_id, now=timezone.now())


def _advance_due(import_ids: Sequence[int], now: datetime) -> None:
    for import_id in import_ids:
        advance_import(import_id=import_id, now=now)


def _lock_imports(import_ids: Sequence[int]) -> list[int]:
    """Those that nobody is at; the others stay due, in case whoever is at them dies."""
    free = ImportRun.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=list(import_ids))
    return list(free.values_list("pk", flat=True))


_STEPS: Final[dict[ImportState, Callable[[ImportRun, Tenant, datetime], None]]] = {
    ImportState.READING: _read,
    ImportState.TRYING: _try,
    ImportState.RUNNING: _take_batch,
}


def register_imports() -> None:
    """Let workers go on with imports and tell who began one. Call it when the app is ready."""
    register_due_kind(DueKind(IMPORT_KIND, act=_advance_due, lock=_lock_imports, batch_size=1))
    register_notification_kind(
        NotificationKind(
            IMPORT_DONE,
            gettext_lazy(
                "The import of %(file)s is done: %(new)s new, %(updated)s updated, %(refused)s refused"
            ),
            url_name="import-detail",
            url_value="import_id",
        )
    )
    register_notification_kind(
        NotificationKind(
            IMPORT_FAILED,
            gettext_lazy("The import of %(file)s needs you: it could not go on"),
            is_urgent=True,
            url_name="import-detail",
            url_value="import_id",
        )
    )
