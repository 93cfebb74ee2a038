from django.apps import AppConfig


class LeadsysConfig(AppConfig):
    name = "leadsys"

    def ready(self) -> None:
        import leadsys.celery  # noqa: F401 - so that web and commands wake this broker's workers
