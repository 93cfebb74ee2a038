"""Qualification frameworks: which questions an SDR asks, and what must hold before a lead is handed over.

The document (kind ``qualification``, one for each framework, named by its key)::

    {"label": "BANT", "questions": [{"key": "budget", "label": {…}, "help": {…}}, …], "exit": {"required": ["budget", …]}}

``help`` may be left out. Exit criteria: each required question is met.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.labels import Label, read_label
from leads.models import RuleKind
from leads.versions import (
    DocumentKind,
    InvalidDocument,
    Rulebook,
    path_problem,
    publish_default,
    register_document_kind,
)
from tenancy.errors import FieldProblem
from tenancy.models import Membership, Tenant

MAX_QUESTIONS: Final = 20
KEY = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True)
class Question:
    """One question of a framework; ``help`` says in a sentence when it is met."""

    key: str
    label: Label
    help: Label | None


@dataclass(frozen=True)
class Framework:
    """A parsed document. ``required`` are the keys of the questions that must be met before a handover."""

    label: Label
    questions: tuple[Question, ...]
    required: frozenset[str]

    def question(self, key: str) -> Question | None:
        """The question with this key, or None."""
        return next((question for question in self.questions if question.key == key), None)


def list_frameworks(rulebook: Rulebook) -> dict[str, Framework]:
    """The published frameworks by key, in order of their keys."""
    return {published.name: published.rules for published in rulebook.list(RuleKind.QUALIFICATION)}


def parse_framework(document: Any) -> Framework:
    """The typed framework of a document. Raises InvalidDocument naming every fault by its JSON path."""
    if not isinstance(document, dict) or document.keys() - {"label", "questions", "exit"}:
        raise InvalidDocument(_("Give a framework as an object of label, questions and exit."))
    problems: list[FieldProblem] = []
    label = read_label(document.get("label"), path="label", problems=problems)
    questions = _read_questions(document.get("questions"), problems)
    required = _read_required(document.get("exit"), questions, problems)
    if problems or label is None:
        raise InvalidDocument(_("The framework has faults."), errors=problems)
    return Framework(label, questions, required)


def _read_questions(raw: Any, problems: list[FieldProblem]) -> tuple[Question, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_QUESTIONS:
        message = _("Give 1 to %(count)s questions.") % {"count": MAX_QUESTIONS}
        problems.append(path_problem("questions", message))
        return ()
    read = [_read_question(item, f"questions[{index}]", problems) for index, item in enumerate(raw)]
    questions = tuple(question for question in read if question is not None)
    keys = [question.key for question in questions]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    fault = _("“%(key)s” stands here twice.")
    problems.extend(path_problem("questions", fault % {"key": key}) for key in twice)
    return questions


def _read_question(raw: Any, path: str, problems: list[FieldProblem]) -> Question | None:
    if not isinstance(raw, dict) or raw.keys() - {"key", "label", "help"}:
        problems.append(path_problem(path, _("Give a question as an object of key, label and help.")))
        return None
    key = raw.get("key")
    label = read_label(raw.get("label"), path=f"{path}.label", problems=problems)
    hint = read_label(raw["help"], path=f"{path}.help", problems=problems) if raw.get("help") else None
    if not isinstance(key, str) or not KEY.fullmatch(key):
        problems.append(path_problem(f"{path}.key", _("Use lower-case letters, digits and _, at most 32.")))
        return None
    return Question(key, label, hint) if label else None


def _read_required(raw: Any, questions: Sequence[Question], problems: list[FieldProblem]) -> frozenset[str]:
    required = raw.get("required") if isinstance(raw, dict) and raw.keys() == {"required"} else None
    known = {question.key for question in questions}
    if not isinstance(required, list) or not all(isinstance(key, str) and key in known for key in required):
        problems.append(path_problem("exit.required", _("List the keys of the questions that must be met.")))
        return frozenset()
    return frozenset(required)


def default_frameworks() -> dict[str, dict[str, Any]]:
    """BANT and GPCT of the default pack: all four questions must be met (CONTRACT.md §2)."""
    timeline = _question(
        "timeline",
        "Timeline",
        "Prazo",
        "There is a date by which they want it.",
        "Há uma data para ter a solução.",
    )
    bant = [
        _question(
            "budget",
            "Budget",
            "Orçamento",
            "They can pay for it.",
            "Há dinheiro previsto ou que pode ser liberado.",
        ),
        _question(
            "authority",
            "Authority",
            "Autoridade",
            "The person decides, or brings in who does.",
            "A pessoa decide ou traz quem decide.",
        ),
        _question(
            "need", "Need", "Necessidade", "They have a problem we solve.", "Há um problema que resolvemos."
        ),
        timeline,
    ]
    gpct = [
        _question(
            "goals", "Goals", "Metas", "They want to reach something.", "Há uma meta que querem alcançar."
        ),
        _question(
            "plans", "Plans", "Planos", "They have a plan to get there.", "Há um plano para chegar lá."
        ),
        _question(
            "challenges",
            "Challenges",
            "Desafios",
            "Something in the way that we remove.",
            "Há um obstáculo que removemos.",
        ),
        timeline,
    ]
    return {"bant": _framework("BANT", bant), "gpct": _framework("GPCT", gpct)}


def _question(key: str, english: str, portuguese: str, help_en: str, help_pt: str) -> dict[str, Any]:
    return {
        "key": key,
        "label": {"en": english, "pt-br": portuguese},
        "help": {"en": help_en, "pt-br": help_pt},
    }


def _framework(label: str, questions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"label": label, "questions": questions, "exit": {"required": [each["key"] for each in questions]}}


def publish_default_frameworks(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """A new tenant's part of the default pack."""
    for name, document in default_frameworks().items():
        publish_default(kind=RuleKind.QUALIFICATION, document=document, by=admin, now=now, name=name)


def check_framework_name(name: str, document: Any) -> None:
    """A framework's name is its key, by which answers and conditions know it. Raises InvalidDocument."""
    if not KEY.fullmatch(name):
        message = _("Use lower-case letters, digits and _, at most 32.")
        raise InvalidDocument(message, errors=[path_problem("name", message)])


register_document_kind(
    DocumentKind(RuleKind.QUALIFICATION, parse=parse_framework, check_name=check_framework_name)
)
