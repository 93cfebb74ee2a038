"""Merges and what happens to their leads at the same moment, with real commits: nobody is lost and nobody is there twice."""

from typing import Any

import pytest

from leads.capture.fields import read_submission
from leads.capture.intake import take_in
from leads.capture.rules import open_rules
from leads.merging.merge import merge_leads
from leads.models import Lead, LeadMerge, LeadNote
from leads.notes import add_note
from leads.selectors import LeadNotFound
from tenancy.models import Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.leads.test_acts_at_once import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("acts_alone")]


def test_of_merges_of_overlapping_pairs_at_once_none_loses_a_lead(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.MANAGER)
        first, second, third = (make_lead() for _number in range(3))

    def merge(survivor: Lead, loser: Lead) -> Any:
        return lambda: merge_leads(survivor_id=survivor.pk, loser_id=loser.pk, choices={}, by=by, now=NOW)

    told = at_once(tenant, merge(first, second), merge(second, third), merge(third, first))
    with tenant_scope(tenant.pk):
        left = set(Lead.objects.values_list("pk", flat=True))
        merges = LeadMerge.objects.values_list("loser_id", flat=True)
        # Whoever came too late is told that a lead is gone.
        assert all(problem is None or isinstance(problem, LeadNotFound) for problem in told)
        assert left | set(merges) == {first.pk, second.pk, third.pk}
        assert len(left) == 3 - told.count(None)


def test_what_arrives_for_the_loser_during_a_merge_reaches_the_survivor(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.MANAGER)
        survivor, loser = make_lead(email="ana@acme.test"), make_lead(email="a.prado@acme.test")

    def submit() -> None:
        document = {"email": "a.prado@acme.test", "city": "Campinas"}
        given, _problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=NOW)
        take_in(rows=[given], now=NOW, is_live=True)

    told = at_once(
        tenant,
        lambda: merge_leads(survivor_id=survivor.pk, loser_id=loser.pk, choices={}, by=by, now=NOW),
        submit,
        lambda: add_note(lead_id=loser.pk, text="Call her", by=by, now=NOW),
    )
    with tenant_scope(tenant.pk):
        assert told[:2] == [None, None]
        [left] = Lead.objects.all()
        assert (left.pk, left.email, left.city) == (survivor.pk, "ana@acme.test", "Campinas")
        # The note came before, and has moved, or was refused because the lead was gone.
        assert told[2] is None or isinstance(told[2], LeadNotFound)
        assert LeadNote.objects.filter(lead=survivor).count() == (1 if told[2] is None else 0)
