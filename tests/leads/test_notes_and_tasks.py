"""Notes and tasks on a lead: who writes and changes them, when people are told, on the lead's page, on one's own, by the API."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.due import sweep_kind
from core.models import DueRow, Notification
from core.notifications import text_of
from leads import lead_tasks, notes
from leads.models import HeldLead, Lead, LeadNote, LeadTask
from leads.selectors import LeadNotFound
from leads.timeline import list_timeline
from tenancy.models import Membership, Role, Tenant
from tenancy.navigation import count_badges, list_navigation
from tenancy.rights import NotAllowed
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member
from tests.conftest import NOW

HOSTILE = "<script>alert(1)</script> & “olá”\nsecond line"
HTMX = {"HX-Request": "true"}


def browser_of(member: Membership) -> Client:
    assert member.user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(member.user)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


@pytest.fixture
def people(tenant: Tenant) -> dict[str, Any]:
    """A lead, two colleagues and a viewer."""
    with tenant_scope(tenant.pk):
        return {
            "lead": make_lead(name="Ana Prado"),
            "ana": make_member(role=Role.SDR, name="Bia"),
            "other": make_member(role=Role.SALES, name="Caio"),
            "viewer": make_member(role=Role.VIEWER, name="Vera"),
        }


def test_a_note_is_written_changed_deleted_and_brought_back_by_who_wrote_it_alone(
    tenant: Tenant, people: dict[str, Any]
) -> None:
    lead, mine, theirs = people["lead"], browser_of(people["ana"]), browser_of(people["other"])
    home = f"/t/horizonte/leads/{lead.pk}/"
    answer = mine.post(f"{home}notes/", {"text": HOSTILE}, headers=HTMX)
    shown = answer.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; “olá”<br>second line" in shown
    assert 'id="lead-story"' in shown
    assert "<script>alert" not in mine.get(home).content.decode()
    with tenant_scope(tenant.pk):
        note = LeadNote.objects.get()
        assert next(entry.title for entry in list_timeline(lead_id=lead.pk).entries) == "Note by Bia"
    assert mine.post(f"{home}notes/", {"text": "  "}, headers=HTMX).status_code == 422
    address = f"/t/horizonte/notes/{note.pk}/"
    for act in ("edit", "delete"):
        assert theirs.post(f"{address}{act}/", {"text": "x"}).status_code == 409
    assert browser_of(people["viewer"]).post(f"{home}notes/", {"text": "x"}).status_code == 403
    assert mine.post(f"{address}edit/", {"text": "Shorter"}, headers=HTMX).status_code == 200
    gone = mine.post(f"{address}delete/", headers=HTMX)
    assert f"/t/horizonte/notes/{note.pk}/restore/" in gone["HX-Trigger"]
    assert "Shorter" not in words(mine.get(home))
    assert mine.post(f"{address}restore/", headers=HTMX)["HX-Redirect"] == home
    assert words(mine.get(home)).count("Shorter") == 2  # in its panel and in the story
    mine.post(f"{address}delete/")
    with tenant_scope(tenant.pk):
        deleted_at = LeadNote.objects.get().deleted_at
    assert deleted_at is not None
    sweep_kind(kind=notes.PURGE_KIND, tenant_id=tenant.pk, now=deleted_at + notes.UNDO_FOR)
    with tenant_scope(tenant.pk):
        assert not LeadNote.objects.exists()
    assert mine.post(f"{address}restore/").status_code == 404


def test_a_task_tells_its_assignee_when_given_and_when_due_until_it_is_done(
    tenant: Tenant, people: dict[str, Any]
) -> None:
    bia, caio, lead = people["ana"], people["other"], people["lead"]
    with tenant_scope(tenant.pk):
        made = {"lead_id": lead.pk, "by": bia, "now": NOW}
        at_three = lead_tasks.add_task(
            title="Call her", due_on=NOW.date(), due_time=time(15), assignee=caio.pk, **made
        )
        some_time = lead_tasks.add_task(
            title="Send the offer", due_on=date(2026, 11, 19), due_time=None, assignee=None, **made
        )
        assert (at_three.due_on, some_time.due_on) == (None, date(2026, 11, 19))
        assert [row.member_id for row in Notification.objects.all()] == [caio.pk]
        assert text_of(Notification.objects.get()) == "Bia gave you a task: Call her (Ana Prado)"
        # The zone of nobody is active here but UTC's; the morning of the assignee is the tenant's, 9:00 in São Paulo.
        due = dict(DueRow.objects.filter(kind=lead_tasks.DUE_KIND).values_list("subject", "due_at"))
        assert due[some_time.pk] == datetime(2026, 11, 19, 12, tzinfo=UTC)
        assert due[at_three.pk] == at_three.due_at
        done = lead_tasks.add_task(
            title="Nothing", due_on=NOW.date(), due_time=time(15), assignee=caio.pk, **made
        )
        lead_tasks.finish_task(task_id=done.pk, by=caio, now=NOW)
    sweep_kind(kind=lead_tasks.DUE_KIND, tenant_id=tenant.pk, now=NOW + timedelta(days=2))
    with tenant_scope(tenant.pk):
        told = Notification.objects.filter(kind=lead_tasks.DUE).order_by("member_id")
        assert [(row.member_id, text_of(row)) for row in told] == [
            (bia.pk, "Your task is due: Send the offer (Ana Prado)"),
            (caio.pk, "Your task is due: Call her (Ana Prado)"),
        ]
        story = [entry.title for entry in list_timeline(lead_id=lead.pk).entries]
        assert "Task done: Nothing" in story
        assert story.count("Task: Call her") == 1


def test_only_maker_assignee_and_managers_change_a_task_and_only_staff_gets_one(
    tenant: Tenant, people: dict[str, Any]
) -> None:
    with tenant_scope(tenant.pk):
        made = {
            "lead_id": people["lead"].pk,
            "due_on": None,
            "due_time": None,
            "by": people["ana"],
            "now": NOW,
        }
        task = lead_tasks.add_task(title="Call", assignee=None, **made)
        assert task.assignee == people["ana"]
        manager = make_member(role=Role.MANAGER)
        with pytest.raises(lead_tasks.NotYourTask):
            lead_tasks.finish_task(task_id=task.pk, by=people["other"], now=NOW)
        lead_tasks.finish_task(task_id=task.pk, by=manager, now=NOW)
        lead_tasks.reopen_task(task_id=task.pk, by=people["ana"], now=NOW)
        assert LeadTask.objects.get().done_at is None
        with pytest.raises(NotAllowed):
            lead_tasks.finish_task(task_id=task.pk, by=people["viewer"], now=NOW)
        for nobody in (people["viewer"].pk, 10**20, "nobody@x.test", "\x00"):
            with pytest.raises(lead_tasks.NoSuchAssignee):
                lead_tasks.add_task(title="Call", assignee=nobody, **made)
        for title in ("", "x" * 201, "a\x00b"):
            with pytest.raises(lead_tasks.InvalidTask):
                lead_tasks.add_task(title=title, assignee=None, **made)
        with pytest.raises(lead_tasks.InvalidTask):
            lead_tasks.add_task(title="Call", assignee=None, **{**made, "due_time": time(9)})


def test_all_badges_of_a_page_are_counted_in_one_query(tenant: Tenant, people: dict[str, Any]) -> None:
    with tenant_scope(tenant.pk):
        ana = make_member(role=Role.ADMIN, name="Anabela")
        for stage in ("mql", "mql", "working", "nurture"):
            make_lead(stage=stage, standing={"owner_sdr": ana})
        make_lead(stage="sql", standing={"owner_sales": ana})
        end = lead_tasks.end_of_today(timezone.now())
        for due_at in (end - timedelta(days=1), end - timedelta(seconds=1), end):
            LeadTask.objects.create(lead=make_lead(), title="x", made_at=NOW, assignee=ana, due_at=due_at)
        HeldLead.objects.create(
            lead=make_lead(), step="score", reason={}, error="x", first_failed_at=NOW, held_at=NOW
        )
        with CaptureQueriesContext(connection) as asked:
            badges = count_badges(list_navigation(), ana)
        assert len(asked) == 1
        assert {key: (badge.count, badge.tone) for key, badge in badges.items()} == {
            "queue": (3, "alarm"),
            "inbox": (1, "act"),
            "tasks": (2, "alarm"),
            "held": (1, "alarm"),
        }
        # What is held is everyone's.
        assert count_badges(list_navigation(), make_member(role=Role.SDR)).keys() == {"held"}


def test_my_tasks_stand_by_when_they_are_due_with_a_badge(tenant: Tenant, people: dict[str, Any]) -> None:
    bia = browser_of(people["ana"])
    home = f"/t/horizonte/leads/{people['lead'].pk}/tasks/"
    now = datetime.now(UTC)
    near = {
        "Late one": now - timedelta(days=3),
        "Today's": now,
        "Next week's": now + timedelta(days=7),
    }
    with tenant_scope(tenant.pk):
        assignee = people["ana"].pk
    for title, at in near.items():
        local = at.astimezone(__import__("zoneinfo").ZoneInfo("America/Sao_Paulo"))
        given = {"title": title, "due_on": local.date().isoformat(), "due_time": "", "assignee": assignee}
        assert bia.post(home, given, headers=HTMX).status_code == 200
    bia.post(home, {"title": "Some day", "due_on": "", "due_time": "", "assignee": assignee})
    wrong = bia.post(home, {"title": "", "due_on": "", "due_time": "", "assignee": assignee}, headers=HTMX)
    assert wrong.status_code == 422
    assert "Say what is to be done." in words(wrong)
    page = words(bia.get("/t/horizonte/tasks/"))
    assert "1 overdue, 1 due today, 2 for later" in page
    places = [page.index(each) for each in ("Late one", "Today&#x27;s", "Next week&#x27;s", "Some day")]
    assert places == sorted(places)
    assert "2 tasks of yours are due" in page or "tasks of yours are due" in page
    with tenant_scope(tenant.pk):
        late = LeadTask.objects.get(title="Late one")
    answer = bia.post(f"/t/horizonte/tasks/{late.pk}/done/", headers=HTMX | {"HX-Target": "task-list"})
    assert "Late one" not in words(answer)
    assert "reopen" in answer["HX-Trigger"]
    assert "Late one" in words(bia.get("/t/horizonte/tasks/?show=done"))
    assert (
        bia.post(f"/t/horizonte/tasks/{late.pk}/reopen/", {"undo": "1"}, headers=HTMX)["HX-Refresh"] == "true"
    )
    assert "Late one" not in words(browser_of(people["other"]).get("/t/horizonte/tasks/?who=everyone"))
    edit = f"/t/horizonte/tasks/{late.pk}/edit/"
    assert 'value="Late one"' in words(bia.get(edit))
    bia.post(edit, {"title": "Later one", "due_on": "2027-02-01", "due_time": "08:30", "assignee": assignee})
    with tenant_scope(tenant.pk):
        late.refresh_from_db()
        assert (late.title, late.due_at) == ("Later one", datetime(2027, 2, 1, 11, 30, tzinfo=UTC))
    bia.post(f"/t/horizonte/tasks/{late.pk}/delete/")
    with tenant_scope(tenant.pk):
        assert not LeadTask.objects.filter(pk=late.pk).exists()


def test_notes_and_tasks_by_the_api(tenant: Tenant, other_tenant: Tenant, people: dict[str, Any]) -> None:
    api, lead = ApiCaller(tenant), people["lead"]
    note = api.post(f"/leads/{lead.pk}/notes/", {"text": HOSTILE})
    assert (note.status_code, note.json()["text"]) == (201, HOSTILE)
    address = f"/notes/{note.json()['id']}/"
    assert api.patch(address, {"text": "Changed"}).json()["text"] == "Changed"
    assert api.get(f"/leads/{lead.pk}/notes/").json()["results"] == [api.get(address).json()]
    assert ApiCaller(other_tenant).get(address).status_code == 404
    assert api.client.delete(f"/api/v1{address}").status_code == 204
    assert api.get(address).status_code == 404
    assert api.post(f"/leads/{lead.pk}/tasks/", {"title": "Call"}).status_code == 422  # a key has no tasks
    given = {"title": "Call", "due_on": "2027-01-05", "due_time": "15:00", "assignee": people["ana"].pk}
    task = api.post(f"/leads/{lead.pk}/tasks/", given).json()
    assert (task["due_at"], task["due_on"]) == ("2027-01-05T18:00:00Z", None)
    assert task["assignee"] == {"id": people["ana"].pk, "name": "Bia"}
    done = api.patch(f"/tasks/{task['id']}/", {"done": True, "due_on": "2027-01-06"}).json()
    assert (done["due_on"], done["done_at"] is None, done["title"]) == ("2027-01-06", False, "Call")
    assert api.get("/tasks/").json()["results"] == []
    assert api.get("/tasks/", done="true", lead=lead.pk).json()["results"] == [done]
    assert api.get("/tasks/", assignee="nobody").status_code == 422
    bodies: list[dict[str, Any]] = [
        {"due_on": "soon"},
        {"due_time": "25:00"},
        {"done": 1},
        {"assignee": []},
        {"x": 1},
        {"title": ""},
    ]
    for bad in bodies:
        assert api.patch(f"/tasks/{task['id']}/", bad).status_code == 400, bad
    assert api.client.delete(f"/api/v1/tasks/{task['id']}/").status_code == 204
    with tenant_scope(tenant.pk), pytest.raises(LeadNotFound):
        notes.add_note(lead_id=Lead.objects.count() + 10**6, text="x", by=people["ana"], now=NOW)
