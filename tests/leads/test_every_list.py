"""What all lists of a kind have: views, a choice of columns, a filter by condition, a file, acts on the leads behind the rows."""

import csv
import io
import itertools
import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from core.due import sweep_tenant
from core.saved_views.files import Columns
from core.saved_views.kinds import get_kind, list_kinds
from insights.campaigns import CampaignData, Sign, make_campaign
from leads.bulk.runs import advance_bulk
from leads.models import BulkRun, LeadTag, ListExport, Opportunity, Touch
from nurturing.services import enroll_lead
from tenancy.models import AuditEntry, Membership, Role, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import email, publish_sequence

# What stands for Ana, and for Bia, in the first column of each list.
FIRST = {
    "campaigns": ("Feira", "Webinar"),
    "companies": ("Acme", "Bolos"),
    "leads": ("Ana", "Bia"),
    "messages": ("Oi, Ana", "Oi, Bia"),
    "opportunities": ("Ana", "Bia"),
}


@pytest.fixture
def admin(tenant: Tenant, other_tenant: Tenant) -> Membership:
    """An administrator who reads English, of a tenant in which Ana and Bia stand behind a row of each list."""
    with tenant_scope(other_tenant.pk):
        theirs = make_lead(name="Outra", company=make_company(name="Deles"))
        Opportunity.objects.create(lead=theirs, opened_at=NOW)
    with tenant_scope(tenant.pk):
        member = make_member(role=Role.ADMIN, name="Clara")
        assert member.user is not None
        member.user.language = "en"
        member.user.save()
        publish_sequence(email(subject="Oi, {{ lead.name }}", body="Oi"))
        for name, company, campaign in [("Ana", "Acme", "Feira"), ("Bia", "Bolos", "Webinar")]:
            lead = make_lead(
                name=name,
                email=f"{name.lower()}@x.test",
                stage="nurture",
                tags=["key"] if name == "Ana" else [],
                campaign=campaign,
                company=make_company(name=company),
            )
            make_campaign(data=CampaignData(campaign, [Sign(campaign_value=campaign)]), by=None, now=NOW)
            Touch.objects.create(lead=lead, at=NOW, campaign=campaign)
            Opportunity.objects.create(lead=lead, opened_at=NOW, amount_minor=150_000, currency="BRL")
            enroll_lead(lead_id=lead.pk, sequence="trial", by=member, now=NOW)
            sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(minutes=1))
    return member


@pytest.fixture
def browser(admin: Membership) -> Client:
    client = Client()
    assert admin.user is not None
    client.force_login(admin.user)
    return client


def url_of(kind: str) -> str:
    return reverse(get_kind(kind).url_name, kwargs={"slug": "horizonte"})


def file_of(browser: Client, place: str, columns: str) -> list[list[str]]:
    made = browser.post(place, {"columns": columns, "file_format": "csv"})["Location"]
    text = browser.get(f"{made}file/").getvalue().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_these_are_the_lists() -> None:
    assert list_kinds() == sorted(FIRST)


@pytest.mark.parametrize("kind", sorted(FIRST))
def test_a_list_is_kept_as_a_view_with_columns_and_taken_out_as_a_file(
    browser: Client, admin: Membership, kind: str
) -> None:
    ana, bia = FIRST[kind]
    listed = browser.get(url_of(kind)).context["listing"]
    assert (len(listed.rows), listed.count.value, bool(listed.search_label)) == (2, 2, True)
    marked = listed.marking.row_id(next(row for row in listed.rows if listed.marking.row_name(row) == ana))
    lists = f"/t/horizonte/lists/{kind}"
    # The marked row alone, as a view of two columns, the second of which is not shown unless somebody wants it.
    with tenant_scope(admin.tenant_id):
        first, *_others, last = [column.key for column in get_kind(kind).columns()]
    kept = browser.post(f"{lists}/views/new/?ids={marked}", {"name": "One", "sharing": "me"})["Location"]
    view = kept.partition("view=")[2]
    assert browser.post(f"{lists}/columns/", {"columns": [last], "view": view}).status_code == 302
    opened = browser.get(kept).context["listing"]
    assert [column.key for column in opened.columns] == [first, last]
    assert [opened.marking.row_name(row) for row in opened.rows] == [ana]
    assert "1 marked" in str(opened.chips[0].label)
    # A list that opens with the view tells so to what is done with marked rows, which are shown in its columns.
    browser.post(f"{lists}/views/{view}/default/")
    assert f'data-view="{view}"' in browser.get(url_of(kind)).content.decode()
    browser.post(f"{lists}/views/{view}/default/", {"off": "1"})
    assert 'data-view=""' in browser.get(url_of(kind)).content.decode()
    assert b"1" in browser.get(f"{lists}/views/{view}/count/").content
    # The file has what the view shows, or everything there is to know; who took it stands in the audit log.
    header, row = file_of(browser, f"{lists}/export/?view={view}", Columns.SHOWN)
    assert (len(header), row[0]) == (2, ana)
    everything = file_of(browser, f"{lists}/export/", Columns.ALL)
    assert {len(line) for line in everything} == {len(everything[0])}
    assert {name for name in (ana, bia) if any(name in line for line in everything)} == {ana, bia}
    assert not any("Outra" in cell or "Deles" in cell for line in everything for cell in line)
    with tenant_scope(admin.tenant_id):
        audited = AuditEntry.objects.filter(act__endswith=".exported").order_by("id")
        assert [entry.detail["list"] for entry in audited] == [kind, kind]
        assert {made.list_kind for made in ListExport.objects.all()} == {kind}


