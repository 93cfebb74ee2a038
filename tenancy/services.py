"""Changes to tenants and their members."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from tenancy.audit import record
from tenancy.defaults import apply_default_pack
from tenancy.errors import Conflict
from tenancy.members import announce_member, teams_of
from tenancy.models import (
    Invitation,
    MemberKind,
    Membership,
    Role,
    Team,
    TeamMember,
    Tenant,
    User,
    normalise_login,
)
from tenancy.rights import refuse_administrators
from tenancy.scope import tenant_scope
from tenancy.selectors import list_memberships


class SlugTaken(Conflict):
    """Two tenants cannot have one address."""


class AlreadyMember(Conflict):
    """The person belongs to the tenant already."""


class LastAdministrator(Conflict):
    """A tenant keeps at least one administrator."""


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
            admin = _place(user=get_or_create_login(email=admin_email), roles=[Role.ADMIN], name="", now=now)
            record(
                act="tenant.created", subject=name, by=None, now=now, detail={"administrator": admin.email}
            )
            apply_default_pack(tenant=tenant, admin=admin, now=now)
    return tenant, admin


def get_or_create_login(*, email: str) -> User:
    """The person with this login; a new one has no password until they set it by a link."""
    user = User.objects.filter(email=normalise_login(email)).first()
    return user or User.objects.create_user(email)


def join_tenant(
    *,
    user: User,
    roles: Iterable[Role | str],
    now: datetime,
    name: str = "",
    team: Team | None = None,
    by: Membership | None = None,
) -> Membership:
    """Make a person a member of the current tenant; who was deactivated comes back with these roles. Raises AlreadyMember.

    ``by`` is who let them in, for the audit log; None stands for an operator's command.
    """
    with transaction.atomic():
        member = _place(user=user, roles=roles, name=name, now=now)
        if team is not None:
            _add_to_team(member=member, team=team)
        record(
            act="member.joined",
            subject=str(member.email),
            by=by,
            now=now,
            detail={"roles": member.roles, "teams": [team.name] if team else []},
        )
        announce_member(member=member, now=now)
    return member


def change_member(
    *,
    member: Membership,
    roles: Iterable[Role | str],
    team_ids: Iterable[int],
    by: Membership,
    now: datetime,
) -> None:
    """Give a person these roles and exactly these teams. Raises LastAdministrator, NotAllowed."""
    with transaction.atomic():
        wanted = _sorted_roles(roles)
        refuse_administrators(by=by, roles=[*wanted, *member.roles])
        if Role.ADMIN not in wanted:
            _refuse_last_administrator(member)
        member.roles = wanted
        member.save(update_fields=["roles"])
        _set_teams(member=member, team_ids=set(team_ids))
        detail = {"roles": wanted, "teams": [team.name for team in teams_of(member)]}
        record(act="member.changed", subject=member.email, by=by, now=now, detail=detail)
        announce_member(member=member, now=now)


def deactivate_member(*, member: Membership, by: Membership, now: datetime) -> None:
    """Take a person out of the tenant: no access, no teams, no open link; what they did stays.

    Raises LastAdministrator, NotAllowed.
    """
    refuse_administrators(by=by, roles=member.roles)
    with transaction.atomic():
        _refuse_last_administrator(member)
        member.is_active = False
        member.save(update_fields=["is_active"])
        TeamMember.objects.filter(member=member).delete()
        Team.objects.filter(lead_member=member).update(lead_member=None)
        Invitation.objects.filter(
            email=member.email, accepted_at__isnull=True, revoked_at__isnull=True
        ).update(revoked_at=now)
        record(act="member.deactivated", subject=member.email, by=by, now=now)
        announce_member(member=member, now=now)


def reactivate_member(*, member: Membership, by: Membership, now: datetime) -> None:
    """Let a person back in with the roles they had; teams are given anew. Raises NotAllowed."""
    refuse_administrators(by=by, roles=member.roles)
    with transaction.atomic():
        member.is_active = True
        member.save(update_fields=["is_active"])
        record(act="member.reactivated", subject=member.email, by=by, now=now, detail={"roles": member.roles})
        announce_member(member=member, now=now)


def save_profile(*, user: User, name: str, language: str, time_zone: str, theme: str) -> None:
    """Keep a person's own choices; their name changes in every tenant they belong to. Empty language, zone: as the tenant."""
    with transaction.atomic():
        user.name, user.language, user.time_zone, user.theme = name, language, time_zone, theme
        user.save(update_fields=["name", "language", "time_zone", "theme"])
        for tenant, member in list_memberships(user=user):
            if member.name != name:
                with tenant_scope(tenant.pk, even_suspended=True):
                    Membership.objects.filter(pk=member.pk).update(name=name)


def _place(*, user: User, roles: Iterable[Role | str], name: str, now: datetime) -> Membership:
    member: Membership | None = Membership.objects.select_for_update(of=("self",)).filter(user=user).first()
    if member is None:
        called = name or user.name or user.email.partition("@")[0]
        member = Membership(user=user, name=called, roles=_sorted_roles(roles), joined_at=now)
        member.save(force_insert=True)
        return member
    if member.is_active:
        raise AlreadyMember(
            _("%(email)s is a member already. Edit their roles instead.") % {"email": user.email}
        )
    member.is_active, member.roles = True, _sorted_roles(roles)
    member.save(update_fields=["is_active", "roles"])
    return member


def _sorted_roles(roles: Iterable[Role | str]) -> list[str]:
    return sorted({Role(role).value for role in roles})


def _add_to_team(*, member: Membership, team: Team) -> None:
    TeamMember.objects.get_or_create(team=team, member=member)
    # A team has one lead; until somebody chooses, it is who came first.
    Team.objects.filter(pk=team.pk, lead_member__isnull=True).update(lead_member=member)


def _set_teams(*, member: Membership, team_ids: set[int]) -> None:
    present = set(TeamMember.objects.filter(member=member).values_list("team_id", flat=True))
    TeamMember.objects.filter(member=member, team_id__in=present - team_ids).delete()
    for team in Team.objects.filter(pk__in=team_ids - present):
        _add_to_team(member=member, team=team)


def _refuse_last_administrator(member: Membership) -> None:
    """Locks every administrator, so that two who demote each other at once cannot both succeed."""
    administrators = set(
        Membership.objects.filter(kind=MemberKind.PERSON, is_active=True, roles__contains=[Role.ADMIN])
        .select_for_update()
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if administrators == {member.pk}:
        raise LastAdministrator(
            _("%(name)s is the only administrator. Make somebody else one first.") % {"name": member.name}
        )
