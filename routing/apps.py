from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"

    def ready(self) -> None:
        from core.due import register_due_kind
        from leads.clocks import register_clock_reader
        from leads.erasure.holdings import holds_nothing
        from leads.models import RuleKind
        from leads.panels import register_panel
        from leads.takeout.tables import register_taken
        from leads.versions import DocumentKind, register_document_kind
        from leads.why import register_why
        from routing.defaults import publish_default_routing
        from routing.editing import register_routing_form
        from routing.escalation import SHARES_DUE
        from routing.facts import register_clock_facts
        from routing.leaving import MEMBER_LEFT, member_changed
        from routing.merging import register_tables
        from routing.notices import register_notices
        from routing.panels import CLOCKS_PANEL
        from routing.policies import parse_clocks
        from routing.recounting import RECOUNT_DUE
        from routing.rulebook import register_routing_rules
        from routing.rules import parse_routing, parse_routing_draft
        from routing.selectors import CLOCK_READER
        from routing.settings_places import SETTINGS_PAGES
        from routing.takeout import TAKEN
        from routing.why import explain_clocks, explain_owner
        from tenancy.defaults import register_default_part
        from tenancy.members import register_member_listener
        from tenancy.settings_pages import register_settings_page

        register_taken(*TAKEN)
        holds_nothing("routing.Calendar", "routing.Pool", why="What the tenant has set up.")
        register_document_kind(
            DocumentKind(RuleKind.ROUTING, parse=parse_routing, parse_draft=parse_routing_draft)
        )
        register_document_kind(DocumentKind(RuleKind.CLOCKS, parse=parse_clocks))
        register_default_part(publish_default_routing)
        register_due_kind(SHARES_DUE)
        register_due_kind(RECOUNT_DUE)
        register_due_kind(MEMBER_LEFT)
        register_member_listener(member_changed)
        register_notices()
        register_clock_reader(CLOCK_READER)
        register_clock_facts()
        register_tables()
        register_why("owner", explain_owner)
        register_why("clocks", explain_clocks)
        register_panel(CLOCKS_PANEL)
        register_routing_rules()
        for page in SETTINGS_PAGES:
            register_settings_page(page)
        register_routing_form()
