from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InsightsConfig(AppConfig):
    name = "insights"

    def ready(self) -> None:
        from core.saved_views.kinds import register_list
        from core.scrape import register_reader
        from insights.campaign_list import CAMPAIGNS
        from insights.campaign_tallies import register_campaign_tallies
        from insights.deeds import register_deeds
        from insights.facts import register_campaign_facts
        from insights.home import register_home_parts
        from insights.operation import read_gauges
        from insights.takeout import TAKEN
        from leads.erasure.holdings import holds_nothing
        from leads.takeout.tables import register_staying, register_taken
        from tenancy.navigation import NavigationItem, register_navigation

        register_list(CAMPAIGNS)
        register_reader("operation", read_gauges)
        register_campaign_facts()
        register_campaign_tallies()
        register_deeds()
        register_home_parts()
        register_taken(*TAKEN)
        register_staying("insights.CampaignTally", why="Counted from leads and deals.")
        holds_nothing(
            *(
                "insights.Campaign",
                "insights.CampaignSign",
                "insights.CampaignSpend",
                "insights.CampaignTally",
            ),
            why="Campaigns and what they cost.",
        )
        register_navigation(
            NavigationItem(
                key="funnel",
                label=_("Funnel"),
                icon="chart-funnel",
                url_name="funnel",
                section="marketing",
                right="funnel.read",
                order=10,
            )
        )
        register_navigation(
            NavigationItem(
                key="campaigns",
                label=_("Campaigns"),
                icon="flag",
                url_name="campaign-list",
                section="marketing",
                right="campaign.read",
                order=20,
            )
        )
