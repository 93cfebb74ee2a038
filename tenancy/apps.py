from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenancyConfig(AppConfig):
    name = "tenancy"
    verbose_name = _("Tenants and people")

    def ready(self) -> None:
        from tenancy.navigation import NavigationItem, register_navigation

        register_navigation(
            NavigationItem(
                key="settings",
                label=_("Settings"),
                icon="settings",
                url_name="settings",
                section="operations",
                right="team.manage",
                order=900,
            )
        )
