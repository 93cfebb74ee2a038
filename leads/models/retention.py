"""How long what is kept: the rules that an administrator has set, and what they last took."""

from django.db import models

from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class RetentionRule(TenantModel):
    """One rule that is on; without a row it is off. Its work is done at night, batch by batch."""

    # Of leads.retention.kinds.
    key = models.CharField(max_length=20)
    months = models.SmallIntegerField()
    set_at = models.DateTimeField()
    set_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    # Of the run that is under way: since when, after which row it goes on, how many it has taken.
    began_at = models.DateTimeField(null=True)
    position = models.BigIntegerField(default=0)
    taken = models.BigIntegerField(default=0)
    # Of the last run that ended.
    last_at = models.DateTimeField(null=True)
    last_taken = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], name="retention_rule_once"),
            models.CheckConstraint(condition=models.Q(months__gt=0), name="retention_rule_from_one_month"),
        ]
