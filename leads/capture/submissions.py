"""Processing what came in from outside and was kept raw (leads.capture.receiving): a transaction of its own, the second.

A bug in a step delays a lead and never loses one.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import structlog
from django.db import connection
from django.urls import get_script_prefix, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from core.bisection import is_transient, run_bisected
from core.due import DueKind, cancel, register_due_kind, schedule
from core.metrics import SUBMISSIONS
from core.together import Together
from leads.capture.fields import read_submission
from leads.capture.inputs import IntakeRules, LeadInput
from leads.capture.intake import ErasedPerson, Intake, run_after_intake, take_in
from leads.capture.receiving import DUE_KIND, LANES, MOST_TOGETHER, Replay
from leads.capture.rules import open_rules
from leads.conditions.statements import Statement
from leads.models import Submission, SubmissionState
from leads.pipeline import Reason, ReasonCode
from leads.selectors import lead_answers
from tenancy.errors import Invalid, Problem
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id, tenant_scope

log = structlog.get_logger(__name__)

# A caller who waits processes the submission itself; the due row is for the case that it dies on the way.
GRACE: Final = timedelta(seconds=30)
MAX_ATTEMPTS: Final = 3
COLLISION_TRIES: Final = 3
RETRY_PAUSES: Final = (timedelta(seconds=10), timedelta(minutes=2))


@dataclass(frozen=True)
class Answer:
    """What a processed submission is answered with."""

    submission_id: int
    status: int
    body: Any


def process_now(*, tenant: Tenant, submission_ids: Sequence[int], now: datetime) -> list[Answer]:
    """Process submissions while their sender waits; whatever fails is kept and answered with 202 and where to look.

    What is nobody's fault is tried again at once. If it lasts, the submissions stay as they came in, and their due rows are
    acted on like those of a sender who has gone.
    """
    for tries_left in reversed(range(COLLISION_TRIES)):
        try:
            with tenant_scope(tenant.pk):
                answers = process(tenant=tenant, submission_ids=submission_ids, now=now)
                return _with_those_of_others(answers, submission_ids)
        except Problem:
            raise
        except Exception as error:
            if connection.in_atomic_block:
                raise
            if not is_transient(error):
                if middle := len(submission_ids) // 2:
                    # By halves, until those at fault are alone.
                    halves = submission_ids[:middle], submission_ids[middle:]
                    return [
                        answer
                        for half in halves
                        for answer in process_now(tenant=tenant, submission_ids=half, now=now)
                    ]
                log.exception("submissions failed", submissions=list(submission_ids))
                with tenant_scope(tenant.pk):
                    note_failure(submission_ids=submission_ids, error=error, now=now)
                return [accepted(submission_id, SubmissionState.HELD) for submission_id in submission_ids]
            log.warning("submissions collided", submissions=list(submission_ids), error=str(error))
            connection.close_if_unusable_or_obsolete()
            if not tries_left:
                break
    return [accepted(submission_id, SubmissionState.RECEIVED) for submission_id in submission_ids]


class _Sender(NamedTuple):
    """Someone who waits for what comes of one submission."""

    tenant: Tenant
    submission_id: int
    now: datetime


def _process_senders(senders: Sequence[_Sender]) -> list[Answer]:
    return process_now(
        tenant=senders[0].tenant,
        submission_ids=[sender.submission_id for sender in senders],
        now=max(sender.now for sender in senders),
    )


_process_together: Final = Together(_process_senders, most=MOST_TOGETHER)


def process_one_now(*, tenant: Tenant, submission_id: int, now: datetime) -> Answer:
    """Like ``process_now`` for one, outside a transaction; senders of a tenant who wait at the same time are one batch."""
    # What a refusal says is in the language of the one who works for all.
    return _process_together(key=(tenant.pk, get_language()), item=_Sender(tenant, submission_id, now))


def _with_those_of_others(answers: Sequence[Answer], submission_ids: Sequence[int]) -> list[Answer]:
    """An answer for each submission, in order; of one that a worker has processed meanwhile, where to look."""
    by_id = {answer.submission_id: answer for answer in answers}
    if missing := [each for each in submission_ids if each not in by_id]:
        states = Submission.objects.filter(pk__in=missing).values_list("pk", "state")
        by_id |= {submission_id: accepted(submission_id, state) for submission_id, state in states}
    return [by_id[submission_id] for submission_id in submission_ids]


@dataclass(frozen=True)
class Unprocessed:
    """A submission whose turn it is. ``is_replayed``: its answer is kept for the next call with the same key."""

    id: int
    source: str
    payload: Any
    received_at: datetime
    is_replayed: bool


def process(
    *, tenant: Tenant, submission_ids: Sequence[int], now: datetime, is_answered: bool = True
) -> list[Answer]:
    """Take in submissions of the current tenant in the order they came, run the pipeline, keep what came of each.

    Unless ``is_answered`` nobody waits for the answers, and only those are made that a replay will need.
    """
    found = _TAKE.rows(ids=list(submission_ids))
    submissions = [Unprocessed(row[0], row[1], json.loads(row[2]), *row[3:]) for row in found]
    rules = open_rules(tenant=tenant)
    parsed = [read(submission, rules) for submission in submissions]
    good = [given for given in parsed if not isinstance(given, Problem)]
    taken = iter(take_in(rows=good, now=now, is_live=True))
    rows = [outcome if isinstance(outcome, Problem) else next(taken) for outcome in parsed]
    intakes = [row for row in rows if isinstance(row, Intake) and row.problem is None]
    result = run_after_intake(taken=intakes, reason=Reason(ReasonCode.CAPTURED), now=now, tenant=tenant)
    answered = {
        row.lead_id
        for submission, row in zip(submissions, rows, strict=True)
        if isinstance(row, Intake) and row.lead_id and (is_answered or submission.is_replayed)
    }
    answers = lead_answers(lead_ids=sorted(answered)) if answered else {}
    settled = [
        settle(submission, row, answers, result.failed)
        for submission, row in zip(submissions, rows, strict=True)
    ]
    _write_settled(settled, now)
    _forget_erased(submissions, rows)
    return [Answer(one.submission_id, one.status, one.body) for one in settled]


_TAKE: Final = Statement.text("""
SELECT id, source, payload, received_at, idempotency_key IS NOT NULL FROM leads_submission
WHERE id = ANY (%(ids)s::bigint[]) AND state IN ('received', 'held') ORDER BY id FOR NO KEY UPDATE
""")


def read(submission: Unprocessed, rules: IntakeRules) -> LeadInput | Problem:
    """The row a submission makes, or the problem that keeps it from being read."""
    document, proof = submission.payload, {}
    if submission.source == Submission.Source.FORM:
        # What proves a consent is ours to say, never the caller's of an API.
        document = {name: value for name, value in document.items() if name != "proof"}
        proof = submission.payload.get("proof", {})
    rules = replace(rules, source=submission.source, proof=proof)
    lead, problems = read_submission(document=document, rules=rules, now=submission.received_at)
    if problems:
        names = ", ".join(dict.fromkeys(problem.field for problem in problems))
        return Invalid(_("Mend these fields: %(names)s.") % {"names": names}, errors=problems)
    return lead


@dataclass(frozen=True)
class Settled:
    """What came of a submission, and what its sender is answered; ``body`` is None where nobody will read it."""

    submission_id: int
    state: str
    status: int
    body: Any
    is_replayed: bool
    lead_id: int | None = None
    error: str = ""


def settle(
    submission: Unprocessed, row: Intake | Problem, answers: dict[int, Any], failed: dict[int, str]
) -> Settled:
    """What came of a submission and what its sender is answered."""
    problem = row if isinstance(row, Problem) else row.problem
    settled = partial(Settled, submission.id, is_replayed=submission.is_replayed)
    if problem is not None:
        return settled(SubmissionState.REFUSED, problem.status, problem.as_json(), error=str(problem.detail))
    assert isinstance(row, Intake)
    assert row.lead_id is not None
    if row.lead_id in failed:
        held = accepted(submission.id, SubmissionState.HELD)
        return settled(
            SubmissionState.HELD, held.status, held.body, lead_id=row.lead_id, error=failed[row.lead_id]
        )
    answer = answers.get(row.lead_id)
    body = None if answer is None else {"id": answer["id"], "outcome": row.outcome} | answer
    status = 201 if row.outcome == "new" else 200
    return settled(SubmissionState.PROCESSED, status, body, lead_id=row.lead_id)


def _forget_erased(submissions: Sequence[Unprocessed], rows: Sequence[Intake | Problem]) -> None:
    """What came of somebody who was erased, and is kept out, is not kept either."""
    erased = [
        submission.id
        for submission, row in zip(submissions, rows, strict=True)
        if isinstance(row, Intake) and isinstance(row.problem, ErasedPerson)
    ]
    if erased:
        Submission.objects.filter(pk__in=erased).update(payload={})


def _write_settled(settled: Sequence[Settled], now: datetime) -> None:
    """Note on submissions what came of them; nothing is due for them any more."""
    rows = [
        {
            "id": one.submission_id,
            "state": one.state,
            "lead": one.lead_id,
            "status": one.status,
            "body": one.body if one.is_replayed else None,
            "error": one.error,
        }
        for one in settled
    ]
    _SETTLE.execute(rows=json.dumps(rows), now=now, kind=DUE_KIND)
    for state, count in Counter(one.state for one in settled).items():
        SUBMISSIONS.labels(state).inc(count)


# What a caller of the API has been answered stays their answer, whatever comes of it later.
_ANSWERED: Final = f"submission.source = '{Submission.Source.API}' AND submission.response_status IS NOT NULL"
_SETTLE: Final = Statement.text(f"""
WITH settled AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb)
        AS settled (id bigint, state text, lead bigint, status smallint, body jsonb, error text)
), done AS (
    DELETE FROM core_duerow WHERE kind = %(kind)s::text AND subject = ANY (ARRAY(SELECT id FROM settled))
)
UPDATE leads_submission submission
SET state = settled.state, lead_id = settled.lead, error = settled.error, processed_at = %(now)s::timestamptz,
    response_status = CASE WHEN {_ANSWERED} THEN submission.response_status ELSE settled.status END,
    response_body = CASE WHEN {_ANSWERED} THEN submission.response_body ELSE settled.body END
