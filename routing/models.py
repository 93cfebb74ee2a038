"""Whose turn it is, and until when: calendars, pools, clocks."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models import Lead, RuleVersion
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership, TeamFunction


class Calendar(TenantModel):
    """Opening hours. How time is counted under them: ``routing.business_time``."""

    name = models.CharField(_("name"), max_length=80)
    time_zone = models.CharField(_("time zone"), max_length=64)
    # {"mon": [["09:00", "18:00"]], …}; an absent weekday is closed.
    week = models.JSONField(_("opening hours"))
    # ISO 3166 alpha-2 of the country whose national holidays are kept; null for none.
    holiday_country = models.CharField(_("national holidays of"), max_length=2, null=True)
    # Of the country, a state or region whose holidays are kept too, by the code of the holidays package; null for none.
    holiday_subdivision = models.CharField(_("holidays of the state"), max_length=40, null=True)
    # [{"starts_at", "ends_at", "label"}], instants in ISO 8601; {"every": "01-25", "label"} is closed on that day of each year.
    closures = models.JSONField(_("closures"), default=list)
    is_default = models.BooleanField(_("default"), default=False)
    # After a change: the clock up to which deadlines have been counted anew; null when none is left.
    recounted_to = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="calendar_name_once_per_tenant"),
            models.UniqueConstraint(
                fields=["tenant"], condition=models.Q(is_default=True), name="calendar_one_default_per_tenant"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PoolTakes(models.TextChoices):
    """Who stands in a pool."""

    MEMBERS = "members", _("Named members")
    # Whoever has the role of the pool's function; while nobody has it, the administrators.
    FUNCTION = "function", _("Everyone of the function")


class Pool(TenantModel):
    """People among whom leads are shared in turn. Whoever shares leads out locks the row first."""

    key = models.SlugField(_("key"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    function = models.CharField(_("function"), max_length=9, choices=TeamFunction.choices)
    takes = models.CharField(
        _("who stands in it"), max_length=8, choices=PoolTakes.choices, default=PoolTakes.MEMBERS
    )
    # How many leads the pool has shared out.
    turn = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], name="pool_key_once_per_tenant"),
            models.CheckConstraint(condition=models.Q(turn__gte=0), name="pool_turn_from_zero"),
        ]

    def __str__(self) -> str:
        return self.name


class PoolMember(TenantModel):
    """A member's place in a pool. In a pool of everyone it only remembers the member's last turn."""

    pool = TenantForeignKey(Pool, on_delete=models.CASCADE, related_name="places")
    member = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="pool_places")
    position = models.IntegerField(_("position"), default=0)
    # The pool's turn at which the member got a lead last; 0 before the first.
    last_turn = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "pool", "member"], name="pool_member_once"),
            models.CheckConstraint(condition=models.Q(last_turn__gte=0), name="pool_member_turn_from_zero"),
        ]
        indexes = [models.Index(fields=["tenant", "member"], name="pool_member_by_member")]


class ClockKind(models.TextChoices):
    FIRST_CONTACT = "first_contact", _("First contact")
    ASKED_FOR_CONTACT = "asked_for_contact", _("Asked for contact")
    ANSWER_SQL = "answer_sql", _("Answer the SQL")
    BACK_TO_NURTURE = "back_to_nurture", _("Back to nurture")


class ClockState(models.TextChoices):
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    MET = "met", _("Met")
    # Past its deadline and still waited for; met late it becomes met and keeps broken_at.
    BROKEN = "broken", _("Broken")
    CANCELLED = "cancelled", _("Cancelled")


OPEN_STATES = (ClockState.RUNNING, ClockState.PAUSED, ClockState.BROKEN)


class Clock(TenantModel):
    """A promise about one lead in one visit to a stage: done by ``due_at``, or somebody is told."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="clocks")
    kind = models.CharField(_("kind"), max_length=17, choices=ClockKind.choices)
    state = models.CharField(_("state"), max_length=9, choices=ClockState.choices, default=ClockState.RUNNING)
    # The visit: the later of the lead's stage_at and live_since when the clock was started.
    entered_at = models.DateTimeField()
    # From here the time is counted: in business time the opening that the start fell into or came before.
    started_at = models.DateTimeField(_("started"))
    due_at = models.DateTimeField(_("due"))
    met_at = models.DateTimeField(_("met"), null=True)
    # The deadline, once it has passed unmet.
    broken_at = models.DateTimeField(_("broken"), null=True)
    # The last share of the time, in per cent, that was acted on, and the next one; null when none is left.
    level = models.SmallIntegerField(default=0)
    next_share = models.SmallIntegerField(null=True)
    # The policy it runs under to its end, whatever is published meanwhile.
    version = TenantForeignKey(RuleVersion, on_delete=models.PROTECT, related_name="+")
    # Null where the time is elapsed time.
    calendar = TenantForeignKey(Calendar, on_delete=models.PROTECT, null=True, related_name="+")
    # The owner when the deadline passed.
    responsible = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("clock")
        verbose_name_plural = _("clocks")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "lead", "kind", "entered_at"], name="clock_once_per_visit"
            ),
            models.CheckConstraint(condition=models.Q(state__in=ClockState.values), name="clock_state_known"),
            models.CheckConstraint(
                condition=models.Q(due_at__gte=models.F("started_at")), name="clock_due_after_start"
            ),
            models.CheckConstraint(
                condition=models.Q(state="met", met_at__isnull=False)
                | models.Q(state__in=["running", "paused", "broken", "cancelled"], met_at__isnull=True),
                name="clock_met_has_its_time",
            ),
            models.CheckConstraint(
                condition=models.Q(state="broken", broken_at__isnull=False)
                | models.Q(state__in=["running", "paused"], broken_at__isnull=True)
                | models.Q(state__in=["met", "cancelled"]),
                name="clock_broken_has_its_time",
            ),
        ]
        # No index stands on what changes while a clock runs, so that its row is rewritten in its page.
