"""Consent, or another lawful basis, for each purpose."""

from django.db import models

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantModel


class Consent(TenantModel):
    """One lawful basis given for one purpose, with what proves it; withdrawn, never deleted."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=64)
    basis = models.CharField(max_length=64)
    # The words agreed to, or the name of their version.
    text = models.TextField(blank=True)
    given_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    source = models.CharField(max_length=64)
    # Network address, form and browser where known: what an authority asks for. Purged in place by erasure.
    proof = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["tenant", "lead", "purpose", "-given_at"], name="consent_by_lead")]
