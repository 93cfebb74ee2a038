"""Where the deals that files tell of leave their leads, and the history of moves they make."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Q

from leads.lifecycle import furthest_ordinal, list_states
from leads.models import (
    Handover,
    HandoverAnswer,
    LeadState,
    MoveAct,
    Opportunity,
    OpportunityOutcome,
    Stage,
    StageChange,
)
from leads.reasons import ReasonChoice, Reasons, published_reasons
from leads.versions import open_rulebook

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Ending:
    """How one deal ended or stands: the stage it leaves its lead in, why, and since when if that is known."""

    deal_id: int
    stage: Stage
    reason: str
    at: datetime | None
    is_imported: bool
    opened_at: datetime | None = None
    is_open: bool = False


def move_by_deals(*, lead_ids: Sequence[int], ended: Collection[int], now: datetime, is_live: bool) -> None:
    """Bring leads where their latest deal leaves them, if that is one of those in ``ended`` (ids of deals), and tell it as
    history: moves that files tell of are written anew from all their deals.

    ``is_live``: clocks count from now. The stages between are reached, at times nobody knows.
    """
    if not lead_ids:
        return
    endings = _read_endings(lead_ids)
    states = list_states(lead_ids=lead_ids)
    _rewrite_history(endings, states)
    moved = []
    for lead_id in lead_ids:
        latest = endings[lead_id][-1]
        moves = latest.deal_id in ended and not _is_there(states[lead_id], latest)
        moved.append(_standing(states[lead_id], endings[lead_id], moves=moves, now=now, is_live=is_live))
    _write_standings(moved)
    Handover.objects.filter(
        lead_id__in=[row["lead_id"] for row in moved if row["stage"] != Stage.SALES_QUALIFIED],
        answer__isnull=True,
    ).update(answer=HandoverAnswer.WITHDRAWN, answered_at=now)


def _is_there(state: LeadState, latest: Ending) -> bool:
    """Whether the lead is an opportunity already, by what happened here."""
    return latest.is_open and state.stage == Stage.OPPORTUNITY and state.stage_act != MoveAct.IMPORT


def _read_endings(lead_ids: Sequence[int]) -> dict[int, list[Ending]]:
    """The deals of each lead, the latest last: before all others those whose end is unknown, after all the open one."""
    reasons = published_reasons(open_rulebook())
    endings: dict[int, list[Ending]] = {lead_id: [] for lead_id in lead_ids}
    found: dict[str, ReasonChoice | None] = {}
    deals = Opportunity.objects.filter(lead_id__in=lead_ids).order_by("id")
    columns = ("id", "lead_id", "outcome", "reason", "closed_at", "is_imported", "opened_at")
    for deal_id, lead_id, outcome, reason, closed_at, is_imported, opened_at in deals.values_list(*columns):
        if outcome == OpportunityOutcome.OPEN:
            stage, key, at = Stage.OPPORTUNITY, "", opened_at
        elif outcome == OpportunityOutcome.WON:
            stage, key, at = Stage.CUSTOMER, "", closed_at
        else:
            if reason not in found:
                found[reason] = find_reason(reasons, reason)
            choice = found[reason]
            stage, key = (choice.target, choice.key) if choice else (Stage.NURTURE, reason)
            at = closed_at
        is_open = outcome == OpportunityOutcome.OPEN
        endings[lead_id].append(Ending(deal_id, stage, key, at, is_imported, opened_at, is_open))
    for each in endings.values():
        each.sort(key=lambda ending: (ending.is_open, ending.at or _LONG_AGO))
    return endings


def find_reason(reasons: Reasons, text: str) -> ReasonChoice | None:
    """The reason for losing that a file means, by its key or its words in any language; None if it is none of the tenant's."""
    wanted = text.strip().casefold()
    for choice in reasons.every(MoveAct.LOSE):
        words = {choice.key, *(label.casefold() for _language, label in choice.label.texts)}
        if wanted in words:
            return choice
    return None


def _standing(
    state: LeadState, endings: Sequence[Ending], *, moves: bool, now: datetime, is_live: bool
) -> dict[str, Any]:
    """What the lead's standing becomes."""
    latest = endings[-1]
    is_won = any(ending.stage is Stage.CUSTOMER for ending in endings)
    reached = furthest_ordinal(Stage.CUSTOMER if is_won else Stage.OPPORTUNITY)
    known = state.furthest_stage
    # A file that takes a win back takes back what only it told.
    is_taken_back = not is_won and known == furthest_ordinal(Stage.CUSTOMER) and _came_by_file(state)
    furthest = reached if is_taken_back else max(known, reached)
    if not moves:
        return {
            "lead_id": state.lead_id,
            "stage": state.stage,
            "stage_at": state.stage_at,
            "act": state.stage_act,
            "reason": state.stage_reason,
            "furthest": furthest,
        }
    return {
        "lead_id": state.lead_id,
        "stage": latest.stage,
        "stage_at": now if is_live or latest.at is None else latest.at,
        "act": MoveAct.IMPORT,
        "reason": latest.reason,
        "furthest": furthest,
    }


