"""Persons who were erased: the proof of it, which names nobody, and the hashes by which they are kept out."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class ErasureState(models.TextChoices):
    WAITING = "waiting", _("Under way")
    DONE = "done", _("Erased")
    FAILED = "failed", _("Failed")


class Erasure(TenantModel):
    """One person who was erased, and what of them: no value of theirs stands here."""

    # A plain number: what is left of the lead says only where it stood.
    lead_number = models.BigIntegerField()
    asked_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    asked_by_name = models.CharField(max_length=120)
    asked_at = models.DateTimeField()
    # On what ground: the number of a request, an article of the law. Whoever writes it is told to name nobody.
    ground = models.CharField(_("ground"), max_length=200, blank=True)
    keeps_out = models.BooleanField(default=True)
    state = models.CharField(max_length=7, choices=ErasureState.choices, default=ErasureState.WAITING)
    erased_at = models.DateTimeField(null=True)
    # SHA-256 of the e-mail address, else of the external id or the phone: who has it can prove whom this is about.
    identity_hash = models.CharField(max_length=64, default="")
    # Rows that were emptied or deleted, by table.
    counts = models.JSONField(default=dict)
    attempts = models.SmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "lead_number"],
                condition=models.Q(state="waiting"),
                name="erasure_one_under_way",
            )
        ]
        indexes = [models.Index(fields=["tenant", "-asked_at", "-id"], name="erasure_newest")]


class ErasedIdentity(TenantModel):
    """The hash of an e-mail address, external id or phone that is not taken in again."""

    hash = models.CharField(max_length=64)
    erasure = TenantForeignKey(Erasure, on_delete=models.CASCADE, related_name="identities")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "hash"], name="erased_identity_once")]
