"""One act on many leads: on whom it is done, what came of each, that nothing is doubled or lost, and how it is taken back."""

import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from core.due import sweep_tenant
from core.models import Notification
from core.saved_views.kinds import get_kind
from leads.bulk import runs
from leads.bulk.kinds import InvalidBulkValues, get_bulk_act
from leads.bulk.runs import NotToBeUndone, advance_bulk, start_bulk, stop_bulk, undo_bulk
from leads.models import (
    BulkLead,
    BulkRun,
    BulkState,
    Decision,
    Lead,
    LeadState,
    LeadTag,
    Opportunity,
    StageChange,
)
from leads.reasons import RE_ENGAGEMENT
from nurturing.models import Enrollment
from tenancy.audit import sentence_of
from tenancy.keys import create_key
from tenancy.models import AuditEntry, Membership, Role, Scope, Tenant
from tenancy.rights import NotAllowed
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.leads.people import make_rep, make_sdr, mql_of, sql_of


@pytest.fixture
def clara(in_tenant: Tenant) -> Membership:
    """A manager who reads English."""
    member = make_member(role=Role.MANAGER, name="Clara")
    assert member.user is not None
    member.user.language = "en"
    member.user.save()
    return member


def begin(by: Membership, act: str, values: dict[str, Any], **parameters: str) -> BulkRun:
    return start_bulk(
        act=get_bulk_act(act), values=values, kind=get_kind("leads"), parameters=parameters, by=by, now=NOW
    )


def finish(run: BulkRun) -> BulkRun:
    while advance_bulk(run_id=run.pk, now=NOW):
        pass
    run.refresh_from_db()
    assert not run.problem
    return run


def counts(run: BulkRun) -> tuple[int, int, int, int]:
    return run.total, run.applied, run.unchanged, run.refused


def tagged(tag: str) -> set[int]:
    return set(LeadTag.objects.filter(tag=tag).values_list("lead", flat=True))