@pytest.mark.parametrize("kind", sorted(FIRST))
def test_an_act_on_marked_rows_is_done_on_the_leads_behind_them(
    browser: Client, admin: Membership, kind: str
) -> None:
    listed = browser.get(url_of(kind)).context["listing"]
    ana = next(row for row in listed.rows if listed.marking.row_name(row) == FIRST[kind][0])
    act = next(act for act in listed.marking.acts if "/bulk/add_tag/" in act.url)
    asked = f"{act.url}?ids={listed.marking.row_id(ana)}"
    assert "1 lead" in browser.get(asked).content.decode()
    begun = browser.post(asked, {"tag": "vip"})
    assert begun.status_code == 302
    with tenant_scope(admin.tenant_id):
        run = BulkRun.objects.get()
        while advance_bulk(run_id=run.pk, now=NOW):
            pass
        assert [tag.lead.name for tag in LeadTag.objects.filter(tag="vip")] == ["Ana"]
    # All that match: everybody once, however many rows are theirs.
    assert "2 leads" in browser.get(act.url).content.decode()
    assert str(get_kind(kind).label) in browser.get(begun["Location"]).content.decode()


@pytest.mark.parametrize("kind", sorted(FIRST.keys() - {"campaigns"}))
def test_rows_are_filtered_by_a_condition_on_the_leads_behind_them(browser: Client, kind: str) -> None:
    condition = json.dumps({"fact": "tags", "op": "has_any", "value": ["key"]})
    listing = browser.get(url_of(kind), {"filter": condition}).context["listing"]
    assert [listing.marking.row_name(row) for row in listing.rows] == [FIRST[kind][0]]
    assert "key" in str(listing.chips[0].label)
    panel = browser.get(url_of(kind), {"filter": condition}, headers={"HX-Target": listing.filter_id})
    assert "data-builder" in panel.content.decode() or "condition" in panel.content.decode()


def test_what_stands_above_the_rows_follows_a_search(browser: Client) -> None:
    asks = {"HX-Request": "true", "HX-Target": "opportunities-rows"}
    answer = browser.get(f"{url_of('opportunities')}?q=ana", headers=asks)
    switch = answer.context["listing"].switch
    assert (switch.url, switch.is_on) == ("/t/horizonte/opportunities/?q=ana&owner=me", False)
    above = re.findall(r'id="opportunities-(\w+)"[^>]*hx-swap-oob="true"', answer.content.decode())
    assert above == ["heading", "tabs", "switch"]
    mine = browser.get(switch.url).context["listing"].switch
    assert (mine.url, mine.is_on) == ("/t/horizonte/opportunities/?q=ana", True)


def test_what_cannot_be_read_is_said_and_shows_nothing(browser: Client) -> None:
    wrong = [{"ids": "1,x"}, {"ids": ","}, {"filter": "{"}, {"filter": '{"fact": "no"}'}]
    for kind, given in itertools.product(FIRST, wrong):
        if not given.keys() <= set(get_kind(kind).parameters):
            continue
        page = browser.get(url_of(kind), given)
        assert (page.status_code, page.context["listing"].rows) == (200, []), (kind, given)
        assert page.context["listing"].error, (kind, given)
        for place in ("export/", "bulk/add_tag/", "views/new/"):
            url = f"/t/horizonte/lists/{kind}/{place}"
            answer = browser.post(url, {"name": "x", "sharing": "me", "tag": "x"}, query_params=given)
            assert answer.status_code in {400, 422}, (kind, given, place)


def test_a_program_takes_any_list_out_and_acts_on_the_leads_behind_it(
    admin: Membership, tenant: Tenant
) -> None:
    api = ApiCaller(tenant, Scope.LEADS_READ, Scope.LEADS_WRITE)
    columns = ["lead", "amount", "currency"]
    made = api.post(
        "/exports/", {"list": "opportunities", "columns": columns, "filter": {"outcome": "open", "q": "ana"}}
    )
    assert (made.status_code, made.json()["list"], made.json()["rows"]) == (202, "opportunities", 1)
    text = api.get(made.json()["file"].removeprefix("/api/v1")).getvalue().decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text), delimiter=";"))[1] == ["Ana", "1500", "BRL"]
    refused = api.post("/exports/", {"list": "opportunities", "columns": "usual"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "columns")
    assert api.post("/exports/", {"list": "opportunities", "filter": {"stage": "mql"}}).status_code == 400
    # What campaigns cost is no more open to a key than by its own doors.
    assert api.post("/exports/", {"list": "campaigns"}).status_code == 403
    insight = ApiCaller(tenant, Scope.LEADS_READ, Scope.INSIGHT_READ)
    assert insight.post("/exports/", {"list": "campaigns"}).status_code == 202
    tagged = api.post(
        "/bulk/",
        {"act": "add_tag", "values": {"tag": "vip"}, "list": "companies", "filter": {"q": "acme"}},
    )
    assert tagged.status_code == 202
    with tenant_scope(tenant.pk):
        while advance_bulk(run_id=tagged.json()["id"], now=NOW):
            pass
        assert [tag.lead.name for tag in LeadTag.objects.filter(tag="vip")] == ["Ana"]


def test_who_may_not_see_a_list_takes_no_file_of_it(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        viewer = make_member(role=Role.VIEWER)
    client = Client()
    assert viewer.user is not None
    client.force_login(viewer.user)
    for kind in FIRST:
        url = f"/t/horizonte/lists/{kind}/export/"
        assert client.post(url, {"columns": "all", "file_format": "csv"}).status_code == 403
        assert "/export/" not in client.get(url_of(kind)).content.decode() or kind == "campaigns"
