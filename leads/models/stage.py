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


class MoveAct(models.TextChoices):
    """What can move a lead; each has its row in the table of moves (leads.lifecycle)."""

    CAPTURE = "capture", _("Captured")
    IMPORT = "import", _("Imported")
    GATE = "gate", _("Met the criteria")
    ASKED_FOR_CONTACT = "asked_for_contact", _("Asked for contact")
    PROMOTE = "promote", _("Promoted by hand")
    ATTEMPT = "attempt", _("Contact attempted")
    HAND_OVER = "hand_over", _("Handed over to sales")
    ACCEPT = "accept", _("Accepted by sales")
    REJECT = "reject", _("Rejected by sales")
    RETURN = "return", _("Returned")
    WIN = "win", _("Won")
    LOSE = "lose", _("Lost")
    NURTURE = "nurture", _("Sent to nurture")
    DISQUALIFY = "disqualify", _("Disqualified")
    REOPEN = "reopen", _("Reopened")


class StageChange(TenantModel):
    """One move, with how long the lead had been in the stage it left. Written once."""

    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="stage_changes")
    from_stage = models.CharField(max_length=12, choices=Stage.choices, null=True)
    to_stage = models.CharField(max_length=12, choices=Stage.choices)
    at = models.DateTimeField()
    seconds_in_from_stage = models.BigIntegerField(null=True)
    actor = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    act = models.CharField(max_length=20, choices=MoveAct.choices)
    reason = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "lead", "at", "id"], name="stage_change_by_lead"),
            models.Index(fields=["tenant", "to_stage", "at", "lead"], name="stage_change_flow"),
        ]