def test_a_tag_is_added_to_those_that_match_at_the_start_and_taken_back_from_those_alone(
    clara: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BATCH_SIZE", 2)
    mqls = [make_lead(stage="mql") for _each in range(4)]
    had, other = make_lead(stage="mql", tags=["feira"]), make_lead(stage="new")
    run = begin(clara, "add_tag", {"tag": " feira "}, stage="mql")
    assert advance_bulk(run_id=run.pk, now=NOW)
    late = make_lead(stage="mql")
    assert advance_bulk(run_id=run.pk, now=NOW)
    # A worker that dies in a batch leaves nothing of it: the next one does it.
    with transaction.atomic():
        advance_bulk(run_id=run.pk, now=NOW)
        transaction.set_rollback(True)
    run.refresh_from_db()
    assert (run.state, run.applied + run.unchanged) == ("run", 2)
    run = finish(run)
    assert counts(run) == (5, 4, 1, 0)
    assert tagged("feira") == {had.pk, *(lead.pk for lead in mqls)}
    assert not LeadTag.objects.filter(lead__in=[late, other]).exists()
    assert not advance_bulk(run_id=run.pk, now=NOW)
    [notice] = Notification.objects.filter(member=clara, kind=runs.BULK_DONE)
    assert (notice.values["applied"], notice.values["run_id"]) == (4, run.pk)
    [entry] = AuditEntry.objects.filter(act="bulk.done")
    assert sentence_of(entry) == "Add the tag “feira”: 4 of 5 leads (MQL)"
    undone = finish(undo_bulk(run=run, by=clara, now=NOW))
    assert (counts(undone), tagged("feira")) == ((4, 4, 0, 0), {had.pk})
    for twice in (run, undone):
        with pytest.raises(NotToBeUndone):
            undo_bulk(run=twice, by=clara, now=NOW)


def test_very_many_leads_are_written_down_slice_by_slice_and_so_they_are_taken_back(
    clara: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "CHOOSING_SIZE", 2)
    mqls = {make_lead(stage="mql").pk for _each in range(5)}
    make_lead(stage="new")
    run = begin(clara, "add_tag", {"tag": "feira"}, stage="mql", order="-score")
    assert advance_bulk(run_id=run.pk, now=NOW)
    # A worker that dies in a slice leaves nothing of it.
    with transaction.atomic():
        advance_bulk(run_id=run.pk, now=NOW)
        transaction.set_rollback(True)
    run.refresh_from_db()
    assert (run.state, run.total) == (BulkState.CHOOSING, 2)
    assert (counts(finish(run)), tagged("feira")) == ((5, 5, 0, 0), mqls)
    undoing = undo_bulk(run=run, by=clara, now=NOW)
    assert advance_bulk(run_id=undoing.pk, now=NOW)
    undoing.refresh_from_db()
    assert (undoing.state, undoing.total) == (BulkState.CHOOSING, 2)
    assert (counts(finish(undoing)), tagged("feira")) == ((5, 5, 0, 0), set())


def test_the_owner_is_changed_where_they_work_and_given_back(clara: Membership) -> None:
    old, new, rep = make_sdr(), make_sdr(), make_rep()
    first, second, free = mql_of(old), mql_of(old), mql_of(None)
    sql, out = sql_of(rep), make_lead(stage="disqualified")
    run = finish(begin(clara, "assign", {"user": new.pk}))
    assert counts(run) == (5, 3, 0, 2)
    owners = dict(LeadState.objects.values_list("lead", "owner_sdr"))
    assert [owners[lead.pk] for lead in (first, second, free)] == [new.pk] * 3
    assert LeadState.objects.get(pk=sql.pk).owner_sales_id == rep.pk
    decided = Decision.objects.filter(lead=first, kind="owner").latest("id")
    assert (decided.result, decided.detail["by_id"]) == (new.name, clara.pk)
    why = dict(BulkLead.objects.filter(run=run, outcome="refused").values_list("lead", "why"))
    assert why.keys() == {sql.pk, out.pk}
    assert new.name in why[sql.pk]
    LeadState.objects.filter(pk=second.pk).update(owner_sdr=old)
    undone = finish(undo_bulk(run=run, by=clara, now=NOW))
    assert counts(undone) == (3, 2, 0, 1)
    owners = dict(LeadState.objects.values_list("lead", "owner_sdr"))
    assert [owners[lead.pk] for lead in (first, second)] == [old.pk, old.pk]
    # Whoever had nobody is given out by the rules again.
    assert Decision.objects.filter(lead=free, kind="owner", result="").exists()


def test_leads_go_to_nurture_and_out_as_by_the_act_on_one(clara: Membership) -> None:
    sdr, rep = make_sdr(), make_rep()
    mql, sql, won = mql_of(sdr), sql_of(rep, sdr=sdr), make_lead(stage="customer")
    deal = make_lead(stage="opportunity", standing={"owner_sales": rep})
    kept = make_lead(stage="new", is_live=False)
    run = finish(begin(clara, "nurture", {"reason": "bad_timing", "note": "Feira"}))
    assert counts(run) == (5, 4, 0, 1)
    moves = {each.lead_id: each for each in StageChange.objects.filter(note="Feira")}
    assert {lead_id: move.act for lead_id, move in moves.items()} == {
        mql.pk: "nurture",
        kept.pk: "nurture",
        sql.pk: "return",
        deal.pk: "return",
    }
    assert set(LeadState.objects.filter(stage="nurture").values_list("lead", flat=True)) == moves.keys()
    assert LeadState.objects.get(pk=kept.pk).live_since == NOW
    closed = Opportunity.objects.get(lead=deal)
    assert (closed.outcome, closed.reason, closed.sales_rep_id) == ("lost", "bad_timing", rep.pk)
    assert Enrollment.objects.filter(sequence=RE_ENGAGEMENT).count() == Enrollment.objects.count()
    with pytest.raises(InvalidBulkValues):
        begin(clara, "nurture", {"reason": "no_such"})
    finish(begin(clara, "disqualify", {"reason": "junk"}, ids=f"{mql.pk},{won.pk}"))
    assert LeadState.objects.get(pk=mql.pk).stage == "disqualified"
    assert LeadState.objects.get(pk=won.pk).stage == "customer"


def test_leads_enter_a_sequence_and_leave_it(clara: Membership) -> None:
    new, mql, nameless = make_lead(), make_lead(stage="mql"), make_lead(email=None, phone="+5519999999999")
    run = finish(begin(clara, "enroll", {"sequence": RE_ENGAGEMENT}))
    entered = set(Enrollment.objects.filter(state="active").values_list("lead", flat=True))
    applied = set(BulkLead.objects.filter(run=run, outcome="applied").values_list("lead", flat=True))
    assert entered == applied
    assert mql.pk not in entered
    assert run.applied + run.refused == 3
    assert {new.pk, mql.pk, nameless.pk} == set(Lead.objects.values_list("pk", flat=True))
    finish(begin(clara, "exit_sequence", {"sequence": RE_ENGAGEMENT}))
    assert not Enrollment.objects.filter(state="active").exists()


def test_others_leads_are_left_alone_and_rights_are_asked(in_tenant: Tenant) -> None:
    sdr, mate = make_sdr(), make_sdr()
    mine, theirs = mql_of(sdr), mql_of(mate)
    run = finish(begin(sdr, "disqualify", {"reason": "junk"}))
    assert counts(run) == (2, 1, 0, 1)
    stages = dict(LeadState.objects.values_list("lead", "stage"))
    assert (stages[mine.pk], stages[theirs.pk]) == ("disqualified", "mql")
    with pytest.raises(NotAllowed):
        begin(sdr, "assign", {"user": sdr.pk})


def test_it_is_stopped_between_two_batches(clara: Membership, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "BATCH_SIZE", 1)
    for _each in range(3):
        make_lead()
    run = begin(clara, "add_tag", {"tag": "vip"})
    advance_bulk(run_id=run.pk, now=NOW)
    advance_bulk(run_id=run.pk, now=NOW)
    stop_bulk(run=run, by=clara, now=NOW)
    assert not advance_bulk(run_id=run.pk, now=NOW)
    run.refresh_from_db()
    assert (run.state, counts(run), len(tagged("vip"))) == ("stopped", (3, 1, 0, 0), 1)


@pytest.mark.django_db(transaction=True)
def test_the_pages_and_the_api_begin_watch_and_take_back(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        clara = make_member(role=Role.MANAGER, name="Clara")
        viewer = make_member(role=Role.VIEWER)
        leads = [make_lead(name=f"Ana {number}", stage="mql") for number in range(3)]
        key = create_key(name="BI", scopes=[Scope.LEADS_READ, Scope.LEADS_WRITE], by=None, now=NOW)[1]
    browser, base = Client(), f"/t/{tenant.slug}"
    assert clara.user is not None
    browser.force_login(clara.user)
    listed = browser.get(f"{base}/leads/?stage=mql").content.decode()
    assert listed.count("data-mark ") == 3
    ids = f"{leads[0].pk},{leads[2].pk}"
    form = browser.get(f"{base}/lists/leads/bulk/add_tag/?ids={ids}")
    assert (form.status_code, form.context["count"]) == (200, 2)
    assert "Pode ser desfeito por 30 dias." in form.content.decode()
    final = browser.get(f"{base}/lists/leads/bulk/disqualify/?ids={ids}").content.decode()
    assert "Não pode ser desfeito." in final
    assert browser.post(f"{base}/lists/leads/bulk/add_tag/?ids={ids}", {"tag": ""}).status_code == 422
    begun = browser.post(f"{base}/lists/leads/bulk/add_tag/?ids={ids}", {"tag": "vip"})
    assert "bulk-progress" in browser.get(begun["Location"]).content.decode()
    # No worker heard of it: the sweep does it, a batch at each turn.
    for year in (2030, 2031):
        sweep_tenant(tenant_id=tenant.pk, now=NOW.replace(year=year))
    with tenant_scope(tenant.pk):
        assert tagged("vip") == {leads[0].pk, leads[2].pk}
    page = browser.get(begun["Location"])
    assert page.context["run"].state == "done"
    stranger = Client()
    assert viewer.user is not None
    stranger.force_login(viewer.user)
    assert stranger.get(begun["Location"]).status_code == 403
    ask = Client(headers={"authorization": f"Bearer {key}"})

    def send(path: str, body: dict[str, Any] | None = None) -> Any:
        kind = "application/json"
        answer = (
            ask.get(f"/api/v1/bulk/{path}")
            if body is None
            else ask.post(f"/api/v1/bulk/{path}", json.dumps(body), kind)
        )
        return answer.status_code, answer.json()

    assert send("", {"act": "add_tag", "values": {"tag": "x"}})[0] == 400
    assert send("", {"act": "fly", "all": True})[0] == 400
    status, run = send("", {"act": "nurture", "values": {"reason": "no_answer"}, "leads": [leads[0].pk]})
    assert (status, run["state"], run["total"]) == (202, "choosing", 0)
    assert send(f"{run['id']}/stop/", {})[1]["state"] == "stopped"
    assert send(f"{run['id']}/undo/", {})[0] == 409
    assert send(f"{run['id']}/refused/")[1] == {"results": [], "next": None}
    assert send(f"{run['id']}/")[1]["finished_at"]
