"""Who is responsible for a lead, and who may act on it.

A lead has at most one owner in each function; the one whose function holds the stage is *the* owner. Rights
(``tenancy.rights``) say which acts a role may do; this says on which leads:

- administrators, managers and service users: on any;
- others: on leads whose stage their function holds, if they own the lead there, or nobody does and it belongs to one of
  their teams or to no team; a team lead also on the leads of the team's members;
- while marketing or nobody holds the stage (new, nurture, disqualified) any function's people count in the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.lifecycle import STAGE_FUNCTION
from leads.models import Decision, DecisionKind, LeadState, Stage
from tenancy.errors import Forbidden
from tenancy.members import functions_of
from tenancy.models import MemberKind, Membership, Role, Team, TeamFunction

OWNER_COLUMN: Final[dict[TeamFunction, str]] = {
    TeamFunction.MARKETING: "owner_marketing",
    TeamFunction.SDR: "owner_sdr",
    TeamFunction.SALES: "owner_sales",
}
# A person named by a file who is not a user.
KEPT_COLUMN: Final[dict[TeamFunction, str]] = {
    TeamFunction.SDR: "kept_sdr",
    TeamFunction.SALES: "kept_sales",
}
TEAM_COLUMN: Final[dict[TeamFunction, str]] = {
    TeamFunction.SDR: "team_sdr",
    TeamFunction.SALES: "team_sales",
}
OVERSEES: Final = frozenset({Role.ADMIN, Role.MANAGER})


class NotYourLead(Forbidden):
    """The person's role includes the act, but not on this lead."""


class OwnedBy(StrEnum):
    """How somebody came to own a lead by an act; rules have words of their own."""

    CLAIM = "claim"
    CLAIM_LAPSED = "claim_lapsed"
    RELEASE = "release"
    ATTEMPT = "attempt"
    ACCEPT = "accept"
    ASSIGN = "assign"


def owner_id(state: LeadState, function: TeamFunction) -> int | None:
    """The member who owns the lead in a function, or None."""
    owner: int | None = getattr(state, f"{OWNER_COLUMN[function]}_id")
    return owner


def team_id(state: LeadState, function: TeamFunction) -> int | None:
    """The team the lead was given to in a function, or None: then it belongs to every team of the function."""
    column = TEAM_COLUMN.get(function)
    team: int | None = getattr(state, f"{column}_id") if column else None
    return team


def function_of(stage: Stage | str) -> TeamFunction | None:
    """The function that holds a stage; none holds disqualified."""
    return STAGE_FUNCTION.get(Stage(stage))


def oversees_all(member: Membership) -> bool:
    """Whether a member may act on every lead of the tenant."""
    return member.kind == MemberKind.SERVICE or any(role in OVERSEES for role in member.roles)


def may_act_on(*, member: Membership, state: LeadState) -> bool:
    """Whether a member may do on this lead what their role includes. At most two queries."""
    if oversees_all(member):
        return True
    mine = functions_of(member)
    holder = function_of(state.stage)
    asked = mine & {holder} if holder in {TeamFunction.SDR, TeamFunction.SALES} else mine
    return any(_is_in_my_hands(member, state, function) for function in asked)


def in_hands_of(*, member: Membership, states: Iterable[LeadState]) -> set[int]:
    """The ids of those leads on which a member may do what their role includes: ``may_act_on`` for many, in three queries."""
    asked = list(states)
    if oversees_all(member):
        return {state.pk for state in asked}
    mine = functions_of(member)
    teams = set(member.team_places.values_list("team_id", flat=True))
    led: dict[str, set[int]] = {}
    for function, person in Team.objects.filter(lead_member=member).values_list(
        "function", "places__member_id"
    ):
        led.setdefault(function, set()).add(person)

    def is_mine(state: LeadState, function: TeamFunction) -> bool:
        owner, team = owner_id(state, function), team_id(state, function)
        if owner is None:
            return team is None or team in teams
        return owner == member.pk or owner in led.get(function.value, ())

    def are_asked(state: LeadState) -> frozenset[TeamFunction]:
        holder = function_of(state.stage)
        return mine & {holder} if holder in {TeamFunction.SDR, TeamFunction.SALES} else mine

    return {state.pk for state in asked if any(is_mine(state, function) for function in are_asked(state))}


