"""Changes to teams."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, Invalid
from tenancy.members import announce_member
from tenancy.models import MemberKind, Membership, Role, Team, TeamFunction, TeamMember


class TeamNameTaken(Conflict):
    """Two teams of a tenant cannot have one name."""


class TeamFunctionUnknown(Invalid):
    """A new team needs a function, and these roles name none."""


def create_team(
    *,
    name: str,
    function: TeamFunction | str,
    now: datetime,
    by: Membership | None = None,
    lead: Membership | None = None,
    member_ids: Iterable[int] = (),
) -> Team:
    """Make a team of the current tenant. Raises TeamNameTaken."""
    with transaction.atomic():
        _refuse_taken_name(name, except_for=None)
        team: Team = Team.objects.create(name=name, function=TeamFunction(function), lead_member=lead)
        record(act="team.created", subject=name, by=by, now=now, detail={"function": team.function})
        _set_members(team, set(member_ids), now=now)
    return team


def change_team(
    *,
    team: Team,
    name: str,
    function: TeamFunction | str,
    lead: Membership | None,
    member_ids: Iterable[int],
    by: Membership,
    now: datetime,
) -> None:
    """Give a team this name, function, lead and exactly these members. Raises TeamNameTaken."""
    with transaction.atomic():
        _refuse_taken_name(name, except_for=team.pk)
        team.name, team.function, team.lead_member = name, TeamFunction(function), lead
        team.save(update_fields=["name", "function", "lead_member"])
        _set_members(team, set(member_ids), now=now)
        detail = {
            "function": team.function,
            "lead": lead.name if lead else None,
            "members": list(team.members.order_by("name").values_list("name", flat=True)),
        }
        record(act="team.changed", subject=name, by=by, now=now, detail=detail)


def delete_team(*, team: Team, by: Membership, now: datetime) -> None:
    """Take a team away. Its people stay; leads that were given to it belong to every team of its function."""
    with transaction.atomic():
        people = list(team.members.order_by("name"))
        detail = {"function": team.function, "members": [person.name for person in people]}
        record(act="team.deleted", subject=team.name, by=by, now=now, detail=detail)
        team.delete()
        for person in sorted(people, key=lambda person: person.pk):
            announce_member(member=person, now=now)


def get_or_create_team(
    *, name: str, roles: Iterable[Role | str], now: datetime, by: Membership | None = None
) -> Team:
    """The team of this name, or a new one whose function is the first of these roles that is one (marketing, sdr, sales).

    Raises TeamFunctionUnknown if there is no such team and none of the roles is a function.
    """
    team: Team | None = Team.objects.filter(name=name).first()
    if team is not None:
        return team
    function = next((role for role in roles if role in TeamFunction.values), None)
    if function is None:
        raise TeamFunctionUnknown(
            _(
                "There is no team %(name)s, and these roles don't say what a new one would do. "
                "Add a member with the role marketing, sdr or sales to it first."
            )
            % {"name": name}
        )
    return create_team(name=name, function=function, now=now, by=by)


def _refuse_taken_name(name: str, *, except_for: int | None) -> None:
    taken = Team.objects.filter(name=name).values_list("pk", flat=True).first()
    if taken not in (None, except_for):
        raise TeamNameTaken(
            _("There is already a team called %(name)s. Choose another name.") % {"name": name}
        )


def _set_members(team: Team, wanted: set[int], *, now: datetime) -> None:
    present = set(TeamMember.objects.filter(team=team).values_list("member_id", flat=True))
    TeamMember.objects.filter(team=team, member_id__in=present - wanted).delete()
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True)
    added = list(people.filter(pk__in=wanted - present).order_by("pk"))
    TeamMember.objects.bulk_create(TeamMember(team=team, member=member) for member in added)
    for member in Membership.objects.filter(pk__in=present ^ wanted).order_by("pk"):
        announce_member(member=member, now=now)


register_acts({"team.deleted": _("Deleted the team %(subject)s: %(function)s, members %(members)s")})
