"""The rules of retention: what each takes, from when on. Engines register theirs, as ``nurturing`` does.

A lead is never taken that has a deal, won or open, or an open clock; engines say what else keeps one (``register_keeper``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.models import Notification
from leads.erasure.erasing import erase_people
from leads.models import (
    ContactAttempt,
    Erasure,
    ErasureState,
    Event,
    Lead,
    LeadNote,
    LeadTask,
    Opportunity,
    OpportunityOutcome,
    Stage,
    Submission,
    SubmissionState,
)
from tenancy.models import AuditEntry

GROUND: Final = "retention"
PEOPLE_A_BATCH: Final = 100
ROWS_A_BATCH: Final = 5_000
Rows = QuerySet[Any, Any]


@dataclass(frozen=True, kw_only=True)
class RetentionKind:
    """One rule. ``find`` gives the rows that are older than an instant, ``take`` acts on some of them, by their keys.

    ``least`` is the fewest months that can be set; ``erases`` says that people are erased, each with a proof.
    """

    key: str
    label: str | Promise
    about: str | Promise
    find: Callable[[datetime], Rows]
    take: Callable[[Sequence[int], datetime], None]
    order: int
    least: int = 1
    batch_size: int = ROWS_A_BATCH
    erases: bool = False


_kinds: Final[dict[str, RetentionKind]] = {}
_keepers: Final[dict[str, Callable[[], Any]]] = {}


def register_retention(kind: RetentionKind) -> None:
    """Add a rule, when an app is ready."""
    _kinds[kind.key] = kind


def register_keeper(name: str, condition: Callable[[], Any]) -> None:
    """Say, when an app is ready, which leads are never taken: a condition over ``Lead``, whose key is ``OuterRef("pk")``."""
    _keepers[name] = condition


def list_kinds() -> list[RetentionKind]:
    """All rules in their order."""
    return sorted(_kinds.values(), key=lambda kind: kind.order)


def get_kind(key: str) -> RetentionKind:
    """One rule. Raises KeyError."""
    return _kinds[key]


def leads_nobody_needs() -> Rows:
    """Leads that may be taken: about somebody, without a deal that was won or is open, without an open clock."""
    names = ("email", "external_id", "phone", "name", "first_name", "last_name")
    somebody = Q()
    for name in names:
        somebody |= Q(**{f"{name}__isnull": False})
    deals = Opportunity.objects.filter(outcome__in=[OpportunityOutcome.OPEN, OpportunityOutcome.WON])
    kept = [
        Exists(deals.filter(lead=OuterRef("pk"))),
        Exists(LeadTask.objects.filter(lead=OuterRef("pk"), done_at__isnull=True)),
        Exists(Erasure.objects.filter(lead_number=OuterRef("pk"), state=ErasureState.WAITING)),
        *(condition() for condition in _keepers.values()),
    ]
    leads: Rows = Lead.objects.filter(somebody, standing__clock_due_at__isnull=True).filter(
        *(~each for each in kept)
    )
    return leads


def _disqualified(before: datetime) -> Rows:
    return leads_nobody_needs().filter(
        standing__stage=Stage.DISQUALIFIED, standing__stage_at__lt=before, recorded_at__lt=before
    )


def _inactive(before: datetime) -> Rows:
    """Nothing has happened to them since, neither by themselves nor by a colleague."""
    since: Sequence[tuple[Any, str]] = (
        (Event, "occurred_at"),
        (ContactAttempt, "at"),
        (LeadNote, "written_at"),
        (LeadTask, "made_at"),
        (Submission, "received_at"),
    )
    leads = leads_nobody_needs().filter(
        Q(standing__last_event_at__isnull=True) | Q(standing__last_event_at__lt=before),
        standing__stage_at__lt=before,
        created_at__lt=before,
        recorded_at__lt=before,
        standing__stage__in=[
            Stage.NEW,
            Stage.MARKETING_QUALIFIED,
            Stage.WORKING,
            Stage.NURTURE,
            Stage.DISQUALIFIED,
        ],
    )
    for model, column in since:
        leads = leads.filter(~Exists(model.objects.filter(lead=OuterRef("pk"), **{f"{column}__gte": before})))
    return leads


def _erase(lead_ids: Sequence[int], now: datetime) -> None:
    """Erase people as if they had asked for it, except that they may come again."""
    erasures = Erasure.objects.bulk_create(
        Erasure(lead_number=lead_id, asked_by_name="", asked_at=now, ground=GROUND, keeps_out=False)
        for lead_id in lead_ids
    )
    erase_people(erasures=erasures, now=now, is_asked_for=False)


def delete_rows(model: Any) -> Callable[[Sequence[int], datetime], None]:
    """An act that deletes rows by their keys."""

    def take(keys: Sequence[int], _now: datetime) -> None:
        model.objects.filter(pk__in=list(keys)).delete()

    return take


_SETTLED: Final = (SubmissionState.PROCESSED, SubmissionState.REFUSED)
_PEOPLE: Final[Mapping[str, Any]] = {"erases": True, "batch_size": PEOPLE_A_BATCH, "take": _erase}


def register_hub_retention() -> None:
    """Called once, when the app is ready."""
    for kind in (
        RetentionKind(
            key="disqualified",
            label=_("Disqualified leads"),
            about=_("The person is erased so long after the lead was disqualified."),
            find=_disqualified,
            order=10,
            **_PEOPLE,
        ),
        RetentionKind(
            key="inactive",
            label=_("Leads without activity"),
            about=_(
                "The person is erased when nothing has happened for so long: no event, no move, no attempt, note or task."
            ),
            find=_inactive,
            order=20,
            least=3,
            **_PEOPLE,
        ),
        RetentionKind(
            key="submissions",
            label=_("What forms and programs sent"),
            about=_("The raw submissions are deleted; the leads that were made of them stay."),
            find=lambda before: Submission.objects.filter(
                received_at__lt=before, state__in=_SETTLED, is_spam=False
            ),
            take=delete_rows(Submission),
            order=30,
        ),
        RetentionKind(
            key="spam",
            label=_("Spam sent to forms"),
            about=_("What a form took for spam is deleted."),
            find=lambda before: Submission.objects.filter(received_at__lt=before, is_spam=True),
            take=delete_rows(Submission),
            order=40,
        ),
        RetentionKind(
            key="visits",
            label=_("Events of unknown visitors"),
            about=_("What visitors did who never became a lead is deleted."),
            find=lambda before: Event.objects.filter(
                lead__isnull=True, visitor__isnull=False, occurred_at__lt=before
            ),
            take=delete_rows(Event),
            order=50,
        ),
        RetentionKind(
            key="notifications",
            label=_("Notifications"),
            about=_("What colleagues were told is deleted, read or not."),
            find=lambda before: Notification.objects.filter(at__lt=before),
            take=delete_rows(Notification),
            order=70,
        ),
        RetentionKind(
            key="audit",
            label=_("Entries of the audit log"),
            about=_("Who did what is kept for at least a year."),
            find=lambda before: AuditEntry.objects.filter(at__lt=before),
            take=delete_rows(AuditEntry),
            order=80,
            least=12,
        ),
    ):
        register_retention(kind)