def _is_in_my_hands(member: Membership, state: LeadState, function: TeamFunction) -> bool:
    owner, team = owner_id(state, function), team_id(state, function)
    if owner == member.pk:
        return True
    if owner is None:
        return team is None or member.team_places.filter(team_id=team).exists()
    led = Team.objects.filter(function=function, lead_member=member)
    return bool(led.filter(places__member_id=owner).exists())


def list_in_hands(*, member: Membership, states: Sequence[LeadState], function: TeamFunction) -> set[int]:
    """The leads among these, all held by one function, on which ``may_act_on`` lets the member act; at most three queries."""
    if oversees_all(member):
        return {state.lead_id for state in states}
    if function not in functions_of(member):
        return set()
    my_teams = set(member.team_places.values_list("team_id", flat=True))
    led = Team.objects.filter(function=function, lead_member=member)
    led_people = set(led.values_list("places__member_id", flat=True))
    return {
        state.lead_id
        for state in states
        if (owner := owner_id(state, function)) in {member.pk, *led_people} - {None}
        or (owner is None and team_id(state, function) in {None, *my_teams})
    }


def require_hands_on(*, member: Membership, state: LeadState) -> None:
    """Raise NotYourLead unless the member may act on this lead."""
    if may_act_on(member=member, state=state):
        return
    function = function_of(state.stage)
    owner = owner_id(state, function) if function else None
    name = Membership.objects.filter(pk=owner).values_list("name", flat=True).first() if owner else None
    if name:
        raise NotYourLead(
            _("%(name)s is responsible for this lead. Ask them, or ask a manager to assign it to you.")
            % {"name": name}
        )
    raise NotYourLead(_("Another team is responsible for this lead. Ask a manager to assign it to you."))


def give_lead(
    *, state: LeadState, function: TeamFunction, to: Membership, how: OwnedBy, by: Membership, now: datetime
) -> None:
    """Make a member the lead's owner in a function for good, and write the decision. The lead must be locked.

    A team they are not in is exchanged for one of theirs; a person who was only kept by name has handed the lead on.
    """
    changes: dict[str, Any] = {f"{OWNER_COLUMN[function]}_id": to.pk, "claimed_until": None}
    if function in TEAM_COLUMN:
        changes[f"{KEPT_COLUMN[function]}_id"] = None
        changes[f"{TEAM_COLUMN[function]}_id"] = _team_for(to, function, team_id(state, function))
    _change_state(state, changes)
    _decide(lead_ids=[state.pk], function=function, to=to, how=how, by=by, now=now)


def give_leads(
    *, states: Sequence[LeadState], to: Membership, how: OwnedBy, by: Membership, now: datetime
) -> dict[int, dict[str, Any]]:
    """As ``give_lead`` for many locked leads, each in the function that holds its stage, in a few statements.

    Returns for each how it was before: ``{"function", "owner", "kept", "team"}``, as ``put_owners_back`` takes it.
    """
    before: dict[int, dict[str, Any]] = {}
    alike: dict[tuple[TeamFunction, int | None], list[int]] = {}
    for state in states:
        function = function_of(state.stage)
        assert function is not None, "somebody holds the stage"
        before[state.pk] = _owning(state, function)
        alike.setdefault((function, team_id(state, function)), []).append(state.pk)
    for (function, team), lead_ids in alike.items():
        changes: dict[str, Any] = {f"{OWNER_COLUMN[function]}_id": to.pk, "claimed_until": None}
        if function in TEAM_COLUMN:
            changes[f"{KEPT_COLUMN[function]}_id"] = None
            changes[f"{TEAM_COLUMN[function]}_id"] = _team_for(to, function, team)
        LeadState.objects.filter(pk__in=lead_ids).update(**changes)
        _decide(lead_ids=lead_ids, function=function, to=to, how=how, by=by, now=now)
    return before


