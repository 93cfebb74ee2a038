from functools import partial

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        import scoring.steps  # noqa: F401 - its due kinds
        from leads.models import RuleKind
        from leads.timeline import register_points_reader
        from leads.versions import DocumentKind, register_document_kind
        from leads.why import register_why
        from scoring.default_pack import publish_default_pack
        from scoring.documents import parse_grading, parse_scoring
        from scoring.editing import register_scoring_forms
        from scoring.event_points import points_of_events
        from scoring.rulebook import register_scoring_rules
        from scoring.why import explain_grade, explain_score
        from tenancy.defaults import register_default_part

        for kind, parse in ((RuleKind.SCORING, parse_scoring), (RuleKind.GRADING, parse_grading)):
            register_document_kind(
                DocumentKind(kind, parse=parse, parse_draft=partial(parse, allow_retired=False))
            )
        register_default_part(publish_default_pack)
        register_scoring_rules()
        register_scoring_forms()
        register_points_reader(points_of_events)
        register_why("score", explain_score)
        register_why("grade", explain_grade)
