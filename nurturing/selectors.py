"""Reads of sequences, enrolments and messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, QuerySet, TextField
from django.utils.translation import gettext_lazy as _

from leads.conditions.language import Condition
from leads.conditions.logic import Bind, Compare
from leads.listing import in_time
from leads.matching import LeadFilters
from leads.models import Lead, RuleKind
from leads.versions import Rulebook, open_rulebook
from nurturing.asking import rules_of_versions
from nurturing.models import Enrollment, EnrollmentState, Message
from nurturing.sequences import SequenceRules
from tenancy.errors import NotFound
from tenancy.keyset import Page, page_by_key

PAGE_SIZE: Final = 50
ORDERS: Final = {"-queued_at": ("-queued_at", "-id"), "queued_at": ("queued_at", "id")}


class MessageUnknown(NotFound):
    """The tenant has no such message."""


def get_message(*, message_id: int) -> Message:
    """One message with its lead and enrolment. Raises MessageUnknown."""
    found: Message | None = (
        Message.objects.select_related("lead", "enrollment__version").filter(pk=message_id).first()
    )
    if found is None:
        raise MessageUnknown(_("There is no such message."))
    return found


@dataclass(frozen=True, kw_only=True)
class MessageQuery:
    """Which messages: in one ``state`` (empty: in any), to addresses that begin with ``address``, to leads that meet a
    ``condition``, or these ``ids`` alone. ``order`` is one of ORDERS; any other is the newest first.
    """

    state: str = ""
    address: str = ""
    condition: Condition | None = None
    ids: tuple[int, ...] | None = None
    order: str = ""

    @property
    def is_fast(self) -> bool:
        """Whether no lead has to be looked for."""
        return self.condition is None


def list_messages(
    *, query: MessageQuery, now: datetime, cursor: str = "", size: int = PAGE_SIZE
) -> Page[Message]:
    """A page of messages with their lead and enrolment. Raises CursorRefused, ListTooSlow."""
    rows = matching_messages(query=query, now=now).select_related("lead", "enrollment")
    keys = ORDERS.get(query.order, ORDERS["-queued_at"])
    with in_time(is_fast=query.is_fast):
        return page_by_key(rows.defer("body_html", "body_text"), keys=keys, cursor=cursor, size=size)


def matching_messages(*, query: MessageQuery, now: datetime) -> QuerySet[Message]:
    """Those that a query means, in no order."""
    rows: QuerySet[Message] = Message.objects.all()
    if query.state:
        rows = rows.filter(state=query.state)
    if query.address:
        # Leakproof, unlike LIKE: the index may serve it under row security.
        rows = rows.filter(Compare(F("to_email"), "^@", Bind(query.address, TextField())))
    if query.ids is not None:
        rows = rows.filter(pk__in=query.ids)
    if query.condition is not None:
        rows = rows.filter(
            lead__in=LeadFilters(condition=query.condition).narrow(root=Lead, now=now).values("pk")
        )
    return rows


@dataclass(frozen=True)
class EnrollmentRow:
    """An enrolment as the lead page shows it: with the sequence as it was when it began, and its messages."""

    enrollment: Enrollment
    rules: SequenceRules
    messages: Sequence[Message]

    @property
    def is_active(self) -> bool:
        return bool(self.enrollment.state == EnrollmentState.ACTIVE)

    @property
    def step_number(self) -> int:
        """The place of the step that comes next, from 1."""
        return self.rules.index_of(self.enrollment.step) + 1


def list_enrollments(*, lead_id: int, limit: int = 10) -> list[EnrollmentRow]:
    """The newest enrolments of a lead; three queries."""
    enrollments = list(
        Enrollment.objects.filter(lead_id=lead_id)
        .select_related("version", "entered_by")
        .order_by("-entered_at", "-id")[:limit]
    )
    rules = rules_of_versions(each.version_id for each in enrollments)
    messages: dict[int, list[Message]] = {}
    sent = Message.objects.filter(enrollment__in=enrollments).defer("body_html", "body_text")
    for message in sent.order_by("queued_at", "id"):
        messages.setdefault(message.enrollment_id, []).append(message)
    return [EnrollmentRow(each, rules[each.version_id], messages.get(each.pk, [])) for each in enrollments]


def list_sequences(rulebook: Rulebook | None = None) -> list[SequenceRules]:
    """The published sequences, by key."""
    return [published.rules for published in (rulebook or open_rulebook()).list(RuleKind.SEQUENCE)]


def sequence_labels() -> dict[str, str]:
    """The names of the published sequences in the active language, by key."""
    return {sequence.key: str(sequence.label) for sequence in list_sequences()}


def list_enterable(*, lead: Lead) -> list[SequenceRules]:
    """The published sequences that a lead is not in."""
    active = Enrollment.objects.filter(lead=lead, state=EnrollmentState.ACTIVE)
    inside = set(active.values_list("sequence", flat=True))
    return [sequence for sequence in list_sequences() if sequence.key not in inside]


def list_messages_before(*, lead_id: int, before: datetime | None, limit: int) -> list[Message]:
    """The newest messages to a lead before an instant."""
    rows = Message.objects.filter(lead_id=lead_id).defer("body_html", "body_text")
    if before is not None:
        rows = rows.filter(queued_at__lt=before)
    return list(rows.order_by("-queued_at", "-id")[:limit])
