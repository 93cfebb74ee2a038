from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        import core.stored_files  # noqa: F401 - what happens to files that expire
        from core.due import register_due_kind
        from core.notifications import register_notification_kind
        from core.saved_views.services import VIEW_ACTS
        from core.webhooks.endpoints import SETTINGS_PAGE
        from core.webhooks.sending import NOTICE, SENDS, TIDIES
        from tenancy.audit import register_acts
        from tenancy.settings_pages import register_settings_page

        register_due_kind(SENDS)
        register_due_kind(TIDIES)
        register_notification_kind(NOTICE)
        register_settings_page(SETTINGS_PAGE)
        register_acts(VIEW_ACTS)
