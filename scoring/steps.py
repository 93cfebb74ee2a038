"""The steps of the pipeline that set score and grade."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.due import DueKind, register_due_kind
from leads.conditions.statements import Statement
from leads.models import RuleKind
from leads.pipeline import Batch, Reason, ReasonCode, lock_free_leads, run_pipeline
from scoring.statements import (
    GRADE_CHANGES,
    SCORE_CHANGES,
    grade_apply,
    grade_plan,
    score_apply,
    score_plan,
)
from tenancy.scope import require_tenant_id


@dataclass(frozen=True)
class Plan:
    """What would be, as a SELECT with its values, and the statement around it that writes what differs."""

    select: Statement
    write: Statement
    values: dict[str, Any]

    def rows(self) -> list[tuple[Any, ...]]:
        """What would be, without writing it."""
        return self.select.rows(**self.values)


class ScoreStep:
    """Points from events and from what is known of the lead; a due row for the next instant at which they change."""

    name = "score"
    runs_on_history = True
    concerns: str | None = None

    def plan(self, batch: Batch) -> Plan | None:
        """None without a published model: scores stay as they are."""
        published = batch.rules.get(RuleKind.SCORING)
        if published is None:
            return None
        model = published.rules
        is_decay = batch.reason.code == ReasonCode.TIME
        values = _values(batch, published.version_id)
        return Plan(score_plan(model), score_apply(model, is_decay=is_decay), values)

    def apply(self, batch: Batch, plan: Plan | None) -> None:
        """Write scores, decisions and due rows that differ."""
        if plan is not None:
            plan.write.execute(**plan.values)


class GradeStep:
    """The letter for fit."""

    name = "grade"
    runs_on_history = True
    concerns: str | None = None

    def plan(self, batch: Batch) -> Plan | None:
        """None without published criteria: grades stay as they are."""
        published = batch.rules.get(RuleKind.GRADING)
        if published is None:
            return None
        criteria = published.rules
        return Plan(grade_plan(criteria), grade_apply(criteria), _values(batch, published.version_id))

    def apply(self, batch: Batch, plan: Plan | None) -> None:
        """Write grades, decisions and due rows that differ."""
        if plan is not None:
            plan.write.execute(**plan.values)


def _values(batch: Batch, version_id: int) -> dict[str, Any]:
    return {
        "lead_ids": batch.lead_ids,
        "now": batch.now,
        "zone": batch.tenant.time_zone,
        "tenant": require_tenant_id(),
        "version": version_id,
    }


def run_when_due(lead_ids: Sequence[int], now: datetime) -> None:
    """Time has come at which these leads' results may change."""
    run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.TIME), now=now)


score = ScoreStep()
grade = GradeStep()

register_due_kind(DueKind(SCORE_CHANGES, act=run_when_due, lock=lock_free_leads))
register_due_kind(DueKind(GRADE_CHANGES, act=run_when_due, lock=lock_free_leads))
