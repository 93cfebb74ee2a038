"""What leads and visitors did. Tens of millions of rows, never changed; nothing refers to them by foreign key."""

from django.db import models
from django.utils import timezone

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantKey, TenantModel


class Event(TenantModel):
    """Something a lead, or a visitor not yet known as one, did at a time."""

    tenant = TenantKey(loose=True)
    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, loose=True, null=True, related_name="events")
    visitor = models.CharField(max_length=64, null=True)
    type = models.CharField(max_length=64)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    message_id = models.CharField(max_length=200, null=True)
    # Personal values that a caller sends live here and nowhere else in the event, so that erasure purges them in place.
    properties = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "message_id"],
                condition=models.Q(message_id__isnull=False),
                name="event_message_unique_per_tenant",
            ),
            models.CheckConstraint(
                condition=models.Q(lead__isnull=False) | models.Q(visitor__isnull=False),
                name="event_has_a_subject",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "lead", "occurred_at"], name="event_by_lead"),
            models.Index(
                fields=["tenant", "visitor"],
                condition=models.Q(visitor__isnull=False),
                name="event_by_visitor",
            ),
        ]


class Touch(TenantModel):
    """One contact with its source, kept whenever it differs from what the lead already carries."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="touches")
    at = models.DateTimeField()
    origin = models.CharField(max_length=120, null=True)
    campaign = models.CharField(max_length=200, null=True)
    medium = models.CharField(max_length=120, null=True)
    landing_page = models.CharField(max_length=500, null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "lead", "at"], name="touch_by_lead"),
            models.Index(
                fields=["tenant", "campaign", "lead"],
                condition=models.Q(campaign__isnull=False),
                name="touch_by_campaign",
            ),
            models.Index(
                fields=["tenant", "origin", "lead"],
                condition=models.Q(origin__isnull=False),
                name="touch_by_origin",
            ),
        ]
