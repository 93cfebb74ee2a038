"""Making one lead of two and taking them apart: what moves, who is meant by which address, what wins, what comes back."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.test import Client

from core.due import schedule
from core.models import DueRow
from leads.acts.opening import CLAIM_LAPSES
from leads.api.merging import merge_json
from leads.capture.editing import IdentityTaken, edit_lead
from leads.capture.event_intake import record_batch
from leads.capture.fields import read_submission
from leads.capture.intake import Intake, take_in
from leads.capture.rules import open_rules
from leads.merging.fields import InvalidChoice
from leads.merging.merge import CannotMerge, CannotUndo, SameLead, merge_leads, undo_merge
from leads.merging.tables import Fate, list_lead_tables
from leads.models import (
    Consent,
    CustomField,
    CustomValue,
    Decision,
    DuplicateProposal,
    Event,
    Handover,
    Lead,
    LeadAlias,
    LeadMerge,
    LeadState,
    LeadTag,
    Opportunity,
    Stage,
    Touch,
)
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leads.reasons import RE_ENGAGEMENT
from leads.selectors import LeadNotFound
from nurturing.models import Enrollment, EnrollmentState
from nurturing.services import enroll_lead
from routing.escalation import act_on_shares
from routing.models import Clock
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.rights import NotAllowed
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_event, make_lead, make_member
from tests.conftest import NOW
from tests.guards.rows import ALSO, _is_needed, _value

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def manager(in_tenant: Tenant) -> Membership:
    """Who may merge."""
    return make_member(role=Role.MANAGER)


def merge(survivor: Lead, loser: Lead, by: Membership, **choices: str) -> LeadMerge:
    return merge_leads(survivor_id=survivor.pk, loser_id=loser.pk, choices=choices, by=by, now=NOW)


def take(tenant: Tenant, document: dict[str, Any]) -> Intake:
    given, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=LATER)
    assert problems == []
    [row] = take_in(rows=[given], now=LATER, is_live=True)
    return row


def test_every_reference_to_a_lead_says_what_happens_to_it() -> None:
    """A table that is not registered would lose its rows with the loser: see leads.merging.tables."""
    references = {
        (model._meta.db_table, field.column)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_fields
        if field.related_model is Lead
    }
    assert references == {(table.name, table.column) for table in list_lead_tables()}


def rows_of_everything(*lead_ids: int) -> dict[str, list[Any]]:
    """Every row of every table that refers to one of these leads, whole, and the leads; none that is derived."""
    found: dict[str, list[Any]] = {}
    tables = [(table.name, table.column) for table in list_lead_tables() if table.fate is not Fate.DROP]
    with connection.cursor() as cursor:
        for name, column in [("leads_lead", "id"), *tables]:
            key = "lead_id" if name == "leads_leadstate" else "id"
            cursor.execute(
                f'SELECT to_jsonb(kept)::text FROM "{name}" kept WHERE "{column}" = ANY (%s) ORDER BY "{key}"',
                [list(lead_ids)],
            )
            found[f"{name}.{column}"] = [json.loads(row) for (row,) in cursor.fetchall()]
    return found


def fresh_row(model: type[models.Model], column: str, lead: Lead) -> models.Model:
    """A row of a table about this lead, though the tenant may have others."""
    made: dict[type[models.Model], models.Model] = {Lead: lead}
    also = ALSO.get(model._meta.label, set())
    fields = [
        field
        for field in model._meta.local_concrete_fields
        if field.name in also or field.attname == column or _is_needed(field)
    ]
    row: models.Model = model._default_manager.create(
        **{field.attname: _value(field, made) for field in fields}
    )
    return row


@pytest.mark.usefixtures("acts_alone")
def test_everything_of_the_loser_moves_and_an_undo_brings_back_each_row_as_it_stood(
    manager: Membership,
) -> None:
    survivor, loser = make_lead(tags=["both", "mine"]), make_lead(tags=["both", "theirs"])
    moving = [table for table in list_lead_tables() if table.fate is Fate.MOVE and table.model is not LeadTag]
    rows = {(table.name, table.column): fresh_row(table.model, table.column, loser).pk for table in moving}
    Enrollment.objects.filter(lead=loser).update(state=EnrollmentState.FINISHED, ended_at=NOW, step="")
    Decision.objects.filter(lead=loser).update(kind="gate")
    DuplicateProposal.objects.create(
        first=survivor, second=loser, reasons=["phone"], confidence=90, found_at=NOW
    )
    schedule(kind=CLAIM_LAPSES, due={loser.pk: LATER})
    before = rows_of_everything(survivor.pk, loser.pk)
    done = merge(survivor, loser, manager)
    for table in moving:
        moved = table.model._default_manager.filter(**{table.column: survivor.pk})
        assert rows[table.name, table.column] in moved.values_list("pk", flat=True), table
    empty = rows_of_everything(loser.pk)
    assert [name for name, found in empty.items() if found] == []
    assert set(LeadTag.objects.values_list("tag", flat=True)) == {"both", "mine", "theirs"}
    assert not DueRow.objects.filter(kind=CLAIM_LAPSES).exists()
    undo_merge(merge_id=done.pk, by=manager, now=LATER)
    after = rows_of_everything(survivor.pk, loser.pk)
    own = "leads_leadmerge.survivor_id"
    after[own] = [row for row in after[own] if row["id"] != done.pk]
    for name in before:
        assert after[name] == before[name], name
    assert DueRow.objects.get(kind=CLAIM_LAPSES).subject == loser.pk
    acts = (
        AuditEntry.objects.filter(act__startswith="lead.merge").order_by("pk").values_list("act", flat=True)
    )
    assert list(acts) == ["lead.merged", "lead.merge_undone"]


def test_who_sends_an_address_of_the_loser_means_the_survivor(tenant: Tenant, manager: Membership) -> None:
    survivor = make_lead(email="ana@acme.test", name="Ana", phone=None)
    loser = make_lead(
        email="a.prado@acme.test", external_id="crm-7", name="Ana Prado", phone="+5519999990000"
    )
    third = make_lead()
    done = merge(survivor, loser, manager, name="loser")
    survivor.refresh_from_db()
    assert (survivor.email, survivor.name, survivor.phone) == ("ana@acme.test", "Ana Prado", "+5519999990000")
    # The survivor had no external id of its own: it has the loser's, and only the e-mail is another one.
    assert survivor.external_id == "crm-7"
    assert list(LeadAlias.objects.values_list("kind", "value")) == [("email", "a.prado@acme.test")]
    mailed = take(tenant, {"email": "A.Prado@acme.test", "city": "Campinas"})
    assert (mailed.lead_id, mailed.outcome) == (survivor.pk, "updated")
    survivor.refresh_from_db()
    assert (survivor.email, survivor.city) == ("ana@acme.test", "Campinas")
    events = [
        {"type": "page_viewed", "lead": {"email": "a.prado@acme.test"}},
        {"type": "page_viewed", "lead": {"id": loser.pk}},
    ]
    recorded = record_batch(events=events, tenant=tenant, now=LATER)
    assert [row.lead_id for row in recorded] == [survivor.pk] * 2
    with pytest.raises(IdentityTaken):
        edit_lead(
            lead_id=third.pk, values={"email": "a.prado@acme.test"}, tenant=tenant, by=manager, now=LATER
        )
    undo_merge(merge_id=done.pk, by=manager, now=LATER)
    assert not LeadAlias.objects.exists()
    again = take(tenant, {"email": "a.prado@acme.test"})
    assert again.lead_id == loser.pk
    # What came meanwhile stays with the survivor.
    assert Event.objects.filter(lead=survivor, type="page_viewed").count() == 2
    survivor.refresh_from_db()
    back = Lead.objects.get(pk=survivor.pk)
    assert (back.name, back.external_id, back.city) == ("Ana", None, "Campinas")


def test_the_further_stage_the_strictest_consent_and_the_first_source_win(manager: Membership) -> None:
    rep = make_member(role=Role.SALES)
    field = CustomField.objects.create(name="plants", label="Plants", type="integer")
    early = NOW - timedelta(days=90)
    survivor = make_lead(stage=Stage.MARKETING_QUALIFIED, origin="webinar")
    loser = make_lead(
        stage=Stage.SALES_QUALIFIED,
        stage_at=NOW - timedelta(days=3),
        origin="paid_search",
        created_at=early,
        standing={"owner_sales": rep},
    )
    Handover.objects.create(lead=loser, offered_at=NOW - timedelta(days=3))
    for lead, withdrawn_at in ((survivor, None), (loser, NOW - timedelta(days=60))):
        Consent.objects.create(
            lead=lead,
            purpose="marketing",
            basis="consent",
            given_at=early,
            withdrawn_at=withdrawn_at,
            source="form",
        )
        CustomValue.objects.create(lead=lead, field=field, integer_value=lead.pk)
    done = merge(survivor, loser, manager, **{"custom.plants": "loser"})
    state = LeadState.objects.get(pk=survivor.pk)
    assert (state.stage, state.owner_sales, state.furthest_stage) == (Stage.SALES_QUALIFIED, rep, 3)
    assert Handover.objects.get().answer is None
    assert not Consent.objects.filter(withdrawn_at__isnull=True).exists()
    assert CustomValue.objects.get().integer_value == loser.pk
    survivor.refresh_from_db()
    assert (survivor.origin, survivor.created_at) == ("paid_search", early)
    assert Touch.objects.get().origin == "webinar"
    # The promise to contact an MQL ends; the one to answer the SQL runs.
    assert set(Clock.objects.filter(lead=survivor, state="running").values_list("kind", flat=True)) == {
        "answer_sql"
    }
    undo_merge(merge_id=done.pk, by=manager, now=LATER)
    stages = dict(LeadState.objects.values_list("lead_id", "stage"))
    assert stages == {survivor.pk: Stage.MARKETING_QUALIFIED, loser.pk: Stage.SALES_QUALIFIED}
    assert Consent.objects.get(lead=survivor).withdrawn_at is None
    assert CustomValue.objects.get(lead=survivor).integer_value == survivor.pk
    assert not Touch.objects.exists()


def test_shares_of_a_clock_that_were_acted_on_while_merged_are_not_acted_on_again(
    manager: Membership,
) -> None:
    make_member(role=Role.SDR)
    leads = [make_lead(stage=Stage.MARKETING_QUALIFIED) for _lead in range(2)]
    run_pipeline(lead_ids=[lead.pk for lead in leads], reason=Reason(ReasonCode.ACT), now=NOW)
    survivor, loser = leads
    clocks = list(Clock.objects.order_by("lead"))
    assert [(clock.lead_id, clock.level) for clock in clocks] == [(survivor.pk, 0), (loser.pk, 0)]
    done = merge(survivor, loser, manager)
    overdue = NOW + timedelta(days=30)
    act_on_shares([clock.pk for clock in clocks], overdue)
    told = Decision.objects.filter(kind="clock", detail__has_key="percent")
    shares = sorted(told.values_list("detail__clock", "detail__percent"))
    assert len(shares) > 2
    undo_merge(merge_id=done.pk, by=manager, now=overdue)
    mine, theirs = Clock.objects.order_by("lead")
    assert (mine.state, mine.level, mine.next_share) == ("broken", shares[-1][1], None)
    assert (theirs.lead_id, theirs.state, theirs.level) == (loser.pk, "running", 0)
    act_on_shares([mine.pk, theirs.pk], overdue)
    again = sorted(told.values_list("detail__clock", "detail__percent"))
    assert [share for share in again if share[0] == mine.pk] == shares
    assert len(again) == len(set(again)) == 2 * len(shares)


def test_sequences_of_the_loser_end_and_its_score_is_worked_out_anew(
    tenant: Tenant, manager: Membership
) -> None:
    survivor, loser = make_lead(stage=Stage.NURTURE), make_lead(stage=Stage.NURTURE)
    enroll_lead(lead_id=loser.pk, sequence=RE_ENGAGEMENT, by=manager, now=NOW)
    make_event(lead=loser, type="webinar_attended")
    make_event(lead=survivor, type="webinar_attended")
    done = merge(survivor, loser, manager)
    assert LeadState.objects.get(pk=survivor.pk).score == 40
    ended = Enrollment.objects.get()
    assert (ended.lead_id, ended.state, ended.exit_reason) == (survivor.pk, EnrollmentState.EXITED, "merged")
    undo_merge(merge_id=done.pk, by=manager, now=LATER)
    assert dict(LeadState.objects.values_list("pk", "score")) == {survivor.pk: 20, loser.pk: 20}


def test_what_cannot_be_merged_or_undone_says_why(
    tenant: Tenant, other_tenant: Tenant, manager: Membership
) -> None:
    first, second, third = make_lead(), make_lead(), make_lead()
    with pytest.raises(SameLead):
        merge(first, first, manager)
    with pytest.raises(NotAllowed):
        merge(first, second, make_member(role=Role.SDR))
    with pytest.raises(InvalidChoice):
        merge(first, second, manager, nothing="loser")
    with pytest.raises(InvalidChoice):
        merge(first, second, manager, email="both")
    for lead in (first, second):
        Opportunity.objects.create(lead=lead, opened_at=NOW)
    with pytest.raises(CannotMerge):
        merge(first, second, manager)
    Opportunity.objects.all().delete()
    inner = merge(second, third, manager)
    outer = merge(first, second, manager)
    with pytest.raises(LeadNotFound):
        merge(first, second, manager)
    with pytest.raises(CannotUndo, match="Undo that first"):
        undo_merge(merge_id=inner.pk, by=manager, now=LATER)
    with pytest.raises(CannotUndo, match="30 days"):
        undo_merge(merge_id=outer.pk, by=manager, now=NOW + timedelta(days=31))
    undo_merge(merge_id=outer.pk, by=manager, now=LATER)
    with pytest.raises(CannotUndo, match="already"):
        undo_merge(merge_id=outer.pk, by=manager, now=LATER)
    undo_merge(merge_id=inner.pk, by=manager, now=LATER)
    assert Lead.objects.count() == 3


def test_the_pages_compare_merge_lead_on_and_undo(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(other_tenant.pk):
        foreign = make_lead()
    with tenant_scope(tenant.pk):
        company = make_company(name="Acme", domain="acme.test")
        survivor = make_lead(name="Ana Prado", phone="+5519999990000", company=company)
        loser = make_lead(name="Ana <b>Prado", phone="+5519999991111", city="Campinas")
        user = make_member(role=Role.MARKETING).user
        sdr = make_member(role=Role.SDR).user
    assert user is not None
    assert sdr is not None
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(user)
    home = f"/t/horizonte/leads/{survivor.pk}/"
    assert "Merge with…" in browser.get(home).content.decode()
    assert browser.get(f"{home}merge/", {"q": "9999 91111"}).status_code == 200
    page = browser.get(f"{home}merge/{loser.pk}/").content.decode()
    assert "Ana &lt;b&gt;Prado" in page
    assert 'name="field.phone"' in page
    assert 'name="field.city"' not in page
    assert browser.get(f"{home}merge/{foreign.pk}/").status_code == 404
    assert browser.post(f"{home}merge/{loser.pk}/", {"field.phone": "both"}).status_code == 422
    done = browser.post(f"{home}merge/{loser.pk}/", {"field.phone": "loser", "field.name": "survivor"})
    assert done["Location"] == home
    assert browser.get(f"/t/horizonte/leads/{loser.pk}/")["Location"] == home
    shown = browser.get(home).content.decode()
    assert "+5519999991111" in shown
    with tenant_scope(tenant.pk):
        merged = LeadMerge.objects.get()
    undo = f"/t/horizonte/merges/{merged.pk}/undo/"
    assert undo in shown
    assert undo in browser.get("/t/horizonte/duplicates/?show=merged").content.decode()
    browser.force_login(sdr)
    assert browser.post(undo).status_code == 403
    assert undo not in browser.get(home).content.decode()
    browser.force_login(user)
    assert browser.post(undo)["Location"] == f"/t/horizonte/leads/{loser.pk}/"
    assert browser.post(undo)["Location"] == "/t/horizonte/duplicates/?show=merged"


def test_merging_by_the_api(tenant: Tenant, other_tenant: Tenant) -> None:
    api, foreign = ApiCaller(tenant), ApiCaller(other_tenant)
    with tenant_scope(tenant.pk):
        survivor, loser = make_lead(), make_lead()
    address = f"/leads/{survivor.pk}/merge/"
    for bad in ({}, {"other": "x"}, {"other": survivor.pk}, {"other": loser.pk, "values": {"x": "loser"}}):
        assert api.post(address, bad).status_code == 400, bad
    assert foreign.post(address, {"other": loser.pk}).status_code == 404
    done = api.post(address, {"other": loser.pk, "values": {"email": "loser"}}).json()
    assert (done["lead"], done["merged"]) == (survivor.pk, loser.pk)
    assert api.get(f"/leads/{survivor.pk}/").json()["email"] == loser.email
    with tenant_scope(tenant.pk):
        assert merge_json(LeadMerge.objects.get()) == done
    undo = f"/merges/{done['id']}/undo/"
    assert foreign.post(undo).status_code == 404
    assert api.post(undo).json()["undone_at"] is not None
    assert api.post(undo).status_code == 409
    assert api.get(f"/leads/{survivor.pk}/").json()["email"] == survivor.email
