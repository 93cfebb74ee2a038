"""A tag that is being called otherwise, put together with another one, or taken away, lead by lead."""

from django.db import models

from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class TagChange(TenantModel):
    """One tag on its way to another name, which leads may have already, or to none."""

    tag = models.CharField(max_length=80)
    # Null takes the tag away.
    target = models.CharField(max_length=80, null=True)
    made_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField()
    done_count = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "tag"],
                condition=models.Q(finished_at__isnull=True),
                name="tag_change_one_at_a_time",
            )
        ]
