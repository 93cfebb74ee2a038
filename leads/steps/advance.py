"""The step that moves leads through gates, and those who asked for contact past them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, CharField, DateTimeField, F, OuterRef, Subquery

from core.due import DueKind, cancel, schedule
from leads.conditions.compile import Reading, compile_condition, record_condition
from leads.conditions.logic import Fragment, InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.decisions import NewDecision, write_decisions
from leads.gates import Gate, Gates
from leads.lifecycle import Move, move_leads
from leads.models import Decision, DecisionKind, Lead, LeadState, MoveAct, RuleKind, Stage
from leads.next_change import next_change
from leads.pipeline import Batch, Reason, ReasonCode, lock_free_leads, run_pipeline

GATE_CHANGES: Final = "gate.changes"
ASKED_FOR_CONTACT: Final = "asked for contact"
LEAD_IDS: Final = Param("lead_ids", ArrayField(BigIntegerField()))
NOW: Final = Param("now", DateTimeField())
READING: Final = Reading(NOW)
VERDICT_WORDS: Final = {True: "true", False: "false", None: "unknown"}


@dataclass(frozen=True)
class GateDecision:
    """What a gate says of a lead: ``record`` is the verdict and input of each of its leaves."""

    lead_id: int
    gate_id: str
    result: str
    record: list[Any]
    is_moved: bool


@dataclass
class AdvancePlan:
    """Who moves, which gates say something new, whose asking for contact has no effect, what is due when."""

    version_id: int | None
    moves: list[Move] = field(default_factory=list)
    decisions: list[GateDecision] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    due: list[tuple[int, datetime | None]] = field(default_factory=list)


class AdvanceStep:
    """Gates and the form that asks for contact. Leads that only files tell of stay where they are."""

    name = "advance"
    runs_on_history = False
    concerns: str | None = None

    def plan(self, batch: Batch) -> AdvancePlan:
        """Who would move, and what would be decided."""
        published = batch.rules.get(RuleKind.GATES)
        gates: Gates = published.rules if published else Gates(())
        plan = AdvancePlan(published.version_id if published else None)
        values = {"lead_ids": batch.lead_ids, "now": batch.now}
        for row in _seen(gates).rows(**values):
            _plan_lead(plan, gates, row)
        if looks_at_the_clock(gates):
            plan.due = [(lead_id, at) for lead_id, at in _due(gates).rows(**values)]
        return plan

    def apply(self, batch: Batch, plan: AdvancePlan) -> None:
        """Move, decide, and forget askings that have no effect."""
        move_leads(moves=plan.moves, now=batch.now)
        write_decisions(
            decisions=(
                NewDecision(
                    lead_id=decision.lead_id,
                    kind=DecisionKind.GATE,
                    topic=decision.gate_id,
                    version_id=plan.version_id,
                    result=decision.result,
                    detail={"record": decision.record, "moved": decision.is_moved},
                )
                for decision in plan.decisions
            ),
            now=batch.now,
        )
        if plan.answered:
            LeadState.objects.filter(lead_id__in=plan.answered).update(asked_for_contact_at=None)
        if plan.due:
            schedule(kind=GATE_CHANGES, due={lead_id: at for lead_id, at in plan.due if at is not None})
            cancel(kind=GATE_CHANGES, subjects=[lead_id for lead_id, at in plan.due if at is None])


def _plan_lead(plan: AdvancePlan, gates: Gates, row: tuple[Any, ...]) -> None:
    """What becomes of one lead of which something new is to be said."""
    lead_id, stage, has_asked, asks, rose, verdicts, records, before = row
    target = Stage.MARKETING_QUALIFIED
    moves_by = None
    if asks:
        moves_by = Move(lead_id, Stage(stage), target, MoveAct.ASKED_FOR_CONTACT, reason=ASKED_FOR_CONTACT)
    elif has_asked:
        plan.answered.append(lead_id)
    recorded = json.loads(records)
    for index, gate in enumerate(gates.gates):
        if stage not in gate.leaves:
            continue
        result = VERDICT_WORDS[verdicts[index]]
        opens = verdicts[index] is True and rose and moves_by is None
        if opens:
            moves_by = Move(lead_id, Stage(stage), gate.to, MoveAct.GATE)
        if opens or result != before[index]:
            plan.decisions.append(GateDecision(lead_id, gate.id, result, recorded[index], opens))
    if moves_by is not None:
        plan.moves.append(moves_by)


def _seen(gates: Gates) -> Statement:
    """One row for each lead of the batch that asked for contact, or of which a gate says what it did not say before.

    ``(lead_id, stage, has_asked, asks, rose, verdicts, records, verdicts before)``; ``asks``: it moves past the gate;
    ``rose``: from nurture, an event with positive points occurred after it came there.
    """
    return cached_statement(key=f"advance:{gates.fingerprint}", build=lambda: _build_seen(gates))


def _build_seen(gates: Gates) -> Statement:
    columns: dict[str, Any] = {}
    for index, gate in enumerate(gates.gates):
        columns[f"v_{index}"] = compile_condition(gate.when, now=NOW)
        columns[f"r_{index}"] = record_condition(gate.when, now=NOW)
        columns[f"b_{index}"] = _said_before(gate)
    standing = ("stage", "stage_at", "live_since", "asked_for_contact_at", "last_positive_at")
    leads = Lead.objects.filter(InList(F("pk"), LEAD_IDS)).annotate(**columns).order_by()
    statement = Statement.of(leads.values_list("pk", *(f"standing__{name}" for name in standing), *columns))
    each = range(len(gates.gates))
    said = "".join(f" OR ({_says_something_new(index)})" for index in each)
    parts = {
        f"leaves_{index}": Statement("%s::text[]", ([stage.value for stage in gate.leaves],))
        for index, gate in enumerate(gates.gates)
    }
    # A lead comes to nurture with the score it has: only what it does afterwards makes it rise again.
    return Statement.compose(
        f"""
        SELECT lead_id, stage, asked_at IS NOT NULL,
            COALESCE(is_live AND (stage = 'new' OR stage = 'nurture' AND asked_at >= stage_at), false)
                AND asked_at IS NOT NULL,
            rose, ARRAY[{", ".join(f"v_{index}" for index in each)}]::boolean[],
            jsonb_build_array({", ".join(f"r_{index}" for index in each)}),
            ARRAY[{", ".join(f"b_{index}" for index in each)}]::text[]
        FROM (
            SELECT *, live_since IS NOT NULL AS is_live,
                stage <> 'nurture' OR COALESCE(last_positive_at > stage_at, false) AS rose
            FROM ({{leads}}) AS leads (
                lead_id, stage, stage_at, live_since, asked_at, last_positive_at
                {"".join(f", {column}" for column in columns)}
            )
        ) seen
        WHERE asked_at IS NOT NULL OR is_live AND (false{said})
        """,  # noqa: S608
        leads=statement,
        **parts,
    )


def _says_something_new(index: int) -> str:
    word = f"CASE WHEN v_{index} THEN 'true' WHEN NOT v_{index} THEN 'false' ELSE 'unknown' END"
    return f"stage = ANY ({{leaves_{index}}}) AND (v_{index} AND rose OR {word} <> b_{index})"


def _said_before(gate: Gate) -> Fragment:
    """What the gate's newest decision says; "false" before the first, which is not worth a row."""
    decisions = Decision.objects.filter(lead=OuterRef("pk"), kind=DecisionKind.GATE, topic=gate.id)
    newest = Subquery(decisions.order_by("-id").values("result")[:1])
    return Fragment("COALESCE({}, 'false')", newest, output_field=CharField())


