"""Why a lead is in its stage, and why it is not MQL yet."""

from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from leads.conditions.explain import (
    VERDICT_WORDS,
    Explanation,
    Record,
    explain_records,
    read_records,
    smallest_changes_of_record,
)
from leads.conditions.language import Condition
from leads.gates import Gate, Gates
from leads.models import Decision, DecisionKind, LeadState, MoveAct, RuleKind, RuleVersion, Stage, StageChange
from leads.reasons import published_reasons
from leads.timeline import reason_words
from leads.versions import Published, open_rulebook, parse_document
from leads.why import WhyPart, WhyRule, register_why

TRUE, FALSE = VERDICT_WORDS[True], VERDICT_WORDS[False]
MOST_CHANGES = 3


def explain_stage(lead_id: int, now: datetime) -> list[WhyPart]:
    """Before a gate: what each of its conditions says and what is missing. Else the move that brought the lead here."""
    state = LeadState.objects.get(pk=lead_id)
    stage = Stage(state.stage)
    published = open_rulebook().get(RuleKind.GATES)
    gates = published.rules.out_of(stage) if published else []
    if published is not None and gates:
        return [_not_yet(state, published, gates, now)]
    moved = StageChange.objects.select_related("actor").filter(lead_id=lead_id).order_by("-at", "-id").first()
    return [_brought_here(state, moved)]


def _part(
    state: LeadState, *, version: int | None, at: datetime | None, rules: list[WhyRule], **more: Any
) -> WhyPart:
    stage = Stage(state.stage)
    return WhyPart(_("Stage"), stage.value, version, at, rules, words=str(stage.label), **more)


def _not_yet(state: LeadState, published: Published, gates: list[Gate], now: datetime) -> WhyPart:
    conditions: dict[str, Condition] = {gate.id: gate.when for gate in gates}
    records = read_records(conditions, lead_id=state.pk, now=now)
    explained = explain_records({key: (conditions[key], records[key]) for key in conditions})
    rules = [rule for gate in gates for rule in _rules_of_gate(gate, explained[gate.id])]
    if state.stage == Stage.NURTURE:
        rules.append(_risen(state))
    if state.live_since is None:
        rules.append(_heard_of(state))
    decided = (
        Decision.objects.filter(lead_id=state.pk, kind=DecisionKind.GATE, version_id=published.version_id)
        .order_by("-id")
        .first()
    )
    return _part(
        state,
        version=published.number,
        at=decided.at if decided else None,
        rules=rules,
        smallest_change=_smallest_changes(state, gates, records),
    )


def _rules_of_gate(gate: Gate, explained: Explanation) -> list[WhyRule]:
    """One line for each condition that must hold together, one for the whole where it is put together otherwise."""
    parts = explained.parts if explained.kind == "all" else (explained,)
    return [
        WhyRule(
            f"{gate.id}.{index}" if len(parts) > 1 else gate.id,
            part.sentence[:1].upper() + part.sentence[1:],
            part.verdict_word,
            "",
            [{"label": read.label, "value": read.text} for read in part.all_inputs()],
        )
        for index, part in enumerate(parts)
    ]


def _has_risen(state: LeadState) -> bool:
    return state.last_positive_at is not None and state.last_positive_at > state.stage_at


def _risen(state: LeadState) -> WhyRule:
    return WhyRule(
        "risen",
        _("Did something that gives points since it came to nurture"),
        VERDICT_WORDS[_has_risen(state)],
        "",
        [
            {"label": _("In nurture since"), "value": _instant(state.stage_at)},
            {"label": _("Last event that gives points"), "value": _instant(state.last_positive_at)},
        ],
    )


def _heard_of(state: LeadState) -> WhyRule:
    return WhyRule("live", _("Heard of by more than a file"), FALSE, "", [])


def _instant(at: datetime | None) -> str:
    return date_format(localtime(at), "SHORT_DATETIME_FORMAT") if at else _("none")


def _smallest_changes(state: LeadState, gates: list[Gate], records: dict[str, Record]) -> list[str]:
    is_ready = state.live_since is not None and (state.stage != Stage.NURTURE or _has_risen(state))
    found: list[str] = []
    for gate in gates:
        changes = smallest_changes_of_record(gate.when, records[gate.id], limit=MOST_CHANGES)
        # It has to do something anyway: what it does may be what is missing.
        found += [change.text for change in changes]
    if not found and not is_ready:
        found.append(_("a new event that gives points"))
    return list(dict.fromkeys(found))[:MOST_CHANGES]


def _brought_here(state: LeadState, moved: StageChange | None) -> WhyPart:
    if moved is None:
        return _part(state, version=None, at=None, rules=[])
    if moved.act == MoveAct.GATE:
        decision = (
            Decision.objects.filter(lead_id=state.pk, kind=DecisionKind.GATE, at=moved.at, detail__moved=True)
            .order_by("-id")
            .first()
        )
        version = RuleVersion.objects.filter(pk=decision.version_id).first() if decision else None
        if decision is not None and version is not None:
            gates: Gates = parse_document(kind=RuleKind.GATES, document=version.document)
            gate = gates.get(decision.topic)
            if gate is not None:
                record = decision.detail["record"]
                explained = explain_records({gate.id: (gate.when, record)})[gate.id]
                rules = _rules_of_gate(gate, explained)
                return _part(state, version=version.number, at=moved.at, rules=rules)
    return _part(state, version=None, at=moved.at, rules=[_by_act(moved)])


def _by_act(moved: StageChange) -> WhyRule:
    inputs = []
    if moved.actor:
        inputs.append({"label": _("By"), "value": moved.actor.name})
    if moved.from_stage:
        inputs.append({"label": _("Before"), "value": str(Stage(moved.from_stage).label)})
    if moved.note:
        inputs.append({"label": _("Note"), "value": moved.note})
    effect = reason_words(act=moved.act, reason=moved.reason, reasons=published_reasons(open_rulebook()))
    return WhyRule(moved.act, str(MoveAct(moved.act).label), TRUE, effect, inputs)


def register_why_stage() -> None:
    """Answer for the stage; called once, when the app is ready."""
    register_why("stage", explain_stage)
