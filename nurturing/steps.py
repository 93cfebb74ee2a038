"""The pipeline's step of nurturing: ``enroll`` lets leads into sequences by the reason of their return, and out of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from leads.conditions.statements import Statement
from leads.models import Decision, DecisionKind, MoveAct, RuleKind
from leads.pipeline import Batch
from leads.reasons import published_reasons
from leads.versions import Published
from nurturing.enrollments import (
    EnrollmentDecision,
    EnrollmentResult,
    Exit,
    NewEnrollment,
    decide,
    exit_early,
)
from nurturing.enrollments import (
    enroll as enroll_leads,
)
from nurturing.leaving import Inside, plan_exits
from nurturing.refusals import list_refusals

NOT_PUBLISHED: Final = "not_published"


@dataclass(frozen=True)
class Waiting:
    """A lead that came to nurture by a reason that names a sequence, and has not been in one since."""

    lead_id: int
    stage_at: datetime
    reason: str
    sequence: str


@dataclass
class EnrollPlan:
    """Who leaves, who enters, who is not let in and why."""

    exits: list[Exit] = field(default_factory=list)
    new: list[NewEnrollment] = field(default_factory=list)
    refused: list[EnrollmentDecision] = field(default_factory=list)


class Enroll:
    """Into and out of sequences. Leads that only files tell of are left alone."""

    name = "enroll"
    runs_on_history = False
    concerns = """
        state.stage = 'nurture' AND state.live_since IS NOT NULL
            AND (state.enrolled_at IS NULL OR state.enrolled_at < state.stage_at)
        OR EXISTS (
            SELECT FROM nurturing_enrollment enrollment
            WHERE enrollment.lead_id = state.lead_id AND enrollment.state = 'active'
        )
    """

    def plan(self, batch: Batch) -> EnrollPlan:
        """Who enters and who leaves, by how the leads stand now; reads only."""
        inside, waiting = _read(batch)
        plan = EnrollPlan(exits=plan_exits(inside=inside, now=batch.now))
        by_sequence: dict[str, list[Waiting]] = {}
        for each in waiting:
            by_sequence.setdefault(each.sequence, []).append(each)
        for sequence, leads in sorted(by_sequence.items()):
            _plan_entries(plan, leads, batch.rules.get(RuleKind.SEQUENCE, sequence))
        plan.refused = _news(plan.refused, waiting)
        return plan

    def apply(self, batch: Batch, plan: EnrollPlan) -> None:
        """Write exits, entries and decisions."""
        exit_early(exits=plan.exits, now=batch.now)
        enroll_leads(new=plan.new, now=batch.now)
        decide(plan.refused, now=batch.now)


def _read(batch: Batch) -> tuple[list[Inside], list[Waiting]]:
    """The enrolments that are active, and the leads that wait for one; a single query."""
    rows = _SEEN.rows(lead_ids=batch.lead_ids)
    reasons = published_reasons(batch.rules) if rows else None
    inside: list[Inside] = []
    waiting: dict[int, Waiting] = {}
    for lead_id, stage, act, reason, stage_at, waits, *enrollment in rows:
        if enrollment[0] is not None:
            enrollment_id, sequence, version_id, purpose = enrollment
            inside.append(Inside(enrollment_id, lead_id, sequence, version_id, purpose, stage))
        if waits and reasons is not None:
            # A live file tells of lost deals: its reasons are those of that list.
            given_by = MoveAct.LOSE if act == MoveAct.IMPORT else act
            named = reasons.sequence_of(act=given_by, reason=reason)
            if named is not None:
                waiting[lead_id] = Waiting(lead_id, stage_at, reason, named)
    return inside, list(waiting.values())


_SEEN: Final = Statement.text("""
SELECT state.lead_id, state.stage, state.stage_act, state.stage_reason, state.stage_at,
       COALESCE(state.stage = 'nurture' AND state.live_since IS NOT NULL
                AND (state.enrolled_at IS NULL OR state.enrolled_at < state.stage_at), false),
       enrollment.id, enrollment.sequence, enrollment.version_id, enrollment.purpose
FROM leads_leadstate state
LEFT JOIN nurturing_enrollment enrollment
    ON enrollment.tenant_id = state.tenant_id AND enrollment.lead_id = state.lead_id AND enrollment.state = 'active'
WHERE state.lead_id = ANY(%(lead_ids)s::bigint[])
  AND (enrollment.id IS NOT NULL
       OR state.stage = 'nurture' AND state.live_since IS NOT NULL
          AND (state.enrolled_at IS NULL OR state.enrolled_at < state.stage_at))
ORDER BY state.lead_id, enrollment.id
""")


def _plan_entries(plan: EnrollPlan, leads: Sequence[Waiting], published: Published | None) -> None:
    if published is None:
        plan.refused += [_refused(each, None, NOT_PUBLISHED) for each in leads]
        return
    purpose = published.rules.purpose
    refusals = list_refusals(lead_ids=[each.lead_id for each in leads], purpose=purpose)
    for each in leads:
        refusal = refusals.get(each.lead_id)
        if refusal is None:
            plan.new.append(NewEnrollment(each.lead_id, published, because=each.reason))
        else:
            plan.refused.append(_refused(each, published.version_id, refusal))


def _refused(waiting: Waiting, version_id: int | None, because: str) -> EnrollmentDecision:
    detail = {"because": str(because), "reason": waiting.reason}
    return EnrollmentDecision(
        waiting.lead_id, waiting.sequence, version_id, EnrollmentResult.NOT_ENROLLED, detail
    )


def _news(refused: Sequence[EnrollmentDecision], waiting: Sequence[Waiting]) -> list[EnrollmentDecision]:
    """Those refusals that were not decided before in the same visit to nurture."""
    if not refused:
        return []
    since = {each.lead_id: each.stage_at for each in waiting}
    newest: dict[tuple[int, str], dict[str, Any]] = {}
    decisions = Decision.objects.filter(
        lead_id__in=[each.lead_id for each in refused], kind=DecisionKind.ENROLLMENT
    ).order_by("id")
    for decision in decisions.values("lead_id", "topic", "at", "result", "detail"):
        newest[decision["lead_id"], decision["topic"]] = decision

    def is_known(each: EnrollmentDecision) -> bool:
        before = newest.get((each.lead_id, each.sequence))
        return (
            before is not None
            and before["at"] >= since[each.lead_id]
            and (before["result"], before["detail"].get("because")) == (each.result, each.detail["because"])
        )

    return [each for each in refused if not is_known(each)]


enroll = Enroll()
