"""Values of utm_campaign that leads carry and no campaign has among its signs: what a campaign may yet be made of."""

from typing import Final

from django.db import connection

from leads.listing import TookTooLong, limited_to

MOST: Final = 12
LIMIT_MS: Final = 500


def list_unclaimed() -> list[tuple[str, int]]:
    """The values that most leads carry, with how many; nothing where counting takes too long."""
    try:
        with limited_to(LIMIT_MS), connection.cursor() as cursor:
            cursor.execute(_UNCLAIMED, {"most": MOST})
            return list(cursor.fetchall())
    except TookTooLong:
        return []


_UNCLAIMED: Final = """
SELECT lead.campaign, count(*) FROM leads_lead lead
WHERE lead.campaign IS NOT NULL
  AND NOT EXISTS (SELECT FROM insights_campaignsign sign WHERE sign.campaign_value = lead.campaign)
GROUP BY lead.campaign ORDER BY count(*) DESC, lead.campaign LIMIT %(most)s
"""
