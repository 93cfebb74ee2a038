"""Erasing a person: nothing of them is left in any table, whoever is to be kept out stays out, the proof says what was done."""

import json
from typing import Any, Final

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.test import Client

from core.models import StoredFile
from core.stored_files import store_pieces
from leads.capture.submissions import process_due
from leads.erasure.erasing import (
    NotConfirmed,
    advance_erasure,
    get_erasure,
    preview_erasure,
    request_erasure,
)
from leads.erasure.giving import give_person_data
from leads.erasure.holdings import list_holdings
from leads.erasure.identities import hash_identity
from leads.models import (
    Company,
    ErasedIdentity,
    Erasure,
    Event,
    ImportRefusal,
    Lead,
    LeadState,
    Submission,
    SubmissionState,
)
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.rights import NotAllowed
from tests.builders import make_company, make_event, make_lead, make_member
from tests.conftest import NOW
from tests.guards.rows import make_row, tenant_owned
from tests.leads.uploads import assign, csv_bytes, run_to_end, upload

EMAIL: Final = "zenaide.quaresma@sumida.test"
NAME: Final = "Zenaide Quaresma"
PHONE: Final = "+5519998887766"
TYPED_PHONE: Final = "(19) 99888-7766"
TRACES: Final = (EMAIL, NAME, PHONE, TYPED_PHONE)


def is_free_text(field: Any) -> bool:
    """Whether anything could stand in a column."""
    kinds = (models.CharField, models.TextField, models.JSONField, models.BinaryField, ArrayField)
    return isinstance(field, kinds) and not field.choices


def free_texts(model: type[models.Model]) -> set[str]:
    return {field.name for field in model._meta.local_concrete_fields if is_free_text(field)}


def traces_left() -> dict[str, int]:
    """By table the rows in which something of the person stands, whatever the column; pieces of files byte by byte."""
    found = {}
    with connection.cursor() as cursor:
        for model in tenant_owned():
            table = model._meta.db_table
            asked = " OR ".join(["one::text ILIKE %s"] * len(TRACES))
            values = [f"%{trace}%" for trace in TRACES]
            if table == "core_storedpiece":
                asked = " OR ".join(["position(%s::bytea IN content) > 0"] * len(TRACES))
                cursor.execute(f'SELECT count(*) FROM "{table}" WHERE {asked}', [t.encode() for t in TRACES])
            else:
                cursor.execute(f'SELECT count(*) FROM "{table}" one WHERE {asked}', values)
            if count := cursor.fetchone()[0]:
                found[table] = count
    return found


def erase(lead: Lead, by: Membership, *, keeps_out: bool = True) -> Erasure:
    asked = request_erasure(
        lead_id=lead.pk,
        confirmation=f" {EMAIL.upper()} ",
        ground="LGPD 18, VI",
        keeps_out=keeps_out,
        by=by,
        now=NOW,
    )
    advance_erasure(erasure_id=asked.pk, now=NOW)
    done = get_erasure(erasure_id=asked.pk)
    assert done.state == "done"
    return done


@pytest.fixture
def admin(in_tenant: Tenant) -> Membership:
    return make_member(role=Role.ADMIN, name="Helena")


@pytest.fixture
def lead(in_tenant: Tenant) -> Lead:
    return make_lead(
        email=EMAIL,
        name=NAME,
        phone=PHONE,
        external_id="crm-zenaide-17",
        company=make_company(name="Zenaide Quaresma ME"),
        stage="opportunity",
    )


def test_of_every_table_somebody_has_said_what_it_holds_of_a_person() -> None:
    said = {holding.model: holding for holding in list_holdings()}
    texts = {model._meta.label: names for model in tenant_owned() if (names := free_texts(model))}
    assert texts.keys() - said.keys() == set(), "say it with leads.erasure.holdings.register_holding"
    unsaid = {
        f"{label}.{name}"
        for label, names in texts.items()
        if not said[label].why or said[label].covered
        for name in names - said[label].covered
    }
    assert unsaid == set()
    wordless = {label for label, holding in said.items() if not holding.label and not holding.why}
    assert wordless == set()
    unknown = {
        f"{label}.{name}"
        for label, holding in said.items()
        for name in holding.covered
        if name not in {field.name for field in holding.model_class._meta.get_fields()}
    }
    assert unknown == set()