def _due(gates: Gates) -> Statement:
    """``(lead_id, next_at)`` of leads before a gate that looks at the clock, where the due row says otherwise."""
    return cached_statement(key=f"advance.due:{gates.fingerprint}", build=lambda: _build_due(gates))


def _build_due(gates: Gates) -> Statement:
    instants = list(_next_changes(gates))
    columns = {f"n_{index}": instant for index, (_gate, instant) in enumerate(instants)}
    parts = {
        f"leaves_{index}": Statement("%s::text[]", ([stage.value for stage in gate.leaves],))
        for index, (gate, _instant) in enumerate(instants)
    }
    leads = Lead.objects.filter(InList(F("pk"), LEAD_IDS)).annotate(**columns).order_by()
    statement = Statement.of(leads.values_list("pk", "standing__stage", "standing__live_since", *columns))
    ahead = ", ".join(
        f"CASE WHEN stage = ANY ({{{leaves}}}) THEN n_{index} END" for index, leaves in enumerate(parts)
    )
    return Statement.compose(
        f"""
        SELECT seen.lead_id, seen.next_at
        FROM (
            SELECT lead_id, CASE WHEN live_since IS NOT NULL THEN LEAST({ahead}) END AS next_at
            FROM ({{leads}}) AS leads (lead_id, stage, live_since, {", ".join(columns)})
        ) seen LEFT JOIN core_duerow due ON due.kind = 'gate.changes' AND due.subject = seen.lead_id
        WHERE due.due_at IS DISTINCT FROM seen.next_at
        """,  # noqa: S608
        leads=statement,
        **parts,
    )


_clock_readers: dict[str, bool] = {}


def looks_at_the_clock(gates: Gates) -> bool:
    """Whether time alone may open or close one of the gates; worked out once for gates that make the same SQL."""
    if gates.fingerprint not in _clock_readers:
        _clock_readers[gates.fingerprint] = any(True for _each in _next_changes(gates))
    return _clock_readers[gates.fingerprint]


def _next_changes(gates: Gates) -> Iterator[tuple[Gate, Fragment]]:
    for gate in gates.gates:
        instant = next_change(gate.when, READING)
        if instant is not None:
            yield gate, instant


def run_when_due(lead_ids: Sequence[int], now: datetime) -> None:
    """Time has come at which a gate may open for these leads."""
    run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.TIME), now=now)


advance = AdvanceStep()

GATES_DUE: Final = DueKind(GATE_CHANGES, act=run_when_due, lock=lock_free_leads)
