"""Marketing changes the rules in the browser: from the draft to the leads that stand otherwise because of it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from leads.models import LeadState, RuleKind, RuleVersion
from leads.versions import find_draft
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.browser import list_axe_violations
from tests.journeys.conftest import Cast, Enter
from tests.journeys.test_journeys import asked_for_a_demo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

EDITED = ("scoring/main", "grading/main", "gates/main", "routing/main", "sequence/re_engagement")
DEMO = "Form: demo, pricing or contact"


def row(page: Page, title: str) -> str:
    """The id of the row with this title."""
    found = page.locator("[data-rule-row]", has_text=title).first.get_attribute("id")
    assert found is not None
    return f"#{found}"


def test_a_scoring_rule_is_changed_published_and_every_lead_follows(
    enter: Enter, cast: Cast, tenant: Tenant, work: Callable[[], None]
) -> None:
    lead_id = asked_for_a_demo(tenant)
    page = enter(cast.marketing)
    page.goto("/t/horizonte/rules/scoring/main/")
    page.keyboard.press("e")
    page.wait_for_url("**/rules/scoring/main/edit/")
    rule = row(page, DEMO)
    page.locator(f"{rule} summary").click()
    page.locator(rule).get_by_label("Points", exact=True).fill("nothing")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator(".form-error-summary")).to_contain_text("Give a number")
    expect(page.locator(rule).get_by_label("Points", exact=True)).to_have_value("nothing")
    page.locator(rule).get_by_label("Points", exact=True).fill("45")
    page.get_by_role("button", name="Save the draft").click()
    page.wait_for_url("**/rules/scoring/main/review/")
    expect(page.locator("h1")).to_have_text("1 change since version 1")
    expect(page.locator("[data-change=changed]")).to_contain_text("+30")
    assert list_axe_violations(page) == []
    page.get_by_label("Note").fill("Demos turned out to be worth more")
    page.get_by_role("button", name="Publish version 2").click()
    page.wait_for_url("**/rules/scoring/main/")
    expect(page.locator("#toasts")).to_contain_text("Version 2 is published.")
    expect(page.locator("main")).to_contain_text("Going over all leads with these rules")
    for _sweep in range(4):
        work()
    with tenant_scope(tenant.pk):
        assert LeadState.objects.get(lead_id=lead_id).score == 45
    page.goto(f"/t/horizonte/leads/{lead_id}/")
    page.get_by_role("link", name="45").first.click()
    expect(page.locator("#why-body")).to_contain_text("Version 2")
    expect(page.locator("#why-body")).to_contain_text(DEMO)


@pytest.mark.parametrize("document", EDITED)
def test_looking_at_everything_and_saving_changes_nothing(
    enter: Enter, cast: Cast, tenant: Tenant, document: str
) -> None:
    page = enter(cast.marketing)
    page.goto(f"/t/horizonte/rules/{document}/edit/")
    for summary in page.locator("[data-rule-row] summary").all():
        summary.click()
    built = page.locator("[data-rule-row] [data-cond-root]").count()
    assert page.locator("[data-rule-row] [data-cond-root] > .cond-group").count() == built
    assert page.locator(".rule-row-touched").count() == 0
    assert list_axe_violations(page) == []
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator("#toasts")).to_contain_text("Nothing was changed")
    kind, name = document.split("/")
    with tenant_scope(tenant.pk):
        assert find_draft(kind=kind, name=name) is None


def add_rule(page: Page, name: str, *, country: str) -> None:
    page.get_by_role("button", name="Rule", exact=True).click()
    page.keyboard.type(name)
    new = page.locator("[data-rule-row]").last
    new.get_by_label("Goes to").select_option("pool:sdr-fallback")
    new.locator("[data-cond-fact]").select_option("country")
    new.locator(".cond-value input").fill(country)
    expect(new.locator("[data-cond-sentence]")).to_have_text(f"Country is {country}")


def test_routing_rules_are_ordered_by_keys_buttons_and_dragging(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    page = enter(cast.marketing)
    page.goto("/t/horizonte/rules/routing/main/edit/")
    for name, country in (("Brazil", "BR"), ("Portugal", "PT"), ("Chile", "CL")):
        add_rule(page, name, country=country)

    def order() -> list[str]:
        return page.locator("[data-rule-title]").all_inner_texts()

    rows = page.locator("[data-rule-row]")
    rows.nth(2).locator("summary").press("Alt+ArrowUp")
    assert order() == ["Brazil", "Chile", "Portugal"]
    expect(page.locator("#live-region")).to_have_text("Moved to place 2 of 3.")
    rows.nth(0).get_by_role("button", name="Move down").last.click()
    assert order() == ["Chile", "Brazil", "Portugal"]
    for each in rows.all():
        each.locator("summary").click()
    rows.nth(2).locator("[data-rule-handle]").drag_to(rows.nth(0), target_position={"x": 60, "y": 4})
    assert order() == ["Portugal", "Chile", "Brazil"]
    page.get_by_role("button", name="Save the draft").click()
    page.wait_for_url("**/review/")
    with tenant_scope(tenant.pk):
        draft = RuleVersion.objects.get(kind=RuleKind.ROUTING, status="draft")
    assert [rule["id"] for rule in draft.document["rules"]] == ["portugal", "chile", "brazil"]
    assert draft.document["rules"][0]["when"] == {"all": [{"fact": "country", "op": "eq", "value": "PT"}]}


def test_a_removed_row_that_was_not_finished_does_not_stand_in_the_way(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    page = enter(cast.marketing)
    page.goto("/t/horizonte/rules/grading/main/edit/")
    page.get_by_role("button", name="Criterion").click()
    new = page.locator("[data-rule-row]").last
    new.locator("[data-cond-fact]").select_option("city")
    page.get_by_role("button", name="Save the draft").click()
    expect(new.locator(".cond-error")).to_contain_text("Give a value")
    new.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("[data-rule-row] summary").last).to_be_focused()
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator("#toasts")).to_contain_text("Nothing was changed")


def test_a_step_is_added_jumped_to_and_its_email_looked_at_before_it_is_saved(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    page = enter(cast.marketing)
    page.goto("/t/horizonte/rules/sequence/re_engagement/edit/")
    page.get_by_role("button", name="E-mail", exact=True).click()
    new = page.locator("[data-rule-row]").last
    new.locator("[data-mail-subject]").first.fill("One more thing")
    new.locator("[data-mail-body]").first.fill("Hello {{ lead.first_name }}, *this* is it.")
    new.get_by_role("button", name="Preview").first.click()
    expect(new.frame_locator("iframe").first.locator("em")).to_have_text("this")
    branch = page.locator("[data-rule-row]", has=page.locator("[data-rule-jump]"))
    branch.locator("summary").click()
    branch.get_by_label("If not, or if nobody knows").select_option(label="7. E-mail")
    page.get_by_role("button", name="Save the draft").click()
    page.wait_for_url("**/review/")
    expect(page.locator("[data-change=new]")).to_contain_text("One more thing")
    with tenant_scope(tenant.pk):
        draft = find_draft(kind=RuleKind.SEQUENCE, name="re_engagement")
    assert draft is not None
    steps = draft.document["steps"]
    assert steps[4]["else"] == steps[6]["id"]
