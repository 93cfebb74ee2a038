from django.apps import AppConfig


class LeadsysConfig(AppConfig):
    name = "leadsys"

    def ready(self) -> None:
        """Let web and commands wake this broker's workers."""
        import leadsys.celery  # noqa: F401 - becomes the default application of every thread
