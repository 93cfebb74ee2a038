"""Sequences in words."""

import json
from datetime import timedelta

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from leads.conditions.describe import describe_condition
from leads.models import RuleKind
from leads.rulebook import RuleGroup, RuleLine, register_rule_lines, sentence
from nurturing.sequences import ConditionStep, EmailStep, ExitStep, SequenceRules, Step, WaitStep


def sequence_in_words(rules: SequenceRules) -> list[RuleGroup]:
    """The steps in order, and what ends the sequence."""
    lines = [_line(index, step, rules) for index, step in enumerate(rules.steps)]
    outro = ""
    if rules.exit_when is not None:
        outro = _("Ends as soon as %(condition)s.") % {"condition": describe_condition(rules.exit_when)}
    return [RuleGroup(lines=lines, outro=outro, is_numbered=True)]


def _line(index: int, step: Step, rules: SequenceRules) -> RuleLine:
    match step:
        case EmailStep():
            return RuleLine(
                label=_("E-mail: %(subject)s") % {"subject": _subject(step)},
                tone="act",
                key=step.id,
                unseen=json.dumps(step.texts, sort_keys=True),
            )
        case WaitStep():
            return RuleLine(label=_("Wait %(time)s") % {"time": _time(step.duration)}, key=step.id)
        case ConditionStep():
            return RuleLine(
                label=sentence(describe_condition(step.when)),
                detail=_("If so %(one)s, otherwise %(other)s")
                % {"one": _goes(step.then, index, rules), "other": _goes(step.otherwise, index, rules)},
                tone="soon",
                key=step.id,
            )
        case ExitStep():
            return RuleLine(label=_("End"), key=step.id)


def _subject(step: EmailStep) -> str:
    _language, wording = step.wording_in([(get_language() or "").lower()])
    return wording.subject_alone()


def _time(duration: timedelta) -> str:
    hours = round(duration.total_seconds() / 3600)
    if hours % 24 == 0:
        return ngettext("%(count)s day", "%(count)s days", hours // 24) % {"count": hours // 24}
    return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}


def _goes(to: int, index: int, rules: SequenceRules) -> str:
    if to >= len(rules.steps):
        return _("the sequence ends")
    if to == index + 1:
        return _("it goes on")
    return _("it goes on with step %(number)s") % {"number": to + 1}


def register_sequence_rules() -> None:
    """Make the words known; called once, when the app is ready."""
    register_rule_lines(RuleKind.SEQUENCE, sequence_in_words)
