from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NurturingConfig(AppConfig):
    name = "nurturing"

    def ready(self) -> None:
        from core.due import register_due_kind
        from core.saved_views.kinds import register_list
        from leads.erasure.holdings import holds_nothing, register_holding
        from leads.models import RuleKind
        from leads.panels import register_panel
        from leads.takeout.tables import register_taken
        from leads.timeline import register_timeline_source
        from leads.versions import DocumentKind, register_document_kind
        from nurturing.bulk import register_bulk_acts
        from nurturing.default_pack import publish_default_sequences
        from nurturing.editing import register_sequence_form
        from nurturing.erasure import MESSAGES
        from nurturing.facts import register_nurturing_facts
        from nurturing.merging import register_tables
        from nurturing.outbox import OUTBOX
        from nurturing.panels import NURTURE_PANEL, list_story
        from nurturing.retention import register_message_retention
        from nurturing.rulebook import register_sequence_rules
        from nurturing.sequences import check_sequence_name, parse_new_sequence, parse_sequence
        from nurturing.takeout import TAKEN
        from nurturing.walking import STEPS_DUE
        from tenancy.audit import register_acts
        from tenancy.defaults import register_default_part
        from tenancy.navigation import NavigationItem, register_navigation

        register_list(OUTBOX)
        register_document_kind(
            DocumentKind(
                RuleKind.SEQUENCE,
                parse=parse_sequence,
                parse_draft=parse_new_sequence,
                check_name=check_sequence_name,
            )
        )
        register_default_part(publish_default_sequences)
        register_due_kind(STEPS_DUE)
        register_nurturing_facts()
        register_tables()
        register_sequence_rules()
        register_sequence_form()
        register_bulk_acts()
        register_holding(MESSAGES)
        register_taken(*TAKEN)
        register_message_retention()
        holds_nothing("nurturing.Enrollment", why="Which sequence, which step.")
        holds_nothing("nurturing.Suppression", why="Hashes of addresses.")
        register_panel(NURTURE_PANEL)
        register_timeline_source(list_story)
        register_acts({"message.sent_again": _("Sent a message to %(subject)s again")})
        register_navigation(
            NavigationItem(
                key="outbox",
                label=_("Outbox"),
                icon="mail-forward",
                url_name="outbox",
                section="marketing",
                right="outbox.read",
                order=40,
            )
        )
