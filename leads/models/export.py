"""Lists as files to be downloaded."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import StoredFile
from core.saved_views.files import Columns
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class ExportState(models.TextChoices):
    BUILDING = "build", _("Being built")
    DONE = "done", _("Ready")
    FAILED = "failed", _("Failed")


class ListExport(TenantModel):
    """The rows of one list as a file for the one who asked for it: how far it has been built, and where it is."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX"

    list_kind = models.CharField(max_length=40, default="leads", db_default="leads")
    made_by = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    made_at = models.DateTimeField()
    format = models.CharField(max_length=4, choices=Format.choices)
    columns = models.CharField(max_length=4, choices=Columns.choices)
    # The keys of the columns that the list showed, in order, where these were asked for.
    column_keys = models.JSONField(default=list, db_default=[])
    # The address of the list, and the same in words for the audit log.
    query = models.JSONField()
    query_words = models.TextField()
    # Of the page on which it was asked for; empty: its maker's (tenancy.selectors.language_of).
    language = models.CharField(max_length=5, default="", db_default="")
    state = models.CharField(max_length=6, choices=ExportState.choices, default=ExportState.BUILDING)
    # After which row the next batch begins; empty at the first.
    cursor = models.TextField(default="")
    row_count = models.IntegerField(default=0)
    # How many rows there were when it was asked for; null if that was not counted.
    expected = models.IntegerField(null=True)
    batch_count = models.IntegerField(default=0)
    # What has been built: CSV as it is downloaded; rows as JSON for a workbook, which is written at the end.
    file = TenantForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    finished_at = models.DateTimeField(null=True)
    problem = models.TextField(default="")

    class Meta:
        db_table = "leads_leadexport"
        indexes = [models.Index(fields=["tenant", "made_by", "-id"], name="lead_export_by_maker")]
