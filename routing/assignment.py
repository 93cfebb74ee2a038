"""Who gets a lead: the first rule that is true names a pool, team or member; a pool's next active member becomes the owner.

A lead keeps its owner as long as that person is active, also when it comes back to a stage later. A person kept by name from a
file is no owner. Rules are evaluated in one statement for the batch; turns are taken in Python over locked pools.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F, Q

from leads.conditions.compile import compile_condition, record_condition
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.decisions import NewDecision, write_decisions
from leads.models import Decision, DecisionKind, Lead, LeadState, Stage
from leads.versions import Published
from routing.rules import RoutingRule, RoutingRules, TargetKind
from routing.staff import Staff, read_staff
from routing.turns import OpenPool, Place, lock_pools, write_turns
from tenancy.models import TeamFunction

SDR_STAGES: Final = (Stage.MARKETING_QUALIFIED, Stage.WORKING)
SALES_STAGES: Final = (Stage.SALES_QUALIFIED, Stage.OPPORTUNITY)
LEAD_IDS: Final = Param("lead_ids", ArrayField(BigIntegerField()))
# How many of those who stand in a pool a decision remembers.
MAX_REMEMBERED: Final = 8


class How(StrEnum):
    """By what a lead got its owner, or why it has none."""

    POOL = "pool"
    FALLBACK = "fallback"
    TEAM = "team"
    MEMBER = "member"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Waiting:
    """A lead that needs somebody in one function; ``former_id`` is who had it and has to give it up."""

    lead_id: int
    function: TeamFunction
    former_id: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What one rule said of a lead: true, false or None, with the record of its condition (null without one)."""

    rule: RoutingRule
    verdict: bool | None
    record: Any


@dataclass(frozen=True)
class Choice:
    """What the rules say of a waiting lead; ``rule`` is the first that is true."""

    waiting: Waiting
    rule: RoutingRule | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Outcome:
    """Who a lead goes to. ``waited`` are those who stood in the pool, whose turn it was first, as (name, last turn)."""

    choice: Choice
    how: How
    member_id: int | None = None
    team_id: int | None = None
    pool: OpenPool | None = None
    turn: int | None = None
    waited: tuple[tuple[str, int], ...] = ()

    @property
    def lead_id(self) -> int:
        return self.choice.waiting.lead_id

    @property
    def function(self) -> TeamFunction:
        return self.choice.waiting.function


# Which leads wait ------------------------------------------------------------------------------------------------


def list_waiting(lead_ids: Iterable[int]) -> list[Waiting]:
    """The live leads among these whose stage wants an SDR or a sales rep and that have neither one nor a team's queue."""
    rows = cached_statement(key="routing.waiting", build=_waiting_statement).rows(lead_ids=list(lead_ids))
    return [
        Waiting(lead_id, TeamFunction.SDR, owner_sdr)
        if stage in SDR_STAGES
        else Waiting(lead_id, TeamFunction.SALES, owner_sales)
        for lead_id, stage, owner_sdr, owner_sales in rows
    ]


def _waiting_statement() -> Statement:
    in_sdr = Q(stage__in=SDR_STAGES) & (
        Q(owner_sdr__isnull=True, team_sdr__isnull=True) | Q(owner_sdr__is_active=False)
    )
    in_sales = Q(stage__in=SALES_STAGES) & (
        Q(owner_sales__isnull=True, team_sales__isnull=True) | Q(owner_sales__is_active=False)
    )
    return Statement.of(
        LeadState.objects.filter(InList(F("lead_id"), LEAD_IDS), live_since__isnull=False)
        .filter(in_sdr | in_sales)
        .order_by("lead_id")
        .values_list("lead_id", "stage", "owner_sdr_id", "owner_sales_id")
    )


# What the rules say ----------------------------------------------------------------------------------------------


def choose(*, waiting: Sequence[Waiting], rules: RoutingRules, now: datetime) -> list[Choice]:
    """What the rules say of each waiting lead, in one query; reads only."""
    found = _read_verdicts([each.lead_id for each in waiting], rules, now)
    choices = []
    for each in waiting:
        verdicts = tuple(
            Verdict(rule, *found.get(each.lead_id, {}).get(rule.id, (rule.when is None or None, None)))
            for rule in rules.of_function(each.function)
        )
        first = next((verdict.rule for verdict in verdicts if verdict.verdict is True), None)
        choices.append(Choice(each, first, verdicts))
    return choices


