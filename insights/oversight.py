"""How the teams stand now: open clocks by kind and person, and what each SDR and rep has before them.

Whose a clock is follows from its kind: contact is the SDR's, the answer to an SQL the rep's, the way back to nurture marketing's.
A clock is *near* once the first warning of its policy was given, and *broken* past its deadline.
"""

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection

from leads.deeds import Done
from leads.models import Stage
from routing.models import ClockKind
from tenancy.models import MemberKind, Membership, Role, TeamFunction, Tenant

FUNCTION_OF_KIND: Final[dict[ClockKind, TeamFunction]] = {
    ClockKind.FIRST_CONTACT: TeamFunction.SDR,
    ClockKind.ASKED_FOR_CONTACT: TeamFunction.SDR,
    ClockKind.ANSWER_SQL: TeamFunction.SALES,
    ClockKind.BACK_TO_NURTURE: TeamFunction.MARKETING,
}


@dataclass
class ClockCounts:
    """Open clocks: in time, near, broken."""

    running: int = 0
    near: int = 0
    broken: int = 0

    def add(self, other: "ClockCounts") -> None:
        """Count these too."""
        self.running += other.running
        self.near += other.near
        self.broken += other.broken

    @property
    def total(self) -> int:
        return self.running + self.near + self.broken


@dataclass
class Load:
    """What one person has before them in one function.

    ``waiting`` leads nobody has answered yet (MQLs without contact, SQLs without answer), ``going`` those being worked on
    (in contact, open opportunities); ``oldest_at`` is since when the longest of the waiting waits.
    """

    member: Membership
    function: TeamFunction
    waiting: int = 0
    going: int = 0
    oldest_at: datetime | None = None
    attempts_today: Done = field(default_factory=Done)
    clocks: ClockCounts = field(default_factory=ClockCounts)


@dataclass(frozen=True)
class Oversight:
    """Open clocks by kind (all kinds, in their order), those of nobody by kind, and the load of each SDR and rep."""

    clocks: dict[ClockKind, ClockCounts]
    without_owner: dict[ClockKind, ClockCounts]
    loads: list[Load]


_CLOCKS: Final = """
SELECT clock.kind,
       CASE clock.kind WHEN 'answer_sql' THEN state.owner_sales_id WHEN 'back_to_nurture' THEN state.owner_marketing_id
            ELSE state.owner_sdr_id END,
       count(*) FILTER (WHERE clock.state <> 'broken' AND clock.level = 0),
       count(*) FILTER (WHERE clock.state <> 'broken' AND clock.level > 0),
       count(*) FILTER (WHERE clock.state = 'broken')
FROM routing_clock clock
JOIN leads_leadstate state ON state.tenant_id = clock.tenant_id AND state.lead_id = clock.lead_id
WHERE clock.state IN ('running', 'paused', 'broken')
GROUP BY 1, 2
"""

_LOADS: Final = """
SELECT 'sdr', owner_sdr_id, count(*) FILTER (WHERE stage = 'mql'), count(*) FILTER (WHERE stage = 'working'),
       min(stage_at) FILTER (WHERE stage = 'mql')
FROM leads_leadstate WHERE stage IN ('mql', 'working') AND owner_sdr_id IS NOT NULL GROUP BY owner_sdr_id
UNION ALL
SELECT 'sales', owner_sales_id, count(*) FILTER (WHERE stage = 'sql'), count(*) FILTER (WHERE stage = 'opportunity'),
       min(stage_at) FILTER (WHERE stage = 'sql')
FROM leads_leadstate WHERE stage IN ('sql', 'opportunity') AND owner_sales_id IS NOT NULL GROUP BY owner_sales_id
"""

_ATTEMPTS: Final = """
SELECT actor_id, count(*), count(DISTINCT lead_id) FROM leads_contactattempt
WHERE actor_id = ANY (%(members)s) AND at >= %(since)s AND at <= %(now)s
GROUP BY actor_id
"""


def get_oversight(*, tenant: Tenant, now: datetime) -> Oversight:
    """How the teams stand; four queries, whatever the number of people and leads."""
    people = Membership.objects.filter(
        kind=MemberKind.PERSON, is_active=True, roles__overlap=[Role.SDR, Role.SALES]
    ).order_by("name", "pk")
    loads = {
        (function, member.pk): Load(member, function)
        for function in (TeamFunction.SDR, TeamFunction.SALES)
        for member in people
        if function.value in member.roles
    }
    clocks = {kind: ClockCounts() for kind in ClockKind}
    without_owner: dict[ClockKind, ClockCounts] = {}
    for kind, owner, *figures in _rows(_CLOCKS):
        counts = ClockCounts(*figures)
        clocks[ClockKind(kind)].add(counts)
        load = loads.get((FUNCTION_OF_KIND[ClockKind(kind)], owner))
        if load:
            load.clocks.add(counts)
        elif owner is None:
            without_owner[ClockKind(kind)] = counts
    for function, owner, waiting, going, oldest_at in _rows(_LOADS):
        if load := loads.get((TeamFunction(function), owner)):
            load.waiting, load.going, load.oldest_at = waiting, going, oldest_at
    today = local_midnight(tenant=tenant, now=now)
    made = _rows(_ATTEMPTS, members=[member.pk for member in people], since=today, now=now)
    attempts = {member_id: Done(*counts) for member_id, *counts in made}
    for (function, member_id), load in loads.items():
        if function is TeamFunction.SDR:
            load.attempts_today = attempts.get(member_id, Done())
    return Oversight(clocks, without_owner, list(loads.values()))


def local_midnight(*, tenant: Tenant, now: datetime) -> datetime:
    """When the tenant's present day began."""
    zone = ZoneInfo(tenant.time_zone)
    return datetime.combine(now.astimezone(zone).date(), time.min, tzinfo=zone)


def waiting_stages(function: TeamFunction) -> tuple[Stage, Stage]:
    """The stage in which leads wait for a person of the function, and the one in which they are worked on."""
    if function is TeamFunction.SDR:
        return Stage.MARKETING_QUALIFIED, Stage.WORKING
    return Stage.SALES_QUALIFIED, Stage.OPPORTUNITY


def _rows(statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
