"""Answers to qualification questions: written in part or in whole, and what is still missing for a handover."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.models import Answer
from leads.qualification.frameworks import Framework, Question, list_frameworks
from leads.versions import Rulebook
from tenancy.errors import FieldProblem, Invalid
from tenancy.models import Membership

MAX_NOTE_LENGTH: Final = 4000


class InvalidAssessment(Invalid):
    """The framework, a question or an answer is not one."""


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question with its present answer; ``met`` is None while it is not known."""

    question: Question
    is_required: bool
    met: bool | None
    note: str
    answered_at: datetime | None
    answered_by: str


@dataclass(frozen=True)
class Assessment:
    """One framework as far as a lead has been assessed by it."""

    key: str
    framework: Framework
    answers: tuple[AnsweredQuestion, ...]

    @property
    def is_used(self) -> bool:
        """Whether any question has an answer or a note."""
        return any(answer.answered_at is not None for answer in self.answers)

    @property
    def missing(self) -> list[Question]:
        """The required questions that are not met."""
        return [each.question for each in self.answers if each.is_required and each.met is not True]

    @property
    def met_count(self) -> int:
        """How many questions are met."""
        return sum(each.met is True for each in self.answers)

    @property
    def last_answered_at(self) -> datetime | None:
        """When it was last worked on."""
        return max((each.answered_at for each in self.answers if each.answered_at), default=None)


def list_assessments(*, lead_id: int, rules: Rulebook) -> list[Assessment]:
    """The published frameworks with this lead's answers, by key; one query."""
    rows = Answer.objects.filter(lead_id=lead_id).select_related("answered_by")
    given = {(row.framework, row.question): row for row in rows}
    return [
        Assessment(
            key,
            framework,
            tuple(
                _answered(question, framework, given.get((key, question.key)))
                for question in framework.questions
            ),
        )
        for key, framework in list_frameworks(rules).items()
    ]


def _answered(question: Question, framework: Framework, row: Answer | None) -> AnsweredQuestion:
    return AnsweredQuestion(
        question=question,
        is_required=question.key in framework.required,
        met=row.met if row else None,
        note=row.note if row else "",
        answered_at=row.answered_at if row else None,
        answered_by=row.answered_by.name if row and row.answered_by else "",
    )


def missing_for_hand_over(*, lead_id: int, rules: Rulebook) -> list[Question]:
    """What ``missing_in`` says of this lead's assessments; one query."""
    return missing_in(list_assessments(lead_id=lead_id, rules=rules))


def missing_in(assessments: Sequence[Assessment]) -> list[Question]:
    """The required questions that are not met, in the framework that has been used; empty when the lead may be handed over.

    With several in use one that holds is enough, else the one nearest to it counts (of equals the one used last). With none
    in use it is the first.
    """
    used = [assessment for assessment in assessments if assessment.is_used] or assessments[:1]
    if not used:
        return []
    nearest = min(used, key=lambda each: (len(each.missing), -_seconds(each.last_answered_at)))
    return nearest.missing


def _seconds(instant: datetime | None) -> float:
    return instant.timestamp() if instant else 0.0


def write_answers(
    *,
    lead_id: int,
    framework: str,
    answers: Mapping[str, Any],
    rules: Rulebook,
    by: Membership | None,
    now: datetime,
) -> None:
    """Write the answers given as ``{question: {"met": true|false|null, "note": text}}``; what is not given stays.

    Raises InvalidAssessment naming each fault.
    """
    changes = _read_answers(framework, answers, rules)
    known = {row.question: row for row in Answer.objects.filter(lead_id=lead_id, framework=framework)}
    for question, change in changes.items():
        row = known.get(question)
        if row and all(getattr(row, name) == value for name, value in change.items()):
            continue
        Answer.objects.update_or_create(
            lead_id=lead_id,
            framework=framework,
            question=question,
            defaults=change | {"answered_at": now, "answered_by": by},
        )


def _read_answers(framework: str, answers: Any, rules: Rulebook) -> dict[str, dict[str, Any]]:
    frameworks = list_frameworks(rules)
    if framework not in frameworks:
        message = _("Give one of these frameworks: %(valid)s.") % {"valid": ", ".join(frameworks)}
        raise InvalidAssessment(message, errors=[FieldProblem("framework", "unknown", message)])
    if not isinstance(answers, Mapping) or not answers:
        nothing = _("Answer at least one question.")
        raise InvalidAssessment(nothing, errors=[FieldProblem("answers", "required", nothing)])
    problems: list[FieldProblem] = []
    changes = {
        key: _read_answer(key, answer, frameworks[framework], problems) for key, answer in answers.items()
    }
    if problems:
        raise InvalidAssessment(_("Some answers cannot be kept."), errors=problems)
    return changes


def _read_answer(key: str, answer: Any, framework: Framework, problems: list[FieldProblem]) -> dict[str, Any]:
    path = f"answers.{key}"
    if framework.question(key) is None:
        valid = ", ".join(question.key for question in framework.questions)
        message = _("There is no such question; the framework has: %(valid)s.") % {"valid": valid}
        problems.append(FieldProblem(path, "unknown", message))
        return {}
    if not isinstance(answer, Mapping) or not answer or answer.keys() - {"met", "note"}:
        problems.append(
            FieldProblem(path, "invalid", _('Give {"met": true, false or null, "note": a text}.'))
        )
        return {}
    met = answer.get("met")
    if met is not None and not isinstance(met, bool):
        problems.append(FieldProblem(f"{path}.met", "invalid", _("Give true, false or null.")))
    note = answer.get("note", "")
    if not isinstance(note, str) or len(note) > MAX_NOTE_LENGTH:
        message = _("Give a text of at most %(count)s characters.") % {"count": MAX_NOTE_LENGTH}
        problems.append(FieldProblem(f"{path}.note", "invalid", message))
    return dict(answer)