def _came_by_file(state: LeadState) -> bool:
    return state.stage == Stage.CUSTOMER and state.stage_act == MoveAct.IMPORT


def _rewrite_history(endings: Mapping[int, Sequence[Ending]], states: Mapping[int, LeadState]) -> None:
    """Make the moves told by files those of the deals as they are known now."""
    told: dict[int, list[Any]] = {lead_id: [] for lead_id in endings}
    accepted_here: set[int] = set()
    about = Q(act=MoveAct.IMPORT) | Q(to_stage=Stage.OPPORTUNITY)
    for change in StageChange.objects.filter(about, lead_id__in=list(endings)).order_by("at", "id"):
        if change.act == MoveAct.IMPORT:
            told[change.lead_id].append(change)
        else:
            accepted_here.add(change.lead_id)
    fresh: list[Any] = []
    stale: list[int] = []
    for lead_id, of_lead in endings.items():
        steps = _steps(of_lead, tells_openings=lead_id not in accepted_here)
        wanted = {_essence(change): change for change in _moves(steps, told[lead_id], states[lead_id])}
        known = {_essence(change): change for change in told[lead_id]}
        stale += [change.pk for essence, change in known.items() if essence not in wanted]
        fresh += [change for essence, change in wanted.items() if essence not in known]
    StageChange.objects.filter(pk__in=stale).delete()
    StageChange.objects.bulk_create(fresh)


def _essence(change: Any) -> tuple[Any, ...]:
    return (change.from_stage, change.to_stage, change.at, change.reason, change.seconds_in_from_stage)


class Step(NamedTuple):
    """A stage to which a deal brought its lead at a known time, and why."""

    at: datetime
    stage: Stage
    reason: str


def _steps(endings: Sequence[Ending], *, tells_openings: bool) -> list[Step]:
    """What the deals of files made of their lead at known times, in order."""
    steps: list[Step] = []
    for ending in endings:
        opened_at, at = ending.opened_at, ending.at
        if not ending.is_imported:
            continue
        if tells_openings and opened_at is not None and (at is None or opened_at <= at):
            steps.append(Step(opened_at, Stage.OPPORTUNITY, ""))
        if at is not None and not ending.is_open:
            steps.append(Step(at, ending.stage, ending.reason))
    steps.sort(key=lambda step: step.at)
    latest = endings[-1]
    if steps and latest.is_open and latest.is_imported and steps[-1].stage is not Stage.OPPORTUNITY:
        # Opened before another one ended: it is what the lead stands on since then.
        steps.append(Step(steps[-1].at, Stage.OPPORTUNITY, ""))
    return steps


def _moves(steps: Sequence[Step], told: Sequence[Any], state: LeadState) -> list[Any]:
    """The moves at known times; the first one leaves the stage in which the lead was before files told of deals."""
    if not steps:
        return []
    stage = told[0].from_stage if told else state.stage
    since = None if told else state.stage_at
    moves: list[Any] = []
    for at, to_stage, reason in steps:
        if to_stage == stage and moves:
            continue
        seconds = int((at - since).total_seconds()) if since is not None and at >= since else None
        if told and not moves:
            seconds = told[0].seconds_in_from_stage
        moves.append(
            StageChange(
                lead_id=state.lead_id,
                from_stage=None if stage == to_stage else stage,
                to_stage=to_stage.value,
                at=at,
                seconds_in_from_stage=None if stage == to_stage else seconds,
                act=MoveAct.IMPORT,
                reason=reason,
            )
        )
        stage, since = to_stage, at
    return moves


def _write_standings(rows: Sequence[Mapping[str, Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            [
                [row["lead_id"] for row in rows],
                [str(row["stage"]) for row in rows],
                [row["stage_at"] for row in rows],
                [str(row["act"]) for row in rows],
                [row["reason"] for row in rows],
                [row["furthest"] for row in rows],
            ],
        )


_WRITE: Final = """
UPDATE leads_leadstate state
SET stage = told.stage, stage_at = told.stage_at, stage_act = told.act, stage_reason = told.reason,
    furthest_stage = told.furthest, claimed_until = NULL
FROM unnest(
    %s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::smallint[]
) AS told (lead_id, stage, stage_at, act, reason, furthest)
WHERE state.lead_id = told.lead_id
    AND (state.stage, state.stage_at, state.stage_act, state.stage_reason, state.furthest_stage)
        IS DISTINCT FROM (told.stage, told.stage_at, told.act, told.reason, told.furthest)
"""
