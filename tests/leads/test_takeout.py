"""Everything a tenant has as one ZIP: of every column somebody has said whether it goes out, and it is one snapshot."""

import csv
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from core.due import sweep_tenant
from core.models import DueRow, Notification, StoredFile, WebhookEndpoint
from core.stored_files import read_pieces
from leads.erasure.erasing import advance_erasure, request_erasure
from leads.models import CustomField, CustomType, CustomValue, DataExport, Lead
from leads.takeout import archive, building
from leads.takeout.building import build_export, get_data_export, request_data_export
from leads.takeout.tables import list_staying, list_taken
from tenancy.keys import create_key
from tenancy.models import AuditEntry, Membership, Role, Scope, Tenant
from tenancy.rights import NotAllowed
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_event, make_lead, make_member
from tests.guards.rows import make_row, tenant_owned

# The hash of a password, of a key, of a link; a secret that signs: what such columns are called.
SECRET_NAMES = ("password", "secret", "token", "key_hash")


def columns_of(model: Any) -> set[str]:
    return {field.column for field in model._meta.local_concrete_fields} - {"tenant_id"}


def test_of_every_column_of_a_tenant_somebody_has_said_whether_it_goes_out() -> None:
    taken = {table.model: table for table in list_taken()}
    owned = {model._meta.label: model for model in tenant_owned()}
    assert taken.keys() & list_staying().keys() == set()
    assert owned.keys() - taken.keys() - list_staying().keys() == set(), (
        "say it with leads.takeout.tables.register_taken"
    )
    assert taken.keys() | list_staying().keys() == owned.keys()
    said = {f"{label}.{name}" for label, table in taken.items() for name in [*table.columns, *table.withheld]}
    there = {f"{label}.{name}" for label in taken for name in columns_of(owned[label])}
    assert said ^ there == set()
    for table in taken.values():
        assert not set(table.columns) & set(table.withheld)
        assert set(table.notes) <= set(table.columns)
        assert not [name for name in table.columns for secret in SECRET_NAMES if secret in name]
    files = [table.file_name for table in taken.values()]
    assert len(set(files)) == len(files)


@pytest.fixture
def admin(tenant: Tenant, other_tenant: Tenant) -> Membership:
    with tenant_scope(tenant.pk):
        admin = make_member(role=Role.ADMIN, name="Helena")
        assert admin.user is not None
        admin.user.language = "en"
        admin.user.save()
        return admin


def ask(admin: Membership) -> DataExport:
    with tenant_scope(admin.tenant_id):
        return request_data_export(by=admin, now=timezone.now())


def build(export: DataExport) -> DataExport:
    build_export(tenant_id=export.tenant_id, export_id=export.pk)
    with tenant_scope(export.tenant_id):
        built: DataExport = DataExport.objects.select_related("file").get(pk=export.pk)
        return built


def opened(export: DataExport) -> zipfile.ZipFile:
    with tenant_scope(export.tenant_id):
        content = b"".join(read_pieces(file_id=export.file_id or 0))
    return zipfile.ZipFile(io.BytesIO(content))


def rows_of(file: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read(name).decode("utf-8-sig"), newline="")))


