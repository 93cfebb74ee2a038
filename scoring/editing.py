"""How the scoring model and the grade criteria are edited."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.conditions.event_types import event_words, list_event_types
from leads.conditions.values import GRADES
from leads.models import RuleKind
from leads.rule_forms import (
    ChoiceEntry,
    ConditionEntry,
    DecimalEntry,
    DocumentForm,
    HiddenEntry,
    LabelEntry,
    Option,
    RowKind,
    TextEntry,
    WholeNumberEntry,
    register_document_form,
)
from scoring.documents import FOLLOWS_FROM_RULES, MAX_STEPS, Count


def _event_types() -> list[Option]:
    return [(type_, event_words(type_)) for type_ in list_event_types()]


def _counts() -> list[Option]:
    words = {
        Count.EACH: _("each time"),
        Count.FIRST: _("only the first"),
        Count.DAILY: _("once a day"),
    }
    return [(count.value, str(words[count])) for count in Count]


def _grades() -> list[Option]:
    return [(letter, letter) for letter in reversed(GRADES)]


def _steps() -> list[Option]:
    return [(str(steps), f"±{steps}") for steps in range(1, MAX_STEPS + 1)]


_EVENT_RULE = RowKind(
    key="event",
    add_label=_("Rule on what a lead does"),
    matches=lambda row: row.get("when") is None,
    blank={"event": {}, "count": Count.EACH.value, "window_days": 30},
    entries=[
        HiddenEntry(path="id"),
        LabelEntry(path="label", label=_("Name")),
        TextEntry(
            path="event.type",
            label=_("Type of event"),
            suggestions=_event_types,
            max_length=64,
            width=6,
        ),
        ChoiceEntry(path="count", label=_("How often it counts"), options=_counts, width=6),
        DecimalEntry(path="points", label=_("Points"), help=_("Below 0 takes away, as in −20."), width=4),
        DecimalEntry(
            path="cap",
            label=_("Cap"),
            blank=_("no cap"),
            help=_("The most that the rule gives, or takes, in all."),
            width=4,
        ),
        WholeNumberEntry(
            path="window_days", label=_("Counts within"), unit=_("days"), blank=_("for ever"), width=4
        ),
        ConditionEntry(
            path="event.where",
            label=_("Only events of which"),
            subject="event",
            nothing=_("No condition: every event of this type counts."),
        ),
    ],
)

_LEAD_RULE = RowKind(
    key="lead",
    add_label=_("Rule on who a lead is"),
    matches=lambda row: row.get("when") is not None,
    blank={},
    entries=[
        HiddenEntry(path="id"),
        LabelEntry(path="label", label=_("Name")),
        DecimalEntry(path="points", label=_("Points"), help=_("Below 0 takes away, as in −20."), width=4),
        ConditionEntry(
            path="when", label=_("For leads of which"), nothing=_("Add a condition: a rule needs one.")
        ),
    ],
)

SCORING_FORM = DocumentForm(
    kind=RuleKind.SCORING,
    title=_("Rules"),
    rows="rules",
    intro=_("Rules are added up; a score is never below 0."),
    empty=_("Without a rule every score is 0."),
    without=FOLLOWS_FROM_RULES,
    entries=[
        DecimalEntry(
            path="model_cap",
            label=_("Highest score"),
            blank=_("no bound"),
            help=_("Rules together give no more than this."),
            width=4,
        )
    ],
    row_kinds=[_EVENT_RULE, _LEAD_RULE],
)

GRADING_FORM = DocumentForm(
    kind=RuleKind.GRADING,
    title=_("Criteria"),
    rows="criteria",
    intro=_(
        "A criterion that is met lifts the grade by its steps, one that is not met lowers it by as many, "
        "one that is unknown leaves it. The scale goes from F to A+."
    ),
    empty=_("Without a criterion every lead keeps the grade at which it starts."),
    without=FOLLOWS_FROM_RULES,
    entries=[ChoiceEntry(path="start", label=_("Every lead starts at"), options=_grades, width=4)],
    row_kinds=[
        RowKind(
            key="criterion",
            add_label=_("Criterion"),
            blank={"steps": 1},
            entries=[
                HiddenEntry(path="id"),
                LabelEntry(path="label", label=_("Name")),
                ChoiceEntry(
                    path="steps",
                    label=pgettext_lazy("of a grade", "Steps"),
                    help=_("A third of a letter each."),
                    options=_steps,
                    is_number=True,
                    width=4,
                ),
                ConditionEntry(
                    path="when",
                    label=_("Met by leads of which"),
                    nothing=_("Add a condition: a criterion needs one."),
                ),
            ],
        )
    ],
)


def register_scoring_forms() -> None:
    """Make the forms known; called once, when the app is ready."""
    register_document_form(SCORING_FORM)
    register_document_form(GRADING_FORM)
