"""The sales rep's acts: accept or reject an SQL, win or lose the opportunity."""

from datetime import datetime
from typing import Any

from leads.acts.opening import OpenLead, open_lead, read_text
from leads.models import (
    Handover,
    HandoverAnswer,
    MoveAct,
    Opportunity,
    OpportunityOutcome,
    Stage,
)
from leads.money import read_amount, read_currency
from leads.ownership import OwnedBy, give_lead, owner_id
from tenancy.members import functions_of
from tenancy.models import Membership, TeamFunction


def accept(*, lead_id: int, by: Membership, now: datetime) -> Opportunity:
    """Accept an SQL: it becomes an opportunity. A rep who accepts one that nobody in sales owns becomes its owner."""
    with open_lead(lead_id=lead_id, right="lead.sell", by=by, now=now) as held:
        held.check(MoveAct.ACCEPT)
        if owner_id(held.state, TeamFunction.SALES) is None and TeamFunction.SALES in functions_of(by):
            give_lead(
                state=held.state, function=TeamFunction.SALES, to=by, how=OwnedBy.ACCEPT, by=by, now=now
            )
        answer_handover(held, HandoverAnswer.ACCEPTED)
        opportunity = open_opportunity(held, opened_at=now)
        held.move(Stage.OPPORTUNITY, MoveAct.ACCEPT)
    return opportunity


def reject(*, lead_id: int, reason: str, by: Membership, now: datetime, note: str = "") -> None:
    """Reject an SQL with a reason of the tenant's list: it goes where the reason leads. Raises UnknownReason."""
    note = read_text(note, field="note")
    with open_lead(lead_id=lead_id, right="lead.sell", by=by, now=now) as held:
        held.check(MoveAct.REJECT)
        choice = held.reasons.require(act=MoveAct.REJECT, reason=reason)
        answer_handover(held, HandoverAnswer.REJECTED, reason=reason)
        held.move(choice.target, MoveAct.REJECT, reason=reason, note=note)


def win(*, lead_id: int, amount: Any, by: Membership, now: datetime, currency: str = "") -> Opportunity:
    """Win the open opportunity: the lead becomes a customer.

    ``amount`` is a number or its digits as a text, in units of ``currency`` (ISO 4217; the tenant's if left out). Raises
    InvalidAmount.
    """
    with open_lead(lead_id=lead_id, right="lead.sell", by=by, now=now) as held:
        held.check(MoveAct.WIN)
        code = read_currency(currency) if currency else held.lead.tenant.currency
        minor = read_amount(amount, currency=code)
        opportunity = close_opportunity(held, OpportunityOutcome.WON, amount_minor=minor, currency=code)
        held.move(Stage.CUSTOMER, MoveAct.WIN)
    return opportunity


def lose(*, lead_id: int, reason: str, by: Membership, now: datetime, note: str = "") -> Opportunity:
    """Lose the open opportunity with a reason of the tenant's list: the lead goes where the reason leads.

    Raises UnknownReason.
    """
    note = read_text(note, field="note")
    with open_lead(lead_id=lead_id, right="lead.sell", by=by, now=now) as held:
        held.check(MoveAct.LOSE)
        choice = held.reasons.require(act=MoveAct.LOSE, reason=reason)
        opportunity = close_opportunity(held, OpportunityOutcome.LOST, reason=reason)
        held.move(choice.target, MoveAct.LOSE, reason=reason, note=note)
    return opportunity


def answer_handover(held: OpenLead, answer: HandoverAnswer, *, reason: str = "") -> None:
    """Close the lead's open offer to sales, if there is one: a lead that a file made an SQL has none."""
    Handover.objects.filter(lead=held.lead, answer__isnull=True).update(
        answer=answer, answered_at=held.now, answered_by=held.by, reason=reason
    )


def open_opportunity(held: OpenLead, *, opened_at: datetime | None) -> Opportunity:
    """The lead's open opportunity, made now unless there is one; ``opened_at`` None is a time nobody knows."""
    known = Opportunity.objects.filter(lead=held.lead, outcome=OpportunityOutcome.OPEN).first()
    state = held.state
    opportunity: Opportunity = known or Opportunity.objects.create(
        lead=held.lead,
        opened_at=opened_at,
        currency=held.lead.tenant.currency,
        sdr_id=state.owner_sdr_id,
        sales_rep_id=state.owner_sales_id,
        kept_sdr_id=None if state.owner_sdr_id else state.kept_sdr_id,
        kept_sales_rep_id=None if state.owner_sales_id else state.kept_sales_id,
    )
    return opportunity


def close_opportunity(held: OpenLead, outcome: OpportunityOutcome, **changes: Any) -> Opportunity:
    """Close the lead's open opportunity, in the name of whoever owns the lead in sales now.

    A lead that a file made an opportunity has none yet.
    """
    opportunity = open_opportunity(held, opened_at=None)
    fields = {"outcome": outcome, "closed_at": held.now} | changes
    if held.state.owner_sales_id is not None:
        fields |= {"sales_rep_id": held.state.owner_sales_id, "kept_sales_rep_id": None}
    for name, value in fields.items():
        setattr(opportunity, name, value)
    opportunity.save(update_fields=[name.removesuffix("_id") for name in fields])
    return opportunity
