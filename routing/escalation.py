"""What happens when shares of a clock's time pass: warnings, the breach, the offer to the next person, the managers.

The sweep finds clocks by due rows and works on whole batches. Everything that has passed since the last visit is caught up at
once: each share leaves its decision, but nobody is warned of what is broken already.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BigIntegerField, F

from core.due import DueKind, schedule
from core.notifications import Notice, tell
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.decisions import NewDecision, write_decisions
from leads.models import DecisionKind, RuleKind, RuleVersion
from leads.versions import open_rulebook, parse_document
from routing.assignment import How, Outcome, Waiting, choose, give
from routing.calendars import open_hours
from routing.clocks import SHARE_KIND, KnownClock, Standing, Timer, end_clocks, list_open
from routing.models import Calendar, Clock
from routing.notices import MOST_SINGLY, clock_notice, many_notice, read_lead_names
from routing.policies import BREACH, ClockPolicies, Policy, ShareAct
from routing.staff import Staff, read_staff
from tenancy.models import TeamFunction


@dataclass(frozen=True, eq=False)
class Passed:
    """Shares of a policy that have passed: (per cent, what happens), what they ask for, and the highest per cent warned of.

    The same shares are the same object.
    """

    shares: tuple[tuple[int, ShareAct], ...]
    acts: frozenset[ShareAct]
    warned: int


@lru_cache(maxsize=1000)
def _passed(shares: tuple[tuple[int, ShareAct], ...]) -> Passed:
    warned = [percent for percent, act in shares if act is ShareAct.WARN]
    return Passed(shares, frozenset(act for _percent, act in shares), max(warned, default=0))


class Passing(NamedTuple):
    """An open clock with the shares of its time that have passed since they were last looked at, if any.

    ``instants`` are when they passed; ``next_share`` is (per cent, when) or None. ``owner_id`` has to act, as the batch found
    it, and ``team_id`` is the team in whose queue the lead waits, if in one's.
    """

    clock: KnownClock
    policy: Policy
    passed: Passed
    instants: list[datetime]
    next_share: tuple[int, datetime] | None
    owner_id: int | None
    team_id: int | None

    def has(self, act: ShareAct) -> bool:
        """Whether this act's share is among those that have passed."""
        return act in self.passed.acts


def lock_clocks(clock_ids: Sequence[int]) -> list[int]:
    """Lock the leads of clocks without waiting; returns the clocks whose leads it got, and those that are gone."""
    locked = [clock_id for (clock_id,) in _LOCK.rows(clocks=clock_ids)]
    if len(locked) == len(clock_ids):
        return locked
    there = set(Clock.objects.filter(pk__in=clock_ids).values_list("pk", flat=True))
    return locked + [clock_id for clock_id in clock_ids if clock_id not in there]


# As the pipeline locks leads: in the order of their ids.
_LOCK: Final = Statement.text("""
SELECT clock.id FROM routing_clock clock JOIN leads_lead lead ON lead.id = clock.lead_id
WHERE clock.id = ANY (%(clocks)s::bigint[])
ORDER BY lead.id FOR NO KEY UPDATE OF lead SKIP LOCKED
""")


def act_on_shares(clock_ids: Sequence[int], now: datetime) -> Iterable[int]:
    """Act on whatever has passed of these clocks, and plan their next shares. Their leads are locked.

    Returns the clocks that have a next share.
    """
    found = list_open(clock_ids=clock_ids)
    # A file may have moved the lead meanwhile; what no longer waits for anybody escalates no more.
    if found.ends:
        end_clocks(ends=found.ends, now=now)
    passing = _read_passing(found.going_on, found.standings, now)
    going_on = {each.clock.pk: each.next_share[1] for each in passing if each.next_share is not None}
    schedule(kind=SHARE_KIND, due=going_on)
    if acted := [each for each in passing if each.instants]:
        _write_clocks(acted)
        offers = _offer(acted, now)
        _write_decisions(acted, offers, now)
        tell(notices=_notices(acted, offers), now=now)
    return going_on


def _read_passing(
    clocks: Sequence[KnownClock], standings: Mapping[int, Standing], now: datetime
) -> list[Passing]:
    if not clocks:
        return []
    policies = read_policies({clock.version_id for clock in clocks})
    timers = _read_timers({clock.calendar_id for clock in clocks}, now)
    # Equal for all clocks of a kind that stand at the same share.
    ahead: dict[tuple[int, str, int], tuple[Policy, tuple[tuple[int, ShareAct], ...]]] = {}
    found = []
    for clock in clocks:
        stands = (clock.version_id, clock.kind, clock.level)
        if stands not in ahead:
            ahead[stands] = _ahead(policies[clock.version_id].get(clock.kind), clock.level)
        policy, shares = ahead[stands]
        timer, instants, next_share = timers[clock.calendar_id], [], None
        for percent, _act in shares:
            at = timer.share(clock.started_at, clock.due_at, percent, policy)
            if at > now:
                next_share = (percent, at)
                break
            instants.append(at)
        standing, passed = standings[clock.lead_id], _passed(shares[: len(instants)])
        owner_id, team_id = standing.owner(policy.function), standing.team(policy.function)
        found.append(Passing(clock, policy, passed, instants, next_share, owner_id, team_id))
    return found


