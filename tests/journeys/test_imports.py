"""A file on its way into the product, as somebody from marketing lives it."""

from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from core.due import sweep_tenant
from leads.capture.import_steps import FALLBACK
from leads.models import Lead
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.browser import list_axe_violations
from tests.journeys.conftest import Cast, Enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_a_file_is_chosen_assigned_tried_imported_and_taken_out_again(
    enter: Enter, cast: Cast, tenant: Tenant, tmp_path: Path
) -> None:
    path = tmp_path / "contatos.csv"
    people = [f"Lead {number};lead{number}@x.test;{number};Aberto" for number in range(30)]
    path.write_text("\r\n".join(["Nome;E-mail;Plantas;Situação", *people, "Caio;caio@;1;Aberto"]), "utf-8")
    page = enter(cast.marketing)
    page.get_by_role("link", name="Imports").click()
    page.get_by_role("link", name="Import a file").first.click()
    page.set_input_files("#id_file", path)
    expect(page.locator("[data-file]")).to_contain_text("contatos.csv")
    assert list_axe_violations(page) == []
    page.get_by_role("button", name="Upload and look at it").click()

    expect(page.get_by_role("heading", name="What are these columns?")).to_be_visible()
    expect(page.get_by_label("E-mail", exact=True)).to_have_value("email")
    expect(page.get_by_label("Situação", exact=True)).to_have_value("stage")
    name_of_field = page.locator("input[name=label-2]")
    expect(name_of_field).to_be_hidden()
    page.get_by_label("Plantas", exact=True).select_option("new")
    name_of_field.fill("Fábricas")
    assert list_axe_violations(page) == []
    page.get_by_role("button", name="Try it out").click()

    expect(page.get_by_role("heading", name="What would come of it")).to_be_visible()
    expect(page.locator(".tried-grid")).to_contain_text("“caio@” is no e-mail address.")
    assert list_axe_violations(page) == []
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Importing")).to_be_visible()
    with tenant_scope(tenant.pk):
        assert Lead.objects.count() == 0
    # The page asks by itself how far it is; what a worker does meanwhile leads on to the result.
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + FALLBACK)
    page.get_by_role("link", name="See the leads").click()
    expect(page.locator("#leads-rows")).to_contain_text("30 leads")

    page.get_by_role("link", name="Export").click()
    expect(page.get_by_role("heading", name="Export 30 leads")).to_be_visible()
    assert list_axe_violations(page) == []
    page.get_by_role("button", name="Make the file").click()
    with page.expect_download() as exported:
        page.get_by_role("link", name="Download").click()
    assert exported.value.path().read_text("utf-8-sig").count("@x.test") == 30

    page.goto("/t/horizonte/")
    page.get_by_role("link", name="The import of contatos.csv is done").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Refused rows with reasons").click()
    assert "caio@" in download.value.path().read_text("utf-8-sig")
