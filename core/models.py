"""What is due later, and what people are told."""

from django.db import models
from django.utils import timezone

from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class DueRow(TenantModel):
    """Something that shall happen at ``due_at`` to one subject: at most one row for each kind and subject."""

    kind = models.CharField(max_length=40)
    # The id of whatever the kind is about: a lead, a clock, an enrolment.
    subject = models.BigIntegerField()
    due_at = models.DateTimeField()
    attempts = models.SmallIntegerField(default=0)
    error = models.TextField(blank=True)
    # Set after too many failures: kept with its error, acted on no more until somebody retries it.
    held_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "subject"], name="due_row_once_per_subject")
        ]
        indexes = [
            # The tenant comes second: one scan finds every tenant with something due.
            models.Index(
                fields=["due_at", "tenant"], condition=models.Q(held_at__isnull=True), name="due_row_next"
            ),
            models.Index(
                fields=["tenant", "kind", "due_at"],
                condition=models.Q(held_at__isnull=True),
                name="due_row_of_kind",
            ),
        ]


class Notification(TenantModel):
    """One thing one member is told: its kind and values, worded when it is shown, in the reader's language."""

    member = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=40)
    values = models.JSONField(default=dict)
    # The lead it is about, if any; core knows no leads, so this is a plain number.
    lead_id = models.BigIntegerField(null=True)
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "member", "-at", "-id"], name="notification_newest"),
            models.Index(
                fields=["tenant", "member"],
                condition=models.Q(read_at__isnull=True),
                name="notification_unread",
            ),
        ]
