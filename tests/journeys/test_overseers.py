"""Who oversees and who administers, in a real browser."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from leads.models import Lead
from tenancy.models import Membership, Role, Tenant, User
from tenancy.scope import tenant_scope
from tenancy.services import join_tenant
from tests.conftest import NOW
from tests.journeys.conftest import PASSWORD, Cast, Enter
from tests.journeys.test_journeys import asked_for_a_demo, confirm, press_act

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def person_of(tenant: Tenant, role: Role) -> str:
    """The login of a new member."""
    user = User.objects.create(email=f"{role.value}@vale.test", language="en")
    user.set_password(PASSWORD)
    user.save()
    with tenant_scope(tenant.pk):
        join_tenant(user=user, roles=[role], now=NOW, name="Helena", team=None)
    return str(user.email)


@pytest.mark.usefixtures("cast")
def test_a_manager_sees_a_clock_run_opens_its_lead_and_gives_it_to_somebody_else(
    enter: Enter, cast: Cast, tenant: Tenant, work: Callable[[], None]
) -> None:
    lead_id = asked_for_a_demo(tenant)
    work()
    with tenant_scope(tenant.pk):
        owner = Lead.objects.select_related("standing").get(pk=lead_id).standing.owner_sdr_id
        other = Membership.objects.filter(roles=[Role.SDR]).exclude(pk=owner).get()
    page = enter(person_of(tenant, Role.MANAGER))
    page.locator("#oversight tbody a").first.click()
    page.get_by_role("link", name="Mariana Ferraz").first.click()
    page.wait_for_url(f"**/leads/{lead_id}/")
    press_act(page, "Assign")
    page.locator("#act-dialog select").first.select_option(str(other.pk))
    confirm(page)
    expect(page.locator("main")).to_contain_text(other.name)
    with tenant_scope(tenant.pk):
        assert Lead.objects.select_related("standing").get(pk=lead_id).standing.owner_sdr_id == other.pk


def test_an_administrator_makes_a_key_that_captures_and_a_link_by_which_a_colleague_joins(
    enter: Enter, cast: Cast, tenant: Tenant
) -> None:
    page = enter(person_of(tenant, Role.ADMIN))
    page.goto("/t/horizonte/settings/keys/new/")
    page.fill("input[name=name]", "Website")
    page.locator("input[name=scopes][value='leads:write']").check()
    page.locator("main button[type=submit]").click()
    key = page.locator("#made").input_value()
    made = page.request.post(
        "/api/v1/leads/",
        headers={"Authorization": f"Bearer {key}"},
        data={"email": "rui@fabrica.com.br", "name": "Rui Prado"},
    )
    assert made.status == 201
    page.goto("/t/horizonte/leads/")
    expect(page.locator("main")).to_contain_text("Rui Prado")

    page.goto("/t/horizonte/settings/members/invite/")
    page.fill("input[name=email]", "nova@fabrica.com.br")
    page.locator("input[name=roles][value=sdr]").check()
    page.locator("main button[type=submit]").click()
    link = page.locator("#made").input_value()
    guest = enter()
    guest.goto(urlsplit(link).path)
    guest.fill("input[name=name]", "Nova Colega")
    guest.locator("input[type=password]").first.fill(PASSWORD)
    for field in guest.locator("input[type=password]").all():
        field.fill(PASSWORD)
    guest.locator("main button[type=submit], form button[type=submit]").first.click()
    guest.wait_for_url("**/t/horizonte/**")
    expect(guest.locator("body")).to_contain_text("Nova Colega")
    page.goto("/t/horizonte/settings/members/")
    expect(page.locator("main")).to_contain_text("Nova Colega")
