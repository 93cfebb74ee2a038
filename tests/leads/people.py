"""Who acts in the tests of acts, and leads in their hands."""

from datetime import timedelta
from typing import Any

from leads.models import Handover, Lead, LeadState, Opportunity, Stage
from tenancy.models import MemberKind, Membership, Role
from tests.builders import make_lead, make_member
from tests.conftest import NOW

HOUR = timedelta(hours=1)


def make_sdr(**fields: Any) -> Membership:
    """An SDR."""
    return make_member(role=Role.SDR, **fields)


def make_rep(**fields: Any) -> Membership:
    """A sales rep."""
    return make_member(role=Role.SALES, **fields)


def make_manager() -> Membership:
    """A manager, who may act on any lead."""
    return make_member(role=Role.MANAGER)


def make_service() -> Membership:
    """The service user of an API key."""
    service: Membership = Membership.objects.create(kind=MemberKind.SERVICE, name="CRM", roles=[Role.MANAGER])
    return service


def mql_of(sdr: Membership | None, **fields: Any) -> Lead:
    """An MQL that this SDR owns, or nobody."""
    return make_lead(
        stage=Stage.MARKETING_QUALIFIED, standing={"owner_sdr": sdr} | fields.pop("standing", {}), **fields
    )


def working_of(sdr: Membership | None, **fields: Any) -> Lead:
    """A lead in work of this SDR."""
    return make_lead(stage=Stage.WORKING, standing={"owner_sdr": sdr}, **fields)


def sql_of(rep: Membership | None, *, sdr: Membership | None = None, **standing: Any) -> Lead:
    """An SQL offered to this rep, or to nobody in particular, two hours ago."""
    lead = make_lead(
        stage=Stage.SALES_QUALIFIED,
        stage_at=NOW - 2 * HOUR,
        standing={"owner_sales": rep, "owner_sdr": sdr} | standing,
    )
    Handover.objects.create(lead=lead, offered_at=NOW - 2 * HOUR, offered_by=sdr)
    return lead


def opportunity_of(rep: Membership | None, *, sdr: Membership | None = None) -> Lead:
    """A lead with an open opportunity of this rep."""
    lead = make_lead(stage=Stage.OPPORTUNITY, standing={"owner_sales": rep, "owner_sdr": sdr})
    Opportunity.objects.create(lead=lead, opened_at=NOW - HOUR, currency="BRL", sdr=sdr, sales_rep=rep)
    return lead


def standing_of(lead: Lead) -> LeadState:
    """How the lead stands now."""
    state: LeadState = LeadState.objects.get(pk=lead.pk)
    return state