def _ahead(policy: Policy | None, level: int) -> tuple[Policy, tuple[tuple[int, ShareAct], ...]]:
    assert policy is not None
    return policy, tuple(share for share in policy.shares if share[0] > level)


def read_policies(version_ids: Iterable[int]) -> dict[int, ClockPolicies]:
    """The documents that clocks run under, which may be archived by now."""
    rows = cached_statement(key="routing.policies", build=_policies_statement).rows(
        versions=list(version_ids)
    )
    return {pk: parse_document(kind=RuleKind.CLOCKS, document=json.loads(text)) for pk, text in rows}


def _policies_statement() -> Statement:
    ids = Param("versions", ArrayField(BigIntegerField()))
    return Statement.of(RuleVersion.objects.filter(InList(F("id"), ids)).values_list("pk", "document"))


def _read_timers(calendar_ids: Iterable[int | None], now: datetime) -> dict[int | None, Timer]:
    ids = [each for each in calendar_ids if each is not None]
    calendars = Calendar.objects.filter(pk__in=ids)
    timers: dict[int | None, Timer] = {
        calendar.pk: Timer(open_hours(calendar, now=now)) for calendar in calendars
    }
    return timers | {None: Timer(None)}


def _write_clocks(acted: Sequence[Passing]) -> None:
    """One update: level, next share, and for those whose deadline passed the breach with who was responsible."""
    _UPDATE.execute(
        clocks=[each.clock.pk for each in acted],
        levels=[each.passed.shares[-1][0] for each in acted],
        next_shares=[each.next_share[0] if each.next_share else None for each in acted],
        breaks=[each.has(ShareAct.BREAK) for each in acted],
        owners=[each.owner_id for each in acted],
    )


_UPDATE: Final = Statement.text("""
UPDATE routing_clock clock
SET level = passed.level, next_share = passed.next_share,
    state = CASE WHEN passed.breaks THEN 'broken' ELSE clock.state END,
    broken_at = CASE WHEN passed.breaks THEN clock.due_at ELSE clock.broken_at END,
    responsible_id = CASE WHEN passed.breaks THEN passed.owner_id ELSE clock.responsible_id END
FROM unnest(
    %(clocks)s::bigint[], %(levels)s::smallint[], %(next_shares)s::smallint[], %(breaks)s::boolean[], %(owners)s::bigint[]
) AS passed (id, level, next_share, breaks, owner_id)
WHERE clock.id = passed.id AND clock.id = ANY (%(clocks)s::bigint[])
""")


# The offer to the next person ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offers:
    """What came of offering leads to the next person: outcomes by clock, and the people as they were read."""

    outcomes: dict[int, Outcome]
    staff: Staff

    def new_owner(self, passing: Passing) -> int | None:
        """To whom the lead went, if it went to a person."""
        outcome = self.outcomes.get(passing.clock.pk)
        return outcome.member_id if outcome else None

    def went_to(self, passing: Passing) -> tuple[How, int | None, int | None] | None:
        """How the lead was offered, with the person and the team that got it; None if it was not."""
        outcome = self.outcomes.get(passing.clock.pk)
        return (outcome.how, outcome.member_id, outcome.team_id) if outcome else None

    def moved(self, passing: Passing) -> bool:
        """Whether the lead left who had it, for a person or for a team's queue."""
        outcome = self.outcomes.get(passing.clock.pk)
        return outcome is not None and outcome.how is not How.NOBODY


def _offer(acted: Sequence[Passing], now: datetime) -> Offers:
    """Give late leads to the next person of the pool that the rules name for them now.

    Marketing has no pools, and a lead that waits in a team's queue is offered to all of it already: they are told only.
    """
    late = [
        each
        for each in acted
        if each.has(ShareAct.OFFER)
        and each.policy.function is not TeamFunction.MARKETING
        and (each.owner_id is not None or each.team_id is None)
    ]
    published = open_rulebook().get(RuleKind.ROUTING) if late else None
    if published is None:
        return Offers({}, read_staff())
    waiting = [Waiting(each.clock.lead_id, each.policy.function, each.owner_id) for each in late]
    given = give(
        choices=choose(waiting=waiting, rules=published.rules, now=now),
        published=published,
        now=now,
        causes={each.clock.lead_id: {"late": each.policy.kind.value} for each in late},
    )
    by_lead = {outcome.lead_id: outcome for outcome in given.outcomes}
    _note_told([outcome for outcome in given.outcomes if outcome.member_id is not None])
    return Offers({each.clock.pk: by_lead[each.clock.lead_id] for each in late}, given.staff)


def _note_told(outcomes: Sequence[Outcome]) -> None:
    """The new owner hears of the offer here; the pipeline's last step need not tell them again."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE leads_leadstate state SET told_owner_id = told.owner_id
            FROM unnest(%s::bigint[], %s::bigint[]) AS told (lead_id, owner_id) WHERE state.lead_id = told.lead_id
            """,
            [[outcome.lead_id for outcome in outcomes], [outcome.member_id for outcome in outcomes]],
        )


