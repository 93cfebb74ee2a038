"""How the gates are edited."""

from django.utils.translation import gettext_lazy as _

from leads.gates import FOLLOWS_FROM_GATES
from leads.lifecycle import MOVES
from leads.models import MoveAct, RuleKind, Stage
from leads.rule_forms import (
    ChecksEntry,
    ChoiceEntry,
    ConditionEntry,
    DocumentForm,
    HiddenEntry,
    LabelEntry,
    Option,
    RowKind,
    register_document_form,
)


def _stages_before() -> list[Option]:
    allowed, _target = MOVES[MoveAct.GATE]
    return [(stage.value, str(stage.label)) for stage in Stage if stage in allowed]


def _stages_after() -> list[Option]:
    _allowed, target = MOVES[MoveAct.GATE]
    assert target is not None
    return [(target.value, str(target.label))]


GATES_FORM = DocumentForm(
    kind=RuleKind.GATES,
    title=_("Gates"),
    rows="gates",
    is_ordered=True,
    intro=_(
        "The first gate that holds moves the lead. From nurture the lead must also have done something that gives "
        "points since it came there. Who asks for contact goes past the gates."
    ),
    empty=_("Without a gate leads become an MQL by hand alone, or when they ask for contact."),
    without=FOLLOWS_FROM_GATES,
    row_kinds=[
        RowKind(
            key="gate",
            add_label=_("Gate"),
            blank={"from": [Stage.NEW.value], "to": Stage.MARKETING_QUALIFIED.value},
            entries=[
                HiddenEntry(path="id"),
                LabelEntry(path="label", label=_("Name")),
                ChecksEntry(path="from", label=_("Leads in"), options=_stages_before, width=6),
                ChoiceEntry(path="to", label=_("become"), options=_stages_after, width=6),
                ConditionEntry(
                    path="when", label=_("as soon as"), nothing=_("Add a condition: a gate needs one.")
                ),
            ],
        )
    ],
)


def register_gate_form() -> None:
    """Make the form known; called once, when the app is ready."""
    register_document_form(GATES_FORM)
