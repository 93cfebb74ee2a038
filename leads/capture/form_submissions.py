"""What was sent to a form and what came of it: counted, listed, searched, taken out as a file, taken out of spam."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Concat
from django.utils.formats import get_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.due import schedule
from core.formulas import defuse
from leads.capture.form_documents import HostedForm
from leads.capture.receiving import DUE_KIND
from leads.listing import ListTooSlow, TookTooLong, limited_to
from leads.models import CaptureForm, Submission, SubmissionState
from tenancy.audit import record
from tenancy.errors import NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.listing import Count, count_rows
from tenancy.models import Membership

# What may come of a submission, in the order in which it is counted and offered.
FATES: Final = {
    "new": gettext_lazy("New lead"),
    "known": gettext_lazy("Known lead"),
    "waiting": gettext_lazy("Being processed"),
    "held": gettext_lazy("Held"),
    "refused": gettext_lazy("Refused"),
    "spam": pgettext_lazy("fate of a submission", "Spam"),
}
TONES: Final = {
    "new": "good",
    "known": "act",
    "waiting": "quiet",
    "held": "soon",
    "refused": "late",
    "spam": "quiet",
}
COUNTED_DAYS: Final = 30
PAGE_SIZE: Final = 50
MAX_EXPORTED: Final = 10_000
SEARCH_LIMIT_MS: Final = 2000
_SEARCHED: Final = ("email", "name", "first_name", "last_name", "phone", "company")
_CREATED: Final = 201
# What a submission holds beside the answers.
_NOT_ANSWERS: Final = frozenset({"event", "consent", "proof", "custom"})


class NoSuchSubmission(NotFound):
    """There is no such submission of this form, or it is no spam any more."""


@dataclass(frozen=True)
class FormCounts:
    """What came of the submissions of the last days, by fate, and when the last one came in."""

    by_fate: dict[str, int] = field(default_factory=dict)
    last_at: datetime | None = None

    @property
    def total(self) -> int:
        """All that people sent: without spam."""
        return sum(count for fate, count in self.by_fate.items() if fate != "spam")


@dataclass(frozen=True)
class SubmissionFilter:
    """Which submissions of a form: of one fate, received in the last days, holding a text."""

    fate: str = ""
    days: int | None = None
    search: str = ""


def fate_of(submission: Submission) -> str:
    """What came of a submission: a key of FATES. Says in Python what ``_CONDITIONS`` and ``_COUNT`` ask the database."""
    if submission.is_spam:
        return "spam"
    if submission.state == SubmissionState.PROCESSED:
        return "new" if submission.response_status == _CREATED else "known"
    return "waiting" if submission.state == SubmissionState.RECEIVED else str(submission.state)


_CONDITIONS: Final = {
    "new": Q(is_spam=False, state=SubmissionState.PROCESSED, response_status=_CREATED),
    "known": Q(is_spam=False, state=SubmissionState.PROCESSED)
    & (Q(response_status__lt=_CREATED) | Q(response_status__gt=_CREATED) | Q(response_status__isnull=True)),
    "waiting": Q(is_spam=False, state=SubmissionState.RECEIVED),
    "held": Q(is_spam=False, state=SubmissionState.HELD),
    "refused": Q(is_spam=False, state=SubmissionState.REFUSED),
    "spam": Q(is_spam=True),
}
_COUNT: Final = """
SELECT form_id,
       CASE WHEN is_spam THEN 'spam'
            WHEN state = 'processed' AND response_status = 201 THEN 'new'
            WHEN state = 'processed' THEN 'known'
            WHEN state = 'received' THEN 'waiting'
            ELSE state END AS fate,
       count(*), max(received_at)
FROM leads_submission
WHERE form_id = ANY (%(forms)s::bigint[]) AND received_at >= %(since)s::timestamptz
GROUP BY 1, 2
"""


def count_submissions(*, form_ids: Sequence[int], now: datetime) -> dict[int, FormCounts]:
    """The counts of each form over the last ``COUNTED_DAYS`` days; one statement, read off one index."""
    counts = {form_id: FormCounts({}) for form_id in form_ids}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"forms": list(form_ids), "since": now - timedelta(days=COUNTED_DAYS)})
        for form_id, fate, count, last_at in cursor.fetchall():
            known = counts[form_id]
            latest = max(last_at, known.last_at or last_at)
            counts[form_id] = FormCounts({**known.by_fate, fate: count}, latest)
    return counts


def list_submissions(
    *, form: CaptureForm, chosen: SubmissionFilter, cursor: str, now: datetime
) -> Page[Submission]:
    """One page of a form's submissions, the newest first, with their leads. Raises ListTooSlow for a search, CursorRefused."""
    rows = _matching(form, chosen, now).select_related("lead")
    try:
        with limited_to(SEARCH_LIMIT_MS):
            return page_by_key(rows, keys=("-received_at", "-id"), cursor=cursor, size=PAGE_SIZE)
    except TookTooLong as error:
        raise _too_slow() from error


