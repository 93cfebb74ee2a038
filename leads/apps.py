from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "leads"

    def ready(self) -> None:
        import leads.capture.import_steps  # what workers do for imports by the pages
        import leads.exports  # what workers do for files of leads
        import leads.reruns  # what happens to leads when rules are published
        import leads.steps  # noqa: F401 - due rows and notifications of the steps
        from leads.acts.owning import register_claims
        from leads.capture.hosted_forms import make_default_forms
        from leads.capture.submissions import register_submissions
        from leads.conditions.event_facts import register_event_facts
        from leads.conditions.lead_facts import register_lead_facts
        from leads.framework_editing import register_framework_form
        from leads.gate_editing import register_gate_form
        from leads.gates import publish_default_gates
        from leads.navigation import register_places
        from leads.qualification.frameworks import publish_default_frameworks
        from leads.reasons import publish_default_reasons
        from leads.rulebook import register_hub_rules
        from leads.why_stage import register_why_stage
        from tenancy.defaults import register_default_part

        register_lead_facts()
        register_event_facts()
        register_claims()
        register_submissions()
        register_default_part(publish_default_reasons)
        register_default_part(publish_default_frameworks)
        register_default_part(publish_default_gates)
        register_why_stage()
        register_hub_rules()
        register_gate_form()
        register_framework_form()
        register_default_part(make_default_forms)
        register_places()
