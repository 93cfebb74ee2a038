from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"

    def ready(self) -> None:
        from core.due import register_due_kind
        from leads.models import RuleKind
        from leads.versions import DocumentKind, register_document_kind
        from routing.defaults import publish_default_routing
        from routing.escalation import SHARES_DUE
        from routing.notices import register_notices
        from routing.policies import parse_clocks
        from routing.rules import parse_routing
        from tenancy.defaults import register_default_part

        register_document_kind(DocumentKind(RuleKind.ROUTING, parse=parse_routing))
        register_document_kind(DocumentKind(RuleKind.CLOCKS, parse=parse_clocks))
        register_default_part(publish_default_routing)
        register_due_kind(SHARES_DUE)
        register_notices()
