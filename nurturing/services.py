"""What people do with sequences and messages: enrol and take out by hand, unsubscribe, send again."""

from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy as _

from leads.acts.opening import open_lead
from leads.events import NewEvent, record_events
from leads.models import Consent, RuleKind, Stage
from leads.pipeline import Reason, ReasonCode, lock_leads, run_pipeline
from leads.versions import Published
from nurturing.enrollments import NewEnrollment, enroll, exit_early
from nurturing.leaving import NURTURED_STAGES, Inside
from nurturing.models import Enrollment, EnrollmentState, ExitReason, Message, MessageState, Suppression
from nurturing.refusals import Refusal, hash_email, list_refusals
from tenancy.audit import record
from tenancy.errors import Conflict, NotFound
from tenancy.models import Membership
from tenancy.rights import require

UNSUBSCRIBED: Final = "unsubscribed"
RETRIABLE: Final = (MessageState.FAILED, MessageState.UNKNOWN)


class SequenceUnknown(NotFound):
    """No sequence of this key is published."""


class EnrollmentNotPossible(Conflict):
    """The lead can't enter the sequence now; the message says why."""


class EnrollmentUnknown(NotFound):
    """The tenant has no such enrolment."""


class EnrollmentOver(Conflict):
    """The lead is not in the sequence any more."""


class LinkUnknown(NotFound):
    """No message has this token."""


class MessageNotRetriable(Conflict):
    """The message was sent, or is on its way."""


def enroll_lead(*, lead_id: int, sequence: str, by: Membership, now: datetime) -> Enrollment:
    """Let a lead into a sequence by hand: one in new or nurture. Its first step is due at once.

    Raises LeadNotFound, NotAllowed, NotYourLead, SequenceUnknown, EnrollmentNotPossible.
    """
    with open_lead(lead_id=lead_id, right="lead.enroll", by=by, now=now) as held:
        published = held.rules.get(RuleKind.SEQUENCE, sequence)
        if published is None:
            raise SequenceUnknown(_("There is no such sequence."))
        _check_may_enter(lead_id=lead_id, stage=held.stage, published=published)
        entered = enroll(new=[NewEnrollment(lead_id, published, member_id=by.pk)], now=now)
        if not entered:
            label = published.rules.label
            raise EnrollmentNotPossible(_("The lead is in “%(sequence)s” already.") % {"sequence": label})
    enrollment: Enrollment = Enrollment.objects.get(pk=entered[lead_id])
    return enrollment


def _check_may_enter(*, lead_id: int, stage: Stage, published: Published) -> None:
    if stage not in NURTURED_STAGES:
        message = _("A lead can enter a sequence in New or Nurture; this one is in %(stage)s.")
        raise EnrollmentNotPossible(message % {"stage": stage.label})
    refusal: Refusal | None = list_refusals(lead_ids=[lead_id], purpose=published.rules.purpose).get(lead_id)
    if refusal is not None:
        raise EnrollmentNotPossible(_("No mail can be sent: %(why)s.") % {"why": refusal.label})


def exit_enrollment(*, enrollment_id: int, by: Membership, now: datetime) -> None:
    """Take a lead out of a sequence by hand; what waits to be sent in it is not sent any more.

    Raises EnrollmentUnknown, EnrollmentOver, NotAllowed, NotYourLead.
    """
    enrollment = get_enrollment(enrollment_id=enrollment_id)
    with open_lead(lead_id=enrollment.lead_id, right="lead.enroll", by=by, now=now) as held:
        enrollment.refresh_from_db()
        if enrollment.state != EnrollmentState.ACTIVE:
            raise EnrollmentOver(_("The lead is not in this sequence any more."))
        inside = Inside(
            enrollment.pk,
            enrollment.lead_id,
            enrollment.sequence,
            enrollment.version_id,
            enrollment.purpose,
            held.stage,
        )
        exit_early(exits=[inside.exit_by(ExitReason.BY_HAND, by_id=by.pk)], now=now)


def get_enrollment(*, enrollment_id: int) -> Enrollment:
    """One enrolment. Raises EnrollmentUnknown."""
    enrollment: Enrollment | None = Enrollment.objects.filter(pk=enrollment_id).first()
    if enrollment is None:
        raise EnrollmentUnknown(_("There is no such enrolment."))
    return enrollment


def unsubscribe(*, message: Message, now: datetime, proof: dict[str, Any] | None = None) -> bool:
    """Withdraw every basis for the message's purpose, record it, and let the pipeline draw the consequences.

    Returns False, and does nothing, if there was nothing left to withdraw.
    """
    lock_leads([message.lead_id])
    if is_unsubscribed(message=message):
        return False
    given = Consent.objects.filter(lead_id=message.lead_id, purpose=message.purpose)
    if not given.filter(withdrawn_at__isnull=True).update(withdrawn_at=now):
        # Nothing was ever given: what stands from now on is the objection.
        Consent.objects.create(
            lead_id=message.lead_id,
            purpose=message.purpose,
            basis="objection",
            given_at=now,
            withdrawn_at=now,
            source="unsubscribe",
            proof=proof or {},
        )
    properties = {"purpose": message.purpose, "subject": message.subject, "message": message.pk}
    event = NewEvent(UNSUBSCRIBED, now, lead_id=message.lead_id, properties=properties)
    record_events(events=[event], now=now)
    run_pipeline(lead_ids=[message.lead_id], reason=Reason(ReasonCode.EVENT), now=now)
    return True


def is_unsubscribed(*, message: Message) -> bool:
    """Whether the message's recipient has withdrawn every basis for its purpose."""
    given = list(
        Consent.objects.filter(lead_id=message.lead_id, purpose=message.purpose).values_list(
            "withdrawn_at", flat=True
        )
    )
    return bool(given) and all(withdrawn_at is not None for withdrawn_at in given)


def find_message(*, token: str) -> tuple[int, int] | None:
    """The ids of the message and its tenant whose unsubscribe link has this token, before a tenant is known."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id, tenant_id FROM leadsys_find_message(%s)", [token])
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def send_again(*, message: Message, by: Membership, now: datetime) -> None:
    """Put a message that failed, or of which nobody knows whether it left, back into the queue: a person's decision.

    An address that the mail server refused is tried again. Raises NotAllowed, MessageNotRetriable.
    """
    require(by, "outbox.send")
    queued = Message.objects.filter(pk=message.pk, state__in=RETRIABLE).update(
        state=MessageState.QUEUED, due_at=now, ended_at=None, attempt=None, attempts=0, error=""
    )
    if not queued:
        raise MessageNotRetriable(_("This message was sent already, or is on its way."))
    Suppression.objects.filter(email_hash=hash_email(message.to_email)).delete()
    record(act="message.sent_again", subject=message.to_email, by=by, now=now, detail={"message": message.pk})
