"""What could not be processed: leads and submissions that wait for an administrator."""

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from leads.models import HeldLead, Submission, SubmissionState
from tenancy.errors import NotFound

# Of each, on one page; more show as these are gone.
MOST: Final = 25


class HeldUnknown(NotFound):
    """Absent, released meanwhile, or another tenant's."""


def held_rows() -> list[QuerySet[Any, Any]]:
    """The leads and the submissions that are held, of small indexes."""
    return [HeldLead.objects.filter(held_at__isnull=False), _submissions()]


def count_held(*, most: int = 100) -> int:
    """How many leads and submissions are held, each counted to ``most``; two queries."""
    return sum(int(rows[:most].count()) for rows in held_rows())


def list_held_leads() -> Sequence[HeldLead]:
    """Leads whose processing failed, those that are tried again by themselves too; the newest first."""
    rows = HeldLead.objects.select_related("lead").order_by("-first_failed_at", "-id")
    return list(rows[:MOST])


def list_held_submissions() -> Sequence[Submission]:
    """Submissions that made no lead because processing raised; those whose lead is held stand there."""
    return list(_submissions().select_related("form", "member").order_by("-id")[:MOST])


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
