"""A suspended tenant: everybody is told so at every door, nothing is lost, and the work goes on when it is resumed."""

import uuid
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from core.due import schedule, sweep
from core.models import DueRow
from core.tasks import tenant_task
from leads.models import CaptureForm, Lead, LeadState, Submission
from nurturing.models import Message, MessageState
from nurturing.sending import Delivery, Outcome, Sender, claim_message, settle
from nurturing.services import enroll_lead
from tenancy.audit import sentence_of
from tenancy.models import AuditEntry, Membership, Role, Team, Tenant, TenantDeletion, User
from tenancy.scope import TenantSuspended, current_tenant_id, tenant_scope
from tenancy.services import join_tenant
from tenancy.suspension import DeletionBegun, resume_tenant, suspend_tenant
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import publish_sequence

if TYPE_CHECKING:
    from tests.tenancy.conftest import SignIn


def test_no_scope_of_a_suspended_tenant_is_entered_and_the_others_are_as_before(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    assert suspend_tenant(tenant=tenant, now=NOW)
    with pytest.raises(TenantSuspended), tenant_scope(tenant.pk):
        pytest.fail("entered")
    assert current_tenant_id() is None
    with tenant_scope(other_tenant.pk):
        assert Membership.objects.count() == 1
    with tenant_scope(tenant.pk, even_suspended=True):
        assert Membership.objects.count() == 1


def test_suspending_twice_is_no_news_and_both_acts_are_audited(tenant: Tenant) -> None:
    assert suspend_tenant(tenant=tenant, now=NOW, reason="unpaid")
    assert not suspend_tenant(tenant=tenant, now=NOW + timedelta(days=1), reason="again")
    tenant.refresh_from_db()
    assert tenant.suspended_at == NOW
    assert resume_tenant(tenant=tenant, now=NOW + timedelta(days=2))
    assert not resume_tenant(tenant=tenant, now=NOW + timedelta(days=2))
    with tenant_scope(tenant.pk):
        entries = list(
            AuditEntry.objects.filter(act__in=["tenant.suspended", "tenant.resumed"]).order_by("pk")
        )
    assert [sentence_of(entry) for entry in entries] == [
        "Suspended the account Horizonte SaaS (unpaid)",
        "Resumed the account Horizonte SaaS",
    ]


def test_its_members_are_told_and_their_other_tenant_serves_them(
    tenant: Tenant, other_tenant: Tenant, admin: Membership, sign_in: "SignIn"
) -> None:
    assert admin.user is not None
    with tenant_scope(other_tenant.pk):
        join_tenant(user=admin.user, roles=[Role.VIEWER], now=NOW)
    browser = sign_in(admin)
    assert browser.get("/t/horizonte/leads/").status_code == 200
    suspend_tenant(tenant=tenant, now=NOW)
    for path in ("/t/horizonte/", "/t/horizonte/leads/", "/t/horizonte/settings/members/"):
        answer = browser.get(path)
        assert answer.status_code == 403
        assert "This account is suspended" in answer.content.decode()
        assert "Nothing in it is lost" in answer.content.decode()
    assert (
        browser.post("/t/horizonte/settings/teams/new/", {"name": "Novo", "function": "sdr"}).status_code
        == 403
    )
    assert browser.get("/t/outra/leads/").status_code == 200
    assert "Suspended" in browser.get("/").content.decode()
    resume_tenant(tenant=tenant, now=NOW)
    assert browser.get("/t/horizonte/leads/").status_code == 200
    with tenant_scope(tenant.pk):
        assert not Team.objects.filter(name="Novo").exists()


def test_a_person_may_change_their_own_profile_whatever_is_suspended(
    tenant: Tenant, admin: Membership, sign_in: "SignIn"
) -> None:
    suspend_tenant(tenant=tenant, now=NOW)
    browser = sign_in(admin)
    answer = browser.post("/profile/", {"name": "Nova", "language": "", "time_zone": "", "theme": "dark"})
    assert answer.status_code == 302
    with tenant_scope(tenant.pk, even_suspended=True):
        assert Membership.objects.get(pk=admin.pk).name == "Nova"


def test_its_keys_are_refused_in_the_manner_of_the_api_and_nothing_is_taken_in(tenant: Tenant) -> None:
    caller = ApiCaller(tenant)
    assert caller.get("/leads/").status_code == 200
    suspend_tenant(tenant=tenant, now=NOW)
    answers = [
        caller.get("/leads/"),
        caller.get("/funnel/"),
        caller.post("/leads/", {"email": "ana@empresa.com.br"}),
        caller.post(
            "/events/", {"type": "page_viewed", "lead": {"email": "ana@empresa.com.br"}, "create": True}
        ),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
    assert {answer.json()["title"] for answer in answers} == {"This account is suspended"}
    resume_tenant(tenant=tenant, now=NOW)
    with tenant_scope(tenant.pk):
        assert (Submission.objects.count(), Lead.objects.count()) == (0, 0)
    assert caller.post("/leads/", {"email": "ana@empresa.com.br"}).status_code == 201


def test_its_forms_look_closed_to_visitors(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        form = CaptureForm.objects.filter(is_open=True).first()
        assert form is not None
    stranger = Client(headers={"accept-language": "en"})
    assert stranger.get(f"/f/{form.public_id}/").status_code == 200
    suspend_tenant(tenant=tenant, now=NOW)
    unknown = stranger.get(f"/f/{uuid.uuid4()}/")
    for answer in (
        stranger.get(f"/f/{form.public_id}/"),
        stranger.post(f"/f/{form.public_id}/", {"email": "a@b.com"}),
    ):
        assert answer.status_code == unknown.status_code == 404
        assert "suspended" not in answer.content.decode()
    resume_tenant(tenant=tenant, now=NOW)
    assert stranger.get(f"/f/{form.public_id}/").status_code == 200


def test_what_is_due_waits_and_is_done_after_it_was_resumed(tenant: Tenant, other_tenant: Tenant) -> None:
    later = NOW + timedelta(hours=1)
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            schedule(kind="score.changes", due={make_lead().pk: NOW + timedelta(minutes=1)})
    suspend_tenant(tenant=tenant, now=NOW)
    assert sweep(now=later) == 1
    with tenant_scope(tenant.pk, even_suspended=True):
        assert DueRow.objects.get(kind="score.changes").attempts == 0
    resume_tenant(tenant=tenant, now=later)
    assert sweep(now=later) == 1
    with tenant_scope(tenant.pk):
        assert not DueRow.objects.filter(kind="score.changes", due_at__lte=later).exists()


def test_a_sweep_that_has_just_begun_passes_it_by(
    tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            schedule(kind="score.changes", due={make_lead().pk: NOW})
    monkeypatch.setattr("core.due._tenants_with_due_rows", lambda now: [tenant.pk, other_tenant.pk])
    suspend_tenant(tenant=tenant, now=NOW)
    assert sweep(now=NOW) == 1


@pytest.fixture
def queued(tenant: Tenant) -> int:
    """A message to a lead of the tenant that waits to be sent."""
    with tenant_scope(tenant.pk):
        marketing = make_member(role=Role.MARKETING)
        publish_sequence()
        lead = make_lead(stage="nurture", email="ana@cliente.com.br")
        enroll_lead(lead_id=lead.pk, sequence="trial", by=marketing, now=NOW)
    sweep(now=NOW)
    with tenant_scope(tenant.pk):
        return int(Message.objects.get(state=MessageState.QUEUED).pk)


def state_of(tenant: Tenant, message_id: int) -> str:
    with tenant_scope(tenant.pk, even_suspended=True):
        return str(Message.objects.get(pk=message_id).state)


def test_its_messages_wait_and_go_out_after_it_was_resumed(tenant: Tenant, queued: int) -> None:
    suspend_tenant(tenant=tenant, now=NOW)
    assert Sender().take_turn(carrier=None, clock=lambda: NOW) == 0
    assert state_of(tenant, queued) == "queued"
    resume_tenant(tenant=tenant, now=NOW)
    Sender().take_turn(carrier=None, clock=lambda: NOW)
    assert state_of(tenant, queued) == "kept"


def test_a_turn_that_has_just_begun_passes_it_by(
    tenant: Tenant, queued: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nurturing.sending._tenants_with_messages_due", lambda now: [tenant.pk])
    suspend_tenant(tenant=tenant, now=NOW)
    assert Sender().take_turn(carrier=None, clock=lambda: NOW) == 0
    assert state_of(tenant, queued) == "queued"


def test_what_came_of_a_message_that_was_on_its_way_is_still_written(tenant: Tenant, queued: int) -> None:
    message = claim_message(tenant_id=tenant.pk, now=NOW)
    assert message is not None
    suspend_tenant(tenant=tenant, now=NOW)
    settle(message=message, delivery=Delivery(Outcome.ACCEPTED), tenant_id=tenant.pk, now=NOW)
    assert state_of(tenant, queued) == "sent"


def test_its_people_can_still_unsubscribe(tenant: Tenant, queued: int) -> None:
    with tenant_scope(tenant.pk):
        token = Message.objects.get(pk=queued).token
    suspend_tenant(tenant=tenant, now=NOW)
    answer = Client().post(reverse("unsubscribe", kwargs={"token": token}), {"act": "unsubscribe"})
    assert answer.status_code == 302
    resume_tenant(tenant=tenant, now=NOW)
    Sender().take_turn(carrier=None, clock=lambda: NOW)
    assert state_of(tenant, queued) == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_a_task_that_was_on_its_way_ends_without_an_error(tenant: Tenant) -> None:
    seen: list[int] = []

    def see() -> None:
        seen.append(1)

    task = tenant_task(name="tests.seen")(see)
    suspend_tenant(tenant=tenant, now=NOW)
    task(tenant_id=tenant.pk)
    assert seen == []
    resume_tenant(tenant=tenant, now=NOW)
    task(tenant_id=tenant.pk)
    assert seen == [1]


def test_commands_say_how_to_resume_it(tenant: Tenant, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("email\nana@empresa.com.br\n", "utf-8")
    out = StringIO()
    call_command("suspend_tenant", "horizonte", "--reason", "unpaid", stdout=out)
    assert (
        out.getvalue().strip() == "Horizonte SaaS is suspended. To let it in again: resume_tenant horizonte"
    )
    for command in (
        ["add_member", "x@y.test", "--tenant", "horizonte", "--role", "sdr"],
        ["create_api_key", "--tenant", "horizonte", "--name", "site"],
    ):
        with pytest.raises(CommandError, match="resume_tenant horizonte"):
            call_command(*command)
    with pytest.raises((CommandError, SystemExit)):
        call_command("import_leads", str(file), "--tenant", "horizonte", stdout=StringIO())
    out = StringIO()
    call_command("resume_tenant", "horizonte", stdout=out)
    assert out.getvalue().strip() == "Horizonte SaaS goes on."
    with tenant_scope(tenant.pk):
        assert LeadState.objects.count() == 0


def test_operators_suspend_and_resume_in_the_admin(tenant: Tenant) -> None:
    operator = User.objects.create_superuser("ops@leadsys.test", "a long enough password")
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(operator)
    tenants, chosen = reverse("admin:tenancy_tenant_changelist"), {"_selected_action": [tenant.pk]}
    assert browser.post(tenants, {"action": "suspend"} | chosen).status_code == 302
    tenant.refresh_from_db()
    assert tenant.suspended_at is not None
    page = browser.get(tenants).content.decode()
    assert "Horizonte SaaS is suspended." in page
    assert browser.post(tenants, {"action": "resume"} | chosen).status_code == 302
    tenant.refresh_from_db()
    assert tenant.suspended_at is None


def test_a_tenant_whose_deletion_has_begun_is_not_resumed(tenant: Tenant, now: datetime) -> None:
    suspend_tenant(tenant=tenant, now=now)
    TenantDeletion.objects.create(tenant_number=tenant.pk, slug="horizonte", name="x", began_at=now)
    with pytest.raises(DeletionBegun):
        resume_tenant(tenant=tenant, now=now)
