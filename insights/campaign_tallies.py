"""Campaigns' numbers for a page: counted while somebody waits if that is soon done, else as a worker counted them last.

A worker counts each campaign every night, when it is made or changed, and when somebody asks.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.due import DueKind, cancel, register_due_kind, schedule
from core.nights import next_night
from insights.campaign_figures import By, Figures, read_figures, read_spent
from insights.models import Campaign, CampaignTally
from leads.listing import TookTooLong, limited_to
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id

TALLY_KIND: Final = "campaign.tally"
# A page waits so long for numbers of this moment.
WAIT_MS: Final = 1_500


@dataclass(frozen=True)
class ShownFigures:
    """Numbers by campaign. ``counted_at``: when the oldest were counted; None where they are of this moment, or unknown."""

    by_campaign: dict[int, Figures]
    counted_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether they are of this moment."""
        return self.counted_at is None and all(each.is_known for each in self.by_campaign.values())


def read_shown(*, campaign_ids: Sequence[int], by: By, tenant: Tenant) -> ShownFigures:
    """The numbers of campaigns of the current tenant, of this moment where that is soon done."""
    kept = {
        tally.campaign_id: tally
        for tally in CampaignTally.objects.filter(
            campaign_id__in=campaign_ids, is_any=by == "any", currency=tenant.currency
        )
    }
    if sum(tally.took_ms for tally in kept.values()) <= WAIT_MS:
        try:
            with limited_to(WAIT_MS):
                return ShownFigures(read_figures(campaign_ids=campaign_ids, by=by, tenant=tenant))
        except TookTooLong:
            pass
    spent = read_spent(campaign_ids=campaign_ids)
    figures = {
        campaign_id: replace(_figures_of(kept.get(campaign_id)), spend_minor=spent.get(campaign_id, 0))
        for campaign_id in campaign_ids
    }
    return ShownFigures(figures, min((tally.counted_at for tally in kept.values()), default=None))


def _figures_of(tally: CampaignTally | None) -> Figures:
    if tally is None:
        return Figures(is_known=False)
    return Figures(
        tally.touched, tally.brought, tally.leads, tally.reached, tally.revenue_minor, tally.others
    )


def count_soon(*, campaign_ids: Sequence[int], now: datetime) -> None:
    """Let a worker count these campaigns."""
    schedule(kind=TALLY_KIND, due=dict.fromkeys(campaign_ids, now))


def forget_tally(*, campaign_id: int, now: datetime) -> None:
    """What was counted is no longer what the campaign says: count it anew."""
    CampaignTally.objects.filter(campaign_id=campaign_id).delete()
    count_soon(campaign_ids=[campaign_id], now=now)


def stop_counting(*, campaign_id: int) -> None:
    """Of a campaign that goes."""
    cancel(kind=TALLY_KIND, subjects=[campaign_id])


def tally_due(campaign_ids: Sequence[int], now: datetime) -> None:
    """Count campaigns, and again the next night."""
    tenant = Tenant.objects.get(pk=require_tenant_id())
    for campaign in Campaign.objects.filter(pk__in=campaign_ids):
        for by in ("first", "any"):
            _tally(campaign, by, tenant, now)
        schedule(kind=TALLY_KIND, due={campaign.pk: next_night(now)})


def _tally(campaign: Campaign, by: By, tenant: Tenant, now: datetime) -> None:
    began_at = time.monotonic()
    figures = read_figures(campaign_ids=[campaign.pk], by=by, tenant=tenant)[campaign.pk]
    CampaignTally.objects.update_or_create(
        campaign=campaign,
        is_any=by == "any",
        defaults={
            "counted_at": now,
            "took_ms": int((time.monotonic() - began_at) * 1000),
            "touched": figures.touched,
            "brought": figures.brought,
            "leads": figures.leads,
            "reached": figures.reached,
            "revenue_minor": figures.revenue_minor,
            "others": figures.others,
            "currency": tenant.currency,
        },
    )


def register_campaign_tallies() -> None:
    """Let workers count campaigns. Call it when the app is ready."""
    register_due_kind(DueKind(TALLY_KIND, act=tally_due, batch_size=1))
