"""Campaigns on a handful of leads, counted by hand; every number opens the leads that it counts."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from insights.campaign_figures import By, Figures, read_figures
from insights.campaigns import (
    CampaignData,
    CampaignNameTaken,
    InvalidCampaign,
    InvalidSpend,
    Sign,
    Spend,
    add_spends,
    change_campaign,
    data_of,
    make_campaign,
    plain_amount,
    read_day,
    read_lines,
)
from insights.models import Campaign
from leads.listing import count_leads, list_leads, read_list_query
from leads.models import Lead, Opportunity, Touch
from tenancy.audit import sentence_of
from tenancy.models import AuditEntry, Role, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member
from tests.conftest import NOW

OCTOBER = datetime(2026, 10, 10, 12, tzinfo=UTC)


def campaign(name: str = "ERP 2026", *signs: Sign, **more: Any) -> Campaign:
    data = CampaignData(name, signs or [Sign(campaign_value="erp-2026")], **more)
    return make_campaign(data=data, by=None, now=NOW)


def lead(
    stage: str = "new",
    *,
    won: int | None = None,
    won_at: datetime = NOW,
    currency: str = "BRL",
    **fields: Any,
) -> Lead:
    made = make_lead(stage=stage, created_at=fields.pop("created_at", OCTOBER), **fields)
    if won is not None:
        Opportunity.objects.create(
            lead=made, outcome="won", closed_at=won_at, amount_minor=won, currency=currency
        )
    return made


def touch(of: Lead, *, at: datetime = OCTOBER, **source: str) -> None:
    Touch.objects.create(lead=of, at=at, **source)


def spend(on: date, minor: int, *, note: str = "", is_month: bool = False) -> Spend:
    return Spend(spent_on=on, is_month=is_month, amount_minor=minor, note=note)


def figures(of: Campaign, tenant: Tenant, by: By = "first") -> Figures:
    return read_figures(campaign_ids=[of.pk], by=by, tenant=tenant)[of.pk]


def leads_at(url: str) -> set[int]:
    """The leads of a list's address."""
    parameters = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    query = read_list_query(parameters=parameters, member=make_member(role=Role.ADMIN))
    ids = list_leads(query=query, now=NOW).lead_ids
    count = count_leads(query=query, now=NOW)
    assert count is not None
    assert count.value == len(ids), "the list counts what it shows"
    return set(ids)


@pytest.mark.usefixtures("in_tenant")
def test_leads_count_by_first_or_any_touch_within_the_period(tenant: Tenant) -> None:
    erp = campaign("ERP", starts_on=date(2026, 10, 1), ends_on=date(2026, 10, 31))
    ads = campaign("Ads", Sign(origin="Google", medium="cpc"), Sign(campaign_value="brand", origin="bing"))
    brought = [
        lead("mql", campaign="erp-2026", origin="google", medium="cpc"),
        lead("sql", campaign="erp-2026"),
        lead("customer", campaign="erp-2026", won=500_000),
        lead("customer", campaign="erp-2026", won=90_000, currency="USD"),
    ]
    # The last instant of the period in São Paulo, and the first one after it.
    last = datetime(2026, 11, 1, 2, 59, 59, tzinfo=UTC)
    brought.append(lead(campaign="erp-2026", created_at=last))
    lead(campaign="erp-2026", created_at=last + timedelta(seconds=1))
    lead(campaign="ERP-2026")
    bing = lead(campaign="brand", origin="bing")
    lead(campaign="brand", origin="yahoo")
    old = lead("customer", origin="google", won=70_000, won_at=OCTOBER - timedelta(days=5))
    for _time in range(2):
        touch(old, campaign="erp-2026")
    bought_after = lead("customer", won=30_000, origin="fair")
    touch(bought_after, campaign="erp-2026")
    touch(bought_after, at=OCTOBER + timedelta(days=90), campaign="erp-2026")
    touch(brought[1], campaign="erp-2026")
    add_spends(
        campaign=erp,
        spends=[spend(date(2026, 10, 1), 100_000), spend(date(2026, 10, 9), 100_001)],
        by=None,
        now=NOW,
    )

    first = figures(erp, tenant)
    assert (first.touched, first.brought, first.leads) == (7, 5, 5)
    assert first.reached == {"mql": 4, "sql": 3, "opportunity": 2, "customer": 2}
    assert (first.revenue_minor, first.others, first.spend_minor) == (500_000, 1, 200_001)
    assert (first.cost_per_lead, first.cost_per_sql, first.cost_per_customer) == (40_000, 66_667, 100_001)
    assert str(first.roi) == "150.0"
    touched = figures(erp, tenant, "any")
    assert (touched.leads, touched.reached["customer"]) == (7, 4)
    assert touched.revenue_minor == 530_000, "what was won before the touch is not the campaign's"
    by_source = figures(ads, tenant)
    assert (by_source.brought, by_source.spend_minor, by_source.roi, by_source.cost_per_lead) == (
        2,
        0,
        None,
        None,
    )

    def leads_of(fact: str, of: Campaign, *more: dict[str, Any]) -> set[int]:
        tree = {"all": [{"fact": fact, "op": "has_any", "value": [str(of.pk)]}, *more]}
        return leads_at(f"/?filter={json.dumps(tree)}")

    assert leads_of("first_campaigns", erp) == {each.pk for each in brought}
    assert leads_of("campaigns", erp) == {*(each.pk for each in brought), old.pk, bought_after.pk}
    customers = {"fact": "furthest_stage", "op": "in", "value": ["customer"]}
    assert leads_of("first_campaigns", erp, customers) == {brought[2].pk, brought[3].pk}
    assert leads_of("first_campaigns", ads) == {brought[0].pk, bing.pk}
    none = {"none": [{"fact": "campaigns", "op": "has_any", "value": [str(erp.pk), str(ads.pk)]}]}
    assert not leads_at(f"/?filter={json.dumps(none)}") & {old.pk, bing.pk, brought[0].pk}


