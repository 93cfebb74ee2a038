"""What a page costs: queries, which do not grow with the rows, bytes of HTML, and what a browser loads the first time.

The queries of every page stand in page_queries.txt, as the administrator asks for it with FEW rows of everything in the tenant.
A page may ask less often than the file says, not more often: ``LEADSYS_WRITE_QUERIES=1 pytest tests/guards/test_page_costs.py``
writes the file anew, the diff is the review.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from uuid import uuid4

import brotli
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import WebhookEndpoint
from core.notifications import Notice, tell
from core.saved_views.kinds import get_kind
from core.webhooks.endpoints import send_test
from leads.capture.page_imports import upload_import
from leads.custom_fields import make_field
from leads.exports import EXPORT_DONE, start_export
from leads.models import (
    CaptureForm,
    ContactAttempt,
    Handover,
    Lead,
    Opportunity,
    RuleVersion,
    Stage,
    StageChange,
)
from leads.reasons import RE_ENGAGEMENT
from nurturing.models import Enrollment, Message
from tenancy.invitations import invite
from tenancy.keys import create_key
from tenancy.models import Membership, Role, Scope, TeamFunction
from tenancy.scope import tenant_scope
from tests.builders import make_company, make_event, make_lead, make_member, make_team
from tests.conftest import NOW
from tests.guards.addresses import list_addresses
from tests.guards.samples import SAMPLES, World
from tests.guards.test_pages import read

pytestmark = pytest.mark.xdist_group("pages")

BASELINE = Path(__file__).with_name("page_queries.txt")
WRITES = os.environ.get("LEADSYS_WRITE_QUERIES") == "1"
FEW: Final = 10
MANY: Final = 50
MOST_HTML: Final = 150_000
# Compressed, by whether the page draws charts.
MOST_LOADED: Final = {False: 250_000, True: 450_000}
CHARTS: Final = "echarts"

pages = [
    address
    for address in list_addresses()
    if not address.is_api and not address.route.startswith("/operator/")
]


@dataclass(frozen=True)
class Cost:
    """What one answer took."""

    queries: int
    html: bytes


class Assets(HTMLParser):
    """The files that a page loads from us."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.paths: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("href") if tag in {"link", "use"} else given.get("src")
        if address and address.startswith(settings.STATIC_URL):
            self.paths.add(address.removeprefix(settings.STATIC_URL).partition("#")[0])


@cache
def compressed_size(path: str) -> int:
    """The bytes of a static file on the wire, at a quality that is quick; what the server sends is a little smaller."""
    found = finders.find(path)
    assert isinstance(found, str), path
    return len(brotli.compress(Path(found).read_bytes(), quality=7))


def measure(world: World) -> dict[str, Cost]:
    """Every page that answers, by its route, as the administrator asks for it."""
    costs = {}
    for address in pages:
        with CaptureQueriesContext(connection) as asked:
            answer = read(world, address)
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            costs[address.route] = Cost(len(asked), answer.content)
    return costs


def sample_everything(world: World) -> None:
    """What stands for the parameters of all addresses is made before anything is counted."""
    for address in pages:
        world.path(address, "admin")


def fill(world: World, *, first: int, last: int) -> None:
    """More of everything that pages list, numbered from ``first`` to before ``last``."""
    with tenant_scope(world.ours.pk):
        lead = Lead.objects.get(pk=world.samples["lead_id"])
        endpoint = WebhookEndpoint.objects.get(pk=world.samples["endpoint_id"])
        sequence = RuleVersion.objects.get(name=RE_ENGAGEMENT, status="published")
        for number in range(first, last):
            _add_people(world, number)
            _add_files_and_doors(world, number)
            send_test(endpoint=endpoint, by=world.admin, now=NOW + timedelta(seconds=number))
            _add_story(lead, world.admin, sequence, number)
            _add_lead(world.admin, sequence, number)


def _add_people(world: World, number: int) -> None:
    team = make_team(function=[*TeamFunction][number % len(TeamFunction)], lead_member=world.admin)
    make_member(role=[Role.SDR, Role.SALES][number % 2], team=team)
    invite(email=f"person{number}@x.test", roles=[Role.SALES], by=world.admin, now=NOW)
    create_key(name=f"key {number}", scopes=[Scope.LEADS_READ], by=world.admin, now=NOW)
    tell(notices=[Notice(world.admin.pk, EXPORT_DONE, {"export": 1, "rows": 1})], now=NOW)


def _add_files_and_doors(world: World, number: int) -> None:
    by, now = world.admin, NOW
    start_export(kind=get_kind("leads"), parameters={}, columns="all", file_format="csv", by=by, now=now)
    content = [b"E-mail;Nome\nana@x.test;Ana\n"]
    upload_import(name=f"file{number}.csv", subject="leads", content=content, by=by, now=now)
    make_field(name=f"field_{number}", label=f"Field {number}", type="text", choices=[], by=by, now=now)
    form = CaptureForm.objects.first()
    assert form is not None
    CaptureForm.objects.create(
        key=f"f{number}", public_id=uuid4(), name=f"Form {number}", document=form.document
    )
    for kind in ("held_id", "held-submission-retry.submission_id"):
        SAMPLES[kind](world)
    WebhookEndpoint.objects.create(
        url=f"https://crm{number}.example.com/", event_types=["lead.created"], listens_since=now, secret="x"
    )


