"""What is due later, what people are told, files that are kept for a time, which processes live, how lists are liked."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantForeignKey, TenantKey, TenantModel
from tenancy.models import Membership, Team


class DueRow(TenantModel):
    """Something that shall happen at ``due_at`` to one subject: at most one row for each kind and subject, which are its key."""

    pk = models.CompositePrimaryKey("tenant_id", "kind", "subject")
    kind = models.CharField(max_length=40)
    # The id of whatever the kind is about: a lead, a clock, an enrolment.
    subject = models.BigIntegerField()
    due_at = models.DateTimeField()
    # Of a kind that several workers may act on at once: rows of two lanes are about nothing in common.
    lane = models.SmallIntegerField(default=0, db_default=0)
    attempts = models.SmallIntegerField(default=0)
    error = models.TextField(blank=True)
    # Set after too many failures: kept with its error, acted on no more until somebody retries it.
    held_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # The tenant comes second: one scan finds every tenant with something due.
            models.Index(
                fields=["due_at", "tenant"], condition=models.Q(held_at__isnull=True), name="due_row_next"
            ),
            models.Index(
                fields=["tenant", "kind", "due_at"],
                condition=models.Q(held_at__isnull=True),
                name="due_row_of_kind",
            ),
            models.Index(
                fields=["tenant", "kind"], condition=models.Q(held_at__isnull=False), name="due_row_held"
            ),
        ]


class Notification(TenantModel):
    """One thing one member is told: its kind and values, worded when it is shown, in the reader's language."""

    tenant = TenantKey(loose=True)
    member = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=40)
    values = models.JSONField(default=dict)
    # The lead it is about, if any; core knows no leads, so this is a plain number.
    lead_id = models.BigIntegerField(null=True)
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "member", "-at", "-id"], name="notification_newest"),
            models.Index(
                fields=["tenant", "member"],
                condition=models.Q(read_at__isnull=True),
                name="notification_unread",
            ),
        ]


class StoredFile(TenantModel):
    """A file that was uploaded or built, until it expires. Its content is pieces of rows, which every process can read."""

    name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "expires_at"], name="stored_file_by_expiry")]


class StoredPiece(TenantModel):
    """One piece of a stored file."""

    file = TenantForeignKey(StoredFile, on_delete=models.CASCADE, related_name="pieces")
    number = models.IntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "file", "number"], name="stored_piece_once")]


class ProcessPulse(models.Model):
    """A web, worker or beat process of the installation, and when it was last seen alive. Belongs to no tenant."""

    class Role(models.TextChoices):
        WEB = "web", _("Web")
        WORKER = "worker", _("Worker")
        BEAT = "beat", _("Beat")

    role = models.CharField(max_length=6, choices=Role.choices)
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    version = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    # Of the database's clock, so that machines whose clocks differ are compared by one.
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "pid", "role"], name="process_pulse_once")]


class WebhookEndpoint(TenantModel):
    """An address of another system that wants to be told."""

    url = models.CharField(_("address"), max_length=500)
    description = models.CharField(_("description"), max_length=200, blank=True)
    event_types = ArrayField(models.CharField(max_length=64), verbose_name=_("tell of"))
    is_on = models.BooleanField(_("switched on"), default=True)
    # What happened before is not told: set when it is made, switched on, or wants other types.
    listens_since = models.DateTimeField()
    # Sealed (core.sealing): whoever reads the database alone cannot sign.
    secret = models.TextField()
    former_secret = models.TextField(null=True)
    # Until then both secrets sign.
    former_until = models.DateTimeField(null=True)
    # The first of the failures since the last success.
    failing_since = models.DateTimeField(null=True)
    # Left alone until then: it did not answer.
    paused_until = models.DateTimeField(null=True)
    # Set when it was switched off for failing, until somebody switches it on again.
    gave_up_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")


class WebhookDelivery(TenantModel):
    """One event that one endpoint is told: written with what happened, sent until it is taken or given up."""

    class State(models.TextChoices):
        PENDING = "pending", _("On its way")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    endpoint = TenantForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    # webhook-id on the wire: the same each time it is sent.
    message_id = models.CharField(max_length=40)
    event_type = models.CharField(max_length=64)
    # What makes the event one: told once, however often it is found.
    event_key = models.CharField(max_length=120)
    occurred_at = models.DateTimeField()
    payload = models.JSONField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    # Since it was made, or since it was sent again by hand.
    attempts = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    # Of the attempt that is under way, and until when nobody else takes the delivery.
    attempt_token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "endpoint", "event_key"], name="webhook_delivery_once_per_event"
            )
        ]
        indexes = [models.Index(fields=["tenant", "endpoint", "-id"], name="webhook_delivery_newest")]


class WebhookAttempt(TenantModel):
    """One time that a delivery was sent, and what came of it."""

    delivery = TenantForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    milliseconds = models.IntegerField()
    # Of the answer; null where there was none, and error says why.
    status = models.SmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    # The beginning of the answer.
    body = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "delivery", "id"], name="webhook_attempt_of_delivery")]


class SavedView(TenantModel):
    """A list as somebody likes to see it: what narrows it, its order, its columns. With a filter it is a segment."""

    class Sharing(models.TextChoices):
        ME = "me", _("Only me")
        TEAM = "team", _("A team")
        EVERYONE = "all", _("Everyone")

    # The key of the list (core.saved_views.kinds).
    kind = models.CharField(max_length=20)
    name = models.CharField(_("name"), max_length=60)
    made_by = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    sharing = models.CharField(_("who sees it"), max_length=4, choices=Sharing.choices, default=Sharing.ME)
    # With which team it is shared; a view of a team that is gone is its maker's.
    team = TenantForeignKey(Team, on_delete=models.SET_NULL, null=True, related_name="+")
    # As the address of the list has them, those that are empty left out.
    parameters = models.JSONField(default=dict)
    # Keys of columns in their order; empty for those of the list.
    columns = models.JSONField(default=list)
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "made_by", "name"], name="saved_view_name_once_per_maker"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ListPreference(TenantModel):
    """How one member likes one list: the view with which it opens, and the columns where they are not a view's."""

    member = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    # Null: it opens with everything.
    opens_with = TenantForeignKey(SavedView, on_delete=models.SET_NULL, null=True, related_name="+")
    # Keys of columns by the id of a view that is somebody else's, and by "" where no view is open.
    columns = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "member", "kind"], name="list_preference_once")
        ]
