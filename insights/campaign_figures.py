"""What campaigns brought and cost: leads, how far they came, revenue, and what one of each cost. Meanings in docs/campaigns.md.

*first* counts the leads whose first contact was the campaign's, *any* those that it touched at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal

from django.db import connection
from django.db.models import Sum

from insights.models import CampaignSpend
from leads.models import FORWARD_STAGES, Stage
from tenancy.models import Tenant

By = Literal["first", "any"]
# Up to where a lead has to have come to count.
COUNTED: Final = (Stage.MARKETING_QUALIFIED, Stage.SALES_QUALIFIED, Stage.OPPORTUNITY, Stage.CUSTOMER)


@dataclass(frozen=True)
class Figures:
    """A campaign's numbers. Money in minor units of the tenant's currency; ``others`` deals were won in another one.

    ``touched`` and ``brought`` are the same whichever way leads are counted; the rest follows it. Where they are not known
    nobody has counted yet: only what was spent is.
    """

    touched: int = 0
    brought: int = 0
    leads: int = 0
    reached: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((stage.value for stage in COUNTED), 0)
    )
    revenue_minor: int = 0
    others: int = 0
    spend_minor: int = 0
    is_known: bool = True

    def cost_of(self, count: int) -> int | None:
        """What one of so many cost, rounded half up to the minor unit; None of none."""
        if not count:
            return None
        return int((Decimal(self.spend_minor) / count).quantize(Decimal(1), ROUND_HALF_UP))

    @property
    def cost_per_lead(self) -> int | None:
        return self.cost_of(self.leads) if self.spend_minor else None

    @property
    def cost_per_sql(self) -> int | None:
        return self.cost_of(self.reached[Stage.SALES_QUALIFIED]) if self.spend_minor else None

    @property
    def cost_per_customer(self) -> int | None:
        return self.cost_of(self.reached[Stage.CUSTOMER]) if self.spend_minor else None

    @property
    def roi(self) -> Decimal | None:
        """(revenue - spend) / spend in percent, one decimal, half up; None where nothing was spent."""
        if not self.spend_minor:
            return None
        gain = Decimal(self.revenue_minor - self.spend_minor) / self.spend_minor * 100
        return gain.quantize(Decimal("0.1"), ROUND_HALF_UP)


def read_figures(*, campaign_ids: Sequence[int], by: By, tenant: Tenant) -> dict[int, Figures]:
    """The numbers of campaigns of the current tenant, in one statement whatever their number."""
    parameters: dict[str, Any] = {
        "campaigns": list(campaign_ids),
        "is_any": by == "any",
        "currency": tenant.currency,
    }
    found: dict[int, Figures] = {campaign_id: Figures() for campaign_id in campaign_ids}
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, parameters)
        for campaign_id, touched, brought, leads, *more in cursor.fetchall():
            reached = dict(zip((stage.value for stage in COUNTED), more[: len(COUNTED)], strict=True))
            revenue, others, spend = more[len(COUNTED) :]
            found[campaign_id] = Figures(touched, brought, leads, reached, int(revenue), others, int(spend))
    return found


def read_spent(*, campaign_ids: Sequence[int]) -> dict[int, int]:
    """What was spent on campaigns, in minor units; those on which nothing was are missing."""
    spends = CampaignSpend.objects.filter(campaign_id__in=campaign_ids)
    return dict(spends.values_list("campaign_id").annotate(spent=Sum("amount_minor")))


_REACHED: Final = ", ".join(
    f"count(*) FILTER (WHERE is_counted AND furthest_stage >= {FORWARD_STAGES.index(stage)}) AS reached_{stage.value}"
    for stage in COUNTED
)
# Only constants are put into the text. Deals count that were won since the contact; of the leads that a campaign brought, all.
_FIGURES: Final = f"""
WITH contact AS MATERIALIZED (
    SELECT found.campaign_id, found.lead, found.is_first, found.is_first OR %(is_any)s::boolean AS is_counted,
           state.furthest_stage, found.contact_at
    FROM insights_campaignlead found
    JOIN leads_leadstate state ON state.lead_id = found.lead
    WHERE found.campaign_id = ANY (%(campaigns)s::bigint[])
), counted AS (
    SELECT campaign_id, count(*) AS touched, count(*) FILTER (WHERE is_first) AS brought,
           count(*) FILTER (WHERE is_counted) AS leads, {_REACHED}
    FROM contact GROUP BY campaign_id
), deals AS (
    SELECT contact.campaign_id,
           COALESCE(sum(deal.amount_minor) FILTER (WHERE deal.currency = %(currency)s), 0) AS revenue,
           count(*) FILTER (WHERE deal.currency <> %(currency)s AND deal.amount_minor IS NOT NULL) AS others
    FROM contact
    JOIN leads_opportunity deal ON deal.lead_id = contact.lead AND deal.outcome = 'won'
    WHERE contact.is_counted AND contact.furthest_stage = {FORWARD_STAGES.index(Stage.CUSTOMER)}
      AND (NOT %(is_any)s::boolean OR contact.is_first OR deal.closed_at >= contact.contact_at)
    GROUP BY contact.campaign_id
), spent AS (
    SELECT campaign_id, sum(amount_minor) AS spend FROM insights_campaignspend
    WHERE campaign_id = ANY (%(campaigns)s::bigint[]) GROUP BY campaign_id
)
SELECT wanted.id, COALESCE(counted.touched, 0), COALESCE(counted.brought, 0), COALESCE(counted.leads, 0),
       {", ".join(f"COALESCE(counted.reached_{stage.value}, 0)" for stage in COUNTED)},
       COALESCE(deals.revenue, 0), COALESCE(deals.others, 0), COALESCE(spent.spend, 0)
FROM unnest(%(campaigns)s::bigint[]) AS wanted (id)
LEFT JOIN counted ON counted.campaign_id = wanted.id
LEFT JOIN deals ON deals.campaign_id = wanted.id
LEFT JOIN spent ON spent.campaign_id = wanted.id
"""  # noqa: S608
