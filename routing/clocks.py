"""Clocks: what should run for a lead as it stands, what meets and what cancels it. All of it is derived from rows.

A clock belongs to one visit to a stage (``entered_at``). A lead in mql runs first contact, or asked for contact if such a form
brought it there; an SQL that is offered runs answer the SQL; a lead that sales handed back for marketing to decide runs back
to nurture. The first attempt, the answer, the enrolment (or the disqualification) meet them; leaving otherwise cancels them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BigIntegerField,
    Case,
    DateTimeField,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)

from core.due import cancel, schedule
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.decisions import NewDecision, write_decisions
from leads.models import (
    ContactAttempt,
    DecisionKind,
    Handover,
    HandoverAnswer,
    LeadState,
    MoveAct,
    RuleKind,
    Stage,
)
from leads.pipeline import Batch
from leads.reasons import Reasons, published_reasons
from leads.versions import Published
from routing.business_time import Calendar as OpenHours
from routing.business_time import deadline, instant_at_share, next_opening
from routing.calendars import open_hours
from routing.models import OPEN_STATES, Calendar, Clock, ClockKind, ClockState
from routing.policies import BREACH, CLOCK_FUNCTION, ClockPolicies, Policy
from tenancy.models import TeamFunction
from tenancy.scope import require_tenant_id

SHARE_KIND: Final = "clock.share"
LEAD_IDS: Final = Param("lead_ids", ArrayField(BigIntegerField()))
CLOCK_IDS: Final = Param("clock_ids", ArrayField(BigIntegerField()))
CONTACT_KINDS: Final = frozenset({ClockKind.FIRST_CONTACT, ClockKind.ASKED_FOR_CONTACT})
STAGE_OF_KIND: Final[Mapping[str, Stage]] = {
    ClockKind.FIRST_CONTACT: Stage.MARKETING_QUALIFIED,
    ClockKind.ASKED_FOR_CONTACT: Stage.MARKETING_QUALIFIED,
    ClockKind.ANSWER_SQL: Stage.SALES_QUALIFIED,
    ClockKind.BACK_TO_NURTURE: Stage.NURTURE,
}
# An SQL that was withdrawn was not answered.
ANSWERS: Final = (HandoverAnswer.ACCEPTED, HandoverAnswer.REJECTED, HandoverAnswer.RETURNED)


class Standing(NamedTuple):
    """What a clock looks at on a live lead: the columns of its state, and since when an SQL is offered to sales."""

    lead_id: int
    stage: str
    act: str
    reason: str
    stage_at: datetime
    live_since: datetime
    enrolled_at: datetime | None
    offered_at: datetime | None
    owner_marketing: int | None
    owner_sdr: int | None
    owner_sales: int | None
    team_sdr: int | None
    team_sales: int | None

    @property
    def entered_at(self) -> datetime:
        """When the visit to the stage began for clocks."""
        return max(self.stage_at, self.live_since)

    def owner(self, function: TeamFunction) -> int | None:
        """Who has the lead in a function."""
        if function == TeamFunction.SDR:
            return self.owner_sdr
        return self.owner_sales if function == TeamFunction.SALES else self.owner_marketing

    def team(self, function: TeamFunction) -> int | None:
        """In whose queue the lead waits in a function; marketing has none."""
        if function == TeamFunction.SDR:
            return self.team_sdr
        return self.team_sales if function == TeamFunction.SALES else None


class KnownClock(NamedTuple):
    """A clock as it stands, with what may have met it, by its kind: the first attempt or answer since the visit began."""

    pk: int
    lead_id: int
    kind: str
    state: str
    entered_at: datetime
    started_at: datetime
    due_at: datetime
    broken_at: datetime | None
    level: int
    version_id: int
    calendar_id: int | None
    attempted_at: datetime | None
    answered_at: datetime | None


@dataclass(frozen=True)
class Start:
    """A clock that should run and does not yet."""

    lead_id: int
    kind: ClockKind
    entered_at: datetime
    counted_from: datetime


@dataclass(frozen=True)
class End:
    """An open clock that is met (``met_at``) or cancelled (None)."""

    clock: KnownClock
    met_at: datetime | None
    responsible_id: int | None

    @property
    def is_late(self) -> bool:
        """Whether the deadline passed before it was met; an act that began in time counts, even if a sweep was quicker."""
        if self.met_at is None:
            return self.clock.broken_at is not None
        return self.met_at > self.clock.due_at


@dataclass
class ClockPlan:
    """What the time step will do for a batch."""

    starts: list[Start] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)


# What should be --------------------------------------------------------------------------------------------------


def plan_clocks(batch: Batch) -> ClockPlan:
    """Which clocks start and which end, for a batch; reads only."""
    unsettled = [lead_id for (lead_id,) in _UNSETTLED.rows(lead_ids=batch.lead_ids)]
    if not unsettled:
        return ClockPlan()
    standings = read_standings(unsettled)
    clocks = _read_clocks(unsettled)
    known = {(clock.lead_id, clock.kind, clock.entered_at) for clock in clocks}
    plan = ClockPlan(ends=_ends(clocks, standings))
    published = batch.rules.get(RuleKind.CLOCKS)
    if published is None:
        return plan
    reasons = published_reasons(batch.rules)
    for standing in standings.values():
        start = start_of(standing, reasons)
        if (
            start is not None
            and published.rules.get(start.kind) is not None
            and (start.lead_id, start.kind, start.entered_at) not in known
        ):
            plan.starts.append(start)
    return plan


# The leads that stand where a clock runs and have none for this visit, and those with an open clock that something has met
# or that is not theirs any more. All others need no look: most of what happens to leads moves no clock. The ids stand beside
# the first subquery so that, made into a hash table, it reads their clocks and not the tenant's.
_UNSETTLED: Final = Statement.text("""
SELECT lead_id
FROM (
    SELECT lead_id, stage, enrolled_at, GREATEST(stage_at, live_since) AS entered_at, live_since IS NOT NULL AS is_live,
        CASE stage
            WHEN 'mql' THEN CASE stage_act WHEN 'asked_for_contact' THEN 'asked_for_contact' ELSE 'first_contact' END
            WHEN 'sql' THEN 'answer_sql'
            WHEN 'nurture' THEN 'back_to_nurture'
        END AS kind
    FROM leads_leadstate WHERE lead_id = ANY (%(lead_ids)s::bigint[])
) state
WHERE is_live AND kind IS NOT NULL AND NOT EXISTS (
        SELECT FROM routing_clock clock
        WHERE clock.lead_id = state.lead_id AND clock.kind = state.kind AND clock.entered_at = state.entered_at
          AND clock.lead_id = ANY (%(lead_ids)s::bigint[])
    )
    OR EXISTS (
        SELECT FROM routing_clock clock
        WHERE clock.lead_id = state.lead_id AND clock.state IN ('running', 'paused', 'broken') AND (
            NOT state.is_live
            OR clock.entered_at <> state.entered_at
            OR state.stage <> CASE clock.kind
                WHEN 'answer_sql' THEN 'sql' WHEN 'back_to_nurture' THEN 'nurture' ELSE 'mql' END
            OR state.enrolled_at >= clock.entered_at
            OR EXISTS (
                SELECT FROM leads_contactattempt attempt
                WHERE attempt.lead_id = clock.lead_id AND attempt.at >= clock.entered_at
            )
            OR EXISTS (
                SELECT FROM leads_handover handover
                WHERE handover.lead_id = clock.lead_id AND handover.answered_at >= clock.entered_at
            )
        )
    )
