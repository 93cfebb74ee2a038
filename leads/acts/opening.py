"""What every act begins and ends with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from core.due import cancel
from leads.lifecycle import Move, MoveNotAllowed, check_move, move_lead
from leads.models import Lead, LeadState, MoveAct, Stage
from leads.ownership import require_hands_on
from leads.pipeline import Reason, ReasonCode, lock_leads, run_pipeline
from leads.reasons import Reasons, published_reasons
from leads.selectors import LeadNotFound, is_lead_id
from leads.versions import Rulebook, open_rulebook
from tenancy.errors import FieldProblem, Invalid
from tenancy.models import Membership
from tenancy.rights import require

# A claim lapses by a due row of this kind, unless an act comes first.
CLAIM_LAPSES: Final = "claim.lapses"
MAX_TEXT_LENGTH: Final = 4000


class InvalidAct(Invalid):
    """What was given with the act is not complete or not known."""


@dataclass
class OpenLead:
    """A locked lead on which an act is being done."""

    lead: Lead
    state: LeadState
    by: Membership
    now: datetime

    @property
    def stage(self) -> Stage:
        return Stage(self.state.stage)

    @cached_property
    def rules(self) -> Rulebook:
        """The published rules."""
        return open_rulebook()

    @property
    def reasons(self) -> Reasons:
        """The tenant's reasons."""
        return published_reasons(self.rules)

    def check(self, act: MoveAct) -> None:
        """Raise MoveNotAllowed unless the act may leave the lead's stage."""
        check_move(stage=self.stage, act=act)

    def check_stage(self, *stages: Stage, what: Any) -> None:
        """Raise MoveNotAllowed unless the lead is in one of these stages; ``what`` names the act."""
        if self.stage not in stages:
            allowed = ", ".join(str(stage.label) for stage in stages)
            raise MoveNotAllowed(
                _("“%(act)s” is not possible while the lead is in %(stage)s; it is possible in: %(allowed)s.")
                % {"act": what, "stage": self.stage.label, "allowed": allowed},
                stage=self.stage.value,
            )

    def move(self, to: Stage, act: MoveAct, *, reason: str = "", note: str = "") -> None:
        """Move the lead by an act, in the actor's name."""
        move = Move(self.lead.pk, self.stage, to, act, reason=reason, note=note, actor_id=self.by.pk)
        move_lead(move=move, now=self.now)


@contextmanager
def open_lead(*, lead_id: int, right: str, by: Membership, now: datetime) -> Iterator[OpenLead]:
    """Lock a lead for an act and check that this member may do it on this lead; run the pipeline at the end.

    Raises LeadNotFound, NotAllowed, NotYourLead.
    """
    require(by, right)
    state = lock_standing(lead_id)
    require_hands_on(member=by, state=state)
    was_claimed = state.claimed_until is not None
    yield OpenLead(state.lead, state, by, now)
    if state.live_since is None:
        # What a person does with a lead that only files told of makes it a lead like any other.
        LeadState.objects.filter(pk=lead_id).update(live_since=now)
    if was_claimed:
        # The first act keeps a claimed lead with who claimed it.
        LeadState.objects.filter(pk=lead_id).update(claimed_until=None)
        cancel(kind=CLAIM_LAPSES, subjects=[lead_id])
    run_pipeline(lead_ids=[lead_id], reason=Reason(ReasonCode.ACT, actor_id=by.pk), now=now)


def lock_standing(lead_id: int) -> LeadState:
    """Lock a lead and read how it stands, with the lead. Raises LeadNotFound."""
    if not is_lead_id(lead_id) or not lock_leads([lead_id]):
        raise LeadNotFound(_("There is no such lead."))
    state: LeadState = LeadState.objects.select_related("lead").get(pk=lead_id)
    return state


def read_text(raw: str, *, field: str, is_required: bool = False) -> str:
    """A text that came with an act, trimmed. Raises InvalidAct when it is too long, or missing where it is required."""
    text = raw.strip()
    if is_required and not text:
        missing = _("Say why, in a few words.")
        raise InvalidAct(missing, errors=[FieldProblem(field, "required", missing)])
    if len(text) > MAX_TEXT_LENGTH:
        message = _("Give a text of at most %(count)s characters.") % {"count": MAX_TEXT_LENGTH}
        raise InvalidAct(message, errors=[FieldProblem(field, "too_long", message)])
    return text
