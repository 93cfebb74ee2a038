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
    expect(page.get_by_role("heading", name="Export 30 rows")).to_be_visible()
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


def test_deals_and_past_events_of_another_crm_are_brought_along_and_seen_on_the_board_and_the_timeline(
    enter: Enter, cast: Cast, tenant: Tenant, tmp_path: Path
) -> None:
    page = enter(cast.marketing)

    def choose(name: str, *lines: str, tells_of: str) -> None:
        path = tmp_path / name
        path.write_text("\r\n".join(lines), "utf-8")
        page.goto("/t/horizonte/imports/new/")
        page.set_input_files("#id_file", path)
        page.get_by_role("radio", name=tells_of).check()
        page.get_by_role("button", name="Upload and look at it").click()
        expect(page.get_by_role("heading", name="What are these columns?")).to_be_visible()

    def take_in() -> None:
        page.get_by_role("button", name="Try it out").click()
        expect(page.get_by_role("heading", name="What would come of it")).to_be_visible()
        page.keyboard.press("s")
        expect(page.get_by_role("heading", name="Importing")).to_be_visible()
        sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + FALLBACK)
        expect(page.get_by_role("link", name="See the leads")).to_be_visible()

    choose(
        "negocios.csv",
        "ID do negócio;Nome do contato;E-mail;Resultado;Aberto em;Fechado em;Valor;Motivo",
        "D-1;Ana Souza;ana@empresa.test;Ganho;05/01/2026;27/02/2026;12.500,00;",
        "D-2;Bruno Lima;bruno@outra.test;Perdido;05/01/2026;20/03/2026;;Sem orçamento",
        "D-3;Carla Dias;carla@terceira.test;Aberto;13/02/2026;;900,00;",
        tells_of="Find out",
    )
    expect(page.get_by_label("What the file tells of")).to_have_value("outcomes")
    expect(page.get_by_label("Perdido", exact=True)).to_have_value("lost")
    page.get_by_role("radio", name="Make leads").check()
    assert list_axe_violations(page) == []
    take_in()

    choose(
        "atividades.csv",
        "E-mail;Tipo;Quando;Página",
        "ana@empresa.test;Conversão;13/01/2026 10:15;/demo",
        "carla@terceira.test;E-mail aberto;14/02/2026 08:00;",
        tells_of="Events",
    )
    expect(page.get_by_label("Conversão", exact=True)).to_have_value("form_submitted")
    take_in()

    page.goto("/t/horizonte/opportunities/board/?period=all")
    won, lost = page.locator("[data-board-column=won]"), page.locator("[data-board-column=lost]")
    expect(won.locator(".board-card")).to_contain_text("BRL 12,500.00")
    expect(won.locator(".board-card")).to_contain_text("D-1")
    expect(lost.locator(".board-card")).to_contain_text("Bruno Lima")
    expect(page.locator(".board-card", has_text="D-3")).to_contain_text("Carla Dias")
    won.get_by_role("link", name="Ana Souza").click()
    story = page.locator("#lead-story > li")
    expect(story.filter(has_text="Submitted a form")).to_contain_text("01/13/2026, 10:15 a.m.")
    expect(story.filter(has_text="New → Customer")).to_contain_text("Imported")
