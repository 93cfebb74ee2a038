"""Contact attempts, the handover to sales, and what came of it."""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.lead import KeptPerson, Lead
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class ContactAttempt(TenantModel):
    """One logged attempt to reach a lead."""

    class Channel(models.TextChoices):
        CALL = "call", _("Call")
        EMAIL = "email", _("E-mail")
        WHATSAPP = "whatsapp", "WhatsApp"
        MEETING = "meeting", _("Meeting")
        OTHER = "other", _("Other")

    class Outcome(models.TextChoices):
        REACHED = "reached", _("Reached")
        NO_ANSWER = "no_answer", _("No answer")
        WRONG_CONTACT = "wrong_contact", _("Wrong contact")
        OTHER = "other", _("Other")

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    actor = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    outcome = models.CharField(_("outcome"), max_length=13, choices=Outcome.choices)
    note = models.TextField(_("note"), blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "lead", "at"], name="attempt_by_lead"),
            models.Index(fields=["tenant", "actor", "at"], name="attempt_by_actor"),
        ]


class HandoverAnswer(models.TextChoices):
    ACCEPTED = "accepted", _("Accepted")
    REJECTED = "rejected", _("Rejected")
    RETURNED = "returned", _("Returned")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Handover(TenantModel):
    """An SQL offered to sales, and the answer; at most one of a lead is open."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="handovers")
    offered_at = models.DateTimeField()
    offered_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    override_reason = models.TextField(blank=True)
    answer = models.CharField(max_length=9, choices=HandoverAnswer.choices, null=True)
    answered_at = models.DateTimeField(null=True)
    answered_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "lead"],
                condition=models.Q(answer__isnull=True),
                name="handover_one_open_per_lead",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "lead", "-offered_at"], name="handover_by_lead"),
            models.Index(fields=["tenant", "offered_by", "offered_at"], name="handover_by_sdr"),
            models.Index(fields=["tenant", "answered_by", "answered_at"], name="handover_by_rep"),
        ]


class OpportunityOutcome(models.TextChoices):
    OPEN = "open", _("Open")
    WON = "won", _("Won")
    LOST = "lost", _("Lost")


# Before what makes a deal that a file gave no id.
UNNAMED_DEAL: Final = "date:"


class Opportunity(TenantModel):
    """A deal: what sales works on once it accepted the SQL, or one that a file tells of."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="opportunities")
    # With a file's deal_id as given; without one "date:" and what makes a deal, so that a re-import is an update.
    deal_key = models.CharField(max_length=220, null=True)
    opened_at = models.DateTimeField(_("opened"), null=True)
    outcome = models.CharField(_("outcome"), max_length=4, choices=OpportunityOutcome.choices, default="open")
    closed_at = models.DateTimeField(_("closed"), null=True)
    amount_minor = models.BigIntegerField(_("amount"), null=True)
    currency = models.CharField(_("currency"), max_length=3, null=True)
    expected_close_on = models.DateField(_("expected close"), null=True)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    sdr = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    sales_rep = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    kept_sdr = TenantForeignKey(KeptPerson, on_delete=models.SET_NULL, null=True, related_name="+")
    kept_sales_rep = TenantForeignKey(KeptPerson, on_delete=models.SET_NULL, null=True, related_name="+")
    is_imported = models.BooleanField(default=False)
    custom = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("opportunity")
        verbose_name_plural = _("opportunities")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "deal_key"],
                condition=models.Q(deal_key__isnull=False),
                name="opportunity_deal_unique_per_tenant",
            ),
            models.UniqueConstraint(
                fields=["tenant", "lead"],
                condition=models.Q(outcome="open"),
                name="opportunity_one_open_per_lead",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "lead"], name="opportunity_by_lead"),
            models.Index(fields=["tenant", "outcome", "-opened_at", "-id"], name="opportunity_by_outcome"),
            models.Index(fields=["tenant", "sales_rep", "closed_at"], name="opportunity_by_rep"),
        ]

    @property
    def deal_id(self) -> str:
        """The id that it has elsewhere, as a file gave it; empty for none."""
        key = self.deal_key or ""
        return "" if key.startswith(UNNAMED_DEAL) else key