def put_owners_back(
    *,
    states: Sequence[LeadState],
    before: Mapping[int, Mapping[str, Any]],
    given_to: int,
    by: Membership,
    now: datetime,
) -> set[int]:
    """Give locked leads back to whom they belonged before ``give_leads``, with the decisions; returns those that were.

    One that is not with ``given_to`` any more, or that another function holds now, is left alone.
    """
    alike: dict[tuple[str, int | None, int | None, int | None], list[int]] = {}
    for state in states:
        was = before[state.pk]
        function = TeamFunction(was["function"])
        if function_of(state.stage) is function and owner_id(state, function) == given_to:
            key = (was["function"], was["owner"], was["kept"], was["team"])
            alike.setdefault(key, []).append(state.pk)
    people = Membership.objects.in_bulk({key[1] for key in alike if key[1] is not None})
    for (name, owner, kept, team), lead_ids in alike.items():
        function = TeamFunction(name)
        changes: dict[str, Any] = {f"{OWNER_COLUMN[function]}_id": owner if owner in people else None}
        if function in TEAM_COLUMN:
            changes |= {f"{KEPT_COLUMN[function]}_id": kept, f"{TEAM_COLUMN[function]}_id": team}
        LeadState.objects.filter(pk__in=lead_ids).update(**changes)
        to = people.get(owner) if owner else None
        _decide(lead_ids=lead_ids, function=function, to=to, how=OwnedBy.ASSIGN, by=by, now=now)
    return {lead_id for lead_ids in alike.values() for lead_id in lead_ids}


def _owning(state: LeadState, function: TeamFunction) -> dict[str, Any]:
    kept = KEPT_COLUMN.get(function)
    return {
        "function": function.value,
        "owner": owner_id(state, function),
        "kept": getattr(state, f"{kept}_id") if kept else None,
        "team": team_id(state, function),
    }


def lend_lead(*, state: LeadState, to: Membership, until: datetime, now: datetime) -> None:
    """Make a member the lead's SDR until a claim lapses, and write the decision. The lead must be locked."""
    _change_state(state, {"owner_sdr_id": to.pk, "claimed_until": until})
    _decide(lead_ids=[state.pk], function=TeamFunction.SDR, to=to, how=OwnedBy.CLAIM, by=to, now=now)


def take_back_leads(*, lead_ids: Sequence[int], now: datetime) -> list[int]:
    """Free locked leads whose claim has lapsed, and write the decisions; returns those that were freed."""
    lapsed = LeadState.objects.filter(pk__in=lead_ids, claimed_until__lte=now, owner_sdr__isnull=False)
    freed = sorted(lapsed.values_list("pk", flat=True))
    LeadState.objects.filter(pk__in=freed).update(owner_sdr=None, claimed_until=None)
    _decide(lead_ids=freed, function=TeamFunction.SDR, to=None, how=OwnedBy.CLAIM_LAPSED, by=None, now=now)
    return freed


def give_back_lead(*, state: LeadState, by: Membership, now: datetime) -> None:
    """Free a locked lead whose claim its owner gives up, and write the decision."""
    _change_state(state, {"owner_sdr": None, "claimed_until": None})
    _decide(lead_ids=[state.pk], function=TeamFunction.SDR, to=None, how=OwnedBy.RELEASE, by=by, now=now)


def _change_state(state: LeadState, changes: dict[str, Any]) -> None:
    for column, value in changes.items():
        setattr(state, column, value)
    LeadState.objects.filter(pk=state.pk).update(**changes)


def _decide(
    *,
    lead_ids: Sequence[int],
    function: TeamFunction,
    to: Membership | None,
    how: OwnedBy,
    by: Membership | None,
    now: datetime,
) -> None:
    """A decision of kind owner, topic the function, result the owner's name ("" for nobody).

    Its detail is ``{"how": OwnedBy, "owner_id": …, "by_id": …, "by": name}``.
    """
    detail = {
        "how": how.value,
        "owner_id": to.pk if to else None,
        "by_id": by.pk if by else None,
        "by": by.name if by else "",
    }
    Decision.objects.bulk_create(
        Decision(
            lead_id=lead_id,
            kind=DecisionKind.OWNER,
            topic=function.value,
            at=now,
            result=to.name if to else "",
            detail=detail,
        )
        for lead_id in lead_ids
    )


def _team_for(member: Membership, function: TeamFunction, present: int | None) -> int | None:
    if present is None:
        return None
    places = member.team_places.filter(team__function=function).order_by("team__name", "team_id")
    teams: list[int] = list(places.values_list("team_id", flat=True))
    return present if present in teams or not teams else teams[0]
