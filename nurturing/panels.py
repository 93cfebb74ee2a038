"""Nurturing on the lead page: the sequences a lead is in, its messages, and their place in what happened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from leads.models import Decision, DecisionKind, Lead
from leads.ownership import may_act_on
from leads.panels import Panel
from leads.timeline import TimelineEntry
from nurturing.enrollments import EnrollmentResult
from nurturing.leaving import NURTURED_STAGES
from nurturing.models import EnrollmentState, ExitReason, Message, MessageState
from nurturing.refusals import Refusal, list_refusals
from nurturing.selectors import (
    list_enrollments,
    list_enterable,
    list_messages_before,
    sequence_labels,
)
from nurturing.steps import NOT_PUBLISHED
from tenancy.components import Tone
from tenancy.models import Membership
from tenancy.rights import may

MESSAGE_TONES: Final[dict[str, Tone]] = {
    MessageState.QUEUED: "quiet",
    MessageState.SENDING: "act",
    MessageState.SENT: "good",
    MessageState.KEPT: "good",
    MessageState.FAILED: "late",
    MessageState.UNKNOWN: "soon",
    MessageState.CANCELLED: "quiet",
}
ENROLLMENT_TONES: Final[dict[str, Tone]] = {
    EnrollmentState.ACTIVE: "act",
    EnrollmentState.FINISHED: "good",
    EnrollmentState.EXITED: "quiet",
}
_IN_STORY: Final = (
    EnrollmentResult.ENROLLED,
    EnrollmentResult.NOT_ENROLLED,
    EnrollmentResult.STEP_SKIPPED,
    EnrollmentResult.FINISHED,
    EnrollmentResult.EXITED,
)


@dataclass(frozen=True)
class MessageBadge:
    """A message's state in words and colour."""

    message: Message

    @property
    def label(self) -> str:
        return str(MessageState(self.message.state).label)

    @property
    def tone(self) -> Tone:
        return MESSAGE_TONES[self.message.state]


def _panel(lead: Lead, member: Membership) -> dict[str, Any] | None:
    """The enrolments with their messages; what the member may do about them. None if there is nothing to show or do."""
    may_act = may(member, "lead.enroll") and may_act_on(member=member, state=lead.standing)
    can_enroll = may_act and lead.standing.stage in NURTURED_STAGES
    enterable = list_enterable(lead=lead) if can_enroll else []
    refusals = {each.key: _refusal(lead, each.purpose) for each in enterable}
    rows = list_enrollments(lead_id=lead.pk)
    if not rows and not can_enroll:
        return None
    return {
        "enrollments": [
            {
                "row": row,
                "tone": ENROLLMENT_TONES[row.enrollment.state],
                "messages": [MessageBadge(message) for message in row.messages],
            }
            for row in rows
        ],
        "enterable": [each for each in enterable if refusals[each.key] is None],
        "refusal": next((refusal for refusal in refusals.values() if refusal is not None), None),
        "can_exit": may_act,
        "can_read_messages": may(member, "outbox.read"),
    }


def _refusal(lead: Lead, purpose: str) -> Refusal | None:
    return list_refusals(lead_ids=[lead.pk], purpose=purpose).get(lead.pk)


NURTURE_PANEL: Final = Panel("nurture", "nurturing/lead_panel.html", _panel, order=40)


def list_story(lead_id: int, before: datetime | None, limit: int) -> Sequence[TimelineEntry]:
    """Messages to the lead, and its ways into and out of sequences, newest first."""
    messages = [
        _message_entry(each) for each in list_messages_before(lead_id=lead_id, before=before, limit=limit)
    ]
    decisions = list(_decision_entries(lead_id, before, limit))
    return sorted([*decisions, *messages], key=lambda entry: entry.at, reverse=True)[:limit]


def _message_entry(message: Message) -> TimelineEntry:
    badge = MessageBadge(message)
    return TimelineEntry(
        at=message.queued_at,
        title=_("E-mail to the lead: “%(subject)s”") % {"subject": message.subject},
        detail=badge.label,
        tone=badge.tone,
    )


def _decision_entries(lead_id: int, before: datetime | None, limit: int) -> Iterator[TimelineEntry]:
    decisions = Decision.objects.filter(lead_id=lead_id, kind=DecisionKind.ENROLLMENT, result__in=_IN_STORY)
    if before is not None:
        decisions = decisions.filter(at__lt=before)
    newest = list(decisions.order_by("-at", "-id")[:limit])
    labels = sequence_labels() if newest else {}
    for decision in newest:
        because = str(decision.detail.get("because") or "")
        yield TimelineEntry(
            at=decision.at,
            title=_TITLES[EnrollmentResult(decision.result)]()
            % {"sequence": labels.get(decision.topic, decision.topic)},
            detail="" if decision.result == EnrollmentResult.ENROLLED else str(because_words(because)),
            tone="act" if decision.result == EnrollmentResult.ENROLLED else "quiet",
        )


# Called when a page is drawn, in the reader's language.
_TITLES: Final = {
    EnrollmentResult.ENROLLED: lambda: _("Entered the sequence “%(sequence)s”"),
    EnrollmentResult.NOT_ENROLLED: lambda: _("Did not enter the sequence “%(sequence)s”"),
    EnrollmentResult.STEP_SKIPPED: lambda: _("A message of “%(sequence)s” was skipped"),
    EnrollmentResult.FINISHED: lambda: _("Finished the sequence “%(sequence)s”"),
    EnrollmentResult.EXITED: lambda: _("Left the sequence “%(sequence)s”"),
}


def because_words(because: str) -> str | Promise:
    """Why somebody did not enter, or left: a refusal, the reason of an exit."""
    if because in list(Refusal):
        return Refusal(because).label
    if because in ExitReason.values:
        return ExitReason(because).label
    return _("The sequence is not published") if because == NOT_PUBLISHED else because