def count_matching(*, form: CaptureForm, chosen: SubmissionFilter, now: datetime) -> Count | None:
    """How many submissions match; None when counting takes too long."""
    try:
        with limited_to(SEARCH_LIMIT_MS):
            return count_rows(_matching(form, chosen, now))
    except TookTooLong:
        return None


def get_submission(*, form: CaptureForm, submission_id: int) -> Submission:
    """One submission of a form. Raises NoSuchSubmission."""
    found: Submission | None = (
        Submission.objects.filter(form=form, pk=submission_id).select_related("lead").first()
    )
    if found is None:
        raise NoSuchSubmission(_("There is no such submission of this form."))
    return found


def take_out_of_spam(*, form: CaptureForm, submission_id: int, by: Membership, now: datetime) -> None:
    """Process a submission that looked like spam as any other; it is due at once. Raises NoSuchSubmission."""
    spam = Submission.objects.filter(form=form, pk=submission_id, is_spam=True)
    changed = spam.update(is_spam=False, state=SubmissionState.RECEIVED, processed_at=None, error="")
    if not changed:
        raise NoSuchSubmission(_("This is not in spam."))
    schedule(kind=DUE_KIND, due={submission_id: now})
    record(act="form.not_spam", subject=form.name, by=by, now=now, detail={"submission": submission_id})


def answers_of(submission: Submission) -> dict[str, Any]:
    """What was answered, by name of the field as forms write it."""
    payload = submission.payload if isinstance(submission.payload, dict) else {}
    own = payload.get("custom") or {}
    plain = {name: value for name, value in payload.items() if name not in _NOT_ANSWERS}
    return plain | {f"custom.{name}": value for name, value in own.items()}


def refusals_of(submission: Submission) -> list[str]:
    """Why a submission was refused, in words; the field before each where it is known."""
    body = submission.response_body if isinstance(submission.response_body, dict) else {}
    faults = [f"{each.get('field')}: {each.get('message')}" for each in body.get("errors") or []]
    return faults or ([submission.error] if submission.error else [])


def export_submissions(
    *, form: CaptureForm, parsed: HostedForm, chosen: SubmissionFilter, by: Membership, now: datetime
) -> bytes:
    """The newest ``MAX_EXPORTED`` that match as CSV for a spreadsheet of the reader's country; formulas are made harmless."""
    try:
        with limited_to(10 * SEARCH_LIMIT_MS):
            rows = list(
                _matching(form, chosen, now)
                .select_related("lead")
                .order_by("-received_at", "-id")[:MAX_EXPORTED]
            )
    except TookTooLong as error:
        raise _too_slow() from error
    asked = [each.name for each in parsed.fields]
    answers = [answers_of(row) for row in rows]
    others = sorted({name for each in answers for name in each}.difference(asked))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";" if get_format("DECIMAL_SEPARATOR") == "," else ",")
    columns = [*asked, *others]
    heads = [_("Received"), _("Fate"), _("Reason"), _("Lead"), *columns, _("Agreed to")]
    writer.writerow([defuse(str(head)) for head in heads])
    for row, given in zip(rows, answers, strict=True):
        cells = [
            localtime(row.received_at).isoformat(sep=" ", timespec="seconds"),
            str(FATES[fate_of(row)]),
            "; ".join(refusals_of(row)),
            str(row.lead_id or ""),
            *(str(given.get(name, "")) for name in columns),
            ", ".join(purposes_of(row)),
        ]
        writer.writerow([defuse(cell) for cell in cells])
    record(
        act="form.exported",
        subject=form.name,
        by=by,
        now=now,
        detail={"rows": len(rows), "fate": chosen.fate, "days": chosen.days, "search": chosen.search},
    )
    return text.getvalue().encode("utf-8-sig")


def purposes_of(submission: Submission) -> list[str]:
    """What the sender agreed to."""
    payload = submission.payload if isinstance(submission.payload, dict) else {}
    return [str(each.get("purpose")) for each in payload.get("consent") or []]


def _matching(form: CaptureForm, chosen: SubmissionFilter, now: datetime) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = Submission.objects.filter(form=form)
    if chosen.fate in _CONDITIONS:
        rows = rows.filter(_CONDITIONS[chosen.fate])
    if chosen.days is not None:
        rows = rows.filter(received_at__gte=now - timedelta(days=chosen.days))
    if chosen.search:
        texts: list[Any] = []
        for name in _SEARCHED:
            answer = Coalesce(KeyTextTransform(name, "payload"), Value(""), output_field=TextField())
            texts += [answer, Value(" ")]
        rows = rows.annotate(searched=Concat(*texts, output_field=TextField())).filter(
            searched__icontains=chosen.search
        )
    return rows


def _too_slow() -> ListTooSlow:
    return ListTooSlow(_("Choose a shorter time, and search again."))
