"""Decisions with their reasons, and the versions of the rules that made them."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantKey, TenantModel
from tenancy.models import Membership


class RuleKind(models.TextChoices):
    SCORING = "scoring", _("Scoring model")
    GRADING = "grading", _("Grade criteria")
    GATES = "gates", _("Stage gates")
    QUALIFICATION = "qualification", _("Qualification")
    REASONS = "reasons", _("Reasons")
    ROUTING = "routing", _("Routing rules")
    CLOCKS = "clocks", _("Clocks")
    SEQUENCE = "sequence", _("Sequence")


class VersionStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    ARCHIVED = "archived", _("Archived")


class RuleVersion(TenantModel):
    """One version of one rule document. Once published its document never changes."""

    kind = models.CharField(max_length=13, choices=RuleKind.choices)
    # Which document of its kind: "main" where there is one, the sequence's or framework's key where there are several.
    name = models.CharField(max_length=64, default="main")
    number = models.IntegerField()
    status = models.CharField(max_length=9, choices=VersionStatus.choices, default=VersionStatus.DRAFT)
    document = models.JSONField()
    content_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    published_at = models.DateTimeField(null=True)
    published_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    # Why it was published, in the words of whoever did.
    note = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "name", "number"], name="rule_version_numbered"
            ),
            models.UniqueConstraint(
                fields=["tenant", "kind", "name"],
                condition=models.Q(status="published"),
                name="rule_version_one_published",
            ),
        ]


class DecisionKind(models.TextChoices):
    SCORE = "score", _("Score")
    GRADE = "grade", _("Grade")
    GATE = "gate", _("Gate")
    OWNER = "owner", _("Owner")
    CLOCK = "clock", _("Clock")
    ENROLLMENT = "enrollment", _("Enrolment")


class Decision(TenantModel):
    """Why a result is what it is: the version, what each rule said, the inputs it read. Written when the result changes."""

    tenant = TenantKey(loose=True)
    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, loose=True, related_name="decisions")
    kind = models.CharField(max_length=10, choices=DecisionKind.choices)
    # What the decision is about within its kind: the gate, the function, the kind of clock, the sequence.
    topic = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()
    version = TenantForeignKey(
        RuleVersion, on_delete=models.SET_NULL, loose=True, null=True, related_name="+"
    )
    result = models.CharField(max_length=120)
    # Scores: {"points": {rule id: points}}. Others: {"rules": [...], "inputs": {...}}; personal values only as inputs,
    # which erasure purges in place.
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["tenant", "lead", "kind", "topic", "-id"], name="decision_newest")]