# Who is told, and what is kept -----------------------------------------------------------------------------------


def _write_decisions(acted: Sequence[Passing], offers: Offers, now: datetime) -> None:
    """One decision for each share that has passed, with the instant at which it passed."""
    staff = offers.staff
    rows = []
    for each in acted:
        clock, owner_name = each.clock, staff.name(each.owner_id)
        due_at = clock.due_at.isoformat()
        for (percent, act), at in zip(each.passed.shares, each.instants, strict=True):
            detail: dict[str, Any] = {
                "clock": clock.pk,
                "percent": percent,
                "passed_at": due_at if percent == BREACH else at.isoformat(),
                "due_at": due_at,
                "owner": each.owner_id,
                "owner_name": owner_name,
            }
            if act is ShareAct.OFFER:
                to = offers.new_owner(each)
                detail |= {"to": to, "to_name": staff.name(to), "moved": offers.moved(each)}
            rows.append(
                NewDecision(clock.lead_id, DecisionKind.CLOCK, clock.kind, clock.version_id, act, detail)
            )
    write_decisions(decisions=rows, now=now)


def _notices(acted: Sequence[Passing], offers: Offers) -> list[Notice]:
    """What everybody is told: lead by lead, or of how many where it would be too much."""
    alike: dict[tuple[Any, ...], list[Passing]] = defaultdict(list)
    for each in acted:
        alike[each.clock.kind, each.passed, each.owner_id, each.team_id, offers.went_to(each)].append(each)
    told: dict[tuple[int, str, int | None], list[tuple[Sequence[Passing], dict[str, Any]]]] = defaultdict(
        list
    )
    for (kind, *_rest), passing in alike.items():
        for event, values, members in _events(passing[0], offers):
            for member_id in members:
                told[member_id, clock_notice(event, kind), values.get("percent")].append((passing, values))
    many, singly = [], []
    for (member_id, kind, percent), parts in told.items():
        count = sum(len(passing) for passing, _values in parts)
        if count > MOST_SINGLY:
            words = {"count": count} | ({"percent": percent} if percent else {})
            many.append(Notice(member_id, many_notice(kind), words))
        else:
            singly += [(each, member_id, kind, values) for passing, values in parts for each in passing]
    names = read_lead_names({each.clock.lead_id for each, *_rest in singly})
    return many + [
        Notice(member_id, kind, {"lead": names[each.clock.lead_id]} | values, each.clock.lead_id)
        for each, member_id, kind, values in sorted(singly, key=lambda one: one[0].clock.pk)
    ]


def _events(each: Passing, offers: Offers) -> list[tuple[str, dict[str, Any], list[int]]]:
    """What is told of one clock: (what happened, values of its words, to whom)."""
    staff, function = offers.staff, each.policy.function
    owner_id = staff.active(each.owner_id)
    leads = staff.leads_of(function=function, owner_id=owner_id, team_id=each.team_id)
    told: list[tuple[str, dict[str, Any], list[int]]] = []
    if each.has(ShareAct.BREAK):
        told.append(_about("broken", staff.name(owner_id), leads))
    elif each.has(ShareAct.WARN):
        told.append(("warned", {"percent": each.passed.warned}, [owner_id] if owner_id else leads))
    if each.has(ShareAct.OFFER):
        told += _offer_events(each, offers)
    if each.has(ShareAct.ESCALATE):
        owner_now = offers.new_owner(each) or (None if offers.moved(each) else owner_id)
        told.append(_about("escalated", staff.name(owner_now), staff.managers()))
    return told


def _about(event: str, owner: str, members: list[int]) -> tuple[str, dict[str, Any], list[int]]:
    return (event, {"owner": owner}, members) if owner else (f"{event}_alone", {}, members)


def _offer_events(each: Passing, offers: Offers) -> list[tuple[str, dict[str, Any], list[int]]]:
    staff, function = offers.staff, each.policy.function
    owner_id, outcome = staff.active(each.owner_id), offers.outcomes.get(each.clock.pk)
    if outcome is None:
        team = staff.teams.get(each.team_id) if each.team_id else None
        people = sorted(team.member_ids & staff.people.keys()) if team else staff.with_role(function)
        return [("offered_team", {}, [member_id for member_id in people if member_id != owner_id])]
    if outcome.how is How.NOBODY:
        return []
    to = staff.name(outcome.member_id)
    told: list[tuple[str, dict[str, Any], list[int]]] = []
    if outcome.member_id is not None:
        told.append(("offered", {}, [outcome.member_id]))
    if outcome.team_id is not None:
        team = staff.teams[outcome.team_id]
        to = team.name
        told.append(("offered_team", {}, sorted(team.member_ids & staff.people.keys())))
    if owner_id is not None:
        told.append(("taken", {"to": to}, [owner_id]))
    return told


SHARES_DUE = DueKind(SHARE_KIND, act=act_on_shares, lock=lock_clocks, batch_size=1000, goes_on=True)
