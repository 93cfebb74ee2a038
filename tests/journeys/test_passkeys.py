"""A person adds a passkey, signs in with it alone, renames and removes it."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import list_axe_violations
from tests.journeys.conftest import PASSWORD, Cast, Enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
KEYS = "/accounts/2fa/webauthn/"


def confirm(page: Page) -> None:
    """Whoever changes how they sign in says first that it is they."""
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def test_a_passkey_signs_in_alone_until_it_is_removed(enter: Enter, cast: Cast) -> None:
    page = enter(cast.sdr)
    page.goto("/profile/")
    page.get_by_role("link", name="Passkeys").click()
    page.get_by_role("link", name="Add a passkey").click()
    confirm(page)
    assert list_axe_violations(page) == []
    # After axe, whose own session with the browser would end this one's.
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.get_by_label("Name").fill("Work laptop")
    # Enter asks for the passkey as the button does.
    page.get_by_label("Name").press("Enter")
    page.wait_for_url("**/recovery-codes/")
    page.goto(KEYS)
    expect(page.locator("main")).to_contain_text("Work laptop")
    expect(page.locator("main")).to_contain_text("signs in alone")
    page.get_by_role("link", name="Rename Work laptop").click()
    page.get_by_label("Name").fill("Phone")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Phone")

    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/t/horizonte/**")
    page.goto(KEYS)
    page.get_by_role("link", name="Remove Phone").click()
    confirm(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("main")).to_contain_text("None yet")

    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_load_state("networkidle")
    expect(page).to_have_url("/accounts/login/")
    assert list_axe_violations(page) == []
