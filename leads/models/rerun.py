"""Going over all leads after rules were published."""

from django.db import models

from leads.models.decision import RuleVersion
from tenancy.fields import TenantForeignKey, TenantModel


class Rerun(TenantModel):
    """One going over all of a tenant's leads, in lanes that several workers take at the same time."""

    version = TenantForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="reruns")
    started_at = models.DateTimeField()
    # The lead id after which the first lane begins.
    position = models.BigIntegerField(default=0)
    # How many leads were done; noted at the end.
    done_count = models.BigIntegerField(default=0)
    # Also set when a later one, which goes over the same leads with newer rules, takes its place.
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "version", "-id"], name="rerun_by_version")]


class RerunLane(TenantModel):
    """A range of lead ids of one rerun: how far it has come, so that whoever goes on begins there."""

    rerun = TenantForeignKey(Rerun, on_delete=models.CASCADE, related_name="lanes")
    # The highest lead id that is done.
    position = models.BigIntegerField()
    # Where the next lane begins; the last lane is open, for leads that are made meanwhile.
    last_id = models.BigIntegerField(null=True)
    done_count = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "rerun"], name="rerun_lane_by_rerun")]
