"""Moves by hand: promote, send to nurture, disqualify, reopen."""

from datetime import datetime
from typing import Final

from leads.acts.opening import open_lead, read_text
from leads.acts.selling import answer_handover, close_opportunity
from leads.models import HandoverAnswer, MoveAct, OpportunityOutcome, Stage
from tenancy.models import Membership

# A move by hand gives its reason in words: they are kept as its note, and this stands as the reason.
BY_HAND: Final = "by_hand"
WITH_SALES: Final = frozenset({Stage.SALES_QUALIFIED, Stage.OPPORTUNITY})


def promote(*, lead_id: int, reason: str, by: Membership, now: datetime) -> None:
    """Make a lead an MQL by hand, from new or nurture. ``reason`` is free text; raises InvalidAct without one."""
    note = read_text(reason, field="reason", is_required=True)
    with open_lead(lead_id=lead_id, right="lead.move", by=by, now=now) as held:
        held.check(MoveAct.PROMOTE)
        held.move(Stage.MARKETING_QUALIFIED, MoveAct.PROMOTE, reason=BY_HAND, note=note)


def reopen(*, lead_id: int, reason: str, by: Membership, now: datetime) -> None:
    """Take a disqualified lead in again as new. ``reason`` is free text; raises InvalidAct without one."""
    note = read_text(reason, field="reason", is_required=True)
    with open_lead(lead_id=lead_id, right="lead.move", by=by, now=now) as held:
        held.check(MoveAct.REOPEN)
        held.move(Stage.NEW, MoveAct.REOPEN, reason=BY_HAND, note=note)


def nurture(*, lead_id: int, reason: str, by: Membership, now: datetime, note: str = "") -> None:
    """Send an open lead to nurture with a reason of the tenant's list; from SQL or opportunity it counts as returned.

    An offer to sales is answered as returned, an open opportunity is lost. Raises UnknownReason.
    """
    note = read_text(note, field="note")
    with open_lead(lead_id=lead_id, right="lead.move", by=by, now=now) as held:
        act = MoveAct.RETURN if held.stage in WITH_SALES else MoveAct.NURTURE
        held.check(act)
        choice = held.reasons.require(act=act, reason=reason)
        answer_handover(held, HandoverAnswer.RETURNED, reason=reason)
        if held.stage == Stage.OPPORTUNITY:
            close_opportunity(held, OpportunityOutcome.LOST, reason=reason)
        held.move(choice.target, act, reason=reason, note=note)


def disqualify(*, lead_id: int, reason: str, by: Membership, now: datetime, note: str = "") -> None:
    """Take an open lead out with a reason of the tenant's list. An offer to sales is withdrawn, an opportunity lost.

    Raises UnknownReason.
    """
    note = read_text(note, field="note")
    with open_lead(lead_id=lead_id, right="lead.move", by=by, now=now) as held:
        held.check(MoveAct.DISQUALIFY)
        choice = held.reasons.require(act=MoveAct.DISQUALIFY, reason=reason)
        answer_handover(held, HandoverAnswer.WITHDRAWN, reason=reason)
        if held.stage == Stage.OPPORTUNITY:
            close_opportunity(held, OpportunityOutcome.LOST, reason=reason)
        held.move(choice.target, MoveAct.DISQUALIFY, reason=reason, note=note)
