"""Reads of people and tenants, those included that are needed before a scope exists."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from tenancy.errors import NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.models import ApiKey, AuditEntry, Invitation, MemberKind, Membership, Role, Team, Tenant, User
from tenancy.scope import person_scope

MEMBER_ORDERS = ("name", "-name", "joined", "-joined", "seen", "-seen")


class MemberUnknown(NotFound):
    """No such person in this tenant."""


class TeamUnknown(NotFound):
    """No such team in this tenant."""


class InvitationUnknown(NotFound):
    """No such invitation in this tenant."""


class KeyUnknown(NotFound):
    """No such key in this tenant."""


def list_memberships(*, user: User) -> list[tuple[Tenant, Membership]]:
    """The tenants a person belongs to, by name, with their place in each."""
    with person_scope(user.pk):
        members = list(
            Membership.unscoped.select_related("tenant", "user")
            .filter(user=user, is_active=True)
            .order_by("tenant__name", "tenant_id")
        )
    return [(member.tenant, member) for member in members]


def language_of(member: Membership | None, *, tenant: Tenant) -> str:
    """In which language somebody is written to who is not here to say it: a program and who has chosen none, in the tenant's."""
    return (member.user.language if member and member.user else "") or tenant.language


def get_membership(*, user: User, slug: str) -> tuple[Tenant, Membership] | None:
    """A person's place in the tenant of this address, or None if there is none."""
    with person_scope(user.pk):
        member = (
            Membership.unscoped.select_related("tenant", "user")
            .filter(user=user, tenant__slug=slug, is_active=True)
            .first()
        )
    return (member.tenant, member) if member else None


def belongs_elsewhere(*, user: User, tenant_id: int) -> bool:
    """Whether a person has, or had, a place in another tenant too."""
    with person_scope(user.pk):
        tenant_ids = set(Membership.unscoped.filter(user=user).values_list("tenant_id", flat=True))
    return bool(tenant_ids - {tenant_id})


def list_people() -> list[Membership]:
    """Every person of the current tenant with user and teams, by name, those who left last."""
    people = list(
        Membership.objects.filter(kind=MemberKind.PERSON)
        .select_related("user")
        .prefetch_related(Prefetch("teams", queryset=Team.objects.order_by("name")))
    )
    return narrow_people(people)


def narrow_people(people: Sequence[Membership], *, search: str = "", order: str = "name") -> list[Membership]:
    """Those whose name, e-mail, roles and teams hold every word (accents and case don't matter), in one of MEMBER_ORDERS.

    A tenant has people by the hundred at most, so this is done here, where names sort as people expect.
    """
    words = _folded(search).split()
    found = [member for member in people if all(word in _text_of(member) for word in words)]
    _sort(found, order if order in MEMBER_ORDERS else "name")
    return sorted(found, key=lambda member: not member.is_active)


def list_active_people() -> list[Membership]:
    """The people who may lead or be in a team, by name."""
    return [member for member in list_people() if member.is_active]


def get_person(*, member_id: int) -> Membership:
    """A person of the current tenant. Raises MemberUnknown."""
    member: Membership | None = (
        Membership.objects.select_related("user").filter(kind=MemberKind.PERSON, pk=member_id).first()
    )
    if member is None:
        raise MemberUnknown(_("This member does not exist."))
    return member


def list_open_invitations(*, now: datetime) -> list[Invitation]:
    """Invitations of people who are not members yet, newest first; the expired ones too, so that they can be renewed."""
    members = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True)
    emails = set(members.values_list("user__email", flat=True))
    waiting = (
        Invitation.objects.filter(accepted_at__isnull=True, revoked_at__isnull=True)
        .select_related("invited_by", "team")
        .order_by("-created_at", "-pk")
    )
    return [invitation for invitation in waiting if invitation.email not in emails]


def get_invitation(*, invitation_id: int) -> Invitation:
    """An invitation of the current tenant. Raises InvitationUnknown."""
    invitation: Invitation | None = Invitation.objects.select_related("team").filter(pk=invitation_id).first()
    if invitation is None:
        raise InvitationUnknown(_("This invitation does not exist."))
    return invitation


def list_teams() -> list[Team]:
    """Every team of the current tenant with lead and members, by name."""
    people = Membership.objects.select_related("user").order_by("name")
    teams = list(
        Team.objects.select_related("lead_member").prefetch_related(Prefetch("members", queryset=people))
    )
    return sorted(teams, key=lambda team: _folded(team.name))


def get_team(*, team_id: int) -> Team:
    """A team of the current tenant. Raises TeamUnknown."""
    team: Team | None = Team.objects.select_related("lead_member").filter(pk=team_id).first()
    if team is None:
        raise TeamUnknown(_("This team does not exist."))
    return team


def list_keys() -> Sequence[ApiKey]:
    """Every key of the current tenant: those that work first, newest first."""
    keys = list(ApiKey.objects.select_related("created_by").order_by("-created_at", "-pk"))
    return sorted(keys, key=lambda key: key.revoked_at is not None)


def get_key(*, key_id: int) -> ApiKey:
    """A key of the current tenant. Raises KeyUnknown."""
    key: ApiKey | None = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise KeyUnknown(_("This key does not exist."))
    return key


def list_audit(*, search: str = "", cursor: str = "", size: int = 50) -> Page[AuditEntry]:
    """A page of the audit log, newest first. ``search`` is part of the subject or the beginning of the act's name."""
    entries = AuditEntry.objects.select_related("actor")
    if search:
        entries = entries.filter(subject__icontains=search) | entries.filter(act__startswith=search)
    return page_by_key(entries, keys=("-at", "-pk"), cursor=cursor, size=size)


def _text_of(member: Membership) -> str:
    roles = [str(Role(role).label) for role in member.roles]
    return _folded(" ".join([member.name, member.email, *roles, *(team.name for team in member.teams.all())]))


def _folded(text: str) -> str:
    """A text for search and order: without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _sort(people: list[Membership], order: str) -> None:
    people.sort(key=lambda member: _folded(member.name))
    key, is_reversed = order.removeprefix("-"), order.startswith("-")
    if key == "name":
        people.sort(key=lambda member: _folded(member.name), reverse=is_reversed)
    elif key == "joined":
        people.sort(key=lambda member: member.joined_at, reverse=is_reversed)
    else:
        # Who never signed in comes last, whichever way.
        seen = {member.pk: member.user.last_login if member.user else None for member in people}
        people.sort(key=lambda member: seen[member.pk] or member.joined_at, reverse=is_reversed)
        people.sort(key=lambda member: seen[member.pk] is None)
