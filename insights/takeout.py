"""What goes out of the tables of campaigns."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from leads.takeout.tables import TakenTable

TAKEN: Final = (
    TakenTable(
        model="insights.Campaign",
        file="campaigns",
        about=_("Campaigns"),
        columns=("id", "name", "starts_on", "ends_on", "owner_id", "note", "created_at"),
    ),
    TakenTable(
        model="insights.CampaignSign",
        file="campaign_signs",
        about=_("By what the leads of a campaign are known"),
        columns=("id", "campaign_id", "campaign_value", "origin", "medium"),
    ),
    TakenTable(
        model="insights.CampaignSpend",
        file="campaign_spends",
        about=_("What campaigns cost"),
        columns=("id", "campaign_id", "spent_on", "is_month", "amount_minor", "note", "created_at"),
        notes={"amount_minor": "In hundredths of the currency."},
    ),
)
