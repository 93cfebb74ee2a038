"""From the first touch to the closed deal and back, as the people of the two tenants live it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from leads.capture.fields import read_submission
from leads.capture.intake import run_after_intake, take_in
from leads.capture.rules import open_rules
from leads.models import CaptureForm, Lead, RuleKind, RuleVersion
from leads.pipeline import Reason, ReasonCode
from leads.versions import publish_version, save_draft
from nurturing.models import Enrollment, Message
from nurturing.sending import keep_messages
from tenancy.models import Team, Tenant
from tenancy.scope import tenant_scope
from tests.journeys.conftest import Cast, Enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def public_form(tenant: Tenant) -> str:
    with tenant_scope(tenant.pk):
        form = CaptureForm.objects.filter(document__kind="contact").first() or CaptureForm.objects.get(
            key="contact"
        )
        return f"/f/{form.public_id}/"


def capture(tenant: Tenant, **document: Any) -> int:
    """A lead as the API would capture it."""
    now = timezone.now()
    with tenant_scope(tenant.pk):
        lead, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=now)
        assert problems == []
        [row] = take_in(rows=[lead], now=now, is_live=True)
        run_after_intake(taken=[row], reason=Reason(ReasonCode.CAPTURED), now=now)
        assert row.lead_id is not None
        return row.lead_id


def asked_for_a_demo(tenant: Tenant, name: str = "Mariana Ferraz") -> int:
    return capture(
        tenant,
        email=f"{name.split(maxsplit=1)[0].lower()}@cafedovale.com.br",
        name=name,
        country="BR",
        company={"name": "Café do Vale", "size": 180},
        consent=[{"purpose": "marketing", "basis": "consent", "text": "v3"}],
        event={"type": "form_submitted", "properties": {"kind": "demo"}},
    )


def press_act(page: Page, label: str) -> None:
    page.locator(".lead-acts").get_by_role("button", name=label).first.click()


def choose(page: Page, value: str) -> None:
    page.locator(f"#act-dialog input[value={value}]").check()


def confirm(page: Page) -> None:
    page.locator("#act-dialog button[type=submit]").click()
    page.locator("#act-dialog").wait_for(state="hidden")


def answer_all(page: Page) -> None:
    for number in range(4):
        with page.expect_response(lambda response: "/assessment/" in response.url):
            page.locator("#panel-bant").get_by_text("Met", exact=True).nth(number).click()


def test_a_stranger_fills_a_form_and_becomes_a_customer(
    enter: Enter, cast: Cast, tenant: Tenant, work: Callable[[], None]
) -> None:
    visitor = enter()
    visitor.goto(public_form(tenant))
    visitor.fill("input[name=first_name]", "Mariana")
    visitor.fill("input[name=email]", "mariana@cafedovale.com.br")
    visitor.fill("input[name=phone]", "+55 19 99888-7766")
    visitor.locator("input[type=checkbox]").check()
    visitor.click("button[type=submit]")
    visitor.wait_for_url("**/thanks/")
    work()
    with tenant_scope(tenant.pk):
        lead = Lead.objects.select_related("standing__owner_sdr__user").get()
    assert lead.standing.stage == "mql"

    owner = lead.standing.owner_sdr.user.email
    sdr = enter(owner)
    sdr.goto("/t/horizonte/queue/")
    expect(sdr.locator("#desk")).to_contain_text("Mariana")
    press_act(sdr, "Log a call")
    choose(sdr, "reached")
    confirm(sdr)
    expect(sdr.locator(".lead-acts")).to_contain_text("Missing for handover")
    answer_all(sdr)
    press_act(sdr, "Hand over")
    expect(sdr.locator("#desk")).not_to_contain_text("Mariana")

    rep = enter(cast.rep)
    rep.goto("/t/horizonte/inbox/")
    expect(rep.locator("#desk")).to_contain_text("Mariana")
    press_act(rep, "Accept")
    expect(rep.locator("#desk-list")).to_contain_text("My open opportunities")
    rep.goto(f"/t/horizonte/leads/{lead.pk}/")
    press_act(rep, "Win")
    rep.fill("#act-dialog input[name=amount]", "45000")
    confirm(rep)
    expect(rep.locator("body")).to_contain_text("Customer")
    with tenant_scope(tenant.pk):
        lead = Lead.objects.select_related("standing").get()
        assert lead.standing.stage == "customer"
        assert lead.opportunities.get().amount_minor == 4_500_000
    rep.goto("/t/horizonte/funnel/")
    expect(rep.locator(".stat").nth(4)).to_contain_text("1")


def test_a_rejected_lead_is_nurtured_and_can_unsubscribe(
    enter: Enter, cast: Cast, tenant: Tenant, work: Callable[[], None]
) -> None:
    lead_id = asked_for_a_demo(tenant)
    with tenant_scope(tenant.pk):
        owner = Lead.objects.select_related("standing__owner_sdr__user").get(pk=lead_id).standing.owner_sdr
        sdr_email = owner.user.email
    sdr = enter(sdr_email)
    sdr.goto(f"/t/horizonte/leads/{lead_id}/")
    press_act(sdr, "Log a call")
    choose(sdr, "reached")
    confirm(sdr)
    answer_all(sdr)
    press_act(sdr, "Hand over")
    expect(sdr.locator("body")).to_contain_text("SQL")

    rep = enter(cast.rep)
    rep.goto("/t/horizonte/inbox/")
    press_act(rep, "Reject")
    choose(rep, "no_budget")
    confirm(rep)
    work()
    keep_messages(tenant_id=tenant.pk, now=timezone.now())

    marketing = enter(cast.marketing)
    marketing.goto("/t/horizonte/outbox/")
    expect(marketing.locator("main")).to_contain_text("mariana@cafedovale.com.br")
    with tenant_scope(tenant.pk):
        link = next(word for word in Message.objects.get().body_text.split() if "/u/" in word).strip("<>()")
    visitor = enter()
    visitor.goto(link[link.index("/u/") :])
    visitor.locator("main button[type=submit]").click()
    expect(visitor.locator("main [role=status]")).to_be_visible()
    with tenant_scope(tenant.pk):
        assert Enrollment.objects.get().state == "exited"


def test_of_two_sdrs_who_claim_at_once_one_wins_and_the_other_is_told(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    with tenant_scope(tenant.pk):
        team = Team.objects.get(name="Pre-sales")
        rule = {
            "id": "team",
            "label": "To the team",
            "function": "sdr",
            "when": None,
            "to": {"team": team.pk},
        }
        published = RuleVersion.objects.get(kind=RuleKind.ROUTING, status="published")
        document = published.document | {"rules": [rule]}
        version = save_draft(kind=RuleKind.ROUTING, document=document, by=None, now=timezone.now())
        publish_version(version=version, by=None, now=timezone.now())
    lead_id = asked_for_a_demo(tenant)
    first, second = enter(cast.sdr), enter(cast.second_sdr)
    for page in (first, second):
        page.goto(f"/t/horizonte/queue/?lead={lead_id}")
        expect(page.locator("#desk")).to_contain_text("Mariana")
    press_act(first, "Claim")
    expect(first.locator("#desk")).to_contain_text("You claimed this lead")
    press_act(second, "Claim")
    expect(second.locator("body")).to_contain_text("Bruno has this lead already")
    with tenant_scope(tenant.pk):
        lead = Lead.objects.select_related("standing__owner_sdr__user").get(pk=lead_id)
        assert lead.standing.owner_sdr.user.email == cast.sdr
    first.locator(".toast-card").get_by_role("button", name="Undo").click()
    expect(first.locator("#desk")).not_to_contain_text("You claimed this lead")
    press_act(second, "Claim")
    expect(second.locator("#desk")).to_contain_text("You claimed this lead")


def test_a_lead_is_opened_by_keyboard_from_anywhere(enter: Enter, cast: Cast, tenant: Tenant) -> None:
    lead_id = asked_for_a_demo(tenant)
    page = enter(cast.rep)
    page.goto("/t/horizonte/funnel/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-field")).to_be_focused()
    page.keyboard.type("mariana")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Mariana Ferraz")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/leads/{lead_id}/")


def test_the_other_tenant_sees_nothing(enter: Enter, cast: Cast, tenant: Tenant) -> None:
    lead_id = asked_for_a_demo(tenant)
    stranger = enter(cast.stranger)
    for path in (f"/t/horizonte/leads/{lead_id}/", "/t/horizonte/leads/", f"/t/outra/leads/{lead_id}/"):
        answer = stranger.goto(path)
        assert answer is not None
        assert answer.status == 404
    stranger.goto("/t/outra/leads/")
    expect(stranger.locator("main")).not_to_contain_text("Mariana")
