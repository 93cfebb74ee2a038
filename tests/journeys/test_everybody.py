"""The product by keyboard alone, on a phone in Portuguese, and to those whom axe speaks for, page by page in both themes."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from leads.models import Handover, Lead, Opportunity, Stage
from tenancy.models import Membership, Tenant, User
from tenancy.scope import tenant_scope
from tests.browser import list_axe_violations
from tests.builders import make_lead
from tests.guards.addresses import list_addresses
from tests.journeys.conftest import PASSWORD, Cast, Enter
from tests.journeys.test_journeys import asked_for_a_demo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

PHONE = {"viewport": {"width": 375, "height": 812}, "locale": "pt-BR", "has_touch": True, "is_mobile": True}
MOST_TABS = 80
TENANT_ADMIN = "admin@horizonte.test"


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until what the selector names has the focus."""
    for _press in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab never comes to {selector}")


def test_an_sdr_calls_assesses_and_hands_over_without_a_mouse(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    lead_id = asked_for_a_demo(tenant)
    with tenant_scope(tenant.pk):
        lead = Lead.objects.select_related("standing__owner_sdr__user").get(pk=lead_id)
    page = enter()
    page.goto("/accounts/login/")
    tab_to(page, "input[name=login]")
    page.keyboard.type(lead.standing.owner_sdr.user.email)
    tab_to(page, "input[name=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/t/horizonte/**")
    page.keyboard.press("c")
    page.wait_for_url("**/queue/**")
    expect(page.locator("#desk")).to_contain_text("Mariana")
    page.keyboard.press("c")
    page.locator("#act-dialog.show").wait_for()
    expect(page.locator("#act-dialog input[name=outcome]").first).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.locator("#act-dialog").wait_for(state="hidden")
    for question in ("budget", "authority", "need", "timeline"):
        tab_to(page, f"form:has(input[name=question][value={question}]) input[name=met]")
        # From "not known", the last of the three, round to "met", the first.
        with page.expect_response(lambda response: "/assessment/" in response.url):
            page.keyboard.press("ArrowRight")
        expect(page.locator(f"form[data-met=yes] input[value={question}]")).to_have_count(1)
    expect(page.locator("#nav-to-queue")).to_contain_text("1")
    page.keyboard.press("h")
    expect(page.locator("#desk")).not_to_contain_text("Mariana")
    expect(page.locator("#nav-to-queue")).not_to_contain_text("1")
    with tenant_scope(tenant.pk):
        assert Lead.objects.select_related("standing").get(pk=lead_id).standing.stage == "sql"


def test_a_list_says_what_was_searched_and_going_back_marks_nobody_else(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    for name in ("Mariana Ferraz", "Caio Prado", "Aline Prado"):
        asked_for_a_demo(tenant, name)
    page = enter(cast.marketing)
    page.goto("/t/horizonte/leads/")
    page.keyboard.press("/")
    page.keyboard.type("prado")
    expect(page.locator("h1")).to_have_text("2 leads")
    expect(page.locator("#leads-search")).to_be_focused()
    page.get_by_role("link", name="MQL", exact=True).click()
    expect(page.locator("h1")).to_have_text("2 leads in MQL")
    page.locator("[data-mark]").first.check()
    page.get_by_role("link", name="Add a tag").click()
    expect(page.locator("main")).to_contain_text("1 marked lead")
    page.go_back()
    expect(page.locator("[data-mark]")).to_have_count(2)
    expect(page.locator("[data-mark]:checked")).to_have_count(0)


def test_a_rep_accepts_and_wins_on_a_phone_in_portuguese(enter: Enter, cast: Cast, tenant: Tenant) -> None:
    User.objects.filter(email=cast.rep).update(language="pt-br")
    with tenant_scope(tenant.pk):
        rep = Membership.objects.get(user__email=cast.rep)
        lead = make_lead(stage=Stage.SALES_QUALIFIED, name="Mariana Ferraz", standing={"owner_sales": rep})
        Handover.objects.create(lead=lead, offered_at=timezone.now())
    page = enter(cast.rep, **PHONE)

    def fits() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth <= 375"))

    page.goto("/t/horizonte/inbox/")
    assert fits()
    page.get_by_role("link", name="Mariana Ferraz").first.tap()
    page.get_by_role("button", name="Aceitar").first.tap()
    expect(page.locator("#toasts")).to_contain_text("oportunidade")
    page.goto("/t/horizonte/opportunities/board/")
    assert fits()
    assert list_axe_violations(page) == []
    page.get_by_role("button", name="Marcar venda: Mariana Ferraz").tap()
    page.locator("#act-dialog.show").wait_for()
    page.fill("#act-dialog input[name=amount]", "45000")
    page.locator("#act-dialog button[type=submit]").tap()
    page.locator("#act-dialog").wait_for(state="hidden")
    expect(page.locator("[data-board-column=won]")).to_contain_text("BRL 45.000,00")
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.get(lead=lead).amount_minor == 4_500_000


def test_axe_finds_nothing_serious_on_any_page_in_either_theme(
    enter: Enter, cast: Cast, tenant: Tenant, work: Callable[[], None]
) -> None:
    lead_id = asked_for_a_demo(tenant)
    work()
    User.objects.filter(email=TENANT_ADMIN).update(language="en")
    admin = User.objects.get(email=TENANT_ADMIN)
    admin.set_password(PASSWORD)
    admin.save()
    page = enter(TENANT_ADMIN)
    found: dict[tuple[str, str], list[str]] = {}
    for path in pages_to_see(lead_id):
        page.emulate_media(color_scheme="light")
        # Left out: what is not there for this lead, a file, a part of a page.
        if not shows_a_page(page, path):
            continue
        found[path, "light"] = list_axe_violations(page)
        # Colours would fade from one theme to the other.
        page.evaluate("document.styleSheets[0].insertRule('* { transition: none !important }')")
        page.emulate_media(color_scheme="dark")
        page.locator("html[data-bs-theme=dark]").wait_for()
        # Between the themes only the colours differ.
        found[path, "dark"] = list_axe_violations(page, rules=["color-contrast"])
    assert len(found) > 80
    assert {where: violations for where, violations in found.items() if violations} == {}


def shows_a_page(page: Page, path: str) -> bool:
    """Go there; whether that is a whole page."""
    try:
        answer = page.goto(path)
    except PlaywrightError:  # A file is saved, not shown.
        return False
    assert answer is not None
    return answer.status == 200 and page.title() != ""


def pages_to_see(lead_id: int) -> list[str]:
    """Every page that needs no id, and those of one lead."""
    pages = [
        address
        for address in list_addresses()
        if not address.is_api
        and address.route.startswith(("/t/", "/profile/", "/accounts/2fa/"))
        and address.name != "account_logout"
        and set(address.parameters) <= {"slug", "lead_id"}
        and "/acts/" not in address.route
    ]
    return [address.path({"slug": "horizonte", "lead_id": lead_id}) for address in pages] + [
        f"/t/horizonte/rules/{kind}/main/{part}" for kind in ("scoring", "gates") for part in ("", "edit/")
    ]
