"""Erasing many people at once: each has a proof, nobody else loses anything, and it is not done on others than were counted."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from core.models import Notification, StoredFile
from core.saved_views.kinds import get_kind
from core.stored_files import store_pieces
from leads.bulk.kinds import InvalidBulkValues, get_bulk_act
from leads.bulk.runs import NotToBeUndone, advance_bulk, start_bulk, undo_bulk
from leads.capture.submissions import process_due
from leads.erasure import bulk as erasing
from leads.erasure.erasing import advance_erasure, request_erasure
from leads.erasure.identities import hash_identity
from leads.models import (
    BulkRun,
    Company,
    ErasedIdentity,
    Erasure,
    Event,
    Lead,
    LeadNote,
    LeadState,
    Submission,
)
from tenancy.models import AuditEntry, Membership, Role, Scope, Tenant
from tenancy.rights import NotAllowed
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_event, make_lead, make_member
from tests.conftest import NOW
from tests.leads.test_acts_at_once import at_once


@pytest.fixture
def admin(in_tenant: Tenant) -> Membership:
    admin = make_member(role=Role.ADMIN, name="Helena")
    assert admin.user is not None
    admin.user.language = "en"
    admin.user.save()
    return admin


def begin(by: Membership, *, count: int, keeps_out: str = "yes", **parameters: str) -> BulkRun:
    values = {"ground": "LGPD 16", "keeps_out": keeps_out, "confirmation": f"{count}"}
    return start_bulk(
        act=get_bulk_act(erasing.ERASE),
        values=values,
        kind=get_kind("leads"),
        parameters=parameters,
        by=by,
        now=NOW,
    )


def finish(run: BulkRun) -> BulkRun:
    while advance_bulk(run_id=run.pk, now=NOW):
        pass
    run.refresh_from_db()
    return run


def test_many_are_erased_each_with_a_proof_and_nobody_else_loses_anything(
    admin: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = get_bulk_act(erasing.ERASE)
    object.__setattr__(act, "batch_size", 2)
    shared, own = make_company(name="Empresa SA"), make_company(name="Bia Ramos ME")
    people = [
        make_lead(
            email=f"pessoa{number}@cliente.test",
            name=f"Pessoa Número {number}",
            phone=f"+551999988770{number}",
            stage="disqualified" if number else "mql",
            company=own if number == 1 else shared,
        )
        for number in range(5)
    ]
    other = make_lead(email="bia@cliente.test", name="Bia Ramos", company=shared, stage="mql")
    for lead in [*people, other]:
        make_event(lead=lead, properties={"page": "/"})
        LeadNote.objects.create(lead=lead, text=f"Call {lead.name}", written_at=NOW, written_by=admin)
    # Named where no reference says whom it is about, the phone as people type it.
    named = Submission.objects.create(source="form", payload={"friend": "PESSOA1@cliente.test"})
    typed = Submission.objects.create(source="form", payload={"phone": "(19) 99988-7703"})
    both = Submission.objects.create(
        source="form", payload={"a": "pessoa2@cliente.test pessoa4@cliente.test"}
    )
    free = Submission.objects.create(source="form", payload={"a": "bia@cliente.test"})
    store_pieces(name="l.csv", pieces=[b"pessoa3@cliente.test\n"], expires_at=NOW, now=NOW)
    kept = store_pieces(name="k.csv", pieces=[b"bia@cliente.test\n"], expires_at=NOW, now=NOW)
    earlier = people[4]
    request = request_erasure(
        lead_id=earlier.pk, confirmation=str(earlier.email), ground="", keeps_out=False, by=admin, now=NOW
    )
    advance_erasure(erasure_id=request.pk, now=NOW)
    ids = ",".join(str(lead.pk) for lead in people)
    with pytest.raises(InvalidBulkValues, match="5 leads match"):
        begin(admin, count=4, ids=ids)
    run = begin(admin, count=5, ids=ids)
    assert advance_bulk(run_id=run.pk, now=NOW)
    with transaction.atomic():
        # A worker dies in the middle of a batch: nobody of it is erased, and nobody is erased twice.
        assert advance_bulk(run_id=run.pk, now=NOW)
        assert Erasure.objects.filter(ground="LGPD 16").count() == 2
        transaction.set_rollback(True)
    assert Erasure.objects.count() == 1
    run = finish(run)
    assert (run.state, run.problem, run.total, run.applied, run.unchanged, run.refused) == (
        *("done", "", 5, 4, 1),
        0,
    )
    proofs = {proof.lead_number: proof for proof in Erasure.objects.filter(ground="LGPD 16")}
    assert proofs.keys() == {lead.pk for lead in people[:4]}
    for number, lead in enumerate(people[:4]):
        proof = proofs[lead.pk]
        assert proof.identity_hash == hash_identity("email", f"pessoa{number}@cliente.test")
        assert (proof.state, proof.asked_by, proof.counts["leads.LeadNote"]) == ("done", admin, 1)
        assert proof.counts["leads.Event"] == 1
    assert proofs[people[1].pk].counts["leads.Submission"] == 1
    assert proofs[people[1].pk].counts["leads.Company"] == 1
    assert proofs[people[3].pk].counts["leads.Submission"] == 1
    assert "leads.Company" not in proofs[people[0].pk].counts
    assert ErasedIdentity.objects.count() == 8
    assert set(LeadState.objects.filter(pk__in=proofs).values_list("stage", flat=True)) == {"disqualified"}
    assert not Lead.objects.filter(name__contains="Pessoa").exists()
    payloads = dict(Submission.objects.values_list("pk", "payload"))
    assert [payloads[each.pk] for each in (named, typed, both)] == [{}, {}, {}]
    assert payloads[free.pk] == {"a": "bia@cliente.test"}
    assert list(StoredFile.objects.values_list("pk", flat=True)) == [kept.pk]
    other.refresh_from_db()
    assert (other.name, other.company) == ("Bia Ramos", shared)
    assert LeadNote.objects.get().text == "Call Bia Ramos"
    assert Event.objects.get(lead=other).properties == {"page": "/"}
    assert list(Company.objects.values_list("pk", flat=True)) == [shared.pk]
    assert AuditEntry.objects.filter(act="person.erased", actor=admin).count() == 5
    assert Notification.objects.filter(member=admin).exists()
    with pytest.raises(NotToBeUndone):
        undo_bulk(run=run, by=admin, now=NOW)


def test_nobody_is_erased_where_others_match_by_then_or_whoever_asks_may_not(admin: Membership) -> None:
    make_lead(stage="mql")
    run = begin(admin, count=1, stage="mql")
    late = make_lead(stage="mql")
    run = finish(run)
    assert (run.state, run.applied) == ("failed", 0)
    assert "2 leads match" in run.problem
    late.refresh_from_db()
    assert late.email is not None
    assert not Erasure.objects.exists()
    with pytest.raises(NotAllowed):
        begin(make_member(role=Role.MARKETING), count=2, stage="mql")


def test_by_the_page_and_over_http_the_number_is_typed(admin: Membership, tenant: Tenant) -> None:
    make_lead(email="ana@cliente.test", stage="mql")
    client, url = Client(), f"/t/{tenant.slug}/lists/leads/bulk/erase/?stage=mql"
    assert admin.user is not None
    client.force_login(admin.user)
    shown = client.get(url).content.decode()
    assert "type the number of leads: 1" in shown
    assert "be taken back" in shown
    wrong = client.post(url, {"keeps_out": "no", "confirmation": "2", "ground": ""})
    assert (wrong.status_code, "1 leads match" in wrong.content.decode()) == (422, True)
    place = client.post(url, {"keeps_out": "no", "confirmation": "1", "ground": ""})["Location"]
    finish(BulkRun.objects.get())
    assert "Erase people" in client.get(place).content.decode()
    assert Erasure.objects.get().state == "done"
    assert not ErasedIdentity.objects.exists()
    make_lead(email="bia@cliente.test", stage="new")
    api = ApiCaller(tenant, Scope.LEADS_READ, Scope.LEADS_WRITE, Scope.DATA_ERASE, by=admin)
    body: dict[str, Any] = {"act": "erase", "filter": {"stage": "new"}}
    taken = api.post("/bulk/", body | {"values": {"keeps_out": "yes", "confirmation": "1"}})
    assert (taken.status_code, taken.json()["can_be_undone"]) == (202, False)
    refused = api.post("/bulk/", body | {"values": {"keeps_out": "yes", "confirmation": "7"}})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "confirmation")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/bulk/", {"act": "erase", "all": True, "values": {"confirmation": "1"}}),
        ("/leads/1/erase/", {"confirmation": "x"}),
    ],
)
def test_a_key_that_writes_leads_erases_nobody(
    admin: Membership, tenant: Tenant, path: str, body: dict[str, Any]
) -> None:
    website = ApiCaller(tenant, Scope.LEADS_READ, Scope.LEADS_WRITE, by=admin)
    assert website.post(path, body).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_number", range(3))
def test_who_is_captured_while_they_are_erased_is_kept_out(tenant: Tenant, round_number: int) -> None:
    """Two connections at once: whichever comes first, nothing of the person is left and nobody new is there."""
    email, name = "ana.prado@acme.test", "Ana Prado de Souza"
    with tenant_scope(tenant.pk):
        by, lead = make_member(role=Role.ADMIN), make_lead(email=email, name=name)
        sent = Submission.objects.create(
            source="api", payload={"email": email, "name": name, "city": "Santos"}
        )
        asked = request_erasure(
            lead_id=lead.pk, confirmation=email, ground="", keeps_out=True, by=by, now=timezone.now()
        )
    troubles: list[Exception] = []

    def noting(act: Any) -> Any:
        def run() -> None:
            try:
                act()
            except Exception as error:
                troubles.append(error)
                raise

        return run

    at_once(
        tenant,
        noting(lambda: advance_erasure(erasure_id=asked.pk, now=NOW)),
        noting(lambda: process_due([sent.pk], NOW)),
    )
    assert troubles == []
    with tenant_scope(tenant.pk):
        # What waited for the other is done now.
        process_due([sent.pk], NOW)
        advance_erasure(erasure_id=asked.pk, now=NOW)
        assert Erasure.objects.get().state == "done"
        [left] = Lead.objects.all()
        assert (left.pk, left.email, left.name, left.city) == (lead.pk, None, None, None)
        sent.refresh_from_db()
        assert (sent.state in {"processed", "refused"}, sent.payload) == (True, {})