def plant(model: type[models.Model], names: set[str], made: dict[Any, Any], lead: Lead | None) -> None:
    """Put the person into these columns of a row, and let it be about the lead where it is about one."""
    row = make_row(model, made)
    about = {"lead": lead} if lead and model._meta.label != "core.Notification" else {}
    values: dict[str, Any] = {}
    for name in names:
        field: Any = model._meta.get_field(name)
        text = f"{NAME} {EMAIL}"[: field.max_length or 200] if isinstance(field, models.CharField) else ""
        values[name] = (
            {"a": [NAME, EMAIL, TYPED_PHONE]}
            if isinstance(field, models.JSONField)
            else text or f"{NAME} <{EMAIL}>"
        )
    model._default_manager.filter(pk=row.pk).update(**values, **about)


def test_nothing_of_the_person_is_left_in_any_table(lead: Lead, admin: Membership) -> None:
    made: dict[Any, Any] = {Lead: lead, LeadState: lead.standing}
    for holding in list_holdings():
        texts = free_texts(holding.model_class)
        if holding.model == "leads.Lead" or not (holding.lead or holding.told):
            continue
        names = (
            (set(holding.empty) | set(holding.told)) & texts
            if not holding.deletes
            else texts - {"kind", "key"}
        )
        plant(holding.model_class, names, made, lead if holding.lead == "lead" else None)
    store_pieces(name="l.csv", pieces=[b"x;y\n", f"1;{EMAIL}\n".encode()], expires_at=NOW, now=NOW)
    kept = store_pieces(name="other.csv", pieces=[b"x;y\n"], expires_at=NOW, now=NOW)
    other = make_lead(name="Bia", email="bia@cliente.test")
    make_event(lead=other, properties={"page": "/"})
    assert len(traces_left()) > 15
    preview = preview_erasure(lead_id=lead.pk, by=admin)
    assert preview is not None
    proof = erase(lead, admin)
    assert traces_left() == {}
    assert preview.items() <= proof.counts.items()
    assert list(StoredFile.objects.values_list("pk", flat=True)) == [kept.pk]
    assert not Company.objects.filter(name="Zenaide Quaresma ME").exists()
    # What counts stays.
    left = LeadState.objects.get(pk=lead.pk)
    assert (left.stage, left.stage_reason, left.furthest_stage) == ("disqualified", "erased", 4)
    assert Event.objects.get(lead=other).properties == {"page": "/"}
    assert (proof.identity_hash, proof.asked_by_name) == (hash_identity("email", EMAIL), "Helena")
    [entry] = AuditEntry.objects.filter(act="person.erased")
    assert (entry.subject, entry.detail["ground"]) == (f"#{lead.pk}", "LGPD 18, VI")
    # Asked for again it is the same; done again it changes nothing.
    again = request_erasure(lead_id=lead.pk, confirmation="", ground="", keeps_out=True, by=admin, now=NOW)
    assert again == proof
    advance_erasure(erasure_id=proof.pk, now=NOW)
    assert Erasure.objects.get().counts == proof.counts


def test_what_came_in_and_was_not_processed_is_refused_as_what_comes_in_later(
    lead: Lead, admin: Membership
) -> None:
    payload = {"email": EMAIL, "event": {"type": "form_submitted"}}
    waiting, held, done = (
        Submission.objects.create(source=Submission.Source.API, payload=payload, state=state)
        for state in ("received", "held", "processed")
    )
    erase(lead, admin)
    process_due([waiting.pk], NOW)
    for came in (waiting, held, done):
        came.refresh_from_db()
        assert came.payload == {}
    assert (waiting.state, waiting.response_status) == (held.state, held.response_status) == ("refused", 409)
    assert (done.state, done.response_status) == ("processed", None)


