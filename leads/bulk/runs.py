"""Runs of acts on many leads: begun with the leads that match then, done by whichever worker is free, stopped, taken back.

Which leads an act is done on is written down before it begins, by their ids and very many in slices: those that come to match
later are not touched. How far it has come is the rows themselves, written in the transaction of each slice or batch together with
what was changed: a worker that dies leaves everything as it was after the last, and the next goes on there. A wake-up starts the
next one at once; the due row starts it when no wake-up arrives.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.bisection import is_transient
from core.due import DueKind, cancel, register_due_kind, schedule
from core.notifications import Notice, NotificationKind, register_notification_kind, tell
from core.saved_views.kinds import ListKind, get_kind
from core.statistics import freshen_statistics
from core.tasks import tenant_task, wake
from leads.bulk.kinds import (
    CONFIRMATION,
    Batch,
    BulkAct,
    InvalidBulkValues,
    Result,
    get_bulk_act,
    refused,
)
from leads.listing import EXACT_LIMIT_MS, ListTooSlow, TookTooLong, limited_to
from leads.models import BulkLead, BulkOutcome, BulkRun, BulkState, LeadState
from leads.ownership import in_hands_of, oversees_all
from leads.pipeline import Reason, ReasonCode, lock_leads, run_pipeline
from tenancy.audit import record
from tenancy.errors import Conflict, FieldProblem, NotFound, Problem
from tenancy.models import Membership, Tenant
from tenancy.rights import require
from tenancy.scope import require_tenant_id
from tenancy.selectors import language_of

log = structlog.get_logger(__name__)

BULK_KIND: Final = "leads.bulk"
TIDY_KIND: Final = "leads.bulk_tidy"
BULK_DONE: Final = "leads.bulk_done"
BATCH_SIZE: Final = 500
FALLBACK: Final = timedelta(seconds=15)
RETRY_PAUSE: Final = timedelta(seconds=10)
MAX_ATTEMPTS: Final = 3
# What came of each lead is kept so long, and so long the act can be taken back.
KEPT_FOR: Final = timedelta(days=30)
# So many leads that match are written down at once, for which the database has so long.
CHOOSING_SIZE: Final = 50_000
CHOOSING_LIMIT_MS: Final = 120_000
AT_WORK: Final = (BulkState.CHOOSING, BulkState.RUNNING)
_COLUMN: Final = {
    BulkOutcome.APPLIED: "applied",
    BulkOutcome.UNCHANGED: "unchanged",
    BulkOutcome.REFUSED: "refused",
}


class NoSuchBulkRun(NotFound):
    """There is no such run, or it is not this person's to see."""


class NoLeadsBehind(NotFound):
    """Acts on many leads can't be begun from this list."""


class NotToBeUndone(Conflict):
    """The run can't be taken back: its act can't, it changed nothing, it was taken back already, or it is too long ago."""


def start_bulk(
    *,
    act: BulkAct,
    values: Mapping[str, Any],
    kind: ListKind,
    parameters: Mapping[str, str],
    by: Membership,
    now: datetime,
    language: str = "",
) -> BulkRun:
    """Begin an act on the leads behind the rows that an address of a list means, those that match now.

    ``language`` is that of the page on which it is begun, and so of the reasons for what is not possible.

    Raises NotAllowed, InvalidBulkValues, NoLeadsBehind, and what the list refuses.
    """
    require(by, act.right)
    require(by, kind.right)
    said = act.read(values)
    kept = {name: value for name, value in parameters.items() if value}
    kind.check(kept, by)
    if act.is_confirmed:
        count = count_leads_behind(kind=kind, parameters=kept, by=by, now=now)
        require_confirmed(count=count, confirmation=said["confirmation"])
    run: BulkRun = BulkRun.objects.create(
        act=act.key,
        values=said,
        words=act.words(said),
        list_kind=kind.key,
        query=kept,
        query_words=kind.words(kept, by),
        language=language,
        made_by=by,
        made_at=now,
        seen_at=now,
    )
    _go_on(run, now)
    return run


