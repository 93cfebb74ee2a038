"""From the rejection to the last word: enrolled, written to, unsubscribed by page or by the mail program, left alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.due import sweep_tenant
from leads import acts
from leads.models import Consent, Event, Lead
from nurturing.models import Enrollment, Message
from tenancy.models import Role
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW

DAY = timedelta(days=1)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def message(tenant: Any, other_tenant: Any, pass_time: Any) -> Message:
    """The first message to a lead whom sales rejected for want of a budget."""
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="sql", stage_at=NOW - DAY, language="en", email="ana@empresa.test")
        acts.reject(lead_id=lead.pk, reason="no_budget", by=make_member(role=Role.MANAGER), now=NOW)
        pass_time(NOW)
        found: Message = Message.objects.get()
    return found


@pytest.fixture
def reader() -> Client:
    """Somebody without a login, whose browser asks for Portuguese; forgery is checked."""
    return Client(enforce_csrf_checks=True, headers={"accept-language": "pt-BR"})


def consents(message: Message) -> list[tuple[str, bool]]:
    with tenant_scope(message.tenant_id):
        rows = Consent.objects.filter(lead_id=message.lead_id).order_by("id")
        return [(consent.basis, consent.withdrawn_at is not None) for consent in rows]


def test_a_rejected_lead_is_written_to_until_it_unsubscribes(
    message: Message, reader: Client, tenant: Any, pass_time: Any
) -> None:
    link = next(word for word in message.body_text.split() if "/u/" in word)
    answer = reader.post(link.removeprefix("http://localhost:8000"), {"act": "unsubscribe"})
    assert answer.status_code == 302
    pass_time(NOW + 60 * DAY)
    with tenant_scope(tenant.pk):
        enrollment = Enrollment.objects.get()
        assert (enrollment.state, enrollment.exit_reason) == ("exited", "unsubscribed")
        assert Message.objects.count() == 1
        assert list(Event.objects.values_list("type", flat=True)) == ["unsubscribed"]
        told = enrollment.lead.decisions.filter(kind="enrollment", result="exited").get()
        assert told.detail["because"] == "unsubscribed"


def test_looking_at_the_page_changes_nothing(message: Message, reader: Client) -> None:
    for _time in range(2):
        page = reader.get(f"/u/{message.token}/")
        assert page.status_code == 200
    assert "No more messages?" in page.content.decode()
    assert 'lang="en"' in page.content.decode()
    assert consents(message) == []
    assert reader.head(f"/u/{message.token}/").status_code == 200
    assert consents(message) == []


def test_a_mail_program_unsubscribes_with_one_click_and_no_cookie(message: Message, reader: Client) -> None:
    answer = reader.post(f"/u/{message.token}/", ONE_CLICK)
    assert (answer.status_code, answer.content.decode()) == (200, "You are unsubscribed.")
    assert consents(message) == [("objection", True)]
    assert "You are unsubscribed" in reader.get(f"/u/{message.token}/").content.decode()


def test_unsubscribing_withdraws_what_was_given(message: Message, reader: Client) -> None:
    with tenant_scope(message.tenant_id):
        for basis in ("consent", "legitimate_interest"):
            Consent.objects.create(
                lead_id=message.lead_id, purpose="marketing", basis=basis, given_at=NOW, source="form"
            )
        Consent.objects.create(
            lead_id=message.lead_id, purpose="service", basis="contract", given_at=NOW, source="form"
        )
    reader.post(f"/u/{message.token}/", ONE_CLICK)
    assert consents(message) == [("consent", True), ("legitimate_interest", True), ("contract", False)]


def test_unsubscribing_twice_is_recorded_once(message: Message, reader: Client) -> None:
    for _time in range(2):
        assert reader.post(f"/u/{message.token}/", ONE_CLICK).status_code == 200
    with tenant_scope(message.tenant_id):
        assert Event.objects.filter(type="unsubscribed").count() == 1


def test_a_post_that_says_something_else_changes_nothing(message: Message, reader: Client) -> None:
    for body in ({}, {"List-Unsubscribe": "Maybe"}):
        assert reader.post(f"/u/{message.token}/", body).status_code == 400
    assert consents(message) == []


def test_a_token_that_is_not_known_is_not_found(message: Message, reader: Client) -> None:
    for token in ("nothing", message.token[:-1], message.token + "x"):
        assert reader.get(f"/u/{token}/").status_code == 404
        assert reader.post(f"/u/{token}/", ONE_CLICK).status_code == 404
    assert reader.get("/u/%00/").status_code == 400


def test_a_lead_that_agrees_again_is_written_to_again(message: Message, reader: Client, tenant: Any) -> None:
    reader.post(f"/u/{message.token}/", ONE_CLICK)
    with tenant_scope(tenant.pk):
        Consent.objects.create(
            lead_id=message.lead_id, purpose="marketing", basis="consent", given_at=NOW, source="form"
        )
        manager = make_member(role=Role.MANAGER)
        # Unsubscribing costs points and moves nobody: the lead is in nurture still.
        assert Lead.objects.get().standing.stage == "nurture"
        acts.promote(lead_id=message.lead_id, reason="Called", by=manager, now=NOW + DAY)
        acts.nurture(lead_id=message.lead_id, reason="bad_timing", by=manager, now=NOW + 2 * DAY)
        sweep_tenant(tenant_id=tenant.pk, now=NOW + 2 * DAY)
        assert Message.objects.count() == 2
