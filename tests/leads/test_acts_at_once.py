"""Two people do the same at once, with real commits: one wins and the other is told."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from leads import acts
from leads.acts.owning import LeadClaimedMeanwhile
from leads.lifecycle import MoveNotAllowed
from leads.models import Decision, Handover, LeadState, Opportunity, Stage, StageChange
from tenancy.errors import Problem
from tenancy.scope import tenant_scope
from tests.conftest import NOW
from tests.leads.people import make_manager, make_rep, make_sdr, mql_of, sql_of, working_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("acts_alone")]


def at_once(tenant: Any, *attempts: Callable[[], object]) -> list[Problem | None]:
    """Run each in a thread and a transaction of its own, begun together; what each was told, None for done."""
    told: list[Problem | None] = [None] * len(attempts)
    ready = threading.Barrier(len(attempts))

    def run(index: int, attempt: Callable[[], object]) -> None:
        try:
            with tenant_scope(tenant.pk):
                ready.wait(timeout=10)
                attempt()
        except Problem as problem:
            told[index] = problem
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index, each)) for index, each in enumerate(attempts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return told


def test_of_two_sdrs_who_claim_at_once_one_has_the_lead_and_the_other_is_told_who(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        first, second, lead = make_sdr(name="Ana"), make_sdr(name="Bia"), mql_of(None)
    told = at_once(
        tenant,
        lambda: acts.claim(lead_id=lead.pk, by=first, now=NOW),
        lambda: acts.claim(lead_id=lead.pk, by=second, now=NOW),
    )
    [refusal] = [problem for problem in told if problem]
    assert isinstance(refusal, LeadClaimedMeanwhile)
    with tenant_scope(tenant.pk):
        winner = LeadState.objects.get(pk=lead.pk).owner_sdr
        assert winner == (first, second)[told.index(None)]
        assert winner.name in str(refusal.detail)
        assert Decision.objects.filter(lead=lead, kind="owner").count() == 1


def test_of_two_who_accept_and_reject_at_once_one_answers_the_offer(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        rep, manager = make_rep(), make_manager()
        lead = sql_of(rep)
    told = at_once(
        tenant,
        lambda: acts.accept(lead_id=lead.pk, by=rep, now=NOW),
        lambda: acts.reject(lead_id=lead.pk, reason="no_need", by=manager, now=NOW),
    )
    [refusal] = [problem for problem in told if problem]
    assert isinstance(refusal, MoveNotAllowed)
    with tenant_scope(tenant.pk):
        expected = (Stage.OPPORTUNITY, "accepted", 1) if told[0] is None else (Stage.NURTURE, "rejected", 0)
        stage = LeadState.objects.get(pk=lead.pk).stage
        answer = Handover.objects.get(lead=lead).answer
        assert (stage, answer, Opportunity.objects.count()) == expected


def test_accepting_twice_at_once_makes_one_opportunity(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        rep = make_rep()
        lead = sql_of(rep)
    told = at_once(tenant, *[lambda: acts.accept(lead_id=lead.pk, by=rep, now=NOW)] * 3)
    assert sum(problem is None for problem in told) == 1
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.count() == 1
        assert StageChange.objects.filter(lead=lead, act="accept").count() == 1


def test_two_who_assess_at_once_lose_no_answer(tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        sdr, manager = make_sdr(), make_manager()
        lead = working_of(sdr)
    budget, need = {"budget": {"met": True}}, {"need": {"met": True}}
    told = at_once(
        tenant,
        lambda: acts.assess(lead_id=lead.pk, framework="bant", answers=budget, by=sdr, now=NOW),
        lambda: acts.assess(lead_id=lead.pk, framework="bant", answers=need, by=manager, now=NOW),
    )
    assert told == [None, None]
    with tenant_scope(tenant.pk):
        assert lead.answers.filter(met=True).count() == 2
