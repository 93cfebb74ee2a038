"""What colleagues write down about a lead, and what they have promised to do about it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class LeadNote(TenantModel):
    """Something a colleague wrote about a lead. One that was deleted stays for a day, so that this can be undone."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="notes")
    # Personal values: purged by erasure.
    text = models.TextField(_("note"))
    written_at = models.DateTimeField()
    written_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "lead", "-written_at", "-id"], name="lead_note_newest")]


class LeadTask(TenantModel):
    """Something to be done about a lead, by one member, at best by a time."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="tasks")
    title = models.CharField(_("what is to be done"), max_length=200)
    # Late after this instant. Where only a day was said it is the last second of that day, in the zone of who said it.
    due_at = models.DateTimeField(_("due"), null=True)
    due_on = models.DateField(null=True)
    assignee = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField()
    made_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    done_at = models.DateTimeField(null=True)
    done_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(due_on__isnull=True) | models.Q(due_at__isnull=False),
                name="lead_task_day_has_its_end",
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "lead", "id"], name="lead_task_by_lead"),
            models.Index(
                fields=["tenant", "assignee", "due_at", "id"],
                condition=models.Q(done_at__isnull=True),
                name="lead_task_open",
            ),
            models.Index(
                fields=["tenant", "assignee", "-done_at", "-id"],
                condition=models.Q(done_at__isnull=False),
                name="lead_task_done",
            ),
        ]
