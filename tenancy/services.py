"""Changes to tenants and people."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from tenancy.defaults import apply_default_pack
from tenancy.errors import Conflict
from tenancy.models import Invitation, Membership, Role, Team, Tenant, User, normalise_login
from tenancy.scope import tenant_scope

INVITATION_LIFETIME = timedelta(days=7)


class SlugTaken(Conflict):
    """Two tenants cannot have one address."""


class AlreadyMember(Conflict):
    """The person belongs to the tenant already."""


def create_tenant(
    *,
    name: str,
    slug: str,
    admin_email: str,
    now: datetime,
    time_zone: str = "America/Sao_Paulo",
    language: str = "pt-br",
    currency: str = "BRL",
    country: str = "BR",
) -> tuple[Tenant, Membership]:
    """Make a tenant with its administrator and the default pack. Raises SlugTaken; values are checked by the caller's form."""
    with transaction.atomic():
        if Tenant.objects.filter(slug=slug).exists():
            raise SlugTaken(_("The address %(slug)s is taken. Choose another.") % {"slug": slug})
        tenant = Tenant.objects.create(
            name=name,
            slug=slug,
            time_zone=time_zone,
            language=language,
            currency=currency,
            country=country,
            created_at=now,
        )
        with tenant_scope(tenant.pk):
            admin = join_tenant(user=get_or_create_login(email=admin_email), roles=[Role.ADMIN], now=now)
            apply_default_pack(tenant=tenant, admin=admin, now=now)
    return tenant, admin


def get_or_create_login(*, email: str) -> User:
    """The person with this login; a new one has no password until they set it by a link."""
    user = User.objects.filter(email=normalise_login(email)).first()
    return user or User.objects.create_user(email)


def join_tenant(
    *, user: User, roles: Iterable[Role | str], now: datetime, name: str = "", team: Team | None = None
) -> Membership:
    """Make a person a member of the current tenant. Raises AlreadyMember."""
    if Membership.objects.filter(user=user).exists():
        raise AlreadyMember(_("%(email)s is a member already. Edit their roles instead.") % {"email": user.email})
    member: Membership = Membership.objects.create(
        user=user,
        name=name or user.name or user.email.partition("@")[0],
        roles=sorted({Role(role).value for role in roles}),
        joined_at=now,
    )
    if team is not None:
        team.members.add(member, through_defaults={})
    return member


def invite(
    *,
    email: str,
    roles: Iterable[Role | str],
    now: datetime,
    by: Membership | None = None,
    team: Team | None = None,
) -> tuple[Invitation, str]:
    """Make an invitation to the current tenant; returns it with the token of its one-time link, which is kept as a hash."""
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        email=normalise_login(email),
        roles=sorted({Role(role).value for role in roles}),
        team=team,
        token_hash=hash_token(token),
        invited_by=by,
        created_at=now,
        expires_at=now + INVITATION_LIFETIME,
    )
    return invitation, token


def hash_token(token: str) -> str:
    """How the token of a link is kept. 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
