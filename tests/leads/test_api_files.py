"""Files over HTTP: imports sent with all there is to say, watched, mended; leads taken out as files; opportunities read."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core.saved_views.kinds import get_kind
from core.saved_views.services import make_view
from leads.capture.import_steps import advance_import
from leads.models import Event, ImportRun, Lead, LeadState, Opportunity
from tenancy.keys import create_key
from tenancy.models import AuditEntry, Membership, Role, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.leads.uploads import csv_bytes

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: Client, tenant: Tenant) -> Ask:
    """Asks in the name of a key that somebody of a role made, marketing unless said."""
    keys: dict[str, str] = {}

    def send(method: str, path: str, body: Any = None, *, role: str = Role.MARKETING, **form: Any) -> Any:
        if role not in keys:
            with tenant_scope(tenant.pk):
                by = make_member(role=role)
                scopes = [Scope.LEADS_READ, Scope.LEADS_WRITE]
                keys[role] = create_key(name=role, scopes=scopes, by=by, now=NOW)[1]
        headers = {"authorization": f"Bearer {keys[role]}", "accept-language": "en"}
        if form:
            return client.post(f"/api/v1/{path}", form, headers=headers)
        content = b"" if body is None else json.dumps(body).encode()
        return client.generic(method, f"/api/v1/{path}", content, "application/json", headers=headers)

    return send


DEALS = (
    "Deal ID,Contact email,Deal stage,Amount,Close date,Interest",
    "71,ana@x.test,Closed won,10.50,2018-02-25,ERP",
    "72,nova@x.test,Negotiation,20,2018-03-25,MES",
    "73,ana@x.test,Closed lost,many,2018-01-25,",
)


def upload(*lines: str, name: str = "deals.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, csv_bytes(*lines))


def work(tenant: Tenant, import_id: int) -> None:
    """What workers do until nothing is left."""
    with tenant_scope(tenant.pk):
        while advance_import(import_id=import_id, now=NOW):
            pass


def test_a_file_is_sent_tried_started_and_its_refused_rows_are_read(ask: Ask, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        ana = make_lead(email="ana@x.test", is_live=False)
    options = {"create_leads": True, "dry_run": True, "create_fields": True}
    sent = ask("POST", "imports/", file=upload(*DEALS), options=json.dumps(options))
    assert sent.status_code == 202, sent.content
    found = sent.json()
    place = f"imports/{found['id']}/"
    assert (found["subject"], found["state"], found["mode"], found["rows"]) == (
        "deals",
        "tried",
        "history",
        3,
    )
    assert [column["field"] for column in found["columns"]] == [
        *("deal_id", "email", "outcome", "amount", "closed_at", "custom.interest"),
    ]
    assert found["trial"]["counts"] == {"new": 2, "updated": 0, "unchanged": 0, "duplicate": 0, "refused": 1}
    assert found["trial"]["examples"]["new"][0] == {"row": 2, "who": "71, ana@x.test", "why": ""}
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.count() == 0
    assert ask("POST", f"{place}start/").status_code == 202
    work(tenant, found["id"])
    done = ask("GET", place).json()
    assert (done["state"], done["counts"]["new"], done["counts"]["refused"]) == ("done", 2, 1)
    [row] = ask("GET", f"{place}refused/").json()["results"]
    assert (row["row"], row["cells"]["Amount"], row["errors"][0]["column"]) == (4, "many", "Amount")
    assert ask("GET", f"{place}refused/?after=4").json() == {"results": [], "next": None}
    assert [each["id"] for each in ask("GET", "imports/").json()["results"]] == [found["id"]]
    [deal] = ask("GET", "opportunities/?deal_id=71").json()["results"]
    assert (deal["lead"], deal["outcome"], deal["amount"], deal["custom"]) == (
        *(ana.pk, "won", 10.5, {"interest": "ERP"}),
    )
    assert [each["deal_id"] for each in ask("GET", "opportunities/?outcome=open").json()["results"]] == ["72"]
    assert ask("GET", "opportunities/?outcome=maybe").status_code == 400
    with tenant_scope(tenant.pk):
        assert LeadState.objects.get(lead__email="nova@x.test").live_since is None
        entry = AuditEntry.objects.get(act="import.started")
        assert entry.actor is not None
        assert entry.actor.kind == "service"


def test_a_file_goes_through_by_itself_and_what_is_in_doubt_is_said(ask: Ask, tenant: Tenant) -> None:
    rows = ("email,when,what,kind", "ana@x.test,02/03/2018,Form,demo")
    orders = {
        "subject": "events",
        "mode": "live",
        "create_leads": True,
        "mapping": {"email": "email", "when": "occurred_at", "what": "type", "kind": "properties.kind"},
        "values": {"what": {"Form": "form_submitted"}},
    }
    sent = ask("POST", "imports/", file=upload(*rows), options=json.dumps(orders)).json()
    assert (sent["state"], "when" in sent["problem"]) == ("mapping", True)
    place = f"imports/{sent['id']}/"
    wrong = ask("POST", f"{place}columns/", {**orders, "mapping": {"email": "email", "gone": "type"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "mapping.gone")
    wrong = ask("POST", f"{place}columns/", {**orders, "mapping": {"email": "stage", "when": "occurred_at"}})
    assert {each["field"] for each in wrong.json()["errors"]} >= {"mapping.email", "columns"}
    assert ask("POST", f"{place}start/").status_code == 409
    assert ask("POST", f"{place}columns/", {**orders, "date_formats": {"when": "dmy"}}).status_code == 202
    work(tenant, sent["id"])
    done = ask("GET", place).json()
    assert (done["state"], done["mode"], done["counts"]["new"]) == ("done", "live", 1)
    with tenant_scope(tenant.pk):
        event = Event.objects.get()
        assert (event.type, event.properties, event.occurred_at.month) == (
            "form_submitted",
            {"kind": "demo"},
            3,
        )
        assert LeadState.objects.get(lead__email="ana@x.test").stage == "mql"


def test_who_may_not_import_by_the_pages_may_not_by_a_key(ask: Ask, tenant: Tenant) -> None:
    file = {"file": upload("email", "ana@x.test")}
    assert ask("POST", "imports/", role=Role.SDR, **file).status_code == 403
    assert ask("GET", "imports/", role=Role.SDR).status_code == 403
    for options in ("[]", "{", '{"mode": "soon"}', '{"nonsense": 1}', '{"mapping": {"email": 3}}'):
        refused = ask("POST", "imports/", file=upload("email", "ana@x.test"), options=options)
        assert refused.status_code == 400, options
    assert ask("POST", "imports/", other="x").json()["errors"][0]["field"] == "file"
    assert ask("POST", "imports/", {"file": "x"}).status_code == 415
    with tenant_scope(tenant.pk):
        assert (ImportRun.objects.count(), Lead.objects.count()) == (0, 0)
    broken = ask("POST", "imports/", file=SimpleUploadedFile("x.xlsx", b"PK\x03\x04nonsense")).json()
    assert (broken["state"], bool(broken["problem"]), broken["columns"]) == ("unreadable", True, [])


def test_leads_are_taken_out_with_a_filter_or_a_view(ask: Ask, tenant: Tenant, client: Client) -> None:
    with tenant_scope(tenant.pk):
        make_lead(email="a@x.test", name="Ana", stage="mql", score=10)
        make_lead(email="b@x.test", name="Bia", stage="new", score=30)
        view = make_view(
            kind=get_kind("leads"),
            name="MQLs",
            parameters={"stage": "mql"},
            columns=["name", "score"],
            sharing="all",
            team_id=None,
            by=Membership.objects.get(roles=[Role.ADMIN]),
            now=NOW,
        )
    asked = {"format": "csv", "columns": ["email", "stage"], "filter": {"stage": "new"}}
    made = ask("POST", "exports/", asked)
    assert made.status_code == 202
    assert (made.json()["state"], made.json()["rows"]) == ("done", 1)
    file = ask("GET", made.json()["file"].removeprefix("/api/v1/"))
    assert file["Content-Type"] == "text/csv"
    text = file.getvalue().decode("utf-8-sig")
    assert [set(row.values()) & {"b@x.test"} for row in csv.DictReader(io.StringIO(text), delimiter=";")] == [
        {"b@x.test"}
    ]
    of_view = ask("POST", "exports/", {"view": view.pk}).json()
    text = ask("GET", of_view["file"].removeprefix("/api/v1/")).getvalue().decode("utf-8-sig")
    assert text.splitlines()[1:] == ["Ana;10"]
    assert ask("GET", f"exports/{of_view['id']}/").json() == of_view
    # A file is its maker's alone.
    assert ask("GET", f"exports/{of_view['id']}/", role=Role.ADMIN).status_code == 404
    for wrong in (
        {"columns": ["nonsense"]},
        {"columns": "some"},
        {"filter": {"x": "y"}},
        {"format": "pdf"},
        {"a": 1},
    ):
        assert ask("POST", "exports/", wrong).status_code == 400, wrong
    assert ask("POST", "exports/", {"view": 10**9}).json()["errors"][0]["field"] == "view"
    with tenant_scope(tenant.pk):
        assert AuditEntry.objects.filter(act="list.exported").count() == 2