def count_leads_behind(
    *, kind: ListKind, parameters: Mapping[str, str], by: Membership, now: datetime
) -> int | None:
    """How many leads an act on these rows would be done on; None when counting takes longer than somebody waits.

    Raises NoLeadsBehind, and what the list refuses.
    """
    leads = _leads_behind(kind, parameters, by, now)
    try:
        with limited_to(EXACT_LIMIT_MS):
            return int(leads.count())
    except TookTooLong:
        return None


def _leads_behind(
    kind: ListKind, parameters: Mapping[str, str], by: Membership, now: datetime
) -> QuerySet[Any, Any]:
    if kind.leads is None:
        raise NoLeadsBehind(_("Nothing can be done on many rows of this list."))
    require(by, kind.right)
    return kind.leads(parameters, by, now)


def require_confirmed(*, count: int | None, confirmation: str) -> None:
    """Raise InvalidBulkValues unless what was typed is how many leads there are. None is more than can be counted."""
    if count is None:
        message = _("To count these leads takes too long. Narrow the list first.")
    elif re.sub(r"[\s.,]", "", confirmation) == str(count):
        return
    else:
        message = _("%(count)s leads match: type this number.") % {"count": count}
    raise InvalidBulkValues(message, errors=[FieldProblem(CONFIRMATION.name, "differs", message)])


def undo_bulk(*, run: BulkRun, by: Membership, now: datetime) -> BulkRun:
    """Take back what a run changed, on those leads alone. Raises NotAllowed, NotToBeUndone."""
    act = get_bulk_act(run.act)
    require(by, act.right)
    locked: BulkRun = BulkRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if not can_be_undone(run=locked, now=now):
        raise NotToBeUndone(_("This can't be taken back."))
    undoing: BulkRun = BulkRun.objects.create(
        act=run.act,
        values=run.values,
        words=_("Take back: %(act)s") % {"act": run.words},
        list_kind=run.list_kind,
        query=run.query,
        query_words=run.query_words,
        language=run.language,
        made_by=by,
        made_at=now,
        seen_at=now,
        undoes=run,
    )
    _go_on(undoing, now)
    return undoing


def can_be_undone(*, run: BulkRun, now: datetime) -> bool:
    """Whether a run has changed something that can still be taken back."""
    act = get_bulk_act(run.act)
    is_over = run.state in {BulkState.DONE, BulkState.STOPPED, BulkState.FAILED}
    is_recent = run.made_at > now - KEPT_FOR
    if not (act.undo and is_over and is_recent and run.applied) or run.undoes_id is not None:
        return False
    return not BulkRun.objects.filter(undoes=run).exists()


def stop_bulk(*, run: BulkRun, by: Membership, now: datetime) -> None:
    """Stop after the batch that is on its way; what was changed stays."""
    locked: BulkRun = BulkRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if locked.state in AT_WORK:
        _end(locked, BulkState.STOPPED, now, by=by)


def get_bulk(*, run_id: int, by: Membership) -> BulkRun:
    """A run of one's own, or anybody's for those who oversee all leads. Raises NoSuchBulkRun."""
    found: BulkRun | None = BulkRun.objects.select_related("made_by").filter(pk=run_id).first()
    if found is None or not (found.made_by_id == by.pk or oversees_all(by)):
        raise NoSuchBulkRun(_("There is no such act on many leads, or it is not yours."))
    return found


def list_refused(*, run: BulkRun, after: int = 0, limit: int = 50) -> list[BulkLead]:
    """Leads on which the act was not possible, with the reason, by id after ``after``."""
    rows = BulkLead.objects.filter(run=run, outcome=BulkOutcome.REFUSED, lead__gt=after)
    return list(rows.select_related("lead").order_by("lead")[:limit])


def advance_bulk(*, run_id: int, now: datetime) -> bool:
    """Do what is next; whether there is more to do. Nothing if somebody else is at it."""
    free = BulkRun.objects.select_for_update(skip_locked=True, of=("self",))
    run: BulkRun | None = free.filter(pk=run_id, state__in=AT_WORK).first()
    if run is None:
        return False
    maker = Membership.objects.select_related("user").get(pk=run.made_by_id)
    tenant: Tenant = Tenant.objects.get(pk=require_tenant_id())
    with translation.override(run.language or language_of(maker, tenant=tenant)):
        try:
            with transaction.atomic():
                if run.state == BulkState.CHOOSING:
                    _choose(run, maker, now)
                else:
                    _do_batch(run, maker, now)
        except Problem as problem:
            _fail(run.pk, str(problem.detail), now)
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("act on many leads failed", run_id=run.pk, error=str(error))
            _note_failure(run.pk, now)
    run.refresh_from_db()
    return run.state in AT_WORK


