"""Companies: the list, one company with its leads and deals, and a name given by hand that imports leave alone."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from leads import companies
from leads.capture.fields import read_submission
from leads.capture.intake import take_in
from leads.capture.rules import open_rules
from leads.companies import CompanyNumbers
from leads.models import Company, Lead, Opportunity
from leads.search import search_leads
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_lead, make_member
from tests.conftest import NOW

HOME = "/t/horizonte/companies/"


def browser_of(member: Membership) -> Client:
    assert member.user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(member.user)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def take(tenant: Tenant, now: datetime, document: dict[str, Any]) -> tuple[str, Lead]:
    """What came of one row, and its lead."""
    given, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=now)
    assert problems == []
    [row] = take_in(rows=[given], now=now, is_live=True)
    return row.outcome, Lead.objects.select_related("company").get(pk=row.lead_id)


def test_the_list_is_searched_and_sorted_and_says_what_the_leads_come_to(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    with tenant_scope(other_tenant.pk):
        foreign = make_company(name="Padaria Deles")
    with tenant_scope(tenant.pk):
        acme = make_company(name="Acme", domain="acme.test", size=20)
        bakery = make_company(name="Padaria Nossa", size=300)
        Company.objects.create(domain="only-a-domain.test")
        deal = Opportunity.objects.create(lead=make_lead(company=acme, name="Ana"), opened_at=NOW)
        make_lead(company=acme, stage="customer")
        reader = browser_of(make_member(role=Role.VIEWER))
    page = words(reader.get(HOME))
    assert "3 companies" in page
    assert "Padaria Deles" not in page
    assert page.index(">Acme<") < page.index("only-a-domain.test") < page.index("Padaria Nossa")
    listed = reader.get(HOME, {"order": "-size"}).context["listing"].rows
    assert ["Padaria Nossa" in row.title for row in listed] == [True, False, False]
    assert listed[1].numbers == CompanyNumbers(leads=2, open_opportunities=1, customers=1)
    assert "Nossa" in words(reader.get(HOME, {"q": "padária"}))
    assert "Nothing matches" in words(reader.get(HOME, {"q": "padaria acme"}))
    detail = words(reader.get(f"{HOME}{acme.pk}/"))
    assert "Acme: 2 leads" in detail
    assert deal.lead.name in detail
    assert f"{HOME}{acme.pk}/edit/" not in detail
    assert "Ana: Captured" in words(reader.get(f"{HOME}{acme.pk}/story/"))
    assert reader.get(f"{HOME}{foreign.pk}/").status_code == 404
    assert reader.post(f"{HOME}{bakery.pk}/edit/", {"name": "x"}).status_code == 403
    assert f"{HOME}{acme.pk}/" in words(reader.get(f"/t/horizonte/leads/{deal.lead_id}/"))
    assert f"{HOME}{bakery.pk}/" in words(reader.get("/t/horizonte/palette/", {"q": "nossa"}))


def test_a_company_is_edited_with_its_history_and_found_by_its_new_name(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        company = make_company(name="Acme", domain="acme.test", size=20, industry="Retail")
        make_company(name="Other", domain="other.test")
        lead = make_lead(company=company)
        sdr = browser_of(make_member(role=Role.SDR))
    url = f"{HOME}{company.pk}/edit/"
    given = {
        "name": "Acme do Brasil",
        "domain": "acme.test",
        "size": "25",
        "industry": "",
        "revenue": "1.250,50",
    }
    wrong = sdr.post(url, given | {"domain": "other.test"})
    assert (wrong.status_code, "Other has it already." in words(wrong)) == (422, True)
    assert sdr.post(url, {"name": "", "domain": "", "cnpj": ""}).status_code == 422
    assert sdr.post(url, given)["Location"] == f"{HOME}{company.pk}/"
    with tenant_scope(tenant.pk):
        company.refresh_from_db()
        assert (company.name, company.size, company.industry) == ("Acme do Brasil", 25, None)
        assert (company.revenue_minor, company.is_named_by_hand) == (125050, True)
        entry = AuditEntry.objects.get(act="company.changed")
        assert entry.detail["before"]["name"] == "Acme"
        assert search_leads(text="brasil").lead_ids == (lead.pk,)


def test_a_name_given_by_hand_stays_whatever_rows_call_the_company(tenant: Tenant) -> None:
    row = {"email": "ana@acme.test", "company": {"name": "Acme", "domain": "acme.test"}}
    with tenant_scope(tenant.pk):
        _outcome, lead = take(tenant, NOW, row)
        unknown = {"email": "bia@gmail.com", "company": "Padaria"}
        _outcome, other = take(tenant, NOW, unknown)
        by = make_member(role=Role.SDR)
        for pk, name in ((lead.company_id, "Acme do Brasil"), (other.company_id, "Padaria Nova")):
            assert pk is not None
            companies.edit_company(company_id=pk, values={"name": name}, tenant=tenant, by=by, now=NOW)
        assert take(tenant, NOW, row)[0] == "unchanged"
        outcome, again = take(tenant, NOW, unknown)
        # Known by the name alone, and still found by the former one.
        assert (outcome, again.company.name, again.company_id) == (
            "unchanged",
            "Padaria Nova",
            other.company_id,
        )
        _outcome, third = take(tenant, NOW, {"email": "caio@gmail.com", "company": "padaria"})
        assert third.company_id == other.company_id
        assert Company.objects.count() == 2


def test_companies_by_the_api(tenant: Tenant, other_tenant: Tenant) -> None:
    api = ApiCaller(tenant)
    with tenant_scope(tenant.pk):
        for number in range(51):
            make_company(name=f"Company {number:02}")
    first = api.get("/companies/").json()
    assert (len(first["results"]), first["count"]) == (50, {"value": 51, "exact": True})
    [last] = api.client.get(first["next"]).json()["results"]
    assert last["name"] == "Company 50"
    address = f"/companies/{last['id']}/"
    changed = api.patch(address, {"size": 12, "revenue": 10.5, "cnpj": "11.222.333/0001-81"}).json()
    assert (changed["size"], changed["revenue"], changed["cnpj"]) == (12, 10.5, "11222333000181")
    assert api.get(address).json() == changed
    assert api.patch(address, {"size": None}).json()["size"] is None
    for bad in ({"size": "many"}, {"nothing": 1}, {"name": None, "cnpj": None}):
        assert api.patch(address, bad).status_code == 400, bad
    assert ApiCaller(other_tenant).get(address).status_code == 404


@pytest.mark.usefixtures("in_tenant")
def test_the_leads_of_a_large_company_are_processed_by_a_worker(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.models import DueRow

    monkeypatch.setattr(companies, "AT_ONCE", 1)
    company = make_company(name="Acme")
    for _number in range(2):
        make_lead(company=company)
    by = make_member(role=Role.ADMIN)
    companies.edit_company(company_id=company.pk, values={"size": 500}, tenant=tenant, by=by, now=NOW)
    assert DueRow.objects.get(kind=companies.CHANGED_KIND).subject == company.pk
