"""Everything a tenant has as one ZIP: how far it has been built, and where it is."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import StoredFile
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class DataExportState(models.TextChoices):
    WAITING = "waiting", _("Waiting for a worker")
    BUILDING = "building", _("Being built")
    DONE = "done", _("Ready")
    FAILED = "failed", _("Failed")


class DataExport(TenantModel):
    """One request for everything; at most one is under way."""

    asked_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    asked_by_name = models.CharField(max_length=120)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=DataExportState.choices, default=DataExportState.WAITING)
    # How often a worker has begun it; each time is a snapshot and a file of its own.
    attempts = models.SmallIntegerField(default=0)
    # The instant of the snapshot: what was committed then is in the file, and nothing else.
    snapshot_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # The file of the ZIP that is being written, and rows in all: to be written, written.
    part = models.CharField(max_length=60, default="")
    expected = models.BigIntegerField(null=True)
    row_count = models.BigIntegerField(default=0)
    # Rows by file of the ZIP.
    counts = models.JSONField(default=dict)
    file = TenantForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    problem = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(state__in=["waiting", "building"]),
                name="data_export_one_under_way",
            )
        ]
        indexes = [models.Index(fields=["tenant", "-id"], name="data_export_newest")]
