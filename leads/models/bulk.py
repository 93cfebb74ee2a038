"""Acts on many leads: which, on whom, and what came of each."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class BulkState(models.TextChoices):
    CHOOSING = "choose", _("Looking up the leads")
    RUNNING = "run", _("Under way")
    DONE = "done", _("Done")
    STOPPED = "stopped", _("Stopped")
    FAILED = "failed", _("Failed")


class BulkOutcome(models.TextChoices):
    APPLIED = "applied", _("Changed")
    UNCHANGED = "same", _("Already so")
    REFUSED = "refused", _("Not possible")


class BulkRun(TenantModel):
    """One act on the leads that matched when it was begun, done batch by batch."""

    act = models.CharField(max_length=40)
    # As the act reads them, and the same in words.
    values = models.JSONField(default=dict)
    words = models.TextField()
    # Which leads: those behind the rows of a list, by its address and in words.
    list_kind = models.CharField(max_length=40, default="leads", db_default="leads")
    query = models.JSONField(default=dict)
    query_words = models.TextField()
    # Of the page on which it was asked for; empty: its maker's (tenancy.selectors.language_of).
    language = models.CharField(max_length=5, default="", db_default="")
    made_by = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    made_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=BulkState.choices, default=BulkState.CHOOSING)
    total = models.IntegerField(default=0)
    applied = models.IntegerField(default=0)
    unchanged = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(default=0)
    problem = models.TextField(default="")
    # The run that this one takes back.
    undoes = TenantForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="undone_by")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "undoes"],
                condition=models.Q(undoes__isnull=False),
                name="bulk_run_undone_once",
            )
        ]
        indexes = [models.Index(fields=["tenant", "-id"], name="bulk_run_newest")]


class BulkLead(TenantModel):
    """One lead that an act is to be done on; without an outcome it waits."""

    run = TenantForeignKey(BulkRun, on_delete=models.CASCADE, related_name="leads")
    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=7, choices=BulkOutcome.choices, null=True)
    # Why it was not possible, in the words of whoever asked for it.
    why = models.CharField(max_length=300, default="")
    # How it was before, as far as the act can be taken back.
    before = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "lead"], name="bulk_lead_once")]
        indexes = [
            models.Index(
                fields=["tenant", "run", "lead"],
                condition=models.Q(outcome__isnull=True),
                name="bulk_lead_waiting",
            ),
            models.Index(fields=["tenant", "run", "outcome", "lead"], name="bulk_lead_by_outcome"),
        ]