@pytest.mark.django_db(transaction=True)
def test_everything_goes_out_readable_and_nothing_secret(
    tenant: Tenant, other_tenant: Tenant, admin: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "PIECE_BYTES", 4_000)
    with tenant_scope(other_tenant.pk):
        make_lead(email="foreign@x.test")
    with tenant_scope(tenant.pk):
        lead = make_lead(
            email="ana@x.test",
            name='=HYPERLINK("x")',
            phone="+5519998887766",
            job_title='CEO\r\n"Diretora"; Ação',
            company=make_company(name="Empresa SA"),
            stage="mql",
            score=73,
            grade="B+",
            tags=["vip", "feira"],
            standing={"owner_sdr": admin},
        )
        make_event(lead=lead, properties={"page": "/preços", "quote": 'a "b" \\ c'})
        field = CustomField.objects.create(name="plants", label="Plants", type=CustomType.DECIMAL)
        CustomValue.objects.create(lead=lead, field=field, decimal_value=2_500_000)
        WebhookEndpoint.objects.create(
            url="https://x.test", event_types=["a"], listens_since=timezone.now(), secret="SEALED-SECRET"
        )
        made: dict[Any, Any] = {Lead: lead, Membership: admin}
        # A row of every table: whatever its columns are, the statement that reads them works.
        for model in tenant_owned():
            if model._meta.label not in list_staying():
                make_row(model, made)
    export = build(ask(admin))
    assert (export.state, export.problem, export.attempts) == ("done", "", 1)
    file = opened(export)
    assert file.testzip() is None
    manifest = json.loads(file.read("manifest.json"))
    assert set(file.namelist()) == {each["file"] for each in manifest["files"]} | {
        "manifest.json",
        "README.txt",
    }
    for each in manifest["files"]:
        assert each["rows"] >= 1, each["file"]
        if each["file"].endswith(".csv"):
            rows = rows_of(file, each["file"])
            assert len(rows) == each["rows"]
            assert list(rows[0]) == [column["name"] for column in each["columns"]]
    assert export.row_count == export.expected == sum(each["rows"] for each in manifest["files"])
    by_email = {row["email"]: row for row in rows_of(file, "leads.csv")}
    ana = by_email["ana@x.test"]
    assert "foreign@x.test" not in by_email
    assert (ana["name"], ana["phone"], ana["job_title"]) == (
        '\'=HYPERLINK("x")',
        "+5519998887766",
        'CEO\r\n"Diretora"; Ação',
    )
    assert (ana["company"], ana["stage"], ana["score"], ana["grade"]) == ("Empresa SA", "mql", "73", "B+")
    assert admin.user is not None
    assert (ana["tags"], ana["custom.plants"], ana["owner_sdr"]) == ("feira; vip", "2.5", admin.user.email)
    events = [json.loads(row["properties"]) for row in rows_of(file, "events.csv")]
    assert {"page": "/preços", "quote": 'a "b" \\ c'} in events
    rules = [json.loads(line) for line in file.read("rules.jsonl").decode().splitlines()]
    assert {"scoring", "routing"} <= {rule["kind"] for rule in rules}
    assert all(isinstance(rule["document"], dict) for rule in rules)
    everything = b"".join(file.read(name) for name in file.namelist())
    assert b"SEALED-SECRET" not in everything
    assert b"Everything that Horizonte SaaS has" in file.read("README.txt")
    leads = next(each for each in manifest["files"] if each["file"] == "leads.csv")
    about = {column["name"]: column for column in leads["columns"]}
    assert about["company_id"]["refers_to"] == "companies.csv: id"
    with tenant_scope(tenant.pk):
        assert StoredFile.objects.get(pk=export.file_id).pieces.count() > 2
        told = Notification.objects.get(member=admin, kind=building.BUILT)
        assert told.values == {"export_id": export.pk}
        assert set(AuditEntry.objects.filter(actor=admin).values_list("act", flat=True)) == {
            "data.export_asked",
            "data.exported",
        }
        assert not DueRow.objects.filter(kind=building.BUILD_KIND).exists()
    # Built again it is the same; a second request finds a new one, which expires by itself.
    assert build(export) == export
    again = build(ask(admin))
    assert again.pk != export.pk
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + timedelta(days=8))
    with tenant_scope(tenant.pk):
        assert not StoredFile.objects.filter(name__endswith=".zip").exists()


class Interrupted(building._Build):
    """A build that lets something happen while it writes the events."""

    happens: Any = None

    def _write(self, cursor: Any, archive: Any, table: Any, statement: str) -> int:
        happens, type(self).happens = (
            (type(self).happens, None) if table.file == "events" else (None, type(self).happens)
        )
        if happens is not None:
            other = threading.Thread(target=happens)
            other.start()
            other.join()
        return super()._write(cursor, archive, table, statement)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Interrupted]]:
    monkeypatch.setattr(building, "_Build", Interrupted)
    yield Interrupted
    Interrupted.happens = None


def apart(tenant: Tenant, do: Any) -> Any:
    """Do something in a connection of its own."""
    from django.db import connection

    def run() -> None:
        with tenant_scope(tenant.pk):
            do()
        connection.close()

    return run


@pytest.mark.django_db(transaction=True)
def test_what_changes_meanwhile_is_not_in_it_and_who_is_erased_meanwhile_makes_it_begin_anew(
    tenant: Tenant, admin: Membership, interrupted: type[Interrupted]
) -> None:
    with tenant_scope(tenant.pk):
        lead, other = make_lead(email="ana@x.test"), make_lead(email="bia@x.test")
    interrupted.happens = apart(tenant, lambda: make_lead(email="late@x.test"))
    export = build(ask(admin))
    file = opened(export)
    known = {row["id"] for row in rows_of(file, "leads.csv")}
    assert {row["lead_id"] for row in rows_of(file, "lead_standings.csv")} == known
    assert known == {str(lead.pk), str(other.pk)}

    def erase() -> None:
        asked = request_erasure(
            lead_id=lead.pk,
            confirmation="ana@x.test",
            ground="",
            keeps_out=True,
            by=admin,
            now=timezone.now(),
        )
        advance_erasure(erasure_id=asked.pk, now=timezone.now())

    interrupted.happens = apart(tenant, erase)
    second = build(ask(admin))
    # The file of before is deleted as well: nobody can look into it.
    assert (second.state, second.attempts, second.file_id) == ("waiting", 0, None)
    with tenant_scope(tenant.pk):
        assert not StoredFile.objects.exists()
    second = build(second)
    assert second.state == "done"
    assert b"ana@x.test" not in b"".join(opened(second).read(name) for name in opened(second).namelist())


