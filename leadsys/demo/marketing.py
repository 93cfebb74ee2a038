"""What marketing of the demo tenant has to look at: campaigns with what they cost, and people who came a second time."""

import random
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from core.due import hold_sweeps
from insights.campaigns import CampaignData, Sign, Spend, add_spends, make_campaign
from insights.models import Campaign
from leads.capture.fields import read_submission
from leads.capture.intake import run_after_intake, take_in
from leads.capture.rules import open_rules
from leads.merging.duplicates import advance_search, start_search
from leads.models import Lead
from leads.pipeline import Reason, ReasonCode
from leadsys.demo.words import CAMPAIGNS, ascii_word
from tenancy.models import Membership, Role, Tenant
from tenancy.scope import tenant_scope

# Name, and what a month costs at least and at most, in whole units, by utm_campaign.
BUDGETS: Final[dict[str, tuple[str, int, int]]] = {
    "erp-2026": ("ERP 2026", 9_000, 16_000),
    "guia-implantacao": ("Guia de implantação", 1_500, 3_000),
    "feira-industria": ("Feira da indústria", 12_000, 24_000),
    "planilha-zero": ("Planilha zero", 3_000, 6_000),
    "webinar-custos": ("Webinar de custos", 800, 2_000),
}
CAME_AGAIN: Final = 9


def keep_campaigns(*, tenant: Tenant, now: datetime, days: int, seed: int) -> None:
    """The campaigns that the story's leads come from, with what each month of it cost; once."""
    dice = random.Random(f"{seed} campaigns")  # noqa: S311 - dice for a story
    today = now.astimezone(ZoneInfo(tenant.time_zone)).date()
    with tenant_scope(tenant.pk):
        if Campaign.objects.exists():
            return
        by = Membership.objects.filter(roles__contains=[Role.MARKETING]).order_by("pk").first()
        for value in CAMPAIGNS:
            name, least, most = BUDGETS[value]
            campaign = make_campaign(
                data=CampaignData(name, [Sign(campaign_value=value)], owner=by), by=by, now=now
            )
            spends = [
                Spend(month, is_month=True, amount_minor=dice.randrange(least, most) * 100)
                for month in months_of(today, days)
            ]
            add_spends(campaign=campaign, spends=spends, by=by, now=now)


def months_of(today: date, days: int) -> Iterator[date]:
    """The first days of the months that these days touch, the earliest first."""
    first = date.fromordinal(today.toordinal() - days).replace(day=1)
    while first <= today:
        yield first
        first = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def come_again(*, tenant: Tenant, now: datetime) -> None:
    """Some people write from a private address too, and the search of the night proposes that they are one; once."""
    with hold_sweeps(tenant_id=tenant.pk), tenant_scope(tenant.pk):
        people = Lead.objects.filter(external_id__startswith="demo-", phone__gt="").exclude(first_name="")
        known = list(people.order_by("-created_at", "-pk")[:CAME_AGAIN])
        documents = [
            {
                "external_id": f"again-{lead.external_id}",
                "email": f"{ascii_word(lead.first_name)}.{ascii_word(lead.last_name)}@privado.example",
                "first_name": lead.first_name,
                "last_name": lead.last_name,
                "phone": lead.phone,
                "origin": "Direct traffic",
            }
            for lead in known
        ]
        if not known or Lead.objects.filter(external_id__startswith="again-").exists():
            return
        rules = open_rules(tenant=tenant)
        rows = [read_submission(document=document, rules=rules, now=now)[0] for document in documents]
        run_after_intake(
            taken=take_in(rows=rows, now=now, is_live=True), reason=Reason(ReasonCode.CAPTURED), now=now
        )
        search = start_search(now=now)
        while advance_search(search=search, now=now):
            pass
