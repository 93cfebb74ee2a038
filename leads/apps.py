from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "leads"

    def ready(self) -> None:
        from leads.conditions.event_facts import register_event_facts
        from leads.conditions.lead_facts import register_lead_facts

        register_lead_facts()
        register_event_facts()
