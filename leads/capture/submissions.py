"""What comes in from outside is committed raw, then processed: a bug in a step delays a lead and never loses one.

``receive`` is one statement in a transaction of its own; ``process`` is the second. Between the two a due row stands for the
work, so whatever dies in between, the sweep finishes it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

from core.bisection import is_transient, run_bisected
from core.due import DueKind, cancel, register_due_kind, schedule
from core.metrics import SUBMISSIONS
from leads.capture.fields import IntakeRules, LeadInput, read_submission
from leads.capture.intake import Intake, run_after_intake, take_in
from leads.capture.rules import open_rules
from leads.models import Submission, SubmissionState
from leads.pipeline import Reason, ReasonCode
from leads.selectors import lead_answers
from tenancy.errors import Conflict, Invalid, Problem, Unprocessable
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id, tenant_scope

log = structlog.get_logger(__name__)

DUE_KIND: Final = "submission.process"
IDEMPOTENCY_LIFETIME: Final = timedelta(hours=24)
# A caller who waits processes the submission itself; the due row is for the case that it dies on the way.
GRACE: Final = timedelta(seconds=30)
MAX_ATTEMPTS: Final = 3
COLLISION_TRIES: Final = 3
RETRY_PAUSES: Final = (timedelta(seconds=10), timedelta(minutes=2))


class KeyReused(Unprocessable):
    """An idempotency key came a second time with another body."""


class StillRunning(Conflict):
    """An idempotency key came again before the first call was answered."""


@dataclass(frozen=True)
class Raw:
    """One submission as it came in, and who brought it."""

    payload: Any
    source: str
    api_key_id: int | None = None
    member_id: int | None = None
    form_id: int | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Replay:
    """What the first call with this idempotency key was answered."""

    status: int
    body: Any


@dataclass(frozen=True)
class Answer:
    """What a processed submission is answered with."""

    submission_id: int
    status: int
    body: Any


def receive(*, tenant_id: int, raws: Sequence[Raw], now: datetime, due_at: datetime) -> list[int]:
    """Commit raw submissions in one statement of one transaction; returns their ids in order.

    A submission whose idempotency key is taken is left out; see ``receive_once``.
    """
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            _RECEIVE,
            {
                "tenant": tenant_id,
                "now": now,
                "due_at": due_at,
                "kind": DUE_KIND,
                "payloads": [json.dumps(raw.payload) for raw in raws],
                "sources": [raw.source for raw in raws],
                "api_keys": [raw.api_key_id for raw in raws],
                "members": [raw.member_id for raw in raws],
                "forms": [raw.form_id for raw in raws],
                "keys": [raw.idempotency_key for raw in raws],
                "hashes": [body_hash(raw.payload) if raw.idempotency_key else None for raw in raws],
            },
        )
        return [submission_id for (submission_id,) in cursor.fetchall()]


_RECEIVE: Final = """
WITH given AS MATERIALIZED (
    SELECT nextval('leads_submission_id_seq') AS id, given.*
    FROM unnest(
        %(payloads)s::text[], %(sources)s::text[], %(api_keys)s::bigint[], %(members)s::bigint[], %(forms)s::bigint[],
        %(keys)s::text[], %(hashes)s::text[]
    ) WITH ORDINALITY AS given (payload, source, api_key_id, member_id, form_id, idempotency_key, body_hash, place)
), inserted AS (
    INSERT INTO leads_submission (
        id, tenant_id, source, payload, received_at, state, api_key_id, member_id, form_id,
        idempotency_key, body_hash, attempts, error
    )
    SELECT id, %(tenant)s, source, payload::jsonb, %(now)s, 'received', api_key_id, member_id, form_id,
           idempotency_key, body_hash, 0, ''
    FROM given ORDER BY place
    ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
), due AS (
    INSERT INTO core_duerow (tenant_id, kind, subject, due_at, attempts, error)
    SELECT %(tenant)s, %(kind)s, id, %(due_at)s, 0, '' FROM inserted
)
SELECT id FROM inserted ORDER BY id
"""


def body_hash(payload: Any) -> str:
    """Equal for equal bodies, whatever the order of their members."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def receive_once(*, tenant_id: int, raw: Raw, now: datetime, due_at: datetime) -> int | Replay:
    """Commit one submission; one whose idempotency key has been answered before gives that answer again.

    Raises KeyReused for another body under the same key, StillRunning while the first call runs.
    """
    ids = receive(tenant_id=tenant_id, raws=[raw], now=now, due_at=due_at)
    if ids:
        return ids[0]
    with tenant_scope(tenant_id):
        first = Submission.objects.select_for_update().get(idempotency_key=raw.idempotency_key)
        is_expired = now - first.received_at > IDEMPOTENCY_LIFETIME
        if is_expired:
            Submission.objects.filter(pk=first.pk).update(idempotency_key=None)
    if is_expired:
        return receive_once(tenant_id=tenant_id, raw=raw, now=now, due_at=due_at)
    if first.body_hash != body_hash(raw.payload):
        raise KeyReused(_("This idempotency key was used with another body. Use a new key."))
    if first.response_status is None:
        raise StillRunning(
            _("The first call with this idempotency key is still running. Ask again in a moment.")
        )
    return Replay(first.response_status, first.response_body)


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
                log.exception("submissions failed", submissions=list(submission_ids))
                with tenant_scope(tenant.pk):
                    note_failure(submission_ids=submission_ids, error=error, now=now)
                return [accepted(submission_id, SubmissionState.HELD) for submission_id in submission_ids]
            log.warning("submissions collided", submissions=list(submission_ids), error=str(error))
            connection.close_if_unusable_or_obsolete()
            if not tries_left:
                break
    return [accepted(submission_id, SubmissionState.RECEIVED) for submission_id in submission_ids]


