"""Facts that a tenant's own rows make: own fields, consents by purpose, answers to qualification questions."""

import re
from functools import partial
from typing import Any

from django.db.models import BooleanField, F, Subquery, TextField
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import Choice, Fact, Rows
from leads.conditions.logic import Bind, Compare, Fragment
from leads.conditions.operators import FactType, Label
from leads.models import (
    Answer,
    CaptureForm,
    Consent,
    CustomField,
    CustomType,
    CustomValue,
    RuleKind,
    RuleVersion,
    VersionStatus,
)

QUALIFICATION, CONSENT, OWN_FIELDS = (_("Qualification"), _("Consent"), _("Own fields"))
MILLIONTHS = 1_000_000

_PURPOSE = re.compile(r"[a-z0-9_-]{1,64}")
_QUESTION = re.compile(r"([a-z0-9_]{1,32})\.([a-z0-9_]{1,32})")


class CustomFacts:
    """``custom.NAME``: the tenant's own fields."""

    prefix = "custom."
    label = OWN_FIELDS
    is_open = False

    _TYPES = {
        CustomType.TEXT: (FactType.TEXT, "text_value", 1),
        CustomType.INTEGER: (FactType.INTEGER, "integer_value", 1),
        CustomType.DECIMAL: (FactType.DECIMAL, "decimal_value", MILLIONTHS),
        CustomType.DATE: (FactType.DATE, "date_value", 1),
    }

    def find(self, name: str) -> Fact | None:
        """The field with this name, retired or not."""
        custom_field = CustomField.objects.filter(name=name).first()
        return self._fact(custom_field) if custom_field else None

    def facts(self) -> list[Fact]:
        """The fields that are not retired, in order of their labels."""
        return [
            self._fact(field) for field in CustomField.objects.filter(retired_at=None).order_by("label", "id")
        ]

    def _fact(self, custom_field: CustomField) -> Fact:
        type_, column, scale = self._TYPES[CustomType(custom_field.type)]
        rows = Rows(partial(_custom_rows, custom_field.name), column, has_creation=True)
        return Fact(
            key=f"{self.prefix}{custom_field.name}",
            label=custom_field.label,
            group=OWN_FIELDS,
            type=type_,
            expression=rows.value,
            rows=rows,
            choices=partial(_offered, custom_field.choices or []),
            # What was kept before there were choices can be asked for too.
            suggests_choices=bool(custom_field.choices),
            scale=scale,
            is_fast=True,
            is_retired=custom_field.retired_at is not None,
        )


def _offered(choices: list[str]) -> list[Choice]:
    return [Choice(choice, choice) for choice in choices]


def _custom_rows(name: str) -> Any:
    """The values of the tenant's field of this name: by name, so that the text is the same for every tenant."""
    named = CustomField.objects.filter(Compare(F("name"), "=", Bind(name, TextField())))
    return CustomValue.objects.filter(field=Subquery(named.values("pk")))


class ConsentFacts:
    """``consent.PURPOSE``: whether a lawful basis for the purpose is in force; unknown if none was ever given."""

    prefix = "consent."
    label = CONSENT
    is_open = True

    def find(self, name: str) -> Fact | None:
        """Any well-formed purpose: it may be asked for before the first consent comes in."""
        if not _PURPOSE.fullmatch(name):
            return None
        return Fact(
            key=f"{self.prefix}{name}",
            label=format_lazy(_("Consent to {purpose}"), purpose=name),
            group=CONSENT,
            type=FactType.BOOLEAN,
            expression=partial(_consent, name),
        )

    def facts(self) -> list[Fact]:
        """Marketing, and the purposes that the tenant's forms ask for."""
        purposes = dict.fromkeys(["marketing"])
        for document in CaptureForm.objects.order_by("pk").values_list("document", flat=True):
            asked = [*document.get("consents", ()), document.get("consent") or {}]
            purposes |= dict.fromkeys(consent["purpose"] for consent in asked if consent.get("purpose"))
        return [fact for purpose in purposes if (fact := self.find(purpose))]


def _consent(purpose: str) -> Subquery:
    of_lead = Rows(Consent.objects.all, "purpose").of_lead()
    given = of_lead.filter(Compare(F("purpose"), "=", Bind(purpose, TextField())))
    in_force = Fragment("{} IS NULL", F("withdrawn_at"), output_field=BooleanField())
    return AnyRow(given.annotate(in_force=in_force).order_by().values("in_force"))


class AnyRow(Subquery):
    """Whether one row of a one-column subquery is true; null without rows."""

    template = "(SELECT bool_or(answers.in_force) FROM (%(subquery)s) answers)"

    def __init__(self, queryset: Any) -> None:
        super().__init__(queryset, output_field=BooleanField(null=True))


class AnswerFacts:
    """``answer.FRAMEWORK.QUESTION``: whether a qualification question is met; unknown while it is not answered."""

    prefix = "answer."
    label = QUALIFICATION
    is_open = False

    def find(self, name: str) -> Fact | None:
        """A question of a framework; of one that is not published, any well-formed question.

        A question that the published version no longer asks is retired: its answers are kept.
        """
        match = _QUESTION.fullmatch(name)
        if match is None:
            return None
        framework, key = match.groups()
        document = self._published().filter(name=framework).values_list("document", flat=True).first()
        if document is None:
            return self._fact(framework, key, label=f"{framework.upper()}: {key.replace('_', ' ')}")
        asked = {question["key"]: question for question in document["questions"]}
        if key in asked:
            return self._fact(framework, key, label=_question_label(framework, document, asked[key]))
        was_answered = Answer.objects.filter(framework=framework, question=key).exists()
        return (
            self._fact(framework, key, label=f"{framework.upper()}: {key}", is_retired=True)
            if was_answered
            else None
        )

    def facts(self) -> list[Fact]:
        """The questions of the published frameworks."""
        published = self._published().order_by("name").values_list("name", "document")
        return [
            self._fact(framework, question["key"], label=_question_label(framework, document, question))
            for framework, document in published
            for question in document["questions"]
        ]

    def _published(self) -> Any:
        return RuleVersion.objects.filter(kind=RuleKind.QUALIFICATION, status=VersionStatus.PUBLISHED)

    def _fact(self, framework: str, question: str, *, label: Label, is_retired: bool = False) -> Fact:
        rows = Rows(partial(_answer_rows, framework, question), "met")
        return Fact(
            key=f"{self.prefix}{framework}.{question}",
            label=label,
            group=QUALIFICATION,
            type=FactType.BOOLEAN,
            expression=rows.value,
            rows=rows,
            is_retired=is_retired,
        )


def _question_label(framework: str, document: dict[str, Any], question: dict[str, Any]) -> Label:
    framework_label = _in_active_language(document.get("label") or framework.upper())
    return format_lazy(
        "{}: {}", framework_label, _in_active_language(question.get("label") or question["key"])
    )


def _in_active_language(label: str | dict[str, str]) -> Label:
    """A label of a rule document: one text, or one for each language."""
    if isinstance(label, str):
        return label
    texts = label

    def text() -> str:
        return texts.get((get_language() or "").lower()) or texts.get("en") or next(iter(texts.values()))

    return lazy(text, str)()


def _answer_rows(framework: str, question: str) -> Any:
    return Answer.objects.filter(
        Compare(F("framework"), "=", Bind(framework, TextField())),
        Compare(F("question"), "=", Bind(question, TextField())),
    )
