"""Tenants, people and what they may do. Tenant, User and the login tables are global; the rest belongs to a tenant."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantForeignKey, TenantManager, TenantModel


class Role(models.TextChoices):
    ADMIN = "admin", _("Administrator")
    MANAGER = "manager", _("Manager")
    MARKETING = "marketing", _("Marketing")
    SDR = "sdr", _("SDR")
    SALES = "sales", _("Sales")
    VIEWER = "viewer", _("Viewer")


class TeamFunction(models.TextChoices):
    MARKETING = "marketing", _("Marketing")
    SDR = "sdr", _("SDR")
    SALES = "sales", _("Sales")


class Language(models.TextChoices):
    ENGLISH = "en", "English"
    BRAZILIAN_PORTUGUESE = "pt-br", "Português (Brasil)"


class Theme(models.TextChoices):
    SYSTEM = "system", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class Tenant(models.Model):
    """A customer of ours: a company with its own data."""

    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(
        _("address"),
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z0-9][a-z0-9-]*$", _("Use lower-case letters, digits and hyphens."))
        ],
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="America/Sao_Paulo")
    language = models.CharField(
        _("language"), max_length=5, choices=Language.choices, default=Language.BRAZILIAN_PORTUGUESE
    )
    currency = models.CharField(_("currency"), max_length=3, default="BRL")
    country = models.CharField(_("country"), max_length=2, default="BR")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    # Set: nobody enters the scope (see tenancy.suspension), and what is due waits.
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")

    def __str__(self) -> str:
        return self.name


class TenantDeletion(models.Model):
    """The record that a tenant was deleted, and how far that has come; it outlives the tenant and names no person."""

    # A plain number: the tenant is gone at the end.
    tenant_number = models.BigIntegerField(unique=True)
    slug = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # Deleted so far, by table.
    rows = models.JSONField(default=dict)


class UserManager(BaseUserManager["User"]):
    """Users are found by e-mail, whatever its case was when typed."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a person; without a password they sign in once they have set one by a link."""
        user = self.model(email=normalise_login(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an operator of the installation, who may use the Django admin."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True} | fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalise_login(username or ""))


def normalise_login(email: str) -> str:
    """A login e-mail as it is stored and compared: trimmed, lower case."""
    return email.strip().lower()


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in; belongs to any number of tenants."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    language = models.CharField(_("language"), max_length=5, choices=Language.choices, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    theme = models.CharField(_("theme"), max_length=6, choices=Theme.choices, default=Theme.SYSTEM)
    is_staff = models.BooleanField(_("operates the installation"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email


class MemberKind(models.TextChoices):
    PERSON = "person", _("Person")
    SERVICE = "service", _("Service")


class Membership(TenantModel):
    """A person's place in a tenant, or the named service user with whom an API key acts."""

    kind = models.CharField(max_length=7, choices=MemberKind.choices, default=MemberKind.PERSON)
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    name = models.CharField(_("name"), max_length=120)
    roles = ArrayField(models.CharField(max_length=9, choices=Role.choices), default=list)
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(_("joined"), default=timezone.now)

    objects: Any = TenantManager()
    # For the one question asked before a scope exists, inside person_scope: to which tenants does this person belong?
    unscoped: Any = models.Manager()

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once_per_tenant"),
            models.CheckConstraint(
                condition=models.Q(kind=MemberKind.PERSON, user__isnull=False)
                | models.Q(kind=MemberKind.SERVICE, user__isnull=True),
                name="membership_person_has_user",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def email(self) -> str:
        """The login of a person; empty for a service user."""
        return self.user.email if self.user else ""


class Team(TenantModel):
    """Named members of one function with one lead."""

    name = models.CharField(_("name"), max_length=80)
    function = models.CharField(_("function"), max_length=9, choices=TeamFunction.choices)
    lead_member = TenantForeignKey(
        Membership,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="led_teams",
        verbose_name=_("team lead"),
    )
    members: Any = models.ManyToManyField(Membership, through="TeamMember", related_name="teams")

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="team_name_once_per_tenant")]

    def __str__(self) -> str:
        return self.name


class TeamMember(TenantModel):
    """One member's place in one team."""

    team = TenantForeignKey(Team, on_delete=models.CASCADE, related_name="places")
    member = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="team_places")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "team", "member"], name="team_member_once"),
        ]
        indexes = [models.Index(fields=["tenant", "member"], name="team_member_by_member")]


class Invitation(TenantModel):
    """An offer to join a tenant, or the first link of its administrator; used once."""

    email = models.EmailField(_("e-mail"))
    roles = ArrayField(models.CharField(max_length=9, choices=Role.choices), default=list)
    team = TenantForeignKey(Team, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = TenantForeignKey(
        Membership, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-created_at"], name="invitation_newest")]


class Scope(models.TextChoices):
    LEADS_READ = "leads:read", _("Read leads")
    LEADS_WRITE = "leads:write", _("Create and change leads")
    EVENTS_WRITE = "events:write", _("Record events")
    INSIGHT_READ = "insight:read", _("Read reports")
    SETTINGS_READ = "settings:read", _("Read settings")
    SETTINGS_WRITE = "settings:write", _("Change settings")
    RULES_READ = "rules:read", _("Read rules")
    RULES_WRITE = "rules:write", _("Change and publish rules")
    MEMBERS_READ = "members:read", _("Read people and teams")
    MEMBERS_WRITE = "members:write", _("Invite and change people and teams")
    AUDIT_READ = "audit:read", _("Read the audit log")
    DATA_EXPORT = "data:export", _("Take everything along")
    DATA_ERASE = "data:erase", _("Erase people")


class ApiKey(TenantModel):
    """A key for machines: kept as a hash, recognised by its prefix."""

    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    key_hash = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=14, choices=Scope.choices), default=list)
    service = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="api_keys")
    created_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")
    # Made by a command: it need not ask what its maker's role is now.
    is_operators = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="api_key_name_once_per_tenant")
        ]


class AuditEntry(TenantModel):
    """One administrative act: who did what to which thing, when."""

    at = models.DateTimeField(default=timezone.now)
    actor = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    act = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-at", "-id"], name="audit_newest")]
