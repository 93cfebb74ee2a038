"""Sequences at work: who is in which, the messages they were written, the addresses that get none."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models import Lead, RuleVersion
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Language, Membership


class EnrollmentState(models.TextChoices):
    ACTIVE = "active", _("In the sequence")
    FINISHED = "finished", _("Finished")
    EXITED = "exited", _("Left early")


class ExitReason(models.TextChoices):
    LEFT_NURTURE = "left_nurture", _("Moved on to another stage")
    DISQUALIFIED = "disqualified", _("Disqualified")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
    SUPPRESSED = "suppressed", _("The address gets no mail")
    CONDITION = "condition", _("Met the condition to leave")
    BY_HAND = "by_hand", _("Taken out by hand")
    MERGED = "merged", _("Merged into another lead")


class Enrollment(TenantModel):
    """One lead in one sequence, under the version with which it began."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="enrollments")
    sequence = models.CharField(max_length=64)
    version = TenantForeignKey(RuleVersion, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=EnrollmentState.choices, default=EnrollmentState.ACTIVE)
    # The id of the step that comes next, at next_at; empty once the enrolment is over.
    step = models.CharField(max_length=64, blank=True)
    next_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField()
    # Null when a reason enrolled the lead.
    entered_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    exit_reason = models.CharField(max_length=16, choices=ExitReason.choices, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "lead", "sequence"],
                condition=models.Q(state="active"),
                name="enrollment_one_active_per_sequence",
            ),
            models.CheckConstraint(
                condition=models.Q(state="active", ended_at__isnull=True)
                | models.Q(state__in=["finished", "exited"], ended_at__isnull=False, step=""),
                name="enrollment_ends_once",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "lead", "-entered_at", "-id"], name="enrollment_by_lead"),
            models.Index(fields=["tenant", "sequence", "state", "lead"], name="enrollment_by_sequence"),
        ]


class MessageState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    KEPT = "kept", _("Kept here")
    FAILED = "failed", _("Not accepted")
    UNKNOWN = "unknown", _("Outcome unknown")
    CANCELLED = "cancelled", _("Not sent")


OPEN_MESSAGE_STATES = (MessageState.QUEUED, MessageState.SENDING)


class Message(TenantModel):
    """One e-mail of one step to one lead, as it was rendered. It is committed before anything is sent.

    queued → sending (committed, with the attempt's own token) → sent or failed; kept where no mail server is configured. A
    process that dies while sending leaves it in sending, and after its lease it is unknown: nobody can tell whether it left.
    """

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="messages")
    enrollment = TenantForeignKey(Enrollment, on_delete=models.CASCADE, related_name="messages")
    step = models.CharField(max_length=64)
    purpose = models.CharField(max_length=64)
    state = models.CharField(max_length=9, choices=MessageState.choices, default=MessageState.QUEUED)
    language = models.CharField(max_length=5, choices=Language.choices)
    # Personal values: purged in place by erasure.
    to_email = models.CharField(max_length=254)
    from_name = models.CharField(max_length=120)
    # Whoever is responsible for the lead; empty where nobody is.
    reply_to = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=255)
    body_html = models.TextField()
    body_text = models.TextField()
    # Stable for the row, so that whoever receives it twice could tell.
    message_id = models.CharField(max_length=200)
    # What its unsubscribe link carries: resolved by an audited function, before a tenant is known.
    token = models.CharField(max_length=43, unique=True)
    queued_at = models.DateTimeField()
    # Queued: not before this. Sending: the end of its lease.
    due_at = models.DateTimeField()
    attempt = models.UUIDField(null=True)
    attempts = models.SmallIntegerField(default=0)
    # When it was sent, kept, refused, cancelled, or given up.
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "enrollment", "step"], name="message_once_per_step"),
            models.UniqueConstraint(fields=["tenant", "message_id"], name="message_id_once_per_tenant"),
        ]
        indexes = [
            models.Index(fields=["tenant", "-queued_at", "-id"], name="message_newest"),
            models.Index(fields=["tenant", "state", "-queued_at", "-id"], name="message_by_state"),
            models.Index(fields=["tenant", "to_email", "-queued_at", "-id"], name="message_by_address"),
            models.Index(fields=["tenant", "lead", "-queued_at", "-id"], name="message_by_lead"),
            models.Index(
                fields=["tenant", "due_at", "id"],
                condition=models.Q(state__in=["queued", "sending"]),
                name="message_due",
            ),
        ]


class SuppressionReason(models.TextChoices):
    REFUSED = "refused", _("The mail server said that the address does not exist")


class Suppression(TenantModel):
    """An address that gets no mail, whatever its lead agrees to. Kept as a hash: it outlives the lead."""

    # SHA-256 of the normalised address, in hexadecimal.
    email_hash = models.CharField(max_length=64)
    reason = models.CharField(max_length=8, choices=SuppressionReason.choices)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "email_hash"], name="suppression_once_per_address")
        ]
