"""Going over all leads after rules were published."""

from django.db import models

from leads.models.decision import RuleVersion
from tenancy.fields import TenantForeignKey, TenantModel


class Rerun(TenantModel):
    """One going over all of a tenant's leads: how far it has come, so that whoever goes on begins there."""

    version = TenantForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="reruns")
    started_at = models.DateTimeField()
    # The highest lead id that is done.
    position = models.BigIntegerField(default=0)
    done_count = models.BigIntegerField(default=0)
    # Also set when a later one, which goes over the same leads with newer rules, takes its place.
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "version", "-id"], name="rerun_by_version")]
