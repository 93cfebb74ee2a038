"""The SDR's acts: contact attempts, the assessment, the handover to sales."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.acts.opening import InvalidAct, OpenLead, open_lead, read_text
from leads.models import OPEN_STAGES, ContactAttempt, Handover, MoveAct, Stage
from leads.ownership import OwnedBy, give_lead, owner_id
from leads.qualification.assessments import missing_for_hand_over, write_answers
from leads.qualification.frameworks import Question
from tenancy.errors import Conflict, FieldProblem
from tenancy.members import functions_of
from tenancy.models import Membership, TeamFunction
from tenancy.rights import require


class NotReadyForHandover(Conflict):
    """Exit criteria are not met; ``errors[].field`` names the questions that are open."""


def log_attempt(
    *, lead_id: int, channel: str, outcome: str, by: Membership, now: datetime, note: str = ""
) -> ContactAttempt:
    """Log an attempt to reach an MQL (which makes it working) or a lead in work.

    ``channel`` and ``outcome`` are values of ContactAttempt.Channel and .Outcome. An SDR who acts on a lead that nobody owns
    becomes its owner. Raises InvalidAct.
    """
    _check_choice("channel", channel, ContactAttempt.Channel)
    _check_choice("outcome", outcome, ContactAttempt.Outcome)
    note = read_text(note, field="note")
    with open_lead(lead_id=lead_id, right="lead.qualify", by=by, now=now) as held:
        held.check_stage(Stage.MARKETING_QUALIFIED, Stage.WORKING, what=_("Log an attempt"))
        _take_if_free(held, TeamFunction.SDR, OwnedBy.ATTEMPT)
        attempt: ContactAttempt = ContactAttempt.objects.create(
            lead=held.lead, at=now, actor=by, channel=channel, outcome=outcome, note=note
        )
        if held.stage == Stage.MARKETING_QUALIFIED:
            held.move(Stage.WORKING, MoveAct.ATTEMPT)
    return attempt


def assess(
    *, lead_id: int, framework: str, answers: Mapping[str, Any], by: Membership, now: datetime
) -> None:
    """Answer questions of a framework as ``{question: {"met": true|false|null, "note": text}}``; others keep their answers.

    Possible in every open stage. Raises InvalidAssessment.
    """
    with open_lead(lead_id=lead_id, right="lead.qualify", by=by, now=now) as held:
        held.check_stage(*OPEN_STAGES, what=_("Assess"))
        write_answers(lead_id=lead_id, framework=framework, answers=answers, rules=held.rules, by=by, now=now)


def hand_over(*, lead_id: int, by: Membership, now: datetime, override_reason: str = "") -> Handover:
    """Offer a lead in work to sales: it becomes an SQL.

    Raises NotReadyForHandover while required questions are not met. A manager passes them over with ``override_reason``,
    which is kept; others get NotAllowed for it.
    """
    override_reason = read_text(override_reason, field="override_reason")
    with open_lead(lead_id=lead_id, right="lead.qualify", by=by, now=now) as held:
        held.check(MoveAct.HAND_OVER)
        missing = missing_for_hand_over(lead_id=lead_id, rules=held.rules)
        if missing and not override_reason:
            raise _not_ready(missing)
        if missing:
            require(by, "lead.override")
        handover: Handover = Handover.objects.create(
            lead=held.lead,
            offered_at=now,
            offered_by=by,
            override_reason=override_reason if missing else "",
        )
        held.move(Stage.SALES_QUALIFIED, MoveAct.HAND_OVER, note=handover.override_reason)
    return handover


def _not_ready(missing: Sequence[Question]) -> NotReadyForHandover:
    names = ", ".join(str(question.label) for question in missing)
    return NotReadyForHandover(
        _("Missing for handover: %(names)s.") % {"names": names},
        errors=[
            FieldProblem(question.key, "not_met", _("%(name)s is not met.") % {"name": question.label})
            for question in missing
        ],
    )


def _take_if_free(held: OpenLead, function: TeamFunction, how: OwnedBy) -> None:
    """Somebody of the function who acts on a lead that nobody owns there becomes its owner; service users never."""
    if owner_id(held.state, function) is None and function in functions_of(held.by):
        give_lead(state=held.state, function=function, to=held.by, how=how, by=held.by, now=held.now)


def _check_choice(field: str, value: str, choices: type[models.TextChoices]) -> None:
    if value not in choices.values:
        message = _("Give one of: %(valid)s.") % {"valid": ", ".join(choices.values)}
        raise InvalidAct(message, errors=[FieldProblem(field, "unknown", message)])