@pytest.mark.usefixtures("in_tenant")
def test_a_campaign_that_can_not_be_is_refused_and_another_tenant_sees_none(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    erp = campaign()
    with pytest.raises(CampaignNameTaken):
        campaign()
    with pytest.raises(InvalidCampaign) as refused:
        campaign(" ", Sign(medium="cpc"), starts_on=date(2026, 2, 1), ends_on=date(2026, 1, 1))
    assert [each.field for each in refused.value.errors] == ["name", "ends_on", "signs"]
    change_campaign(campaign=erp, data=data_of(erp), by=None, now=NOW)
    assert not AuditEntry.objects.filter(act="campaign.changed").exists(), "nothing was changed"


def test_nothing_of_a_campaign_is_seen_from_another_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        erp = campaign()
        lead(campaign="erp-2026")
    with tenant_scope(other_tenant.pk):
        lead(campaign="erp-2026")
        assert figures(erp, other_tenant) == Figures()


def test_money_and_days_are_read_as_people_write_them(tenant: Tenant) -> None:
    amounts = {"1234.56": "1234.56", "1.234,56": "1234.56", "R$ 1,234.5": "1234.5", "1.234": "1234", "7": "7"}
    assert {text: plain_amount(text) for text in amounts} == amounts
    assert read_day("2026-10") == (date(2026, 10, 1), True)
    assert read_day("31/10/2026") == (date(2026, 10, 31), False)
    assert [read_day(text) for text in ("31/31/2026", "10-2026", "yesterday", "")] == [None] * 4
    pasted = "Data;Valor;Nota\n2026-10;1.234,56;Google Ads\n\n05/11/2026;80;"
    assert read_lines(text=pasted, tenant=tenant) == [
        spend(date(2026, 10, 1), 123_456, note="Google Ads", is_month=True),
        spend(date(2026, 11, 5), 8_000),
    ]
    with pytest.raises(InvalidSpend) as refused:
        read_lines(text="2026-10\t10\n2026-13\t-5", tenant=tenant)
    assert [each.field for each in refused.value.errors] == ["line 2", "line 2"]


def test_marketing_keeps_campaigns_and_managers_read_them(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        people = {role: make_member(role=role) for role in (Role.MARKETING, Role.MANAGER, Role.SDR)}
        lead("sql", campaign="erp-2026")
        lead("customer", campaign="erp-2026", won=900_000)

    def browser(role: Role) -> Client:
        client, user = Client(headers={"accept-language": "en"}), people[role].user
        assert user is not None
        client.force_login(user)
        return client

    marketing, pages = browser(Role.MARKETING), f"/t/{tenant.slug}/campaigns/"
    assert "erp-2026" in marketing.get(f"{pages}new/").content.decode(), "offered, since no campaign has it"
    given = {"name": "ERP", "values": "erp-2026", "sources": "linkedin", "ends_on": "2020-01-01"}
    assert marketing.post(f"{pages}new/", given | {"starts_on": "2026-01-01"}).status_code == 422
    assert marketing.post(f"{pages}new/", given | {"ends_on": ""}).status_code == 302
    with tenant_scope(tenant.pk):
        made = Campaign.objects.get()
        assert data_of(made).signs == [Sign("erp-2026"), Sign("", "linkedin")]
    own = f"{pages}{made.pk}/"
    wrong = marketing.post(f"{own}spend/", {"date": "soon", "amount": "x", "note": "Ads"})
    assert wrong.status_code == 422
    assert 'value="Ads"' in wrong.content.decode()
    assert marketing.post(f"{own}spend/", {"date": "2026-10", "amount": "1.000,00"}).status_code == 302
    refused = marketing.post(f"{own}spend/", {"lines": "2026-10;5\n2026-99;6"})
    assert refused.status_code == 422
    assert "2026-99;6" in refused.content.decode()
    page = marketing.get(own).content.decode()
    for words in ("BRL 1,000.00", "9,000.00", "800.0 %", "October 2026", "500.00"):
        assert words in page
    linked = [unescape(url) for url in re.findall(r'href="([^"]*filter=[^"]*)"', page)]
    [customers, *_same] = [url for url in linked if url.endswith("value%22%3A+%5B%22customer%22%5D%7D%5D%7D")]
    with tenant_scope(tenant.pk):
        assert len(leads_at(customers)) == 1
    listed = marketing.get(f"{pages}?by=any").content.decode()
    assert "BRL 1,000.00 spent on campaigns" in listed
    asked = {
        "address": "empresa.com.br/erp?a=1&utm_source=x#top",
        "utm_source": "linked in",
        "utm_campaign": "erp",
    }
    made_link = unescape(marketing.get(f"{own}link/", asked).content.decode())
    assert "https://empresa.com.br/erp?a=1&utm_source=linked+in&utm_campaign=erp#top" in made_link
    manager = browser(Role.MANAGER)
    assert manager.get(own).status_code == 200
    assert manager.post(f"{own}spend/", {"date": "2026-10", "amount": "1"}).status_code == 403
    assert browser(Role.SDR).get(pages).status_code == 403
    assert marketing.post(f"{own}delete/").status_code == 302
    with tenant_scope(tenant.pk):
        entries = AuditEntry.objects.filter(act__startswith="campaign.").order_by("pk")
        assert all("ERP" in sentence_of(each) for each in entries)
        assert [each.act for each in entries] == ["campaign.made", "campaign.spend_added", "campaign.deleted"]
        assert Lead.objects.count() == 2


def test_programs_keep_campaigns_and_what_they_cost(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        lead("mql", campaign="erp-2026")
    api = ApiCaller(tenant)
    bad = api.post("/campaigns/", {"name": "ERP", "signs": "erp", "starts_on": "soon", "budget": 3})
    assert (bad.status_code, [each["field"] for each in bad.json()["errors"]]) == (
        400,
        ["budget", "signs", "starts_on"],
    )
    made = api.post("/campaigns/", {"name": "ERP", "signs": [{"utm_campaign": "erp-2026"}]})
    assert (made.status_code, made.json()["figures"]["reached"]["mql"]) == (201, 1)
    path = f"/campaigns/{made.json()['id']}/"
    assert api.post("/campaigns/", {"name": "ERP", "signs": [{"utm_source": "x"}]}).status_code == 409
    assert api.post(f"{path}spend/", {"date": "2026-10-31", "amount": -1}).status_code == 400
    spent = api.post(f"{path}spend/", {"date": "2026-10", "amount": "250.5", "note": "Ads"})
    assert (spent.status_code, spent.json()["date"], spent.json()["amount"]) == (201, "2026-10", 250.5)
    changed = api.patch(path, {"ends_on": "2026-09-30", "note": "over"}).json()
    assert (changed["signs"][0]["utm_campaign"], changed["figures"]["leads"]) == ("erp-2026", 0)
    assert api.get("/campaigns/").json()["results"][0]["figures"]["spend"] == 250.5
    reader = ApiCaller(tenant, Scope.INSIGHT_READ)
    assert reader.get(path).status_code == 200
    assert reader.post(f"{path}spend/", {"date": "2026-10", "amount": 1}).status_code == 403
    entry = f"/api/v1{path}spend/{spent.json()['id']}/"
    assert [api.client.delete(entry).status_code for _time in range(2)] == [204, 404]
    assert api.client.delete(f"/api/v1{path}").status_code == 204
    assert api.get(path).status_code == 404
