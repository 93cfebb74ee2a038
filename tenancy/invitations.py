"""One-time links: to set the first password, and to join a tenant.

A link is a bearer secret that an administrator passes on by hand. It may set the first password of a login, never replace
one. What an administrator of a tenant makes may not set the password of a login that belongs to another tenant too; what
an operator's command makes (``invited_by`` is null) may.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from tenancy.audit import record
from tenancy.errors import Conflict, Forbidden, NotFound, Problem
from tenancy.models import Invitation, Membership, Role, Team, Tenant, User, normalise_login
from tenancy.rights import refuse_administrators
from tenancy.scope import tenant_scope
from tenancy.selectors import belongs_elsewhere
from tenancy.services import AlreadyMember, get_or_create_login, join_tenant
from tenancy.teams import get_or_create_team

INVITATION_LIFETIME = timedelta(days=7)

State = Literal["open", "used", "expired", "revoked"]


class LinkUnknown(NotFound):
    """No invitation has this token."""


class LinkClosed(Problem):
    """The link was used, was revoked, or has expired; ``state`` says which, ``language`` is its tenant's."""

    status = 410
    title = _("This link no longer works")

    def __init__(self, state: State, *, language: str = "") -> None:
        super().__init__(_CLOSED[state])
        self.state, self.language = state, language


class LinkOfSomeoneElse(Forbidden):
    """Who is signed in is not whom the link is for."""


class PasswordNotAllowed(Conflict):
    """The login has a password, or belongs to others too: a link cannot set it."""


_CLOSED = {
    "used": _("This link has been used. Sign in with your e-mail and password."),
    "expired": _("This link has expired. Ask the administrator who sent it for a new one."),
    "revoked": _("This link was withdrawn. Ask the administrator who sent it for a new one."),
}


@dataclass(frozen=True)
class Offer:
    """What an open link offers: ``way`` is "password" (choose the first one) or "sign_in" (the login exists)."""

    tenant: Tenant
    invitation: Invitation
    user: User | None
    way: Literal["password", "sign_in"]


def invite(
    *,
    email: str,
    roles: Iterable[Role | str],
    by: Membership,
    now: datetime,
    team: Team | None = None,
) -> tuple[Invitation, str]:
    """Invite somebody into the current tenant; returns the invitation with the token of its link, which is kept as a hash.

    They are a member once they accept. An earlier link of the same person stops working. Raises AlreadyMember, NotAllowed.
    """
    roles = list(roles)
    refuse_administrators(by=by, roles=roles)
    email = normalise_login(email)
    if Membership.objects.filter(user__email=email, is_active=True).exists():
        raise AlreadyMember(_("%(email)s is a member already. Edit their roles instead.") % {"email": email})
    with transaction.atomic():
        invitation, token = _make_link(email=email, roles=roles, team=team, by=by, now=now)
        detail = {"roles": invitation.roles, "team": team.name if team else None}
        record(act="member.invited", subject=email, by=by, now=now, detail=detail)
    return invitation, token


def add_member(
    *,
    email: str,
    roles: Iterable[Role | str],
    now: datetime,
    name: str = "",
    team_name: str = "",
) -> tuple[Membership, str]:
    """Make a person a member of the current tenant at once, for operators; returns them with the token of their link.

    A team that does not exist is made. Raises AlreadyMember, TeamFunctionUnknown.
    """
    roles = list(roles)
    with transaction.atomic():
        team = get_or_create_team(name=team_name, roles=roles, now=now) if team_name else None
        member = join_tenant(
            user=get_or_create_login(email=email), roles=roles, name=name, team=team, now=now
        )
        token = make_member_link(member=member, by=None, now=now)
    return member, token


def make_member_link(*, member: Membership, by: Membership | None, now: datetime) -> str:
    """A first link for somebody who is a member already; returns its token.

    Without ``by`` it is an operator's: for a login that has a password it opens the tenant and no more. An administrator makes
    one only for who has not set a password yet; raises PasswordNotAllowed.
    """
    assert member.user is not None
    refuse_administrators(by=by, roles=member.roles)
    if by is not None and not _may_set_password(user=member.user, tenant_id=member.tenant_id, by=by):
        raise PasswordNotAllowed(
            _("%(email)s has a login already and signs in with their own password.") % {"email": member.email}
        )
    with transaction.atomic():
        _invitation, token = _make_link(email=member.email, roles=member.roles, team=None, by=by, now=now)
        if by is not None:
            record(act="invitation.renewed", subject=member.email, by=by, now=now)
    return token


def renew_invitation(*, invitation: Invitation, by: Membership, now: datetime) -> tuple[Invitation, str]:
    """A new link with the same roles and team; the old one stops working. Raises LinkClosed if it was used."""
    refuse_administrators(by=by, roles=invitation.roles)
    if invitation.accepted_at is not None:
        raise LinkClosed("used")
    with transaction.atomic():
        renewed, token = _make_link(
            email=invitation.email, roles=invitation.roles, team=invitation.team, by=by, now=now
        )
        record(act="invitation.renewed", subject=invitation.email, by=by, now=now)
    return renewed, token


