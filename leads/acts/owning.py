"""Who has a lead: assigning it, claiming it from the queue, and the claim that lapses."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext_lazy as _

from core.due import DueKind, cancel, register_due_kind, schedule
from leads.acts.opening import CLAIM_LAPSES, lock_standing, open_lead
from leads.lifecycle import MoveNotAllowed
from leads.models import LeadState, Stage
from leads.ownership import (
    OwnedBy,
    function_of,
    give_back_lead,
    give_lead,
    lend_lead,
    oversees_all,
    owner_id,
    take_back_leads,
    team_id,
)
from leads.pipeline import lock_free_leads
from tenancy.errors import Conflict, FieldProblem, Forbidden, Text, Unprocessable
from tenancy.members import functions_of
from tenancy.models import MemberKind, Membership, Role, TeamFunction, normalise_login
from tenancy.rights import require

CLAIM_LASTS: Final = timedelta(minutes=30)
CLAIMABLE: Final = (Stage.MARKETING_QUALIFIED, Stage.WORKING)


class UnknownPerson(Unprocessable):
    """No active member of this tenant who could own the lead in its stage."""


class LeadClaimedMeanwhile(Conflict):
    """Somebody else has the lead."""


class NoClaim(Conflict):
    """The lead is not claimed by this person, or an act has made it theirs."""


class NotToBeClaimed(Forbidden):
    """The lead belongs to a team that is not one's own, or a machine wants it."""


def assign(*, lead_id: int, user: int | str, by: Membership, now: datetime) -> Membership:
    """Make a member the owner in the function that holds the lead's stage.

    ``user`` is the member's id or login e-mail. They must be active and work in that function; administrators stand in for
    any. Raises UnknownPerson.
    """
    with open_lead(lead_id=lead_id, right="lead.assign", by=by, now=now) as held:
        function = function_of(held.stage)
        if function is None:
            held.check_stage(*(stage for stage in Stage if function_of(stage)), what=_("Assign"))
        assert function is not None
        member = _find_person(user)
        if function not in functions_of(member) and Role.ADMIN not in member.roles:
            raise _unknown_person(
                _("%(name)s does not work in %(function)s, which holds this stage.")
                % {"name": member.name, "function": function.label}
            )
        if owner_id(held.state, function) != member.pk:
            give_lead(state=held.state, function=function, to=member, how=OwnedBy.ASSIGN, by=by, now=now)
    return member


def _find_person(user: int | str) -> Membership:
    people = Membership.objects.select_related("user").filter(kind=MemberKind.PERSON)
    text = str(user).strip()
    if text.isascii() and text.isdigit():
        people = people.filter(pk=int(text)) if len(text) < 19 else people.none()
    else:
        people = people.filter(user__email=normalise_login(text))
    member: Membership | None = people.first()
    if member is None:
        raise _unknown_person(_("Give the id or the e-mail of a member."))
    if not member.is_active:
        raise _unknown_person(_("%(name)s has left. Choose somebody else.") % {"name": member.name})
    return member


def _unknown_person(message: Text) -> UnknownPerson:
    return UnknownPerson(message, errors=[FieldProblem("user", "unknown", message)])


def claim(*, lead_id: int, by: Membership, now: datetime) -> datetime:
    """Take an MQL or lead in work that nobody owns, of one's own teams or of no team; returns when the claim lapses.

    The first act on the lead keeps it. Claiming a lead that is already one's own changes nothing. Raises
    LeadClaimedMeanwhile, NotToBeClaimed.
    """
    require(by, "queue.work")
    state = lock_standing(lead_id)
    _check_claimable(state)
    owner = owner_id(state, TeamFunction.SDR)
    if owner == by.pk:
        return state.claimed_until or now
    if owner is not None:
        name = Membership.objects.values_list("name", flat=True).get(pk=owner)
        raise LeadClaimedMeanwhile(_("%(name)s has this lead already. Take the next one.") % {"name": name})
    _check_may_claim(by, team_id(state, TeamFunction.SDR))
    until = now + CLAIM_LASTS
    lend_lead(state=state, to=by, until=until, now=now)
    schedule(kind=CLAIM_LAPSES, due={lead_id: until})
    return until


def release(*, lead_id: int, by: Membership, now: datetime) -> None:
    """Give a claimed lead back on which one has not acted yet: it waits for its teams again. Raises NoClaim."""
    require(by, "queue.work")
    state = lock_standing(lead_id)
    if state.claimed_until is None or owner_id(state, TeamFunction.SDR) != by.pk:
        raise NoClaim(_("Only a claim on which you have not acted yet can be given back."))
    give_back_lead(state=state, by=by, now=now)
    cancel(kind=CLAIM_LAPSES, subjects=[lead_id])


def _check_claimable(state: LeadState) -> None:
    stage = Stage(state.stage)
    if stage not in CLAIMABLE:
        allowed = ", ".join(str(each.label) for each in CLAIMABLE)
        raise MoveNotAllowed(
            _("“%(act)s” is not possible while the lead is in %(stage)s; it is possible in: %(allowed)s.")
            % {"act": _("Claim"), "stage": stage.label, "allowed": allowed},
            stage=stage.value,
        )


def _check_may_claim(by: Membership, team: int | None) -> None:
    if by.kind == MemberKind.SERVICE:
        raise NotToBeClaimed(_("Only a person can claim a lead."))
    if team is None or oversees_all(by) or by.team_places.filter(team_id=team).exists():
        return
    raise NotToBeClaimed(_("This lead waits for another team. Claim one of your own teams."))


def lapse_claims(lead_ids: Sequence[int], now: datetime) -> None:
    """Free the leads whose claim has lapsed without an act: they wait for their teams again."""
    take_back_leads(lead_ids=lead_ids, now=now)


def register_claims() -> None:
    """Make known what happens when a claim lapses; called once, when the app is ready."""
    register_due_kind(DueKind(CLAIM_LAPSES, act=lapse_claims, lock=lock_free_leads))
