"""Campaigns of so many leads that a page does not wait for the count: a worker's numbers, with their time."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from core.due import sweep_tenant
from insights import campaign_tallies
from insights.campaign_figures import Figures
from insights.campaign_tallies import read_shown
from insights.campaigns import (
    CampaignData,
    Sign,
    Spend,
    add_spends,
    change_campaign,
    delete_campaign,
    make_campaign,
)
from insights.models import Campaign, CampaignTally
from leads.listing import TookTooLong
from tenancy.models import Role, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member
from tests.conftest import NOW

NIGHT = NOW + timedelta(days=1)


@pytest.fixture
def too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting takes longer than a page may."""

    def limited_to(_milliseconds: int) -> None:
        raise TookTooLong

    monkeypatch.setattr(campaign_tallies, "limited_to", limited_to)


def data(*values: str, name: str = "ERP") -> CampaignData:
    return CampaignData(name, [Sign(campaign_value=value) for value in values])


def shown(campaign: Campaign, tenant: Tenant) -> Figures:
    return read_shown(campaign_ids=[campaign.pk], by="first", tenant=tenant).by_campaign[campaign.pk]


@pytest.mark.usefixtures("too_many", "in_tenant")
def test_a_worker_counts_when_a_campaign_is_made_changed_and_every_night(tenant: Tenant) -> None:
    make_lead(campaign="erp", stage="mql")
    campaign = make_campaign(data=data("erp"), by=None, now=NOW)
    add_spends(
        campaign=campaign, spends=[Spend(NOW.date(), is_month=False, amount_minor=5_000)], by=None, now=NOW
    )
    assert shown(campaign, tenant) == Figures(spend_minor=5_000, is_known=False)

    sweep_tenant(tenant_id=tenant.pk, now=NOW)
    counted = shown(campaign, tenant)
    assert (counted.leads, counted.reached["mql"], counted.spend_minor) == (1, 1, 5_000)

    make_lead(campaign="erp")
    make_lead(campaign="crm")
    assert shown(campaign, tenant).leads == 1
    sweep_tenant(tenant_id=tenant.pk, now=NIGHT)
    assert shown(campaign, tenant).leads == 2

    change_campaign(campaign=campaign, data=data("erp", "crm"), by=None, now=NIGHT)
    assert not shown(campaign, tenant).is_known
    sweep_tenant(tenant_id=tenant.pk, now=NIGHT)
    assert shown(campaign, tenant).leads == 3

    delete_campaign(campaign=campaign, by=None, now=NIGHT)
    sweep_tenant(tenant_id=tenant.pk, now=NIGHT + timedelta(days=1))
    assert not CampaignTally.objects.exists()


@pytest.mark.usefixtures("in_tenant")
def test_who_is_known_to_take_long_is_not_counted_while_somebody_waits(tenant: Tenant) -> None:
    make_lead(campaign="erp")
    campaign = make_campaign(data=data("erp"), by=None, now=NOW)
    sweep_tenant(tenant_id=tenant.pk, now=NOW)
    make_lead(campaign="erp")
    live = read_shown(campaign_ids=[campaign.pk], by="first", tenant=tenant)
    assert (live.is_live, live.by_campaign[campaign.pk].leads) == (True, 2)
    CampaignTally.objects.update(took_ms=campaign_tallies.WAIT_MS + 1)
    kept = read_shown(campaign_ids=[campaign.pk], by="first", tenant=tenant)
    assert (kept.counted_at, kept.by_campaign[campaign.pk].leads) == (NOW, 1)


@pytest.mark.usefixtures("too_many")
def test_the_pages_and_the_api_say_of_when_the_numbers_are(tenant: Tenant) -> None:
    client, api = Client(headers={"accept-language": "en"}), ApiCaller(tenant)
    with tenant_scope(tenant.pk):
        make_lead(campaign="erp")
        campaign = make_campaign(data=data("erp"), by=None, now=NOW)
        user = make_member(role=Role.MARKETING).user
    assert user is not None
    client.force_login(user)
    pages = f"/t/{tenant.slug}/campaigns/"
    for page in (pages, f"{pages}{campaign.pk}/"):
        assert "which it has not done yet" in client.get(page).content.decode()
    assert api.get(f"/campaigns/{campaign.pk}/").json()["figures"] is None

    assert client.post(f"{pages}count/").status_code == 302
    with tenant_scope(tenant.pk):
        sweep_tenant(tenant_id=tenant.pk, now=timezone.now())
    for page in (pages, f"{pages}{campaign.pk}/"):
        assert "counts them every night" in client.get(page).content.decode()
    answer = api.get(f"/campaigns/{campaign.pk}/").json()
    assert (answer["figures"]["leads"], answer["counted_at"] is not None) == (1, True)
