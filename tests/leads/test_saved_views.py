"""Views of the list of leads and the columns it shows: kept, shared, opened first, changed, counted, over pages and API."""

import json
from typing import Any

import pytest
from django.test import Client

from core.models import SavedView
from leads.models import CustomField, CustomValue
from tenancy.keys import create_key
from tenancy.models import AuditEntry, Membership, Role, Scope, TeamFunction, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_company, make_lead, make_member, make_team
from tests.conftest import NOW


def signed_in(member: Membership) -> Client:
    browser = Client()
    assert member.user is not None
    member.user.language = "en"
    member.user.save()
    browser.force_login(member.user)
    return browser


@pytest.fixture
def people(tenant: Tenant) -> dict[str, Membership]:
    with tenant_scope(tenant.pk):
        sdr, mate = make_member(role=Role.SDR), make_member(role=Role.SDR)
        make_team(name="Alfa", function=TeamFunction.SDR, members=[mate])
        return {"clara": make_member(role=Role.MARKETING, name="Clara"), "sdr": sdr, "mate": mate}


@pytest.fixture
def leads(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        plants = CustomField.objects.create(name="plants", label="Plants", type="decimal")
        big = make_lead(name="Berta", stage="mql", score=80, company=make_company(size=500), tags=["vip"])
        CustomValue.objects.create(lead=big, field=plants, decimal_value=2_500_000)
        make_lead(name="Carla", stage="mql", score=20)
        make_lead(name="Dora", stage="new", score=5)


def names(page: Any) -> list[str]:
    return [row.lead.title for row in page.context["listing"].rows]


def heads(page: Any) -> list[str]:
    return [head.column.key for head in page.context["listing"].heads]


def test_a_view_is_kept_opened_changed_shared_counted_and_deleted(
    tenant: Tenant, people: dict[str, Membership], leads: None
) -> None:
    clara, sdr, mate = (signed_in(people[who]) for who in ("clara", "sdr", "mate"))
    listed, pages = f"/t/{tenant.slug}/leads/", f"/t/{tenant.slug}/lists/leads/views/"
    made = clara.post(f"{pages}new/?stage=mql&order=score", {"name": " Hot  ones ", "sharing": "me"})
    assert made.status_code == 302
    with tenant_scope(tenant.pk):
        view = SavedView.objects.get()
    opened = clara.get(made["Location"])
    assert names(opened) == ["Carla", "Berta"]
    menu = opened.context["listing"].views
    assert (view.name, menu.name, menu.is_changed) == ("Hot ones", "Hot ones", False)
    assert clara.post(f"{pages}new/?stage=mql", {"name": "Hot ones", "sharing": "me"}).status_code == 422
    assert clara.post(f"{pages}new/?stage=lost", {"name": "Wrong", "sharing": "me"}).status_code == 422
    # Nobody else sees it, nor may do anything with it.
    assert sdr.get(listed).context["listing"].views.links == []
    assert sdr.get(f"{pages}{view.pk}/count/").status_code == 404
    assert sdr.post(f"{pages}{view.pk}/delete/").status_code == 404
    # What differs from it is said, and can be kept.
    changed = clara.get(f"{listed}?view={view.pk}&stage=mql&order=-score")
    assert (names(changed), changed.context["listing"].views.is_changed) == (["Berta", "Carla"], True)
    clara.post(f"{pages}{view.pk}/save/", {"view": view.pk, "stage": "mql", "order": "-score"})
    assert names(clara.get(f"{listed}?view={view.pk}")) == ["Berta", "Carla"]
    # When nothing of it is left it is not the view any more.
    listing = clara.get(f"{listed}?view={view.pk}").context["listing"]
    assert listing.url_with({"stage": ""}) == f"{listed}?view={view.pk}&order=-score"
    assert listing.url_with({"stage": "", "order": ""}) == listed
    # Opened first; everything is still a click away.
    clara.post(f"{pages}{view.pk}/default/")
    assert names(clara.get(listed)) == ["Berta", "Carla"]
    everything = clara.get(listed).context["listing"].views.everything_url
    assert len(names(clara.get(everything))) == 3
    assert clara.get(everything).context["listing"].url == f"{listed}?view=all"
    # Shared with a team, then with everyone.
    with tenant_scope(tenant.pk):
        team = people["mate"].teams.get()
        people["clara"].teams.add(team, through_defaults={})
    clara.post(f"{pages}{view.pk}/", {"name": "Hot", "sharing": "team", "team": team.pk, "is_default": "on"})
    assert [link.name for link in mate.get(listed).context["listing"].views.links] == ["Hot"]
    assert sdr.get(listed).context["listing"].views.links == []
    clara.post(f"{pages}{view.pk}/", {"name": "Hot", "sharing": "all", "is_default": "on"})
    assert names(sdr.get(f"{listed}?view={view.pk}")) == ["Berta", "Carla"]
    assert b"2" in sdr.get(f"{pages}{view.pk}/count/").content
    for refused in ("save/", "delete/", ""):
        assert sdr.post(f"{pages}{view.pk}/{refused}", {"stage": "new"})["Location"] == pages
    assert names(sdr.get(f"{listed}?view={view.pk}")) == ["Berta", "Carla"]
    # Who may not share keeps views for themselves.
    sdr.post(f"{pages}new/?stage=new", {"name": "Mine", "sharing": "all"})
    with tenant_scope(tenant.pk):
        assert SavedView.objects.get(name="Mine").sharing == "me"
    assert clara.get(pages).status_code == sdr.get(pages).status_code == 200
    clara.post(f"{pages}{view.pk}/delete/")
    assert len(names(clara.get(listed))) == 3
    with tenant_scope(tenant.pk):
        acts = list(
            AuditEntry.objects.filter(act__startswith="view.").order_by("id").values_list("act", flat=True)
        )
    assert acts == ["view.shared", "view.changed", "view.deleted"]


def test_columns_are_chosen_by_each_person_and_for_each_view(
    tenant: Tenant, people: dict[str, Membership], leads: None
) -> None:
    clara, sdr = signed_in(people["clara"]), signed_in(people["sdr"])
    listed, columns = f"/t/{tenant.slug}/leads/", f"/t/{tenant.slug}/lists/leads/columns/"
    usual = heads(sdr.get(listed))
    chosen = ["custom.plants", "tags", "company_size", "score"]
    answer = clara.post(columns, {"columns": chosen, "stage": "mql", "order": "-score"})
    assert answer["Location"] == f"{listed}?stage=mql&order=-score"
    page = clara.get(answer["Location"])
    assert heads(page) == ["name", *chosen]
    row = page.content.decode().split("<tbody>")[1].split("</tr>")[0]
    assert all(text in row for text in ("2.5", "vip", "500", "80"))
    assert heads(sdr.get(listed)) == usual
    # A shared view has columns of its own; others may see it with theirs.
    clara.post(f"/t/{tenant.slug}/lists/leads/views/new/?stage=mql", {"name": "Hot", "sharing": "all"})
    with tenant_scope(tenant.pk):
        view = SavedView.objects.get()
    assert heads(sdr.get(f"{listed}?view={view.pk}")) == ["name", *chosen]
    sdr.post(columns, {"columns": ["email"], "view": view.pk})
    assert heads(sdr.get(f"{listed}?view={view.pk}")) == ["name", "email"]
    assert heads(sdr.get(listed)) == usual
    clara.post(columns, {"columns": ["phone"], "view": view.pk})
    assert heads(clara.get(f"{listed}?view={view.pk}")) == ["name", "phone"]
    assert heads(clara.get(listed)) == ["name", *chosen]
    clara.post(columns, {"reset": "1"})
    assert heads(clara.get(listed)) == usual
    assert clara.post(columns, {"columns": ["password"]}).status_code == 400
    panel = sdr.get(
        f"{listed}?view={view.pk}", headers={"HX-Request": "true", "HX-Target": "leads-columns-fields"}
    )
    assert 'value="custom.plants"' in panel.content.decode()
    # A field that is gone is shown no more.
    clara.post(columns, {"columns": ["custom.plants", "email"]})
    with tenant_scope(tenant.pk):
        CustomField.objects.update(retired_at=NOW)
    assert heads(clara.get(listed)) == ["name", "email"]


def test_programs_keep_views_too(tenant: Tenant, people: dict[str, Membership], leads: None) -> None:
    with tenant_scope(tenant.pk):
        key = create_key(name="BI", scopes=[Scope.LEADS_READ, Scope.LEADS_WRITE], by=None, now=NOW)[1]
    ask = Client(headers={"authorization": f"Bearer {key}"})

    def send(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = ask.generic(method, f"/api/v1/views/{path}", json.dumps(body or {}), "application/json")
        return answer.status_code, answer.json() if answer.content else None

    status, made = send(
        "POST", "", {"list": "leads", "name": "Big", "sharing": "all", "parameters": {"score_min": "50"}}
    )
    assert (status, made["parameters"], made["sharing"]) == (201, {"score_min": "50"}, "all")
    assert send("GET", f"{made['id']}/count/") == (200, {"count": 1})
    assert send("POST", "", {"list": "leads", "name": "Big"})[0] == 409
    status, problem = send("POST", "", {"list": "leads", "name": "Bad", "parameters": {"stage": "lost"}})
    assert (status, problem["errors"][0]["field"]) == (400, "stage")
    assert send("PATCH", f"{made['id']}/", {"columns": ["email"]})[1]["columns"] == ["name", "email"]
    assert send("PATCH", f"{made['id']}/", {"colums": []})[0] == 400
    people_see = signed_in(people["sdr"]).get(f"/t/{tenant.slug}/leads/?view={made['id']}")
    assert (names(people_see), heads(people_see)) == (["Berta"], ["name", "email"])
    assert [each["name"] for each in send("GET", "")[1]["results"]] == ["Big"]
    assert send("DELETE", f"{made['id']}/")[0] == 204
    assert send("GET", f"{made['id']}/")[0] == 404
