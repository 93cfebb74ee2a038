from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InsightsConfig(AppConfig):
    name = "insights"

    def ready(self) -> None:
        from tenancy.navigation import NavigationItem, register_navigation

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
