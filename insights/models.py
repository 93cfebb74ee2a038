"""Campaigns: by what their leads are recognised, and what they cost."""

from typing import Any

from django.apps.registry import Apps
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantForeignKey, TenantManager, TenantModel
from tenancy.models import Membership


class Campaign(TenantModel):
    """Something that marketing did to bring leads, in a period of local days, both inclusive; null is open-ended."""

    name = models.CharField(_("name"), max_length=120)
    starts_on = models.DateField(_("first day"), null=True, blank=True)
    ends_on = models.DateField(_("last day"), null=True, blank=True)
    owner = TenantForeignKey(
        Membership, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("owner")
    )
    note = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="campaign_name_unique_per_tenant"),
            models.CheckConstraint(
                condition=models.Q(starts_on__isnull=True)
                | models.Q(ends_on__isnull=True)
                | models.Q(ends_on__gte=models.F("starts_on")),
                name="campaign_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignSign(TenantModel):
    """One way to recognise a campaign's contacts: all of its values that are not null have to be theirs.

    ``campaign_value`` is utm_campaign as leads carry it, ``origin`` and ``medium`` come from utm_source and utm_medium.
    """

    campaign = TenantForeignKey(Campaign, on_delete=models.CASCADE, related_name="signs")
    campaign_value = models.CharField(max_length=200, null=True)
    origin = models.CharField(max_length=120, null=True)
    medium = models.CharField(max_length=120, null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(campaign_value__isnull=False) | models.Q(origin__isnull=False),
                name="campaign_sign_says_something",
            )
        ]
        indexes = [models.Index(fields=["tenant", "campaign"], name="campaign_sign_by_campaign")]


class CampaignSpend(TenantModel):
    """Money spent on a campaign on a day, or in a month (then the day is its first)."""

    campaign = TenantForeignKey(Campaign, on_delete=models.CASCADE, related_name="spends")
    spent_on = models.DateField(_("day"))
    is_month = models.BooleanField(default=False)
    # In minor units of the tenant's currency.
    amount_minor = models.BigIntegerField(_("amount"))
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gte=0), name="campaign_spend_from_zero")
        ]
        indexes = [models.Index(fields=["tenant", "campaign", "-spent_on"], name="campaign_spend_by_day")]


class CampaignTally(TenantModel):
    """A campaign's numbers as a worker counted them, for accounts in which counting takes longer than a page may."""

    campaign = TenantForeignKey(Campaign, on_delete=models.CASCADE, related_name="tallies")
    # Counted by any touch; else by the first contact.
    is_any = models.BooleanField()
    counted_at = models.DateTimeField()
    # How long counting took: whether it can be done while somebody waits.
    took_ms = models.IntegerField()
    touched = models.BigIntegerField()
    brought = models.BigIntegerField()
    leads = models.BigIntegerField()
    # By stage.
    reached = models.JSONField()
    revenue_minor = models.BigIntegerField()
    others = models.BigIntegerField()
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "campaign", "is_any"], name="campaign_tally_once")
        ]


class CampaignLead(models.Model):
    """A lead that a campaign brought or touched: a view over signs, leads and their touches, one row a campaign and lead.

    ``is_first`` says that the lead's first contact was the campaign's, ``contact_at`` when the first of these contacts was.
    """

    key = models.CharField(max_length=20)
    campaign_id = models.BigIntegerField()
    lead = models.BigIntegerField(primary_key=True)
    contact_at = models.DateTimeField()
    is_first = models.BooleanField()

    objects: Any = TenantManager()

    class Meta:
        # No table: a registry of its own keeps it from all that migrates, empties or deletes tables.
        apps = Apps()
        app_label = "insights"
        managed = False
        db_table = "insights_campaignlead"