@pytest.mark.django_db(transaction=True)
def test_one_that_breaks_off_is_begun_again_and_in_the_end_says_so(
    tenant: Tenant, admin: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: Any) -> str:
        raise RuntimeError("disk")

    monkeypatch.setattr(building, "manifest_text", broken)
    export = ask(admin)
    assert ask(admin) == export
    for attempt in range(1, building.MAX_ATTEMPTS + 1):
        export = build(export)
        assert (export.state, export.attempts) == ("building", attempt)
        with tenant_scope(tenant.pk):
            assert DueRow.objects.filter(kind=building.BUILD_KIND, subject=export.pk).exists()
            assert StoredFile.objects.count() == 1
    export = build(export)
    assert export.state == "failed"
    assert "5 times" in building.problem_words(export)
    with tenant_scope(tenant.pk):
        assert not StoredFile.objects.exists()
        assert not DueRow.objects.filter(kind=building.BUILD_KIND).exists()
    assert ask(admin) != export


@pytest.mark.django_db(transaction=True)
def test_administrators_ask_watch_and_download_and_nobody_else(
    tenant: Tenant, admin: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, base = Client(), f"/t/{tenant.slug}/settings/data/"
    assert admin.user is not None
    client.force_login(admin.user)
    assert "exports/" in client.get(base).content.decode()
    assert "Nobody has asked" in client.get(f"{base}exports/").content.decode()
    place = client.post(f"{base}exports/")["Location"]
    assert client.post(f"{base}exports/")["Location"] == place
    assert "is being built" in client.get(f"{base}exports/").content.decode()
    asks = {"HX-Request": "true", "HX-Target": "export-progress"}
    first = client.get(place, headers=asks)
    assert "Counting" in first.content.decode()
    assert client.get(place, headers=asks | {"If-None-Match": first["ETag"]}).status_code == 304
    assert client.post(f"{place}file/").status_code == 404
    with tenant_scope(tenant.pk):
        export = DataExport.objects.get()
        manager = make_member(role=Role.MANAGER)
    build(export)
    assert client.get(place, headers=asks)["HX-Redirect"] == place
    shown = client.get(place).content.decode()
    assert ("The file is ready" in shown, "leads.csv" in shown) == (True, True)
    assert client.get(f"{place}file/").status_code == 405
    file = client.post(f"{place}file/")
    content = file.getvalue()
    assert (file.streaming, file["Content-Length"]) == (True, str(len(content)))
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    with tenant_scope(tenant.pk):
        assert AuditEntry.objects.filter(act="data.downloaded", actor=admin).count() == 1
        with pytest.raises(NotAllowed):
            get_data_export(export_id=export.pk, by=manager)
        with pytest.raises(NotAllowed):
            request_data_export(by=manager, now=timezone.now())
    assert manager.user is not None
    client.force_login(manager.user)
    assert "settings/data/exports/" not in client.get(base).content.decode()
    assert client.post(f"{place}file/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_key_takes_everything_along_only_with_the_scope_for_it_and_while_its_maker_is_an_administrator(
    tenant: Tenant, admin: Membership
) -> None:
    with tenant_scope(tenant.pk):
        _row, key = create_key(name="backup", scopes=[Scope.DATA_EXPORT], by=admin, now=timezone.now())
    api = Client(headers={"Authorization": f"Bearer {key}"})
    other = ApiCaller(tenant, Scope.LEADS_WRITE, Scope.SETTINGS_WRITE)
    assert other.post("/data-exports/").status_code == 403
    asked = api.post("/api/v1/data-exports/")
    assert (asked.status_code, asked.json()["state"], asked.json()["file"]) == (202, "waiting", None)
    place = f"/api/v1/data-exports/{asked.json()['id']}/"
    assert api.get(f"{place}file/").status_code == 404
    with tenant_scope(tenant.pk):
        build_from = DataExport.objects.get()
    build(build_from)
    done = api.get(place).json()
    assert (done["state"], done["rows"], done["file"]) == (
        "done",
        sum(done["files"].values()),
        f"{place}file/",
    )
    file = api.get(done["file"])
    assert file["Content-Type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(file.getvalue())).testzip() is None
    with tenant_scope(tenant.pk):
        assert AuditEntry.objects.filter(act="data.downloaded").count() == 1
        Membership.objects.filter(pk=admin.pk).update(roles=[Role.MANAGER])
    assert [api.get(done["file"]).status_code, api.post("/api/v1/data-exports/").status_code] == [403, 403]