def _with_those_of_others(answers: Sequence[Answer], submission_ids: Sequence[int]) -> list[Answer]:
    """An answer for each submission, in order; of one that a worker has processed meanwhile, where to look."""
    by_id = {answer.submission_id: answer for answer in answers}
    if missing := [each for each in submission_ids if each not in by_id]:
        states = Submission.objects.filter(pk__in=missing).values_list("pk", "state")
        by_id |= {submission_id: accepted(submission_id, state) for submission_id, state in states}
    return [by_id[submission_id] for submission_id in submission_ids]


def process(*, tenant: Tenant, submission_ids: Sequence[int], now: datetime) -> list[Answer]:
    """Take in submissions of the current tenant in the order they came, run the pipeline, keep what they are answered."""
    submissions = list(
        Submission.objects.select_for_update(of=("self",))
        .filter(pk__in=submission_ids, state__in=[SubmissionState.RECEIVED, SubmissionState.HELD])
        .order_by("pk")
    )
    rules = open_rules(tenant=tenant)
    parsed = [read(submission, rules) for submission in submissions]
    good = [given for given in parsed if not isinstance(given, Problem)]
    taken = iter(take_in(rows=good, now=now, is_live=True))
    rows = [outcome if isinstance(outcome, Problem) else next(taken) for outcome in parsed]
    intakes = [row for row in rows if isinstance(row, Intake) and row.problem is None]
    result = run_after_intake(taken=intakes, reason=Reason(ReasonCode.CAPTURED), now=now)
    answers = lead_answers(lead_ids=[row.lead_id for row in intakes if row.lead_id])
    for submission, row in zip(submissions, rows, strict=True):
        settle(submission, row, answers, result.failed, now)
    Submission.objects.bulk_update(submissions, SETTLED_FIELDS)
    for state, count in Counter(submission.state for submission in submissions).items():
        SUBMISSIONS.labels(state).inc(count)
    cancel(kind=DUE_KIND, subjects=[submission.pk for submission in submissions])
    return [Answer(one.pk, one.response_status or 0, one.response_body) for one in submissions]


SETTLED_FIELDS: Final = (
    "state",
    "lead",
    "response_status",
    "response_body",
    "error",
    "attempts",
    "processed_at",
)


def read(submission: Submission, rules: IntakeRules) -> LeadInput | Problem:
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


def settle(
    submission: Submission,
    row: Intake | Problem,
    answers: dict[int, Any],
    failed: dict[int, str],
    now: datetime,
) -> None:
    """Note on a submission what came of it and what its sender is answered."""
    problem = row if isinstance(row, Problem) else row.problem
    submission.processed_at = now
    if problem is not None:
        submission.state = SubmissionState.REFUSED
        submission.error = str(problem.detail)
        submission.response_status, submission.response_body = problem.status, problem.as_json()
        return
    assert isinstance(row, Intake)
    assert row.lead_id is not None
    submission.lead_id = row.lead_id
    if row.lead_id in failed:
        submission.state, submission.error = SubmissionState.HELD, failed[row.lead_id]
        held = accepted(submission.pk, SubmissionState.HELD)
        submission.response_status, submission.response_body = held.status, held.body
        return
    submission.state, submission.error = SubmissionState.PROCESSED, ""
    submission.response_status = 201 if row.outcome == "new" else 200
    answer = answers[row.lead_id]
    submission.response_body = {"id": answer["id"], "outcome": row.outcome} | answer


def accepted(submission_id: int, state: str) -> Answer:
    """The answer for work that goes on: 202 and where its state can be seen."""
    return Answer(
        submission_id,
        202,
        {"submission": submission_id, "state": str(state), "href": location(submission_id)},
    )


def location(submission_id: int) -> str:
    """Where the state of a submission can be seen."""
    return reverse("api-submission", kwargs={"submission_id": submission_id})


def note_failure(*, submission_ids: Sequence[int], error: Exception, now: datetime) -> None:
    """Keep submissions whose processing raised: tried again twice, then held for an administrator."""
    for submission in Submission.objects.select_for_update(of=("self",)).filter(pk__in=submission_ids):
        submission.attempts += 1
        submission.state = SubmissionState.HELD
        submission.error = f"{type(error).__name__}: {error}"[:4000]
        submission.save(update_fields=["attempts", "state", "error"])
        SUBMISSIONS.labels(submission.state).inc()
        if submission.attempts < MAX_ATTEMPTS:
            schedule(kind=DUE_KIND, due={submission.pk: now + RETRY_PAUSES[submission.attempts - 1]})
        else:
            cancel(kind=DUE_KIND, subjects=[submission.pk])


def process_due(submission_ids: Sequence[int], now: datetime) -> None:
    """Process what no waiting sender has processed; one that raises is found by halves and keeps its error."""
    tenant = Tenant.objects.get(pk=require_tenant_id())

    def run(part: Sequence[int]) -> None:
        process(tenant=tenant, submission_ids=part, now=now)

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


def discard_submission(*, submission: Submission) -> None:
    """Give up a held submission; what came in stays readable as refused."""
    cancel(kind=DUE_KIND, subjects=[submission.pk])
    Submission.objects.filter(pk=submission.pk).update(state=SubmissionState.REFUSED)


register_due_kind(DueKind(DUE_KIND, act=process_due, lock=lock_free_submissions, batch_size=1000))
