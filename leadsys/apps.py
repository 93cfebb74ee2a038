from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LeadsysConfig(AppConfig):
    name = "leadsys"

    def ready(self) -> None:
        """Let web and commands wake this broker's workers; say how the demo's one act reads on the audit page."""
        import leadsys.celery  # noqa: F401 - becomes the default application of every thread
        from tenancy.audit import register_acts

        register_acts({"demo.day_told": _("Told a day of the demo: %(subject)s")})