def _add_story(lead: Lead, by: Membership, sequence: RuleVersion, number: int) -> None:
    """One more of everything on the page of one lead."""
    at = NOW - timedelta(hours=number)
    make_event(lead=lead, occurred_at=at)
    ContactAttempt.objects.create(lead=lead, at=at, actor=by, channel="call", outcome="no_answer")
    StageChange.objects.create(lead=lead, to_stage=Stage.NEW, at=at, act="reopen", actor=by)
    Handover.objects.create(lead=lead, offered_at=at, offered_by=by, answer="rejected", answered_at=at)
    Opportunity.objects.create(lead=lead, outcome="lost", closed_at=at, sales_rep=by)
    _add_message(lead, sequence, number)


def _add_message(lead: Lead, sequence: RuleVersion, number: int) -> None:
    entered = Enrollment.objects.create(
        lead=lead,
        sequence=f"s{number}",
        version=sequence,
        purpose="marketing",
        state="finished",
        entered_at=NOW,
        ended_at=NOW,
    )
    Message.objects.create(
        lead=lead,
        enrollment=entered,
        step="a",
        purpose="marketing",
        language="en",
        to_email="a@x.test",
        from_name="Horizonte",
        subject="Hello",
        message_id=f"<{uuid4()}@x.test>",
        token=uuid4().hex,
        queued_at=NOW,
        due_at=NOW,
    )


def _add_lead(by: Membership, sequence: RuleVersion, number: int) -> None:
    stage = [*Stage][number % len(Stage)]
    lead = make_lead(
        stage=stage,
        company=make_company(name=f"Company {number}", size=20),
        tags=["fair"],
        score=number,
        origin=f"origin_{number}",
        campaign=f"campaign {number}",
        standing={"owner_marketing": by, "owner_sdr": by, "owner_sales": by, "clock_due_at": NOW},
    )
    make_event(lead=lead, type=f"seen_{number}")
    _add_message(lead, sequence, number)
    outcome = ["open", "won", "lost"][number % 3]
    amount = {"amount_minor": 100_00, "currency": "BRL"} if outcome == "won" else {}
    Opportunity.objects.create(lead=lead, outcome=outcome, opened_at=NOW, sales_rep=by, **amount)


@pytest.fixture
def costs(world: World) -> tuple[dict[str, Cost], dict[str, Cost]]:
    """What every page costs with few rows and with many."""
    sample_everything(world)
    fill(world, first=0, last=FEW)
    for address in pages:
        if address.name in {"home", "rules", "lead-detail"}:
            read(world, address)  # what is read once a process
    few = measure(world)
    fill(world, first=FEW, last=MANY)
    return few, measure(world)


def test_pages_cost_what_the_baseline_says_whatever_the_rows_and_stay_small(
    costs: tuple[dict[str, Cost], dict[str, Cost]],
) -> None:
    few, many = costs
    assert len(few) > 60
    grown = {
        route: (few[route].queries, cost.queries)
        for route, cost in many.items()
        if cost.queries > few[route].queries
    }
    assert grown == {}
    large = {route: len(cost.html) for route, cost in many.items() if len(cost.html) > MOST_HTML}
    assert large == {}
    assert first_loads_over_the_bound(many) == {}
    if WRITES:
        write(few)
    allowed = read_baseline()
    more = {
        route: (allowed.get(route), cost.queries)
        for route, cost in few.items()
        if cost.queries > allowed.get(route, -1)
    }
    assert more == {}, "more queries than before, or a new page: review with LEADSYS_WRITE_QUERIES=1"


def first_loads_over_the_bound(costs: dict[str, Cost]) -> dict[str, int]:
    """The compressed bytes of pages with all that they load, where they are too many."""
    over = {}
    for route, cost in costs.items():
        paths = Assets(cost.html.decode()).paths
        size = len(brotli.compress(cost.html, quality=4)) + sum(map(compressed_size, paths))
        if size > MOST_LOADED[any(CHARTS in path for path in paths)]:
            over[route] = size
    return over


def read_baseline() -> dict[str, int]:
    """The queries allowed to each page."""
    lines = BASELINE.read_text("utf-8").splitlines()
    return {route: int(number) for number, route in (line.split(maxsplit=1) for line in lines)}


def write(costs: dict[str, Cost]) -> None:
    """The file anew, in the order of the addresses."""
    BASELINE.write_text("".join(f"{cost.queries:>3} {route}\n" for route, cost in costs.items()), "utf-8")
