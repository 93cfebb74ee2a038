"""The deeds of SDRs and sales reps that their own numbers count: attempts, handovers, answers, deals won, promises kept."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from leads.deeds import DeedKind, register_deed
from leads.models import ContactAttempt, Handover, HandoverAnswer, Opportunity, OpportunityOutcome
from routing.models import Clock, ClockKind

ATTEMPT, MEETING, HANDED_OVER, TAKEN = "attempt", "meeting", "handed_over", "taken"
ANSWERED, WON = "accepted", "won"
CONTACT_TIMED, CONTACT_IN_TIME = "contact_timed", "contact_in_time"
ANSWER_TIMED, ANSWER_IN_TIME = "answer_timed", "answer_in_time"
_CONTACT: Final = (ClockKind.FIRST_CONTACT, ClockKind.ASKED_FOR_CONTACT)


def _attempts(member_id: int) -> Any:
    return ContactAttempt.objects.filter(actor_id=member_id)


def _meetings(member_id: int) -> Any:
    return _attempts(member_id).filter(channel=ContactAttempt.Channel.MEETING)


def _offered(member_id: int) -> Any:
    return Handover.objects.filter(offered_by_id=member_id)


def _taken(member_id: int) -> Any:
    return _offered(member_id).filter(answer=HandoverAnswer.ACCEPTED)


def _accepted(member_id: int) -> Any:
    return Handover.objects.filter(answered_by_id=member_id, answer=HandoverAnswer.ACCEPTED)


def _won(member_id: int) -> Any:
    return Opportunity.objects.filter(sales_rep_id=member_id, outcome=OpportunityOutcome.WON)


def _ended(owner: str, kinds: Sequence[ClockKind], member_id: int, *, in_time: bool = False) -> Any:
    """Clocks on one's leads that ended: met, or their deadline passed; ``in_time`` those that were never broken."""
    clocks = Clock.objects.filter(kind__in=kinds, **{f"lead__standing__{owner}": member_id})
    if in_time:
        clocks = clocks.filter(broken_at__isnull=True)
    return clocks.annotate(ended_at=Coalesce(F("broken_at"), F("met_at")))


def register_deeds() -> None:
    """Make them known; called once, when the app is ready."""
    for kind in (
        DeedKind(key=ATTEMPT, words=_("Attempts of %(name)s since %(day)s"), rows=_attempts, at="at"),
        DeedKind(key=MEETING, words=_("Meetings of %(name)s since %(day)s"), rows=_meetings, at="at"),
        DeedKind(
            key=HANDED_OVER,
            words=_("Handed over by %(name)s since %(day)s"),
            rows=_offered,
            at="offered_at",
        ),
        DeedKind(
            key=TAKEN,
            words=_("Handed over by %(name)s and accepted since %(day)s"),
            rows=_taken,
            at="answered_at",
        ),
        DeedKind(
            key=ANSWERED,
            words=_("Accepted by %(name)s since %(day)s"),
            rows=_accepted,
            at="answered_at",
        ),
        DeedKind(key=WON, words=_("Won by %(name)s since %(day)s"), rows=_won, at="closed_at"),
        DeedKind(
            key=CONTACT_TIMED,
            words=_("First contact due for %(name)s since %(day)s"),
            rows=partial(_ended, "owner_sdr", _CONTACT),
            at="ended_at",
        ),
        DeedKind(
            key=CONTACT_IN_TIME,
            words=_("First contact in time by %(name)s since %(day)s"),
            rows=partial(_ended, "owner_sdr", _CONTACT, in_time=True),
            at="ended_at",
        ),
        DeedKind(
            key=ANSWER_TIMED,
            words=_("Answer due from %(name)s since %(day)s"),
            rows=partial(_ended, "owner_sales", (ClockKind.ANSWER_SQL,)),
            at="ended_at",
        ),
        DeedKind(
            key=ANSWER_IN_TIME,
            words=_("Answered in time by %(name)s since %(day)s"),
            rows=partial(_ended, "owner_sales", (ClockKind.ANSWER_SQL,), in_time=True),
            at="ended_at",
        ),
    ):
        register_deed(kind)