ORDER BY lead_id
""")


@dataclass(frozen=True)
class OpenClocks:
    """Open clocks: those that go on, how the others end, and how their leads stand."""

    going_on: list[KnownClock]
    ends: list[End]
    standings: dict[int, Standing]


def list_open(*, clock_ids: Sequence[int]) -> OpenClocks:
    """Those of these clocks that are open, as their leads stand now."""
    rows = cached_statement(key="routing.open_clocks", build=_open_clocks_statement).rows(clock_ids=clock_ids)
    clocks = list(map(KnownClock._make, rows))
    standings = read_standings(sorted({clock.lead_id for clock in clocks}))
    ends = _ends(clocks, standings)
    ended = {end.clock.pk for end in ends}
    return OpenClocks([clock for clock in clocks if clock.pk not in ended], ends, standings)


def _ends(clocks: Iterable[KnownClock], standings: Mapping[int, Standing]) -> list[End]:
    found = (_end_of(clock, standings.get(clock.lead_id)) for clock in clocks if clock.state in OPEN_STATES)
    return [end for end in found if end is not None]


def read_standings(lead_ids: Sequence[int]) -> dict[int, Standing]:
    """How the live leads among these stand, by id."""
    rows = cached_statement(key="routing.standings", build=_standings_statement).rows(lead_ids=lead_ids)
    return {standing.lead_id: standing for standing in map(Standing._make, rows)}


def _standings_statement() -> Statement:
    offered = Handover.objects.filter(lead=OuterRef("lead"), answer__isnull=True).values("offered_at")
    return Statement.of(
        LeadState.objects.filter(InList(F("lead_id"), LEAD_IDS), live_since__isnull=False)
        .annotate(offered_at=_looked_up(offered[:1], stage=Stage.SALES_QUALIFIED))
        .order_by("lead_id")
        .values_list(*_STANDING_COLUMNS)
    )


_STANDING_COLUMNS: Final = (
    *("lead_id", "stage", "stage_act", "stage_reason", "stage_at", "live_since", "enrolled_at", "offered_at"),
    *("owner_marketing_id", "owner_sdr_id", "owner_sales_id", "team_sdr_id", "team_sales_id"),
)


def _read_clocks(lead_ids: Sequence[int]) -> list[KnownClock]:
    """The open clocks of these leads and those of the visit they are in."""
    rows = cached_statement(key="routing.clocks", build=_clocks_statement).rows(lead_ids=lead_ids)
    return list(map(KnownClock._make, rows))


def _clocks_statement() -> Statement:
    newest_visit = LeadState.objects.filter(lead=OuterRef("lead")).values("stage_at")
    return _known_clocks(
        Clock.objects.filter(InList(F("lead_id"), LEAD_IDS)).filter(
            Q(state__in=OPEN_STATES) | Q(entered_at__gte=Subquery(newest_visit))
        )
    )


def _open_clocks_statement() -> Statement:
    return _known_clocks(Clock.objects.filter(InList(F("id"), CLOCK_IDS), state__in=OPEN_STATES))


def _known_clocks(clocks: QuerySet[Clock]) -> Statement:
    attempts = ContactAttempt.objects.filter(lead=OuterRef("lead"), at__gte=OuterRef("entered_at"))
    answers = Handover.objects.filter(
        lead=OuterRef("lead"), answer__in=ANSWERS, answered_at__gte=OuterRef("entered_at")
    )
    first_attempt = attempts.order_by().values("lead").annotate(first=Min("at")).values("first")
    first_answer = answers.order_by().values("lead").annotate(first=Min("answered_at")).values("first")
    return Statement.of(
        clocks.annotate(
            attempted_at=_looked_up(first_attempt, kind__in=CONTACT_KINDS),
            answered_at=_looked_up(first_answer, kind=ClockKind.ANSWER_SQL),
        )
        .order_by("lead_id", "id")
        .values_list(*KnownClock._fields)
    )


def _looked_up(instant: QuerySet[Any, Any], **where: Any) -> Case:
    """An instant of another table for the rows that it says something about; the others are spared the look."""
    return Case(When(**where, then=Subquery(instant)), output_field=DateTimeField())


def start_of(standing: Standing, reasons: Reasons) -> Start | None:
    """The clock that should run for a lead as it stands, or None."""
    counted_from = standing.entered_at
    if standing.stage == Stage.MARKETING_QUALIFIED:
        asked = standing.act == MoveAct.ASKED_FOR_CONTACT
        kind = ClockKind.ASKED_FOR_CONTACT if asked else ClockKind.FIRST_CONTACT
    elif standing.stage == Stage.SALES_QUALIFIED and standing.offered_at is not None:
        kind = ClockKind.ANSWER_SQL
        counted_from = max(standing.offered_at, standing.live_since)
    elif standing.stage == Stage.NURTURE and _waits_for_marketing(standing, reasons):
        kind = ClockKind.BACK_TO_NURTURE
    else:
        return None
    return Start(standing.lead_id, kind, standing.entered_at, counted_from)


def _waits_for_marketing(standing: Standing, reasons: Reasons) -> bool:
    # A live file tells of lost deals: its reasons are those of that list.
    act = MoveAct.LOSE if standing.act == MoveAct.IMPORT else standing.act
    is_enrolled = standing.enrolled_at is not None and standing.enrolled_at >= standing.entered_at
    return not is_enrolled and reasons.decides_marketing(act=act, reason=standing.reason)


def _end_of(clock: KnownClock, standing: Standing | None) -> End | None:
    """How an open clock ends, or None while it goes on."""
    met_at = _met_at(clock, standing)
    if standing is None:
        return End(clock, met_at, None)
    still_there = standing.stage == STAGE_OF_KIND[clock.kind] and standing.entered_at == clock.entered_at
    if met_at is None and still_there:
        return None
    return End(clock, met_at, standing.owner(CLOCK_FUNCTION[clock.kind]))


def _met_at(clock: KnownClock, standing: Standing | None) -> datetime | None:
    if clock.kind != ClockKind.BACK_TO_NURTURE:
        return clock.attempted_at if clock.kind in CONTACT_KINDS else clock.answered_at
    if standing is None:
        return None
    if standing.enrolled_at is not None and standing.enrolled_at >= clock.entered_at:
        return standing.enrolled_at
    return standing.stage_at if standing.stage == Stage.DISQUALIFIED else None


# Making it so ----------------------------------------------------------------------------------------------------


def apply_clocks(batch: Batch, plan: ClockPlan) -> None:
    """Start and end clocks, plan their shares, write the decisions."""
    if plan.starts:
        published = batch.rules.get(RuleKind.CLOCKS)
        assert published is not None
        start_clocks(starts=plan.starts, published=published, now=batch.now)
    if plan.ends:
        end_clocks(ends=plan.ends, now=batch.now)


def start_clocks(*, starts: Sequence[Start], published: Published, now: datetime) -> None:
    """Insert clocks in one statement; those that exist already are left alone."""
    policies: ClockPolicies = published.rules
    calendar = Calendar.objects.get(is_default=True)
    timer = Timer(open_hours(calendar, now=now))
    timed = []
    for start in starts:
        policy = policies.get(start.kind)
        assert policy is not None
        timed.append((start, policy, *timer.times(start.counted_from, policy)))
    rows = _INSERT.rows(
        tenant=require_tenant_id(),
        version=published.version_id,
        leads=[start.lead_id for start, *_rest in timed],
        kinds=[start.kind.value for start, *_rest in timed],
        entered=[start.entered_at for start, *_rest in timed],
        started=[started_at for _start, _policy, started_at, _due in timed],
        due=[due_at for *_rest, due_at in timed],
        shares=[policy.shares[0][0] for _start, policy, *_rest in timed],
        calendars=[None if policy.is_elapsed else calendar.pk for _start, policy, *_rest in timed],
    )
    ids = {(lead_id, kind): clock_id for clock_id, lead_id, kind in rows}
    inserted = [row for row in timed if (row[0].lead_id, row[0].kind.value) in ids]
    schedule(
        kind=SHARE_KIND,
        due={
            ids[start.lead_id, start.kind.value]: timer.share(started_at, due_at, policy.shares[0][0], policy)
            for start, policy, started_at, due_at in inserted
        },
    )
    write_decisions(
        decisions=(
            NewDecision(
                lead_id=start.lead_id,
                kind=DecisionKind.CLOCK,
                topic=start.kind,
                version_id=published.version_id,
                result=ClockState.RUNNING,
                detail={
                    "clock": ids[start.lead_id, start.kind.value],
                    "counted_from": start.counted_from.isoformat(),
                    "started_at": started_at.isoformat(),
                    "due_at": due_at.isoformat(),
                },
            )
            for start, _policy, started_at, due_at in inserted
        ),
        now=now,
    )


_INSERT: Final = Statement.text("""
WITH inserted AS (
    INSERT INTO routing_clock
        (tenant_id, lead_id, kind, state, entered_at, started_at, due_at, level, next_share, version_id, calendar_id)
    SELECT %(tenant)s::bigint, start.lead_id, start.kind, 'running', start.entered_at, start.started_at, start.due_at, 0,
           start.next_share, %(version)s::bigint, start.calendar_id
    FROM unnest(
        %(leads)s::bigint[], %(kinds)s::text[], %(entered)s::timestamptz[], %(started)s::timestamptz[], %(due)s::timestamptz[],
        %(shares)s::smallint[], %(calendars)s::bigint[]
    ) AS start (lead_id, kind, entered_at, started_at, due_at, next_share, calendar_id)
    ON CONFLICT (tenant_id, lead_id, kind, entered_at) DO NOTHING
    RETURNING id, lead_id, kind, due_at
), noted AS (
    UPDATE leads_leadstate state SET clock_due_at = LEAST(state.clock_due_at, started.due_at)
    FROM (SELECT lead_id, min(due_at) AS due_at FROM inserted GROUP BY lead_id) started
    WHERE state.lead_id = started.lead_id AND state.lead_id = ANY (%(leads)s::bigint[])
)
SELECT id, lead_id, kind FROM inserted
""")


class Timer:
    """Deadlines and shares under one calendar; equal questions of a batch are answered once."""

    def __init__(self, hours: OpenHours | None) -> None:
        self._hours = hours
        self._times: dict[tuple[datetime, ClockKind], tuple[datetime, datetime]] = {}
        self._shares: dict[tuple[datetime, datetime, int], datetime] = {}

    def times(self, counted_from: datetime, policy: Policy) -> tuple[datetime, datetime]:
        """Where the time begins (the next opening, in business time) and the deadline."""
        key = (counted_from, policy.kind)
        if key not in self._times:
            hours = self._require_hours()
            begins = counted_from if policy.is_elapsed else next_opening(at=counted_from, calendar=hours)
            self._times[key] = (
                begins,
                deadline(start=counted_from, duration=policy.duration, calendar=hours),
            )
        return self._times[key]

    def share(self, started_at: datetime, due_at: datetime, percent: int, policy: Policy) -> datetime:
        """When a share of the time has passed."""
        if percent == BREACH:
            return due_at
        if policy.is_elapsed:
            return instant_at_share(start=started_at, deadline=due_at, percent=percent, calendar=None)
        key = (started_at, due_at, percent)
        if key not in self._shares:
            self._shares[key] = instant_at_share(
                start=started_at, deadline=due_at, percent=percent, calendar=self._require_hours()
            )
        return self._shares[key]

    def _require_hours(self) -> OpenHours:
        if self._hours is None:
            raise ValueError("Business time needs a calendar.")
        return self._hours


def end_clocks(*, ends: Iterable[End], now: datetime) -> None:
    """Meet and cancel open clocks in one statement. Met late is met with the deadline as broken_at."""
    ended = list(ends)
    _END.execute(
        clocks=[end.clock.pk for end in ended],
        met=[end.met_at for end in ended],
        late=[end.is_late for end in ended],
        responsible=[end.responsible_id for end in ended],
    )
    cancel(kind=SHARE_KIND, subjects=[end.clock.pk for end in ended])
    write_decisions(
        decisions=(
            NewDecision(
                lead_id=end.clock.lead_id,
                kind=DecisionKind.CLOCK,
                topic=end.clock.kind,
                version_id=end.clock.version_id,
                result=ClockState.CANCELLED if end.met_at is None else ClockState.MET,
                detail={
                    "clock": end.clock.pk,
                    "due_at": end.clock.due_at.isoformat(),
                    "met_at": end.met_at.isoformat() if end.met_at else None,
                    "is_late": end.is_late,
                },
            )
            for end in ended
        ),
        now=now,
    )


_END: Final = Statement.text("""
WITH closed AS (
    UPDATE routing_clock clock
    SET state = CASE WHEN ended.met_at IS NULL THEN 'cancelled' ELSE 'met' END,
        met_at = ended.met_at,
        responsible_id = CASE WHEN ended.is_late AND clock.broken_at IS NULL THEN ended.responsible_id
                              ELSE clock.responsible_id END,
        broken_at = CASE WHEN ended.is_late THEN COALESCE(clock.broken_at, clock.due_at) END,
        next_share = NULL
    FROM unnest(%(clocks)s::bigint[], %(met)s::timestamptz[], %(late)s::boolean[], %(responsible)s::bigint[])
        AS ended (id, met_at, is_late, responsible_id)
    WHERE clock.id = ended.id AND clock.id = ANY (%(clocks)s::bigint[]) AND clock.state IN ('running', 'paused', 'broken')
    RETURNING clock.id, clock.lead_id
), noted AS (
    UPDATE leads_leadstate state SET clock_due_at = (
        SELECT min(due_at) FROM routing_clock other
        WHERE other.lead_id = state.lead_id AND other.state IN ('running', 'paused', 'broken')
            AND other.id NOT IN (SELECT id FROM closed)
    )
    WHERE state.lead_id = ANY (ARRAY(SELECT lead_id FROM closed))
)
SELECT FROM closed
""")
