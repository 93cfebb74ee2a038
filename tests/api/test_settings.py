"""Settings over HTTP: what administrators do by pages, done by a key that is as strong as whoever made it and no stronger."""

import json
from typing import Any

import pytest

from leads import tags
from leads.models import CaptureForm, LeadTag, RuleKind, RuleVersion, Submission
from routing.calendar_changes import get_calendar
from tenancy.keys import create_key
from tenancy.models import AuditEntry, Invitation, Membership, Role, Scope, Tenant
from tenancy.scope import tenant_scope
from tenancy.services import change_member, deactivate_member
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member
from tests.conftest import NOW


class Admin(ApiCaller):
    """Every scope; what PUT and DELETE need besides."""

    def put(self, path: str, body: Any) -> Any:
        """PUT of a JSON body."""
        return self.client.put(f"/api/v1{path}", json.dumps(body), content_type="application/json")

    def delete(self, path: str) -> Any:
        """DELETE."""
        return self.client.delete(f"/api/v1{path}")


@pytest.fixture
def api(tenant: Tenant) -> Admin:
    return Admin(tenant)


def acts(tenant: Tenant, prefix: str) -> list[str]:
    with tenant_scope(tenant.pk):
        found = AuditEntry.objects.filter(act__startswith=prefix).order_by("pk")
        return list(found.values_list("act", flat=True))


