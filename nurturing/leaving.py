"""When a lead leaves a sequence early: it moved on, it may not be written to any more, or the sequence's own condition holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from leads.models import Stage
from nurturing.asking import ask_leads, rules_of_versions
from nurturing.enrollments import Exit
from nurturing.models import ExitReason
from nurturing.refusals import Refusal, list_refusals

# While marketing holds the lead; by hand a new lead may be enrolled too.
NURTURED_STAGES: Final = frozenset({Stage.NEW, Stage.NURTURE})
# A lead whose e-mail was taken away stays: the steps that need one are skipped.
_LEAVES_BY: Final = {
    Refusal.DISQUALIFIED: ExitReason.DISQUALIFIED,
    Refusal.UNSUBSCRIBED: ExitReason.UNSUBSCRIBED,
    Refusal.SUPPRESSED: ExitReason.SUPPRESSED,
}


@dataclass(frozen=True)
class Inside:
    """A lead in a sequence, with the stage it is in now."""

    enrollment_id: int
    lead_id: int
    sequence: str
    version_id: int
    purpose: str
    stage: str

    def exit_by(self, reason: ExitReason, **detail: object) -> Exit:
        """The end of this enrolment."""
        return Exit(self.enrollment_id, self.lead_id, self.sequence, self.version_id, reason, detail)


def plan_exits(*, inside: Sequence[Inside], now: datetime) -> list[Exit]:
    """Which of these enrolments end; reads only. Four queries for each purpose and version at most."""
    exits = [exit_ for each in inside if (exit_ := _moved_on(each)) is not None]
    staying = _others(inside, exits)
    for purpose in sorted({each.purpose for each in staying}):
        of_purpose = [each for each in staying if each.purpose == purpose]
        refusals = list_refusals(lead_ids=[each.lead_id for each in of_purpose], purpose=purpose)
        exits += [
            each.exit_by(_LEAVES_BY[refusal])
            for each in of_purpose
            if (refusal := refusals.get(each.lead_id)) in _LEAVES_BY and refusal is not None
        ]
    return exits + _plan_own_exits(_others(inside, exits), now)


def _moved_on(each: Inside) -> Exit | None:
    if each.stage in NURTURED_STAGES:
        return None
    if each.stage == Stage.DISQUALIFIED:
        return each.exit_by(ExitReason.DISQUALIFIED)
    return each.exit_by(ExitReason.LEFT_NURTURE, stage=each.stage)


def _plan_own_exits(inside: Sequence[Inside], now: datetime) -> list[Exit]:
    """Those for whom the sequence's own condition holds."""
    exits: list[Exit] = []
    rules = rules_of_versions(each.version_id for each in inside) if inside else {}
    for version_id, sequence in rules.items():
        if sequence.exit_when is None:
            continue
        asked = [each for each in inside if each.version_id == version_id]
        answers = ask_leads(sequence.exit_when, lead_ids=[each.lead_id for each in asked], now=now)
        exits += [
            each.exit_by(ExitReason.CONDITION, record=answers[each.lead_id][1])
            for each in asked
            if answers[each.lead_id][0] is True
        ]
    return exits


def _others(inside: Sequence[Inside], exits: Sequence[Exit]) -> list[Inside]:
    ended = {each.enrollment_id for each in exits}
    return [each for each in inside if each.enrollment_id not in ended]
