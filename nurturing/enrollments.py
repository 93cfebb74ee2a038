"""Into and out of sequences: the statements that write enrolments, their due rows and their decisions, for any number at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db import connection

from core.due import cancel, schedule
from leads.decisions import NewDecision, write_decisions
from leads.models import DecisionKind, LeadState
from leads.versions import Published
from nurturing.models import Enrollment, EnrollmentState, ExitReason, Message, MessageState
from nurturing.sequences import SequenceRules
from tenancy.scope import require_tenant_id

STEP_KIND: Final = "enrollment.step"


class EnrollmentResult(StrEnum):
    """What a decision of kind enrolment says; its topic is the sequence."""

    ENROLLED = "enrolled"
    NOT_ENROLLED = "not_enrolled"
    STEP_SKIPPED = "step_skipped"
    BRANCHED = "branched"
    FINISHED = "finished"
    EXITED = "exited"


@dataclass(frozen=True)
class NewEnrollment:
    """A lead that is to enter a sequence, as it is published now. ``because`` is the reason given, or None by hand."""

    lead_id: int
    published: Published
    because: str | None = None
    member_id: int | None = None

    @property
    def rules(self) -> SequenceRules:
        rules: SequenceRules = self.published.rules
        return rules


@dataclass(frozen=True)
class Exit:
    """An active enrolment that ends early. ``detail`` is kept with the decision."""

    enrollment_id: int
    lead_id: int
    sequence: str
    version_id: int
    reason: ExitReason
    detail: dict[str, Any] = field(default_factory=dict)


def enroll(*, new: Sequence[NewEnrollment], now: datetime) -> dict[int, int]:
    """Let leads into sequences; their first step is due at once. Returns enrolment ids by lead for those that entered.

    A lead that is in the sequence already stays where it is. At most one entry for each lead.
    """
    if not new:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _ENROLL,
            {
                "tenant": require_tenant_id(),
                "now": now,
                "leads": [each.lead_id for each in new],
                "sequences": [each.rules.key for each in new],
                "versions": [each.published.version_id for each in new],
                "purposes": [each.rules.purpose for each in new],
                "steps": [each.rules.steps[0].id for each in new],
                "members": [each.member_id for each in new],
            },
        )
        entered = {lead_id: enrollment_id for enrollment_id, lead_id in cursor.fetchall()}
    LeadState.objects.filter(lead_id__in=list(entered)).update(enrolled_at=now)
    schedule(kind=STEP_KIND, due=dict.fromkeys(entered.values(), now))
    decide(
        [
            EnrollmentDecision(
                each.lead_id,
                each.rules.key,
                each.published.version_id,
                EnrollmentResult.ENROLLED,
                {"enrollment": entered[each.lead_id], "because": each.because, "by_id": each.member_id},
            )
            for each in new
            if each.lead_id in entered
        ],
        now=now,
    )
    return entered


_ENROLL: Final = """
INSERT INTO nurturing_enrollment
    (tenant_id, lead_id, sequence, version_id, purpose, state, step, next_at, entered_at, entered_by_id, exit_reason)
SELECT %(tenant)s, entry.lead_id, entry.sequence, entry.version_id, entry.purpose, 'active', entry.step, %(now)s,
       %(now)s, entry.member_id, ''
FROM unnest(
    %(leads)s::bigint[], %(sequences)s::text[], %(versions)s::bigint[], %(purposes)s::text[], %(steps)s::text[],
    %(members)s::bigint[]
) AS entry (lead_id, sequence, version_id, purpose, step, member_id)
ON CONFLICT (tenant_id, lead_id, sequence) WHERE state = 'active' DO NOTHING
RETURNING id, lead_id
"""


def exit_early(*, exits: Sequence[Exit], now: datetime) -> None:
    """End active enrolments early; what waits to be sent in them is not sent any more."""
    if not exits:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _EXIT,
            {
                "now": now,
                "ids": [each.enrollment_id for each in exits],
                "reasons": [each.reason.value for each in exits],
            },
        )
        ended = {enrollment_id for (enrollment_id,) in cursor.fetchall()}
    cancel(kind=STEP_KIND, subjects=ended)
    Message.objects.filter(enrollment_id__in=ended, state=MessageState.QUEUED).update(
        state=MessageState.CANCELLED, ended_at=now
    )
    decide(
        [
            EnrollmentDecision(
                each.lead_id,
                each.sequence,
                each.version_id,
                EnrollmentResult.EXITED,
                {"enrollment": each.enrollment_id, "because": each.reason.value, **each.detail},
            )
            for each in exits
            if each.enrollment_id in ended
        ],
        now=now,
    )


_EXIT: Final = """
UPDATE nurturing_enrollment enrollment
SET state = 'exited', step = '', next_at = NULL, ended_at = %(now)s, exit_reason = ended.reason
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS ended (id, reason)
WHERE enrollment.id = ended.id AND enrollment.state = 'active'
RETURNING enrollment.id
"""


@dataclass(frozen=True)
class EnrollmentDecision:
    """One thing decided about a lead and a sequence."""

    lead_id: int
    sequence: str
    version_id: int | None
    result: EnrollmentResult
    detail: dict[str, Any]


def decide(decisions: Iterable[EnrollmentDecision], *, now: datetime) -> None:
    """Write decisions in one statement."""
    write_decisions(
        decisions=(
            NewDecision(
                lead_id=each.lead_id,
                kind=DecisionKind.ENROLLMENT,
                topic=each.sequence,
                version_id=each.version_id,
                result=each.result,
                detail=each.detail,
            )
            for each in decisions
        ),
        now=now,
    )


def list_active(*, lead_ids: Sequence[int]) -> list[Enrollment]:
    """The enrolments that these leads are in now, in order of their ids."""
    active = Enrollment.objects.filter(lead_id__in=list(lead_ids), state=EnrollmentState.ACTIVE)
    return list(active.order_by("id"))