def test_a_key_may_what_whoever_made_it_may_now(api: Admin, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        admin = Membership.objects.get(roles=[Role.ADMIN])
        second = make_member(role=Role.ADMIN)
        key = create_key(name="theirs", scopes=list(Scope), by=second, now=NOW)[1]
    addresses = ("members", "teams", "audit", "fields", "tags", "forms", "rules", "calendar", "webhooks")

    def refused() -> set[str]:
        headers = {"Authorization": f"Bearer {key}"}
        return {
            each
            for each in addresses
            if api.client.get(f"/api/v1/{each}/", headers=headers).status_code == 403
        }

    assert refused() == set()
    with tenant_scope(tenant.pk):
        change_member(member=second, roles=[Role.MARKETING], team_ids=[], by=admin, now=NOW)
    assert refused() == {"members", "teams", "audit", "fields", "calendar", "webhooks"}
    headers = {"Authorization": f"Bearer {key}"}
    for path, status in (("grading/main", 400), ("reasons/main", 403), ("clocks/main", 403)):
        answer = api.client.put(f"/api/v1/rules/{path}/draft/", "{}", "application/json", headers=headers)
        assert answer.status_code == status, path
    with tenant_scope(tenant.pk):
        deactivate_member(member=second, by=admin, now=NOW)
    assert refused() == set(addresses)
    # An operator's key goes on.
    assert api.get("/members/").status_code == 200


def test_no_key_makes_or_changes_an_administrator_and_none_makes_keys(api: Admin, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        admin = Membership.objects.get(roles=[Role.ADMIN])
        sdr = make_member(role=Role.SDR)
    for answer in (
        api.post("/invitations/", {"email": "eva@x.test", "roles": ["sdr", "admin"]}),
        api.patch(f"/members/{sdr.pk}/", {"roles": ["admin"]}),
        api.patch(f"/members/{admin.pk}/", {"roles": ["viewer"]}),
        api.post(f"/members/{admin.pk}/deactivate/"),
        api.post(f"/members/{admin.pk}/link/"),
    ):
        assert (answer.status_code, "never by a key" in answer.json()["detail"]) == (403, True)
    assert api.post("/keys/", {"name": "x"}).status_code == 404
    with tenant_scope(tenant.pk):
        assert Membership.objects.get(pk=sdr.pk).roles == ["sdr"]
        assert not Invitation.objects.exists()


def test_people_and_teams(api: Admin, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        ana = make_member(role=Role.SDR, name="Ana")
    made = api.post(
        "/teams/", {"name": " Pré-vendas ", "function": "sdr", "lead": ana.pk, "members": [ana.pk]}
    )
    team = made.json()
    assert (made.status_code, team["name"], team["lead"]["name"]) == (201, "Pré-vendas", "Ana")
    assert api.post("/teams/", {"name": "Pré-vendas", "function": "sdr"}).status_code == 409
    assert api.patch(f"/teams/{team['id']}/", {"members": [987654]}).json()["errors"][0]["field"] == "members"
    changed = api.patch(f"/teams/{team['id']}/", {"lead": None}).json()
    assert (changed["lead"], [each["name"] for each in changed["members"]]) == (None, ["Ana"])

    invited = api.post("/invitations/", {"email": " Eva@X.test", "roles": ["sales"], "team": team["id"]})
    assert (invited.status_code, invited.json()["email"], invited.json()["state"]) == (
        201,
        "eva@x.test",
        "open",
    )
    page = api.client.get(invited.json()["link"].split("8000")[-1])
    assert page.status_code == 200
    [waiting] = api.get("/invitations/").json()["results"]
    assert "link" not in waiting
    assert api.post("/invitations/", {"email": "nobody", "roles": ["sales"]}).status_code == 400
    assert api.post("/invitations/", {"email": ana.email, "roles": ["sales"]}).status_code == 409
    assert api.post(f"/invitations/{waiting['id']}/renew/").json()["link"] != invited.json()["link"]
    [waiting] = api.get("/invitations/").json()["results"]
    assert api.delete(f"/invitations/{waiting['id']}/").status_code == 204
    assert api.delete(f"/invitations/{waiting['id']}/").status_code == 410

    changed = api.patch(f"/members/{ana.pk}/", {"roles": ["sales", "sdr"]}).json()
    assert (changed["roles"], [each["name"] for each in changed["teams"]]) == (
        ["sales", "sdr"],
        ["Pré-vendas"],
    )
    assert api.post(f"/members/{ana.pk}/deactivate/").json()["is_active"] is False
    assert api.get("/members/", q="ana").json()["results"][0]["teams"] == []
    assert api.post(f"/members/{ana.pk}/reactivate/").json()["is_active"] is True
    assert api.delete(f"/teams/{team['id']}/").status_code == 204
    entries = api.get("/audit/").json()
    assert entries["results"][0]["sentence"].startswith("Deleted the team Pré-vendas")
    assert entries["results"][0]["by"]["name"].startswith("key of")
    assert [each["act"] for each in api.get("/audit/", q="invitation.").json()["results"]] == [
        "invitation.revoked",
        "invitation.renewed",
    ]


def test_fields_and_tags(api: Admin, tenant: Tenant) -> None:
    made = api.post("/fields/", {"label": "Nº de plantas", "type": "integer"})
    field = made.json()
    assert (made.status_code, field["name"], field["used_by"]) == (201, "no_de_plantas", [])
    assert api.post("/fields/", {"label": "x", "name": "no_de_plantas", "type": "text"}).status_code == 409
    bad = api.post("/fields/", {"label": "x", "name": "Ä", "type": "integer", "choices": ["a"]})
    assert [each["field"] for each in bad.json()["errors"]] == ["name", "choices"]
    path = f"/fields/{field['id']}/"
    assert api.patch(path, {"label": "Plantas"}).json()["label"] == "Plantas"
    assert api.post(f"{path}retire/").json()["retired_at"] is not None
    assert api.post(f"{path}bring-back/").json()["retired_at"] is None
    assert acts(tenant, "field.") == ["field.made", "field.changed", "field.retired", "field.brought_back"]

    with tenant_scope(tenant.pk):
        leads = [make_lead(tags=["feira", "vip"]) for _each in range(3)]
        make_lead(tags=["evento"])
    listed = api.get("/tags/").json()
    assert [(each["tag"], each["leads"]["value"]) for each in listed["results"]] == [
        ("evento", 1),
        ("feira", 3),
        ("vip", 3),
    ]
    assert api.get("/tags/", page="2").json()["results"] == []
    assert api.post("/tags/rename/", {"tag": "none", "target": "x"}).status_code == 404
    assert api.post("/tags/rename/", {"tag": "vip", "target": "a;b"}).json()["errors"][0]["field"] == "target"
    merged = api.post("/tags/rename/", {"tag": "feira", "target": "evento"})
    assert (merged.status_code, merged.json()["leads_done"]) == (202, 3)
    assert api.post("/tags/delete/", {"tag": "vip"}).json()["target"] is None
    with tenant_scope(tenant.pk):
        assert set(LeadTag.objects.filter(lead__in=leads).values_list("tag", flat=True)) == {"evento"}
        assert tags.list_tags() == ["evento"]
    assert acts(tenant, "tag.") == ["tag.merged", "tag.deleted"]


def test_forms_and_what_was_sent_to_them(api: Admin, tenant: Tenant) -> None:
    document: dict[str, Any] = {
        "title": {"en": "Talk to us"},
        "fields": [{"name": "email", "label": {"en": "E-mail"}, "required": True}],
    }
    bad = api.post(
        "/forms/", {"name": "Talk", "document": document | {"kind": "dance", "fields": [{"name": "x"}]}}
    )
    assert {each["field"] for each in bad.json()["errors"]} == {"kind", "fields[0].name"}
    made = api.post("/forms/", {"name": "Talk", "document": document})
    form = made.json()
    assert (made.status_code, form["key"], form["is_open"]) == (201, "talk", False)
    path = f"/forms/{form['id']}/"
    change = {"name": "Talk to us", "replacing": form["revision"]}
    assert api.patch(path, change | {"is_open": True}).json()["is_open"] is True
    assert api.patch(path, change).status_code == 409
    assert api.client.get(form["path"]).status_code == 200
    copy = api.post(f"{path}duplicate/", {"name": "Second"})
    assert (copy.status_code, copy.json()["document"]) == (201, form["document"])

    with tenant_scope(tenant.pk):
        row = CaptureForm.objects.get(pk=form["id"])
        for number, is_spam in enumerate((False, False, True)):
            Submission.objects.create(
                source=Submission.Source.FORM,
                form=row,
                payload={"email": f"a{number}@x.test", "consent": [{"purpose": "marketing"}]},
                is_spam=is_spam,
                state="refused" if is_spam else "received",
                received_at=NOW,
            )
    listed = api.get(f"{path}submissions/").json()
    assert [each["fate"] for each in listed["results"]] == ["spam", "waiting", "waiting"]
    [spam] = api.get(f"{path}submissions/", fate="spam").json()["results"]
    assert (spam["answers"], spam["agreed_to"]) == ({"email": "a2@x.test"}, ["marketing"])
    assert api.get(f"{path}submissions/", fate="lost").status_code == 400
    assert api.get(f"{path}submissions/", days="0").status_code == 400
    assert api.post(f"{path}submissions/{spam['id']}/not-spam/").json()["fate"] == "waiting"
    assert api.post(f"{path}submissions/{spam['id']}/not-spam/").status_code == 404
    assert acts(tenant, "form.") == [
        "form.made",
        "form.changed",
        "form.opened",
        "form.duplicated",
        "form.not_spam",
    ]


def test_every_kind_of_rules_is_read_and_drafted(api: Admin, tenant: Tenant) -> None:
    listed = api.get("/rules/").json()["results"]
    assert {each["kind"] for each in listed} == set(RuleKind.values)
    for each in listed:
        path = f"/rules/{each['kind']}/{each['name']}/"
        published = api.get(path).json()
        assert (published["status"], published["number"]) == ("published", each["published"]["number"])
        drafted = api.put(f"{path}draft/", {"document": published["document"], "replacing": ""})
        assert (drafted.status_code, drafted.json()["changes"]) == (200, []), path
        assert (
            api.put(f"{path}draft/", {"document": published["document"], "replacing": ""}).status_code == 409
        )
        assert api.put(f"{path}draft/", {"document": {"nonsense": 1}}).status_code == 400
        assert [row["status"] for row in api.get(f"{path}versions/").json()["results"]] == [
            "draft",
            "published",
        ]
        assert api.delete(f"{path}draft/?draft={drafted.json()['hash']}").status_code == 204
        assert api.get(f"{path}draft/").status_code == 404
    assert (
        api.put(
            "/rules/scoring/second/draft/", {"document": api.get("/rules/scoring/main/").json()["document"]}
        ).json()["errors"][0]["field"]
        == "name"
    )
    assert api.get("/rules/nonsense/main/").status_code == 404
    assert api.put("/rules/nonsense/main/draft/", {"document": {}}).status_code == 404


def test_rules_are_published_with_a_note_and_gone_back_to(api: Admin, tenant: Tenant) -> None:
    path = "/rules/gates/main/"
    before = api.get(path).json()
    document = json.loads(json.dumps(before["document"]))
    document["gates"][0]["when"] = {"fact": "score", "op": "gte", "value": "many"}
    faults = api.put(f"{path}draft/", {"document": document})
    assert (faults.status_code, faults.json()["errors"][0]["field"]) == (400, "gates[0].when.value")
    document["gates"][0]["when"] = {"fact": "score", "op": "gte", "value": 80}
    draft = api.put(f"{path}draft/", {"document": document}).json()
    assert [each["change"] for each in draft["changes"]] == ["changed"]
    assert "80" in draft["changes"][0]["says"]
    assert "50" in draft["changes"][0]["said"]
    assert api.post(f"{path}publish/", {"draft": "other"}).status_code == 409
    published = api.post(f"{path}publish/", {"draft": draft["hash"], "note": "Too many MQLs"}).json()
    assert (published["number"], published["status"], published["note"]) == (2, "published", "Too many MQLs")
    assert api.get(f"{path}versions/1/").json()["status"] == "archived"
    back = api.post(f"{path}versions/1/roll-back/", {"note": "Too few"}).json()
    assert (back["number"], back["document"], back["note"]) == (1, before["document"], "Too few")
    assert api.post(f"{path}versions/1/roll-back/", {}).status_code == 409
    again = api.post(f"{path}versions/2/reuse/").json()
    assert (again["status"], again["document"]) == ("draft", document)
    assert api.post(f"{path}versions/{again['number']}/roll-back/", {}).status_code == 409
    assert acts(tenant, "rules.") == ["rules.drafted", "rules.published", "rules.published", "rules.drafted"]

    own = {"label": "ANUM", "questions": [{"key": "need", "label": "Need"}], "exit": {"required": ["need"]}}
    assert (
        api.put("/rules/qualification/A-N/draft/", {"document": own}).json()["errors"][0]["field"] == "name"
    )
    made = api.put("/rules/qualification/anum/draft/", {"document": own}).json()
    assert api.get("/rules/qualification/anum/").status_code == 404
    assert api.post("/rules/qualification/anum/publish/", {"draft": made["hash"]}).json()["number"] == 1
    sequence = api.get("/rules/sequence/re_engagement/").json()["document"]
    assert (
        api.put("/rules/sequence/second/draft/", {"document": sequence}).json()["errors"][0]["field"] == "key"
    )
    reasons = api.get("/rules/reasons/main/").json()["document"]
    reasons["reject"] = reasons["reject"][1:]
    gone = api.put("/rules/reasons/main/draft/", {"document": reasons}).json()["errors"]
    assert [(each["field"], "no_budget" in each["message"]) for each in gone] == [("reject", True)]
    with tenant_scope(tenant.pk):
        assert RuleVersion.objects.filter(kind=RuleKind.REASONS).count() == 1


def test_working_time_and_webhooks(api: Admin, tenant: Tenant, settings: Any) -> None:
    assert api.get("/calendar/").json()["week"]["mon"] == [["09:00", "18:00"]]
    week = {"mon": [["08:00", "12:00"], ["13:00", "17:00"]]}
    changed = api.patch("/calendar/", {"week": week, "holiday_subdivision": "SP"}).json()
    assert (changed["week"], changed["holiday_subdivision"], changed["holiday_country"]) == (week, "SP", "BR")
    for bad, field in (
        ({"week": {"mon": [["12:00", "08:00"]]}}, "week"),
        ({"week": {"mon": "all day"}}, "week.mon"),
        ({"week": {"monday": []}}, "monday"),
        ({"week": {}}, "week"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"holiday_country": "XX"}, "holiday_country"),
    ):
        answer = api.patch("/calendar/", bad)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field), bad
    day = {
        "label": "Aniversário da cidade",
        "first": "2026-11-27",
        "closed_from": "12:00",
        "closed_until": "18:00",
    }
    made = api.post("/calendar/days-off/", day)
    assert (made.status_code, made.json()["hours"], made.json()["source"]) == (201, "12:00–18:00", "own")
    assert api.post("/calendar/days-off/", day | {"closed_until": None}).status_code == 400
    assert api.post("/calendar/days-off/", day | {"first": None}).json()["errors"][0]["field"] == "first"
    days = api.get("/calendar/days-off/", year="2026").json()["results"]
    assert {each["source"] for each in days} == {"national", "own"}
    assert api.delete(f"/calendar/days-off/{made.json()['key']}/").status_code == 204
    assert api.delete(f"/calendar/days-off/{made.json()['key']}/").status_code == 404
    with tenant_scope(tenant.pk):
        assert get_calendar().closures == []

    settings.WEBHOOKS_TO_INTERNAL = True
    hook = {"url": "http://127.0.0.1:9/hooks", "event_types": ["lead.created"]}
    assert (
        api.post("/webhooks/", hook | {"event_types": ["lead.eaten"]}).json()["errors"][0]["field"]
        == "event_types"
    )
    made = api.post("/webhooks/", hook)
    assert (made.status_code, made.json()["secret"].startswith("whsec_")) == (201, True)
    path = f"/webhooks/{made.json()['id']}/"
    assert "secret" not in api.get(path).json()
    assert api.post(f"{path}secret/").json()["secret"] != made.json()["secret"]
    told = api.post(f"{path}test/").json()
    assert [each["id"] for each in api.get(f"{path}deliveries/").json()["results"]] == [told["id"]]
    assert api.post(f"{path}deliveries/{told['id']}/again/").json()["state"] == "pending"
    assert api.patch(path, {"is_on": False, "description": "CRM"}).json()["is_on"] is False
    assert api.post(f"{path}test/").status_code == 409
    assert api.delete(path).status_code == 204
    assert api.get("/webhooks/").json()["results"] == []
