"""What came in from outside, kept raw before it is processed."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import ApiKey, Membership


class SubmissionState(models.TextChoices):
    RECEIVED = "received", _("Received")
    PROCESSED = "processed", _("Processed")
    HELD = "held", _("Held")
    REFUSED = "refused", _("Refused")


class Submission(TenantModel):
    """One raw submission, committed before anything is made of it."""

    class Source(models.TextChoices):
        API = "api", _("API")
        FORM = "form", _("Form")
        MANUAL = "manual", _("By hand")

    source = models.CharField(max_length=8, choices=Source.choices)
    payload = models.JSONField()
    received_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=9, choices=SubmissionState.choices, default=SubmissionState.RECEIVED)
    api_key = TenantForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="+")
    member = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    form = TenantForeignKey(
        "leads.CaptureForm", on_delete=models.SET_NULL, null=True, related_name="submissions"
    )
    idempotency_key = models.CharField(max_length=200, null=True)
    body_hash = models.CharField(max_length=64, null=True)
    # What the first caller was answered, for a replay.
    response_status = models.SmallIntegerField(null=True)
    response_body = models.JSONField(null=True)
    lead = TenantForeignKey(Lead, on_delete=models.SET_NULL, null=True, related_name="submissions")
    attempts = models.SmallIntegerField(default=0)
    error = models.TextField(blank=True)
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                condition=models.Q(idempotency_key__isnull=False),
                name="submission_idempotency_key_unique_per_tenant",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "id"],
                condition=models.Q(state__in=["received", "held"]),
                name="submission_unfinished",
            ),
            models.Index(
                fields=["tenant", "lead"], condition=models.Q(lead__isnull=False), name="submission_by_lead"
            ),
        ]


class CaptureForm(TenantModel):
    """A hosted form: which fields it asks for, the consent it shows, what its submissions mean."""

    key = models.SlugField(max_length=64)
    # Known before a tenant is: resolved by an audited function.
    public_id = models.UUIDField(unique=True)
    name = models.CharField(_("name"), max_length=120)
    # {"kind": "demo", "fields": [{"name", "label", "required"}], "consent": {"purpose", "text"}, "thanks": "…"}
    document = models.JSONField()
    is_open = models.BooleanField(_("takes submissions"), default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], name="capture_form_key_unique_per_tenant")
        ]


class ImportRun(TenantModel):
    """One file that was imported, with its counts."""

    class Subject(models.TextChoices):
        LEADS = "leads", _("Leads")
        OUTCOMES = "outcomes", _("Outcomes")

    subject = models.CharField(max_length=8, choices=Subject.choices)
    file_name = models.CharField(max_length=255)
    is_live = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    # Of the file and of what decides how it is read: the same again, after a run that did not finish, goes on with it.
    file_hash = models.CharField(max_length=64, default="")
    # The last row that is committed.
    row_number = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-started_at"], name="import_run_newest")]


class ImportRefusal(TenantModel):
    """A row that an import refused: as it stood in the file, and why."""

    run = TenantForeignKey(ImportRun, on_delete=models.CASCADE, related_name="refusals")
    row_number = models.BigIntegerField()
    row = models.JSONField()
    errors = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "run", "row_number"], name="import_refusal_by_run")]


class HeldLead(TenantModel):
    """A lead whose processing failed three times: kept with its error until an administrator retries or discards it."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="held")
    step = models.CharField(max_length=64)
    reason = models.JSONField()
    error = models.TextField()
    attempts = models.SmallIntegerField(default=1)
    first_failed_at = models.DateTimeField()
    held_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "lead"], name="held_lead_once")]
        indexes = [models.Index(fields=["tenant", "-held_at"], name="held_lead_newest")]
