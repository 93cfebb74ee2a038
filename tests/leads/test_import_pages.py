"""Imports by the pages: read, assigned, tried, taken in by workers, stopped and gone on with; what nobody may do."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.db import transaction
from django.test import Client

from core.due import sweep_tenant
from core.models import DueRow, Notification, StoredFile, StoredPiece
from leads.capture import import_steps
from leads.capture.assignment import ColumnUse, InvalidAssignment, offer_assignment
from leads.capture.import_steps import advance_import, detected_of, trial_of
from leads.capture.page_imports import (
    MAX_UPLOAD_BYTES,
    FileGone,
    ImportMovedOn,
    NoSuchImport,
    get_import,
    remembered_for,
    resume_import,
    start_import,
    stop_import,
)
from leads.capture.stored_rows import StoredRows
from leads.conditions.language import parse_condition
from leads.listing import LeadListQuery, list_leads
from leads.models import (
    CustomField,
    ImportMark,
    ImportRefusal,
    ImportRun,
    ImportState,
    Lead,
    LeadState,
    Opportunity,
)
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.leads.uploads import assign, csv_bytes, run_to_end, upload, workbook_bytes

HEADER = "Nome;E-mail;Origem;Plantas"


@pytest.fixture
def clara(in_tenant: Tenant) -> Membership:
    """Somebody from marketing, who reads English."""
    member = make_member(role=Role.MARKETING, name="Clara")
    assert member.user is not None
    member.user.language = "en"
    member.user.save()
    return member


def counts(run: ImportRun) -> tuple[int, ...]:
    return tuple(run.counts[name] for name in ("new", "updated", "unchanged", "duplicate", "refused"))


def test_a_file_is_read_assigned_tried_and_taken_in(clara: Membership) -> None:
    known = make_lead(email="bia@x.test", name="Bia", origin="feira")
    run = upload(
        csv_bytes(HEADER, "Ana;ana@x.test;webinar;3", "Bia B.;bia@x.test;;", "Caio;caio@;webinar;1"), by=clara
    )
    assert run.state == ImportState.MAPPING
    found = detected_of(run)
    assert (found.delimiter, found.encoding, found.row_count) == (";", "utf-8", 3)
    assert [column.type for column in found.columns] == ["text", "text", "text", "integer"]
    plants = ColumnUse("Plantas", "new", "Plantas", "integer")
    run = assign(run, Nome="name", E_mail="email", Origem="origin", Plantas=plants)
    assert run.state == ImportState.TRIED
    trial = trial_of(run)
    assert trial.counts == {"new": 1, "updated": 1, "unchanged": 0, "duplicate": 0, "refused": 1}
    assert [each.who for each in trial.examples["new"]] == ["Ana, ana@x.test"]
    assert [(each.row, "caio@" in each.why) for each in trial.examples["refused"]] == [(4, True)]
    # Nothing is written by a trial.
    assert (Lead.objects.count(), CustomField.objects.count(), ImportRefusal.objects.count()) == (1, 0, 0)
    run = run_to_end(run, by=clara)
    assert (run.state, counts(run)) == (ImportState.DONE, (1, 1, 0, 0, 1))
    ana = Lead.objects.get(email="ana@x.test")
    assert ana.custom_values.get().integer_value == 3
    known.refresh_from_db()
    assert known.name == "Bia B."
    assert ImportRefusal.objects.get(run=run).row_number == 4
    assert LeadState.objects.get(lead=ana).live_since is None


def test_whoever_made_it_is_told_and_the_file_is_deleted(clara: Membership) -> None:
    run = assign(upload(csv_bytes("email", "ana@x.test"), by=clara), email="email")
    assert StoredFile.objects.count() == 2
    run_to_end(run, by=clara)
    [told] = Notification.objects.filter(member=clara)
    assert (told.kind, told.values["import_id"], told.values["new"]) == ("leads.import_done", run.pk, 1)
    assert (StoredFile.objects.count(), StoredPiece.objects.count()) == (0, 0)
    assert AuditEntry.objects.get(act="import.started").subject == "leads.csv"
    assert not DueRow.objects.filter(kind=import_steps.IMPORT_KIND).exists()


def big_file(rows: int) -> bytes:
    """Each lead comes once, but for the last row, which is the first lead again."""
    people = [f"Lead {number};lead{number}@x.test" for number in range(rows - 1)]
    return csv_bytes("Nome;Email", *people, "Lead 0;lead0@x.test")


def test_a_worker_that_dies_in_the_middle_doubles_nothing_and_loses_nothing(clara: Membership) -> None:
    run = assign(upload(big_file(2_500), by=clara), Nome="name", Email="email")
    start_import(run=run, by=clara, now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    with transaction.atomic():
        # The second batch is written, and then its process is gone.
        advance_import(import_id=run.pk, now=NOW)
        transaction.set_rollback(True)
    run.refresh_from_db()
    assert (run.row_number, sum(run.counts.values()), Lead.objects.count()) == (1_001, 1_000, 1_000)
    while advance_import(import_id=run.pk, now=NOW):
        pass
    run.refresh_from_db()
    # The first lead came again in the third batch.
    assert counts(run) == (2_499, 0, 0, 1, 0)
    assert (Lead.objects.count(), ImportMark.objects.filter(run=run).count()) == (2_499, 2_499)


def test_the_sweep_goes_on_when_no_wake_up_arrives(clara: Membership) -> None:
    run = assign(upload(big_file(1_200), by=clara), Nome="name", Email="email")
    start_import(run=run, by=clara, now=NOW)
    later = NOW + import_steps.FALLBACK
    assert sweep_tenant(tenant_id=clara.tenant_id, now=later) >= 1
    assert sweep_tenant(tenant_id=clara.tenant_id, now=later + import_steps.FALLBACK) >= 1
    run.refresh_from_db()
    assert (run.state, sum(run.counts.values())) == (ImportState.DONE, 1_200)


def test_a_batch_that_fails_three_times_stops_the_import_and_it_can_go_on(
    clara: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = assign(upload(csv_bytes("email", "ana@x.test"), by=clara), email="email")
    start_import(run=run, by=clara, now=NOW)

    def broken(*_args: object, **_kwargs: object) -> None:
        raise ValueError("The step is broken.")

    with monkeypatch.context() as patch:
        patch.setattr("leads.capture.imports.run_pipeline", broken)
        for _try in range(import_steps.MAX_ATTEMPTS):
            assert ImportRun.objects.get(pk=run.pk).state == ImportState.RUNNING
            advance_import(import_id=run.pk, now=NOW)
    run.refresh_from_db()
    assert (run.state, "The step is broken." in run.problem) == (ImportState.FAILED, True)
    assert Lead.objects.count() == 0
    assert [row.kind for row in Notification.objects.filter(member=clara)] == ["leads.import_failed"]
    resume_import(run=run, by=clara, now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    run.refresh_from_db()
    assert (run.state, counts(run)) == (ImportState.DONE, (1, 0, 0, 0, 0))


def test_an_import_stops_after_its_batch_and_goes_on_where_it_was(clara: Membership) -> None:
    run = assign(upload(big_file(1_500), by=clara), Nome="name", Email="email")
    start_import(run=run, by=clara, now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    stop_import(run=run, by=clara, now=NOW)
    assert advance_import(import_id=run.pk, now=NOW) is None
    assert Lead.objects.count() == 1_000
    resume_import(run=run, by=clara, now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    run.refresh_from_db()
    assert counts(run) == (1_499, 0, 0, 1, 0)


def test_the_list_of_leads_can_be_narrowed_to_those_of_an_import(clara: Membership) -> None:
    make_lead(email="other@x.test")
    known = make_lead(email="bia@x.test", name="Bia")
    run = assign(
        upload(csv_bytes("email,name", "ana@x.test,Ana", "bia@x.test,Bia"), by=clara),
        email="email",
        name="name",
    )
    run = run_to_end(run, by=clara)
    condition = parse_condition({"fact": "imports", "op": "has_any", "value": [str(run.pk)]})
    found = list_leads(query=LeadListQuery(condition=condition), now=NOW).lead_ids
    assert set(found) == {known.pk, Lead.objects.get(email="ana@x.test").pk}


def test_what_was_said_of_columns_is_offered_for_the_next_file_with_the_same_ones(clara: Membership) -> None:
    first = upload(csv_bytes("Quem,Mail,Fabricas", "Ana,ana@x.test,3"), by=clara)
    new = ColumnUse("Fabricas", "new", "Fábricas", "integer")
    first = assign(first, Quem="name", Mail="email", Fabricas=new)
    run_to_end(first, by=clara)
    second = upload(csv_bytes("Mail,Fabricas,Quem", "bia@x.test,4,Bia"), by=clara)
    offered = offer_assignment(
        detected=detected_of(second),
        fields=["name", "email"],
        custom={"fabricas": "Fábricas"},
        remembered=remembered_for(second),
    )
    assert {each.column: each.target for each in offered.uses} == {
        "Mail": "email",
        "Fabricas": "custom.fabricas",
        "Quem": "name",
    }


def test_a_left_out_column_fills_nothing_though_it_is_called_like_a_field(clara: Membership) -> None:
    run = assign(upload(csv_bytes("email,city", "ana@x.test,Natal"), by=clara), email="email")
    run_to_end(run, by=clara)
    assert Lead.objects.get().city is None


def test_stages_in_words_of_the_file_are_asked_for_and_translated(clara: Membership) -> None:
    run = upload(csv_bytes("email,Situação", "a@x.test,Ganho", "b@x.test,Sumiu", "c@x.test,mql"), by=clara)
    with pytest.raises(InvalidAssignment) as refused:
        assign(run, email="email", Situação="stage")
    assert [each.field for each in refused.value.errors] == ["column-1"]
    words = {"Ganho": "customer", "Sumiu": ""}
    run = assign(run, email="email", Situação=ColumnUse("Situação", "stage", words=words))
    run = run_to_end(run, by=clara)
    assert counts(run) == (2, 0, 0, 0, 1)
    stages = dict(LeadState.objects.values_list("lead__email", "stage"))
    assert stages == {"a@x.test": "customer", "c@x.test": "mql"}


def test_dates_that_can_be_read_in_two_ways_are_asked_for(clara: Membership) -> None:
    run = upload(csv_bytes("email,Quando", "a@x.test,03/02/2026", "b@x.test,04/05/2026"), by=clara)
    [_email, when] = detected_of(run).columns
    assert (when.date_formats, when.date_example) == (["dmy", "mdy"], "03/02/2026")
    run = assign(run, email="email", Quando="created_at")
    assert (run.state, "Quando" in run.problem) == (ImportState.MAPPING, True)
    run = assign(run, email="email", Quando=ColumnUse("Quando", "created_at", date_format="dmy"))
    run_to_end(run, by=clara)
    assert Lead.objects.get(email="a@x.test").created_at.date().isoformat() == "2026-02-03"


def test_outcomes_close_the_deals_of_their_leads(clara: Membership) -> None:
    make_lead(external_id="17", email="ana@x.test", stage="sql")
    run = upload(
        csv_bytes("Prospect ID;Deal;Result;Value", "17;D-1;Ganho;12.500,00", "99;D-2;Ganho;10,00"),
        by=clara,
        subject="outcomes",
    )
    result = ColumnUse("Result", "outcome", words={"Ganho": "won"})
    run = assign(run, Prospect_ID="external_id", Deal="deal_id", Result=result, Value="amount")
    run = run_to_end(run, by=clara)
    assert counts(run) == (1, 0, 0, 0, 1)
    assert Opportunity.objects.get().amount_minor == 1_250_000
    assert LeadState.objects.get().stage == "customer"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"email\n", "no rows"),
        (b"email,email\na,b\n", "Two columns are named"),
        (b"email,\na,b\n", "has no name"),
        (b"email\n\xff\xfe\x00\n", ""),
        (b"PK\x03\x04garbage", "damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "XLS"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "password"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(clara: Membership, content: bytes, words: str) -> None:
    run = upload(content, by=clara)
    if words:
        assert (run.state, words in run.problem) == (ImportState.UNREADABLE, True), run.problem
    else:
        assert run.state in {ImportState.UNREADABLE, ImportState.MAPPING}
    assert Lead.objects.count() == 0


def test_a_nul_refuses_its_row_alone(clara: Membership) -> None:
    run = assign(upload(b"email\nana@x.test\nbi\0a@x.test\n", by=clara), email="email")
    run = run_to_end(run, by=clara)
    assert counts(run) == (1, 0, 0, 0, 1)


def test_a_workbook_is_read_with_its_numbers_and_dates(clara: Membership) -> None:
    rows: list[list[object]] = [
        ["Nome", "E-mail", "Celular", "Desde", "Receita", None],
        ["Ana", "ana@x.test", 11998887766, date(2026, 2, 3), 1.234, None],
        [None, None, None, None, None, None],
        ["Bia", "bia@x.test", 21998887766.0, NOW.replace(tzinfo=None), 2500.5, None],
    ]
    run = upload(workbook_bytes(rows, Outra=[["x"], ["1"]]), by=clara, name="leads.xlsx")
    found = detected_of(run)
    assert (found.kind, found.row_count, found.sheets) == ("xlsx", 2, ["Sheet", "Outra"])
    assert [column.date_formats for column in found.columns] == [[], [], [], [], []]
    run = assign(
        run, Nome="name", E_mail="email", Celular="phone", Desde="created_at", Receita="company_revenue"
    )
    run = run_to_end(run, by=clara)
    assert counts(run) == (2, 0, 0, 0, 0)
    assert Lead.objects.get(email="ana@x.test").phone == "+5511998887766"
    assert [each.row_number for each in ImportRun.objects.filter(pk=run.pk)] == [4]


def test_a_step_that_was_taken_already_is_refused(clara: Membership) -> None:
    run = assign(upload(csv_bytes("email", "ana@x.test"), by=clara), email="email")
    run = run_to_end(run, by=clara)
    with pytest.raises(ImportMovedOn):
        start_import(run=run, by=clara, now=NOW)
    with pytest.raises(ImportMovedOn):
        stop_import(run=run, by=clara, now=NOW)


def test_who_gives_a_file_up_is_told_that_nothing_was_taken_in(
    clara: Membership, tenant: Tenant, client: Client
) -> None:
    run = upload(csv_bytes("email", "ana@x.test"), by=clara)
    assert clara.user is not None
    client.force_login(clara.user)
    client.cookies["django_language"] = "en"
    given_up = client.post(f"/t/{tenant.slug}/imports/{run.pk}/stop/", follow=True)
    assert given_up.redirect_chain == [(f"/t/{tenant.slug}/imports/", 302)]
    assert "Nothing of the file was taken in." in given_up.content.decode()
    assert StoredPiece.objects.count() == 0


def test_a_file_that_has_expired_cannot_be_started(clara: Membership, settings: Any) -> None:
    run = assign(upload(csv_bytes("email", "ana@x.test"), by=clara), email="email")
    sweep_tenant(tenant_id=clara.tenant_id, now=NOW + timedelta(days=settings.FILE_DAYS, seconds=1))
    assert StoredPiece.objects.count() == 0
    run.refresh_from_db()
    with pytest.raises(FileGone):
        start_import(run=run, by=clara, now=NOW)


def test_the_other_tenant_sees_nothing_of_it(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.MARKETING)
        run = upload(csv_bytes("email", "ana@x.test"), by=by)
    with tenant_scope(other_tenant.pk):
        assert (StoredFile.objects.count(), StoredPiece.objects.count(), ImportRun.objects.count()) == (
            0,
            0,
            0,
        )
        assert StoredRows(run.rows_file_id or 0, ("email",), 1).batch(0) == []
        with pytest.raises(NoSuchImport):
            get_import(import_id=run.pk)


# Pages -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(client: Client, tenant: Tenant) -> Client:
    """A browser of somebody from marketing, in English."""
    with tenant_scope(tenant.pk):
        member = make_member(role=Role.MARKETING, name="Clara")
    assert member.user is not None
    member.user.language = "en"
    member.user.save()
    client.force_login(member.user)
    return client


def send(page: Client, content: bytes, name: str = "leads.csv", subject: str = "leads") -> Any:
    file = SimpleUploadedFile(name, content)
    return page.post("/t/horizonte/imports/new/", {"file": file, "subject": subject})


def test_what_is_refused_is_told_in_the_language_of_the_page(clara: Membership, client: Client) -> None:
    assert clara.user is not None
    type(clara.user).objects.filter(pk=clara.user.pk).update(language="")
    assert clara.tenant.language == "pt-br"
    client.force_login(clara.user)
    client.cookies["django_language"] = "en"
    place = send(client, csv_bytes("email", "bia@"))["Location"]
    client.post(f"{place}columns/", {"column-0": "email", "mode": "history", "blanks": ""})
    assert "“bia@” is no e-mail address." in client.get(place).content.decode()


def test_the_pages_lead_from_the_file_to_the_leads(page: Client, tenant: Tenant) -> None:
    place = send(page, csv_bytes(HEADER, "Ana;ana@x.test;webinar;3", "Bia;bia@;webinar;=1+1"))["Location"]
    shown = page.get(place).content.decode()
    assert '<option value="email" selected>' in shown
    assert "semicolon" in shown
    said = {"column-0": "name", "column-1": "email", "column-2": "origin", "column-3": "new"}
    said |= {"label-3": "Plantas", "type-3": "text", "mode": "history", "blanks": ""}
    assert page.post(f"{place}columns/", said)["Location"] == place
    shown = page.get(place).content.decode()
    assert "What would come of it" in shown
    assert "“bia@” is no e-mail address." in shown
    assert page.post(f"{place}start/")["Location"] == place
    shown = page.get(place).content.decode()
    assert "0 of 2 rows" in shown
    with tenant_scope(tenant.pk):
        advance_import(import_id=ImportRun.objects.get().pk, now=NOW)
    shown = page.get(place).content.decode()
    assert "See the leads" in shown
    listed = page.get("/t/horizonte/imports/").content.decode()
    assert ("leads.csv" in listed, "Clara" in listed) == (True, True)
    refused = page.get(f"{place}refused.csv")
    assert refused["Content-Disposition"] == 'attachment; filename="leads.refused.csv"'
    assert refused.content.decode("utf-8-sig").splitlines() == [
        "Nome,E-mail,Origem,Plantas,refused_because",
        "Bia,bia@,webinar,'=1+1,E-mail: “bia@” is no e-mail address.",
    ]


def test_refused_rows_that_were_mended_come_as_they_stood(page: Client, tenant: Tenant) -> None:
    place = send(page, csv_bytes("email,note,refused_because", "ana@x.test,'=1+1,E-mail"))["Location"]
    said = {"column-0": "email", "column-1": "new", "label-1": "Note", "type-1": "text", "mode": "history"}
    page.post(f"{place}columns/", said)
    page.post(f"{place}start/")
    with tenant_scope(tenant.pk):
        advance_import(import_id=ImportRun.objects.get().pk, now=NOW)
        assert Lead.objects.get().custom_values.get().text_value == "=1+1"


def test_what_is_wrong_is_said_at_its_column_and_nothing_said_is_lost(page: Client) -> None:
    place = send(page, csv_bytes("a,b", "ana@x.test,Natal"))["Location"]
    answer = page.post(
        f"{place}columns/", {"column-0": "city", "column-1": "city", "mode": "live", "blanks": "x, y"}
    )
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "fills this field already" in shown
    assert "Assign at least one column that says who the lead is" in shown
    assert shown.count('<option value="city" selected>') == 2
    assert 'value="x, y"' in shown


def test_while_a_worker_is_at_it_the_page_asks_and_is_told_only_what_is_new(
    page: Client, tenant: Tenant
) -> None:
    place = send(page, csv_bytes("email", "ana@x.test"))["Location"]
    page.post(f"{place}columns/", {"column-0": "email", "mode": "history"})
    page.post(f"{place}start/")
    asks = {"HX-Request": "true", "HX-Target": "import-progress"}
    first = page.get(place, headers=asks)
    assert "0 of 1 rows" in first.content.decode()
    again = page.get(place, headers=asks | {"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    with tenant_scope(tenant.pk):
        advance_import(import_id=ImportRun.objects.get().pk, now=NOW)
    assert page.get(place, headers=asks | {"If-None-Match": first["ETag"]})["HX-Redirect"] == place


def test_a_form_without_a_file_says_so(page: Client) -> None:
    answer = page.post("/t/horizonte/imports/new/", {"subject": "leads"})
    assert (answer.status_code, "Choose a file first." in answer.content.decode()) == (422, True)


def test_too_large_a_file_is_refused_before_it_is_read(page: Client) -> None:
    answer = page.post("/t/horizonte/imports/new/", {}, CONTENT_LENGTH=str(MAX_UPLOAD_BYTES * 2))
    assert answer.status_code == 413


def test_a_file_is_not_read_from_somebody_who_is_not_signed_in(
    client: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(MemoryFileUploadHandler, "handle_raw_input", lambda *_args: read.append("read"))
    assert send(client, b"email\nana@x.test\n").status_code == 302
    assert read == []


@pytest.mark.parametrize("role", [Role.SDR, Role.SALES, Role.MANAGER, Role.VIEWER])
def test_only_administrators_and_marketing_import(client: Client, tenant: Tenant, role: Role) -> None:
    with tenant_scope(tenant.pk):
        member = make_member(role=role)
    assert member.user is not None
    client.force_login(member.user)
    assert client.get("/t/horizonte/imports/").status_code == 403
    assert send(client, b"email\nana@x.test\n").status_code == 403
    with tenant_scope(tenant.pk):
        assert (ImportRun.objects.count(), StoredFile.objects.count()) == (0, 0)


def test_another_sheet_of_a_workbook_can_be_read(page: Client, tenant: Tenant) -> None:
    content = workbook_bytes([["Resumo"], ["x"]], Leads=[["E-mail"], ["ana@x.test"]])
    place = send(page, content, name="export.xlsx")["Location"]
    assert "Resumo" in page.get(place).content.decode()
    page.post(f"{place}sheet/", {"sheet": "Leads"})
    with tenant_scope(tenant.pk):
        advance_import(import_id=ImportRun.objects.get().pk, now=NOW)
        assert StoredFile.objects.count() == 2
    assert "E-mail" in page.get(place).content.decode()