def test_whoever_is_kept_out_is_refused_by_every_door_and_nothing_is_kept_of_it(
    lead: Lead, admin: Membership
) -> None:
    erase(lead, admin)
    assert ErasedIdentity.objects.count() == 3
    sent = Submission.objects.create(
        source=Submission.Source.API, payload={"email": EMAIL, "name": NAME, "phone": TYPED_PHONE}
    )
    process_due([sent.pk], NOW)
    sent.refresh_from_db()
    assert (sent.state, sent.response_status) == (SubmissionState.REFUSED, 409)
    came = csv_bytes("email,name", f"{EMAIL},{NAME}", "bia@x.test,Bia")
    run = run_to_end(assign(upload(came, by=admin), email="email", name="name"), by=admin)
    assert (run.counts["new"], run.counts["refused"]) == (1, 1)
    assert ImportRefusal.objects.get().row == {}
    assert not Lead.objects.filter(email=EMAIL).exists()


def test_without_that_the_person_may_come_again_as_somebody_new(lead: Lead, admin: Membership) -> None:
    erase(lead, admin, keeps_out=False)
    sent = Submission.objects.create(source=Submission.Source.API, payload={"email": EMAIL})
    process_due([sent.pk], NOW)
    assert Lead.objects.get(email=EMAIL).pk != lead.pk


def test_it_is_asked_for_by_name_and_only_by_whom_it_concerns(lead: Lead, admin: Membership) -> None:
    values: dict[str, Any] = {"lead_id": lead.pk, "ground": "", "keeps_out": True, "now": NOW}
    with pytest.raises(NotConfirmed):
        request_erasure(confirmation="zenaide", by=admin, **values)
    with pytest.raises(NotAllowed):
        request_erasure(confirmation=EMAIL, by=make_member(role=Role.MARKETING), **values)
    assert Erasure.objects.count() == 0


def test_all_that_is_stored_is_given_out(lead: Lead, admin: Membership) -> None:
    make_event(lead=lead, properties={"page": "/precos"})
    given = give_person_data(lead_id=lead.pk, by=admin, now=NOW)
    assert given["tables"]["leads_lead"][0]["email"] == EMAIL
    assert given["tables"]["leads_event"][0]["properties"] == {"page": "/precos"}
    assert "tenancy_auditentry" not in given["tables"]
    assert AuditEntry.objects.filter(act="person.given_out").count() == 1


def test_the_pages_show_what_goes_take_the_word_and_keep_the_proof(
    lead: Lead, admin: Membership, tenant: Tenant
) -> None:
    browser, base = Client(), f"/t/{tenant.slug}"
    assert admin.user is not None
    browser.force_login(admin.user)
    url = f"{base}/leads/{lead.pk}/data/"
    stored = preview_erasure(lead_id=lead.pk, by=admin)
    assert stored
    said = dict(browser.get(url).context["holdings"])
    assert len(said) == len(stored)
    assert {"O lead", "Texto da busca"} <= said.keys()
    assert json.loads(browser.post(f"{url}file/").content)["lead"] == lead.pk
    assert browser.post(url, {"confirmation": "x"}).status_code == 422
    proof = browser.post(url, {"confirmation": EMAIL, "ground": "7/2026", "keeps_out": "on"})["Location"]
    assert "data-refresh-every" in browser.get(proof).content.decode()
    advance_erasure(erasure_id=Erasure.objects.get().pk, now=NOW)
    page = browser.get(proof).content.decode()
    assert hash_identity("email", EMAIL) in page
    assert EMAIL not in page
    assert f"#{lead.pk}" in browser.get(f"{base}/settings/data/").content.decode()
    assert browser.get(f"{base}/leads/{lead.pk}/").status_code == 200
