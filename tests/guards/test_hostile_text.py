"""Hostile text at every door: nothing breaks, nothing runs, it is kept and shown as it was typed.

Every line of the big list of naughty strings goes into every text field of the API and every cell of a file; the acts, the list's
questions, the hosted form and the forms of all pages, found by walking the URL table, take a share of them each, and all with
``LEADSYS_HOSTILE=full``.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.utils.html import escape
from playwright.sync_api import Dialog

from leads.models import CaptureForm, Event, Lead, Stage, Submission
from leads.selectors import lead_details
from tenancy.models import Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.browser import open_chromium, watch_faults
from tests.builders import make_lead
from tests.guards.addresses import list_addresses
from tests.guards.hostile import Form, FormReader, each_in_a_field, read_lines, some
from tests.guards.samples import World
from tests.guards.test_pages import Findings, who_reads
from tests.imports import import_leads, import_outcomes

pytestmark = pytest.mark.xdist_group("hostile")

# Lines a form gets unless all are asked for.
SHARE = 4
# Fields that keep any text, with the longest that each takes.
TEXTS = {
    "first_name": 100,
    "last_name": 100,
    "name": 200,
    "job_title": 200,
    "city": 120,
    "campaign": 200,
    "medium": 120,
    "landing_page": 500,
    "company": 200,
    "industry": 120,
}
# Names of companies that differ in marks alone are one company, and a name is made of its parts.
PERSONAL = TEXTS.keys() - {"name", "company", "industry"}
# Fields that take what they can read; the rest is refused by name.
READ = (
    "email",
    "phone",
    "seniority",
    "country",
    "state",
    "postal_code",
    "language",
    "time_zone",
    "cnpj",
    "created_at",
    "origin",
)


@pytest.fixture
def lines() -> list[str]:
    return read_lines()


def rows_of(lines: list[str]) -> list[dict[str, Any]]:
    """A lead for each line, with the line in each text that has room for it."""
    return [
        {"external_id": f"h{number}"}
        | {name: line for name, most in TEXTS.items() if len(line.strip()) <= most}
        | {
            "tags": [line[:80].replace(";", "")],
            "consent": [{"purpose": "marketing", "basis": "consent", "text": line}],
            "event": {"type": "form_submitted", "properties": {line[:100] or "x": line}},
        }
        for number, line in enumerate(lines)
    ]


def test_the_api_keeps_every_line_as_it_was_sent(tenant: Tenant, lines: list[str]) -> None:
    rows = rows_of(lines)
    answer = ApiCaller(tenant).post("/leads/batch/", {"leads": rows})
    refused = [row for row in answer.json()["results"] if row["status"] not in {200, 201}]
    assert (answer.status_code, refused) == (200, [])
    with tenant_scope(tenant.pk):
        ids = dict(Lead.objects.values_list("external_id", "pk"))
        details = lead_details(lead_ids=list(ids.values()))
        events = dict(Event.objects.values_list("lead_id", "properties"))
    for row in rows:
        lead_id = ids[row["external_id"]]
        kept = {name: details[lead_id][name] for name in PERSONAL if name in row}
        assert kept == {name: row[name].strip() or None for name in kept}
        assert events[lead_id] == row["event"]["properties"]


def test_fields_that_read_a_line_take_it_or_refuse_it_by_name(tenant: Tenant, lines: list[str]) -> None:
    api = ApiCaller(tenant)
    rows = [
        {"external_id": f"{name}{number}", name: line}
        for number, (name, line) in enumerate(each_in_a_field(lines, READ))
    ]
    for begin in range(0, len(rows), 1000):
        part = rows[begin : begin + 1000]
        answers = api.post("/leads/batch/", {"leads": part}).json()["results"]
        for sent, row in zip(part, answers, strict=True):
            named = {error["field"] for error in row.get("errors", ())}
            assert row["status"] in {200, 201} or (row["status"], named) == (
                400,
                sent.keys() - {"external_id"},
            )


def test_acts_and_events_take_or_refuse_every_line(tenant: Tenant, lines: list[str]) -> None:
    api = ApiCaller(tenant)
    with tenant_scope(tenant.pk):
        lead = make_lead(stage=Stage.MARKETING_QUALIFIED)
    bodies = {
        "attempts": ("channel", "outcome", "note"),
        "assessment": ("framework",),
        "assign": ("user",),
        "nurture": ("reason", "note"),
        "promote": ("reason",),
    }
    statuses = set()
    for number, line in enumerate(some(lines, count=10 * SHARE)):
        act, names = list(bodies.items())[number % len(bodies)]
        note = {"channel": "call", "outcome": "reached", "note": line}
        with transaction.atomic():
            statuses.add(api.post(f"/leads/{lead.pk}/{act}/", dict.fromkeys(names, line)).status_code)
            statuses.add(api.post(f"/leads/{lead.pk}/attempts/", note).status_code)
            transaction.set_rollback(True)
    assert statuses <= {200, 400, 409, 422}
    events = [{"type": line, "visitor": line, "message_id": line} for line in lines]
    assert api.post("/events/", {"events": events}).status_code == 200


def test_the_list_finds_or_refuses_every_line(tenant: Tenant, lines: list[str]) -> None:
    api = ApiCaller(tenant)
    api.post("/leads/batch/", {"leads": rows_of(lines)})
    for line in some(lines, count=10 * SHARE):
        found = api.get("/leads/", q=line, email=line)
        odd = api.get("/leads/", **dict.fromkeys(("stage", "owner", "cursor", "order", "score_min"), line))
        assert (found.status_code, odd.status_code) in {(200, 200), (200, 400)}, line
        condition = {"fact": "campaign", "op": "eq", "value": line}
        answer = api.get("/leads/", filter=json.dumps(condition))
        assert answer.status_code == (200 if line.strip() else 400), line
        if line.strip() and len(line.strip()) <= TEXTS["campaign"]:
            assert line.strip() in {lead["campaign"] for lead in answer.json()["results"]}


@pytest.fixture
def file_of_lines(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "hostile.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        names = ["external_id", *TEXTS, "tags"]
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(
            {"external_id": f"c{number}", "tags": line[:80]} | dict.fromkeys(TEXTS, line)
            for number, line in enumerate(lines)
        )
    return path


def test_a_file_keeps_every_line_in_every_cell(file_of_lines: Path, tenant: Tenant, lines: list[str]) -> None:
    ran = import_leads(file_of_lines)
    short = [line for line in lines if len(line.strip()) <= min(TEXTS.values())]
    assert ran.exit_code == 0, ran.said
    assert sum(ran.counts) == len(lines)
    assert ran.counts[0] >= len(short)
    with tenant_scope(tenant.pk):
        kept = dict(Lead.objects.values_list("external_id", "city"))
    for number, line in enumerate(lines):
        if line in short:
            assert kept[f"c{number}"] == (line.strip() or None)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (import_leads, [name for name in READ if name != "created_at"]),
        (import_outcomes, ["outcome", "amount", "currency", "reason", "sdr", "deal_id"]),
        (import_leads, ["created_at"]),
        (import_outcomes, ["won_at"]),
    ],
)
def test_cells_that_are_read_are_taken_or_refused(
    tmp_path: Path, tenant: Tenant, lines: list[str], command: Any, names: list[str]
) -> None:
    path = tmp_path / "kinds.csv"
    rows = [
        {"external_id": f"k{number}", name: line}
        for number, (name, line) in enumerate(each_in_a_field(lines, names))
    ]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["external_id", *names])
        writer.writeheader()
        writer.writerows(rows)
    ran = command(path)
    assert ran.exit_code in {0, 1, 2}, ran.said
    assert not ran.answer or sum(ran.counts) == len(rows)


def test_columns_may_have_hostile_names(tmp_path: Path, tenant: Tenant, lines: list[str]) -> None:
    path = tmp_path / "names.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["external_id", *lines], ["n1", *("x" for _line in lines)]])
    assert import_leads(path).exit_code in {0, 2}
    assert import_leads(path, "--create-fields").exit_code in {0, 2}


def test_the_hosted_form_takes_every_line_and_shows_it_again_when_refused(
    tenant: Tenant, lines: list[str]
) -> None:
    with tenant_scope(tenant.pk):
        path = f"/f/{CaptureForm.objects.get(key='contact').public_id}/"
    client = Client()
    for line in some(lines, count=8 * SHARE):
        good = {
            "first_name": line,
            "email": "a@empresa.com.br",
            "phone": "+55 19 99888-7766",
            "company": line,
        }
        bad = dict.fromkeys(good, line)
        with transaction.atomic():
            taken, shown = client.post(path, good), client.post(path, bad)
            with tenant_scope(tenant.pk):
                kept = [submission.payload["first_name"] for submission in Submission.objects.all()]
            transaction.set_rollback(True)
        assert taken.status_code in {302, 422}, line
        assert shown.status_code == 422, line
        html = shown.content.decode()
        assert Findings(html).inline == []
        assert f'value="{escape(line)}"' in html or not line.strip(), line
        assert kept == ([line.strip()] if taken.status_code == 302 else [])


def forms_of_pages(world: World) -> Iterator[tuple[str, Form]]:
    """Each form of any page once, with who uses it."""
    seen = set()
    for address in list_addresses():
        if address.is_api or address.route.startswith("/operator/"):
            continue
        who = who_reads(address)
        answer = world.request(who, "GET", world.path(address, who))
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        for form in FormReader(answer.content.decode(), world.path(address, who)).forms:
            if form.key not in seen and form.texts:
                seen.add(form.key)
                yield who, form


def test_every_form_of_every_page_takes_or_refuses_hostile_text(world: World, lines: list[str]) -> None:
    forms = list(forms_of_pages(world))
    assert len(forms) > 15
    broken = []
    for place, (who, form) in enumerate(forms):
        for number, line in enumerate(some(lines, count=SHARE, start=place * 17)):
            with transaction.atomic():
                answer = send(world, who, form, form.filled(line, everywhere=number % 3 == 2))
                transaction.set_rollback(True)
            html = answer.content.decode() if "html" in answer.get("Content-Type", "") else ""
            if answer.status_code >= 500 or Findings(html).inline:
                broken.append((form.method, form.action, line, answer.status_code, Findings(html).inline))
    assert broken == []


def send(world: World, who: str, form: Form, values: dict[str, str]) -> Any:
    """A form as a browser sends it, and the page that it leads to."""
    world.client.cookies.clear()
    if who in world.sessions:
        world.client.cookies["sessionid"] = world.sessions[who]
    path = form.action.partition("?")[0]
    if form.method == "get":
        return world.client.get(path, values)
    return world.client.post(path, values, follow=True)


def test_pages_show_hostile_names_as_text(world: World, lines: list[str]) -> None:
    api = ApiCaller(world.ours)
    api.post("/leads/batch/", {"leads": rows_of(lines)})
    with tenant_scope(world.ours.pk):
        names = dict(Lead.objects.filter(external_id__startswith="h").values_list("pk", "name"))
    base = f"/t/{world.ours.slug}/leads/"

    def read(path: str) -> str:
        page = world.request(Role.ADMIN, "GET", path)
        html: str = page.content.decode()
        assert (page.status_code, Findings(html).inline) == (200, []), path
        return html

    for lead_id in some(list(map(str, names)), count=12):
        name = names[int(lead_id)]
        assert name is None or escape(name) in read(f"{base}{lead_id}/")
    cursor: str | None = ""
    shown = ""
    while cursor is not None:
        listed = api.get("/leads/", order="created_at", cursor=cursor).json()
        shown += read(f"{base}?{urlencode({'order': 'created_at', 'cursor': cursor})}")
        cursor = parse_qs(urlsplit(listed["next"]).query)["cursor"][0] if listed["next"] else None
    assert [name for name in names.values() if name and escape(name) not in shown] == []


@pytest.mark.journey
def test_nothing_of_it_runs_in_a_browser(
    transactional_db: None,
    live_server: Any,
    tenant: Tenant,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    scripts = [line for line in lines if "<" in line or "javascript" in line.lower() or "alert" in line]
    ApiCaller(tenant).post("/leads/batch/", {"leads": rows_of(scripts)})
    with tenant_scope(tenant.pk):
        admin = Membership.objects.select_related("user").get(roles=[Role.ADMIN]).user
        ids = list(Lead.objects.order_by("pk").values_list("pk", flat=True))
    client = Client()
    assert admin is not None
    client.force_login(admin)
    with open_chromium() as browser:
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies(
            [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
        )
        page = context.new_page()
        faults = watch_faults(page)
        opened: list[str] = []

        def note(dialog: Dialog) -> None:
            opened.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", note)
        for path in [
            "leads/",
            "",
            "queue/",
            *(f"leads/{lead_id}/" for lead_id in ids[:: max(1, len(ids) // 12)]),
        ]:
            page.goto(f"/t/{tenant.slug}/{path}")
            page.wait_for_load_state("networkidle")
        context.close()
    assert (opened, faults) == ([], [])
