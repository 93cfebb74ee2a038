from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "leads"

    def ready(self) -> None:
        from leads.acts.owning import register_claims
        from leads.capture.hosted_forms import make_default_forms
        from leads.capture.import_steps import register_imports
        from leads.capture.submissions import register_submissions
        from leads.companies import register_companies
        from leads.conditions.event_facts import register_event_facts
        from leads.conditions.lead_facts import register_lead_facts
        from leads.exports import register_exports
        from leads.framework_editing import register_framework_form
        from leads.gate_editing import register_gate_form
        from leads.gates import publish_default_gates
        from leads.lead_tasks import register_lead_tasks
        from leads.merging.duplicates import register_duplicates
        from leads.merging.merge import register_merging
        from leads.merging.tables import register_hub_tables
        from leads.navigation import register_places
        from leads.notes import register_notes
        from leads.panels import register_panel
        from leads.qualification.frameworks import publish_default_frameworks
        from leads.reasons import publish_default_reasons
        from leads.reruns import register_reruns
        from leads.rulebook import register_hub_rules
        from leads.steps import register_steps
        from leads.views.lead_deals import DEALS_PANEL
        from leads.views.lead_tasks import TASKS_PANEL
        from leads.views.merging import DUPLICATES_PANEL
        from leads.views.notes import NOTES_PANEL
        from leads.why_stage import register_why_stage
        from tenancy.defaults import register_default_part

        register_lead_facts()
        register_event_facts()
        register_claims()
        register_submissions()
        register_imports()
        register_exports()
        register_steps()
        register_reruns()
        register_why_stage()
        register_hub_rules()
        register_gate_form()
        register_framework_form()
        register_places()
        register_companies()
        register_hub_tables()
        register_merging()
        register_duplicates()
        register_notes()
        register_lead_tasks()
        for part in (
            publish_default_reasons,
            publish_default_frameworks,
            publish_default_gates,
            make_default_forms,
        ):
            register_default_part(part)
        for panel in (DUPLICATES_PANEL, DEALS_PANEL, TASKS_PANEL, NOTES_PANEL):
            register_panel(panel)
