"""Leads as files: what stands in them, who gets them, how they are built when there are many."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from openpyxl import load_workbook

from core.due import sweep_tenant
from core.formulas import defuse, fuse
from core.models import Notification, StoredPiece
from core.saved_views.kinds import get_kind
from core.saved_views.services import make_view
from leads import exports, listing
from leads.exports import NoSuchExport, advance_export, get_export, read_export, start_export
from leads.listing import InvalidListQuery
from leads.models import CustomField, CustomValue, ExportState, ListExport
from leads.paging import PageRead
from tenancy.audit import record, sentence_of
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_company, make_lead, make_member
from tests.conftest import NOW
from tests.leads.uploads import assign, csv_bytes, run_to_end, upload


def in_english(member: Membership) -> Membership:
    assert member.user is not None
    member.user.language = "en"
    member.user.save()
    return member


@pytest.fixture
def clara(in_tenant: Tenant) -> Membership:
    """Somebody from marketing, who reads English."""
    return in_english(make_member(role=Role.MARKETING, name="Clara"))


def begin(by: Membership, *, columns: str = "all", file_format: str = "csv", **parameters: str) -> ListExport:
    return start_export(
        kind=get_kind("leads"),
        parameters=parameters,
        columns=columns,
        file_format=file_format,
        by=by,
        now=NOW,
    )


def export(
    by: Membership, *, columns: str = "all", file_format: str = "csv", **parameters: str
) -> ListExport:
    made = begin(by, columns=columns, file_format=file_format, **parameters)
    assert made.state == ExportState.DONE, made.problem
    return made


def cells(made: ListExport) -> list[dict[str, str]]:
    text = b"".join(read_export(made)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_all_fields_are_there_under_the_names_that_an_import_takes(clara: Membership) -> None:
    sdr = make_member(role=Role.SDR)
    lead = make_lead(
        email="ana@x.test",
        name="Ana",
        company=make_company(name="Empresa SA", revenue_minor=1_234_567),
        stage="mql",
        tags=["vip", "feira"],
        standing={"owner_sdr": sdr},
        score=73,
        grade="B+",
    )
    plants = CustomField.objects.create(name="plants", label="Plants", type="decimal")
    CustomValue.objects.create(lead=lead, field=plants, decimal_value=2_500_000)
    [row] = cells(export(clara))
    assert (row["id"], row["email"], row["company"], row["stage"]) == (
        str(lead.pk),
        "ana@x.test",
        "Empresa SA",
        "mql",
    )
    assert (row["company_revenue"], row["tags"], row["custom.plants"]) == ("12345.67", "feira; vip", "2.5")
    assert sdr.user is not None
    assert (row["owner_sdr"], row["score"], row["grade"]) == (sdr.user.email, "73", "B+")


def test_what_was_exported_can_be_imported_again_and_changes_nothing(clara: Membership) -> None:
    targets: dict[str, Any] = {name: name for name in ("email", "name", "company", "origin", "created_at")}
    came = csv_bytes(
        "email,name,company,origin,created_at", "ana@x.test,Ana Souza,Empresa SA,Feira,2026-02-28"
    )
    run_to_end(assign(upload(came, by=clara), **targets), by=clara)
    again = upload(b"".join(read_export(export(clara))), by=clara)
    again = run_to_end(assign(again, **targets), by=clara)
    assert (again.counts["unchanged"], again.counts["updated"]) == (1, 0)


def test_a_file_holds_what_the_list_shows_in_its_order(clara: Membership) -> None:
    make_lead(email="a@x.test", name="Ana", stage="mql", score=10)
    make_lead(email="b@x.test", name="Bia", stage="mql", score=30)
    make_lead(email="c@x.test", name="Caio", stage="new", score=50)
    rows = cells(export(clara, columns="list", stage="mql", order="-score"))
    assert [(row["Name"], row["Stage"], row["Score"]) for row in rows] == [
        ("Bia", "MQL", "30"),
        ("Ana", "MQL", "10"),
    ]


def test_a_file_takes_the_columns_of_the_view_in_their_order(client: Client, tenant: Tenant) -> None:
    member = sign_in(client, tenant, Role.MARKETING)
    with tenant_scope(tenant.pk):
        plants = CustomField.objects.create(name="plants", label="Plants", type="decimal")
        lead = make_lead(
            email="a@x.test", name="Ana", stage="mql", tags=["vip", "feira"], seniority="manager"
        )
        make_lead(email="b@x.test", name="Bia", stage="new")
        CustomValue.objects.create(lead=lead, field=plants, decimal_value=2_500_000)
        columns = ["name", "custom.plants", "tags", "clock", "seniority", "email", "owner_sdr", "stage"]
        view = make_view(
            kind=get_kind("leads"),
            name="Fábricas",
            parameters={"stage": "mql"},
            columns=columns,
            sharing="me",
            team_id=None,
            by=member,
            now=NOW,
        )
    place = f"/t/horizonte/lists/leads/export/?view={view.pk}"
    shown = client.get(place).content.decode()
    assert ("Export 1 row" in shown, "Name, Plants, Tags, Clock" in shown) == (True, True)
    made = client.post(place, {"columns": "view", "file_format": "csv"})["Location"]
    text = client.get(f"{made}file/").getvalue().decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["Name", "Plants", "Tags", "Clock", "Seniority", "E-mail", "SDR", "Stage"],
        ["Ana", "2.5", "feira; vip", "", "Manager", "a@x.test", "", "MQL"],
    ]
    # Of marked leads the view says the columns alone.
    made = client.post(f"{place}&ids={lead.pk}", {"columns": "view", "file_format": "xlsx"})["Location"]
    sheet = load_workbook(io.BytesIO(client.get(f"{made}file/").getvalue())).worksheets[0]
    assert [[cell.value for cell in row][:2] for row in sheet.rows] == [["Name", "Plants"], ["Ana", 2.5]]


def test_a_workbook_is_loaded_by_who_writes_one_alone() -> None:
    asked = "import django; django.setup(); import leadsys.urls, sys; print('openpyxl' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "leadsys.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["False"]


def test_formulas_are_made_harmless(clara: Membership) -> None:
    make_lead(
        email="a@x.test", name='=HYPERLINK("http://x.test")', phone="+5511999998888", job_title="@SUM(1)"
    )
    [row] = cells(export(clara))
    assert (row["name"], row["job_title"]) == ('\'=HYPERLINK("http://x.test")', "'@SUM(1)")
    assert row["phone"] == "+5511999998888"
    book = load_workbook(io.BytesIO(b"".join(read_export(export(clara, file_format="xlsx")))))
    cell = book.worksheets[0].cell(row=2, column=6)
    assert (cell.value, cell.data_type) == ('=HYPERLINK("http://x.test")', "s")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@x", "\t=1", " =1", "|x"])
def test_what_begins_a_formula_gets_an_apostrophe_and_loses_it_again(text: str) -> None:
    assert defuse(text) == f"'{text}"
    assert fuse(defuse(text)) == text


@pytest.mark.parametrize("text", ["", "Ana", "-3", "+55 (19) 99999-8888", "'quoted", "-", "12,5"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert defuse(text) == text
    assert fuse(text) == text


def test_many_leads_are_built_batch_by_batch_and_a_dead_worker_changes_nothing(
    clara: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH_SIZE", 2)
    monkeypatch.setattr(exports, "AT_ONCE", 0)
    for number in range(5):
        make_lead(email=f"lead{number}@x.test", name=f"Lead {number}")
    made = begin(clara, order="name")
    assert (made.state, made.expected) == (ExportState.BUILDING, 5)
    assert advance_export(export_id=made.pk, now=NOW)
    with transaction.atomic():
        # This batch is lost with its worker.
        advance_export(export_id=made.pk, now=NOW)
        transaction.set_rollback(True)
    for sweep in range(1, 4):
        sweep_tenant(tenant_id=clara.tenant_id, now=NOW + sweep * exports.FALLBACK)
    made.refresh_from_db()
    assert (made.state, made.row_count) == (ExportState.DONE, 5)
    assert [row["name"] for row in cells(made)] == [f"Lead {number}" for number in range(5)]
    assert [told.kind for told in Notification.objects.filter(member=clara)] == ["leads.export_done"]


def test_a_list_that_takes_longer_than_a_page_is_built_by_a_worker(
    clara: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_lead(name="Ana", email="ana@x.test", job_title="Buyer")
    read = PageRead.read

    def read_slowly(page: PageRead) -> list[tuple[Any, int]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.3)")
        return read(page)

    monkeypatch.setattr(PageRead, "read", read_slowly)
    monkeypatch.setattr(listing, "SLOW_LIMIT_MS", 100)
    made = begin(clara, filter='{"fact": "job_title", "op": "contains", "value": "buy"}')
    assert (made.state, made.expected) == (ExportState.BUILDING, 1)
    sweep_tenant(tenant_id=clara.tenant_id, now=NOW + exports.FALLBACK)
    made.refresh_from_db()
    assert [row["name"] for row in cells(made)] == ["Ana"]


def test_a_list_that_takes_too_long_for_a_worker_says_how_to_mend_it(
    clara: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_lead(name="Ana", email="ana@x.test")

    def sleep_in_the_database(*_arguments: Any) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(3)")
        return []

    monkeypatch.setattr(PageRead, "read", sleep_in_the_database)
    monkeypatch.setattr(listing, "SLOW_LIMIT_MS", 50)
    monkeypatch.setattr(exports, "BUILDING_LIMIT_MS", 100)
    made = begin(clara, filter='{"fact": "job_title", "op": "is_known"}')
    sweep_tenant(tenant_id=clara.tenant_id, now=NOW + exports.FALLBACK)
    made.refresh_from_db()
    assert made.state == ExportState.FAILED
    assert "narrows the list" in made.problem


def test_the_audit_log_says_who_took_what(clara: Membership) -> None:
    make_lead(email="a@x.test", stage="mql")
    begin(clara, stage="mql")
    entry = AuditEntry.objects.get(act="list.exported")
    assert (entry.actor, entry.subject, entry.detail["rows"]) == (clara, "MQL", 1)
    assert entry.detail["query"] == ["stage=mql"]
    assert sentence_of(entry) == "Exported 1 rows of a list (leads) as csv: MQL"


def test_exports_of_leads_that_had_an_act_of_their_own_read_like_any_other(clara: Membership) -> None:
    detail = {"rows": 7, "format": "csv", "columns": "all", "query": []}
    entry = record(act="leads.exported", subject="MQL", by=clara, now=NOW, detail=detail)
    other = record(
        act="list.exported", subject="all", by=clara, now=NOW, detail=detail | {"list": "companies"}
    )
    with connection.cursor() as cursor:
        cursor.execute(import_module("leads.migrations.0041_exports_are_one_act").ONE_ACT)
    for each in (entry, other):
        each.refresh_from_db()
    assert sentence_of(entry) == "Exported 7 rows of a list (leads) as csv: MQL"
    assert (entry.at, entry.actor, entry.detail["rows"]) == (NOW, clara, 7)
    assert sentence_of(other) == "Exported 7 rows of a list (companies) as csv: all"


def test_a_filter_that_cannot_be_meant_makes_no_file(clara: Membership) -> None:
    with pytest.raises(InvalidListQuery):
        export(clara, stage="nonsense")
    assert ListExport.objects.count() == 0


def test_a_file_is_its_makers_alone_and_for_some_days(clara: Membership, settings: Any) -> None:
    made = export(clara)
    colleague = make_member(role=Role.ADMIN)
    with pytest.raises(NoSuchExport):
        get_export(export_id=made.pk, by=colleague)
    sweep_tenant(tenant_id=clara.tenant_id, now=NOW + timedelta(days=settings.FILE_DAYS, seconds=1))
    assert (StoredPiece.objects.count(), b"".join(read_export(made))) == (0, b"")


# Pages -------------------------------------------------------------------------------------------------------------


def sign_in(client: Client, tenant: Tenant, role: Role) -> Membership:
    with tenant_scope(tenant.pk):
        member = in_english(make_member(role=role))
    assert member.user is not None
    client.force_login(member.user)
    return member


def test_from_the_list_to_the_file(client: Client, tenant: Tenant) -> None:
    sign_in(client, tenant, Role.MARKETING)
    with tenant_scope(tenant.pk):
        make_lead(email="a@x.test", name="Ana", stage="mql")
        make_lead(email="b@x.test", name="Bia", stage="new")
    assert (
        "/t/horizonte/lists/leads/export/?stage=mql"
        in client.get("/t/horizonte/leads/?stage=mql").content.decode()
    )
    shown = client.get("/t/horizonte/lists/leads/export/?stage=mql").content.decode()
    assert ("Export 1 row" in shown, "Only:" in shown) == (True, True)
    place = client.post(
        "/t/horizonte/lists/leads/export/?stage=mql", {"columns": "list", "file_format": "csv"}
    )["Location"]
    assert "The file is ready" in client.get(place).content.decode()
    file = client.get(f"{place}file/")
    assert file["Content-Disposition"].startswith('attachment; filename="leads-')
    content = file.getvalue()
    assert (file.streaming, file["Content-Length"]) == (True, str(len(content)))
    assert (b"Ana" in content, b"Bia" in content) == (True, False)
    with tenant_scope(tenant.pk):
        assert ListExport.objects.get().query == {"stage": "mql"}


def test_while_it_is_built_the_page_asks_and_is_told_only_what_is_new(
    client: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", -1)
    sign_in(client, tenant, Role.MANAGER)
    place = client.post("/t/horizonte/lists/leads/export/", {"columns": "all", "file_format": "xlsx"})[
        "Location"
    ]
    asks = {"HX-Request": "true", "HX-Target": "export-progress"}
    first = client.get(place, headers=asks)
    assert first.status_code == 200
    assert client.get(place, headers=asks | {"If-None-Match": first["ETag"]}).status_code == 304
    assert client.get(f"{place}file/").status_code == 404
    with tenant_scope(tenant.pk):
        advance_export(export_id=ListExport.objects.get().pk, now=NOW)
    assert client.get(place, headers=asks)["HX-Redirect"] == place


@pytest.mark.parametrize("role", [Role.SDR, Role.SALES, Role.VIEWER])
def test_who_may_not_export_sees_no_button_and_gets_no_file(
    client: Client, tenant: Tenant, role: Role
) -> None:
    sign_in(client, tenant, role)
    assert "lists/leads/export/" not in client.get("/t/horizonte/leads/").content.decode()
    assert (
        client.post("/t/horizonte/lists/leads/export/", {"columns": "all", "file_format": "csv"}).status_code
        == 403
    )
    with tenant_scope(tenant.pk):
        assert ListExport.objects.count() == 0


def test_a_filter_by_condition_is_kept(client: Client, tenant: Tenant) -> None:
    sign_in(client, tenant, Role.ADMIN)
    with tenant_scope(tenant.pk):
        make_lead(email="a@x.test", name="Ana", tags=["vip"])
        make_lead(email="b@x.test", name="Bia")
    asked = json.dumps({"fact": "tags", "op": "has_any", "value": ["vip"]})
    answer = client.post(
        "/t/horizonte/lists/leads/export/",
        {"columns": "all", "file_format": "csv"},
        query_params={"filter": asked},
    )
    content = client.get(f"{answer['Location']}file/").getvalue().decode()
    assert ("a@x.test" in content, "b@x.test" in content) == (True, False)
