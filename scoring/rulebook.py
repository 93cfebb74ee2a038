"""The scoring model and the grade criteria in words."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.conditions.describe import describe_condition
from leads.conditions.event_types import event_words
from leads.models import RuleKind
from leads.rulebook import RuleGroup, RuleLine, register_rule_lines, sentence
from scoring.documents import Count, Criterion, EventRule, GradeCriteria, LeadRule, ScoringModel, ScoringRule
from scoring.why import has_empty_list, signed


def scoring_in_words(model: ScoringModel) -> list[RuleGroup]:
    """Each rule with what it counts and its points."""
    outro = _("Rules are added up; a score is never below 0.")
    if model.model_cap is not None:
        cap = signed(model.model_cap).removeprefix("+")
        outro = _("Rules are added up; a score is never below 0 and never above %(cap)s.") % {"cap": cap}
    return [RuleGroup(lines=[_rule_line(rule) for rule in model.rules], outro=outro)]


def _rule_line(rule: ScoringRule) -> RuleLine:
    cap = "" if isinstance(rule, LeadRule) or rule.cap is None else signed(rule.cap).removeprefix("+")
    return RuleLine(
        label=str(rule.label),
        detail=sentence(describe_condition(rule.when)) if isinstance(rule, LeadRule) else _event_rule(rule),
        effect=signed(rule.points),
        note=_("cap %(cap)s") % {"cap": cap} if cap else "",
        tone="good" if rule.points > 0 else "late",
        key=rule.id,
    )


def _event_rule(rule: EventRule) -> str:
    what = event_words(rule.event_type)
    if rule.where is not None:
        what = _("%(event)s where %(condition)s") % {
            "event": what,
            "condition": describe_condition(rule.where),
        }
    how_long = _("for ever")
    if rule.window_days is not None:
        how_long = ngettext("within %(count)s day", "within %(count)s days", rule.window_days) % {
            "count": rule.window_days
        }
    how_often = {Count.EACH: _("each time"), Count.FIRST: _("only the first"), Count.DAILY: _("once a day")}
    return " · ".join([what, how_long, how_often[rule.count]])


def _criterion(criterion: Criterion) -> str:
    if has_empty_list(criterion.when):
        return _("This list is still empty: the criterion says nothing yet.")
    return sentence(describe_condition(criterion.when))


def grading_in_words(criteria: GradeCriteria) -> list[RuleGroup]:
    """Each criterion with its steps, and where the scale starts."""
    lines = [
        RuleLine(
            label=str(criterion.label),
            detail=_criterion(criterion),
            effect=_("±%(steps)s") % {"steps": criterion.steps},
            tone="act",
            key=criterion.id,
        )
        for criterion in criteria.criteria
    ]
    intro = _("Every lead starts at %(grade)s.") % {"grade": criteria.start.label}
    outro = _(
        "A criterion that is met lifts the grade by its steps, one that is not met lowers it by as many, "
        "one that is unknown leaves it. The scale goes from F to A+."
    )
    return [RuleGroup(intro=intro, lines=lines, outro=outro)]


def register_scoring_rules() -> None:
    """Make the words known; called once, when the app is ready."""
    register_rule_lines(RuleKind.SCORING, scoring_in_words)
    register_rule_lines(RuleKind.GRADING, grading_in_words)
