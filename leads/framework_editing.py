"""How the questions of a qualification framework are edited."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.models import RuleKind
from leads.rule_forms import (
    CheckEntry,
    DocumentForm,
    HiddenEntry,
    LabelEntry,
    RowKind,
    register_document_form,
)

Json = Any
REQUIRED = "is_required"


def unfold(document: Mapping[str, Json]) -> dict[str, Json]:
    """Whether a question is required stands at the question, as far as the document can be read."""
    questions, leaving = document.get("questions"), document.get("exit")
    required = leaving.get("required") if isinstance(leaving, dict) else None
    required = required if isinstance(required, list) else []
    if not isinstance(questions, list):
        return dict(document)
    asked = [
        {REQUIRED: each.get("key") in required} | each if isinstance(each, dict) else each
        for each in questions
    ]
    return {**document, "questions": asked}


def fold(shown: Mapping[str, Json]) -> dict[str, Json]:
    """The document of what ``unfold`` gave: required questions by their keys; a name in English alone is a plain text."""
    questions = [
        {name: value for name, value in each.items() if name != REQUIRED} for each in shown["questions"]
    ]
    required = [each.get("key") for each in shown["questions"] if each.get(REQUIRED)]
    label = shown.get("label")
    if isinstance(label, dict) and label.keys() == {"en"}:
        label = label["en"]
    return {**shown, "label": label, "questions": questions, "exit": {"required": required}}


def first_document(_key: str, name: str, language: str) -> dict[str, Json]:
    """What a new framework begins with: one question, in the active language, to be written anew."""
    question = {
        "key": "need",
        "label": {language: gettext("Need")},
        "help": {language: gettext("They have a problem we solve.")},
    }
    return {"label": {language: name}, "questions": [question], "exit": {"required": ["need"]}}


FRAMEWORK_FORM = DocumentForm(
    kind=RuleKind.QUALIFICATION,
    title=_("Questions"),
    rows="questions",
    id_name="key",
    unfold=unfold,
    fold=fold,
    is_ordered=True,
    intro=_(
        "An SDR answers the questions in this order. A lead may be handed over once every required one is met. "
        "Answers to a question that is removed are kept."
    ),
    empty=_("Add the first question: a framework needs one."),
    new_label=_("New questions"),
    new_help=_("What the questions are called together, as in “ANUM”. It can be changed later."),
    first_document=first_document,
    entries=[LabelEntry(path="label", label=_("Name"))],
    row_kinds=[
        RowKind(
            key="question",
            add_label=_("Question"),
            blank={REQUIRED: True},
            entries=[
                HiddenEntry(path="key"),
                LabelEntry(path="label", label=_("Question")),
                LabelEntry(
                    path="help",
                    label=_("Met when"),
                    help=_("A sentence beside the question: “There is a date by which they want it.”"),
                    is_required=False,
                    is_optional=True,
                ),
                CheckEntry(path=REQUIRED, label=_("Must be met before the handover")),
            ],
        )
    ],
)


def register_framework_form() -> None:
    """Make the form known; called once, when the app is ready."""
    register_document_form(FRAMEWORK_FORM)
