from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        import core.stored_files  # noqa: F401 - what happens to files that expire
