"""The Outbox, its messages, and sequences on the lead page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.due import sweep_tenant
from leads.models import Lead
from nurturing.models import Enrollment, Message
from nurturing.services import enroll_lead
from tenancy.models import Membership, Role
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import email, publish_sequence

OUTBOX = "/t/horizonte/outbox/"


@pytest.fixture
def marketing(tenant: Any, other_tenant: Any) -> Membership:
    with tenant_scope(tenant.pk):
        return make_member(role=Role.MARKETING, name="Clara")


@pytest.fixture
def browser(marketing: Membership, sign_in: Any) -> Client:
    client: Client = sign_in(marketing)
    return client


def write_to(marketing: Membership, *, count: int = 1, body: str = "Hello", **fields: Any) -> list[Lead]:
    """Leads that were written to, a minute apart."""
    with tenant_scope(marketing.tenant_id):
        publish_sequence(email(subject="Hello {{ lead.name }}", body=body))
        leads = [make_lead(stage="nurture", **fields) for _ in range(count)]
        for minute, lead in enumerate(leads):
            at = NOW + timedelta(minutes=minute)
            enroll_lead(lead_id=lead.pk, sequence="trial", by=marketing, now=at)
            sweep_tenant(tenant_id=marketing.tenant_id, now=at)
    return leads


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def only_message(marketing: Membership) -> Message:
    with tenant_scope(marketing.tenant_id):
        found: Message = Message.objects.get()
        return found


def test_the_outbox_lists_messages_newest_first_and_says_that_they_stay(
    browser: Client, marketing: Membership
) -> None:
    leads = write_to(marketing, count=2)
    shown = page(browser, OUTBOX)
    assert "Mail stays here" in shown
    assert shown.index(f"Hello {leads[1]}") < shown.index(f"Hello {leads[0]}")


def test_an_empty_outbox_says_how_it_fills(browser: Client) -> None:
    assert "No messages yet" in page(browser, OUTBOX)


def test_the_outbox_is_narrowed_by_state_and_address(browser: Client, marketing: Membership) -> None:
    first, second = write_to(marketing, count=2)
    with tenant_scope(marketing.tenant_id):
        Message.objects.filter(lead=first).update(state="failed")
    assert f"Hello {second}" not in page(browser, f"{OUTBOX}?state=failed")
    assert second.email is not None
    found = page(browser, f"{OUTBOX}?q={second.email[:6].upper()}")
    assert f"Hello {second}" in found or f"Hello {first}" in found
    assert f"Hello {first}" not in page(browser, f"{OUTBOX}?q={second.email}")
    assert browser.get(f"{OUTBOX}?q=%00").status_code == 400


def test_the_outbox_goes_on_by_key(browser: Client, marketing: Membership) -> None:
    leads = write_to(marketing, count=51)
    first = page(browser, OUTBOX)
    address = re.search(r'id="outbox-next"\s+href="([^"]+)"', first)
    assert address is not None
    second = page(browser, address[1].replace("&amp;", "&"))
    assert f"Hello {leads[0]}" not in first
    assert f"Hello {leads[0]}" in second


def test_a_message_is_shown_in_a_frame_in_which_nothing_runs(browser: Client, marketing: Membership) -> None:
    write_to(marketing, body="Hello {{ lead.name }}", name="<script>alert(1)</script>")
    message = only_message(marketing)
    shown = page(browser, f"{OUTBOX}{message.pk}/")
    assert f'src="{OUTBOX}{message.pk}/body/"' in shown
    assert 'sandbox=""' in shown
    assert "<script>alert(1)" not in shown
    body = browser.get(f"{OUTBOX}{message.pk}/body/")
    policy = body["Content-Security-Policy"]
    assert policy.split("; ")[0] == "default-src 'none'"
    assert "sandbox" in policy.split("; ")
    assert body["X-Frame-Options"] == "SAMEORIGIN"
    assert "<script" not in body.content.decode()


def test_a_message_shows_its_link_to_unsubscribe(browser: Client, marketing: Membership) -> None:
    write_to(marketing)
    message = only_message(marketing)
    assert f"/u/{message.token}/" in page(browser, f"{OUTBOX}{message.pk}/")


def test_a_message_whose_outcome_is_unknown_can_be_sent_again(browser: Client, marketing: Membership) -> None:
    write_to(marketing)
    message = only_message(marketing)
    again = f"{OUTBOX}{message.pk}/again/"
    assert again not in page(browser, f"{OUTBOX}{message.pk}/")
    assert browser.post(again).status_code == 409
    with tenant_scope(marketing.tenant_id):
        Message.objects.update(state="unknown")
    assert again in page(browser, f"{OUTBOX}{message.pk}/")
    assert browser.post(again).status_code == 302
    assert only_message(marketing).state == "queued"


def test_a_message_of_another_tenant_is_not_found(
    browser: Client, marketing: Membership, other_tenant: Any, sign_in: Any
) -> None:
    write_to(marketing)
    message = only_message(marketing)
    with tenant_scope(other_tenant.pk):
        stranger = sign_in(make_member(role=Role.ADMIN))
    for part in ("", "body/"):
        assert stranger.get(f"/t/outra/outbox/{message.pk}/{part}").status_code == 404
        assert stranger.get(f"{OUTBOX}{message.pk}/{part}").status_code == 404
    assert "No messages yet" in page(stranger, "/t/outra/outbox/")


def test_the_outbox_is_marketings(tenant: Any, sign_in: Any) -> None:
    with tenant_scope(tenant.pk):
        client = sign_in(make_member(role=Role.SDR))
    assert client.get(OUTBOX).status_code == 403


def test_from_the_lead_page_a_lead_enters_and_leaves(browser: Client, marketing: Membership) -> None:
    with tenant_scope(marketing.tenant_id):
        lead = make_lead(stage="nurture")
    lead_page = f"/t/horizonte/leads/{lead.pk}/"
    assert "Re-engagement" in page(browser, lead_page)
    answer = browser.post(f"{lead_page}enrollments/", {"sequence": "re_engagement"})
    assert (answer.status_code, answer["Location"]) == (302, lead_page)
    assert "Step 1 of 6" in page(browser, lead_page)
    assert browser.post(f"{lead_page}enrollments/", {"sequence": "re_engagement"}).status_code == 409
    with tenant_scope(marketing.tenant_id):
        enrollment = Enrollment.objects.get()
    assert browser.post(f"/t/horizonte/enrollments/{enrollment.pk}/exit/").status_code == 302
    shown = page(browser, lead_page)
    assert "Taken out by hand" in shown
    assert "Entered the sequence" in shown
    assert browser.post(f"/t/horizonte/enrollments/{enrollment.pk}/exit/").status_code == 409


def test_the_lead_page_shows_messages_and_names_what_is_not_known(
    browser: Client, marketing: Membership
) -> None:
    (lead,) = write_to(marketing)
    message = only_message(marketing)
    assert f"{OUTBOX}{message.pk}/" in page(browser, f"/t/horizonte/leads/{lead.pk}/")
    assert browser.post(f"/t/horizonte/leads/{lead.pk}/enrollments/", {"sequence": "no"}).status_code == 404
    assert browser.post("/t/horizonte/leads/999999999/enrollments/", {"sequence": "trial"}).status_code == 404
    assert browser.post("/t/horizonte/enrollments/999999999/exit/").status_code == 404


def test_the_lead_page_says_why_a_lead_can_enter_no_sequence(browser: Client, marketing: Membership) -> None:
    with tenant_scope(marketing.tenant_id):
        lead = make_lead(stage="nurture", email=None)
    shown = page(browser, f"/t/horizonte/leads/{lead.pk}/")
    assert "No mail can be sent: The lead has no e-mail." in shown
    assert "enroll-sequence" not in shown
