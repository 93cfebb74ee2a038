"""Stages and the moves between them: the one table, and the one statement that moves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy as _

from leads.models import FORWARD_STAGES, OPEN_STAGES, LeadState, MoveAct, Stage
from tenancy.errors import Conflict
from tenancy.models import TeamFunction
from tenancy.scope import require_tenant_id

# Which stages each act may leave, and where it leads; None where the reason names the target.
MOVES: Final[dict[MoveAct, tuple[frozenset[Stage], Stage | None]]] = {
    MoveAct.GATE: (frozenset({Stage.NEW, Stage.NURTURE}), Stage.MARKETING_QUALIFIED),
    MoveAct.ASKED_FOR_CONTACT: (frozenset({Stage.NEW, Stage.NURTURE}), Stage.MARKETING_QUALIFIED),
    MoveAct.PROMOTE: (frozenset({Stage.NEW, Stage.NURTURE}), Stage.MARKETING_QUALIFIED),
    MoveAct.ATTEMPT: (frozenset({Stage.MARKETING_QUALIFIED}), Stage.WORKING),
    MoveAct.HAND_OVER: (frozenset({Stage.WORKING}), Stage.SALES_QUALIFIED),
    MoveAct.ACCEPT: (frozenset({Stage.SALES_QUALIFIED}), Stage.OPPORTUNITY),
    MoveAct.REJECT: (frozenset({Stage.SALES_QUALIFIED}), None),
    MoveAct.RETURN: (frozenset({Stage.SALES_QUALIFIED, Stage.OPPORTUNITY}), None),
    MoveAct.WIN: (frozenset({Stage.OPPORTUNITY}), Stage.CUSTOMER),
    MoveAct.LOSE: (frozenset({Stage.OPPORTUNITY}), None),
    MoveAct.NURTURE: (frozenset(OPEN_STAGES) - {Stage.NURTURE}, Stage.NURTURE),
    MoveAct.DISQUALIFY: (frozenset(OPEN_STAGES), Stage.DISQUALIFIED),
    MoveAct.REOPEN: (frozenset({Stage.DISQUALIFIED}), Stage.NEW),
}

# Whose turn it is: the function that holds a stage.
STAGE_FUNCTION: Final[dict[Stage, TeamFunction]] = {
    Stage.NEW: TeamFunction.MARKETING,
    Stage.NURTURE: TeamFunction.MARKETING,
    Stage.MARKETING_QUALIFIED: TeamFunction.SDR,
    Stage.WORKING: TeamFunction.SDR,
    Stage.SALES_QUALIFIED: TeamFunction.SALES,
    Stage.OPPORTUNITY: TeamFunction.SALES,
    Stage.CUSTOMER: TeamFunction.SALES,
}


class MoveNotAllowed(Conflict):
    """The act does not apply to the stage the lead is in."""


class LeadMovedMeanwhile(Conflict):
    """Somebody else moved the lead first."""


@dataclass(frozen=True)
class Move:
    """One move of one lead out of the stage it was seen in."""

    lead_id: int
    from_stage: Stage
    to_stage: Stage
    act: MoveAct
    reason: str = ""
    note: str = ""
    actor_id: int | None = None


def check_move(*, stage: Stage, act: MoveAct) -> None:
    """Raise MoveNotAllowed unless the act may leave this stage."""
    leaves, _target = MOVES[act]
    if stage not in leaves:
        allowed = ", ".join(str(option.label) for option in Stage if option in leaves)
        raise MoveNotAllowed(
            _("“%(act)s” is not possible while the lead is in %(stage)s; it is possible in: %(allowed)s.")
            % {"act": act.label, "stage": stage.label, "allowed": allowed},
            stage=stage.value,
        )


def move_lead(*, move: Move, now: datetime) -> None:
    """Move one lead. Raises LeadMovedMeanwhile if it is no longer in the stage it was seen in."""
    if not move_leads(moves=[move], now=now):
        raise LeadMovedMeanwhile(_("Somebody else moved this lead in the meantime. Look at it again."))


def move_leads(*, moves: Iterable[Move], now: datetime, act_check: bool = True) -> list[int]:
    """Move leads in one statement, each only if it is still in the stage it was seen in, and write their history.

    Returns the ids that moved. ``act_check=False`` is for files, which tell what has happened outside the table of moves.
    """
    rows = list(moves)
    if act_check:
        for move in rows:
            check_move(stage=Stage(move.from_stage), act=move.act)
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, _parameters(rows, now))
        return sorted(lead_id for (lead_id,) in cursor.fetchall())


def _parameters(rows: Sequence[Move], now: datetime) -> dict[str, Any]:
    return {
        "tenant": require_tenant_id(),
        "now": now,
        "leads": [move.lead_id for move in rows],
        "from": [str(move.from_stage) for move in rows],
        "to": [str(move.to_stage) for move in rows],
        "furthest": [furthest_ordinal(move.to_stage) for move in rows],
        "acts": [str(move.act) for move in rows],
        "reasons": [move.reason for move in rows],
        "notes": [move.note for move in rows],
        "actors": [move.actor_id for move in rows],
    }


def furthest_ordinal(stage: Stage) -> int:
    """The ordinal a stage counts for; side exits never raise the furthest stage."""
    return FORWARD_STAGES.index(stage) if stage in FORWARD_STAGES else 0


# The WHERE on the old stage decides who was first; OLD is the row as it was left.
_MOVE = """
WITH wanted AS (
    SELECT * FROM unnest(
        %(leads)s::bigint[], %(from)s::text[], %(to)s::text[], %(furthest)s::smallint[],
        %(acts)s::text[], %(reasons)s::text[], %(notes)s::text[], %(actors)s::bigint[]
    ) AS wanted (lead_id, from_stage, to_stage, furthest, act, reason, note, actor_id)
), moved AS (
    UPDATE leads_leadstate state
    SET stage = wanted.to_stage, stage_at = %(now)s, stage_act = wanted.act, stage_reason = wanted.reason,
        furthest_stage = GREATEST(state.furthest_stage, wanted.furthest), claimed_until = NULL,
        asked_for_contact_at = CASE WHEN wanted.to_stage = 'mql' THEN NULL ELSE state.asked_for_contact_at END
    FROM wanted
    WHERE state.lead_id = wanted.lead_id AND state.stage = wanted.from_stage
    RETURNING wanted.*, old.stage_at AS since
), history AS (
    INSERT INTO leads_stagechange
        (tenant_id, lead_id, from_stage, to_stage, at, seconds_in_from_stage, actor_id, act, reason, note)
    SELECT %(tenant)s, moved.lead_id, moved.from_stage, moved.to_stage, %(now)s,
           GREATEST(0, EXTRACT(EPOCH FROM %(now)s - moved.since))::bigint,
           moved.actor_id, moved.act, moved.reason, moved.note
    FROM moved
)
SELECT lead_id FROM moved
"""


def list_states(*, lead_ids: Iterable[int]) -> dict[int, LeadState]:
    """How these leads stand now, by id."""
    return {state.lead_id: state for state in LeadState.objects.filter(lead_id__in=list(lead_ids))}