def _read_verdicts(
    lead_ids: Sequence[int], rules: RoutingRules, now: datetime
) -> dict[int, dict[str, tuple[bool | None, Any]]]:
    """By lead and rule: the verdict and the record of its condition; rules without a condition are left out."""
    asked = rules.conditional
    if not asked or not lead_ids:
        return {}
    statement = cached_statement(
        key=f"routing.rules:{rules.text_key}", build=lambda: _verdict_statement(asked)
    )
    values = {"lead_ids": list(lead_ids), "now": now}
    found = {}
    for lead_id, *columns in statement.rows(**{name: values[name] for name in statement.names}):
        pairs = zip(columns[::2], columns[1::2], strict=True)
        found[lead_id] = {
            rule.id: (verdict, json.loads(record))
            for rule, (verdict, record) in zip(asked, pairs, strict=True)
        }
    return found


def _verdict_statement(rules: Sequence[RoutingRule]) -> Statement:
    columns: dict[str, Any] = {}
    for index, rule in enumerate(rules):
        assert rule.when is not None
        columns[f"verdict_{index}"] = compile_condition(rule.when, now=Param("now"))
        columns[f"record_{index}"] = record_condition(rule.when, now=Param("now"))
    leads = Lead.objects.filter(InList(F("pk"), LEAD_IDS)).annotate(**columns)
    return Statement.of(leads.order_by().values_list("pk", *columns))


# Who gets them ---------------------------------------------------------------------------------------------------


@dataclass
class Given:
    """What came of sharing out. ``news`` are the outcomes that changed something, ``staff`` the people as they were read."""

    outcomes: list[Outcome]
    news: list[Outcome]
    staff: Staff


def give(
    *,
    choices: Sequence[Choice],
    published: Published,
    now: datetime,
    causes: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
) -> Given:
    """Take turns, write owners and the decisions that tell why.

    A former owner never gets the lead again. ``causes`` say by lead why it is taken from an owner who is still there; it stays
    with them if there is nobody else. A lead without an owner for which there is nobody is told of once, not at
    every run.
    """
    staff = read_staff()
    outcomes = _share_out(choices, published.rules, staff)
    changing = [
        outcome for outcome in outcomes if outcome.how is not How.NOBODY or outcome.lead_id not in causes
    ]
    _write_owners(changing)
    news = _new_results(changing)
    _write_decisions(news, published.version_id, staff, now, causes)
    return Given(outcomes, news, staff)


def _share_out(choices: Sequence[Choice], rules: RoutingRules, staff: Staff) -> list[Outcome]:
    """Each choice's outcome, in order of lead ids.

    Fallback pools are locked after all others, which keeps the order of locks the same for everybody.
    """
    ordered = sorted(choices, key=lambda choice: choice.waiting.lead_id)
    fallback_keys = set(rules.fallback.values())
    keys = {_pool_key(choice) for choice in ordered} - {None}
    pools = lock_pools(keys=keys - fallback_keys, staff=staff)
    outcomes: dict[int, Outcome] = {}
    for choice in ordered:
        if (outcome := _by_rule(choice, pools, staff)) is not None:
            outcomes[choice.waiting.lead_id] = outcome
    left = [choice for choice in ordered if choice.waiting.lead_id not in outcomes]
    if left:
        wanted = {rules.fallback[choice.waiting.function] for choice in left}
        pools |= lock_pools(keys=wanted | (keys & fallback_keys), staff=staff)
        for choice in left:
            key = _pool_key(choice)
            direct = _from_pool(choice, pools.get(key), How.POOL, staff) if key in fallback_keys else None
            backup = pools.get(rules.fallback[choice.waiting.function])
            outcomes[choice.waiting.lead_id] = (
                direct or _from_pool(choice, backup, How.FALLBACK, staff) or Outcome(choice, How.NOBODY)
            )
    write_turns(pools=pools.values())
    return [outcomes[choice.waiting.lead_id] for choice in ordered]


def _pool_key(choice: Choice) -> Any:
    """The key of the pool that the rule names, or None."""
    if choice.rule is None or choice.rule.to.kind is not TargetKind.POOL:
        return None
    return choice.rule.to.key


def _by_rule(choice: Choice, pools: Mapping[str, OpenPool], staff: Staff) -> Outcome | None:
    """What the rule gives, or None where it gives nobody."""
    if choice.rule is None:
        return None
    target, waiting = choice.rule.to, choice.waiting
    if target.kind is TargetKind.POOL:
        return _from_pool(choice, pools.get(str(target.key)), How.POOL, staff)
    if target.kind is TargetKind.TEAM:
        team = staff.teams.get(int(target.key))
        return Outcome(choice, How.TEAM, team_id=team.id) if team else None
    member_id = int(target.key)
    if member_id == waiting.former_id or not staff.works_in(member_id, waiting.function):
        return None
    return Outcome(choice, How.MEMBER, member_id=member_id)


