"""The step of the pipeline that sets score and grade."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.due import DueKind, register_due_kind
from leads.conditions.statements import Statement
from leads.models import RuleKind
from leads.pipeline import Batch, Reason, ReasonCode, lock_free_leads, run_pipeline
from leads.standings import new_standings_json
from scoring.documents import GradeCriteria, ScoringModel
from scoring.statements import (
    GRADE_CHANGES,
    SCORE_CHANGES,
    grade_plan,
    rate_apply,
    reads_standing,
    score_plan,
)
from tenancy.scope import require_tenant_id


@dataclass(frozen=True)
class Plan:
    """What would be, as SELECTs with their values, and the statement around both that writes what differs.

    None in place of a SELECT: nothing is published, so these results stay as they are. ``takes_newborn``: it writes the standings
    of new leads, too.
    """

    scores: Statement | None
    grades: Statement | None
    write: Statement
    values: dict[str, Any]
    takes_newborn: bool


class RateStep:
    """Score and grade: points from events and from what is known of the lead, and the letter for fit; with them the due rows for
    the next instants at which they change."""

    name = "rate"
    runs_on_history = True
    concerns: str | None = None

    def plan(self, batch: Batch) -> Plan | None:
        """None with neither a model nor criteria published."""
        scoring, grading = batch.rules.get(RuleKind.SCORING), batch.rules.get(RuleKind.GRADING)
        if scoring is None and grading is None:
            return None
        model: ScoringModel | None = scoring.rules if scoring else None
        criteria: GradeCriteria | None = grading.rules if grading else None
        scores = score_plan(model) if model else None
        grades = grade_plan(criteria) if criteria else None
        takes_newborn = bool(batch.newborn) and not any(
            reads_standing(each) for each in (scores, grades) if each
        )
        return Plan(
            scores=scores,
            grades=grades,
            write=rate_apply(
                model=model,
                criteria=criteria,
                is_decay=batch.reason.code == ReasonCode.TIME,
                has_newborn=takes_newborn,
            ),
            takes_newborn=takes_newborn,
            values={
                "lead_ids": batch.lead_ids,
                "known_ids": batch.lead_ids,
                "now": batch.now,
                "zone": batch.tenant.time_zone,
                "tenant": require_tenant_id(),
                "score_version": scoring.version_id if scoring else None,
                "grade_version": grading.version_id if grading else None,
            },
        )

    def apply(self, batch: Batch, plan: Plan | None) -> None:
        """Write scores, grades, decisions and due rows that differ, and the standings of new leads with them."""
        if plan is None:
            return
        values = plan.values
        if plan.takes_newborn:
            born = {each.lead_id for each in batch.newborn}
            values |= {
                "newborn": new_standings_json(batch.newborn),
                "known_ids": [lead_id for lead_id in batch.lead_ids if lead_id not in born],
            }
            batch.newborn = ()
        else:
            batch.write_newborn()
        plan.write.execute_for(len(batch.lead_ids), **values)


def run_when_due(lead_ids: Sequence[int], now: datetime) -> None:
    """Time has come at which these leads' results may change."""
    run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.TIME), now=now)


rate = RateStep()

register_due_kind(DueKind(SCORE_CHANGES, act=run_when_due, lock=lock_free_leads))
register_due_kind(DueKind(GRADE_CHANGES, act=run_when_due, lock=lock_free_leads))
