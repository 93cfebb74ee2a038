"""Stages of a lead and the history of its moves."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class Stage(models.TextChoices):
    """Where a lead stands. Stored and API values are the field's abbreviations."""

    NEW = "new", _("New")
    MARKETING_QUALIFIED = "mql", _("MQL")
    WORKING = "working", _("Working")
    SALES_QUALIFIED = "sql", _("SQL")
    OPPORTUNITY = "opportunity", _("Opportunity")
    CUSTOMER = "customer", _("Customer")
    NURTURE = "nurture", _("Nurture")
    DISQUALIFIED = "disqualified", _("Disqualified")


# Their position is the ordinal kept as the furthest stage ever reached.
FORWARD_STAGES = (
    Stage.NEW,
    Stage.MARKETING_QUALIFIED,
    Stage.WORKING,
    Stage.SALES_QUALIFIED,
    Stage.OPPORTUNITY,
    Stage.CUSTOMER,
)
# From these a lead may be sent to nurture or be disqualified.
OPEN_STAGES = (
    Stage.NEW,
    Stage.MARKETING_QUALIFIED,
    Stage.WORKING,
    Stage.SALES_QUALIFIED,
    Stage.OPPORTUNITY,
    Stage.NURTURE,
)


class StageChange(TenantModel):
    """One move, with how long the lead had been in the stage it left. Written once."""

    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="stage_changes")
    from_stage = models.CharField(max_length=12, choices=Stage.choices, null=True)
    to_stage = models.CharField(max_length=12, choices=Stage.choices)
    at = models.DateTimeField()
    seconds_in_from_stage = models.BigIntegerField(null=True)
    actor = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True)
    is_imported = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "lead", "at", "id"], name="stage_change_by_lead"),
            models.Index(fields=["tenant", "to_stage", "at", "lead"], name="stage_change_flow"),
        ]
