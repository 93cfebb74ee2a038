"""Leads that may be the same person, those that were made one, and by what else a lead is known since then."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class IdentityKind(models.TextChoices):
    EMAIL = "email", _("E-mail")
    EXTERNAL_ID = "external_id", _("External id")


class LeadAlias(TenantModel):
    """An e-mail or external id of a lead that was merged into this one: whoever sends it means this one."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="aliases")
    kind = models.CharField(max_length=11, choices=IdentityKind.choices)
    value = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "value"], name="lead_alias_of_one_lead")
        ]
        indexes = [models.Index(fields=["tenant", "lead"], name="lead_alias_by_lead")]


class DuplicateReason(models.TextChoices):
    """Why two leads may be the same person."""

    PHONE = "phone", _("Same phone")
    NAME_AND_COMPANY = "name_and_company", _("Same name and company")
    SAME_ADDRESS = "same_address", _("Same e-mail, written otherwise")
    SIMILAR_ADDRESS = "similar_address", _("E-mail differs by one letter")


class DuplicateProposal(TenantModel):
    """Two leads that may be the same person. One that was dismissed is kept, so that it is never proposed again."""

    first = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    # The newer of the two.
    second = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    reasons = ArrayField(models.CharField(max_length=16, choices=DuplicateReason.choices))
    # Per cent.
    confidence = models.SmallIntegerField()
    found_at = models.DateTimeField()
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "first", "second"], name="duplicate_proposal_once"),
            models.CheckConstraint(condition=Q(first__lte=F("second")), name="duplicate_proposal_in_order"),
        ]
        indexes = [
            models.Index(fields=["tenant", "second"], name="duplicate_proposal_of_second"),
            models.Index(
                fields=["tenant", "-confidence", "-id"],
                condition=Q(dismissed_at__isnull=True),
                name="duplicate_proposal_likeliest",
            ),
        ]


class LeadMerge(TenantModel):
    """One lead that was made part of another, with the exact record by which it can be taken apart again."""

    survivor = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="merges")
    # The lead that is gone; it gets its number back.
    loser_id = models.BigIntegerField()
    loser_name = models.CharField(max_length=254)
    merged_at = models.DateTimeField()
    merged_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    undo_until = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    # leads.merging.records.Record as JSON; emptied when it can no longer be undone. Holds personal values.
    record = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "loser_id"],
                condition=Q(undone_at__isnull=True),
                name="lead_merge_once_per_loser",
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "survivor", "-id"], name="lead_merge_by_survivor"),
            models.Index(fields=["tenant", "-merged_at", "-id"], name="lead_merge_newest"),
        ]


class DuplicateSearch(TenantModel):
    """One going over all leads in search of duplicates, reason by reason, slice by slice."""

    started_at = models.DateTimeField()
    # How many of the reasons are done.
    step = models.SmallIntegerField(default=0)
    # Of the reason that is being looked for: slices that are done, of how many, and the pairs found so far: [[id, id, per cent]].
    slice = models.SmallIntegerField(default=0, db_default=0)
    slices = models.SmallIntegerField(default=0, db_default=0)
    found = models.JSONField(default=list, db_default=[])
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-id"], name="duplicate_search_newest")]