def _choose(run: BulkRun, maker: Membership, now: datetime) -> None:
    """Write down the next leads that match, by id; the act begins when there are no more."""
    sql, parameters = _candidates(run, maker, now)
    after = BulkLead.objects.filter(run=run).aggregate(newest=Max("lead"))["newest"] or 0
    insert = f"""
        INSERT INTO leads_bulklead (tenant_id, run_id, lead_id, why, before)
        SELECT %s, %s, chosen.id, '', chosen.before FROM ({sql}) AS chosen (id, before)
        WHERE chosen.id > %s ORDER BY chosen.id LIMIT %s
    """  # noqa: S608 - what the ORM wrote
    try:
        with limited_to(CHOOSING_LIMIT_MS), connection.cursor() as cursor:
            cursor.execute(insert, [require_tenant_id(), run.pk, *parameters, after, CHOOSING_SIZE])
            chosen = cursor.rowcount
    except TookTooLong as error:
        raise ListTooSlow(_("To look up the leads took too long. Narrow the list first.")) from error
    run.total += chosen
    run.seen_at = now
    run.save(update_fields=["total", "seen_at"])
    if chosen == CHOOSING_SIZE:
        _go_on(run, now)
        return
    if run.undoes_id is None and get_bulk_act(run.act).is_confirmed:
        # Others match by now: nobody has seen how many.
        require_confirmed(count=run.total, confirmation=run.values["confirmation"])
    if not run.total:
        _end(run, BulkState.DONE, now)
        return
    if run.total > CHOOSING_SIZE:
        freshen_statistics()
    run.state = BulkState.RUNNING
    run.save(update_fields=["state"])
    _go_on(run, now)


def _candidates(run: BulkRun, maker: Membership, now: datetime) -> tuple[str, Sequence[Any]]:
    """SQL of the leads that a run is about, each as (id, how it was before), and its parameters."""
    if run.undoes_id is not None:
        changed = "SELECT lead_id, before FROM leads_bulklead WHERE run_id = %s AND outcome = %s"
        return changed, [run.undoes_id, BulkOutcome.APPLIED.value]
    sql, parameters = _leads_behind(get_kind(run.list_kind), run.query, maker, now).query.sql_with_params()
    matching = f"SELECT matching.id, NULL::jsonb FROM ({sql}) AS matching (id)"  # noqa: S608 - what the ORM wrote
    return matching, parameters


def _do_batch(run: BulkRun, maker: Membership, now: datetime) -> None:
    size = min(BATCH_SIZE, get_bulk_act(run.act).batch_size or BATCH_SIZE)
    waiting = BulkLead.objects.filter(run=run, outcome__isnull=True).order_by("lead")[:size]
    before = dict(waiting.values_list("lead", "before"))
    results = _act_on(run, maker, before, now)
    rows = list(BulkLead.objects.filter(run=run, lead__in=list(results)))
    for row in rows:
        result = results[row.lead_id]
        row.outcome, row.why, row.before = result.outcome, result.why, result.before
    BulkLead.objects.bulk_update(rows, ["outcome", "why", "before"])
    for outcome, count in Counter(result.outcome for result in results.values()).items():
        column = _COLUMN[outcome]
        setattr(run, column, getattr(run, column) + count)
    run.seen_at, run.attempts = now, 0
    run.save(update_fields=[*_COLUMN.values(), "seen_at", "attempts"])
    if len(before) < size:
        _end(run, BulkState.DONE, now)
    else:
        _go_on(run, now)