FROM settled WHERE submission.id = settled.id AND submission.id = ANY (ARRAY(SELECT id FROM settled))
""")  # noqa: S608 - only the constant above


def accepted(submission_id: int, state: str) -> Answer:
    """The answer for work that goes on: 202 and where its state can be seen."""
    return Answer(
        submission_id,
        202,
        {"submission": submission_id, "state": str(state), "href": location(submission_id)},
    )


def replayed(first: Replay) -> Answer:
    """The answer that the first call with the same idempotency key was given."""
    if first.body is None:
        return accepted(first.submission_id, SubmissionState.RECEIVED)
    return Answer(first.submission_id, first.status, first.body)


def location(submission_id: int) -> str:
    """Where the state of a submission can be seen."""
    return f"{_submissions(get_script_prefix())}{submission_id}/"


@lru_cache(maxsize=8)
def _submissions(_prefix: str) -> str:
    """The address of all submissions, below a prefix of ours: looking an address up takes as long as answering."""
    return reverse("api-submission", kwargs={"submission_id": 0}).removesuffix("0/")


def note_failure(*, submission_ids: Sequence[int], error: Exception, now: datetime) -> None:
    """Keep submissions whose processing raised: tried again twice, then held for an administrator."""
    for submission in Submission.objects.select_for_update(of=("self",)).filter(pk__in=submission_ids):
        submission.attempts += 1
        submission.state = SubmissionState.HELD
        submission.error = f"{type(error).__name__}: {error}"[:4000]
        if submission.response_status is None and submission.source == Submission.Source.API:
            held = accepted(submission.pk, SubmissionState.HELD)
            submission.response_status, submission.response_body = held.status, held.body
        submission.save(update_fields=["attempts", "state", "error", "response_status", "response_body"])
        SUBMISSIONS.labels(submission.state).inc()
        if submission.attempts < MAX_ATTEMPTS:
            schedule(kind=DUE_KIND, due={submission.pk: now + RETRY_PAUSES[submission.attempts - 1]})
        else:
            cancel(kind=DUE_KIND, subjects=[submission.pk])


def process_due(submission_ids: Sequence[int], now: datetime) -> None:
    """Process what no waiting sender has processed; one that raises is found by halves and keeps its error."""
    tenant = Tenant.objects.get(pk=require_tenant_id())

    def run(part: Sequence[int]) -> None:
        process(tenant=tenant, submission_ids=part, now=now, is_answered=False)

    def failed(submission_id: int, error: Exception) -> None:
        log.error("submission failed", submission=submission_id, exc_info=error)
        note_failure(submission_ids=[submission_id], error=error, now=now)

    run_bisected(submission_ids, run, failed)


def lock_free_submissions(submission_ids: Sequence[int]) -> list[int]:
    """Lock those submissions that no waiting sender is processing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_submission WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
            [list(submission_ids)],
        )
        return [submission_id for (submission_id,) in cursor.fetchall()]


def retry_submission(*, submission: Submission, now: datetime) -> None:
    """Process a held submission once more, at an administrator's wish."""
    process_due([submission.pk], now)


def discard_submissions(submission_ids: Sequence[int]) -> int:
    """Give up held submissions; what came in stays readable as refused. Returns how many."""
    cancel(kind=DUE_KIND, subjects=submission_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE leads_submission SET state = 'refused' WHERE id = ANY (%s::bigint[]) AND state = 'held'",
            [list(submission_ids)],
        )
        return int(cursor.rowcount)


def register_submissions() -> None:
    """Let sweeps process what no waiting sender has processed."""
    register_due_kind(
        DueKind(DUE_KIND, act=process_due, lock=lock_free_submissions, batch_size=1000, lanes=LANES)
    )
