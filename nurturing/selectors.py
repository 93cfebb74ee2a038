"""Reads of sequences, enrolments and messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, TextField
from django.utils.translation import gettext_lazy as _

from leads.conditions.logic import Bind, Compare
from leads.models import Lead, RuleKind
from leads.versions import Rulebook, open_rulebook
from nurturing.asking import rules_of_versions
from nurturing.models import Enrollment, EnrollmentState, Message, MessageState
from nurturing.sequences import SequenceRules
from tenancy.errors import Invalid, NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.listing import Count, count_rows

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


@dataclass(frozen=True)
class MessagePage:
    """One page of the Outbox, and how many messages match."""

    page: Page[Message]
    count: Count


def list_messages(
    *, state: str = "", address: str = "", order: str = "-queued_at", cursor: str = ""
) -> MessagePage:
    """Messages in one state or all, to addresses that begin with a text, newest first or oldest first.

    Raises CursorRefused, Invalid.
    """
    rows = Message.objects.select_related("lead", "enrollment").defer("body_html", "body_text")
    if state in MessageState.values:
        rows = rows.filter(state=state)
    if "\x00" in address:
        raise Invalid(_("An address has no NUL character."))
    if address:
        # Leakproof, unlike LIKE: the index may serve it under row security.
        rows = rows.filter(Compare(F("to_email"), "^@", Bind(address.strip().lower(), TextField())))
    keys = ORDERS.get(order, ORDERS["-queued_at"])
    return MessagePage(page_by_key(rows, keys=keys, cursor=cursor, size=PAGE_SIZE), count_rows(rows))


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