def _from_pool(choice: Choice, pool: OpenPool | None, how: How, staff: Staff) -> Outcome | None:
    """The turn of the pool's next member, or None if it is gone or nobody can take a lead."""
    if pool is None or pool.function is not choice.waiting.function:
        return None
    place = pool.next(but_not=choice.waiting.former_id)
    if place is None:
        return None
    standing = sorted(pool.places, key=Place.order)[:MAX_REMEMBERED]
    waited = tuple((staff.name(each.member_id), each.last_turn) for each in standing)
    return Outcome(choice, how, place.member_id, pool=pool, turn=pool.take(place), waited=waited)


def _write_owners(outcomes: Sequence[Outcome]) -> None:
    """One update; a lead that had nobody and found nobody is not rewritten."""
    changed = [
        outcome
        for outcome in outcomes
        if outcome.how is not How.NOBODY or outcome.choice.waiting.former_id is not None
    ]
    if not changed:
        return
    _UPDATE.execute(
        lead_ids=[outcome.lead_id for outcome in changed],
        functions=[outcome.function.value for outcome in changed],
        members=[outcome.member_id for outcome in changed],
        teams=[outcome.team_id for outcome in changed],
    )


_UPDATE: Final = Statement.text("""
UPDATE leads_leadstate state
SET owner_sdr_id = CASE given.function WHEN 'sdr' THEN given.member_id ELSE state.owner_sdr_id END,
    team_sdr_id = CASE given.function WHEN 'sdr' THEN given.team_id ELSE state.team_sdr_id END,
    claimed_until = CASE given.function WHEN 'sdr' THEN NULL ELSE state.claimed_until END,
    owner_sales_id = CASE given.function WHEN 'sales' THEN given.member_id ELSE state.owner_sales_id END,
    team_sales_id = CASE given.function WHEN 'sales' THEN given.team_id ELSE state.team_sales_id END
FROM unnest(%(lead_ids)s::bigint[], %(functions)s::text[], %(members)s::bigint[], %(teams)s::bigint[])
    AS given (lead_id, function, member_id, team_id)
WHERE state.lead_id = given.lead_id AND state.lead_id = ANY (%(lead_ids)s::bigint[])
""")


# Why -------------------------------------------------------------------------------------------------------------


def _new_results(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes that change something: a lead for which there is still nobody has been told of before."""
    unchanged = [
        outcome
        for outcome in outcomes
        if outcome.how is How.NOBODY and outcome.choice.waiting.former_id is None
    ]
    if not unchanged:
        return list(outcomes)
    newest = (
        Decision.objects.filter(
            lead_id__in=[outcome.lead_id for outcome in unchanged], kind=DecisionKind.OWNER
        )
        .order_by("lead_id", "topic", "-id")
        .distinct("lead_id", "topic")
        .values_list("lead_id", "topic", "detail__how")
    )
    told = {(lead_id, topic) for lead_id, topic, how in newest if how == How.NOBODY}
    return [
        outcome
        for outcome in outcomes
        if outcome.how is not How.NOBODY or (outcome.lead_id, outcome.function) not in told
    ]


def _write_decisions(
    outcomes: Sequence[Outcome],
    version_id: int,
    staff: Staff,
    now: datetime,
    causes: Mapping[int, Mapping[str, Any]],
) -> None:
    write_decisions(
        decisions=(
            NewDecision(
                lead_id=outcome.lead_id,
                kind=DecisionKind.OWNER,
                topic=outcome.function,
                version_id=version_id,
                result=_result(outcome, staff)[:120],
                detail=_detail(outcome, causes.get(outcome.lead_id)),
            )
            for outcome in outcomes
        ),
        now=now,
    )


def _result(outcome: Outcome, staff: Staff) -> str:
    """The name of the owner or of the team in whose queue the lead waits; empty if there is nobody."""
    if outcome.team_id is not None:
        return staff.teams[outcome.team_id].name
    return staff.name(outcome.member_id)


def _detail(outcome: Outcome, cause: Mapping[str, Any] | None) -> dict[str, Any]:
    choice = outcome.choice
    return {
        "how": outcome.how.value,
        "member": outcome.member_id,
        "team": outcome.team_id,
        "rule": choice.rule.id if choice.rule else None,
        "pool": {"key": outcome.pool.key, "name": outcome.pool.name} if outcome.pool else None,
        "turn": outcome.turn,
        "waited": [list(each) for each in outcome.waited],
        "former": choice.waiting.former_id,
        "cause": dict(cause) if cause else None,
        "rules": [
            {"id": verdict.rule.id, "verdict": verdict.verdict, "record": verdict.record}
            for verdict in choice.verdicts
        ],
    }
