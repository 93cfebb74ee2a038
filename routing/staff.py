"""The people of a tenant, read once for a batch: who may get a lead, who leads whom, who is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from leads.conditions.statements import Statement, cached_statement
from tenancy.models import MemberKind, Membership, Role, Team, TeamFunction, TeamMember


@dataclass(frozen=True)
class Person:
    """An active member."""

    id: int
    name: str
    roles: frozenset[str]


@dataclass(frozen=True)
class TeamPlaces:
    """A team with the ids of its members, and of its lead while they are active."""

    id: int
    name: str
    function: TeamFunction
    lead_id: int | None
    member_ids: frozenset[int]


class Staff:
    """Active people of the current tenant as they stood when it was read; teams are read when they are first asked for."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = {person.id: person for person in people}
        self._leads: dict[tuple[str, int | None, int | None], list[int]] = {}

    @cached_property
    def teams(self) -> dict[int, TeamPlaces]:
        """Every team, by id."""
        rows = cached_statement(key="routing.teams", build=_teams_statement).rows()
        return {
            team_id: TeamPlaces(
                team_id, name, TeamFunction(function), self.active(lead_id), frozenset(members)
            )
            for team_id, name, function, lead_id, members in rows
        }

    def name(self, member_id: int | None) -> str:
        """The name of an active member, else nothing."""
        person = self.people.get(member_id) if member_id is not None else None
        return person.name if person else ""

    def active(self, member_id: int | None) -> int | None:
        """The member if they are active, else None."""
        return member_id if member_id in self.people else None

    def works_in(self, member_id: int, function: TeamFunction | str) -> bool:
        """Whether an active member has the role of a function."""
        person = self.people.get(member_id)
        return person is not None and str(function) in person.roles

    def with_role(self, role: Role | TeamFunction | str) -> list[int]:
        """The active members with a role, by id."""
        return sorted(person.id for person in self.people.values() if str(role) in person.roles)

    def managers(self) -> list[int]:
        """The managers, or the administrators of a tenant that has none."""
        return self.with_role(Role.MANAGER) or self.with_role(Role.ADMIN)

    def leads_of(
        self, *, function: TeamFunction | str, owner_id: int | None, team_id: int | None
    ) -> list[int]:
        """The team leads who answer for a lead in one function.

        Those of the lead's team, else of the owner's teams; of a lead with neither, those of every team of the function. Where
        no team has a lead, the managers.
        """
        asked = (str(function), owner_id, team_id)
        if asked not in self._leads:
            self._leads[asked] = self._find_leads(*asked)
        return self._leads[asked]

    def _find_leads(self, function: str, owner_id: int | None, team_id: int | None) -> list[int]:
        if team_id in self.teams:
            answering = [self.teams[team_id]]
        else:
            answering = [
                team
                for team in self.teams.values()
                if team.function == function and (owner_id is None or owner_id in team.member_ids)
            ]
        leads = {team.lead_id for team in answering if team.lead_id is not None}
        return sorted(leads) or self.managers()


def read_staff() -> Staff:
    """The active people of the current tenant."""
    rows = cached_statement(key="routing.staff", build=_staff_statement).rows()
    return Staff(Person(member_id, name, frozenset(roles)) for member_id, name, roles in rows)


def _staff_statement() -> Statement:
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True)
    return Statement.of(people.order_by().values_list("id", "name", "roles"))


def _teams_statement() -> Statement:
    members = TeamMember.objects.filter(team=OuterRef("pk")).values("member_id")
    teams = Team.objects.annotate(member_ids=ArraySubquery(members)).order_by("id")
    return Statement.of(teams.values_list("id", "name", "function", "lead_member_id", "member_ids"))
