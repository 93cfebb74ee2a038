"""What could not be processed: leads and submissions that wait for an administrator, tens of thousands after a bad release."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from core.due import list_due, schedule
from leads.capture.receiving import DUE_KIND
from leads.capture.submissions import discard_submissions
from leads.listing import EXACT_LIMIT_MS, SLOW_LIMIT_MS, ListTooSlow, TookTooLong, limited_to
from leads.models import HeldLead, Lead, Submission, SubmissionState
from leads.pipeline import RETRY_KIND, discard_held_leads
from leads.search import search_leads
from tenancy.audit import record
from tenancy.errors import NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.listing import Count, count_rows, show_number
from tenancy.models import Membership

PAGE_SIZE: Final = 25


class HeldUnknown(NotFound):
    """Absent, released meanwhile, or another tenant's."""


@dataclass(frozen=True)
class HeldChoice:
    """Which of what is held: where ``search`` stands in lead, error, step or what came in; of ``ids`` if there are some."""

    search: str = ""
    ids: Sequence[int] | None = None


@dataclass(frozen=True)
class HeldPage:
    """One page, how many match, and the ids of those on it that are tried again by themselves."""

    page: Page[Any]
    count: Count
    waiting: frozenset[int]


@dataclass(frozen=True)
class HeldSort:
    """What is held of one sort: the rows that a choice means, what is read ``along`` with them, the ``keys`` of their order;
    ``subject`` is the column with the ids that due rows of ``due_kind`` and ``discard`` are about, ``discarded`` the act in the
    audit log. ``name`` stands in addresses."""

    name: str
    matching: Callable[[HeldChoice], QuerySet[Any, Any]]
    along: str
    keys: Sequence[str]
    subject: str
    due_kind: str
    discard: Callable[[Sequence[int]], int]
    discarded: str


def held_rows() -> list[QuerySet[Any, Any]]:
    """The leads and the submissions that are held, of small indexes."""
    return [HeldLead.objects.filter(held_at__isnull=False), _submissions()]


def count_held(*, most: int = 100) -> int:
    """How many leads and submissions are held, each counted to ``most``; two queries."""
    return sum(int(rows[:most].count()) for rows in held_rows())


def list_held(*, sort: HeldSort, choice: HeldChoice, cursor: str) -> HeldPage:
    """What is held of one sort, what is tried again by itself too; the newest first. Raises ListTooSlow, CursorRefused."""
    rows = sort.matching(choice)
    try:
        with limited_to(SLOW_LIMIT_MS):
            page = page_by_key(rows.select_related(sort.along), keys=sort.keys, cursor=cursor, size=PAGE_SIZE)
            count = count_rows(rows)
    except TookTooLong as error:
        raise _too_slow() from error
    subjects = {row.pk: getattr(row, sort.subject) for row in page.rows}
    due = list_due(kind=sort.due_kind, subjects=subjects.values())
    return HeldPage(page, count, frozenset(pk for pk, subject in subjects.items() if subject in due))


def count_listed(*, sort: HeldSort, most: int) -> int:
    """How many there are of one sort, what is tried again by itself too, counted to ``most``."""
    return int(sort.matching(HeldChoice())[:most].count())


def count_chosen(*, sort: HeldSort, choice: HeldChoice) -> int:
    """How many a choice means, however many. Raises ListTooSlow."""
    try:
        with limited_to(EXACT_LIMIT_MS):
            return int(sort.matching(choice).count())
    except TookTooLong as error:
        raise _too_slow() from error


def retry_chosen(*, sort: HeldSort, choice: HeldChoice, now: datetime) -> int:
    """Let the workers try again, at once and in batches; returns how many."""
    subjects = _subjects(sort, choice)
    schedule(kind=sort.due_kind, due=dict.fromkeys(subjects, now))
    return len(subjects)


def discard_chosen(*, sort: HeldSort, choice: HeldChoice, by: Membership, now: datetime) -> int:
    """Give up: leads stay as they are, submissions stay readable as refused. It is audited. Returns how many."""
    count = sort.discard(_subjects(sort, choice))
    record(act=sort.discarded, subject=show_number(count), by=by, now=now, detail={"search": choice.search})
    return count


def get_held_lead(*, held_id: int) -> HeldLead:
    """A held lead, locked. Raises HeldUnknown."""
    held: HeldLead | None = HeldLead.objects.select_for_update(of=("self",)).filter(pk=held_id).first()
    if held is None:
        raise HeldUnknown(_("This is no longer held."))
    return held


def get_held_submission(*, submission_id: int) -> Submission:
    """A held submission, locked. Raises HeldUnknown."""
    held: Submission | None = _submissions().select_for_update(of=("self",)).filter(pk=submission_id).first()
    if held is None:
        raise HeldUnknown(_("This is no longer held."))
    return held


def _submissions() -> Any:
    return Submission.objects.filter(state=SubmissionState.HELD, lead__isnull=True)


def _subjects(sort: HeldSort, choice: HeldChoice) -> list[int]:
    return list(sort.matching(choice).values_list(sort.subject, flat=True))


def _matching_leads(choice: HeldChoice) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = HeldLead.objects.all()
    if choice.ids is not None:
        rows = rows.filter(pk__in=choice.ids)
    if not choice.search:
        return rows
    found = search_leads(text=choice.search)
    of_lead = Q(lead_id__in=found.lead_ids or ())
    if not found.is_looked_up:
        of_lead = Q(Exists(Lead.objects.filter(found.truth(), pk=OuterRef("lead_id"))))
    return rows.filter(of_lead | Q(error__icontains=choice.search) | Q(step__icontains=choice.search))


def _matching_submissions(choice: HeldChoice) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = _submissions()
    if choice.ids is not None:
        rows = rows.filter(pk__in=choice.ids)
    if not choice.search:
        return rows
    rows = rows.annotate(content=Cast("payload", TextField()))
    return rows.filter(Q(error__icontains=choice.search) | Q(content__icontains=choice.search))


def _too_slow() -> ListTooSlow:
    return ListTooSlow(_("Search for a longer part of the name or of the error."))


# Leads whose processing failed.
LEADS: Final = HeldSort(
    name="leads",
    matching=_matching_leads,
    along="lead",
    keys=("-first_failed_at", "-id"),
    subject="lead_id",
    due_kind=RETRY_KIND,
    discard=discard_held_leads,
    discarded="held.leads_discarded",
)
# Submissions that made no lead because processing raised; those whose lead is held stand there.
SUBMISSIONS: Final = HeldSort(
    name="submissions",
    matching=_matching_submissions,
    along="form",
    keys=("-id",),
    subject="pk",
    due_kind=DUE_KIND,
    discard=discard_submissions,
    discarded="held.submissions_discarded",
)
