"""What came in from outside, kept raw before it is processed."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.models import StoredFile
from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantKey, TenantModel
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
    # A form's field that people don't see was filled in: refused, and kept for a look.
    is_spam = models.BooleanField(default=False, db_default=False)

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
                fields=["tenant", "state", "id"],
                condition=models.Q(state__in=["received", "held"]),
                name="submission_unfinished_by_state",
            ),
            models.Index(
                fields=["tenant", "lead"], condition=models.Q(lead__isnull=False), name="submission_by_lead"
            ),
            # A form's submissions, the newest first, and how many came to what.
            models.Index(
                fields=["tenant", "form", "-received_at", "-id"],
                include=["state", "response_status", "is_spam"],
                condition=models.Q(form__isnull=False),
                name="submission_by_form",
            ),
        ]


class CaptureForm(TenantModel):
    """A hosted form: which fields it asks for, the consent it shows, what its submissions mean."""

    key = models.SlugField(max_length=64)
    # Known before a tenant is: resolved by an audited function.
    public_id = models.UUIDField(unique=True)
    name = models.CharField(_("name"), max_length=120)
    # As leads.capture.form_documents reads it.
    document = models.JSONField()
    is_open = models.BooleanField(_("takes submissions"), default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], name="capture_form_key_unique_per_tenant")
        ]


class ImportState(models.TextChoices):
    """How far an import has come. One that a command runs begins at ``running``."""

    READING = "reading", _("Reading the file")
    UNREADABLE = "unread", _("Not readable")
    MAPPING = "mapping", _("Columns to be assigned")
    TRYING = "trying", _("Trying it out")
    TRIED = "tried", _("Tried out, not started")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    STOPPED = "stopped", _("Stopped")


class ImportRun(TenantModel):
    """One file that is or was imported, with its counts."""

    class Subject(models.TextChoices):
        LEADS = "leads", _("Leads")
        # One deal a row; the name is that of the command.
        OUTCOMES = "outcomes", _("Deals")
        EVENTS = "events", _("Events")

    subject = models.CharField(max_length=8, choices=Subject.choices)
    file_name = models.CharField(max_length=255)
    is_live = models.BooleanField(default=False)
    # When the rows began to be taken in; before that, when the file was uploaded.
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    # Of the file and of what decides how it is read: the same again, after a run that did not finish, goes on with it.
    file_hash = models.CharField(max_length=64, default="")
    # The last row that is committed.
    row_number = models.BigIntegerField(default=0)
    state = models.CharField(
        max_length=7, choices=ImportState.choices, default=ImportState.RUNNING, db_default=ImportState.DONE
    )
    # The columns that follow are those of imports by the pages. Nobody made an import by a command.
    made_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    # Of the page on which it was uploaded; empty: its maker's (tenancy.selectors.language_of).
    language = models.CharField(max_length=5, default="", db_default="")
    # As it was uploaded, and its rows (of the sheet that was chosen) in batches: leads.capture.stored_rows.
    file = TenantForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    rows_file = TenantForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    # The same for files with the same names of columns: how one was read is offered for the next.
    layout = models.CharField(max_length=64, default="", db_default="")
    # What the file is (leads.capture.detection.Detected), how it is to be read (leads.capture.assignment.Assignment), and what
    # came of it when it was tried (leads.capture.trial.Trial).
    detected = models.JSONField(null=True)
    assignment = models.JSONField(null=True)
    trial = models.JSONField(null=True)
    # What a program asked for with the file, so that nobody has to say it on a page: leads.capture.ordered_imports.
    orders = models.JSONField(null=True)
    # Why it can't be read, or failed.
    problem = models.TextField(default="", db_default="")
    # How often a worker has begun at it since it last came on.
    attempts = models.SmallIntegerField(default=0, db_default=0)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-started_at"], name="import_run_newest")]

    @property
    def is_by_command(self) -> bool:
        """Whether a command ran it, in its own process: the pages can neither stop it nor go on with it."""
        return self.detected is None and self.state in {ImportState.RUNNING, ImportState.DONE}


class ImportMark(TenantModel):
    """A lead, a deal or an event that an import by the pages has told of, with what first came of it.

    It tells rows that come twice apart from new ones after a worker has died, and the leads of an import from others.
    """

    tenant = TenantKey(loose=True)
    run = TenantForeignKey(ImportRun, on_delete=models.CASCADE, related_name="marks")
    # The id of a lead, of an opportunity or of an event.
    subject = models.BigIntegerField()
    outcome = models.CharField(max_length=9)
    # The lead, or whose deal or event it is, with the run's id as text: conditions ask for it as for a tag.
    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, null=True, related_name="import_marks")
    key = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "subject"], name="import_mark_once")]
        indexes = [
            models.Index(
                fields=["tenant", "key", "lead"],
                condition=models.Q(lead__isnull=False),
                name="import_mark_by_key",
            ),
            models.Index(
                fields=["tenant", "lead", "key"],
                condition=models.Q(lead__isnull=False),
                name="import_mark_by_lead",
            ),
        ]


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