def revoke_invitation(*, invitation: Invitation, by: Membership, now: datetime) -> None:
    """Make an open link useless. Raises LinkClosed if it was used meanwhile."""
    refuse_administrators(by=by, roles=invitation.roles)
    with transaction.atomic():
        revoked = Invitation.objects.filter(
            pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True
        ).update(revoked_at=now)
        if not revoked:
            raise LinkClosed("used" if invitation.accepted_at else "revoked")
        record(act="invitation.revoked", subject=invitation.email, by=by, now=now)


def link_to(*, token: str) -> str:
    """The address that a person opens."""
    return f"{settings.PUBLIC_URL}{reverse('invitation', kwargs={'token': token})}"


def state_of(*, invitation: Invitation, now: datetime) -> State:
    """Whether a link still works, and why not."""
    if invitation.accepted_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "expired" if invitation.expires_at <= now else "open"


def read_offer(*, token: str, now: datetime) -> Offer:
    """What a link offers; changes nothing. Raises LinkUnknown, LinkClosed."""
    invitation_id, tenant_id = _find(token)
    with tenant_scope(tenant_id):
        return _offer(Invitation.objects.select_related("team").get(pk=invitation_id), now=now)


def accept_with_password(*, token: str, name: str, password: str, now: datetime) -> tuple[User, Tenant]:
    """Set the first password, which the caller's form has checked, and join.

    Raises LinkUnknown, LinkClosed, PasswordNotAllowed.
    """
    invitation_id, tenant_id = _find(token)
    with tenant_scope(tenant_id):
        offer = _offer(Invitation.objects.select_for_update().get(pk=invitation_id), now=now)
        user = User.objects.select_for_update().get(pk=get_or_create_login(email=offer.invitation.email).pk)
        if offer.way != "password" or user.has_usable_password():
            raise PasswordNotAllowed(_("This login has a password already. Sign in with it."))
        user.set_password(password)
        user.name = name
        user.save(update_fields=["password", "name"])
        _take_up(offer.invitation, user=user, now=now)
        Membership.objects.filter(user=user).update(name=name)
    return user, offer.tenant


def accept_signed_in(*, token: str, user: User, now: datetime) -> Tenant:
    """Join with the login one has. Raises LinkUnknown, LinkClosed, LinkOfSomeoneElse."""
    invitation_id, tenant_id = _find(token)
    with tenant_scope(tenant_id):
        offer = _offer(Invitation.objects.select_for_update().get(pk=invitation_id), now=now)
        if offer.invitation.email != user.email:
            raise LinkOfSomeoneElse(
                _("This link is for %(email)s. Sign out, and sign in with that e-mail.")
                % {"email": offer.invitation.email}
            )
        _take_up(offer.invitation, user=user, now=now)
    return offer.tenant


def _take_up(invitation: Invitation, *, user: User, now: datetime) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(accepted_at=now)
    if not Membership.objects.filter(user=user, is_active=True).exists():
        join_tenant(
            user=user, roles=invitation.roles, team=invitation.team, by=invitation.invited_by, now=now
        )


def _find(token: str) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT invitation_id, tenant_id FROM leadsys_find_invitation(%s)", [hash_token(token)]
        )
        row = cursor.fetchone()
    if row is None:
        raise LinkUnknown(_("This link is not known. Copy the whole of it from the message you got."))
    return row[0], row[1]


def _offer(invitation: Invitation, *, now: datetime) -> Offer:
    tenant = Tenant.objects.get(pk=invitation.tenant_id)
    state = state_of(invitation=invitation, now=now)
    if state != "open":
        raise LinkClosed(state, language=tenant.language)
    user = User.objects.filter(email=invitation.email).first()
    may_set = user is None or _may_set_password(user=user, tenant_id=tenant.pk, by=invitation.invited_by)
    return Offer(tenant=tenant, invitation=invitation, user=user, way="password" if may_set else "sign_in")


def _may_set_password(*, user: User, tenant_id: int, by: Membership | None) -> bool:
    if user.has_usable_password() or not user.is_active:
        return False
    is_operators = by is None
    return is_operators or not belongs_elsewhere(user=user, tenant_id=tenant_id)


def _make_link(
    *, email: str, roles: Iterable[Role | str], team: Team | None, by: Membership | None, now: datetime
) -> tuple[Invitation, str]:
    Invitation.objects.filter(email=email, accepted_at__isnull=True, revoked_at__isnull=True).update(
        revoked_at=now
    )
    token = secrets.token_urlsafe(32)
    invitation: Invitation = Invitation.objects.create(
        email=email,
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