def _act_on(run: BulkRun, maker: Membership, before: Mapping[int, Any], now: datetime) -> dict[int, Result]:
    """Do the act on these leads, and run the pipeline on those that it changed."""
    act = get_bulk_act(run.act)
    require(maker, act.right)
    lock_leads(list(before))
    states = {
        state.pk: state for state in LeadState.objects.select_related("lead").filter(pk__in=list(before))
    }
    theirs = in_hands_of(member=maker, states=states.values()) if act.needs_hands else set(states)
    not_theirs = refused(_("Somebody else is responsible for this lead."))
    results: dict[int, Result] = {lead_id: not_theirs for lead_id in states if lead_id not in theirs}
    batch = Batch({lead_id: states[lead_id] for lead_id in sorted(theirs)}, run.values, maker, now, before)
    if batch.states:
        do = act.undo if run.undoes_id is not None else act.run
        assert do is not None
        results |= do(batch)
    changed = [lead_id for lead_id, result in results.items() if result.outcome == BulkOutcome.APPLIED]
    run_pipeline(lead_ids=changed, reason=Reason(ReasonCode.ACT, actor_id=maker.pk), now=now)
    return results


def _end(run: BulkRun, state: BulkState, now: datetime, *, by: Membership | None = None) -> None:
    run.state, run.finished_at = state, now
    run.save(update_fields=["state", "finished_at"])
    cancel(kind=BULK_KIND, subjects=[run.pk])
    schedule(kind=TIDY_KIND, due={run.pk: run.made_at + KEPT_FOR})
    record(
        act=f"bulk.{state.value}",
        subject=run.words,
        by=by or run.made_by,
        now=now,
        detail={
            "leads": run.query_words or _("all leads"),
            "total": run.total,
            "applied": run.applied,
            "refused": run.refused,
            "run": run.pk,
        },
    )
    values = {"act": run.words, "applied": run.applied, "total": run.total, "run_id": run.pk}
    tell(notices=[Notice(run.made_by_id, BULK_DONE, values)], now=now)


def _fail(run_id: int, problem: str, now: datetime) -> None:
    run: BulkRun = BulkRun.objects.select_related("made_by").get(pk=run_id)
    run.problem = problem
    run.save(update_fields=["problem"])
    _end(run, BulkState.FAILED, now)


def _note_failure(run_id: int, now: datetime) -> None:
    """Whatever it is, it stands in the log; the next try may go through, after the third whoever asked for it is told."""
    run: BulkRun = BulkRun.objects.get(pk=run_id)
    run.attempts += 1
    run.save(update_fields=["attempts"])
    if run.attempts < MAX_ATTEMPTS:
        schedule(kind=BULK_KIND, due={run_id: now + RETRY_PAUSE})
    else:
        _fail(
            run_id, _("Something in LeadSys went wrong, and it has been noted. What was changed stays."), now
        )


def _go_on(run: BulkRun, now: datetime) -> None:
    schedule(kind=BULK_KIND, due={run.pk: now + FALLBACK})
    wake(continue_bulk, run_id=run.pk)


@tenant_task(name="leads.continue_bulk")
def continue_bulk(*, run_id: int) -> None:
    """Do the next batch of an act on many leads."""
    advance_bulk(run_id=run_id, now=timezone.now())


def _advance_due(run_ids: Sequence[int], now: datetime) -> None:
    for run_id in run_ids:
        advance_bulk(run_id=run_id, now=now)


def _lock_runs(run_ids: Sequence[int]) -> list[int]:
    """Those that nobody is at; the others stay due, in case whoever is at them dies."""
    free = BulkRun.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=list(run_ids))
    return list(free.values_list("pk", flat=True))


def _tidy(run_ids: Sequence[int], now: datetime) -> None:
    """Forget what came of each lead of runs that are long over; the run itself stays."""
    over = BulkRun.objects.filter(pk__in=list(run_ids), finished_at__isnull=False)
    BulkLead.objects.filter(run__in=list(over.values_list("pk", flat=True))).delete()


register_due_kind(DueKind(BULK_KIND, act=_advance_due, lock=_lock_runs, batch_size=1))
register_due_kind(DueKind(TIDY_KIND, act=_tidy, batch_size=10))
register_notification_kind(
    NotificationKind(
        BULK_DONE,
        gettext_lazy("%(act)s: %(applied)s of %(total)s leads changed"),
        url_name="bulk-detail",
        url_value="run_id",
    )
)
