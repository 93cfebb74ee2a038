"""The lead: who the person is (wide, seldom rewritten) and how the person stands (narrow, hot)."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.models.company import Company
from leads.models.stage import Stage
from tenancy.fields import TenantForeignKey, TenantKey, TenantModel, TenantOneToOneField
from tenancy.models import Membership, Team


class EmailKind(models.TextChoices):
    BUSINESS = "business", _("Business")
    FREE = "free", _("Free mail")
    DISPOSABLE = "disposable", _("Disposable")


class Seniority(models.TextChoices):
    """Standing in the company, lowest first; other texts are kept as given."""

    ENTRY = "entry", _("Entry")
    SENIOR = "senior", _("Senior")
    MANAGER = "manager", _("Manager")
    DIRECTOR = "director", _("Director")
    VP = "vp", _("Vice-president")
    C_LEVEL = "c_level", _("C-level")
    PARTNER = "partner", _("Partner")
    OWNER = "owner", pgettext_lazy("seniority", "Owner")


class Grade(models.IntegerChoices):
    """Letter for fit; the ordinal is stored, so grades compare as numbers."""

    F = 0, "F"
    D_MINUS = 1, "D-"
    D = 2, "D"
    D_PLUS = 3, "D+"
    C_MINUS = 4, "C-"
    C = 5, "C"
    C_PLUS = 6, "C+"
    B_MINUS = 7, "B-"
    B = 8, "B"
    B_PLUS = 9, "B+"
    A_MINUS = 10, "A-"
    A = 11, "A"
    A_PLUS = 12, "A+"


class Origin(TenantModel):
    """Where leads come from: the folded key that leads carry, and the first spelling seen."""

    key = models.CharField(max_length=120)
    label = models.CharField(_("label"), max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="origin_key_unique_per_tenant")]


class KeptPerson(TenantModel):
    """A person named by a file who is not a user: one for each text, in whichever roles."""

    text = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "text"], name="kept_person_once_per_text")]

    def __str__(self) -> str:
        return self.text


class Lead(TenantModel):
    """A person who may buy. Empty text is stored as null, so that unknown stays unknown in conditions."""

    external_id = models.CharField(_("external id"), max_length=200, null=True)
    # Trimmed, lower case, IDNA domain: the identity itself, so that a plain unique index serves it.
    email = models.CharField(_("e-mail"), max_length=254, null=True)
    email_kind = models.CharField(_("kind of e-mail"), max_length=10, choices=EmailKind.choices, null=True)
    name = models.CharField(_("name"), max_length=200, null=True)
    name_key = models.CharField(max_length=200, null=True)
    first_name = models.CharField(_("first name"), max_length=100, null=True)
    last_name = models.CharField(_("last name"), max_length=100, null=True)
    phone = models.CharField(_("phone"), max_length=40, null=True)
    job_title = models.CharField(_("job title"), max_length=200, null=True)
    seniority = models.CharField(_("seniority"), max_length=40, null=True)
    company = TenantForeignKey(
        Company, on_delete=models.SET_NULL, null=True, related_name="leads", verbose_name=_("company")
    )
    country = models.CharField(_("country"), max_length=2, null=True)
    state = models.CharField(_("state"), max_length=80, null=True)
    city = models.CharField(_("city"), max_length=120, null=True)
    postal_code = models.CharField(_("postal code"), max_length=20, null=True)
    language = models.CharField(_("language"), max_length=16, null=True)
    time_zone = models.CharField(_("time zone"), max_length=64, null=True)
    origin = models.CharField(_("origin"), max_length=120, null=True)
    campaign = models.CharField(_("campaign"), max_length=200, null=True)
    medium = models.CharField(_("medium"), max_length=120, null=True)
    landing_page = models.CharField(_("landing page"), max_length=500, null=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    # The instant before which the lead was not known to us, whatever created_at a file says.
    recorded_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(email__isnull=False),
                name="lead_email_unique_per_tenant",
            ),
            models.UniqueConstraint(
                fields=["tenant", "external_id"],
                condition=models.Q(external_id__isnull=False),
                name="lead_external_id_unique_per_tenant",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at", "-id"], name="lead_newest"),
            models.Index(fields=["tenant", "name_key", "id"], name="lead_by_name"),
            # By which deals and events of files find their leads.
            models.Index(
                fields=["tenant", "phone"], condition=models.Q(phone__isnull=False), name="lead_by_phone"
            ),
            models.Index(fields=["tenant", "origin", "-created_at", "-id"], name="lead_by_origin"),
            models.Index(
                fields=["tenant", "company"],
                condition=models.Q(company__isnull=False),
                name="lead_by_company",
            ),
            models.Index(
                fields=["tenant", "campaign"],
                condition=models.Q(campaign__isnull=False),
                name="lead_by_campaign",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.external_id or self.phone or f"#{self.pk}"


# Earliest clock first, those without one last; then the best grade, the highest score, the oldest lead.
WAITING_ORDER = ("clock_due_at", "-grade", "-score", "lead")

# The orders of a list that the standing gives, and the columns by which lists are filtered.
LIST_ORDERS = {"created": "created_at", "score": "score", "grade": "grade", "time": "stage_at"}
LISTED_BY = (*LIST_ORDERS.values(), "owner_marketing", "owner_sdr", "owner_sales")


class LeadState(TenantModel):
    """Stage, score, grade and owners of one lead: written only by pipeline steps and acts, and only when they change."""

    tenant = TenantKey(loose=True)
    lead = TenantOneToOneField(Lead, on_delete=models.CASCADE, primary_key=True, related_name="standing")
    stage = models.CharField(_("stage"), max_length=12, choices=Stage.choices, default=Stage.NEW)
    stage_at = models.DateTimeField(_("in stage since"))
    # The lead's own, kept in step by the database, so that lists by stage, score or owner are in this order without a join.
    created_at = models.DateTimeField(_("created"))
    # The act that brought the lead there and the reason it was given (see StageChange).
    stage_act = models.CharField(max_length=20, default="")
    stage_reason = models.CharField(max_length=64, default="")
    # Ordinal in FORWARD_STAGES of the furthest stage ever.
    furthest_stage = models.SmallIntegerField(default=0)
    score = models.IntegerField(_("score"), default=0)
    grade = models.SmallIntegerField(_("grade"), choices=Grade.choices, default=Grade.D)
    last_event_at = models.DateTimeField(_("last event"), null=True)
    # Of the events that a positive scoring rule counts: a lead in nurture needs one after it came there to rise again.
    last_positive_at = models.DateTimeField(null=True)
    # Null for a lead that only files tell of: until its next live event nothing promotes, routes, times or enrols it.
    live_since = models.DateTimeField(null=True)
    # A form asked for a call, a price or a demo, and that has not yet led to mql.
    asked_for_contact_at = models.DateTimeField(null=True)
    # Set by nurturing when the lead last entered a sequence: what a waiting clock looks at.
    enrolled_at = models.DateTimeField(null=True)
    owner_marketing = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    owner_sdr = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    owner_sales = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    kept_sdr = TenantForeignKey(KeptPerson, on_delete=models.SET_NULL, null=True, related_name="+")
    kept_sales = TenantForeignKey(KeptPerson, on_delete=models.SET_NULL, null=True, related_name="+")
    team_sdr = TenantForeignKey(Team, on_delete=models.SET_NULL, null=True, related_name="+")
    team_sales = TenantForeignKey(Team, on_delete=models.SET_NULL, null=True, related_name="+")
    # Set while the SDR owner holds the lead by a claim that lapses without an act.
    claimed_until = models.DateTimeField(null=True)
    # When the most urgent open clock is due, written with the clocks: what the queue and the inbox are ordered by.
    clock_due_at = models.DateTimeField(null=True)
    # Who was last told that the lead is theirs, and of which coming into a stage people were last told.
    told_owner = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    told_stage_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(score__gte=0), name="lead_state_score_from_zero"),
            models.CheckConstraint(
                condition=models.Q(grade__gte=0, grade__lte=12), name="lead_state_grade_in_scale"
            ),
            models.CheckConstraint(condition=models.Q(stage__in=Stage.values), name="lead_state_stage_known"),
        ]
        indexes = [
            # The orders of a list: a stage is a range of each, the whole a merge of eight. What else is often filtered by stands
            # beside, so that leads that don't match are passed without a look at the table.
            *(
                models.Index(
                    fields=["tenant", "stage", f"-{column}", "-lead"],
                    include=[each for each in LISTED_BY if each != column],
                    name=f"lead_state_stage_{name}",
                )
                for name, column in LIST_ORDERS.items()
            ),
            models.Index(
                fields=["tenant", "owner_marketing", "stage", "-created_at", "-lead"],
                include=["score", "grade", "stage_at"],
                condition=models.Q(owner_marketing__isnull=False),
                name="lead_state_of_marketing",
            ),
            models.Index(
                fields=["tenant", "owner_sdr", "stage", "-created_at", "-lead"],
                include=["score", "grade", "stage_at"],
                condition=models.Q(owner_sdr__isnull=False),
                name="lead_state_of_sdr",
            ),
            models.Index(
                fields=["tenant", "owner_sales", "stage", "-created_at", "-lead"],
                include=["score", "grade", "stage_at"],
                condition=models.Q(owner_sales__isnull=False),
                name="lead_state_of_sales",
            ),
            # The SDR's queue and the sales rep's inbox: one's own leads, and those that wait for anybody of a team.
            models.Index(
                fields=["tenant", "owner_sdr", *WAITING_ORDER],
                condition=models.Q(owner_sdr__isnull=False, stage__in=["mql", "working"]),
                name="lead_state_queue_own",
            ),
            models.Index(
                fields=["tenant", "team_sdr", *WAITING_ORDER],
                condition=models.Q(owner_sdr__isnull=True, stage__in=["mql", "working"]),
                name="lead_state_queue_free",
            ),
            models.Index(
                fields=["tenant", "owner_sales", *WAITING_ORDER],
                condition=models.Q(owner_sales__isnull=False, stage="sql"),
                name="lead_state_inbox_own",
            ),
            models.Index(
                fields=["tenant", "team_sales", *WAITING_ORDER],
                condition=models.Q(owner_sales__isnull=True, stage="sql"),
                name="lead_state_inbox_free",
            ),
        ]


class LeadTag(TenantModel):
    """One tag of one lead."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="tags")
    tag = models.CharField(max_length=80)
    # The lead's, kept in step by the database.
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "lead", "tag"], name="lead_tag_once")]
        indexes = [models.Index(fields=["tenant", "tag", "-created_at", "-lead"], name="lead_tag_newest")]
