"""Whom to call next: the SDR's queue and the sales rep's inbox, ordered by what waiting costs.

Mine come first, then those of my teams that nobody owns; within each the clock that is due first, then grade, then score.

Each is a range of an index of the standings that wait (``lead_state_queue_own`` and its like), and a page is the first rows of
the ranges together. To plan them takes longer than to read them, so they are prepared; they are written as SQL since a prepared
statement uses an index with a condition only if the text itself says the condition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.core import signing
from django.db.models import BigIntegerField, F, Max, prefetch_related_objects
from django.db.models import Count as DbCount
from django.utils.translation import gettext_lazy as _

from leads.clocks import list_urgent_faces
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import ContactAttempt, Handover, Stage
from leads.ownership import OWNER_COLUMN, TEAM_COLUMN, oversees_all
from leads.rows import LeadRow, list_lead_rows
from tenancy.components import ClockFace
from tenancy.errors import FieldProblem, Invalid
from tenancy.listing import COUNTED_TO, Count
from tenancy.models import Membership, TeamFunction, Tenant

PAGE_SIZE: Final = 25
_SALT: Final = "leads.queue"
_MINE: Final = 0
_FREE: Final = 1


@dataclass(frozen=True)
class _Desk:
    """Where leads wait for a function: in which stages."""

    function: TeamFunction
    stages: tuple[Stage, ...]

    @property
    def waits(self) -> str:
        """That a standing is in one of the stages, as the conditions of the indexes say it."""
        named = ", ".join(f"'{stage.value}'" for stage in self.stages)
        return f"stage IN ({named})" if len(self.stages) > 1 else f"stage = {named}"

    @property
    def owner(self) -> str:
        return f"{OWNER_COLUMN[self.function]}_id"

    @property
    def team(self) -> str:
        return f"{TEAM_COLUMN[self.function]}_id"


_QUEUE: Final = _Desk(TeamFunction.SDR, (Stage.MARKETING_QUALIFIED, Stage.WORKING))
_INBOX: Final = _Desk(TeamFunction.SALES, (Stage.SALES_QUALIFIED,))


class InvalidQueueCursor(Invalid):
    """The cursor is not one of the queue's."""


@dataclass(frozen=True)
class Offer:
    """How an SQL came to sales: who offered it when; ``override_reason`` if the exit criteria were passed over."""

    offered_at: datetime
    offered_by: str
    override_reason: str


@dataclass(frozen=True)
class WaitingLead:
    """One place in a queue or inbox. ``is_mine`` is false for one that waits for anybody of the team."""

    row: LeadRow
    is_mine: bool
    clock: ClockFace | None
    last_attempt_at: datetime | None = None
    attempts: int = 0
    offer: Offer | None = None


@dataclass(frozen=True)
class WaitingPage:
    """One page in order, and the cursor of the next one."""

    leads: list[WaitingLead]
    next_cursor: str | None


@dataclass(frozen=True)
class WaitingCounts:
    """How many leads are mine, and how many wait for anybody of my teams; each to 1,000."""

    mine: Count
    free: Count


def list_queue(*, member: Membership, now: datetime, cursor: str = "", size: int = PAGE_SIZE) -> WaitingPage:
    """MQLs and leads in work: the member's own, then those without owner that they may claim. Raises InvalidQueueCursor."""
    return _list_waiting(_QUEUE, member, now, cursor, size)


def list_inbox(*, member: Membership, now: datetime, cursor: str = "", size: int = PAGE_SIZE) -> WaitingPage:
    """SQLs offered to the member, then those that anybody of their teams may accept. Raises InvalidQueueCursor."""
    return _list_waiting(_INBOX, member, now, cursor, size)


def count_queue(*, member: Membership) -> WaitingCounts:
    """How long the queue is."""
    return _count_waiting(_QUEUE, member)


def count_inbox(*, member: Membership) -> WaitingCounts:
    """How long the inbox is."""
    return _count_waiting(_INBOX, member)


def count_attempts_today(*, member: Membership, tenant: Tenant, now: datetime) -> int:
    """How many contact attempts the member has logged on the tenant's present day."""
    zone = ZoneInfo(tenant.time_zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time.min, tzinfo=zone)
    return int(ContactAttempt.objects.filter(actor=member, at__gte=midnight, at__lte=now).count())


def _list_waiting(desk: _Desk, member: Membership, now: datetime, cursor: str, size: int) -> WaitingPage:
    after = _read_cursor(cursor) if cursor else None
    found = _first(desk, member, after, size + 1)
    shown = found[:size]
    return WaitingPage(
        leads=_describe(shown, desk, now),
        next_cursor=_write_cursor(shown[-1]) if len(found) > size else None,
    )


def _team_ids(member: Membership) -> list[int] | None:
    """The teams whose free leads the member may claim; None for all of the function, for who oversees everything."""
    if oversees_all(member):
        return None
    # Read once for the list and its count.
    prefetch_related_objects([member], "team_places")
    return sorted(place.team_id for place in member.team_places.all())


@dataclass(frozen=True)
class _Position:
    """The place of a lead in the order: its group, the earliest clock (none comes last), best grade, highest score, oldest."""

    group: int
    due_at: datetime | None
    grade: int
    score: int
    lead_id: int


_COLUMNS: Final = "clock_due_at, grade, score, lead_id"
# That of leads.models.lead.WAITING_ORDER.
_ORDER: Final = "clock_due_at, grade DESC, score DESC, lead_id"
_EACH_TEAM: Final = """
    unnest(coalesce(%(team_ids)s::bigint[], ARRAY(SELECT id FROM tenancy_team WHERE function = %(function)s))) AS of (team)
    CROSS JOIN LATERAL
"""


def _first(desk: _Desk, member: Membership, after: _Position | None, size: int) -> list[_Position]:
    """The first so many beyond a position."""
    statement = _page_statement(
        desk, None if after is None else after.group, after is not None and after.due_at is not None
    )
    place: dict[str, Any] = {} if after is None else {**vars(after)}
    rows = statement.rows(
        member=member.pk, team_ids=_team_ids(member), function=desk.function.value, size=size, **place
    )
    return [_Position(*row) for row in rows]


@lru_cache(maxsize=32)
def _page_statement(desk: _Desk, group: int | None, is_timed: bool) -> Statement:
    """One page: beyond a position in this group, if there is one, whose lead has a clock or hasn't. No range is read further than
    the page."""
    mine = _reaches(is_timed) if group == _MINE else [""]
    free = _reaches(is_timed) if group == _FREE else [""]
    parts = [_placed(_MINE, _own(desk, reach)) for reach in mine if group != _FREE]
    for reach in free:
        parts += [
            _placed(_FREE, _of_no_team(desk, reach)),
            _placed(_FREE, _of_team(desk, reach), each=_EACH_TEAM),
        ]
    together = " UNION ALL ".join(parts)
    return Statement.text(f"SELECT * FROM ({together}) waiting ORDER BY place, {_ORDER} LIMIT %(size)s")  # noqa: S608


def _placed(group: int, rows: str, *, each: str = "") -> str:
    return f"SELECT {group} AS place, found.* FROM {each} ({rows}) found"  # noqa: S608


def _own(desk: _Desk, reach: str = "") -> str:
    return _range(f"{desk.waits} AND {desk.owner} = %(member)s{reach}", _ORDER)


def _of_no_team(desk: _Desk, reach: str = "") -> str:
    # An index column that is null is no constant to the planner, so it stands in the order, too.
    where = f"{desk.waits} AND {desk.owner} IS NULL AND {desk.team} IS NULL{reach}"
    return _range(where, f"{desk.team}, {_ORDER}")


def _of_team(desk: _Desk, reach: str = "") -> str:
    return _range(f"{desk.waits} AND {desk.owner} IS NULL AND {desk.team} = of.team{reach}", _ORDER)


def _range(where: str, order: str) -> str:
    return f"SELECT {_COLUMNS} FROM leads_leadstate WHERE {where} ORDER BY {order} LIMIT %(size)s"  # noqa: S608


def _reaches(is_timed: bool) -> list[str]:
    """What lies beyond a position: conditions of which each is one range of an index, as a comparison of rows would be if all
    columns went the same way."""
    due = "clock_due_at = %(due_at)s" if is_timed else "clock_due_at IS NULL"
    beyond = [
        f" AND {due} AND grade = %(grade)s AND score = %(score)s AND lead_id > %(lead_id)s",
        f" AND {due} AND grade = %(grade)s AND score < %(score)s",
        f" AND {due} AND grade < %(grade)s",
    ]
    if is_timed:
        beyond += [" AND clock_due_at > %(due_at)s", " AND clock_due_at IS NULL"]
    return beyond


def _write_cursor(position: _Position) -> str:
    due_at = position.due_at.isoformat() if position.due_at else None
    return signing.dumps(
        [position.group, due_at, position.grade, position.score, position.lead_id], salt=_SALT
    )


def _read_cursor(cursor: str) -> _Position:
    try:
        group, due_at, grade, score, lead_id = signing.loads(cursor, salt=_SALT)
    except (signing.BadSignature, ValueError) as error:
        message = _("Leave the cursor out to begin at the first page.")
        problem = FieldProblem("cursor", "invalid", message)
        raise InvalidQueueCursor(_("This cursor is not one of this list's."), errors=[problem]) from error
    return _Position(group, datetime.fromisoformat(due_at) if due_at else None, grade, score, lead_id)


def _describe(found: Sequence[_Position], desk: _Desk, now: datetime) -> list[WaitingLead]:
    group_of = {position.lead_id: position.group for position in found}
    lead_ids = list(group_of)
    faces = list_urgent_faces(lead_ids=lead_ids, now=now)
    attempts = _attempts(lead_ids) if desk is _QUEUE else {}
    offers = _offers(lead_ids) if desk is _INBOX else {}
    return [
        WaitingLead(
            row=row,
            is_mine=group_of[row.id] == _MINE,
            clock=faces.get(row.id),
            last_attempt_at=attempts.get(row.id, (None, 0))[0],
            attempts=attempts.get(row.id, (None, 0))[1],
            offer=offers.get(row.id),
        )
        for row in list_lead_rows(lead_ids=lead_ids)
    ]


_LEAD_IDS: Final = Param("lead_ids", ArrayField(BigIntegerField()))


def _attempts(lead_ids: Sequence[int]) -> Mapping[int, tuple[datetime, int]]:
    def build() -> Statement:
        made = ContactAttempt.objects.filter(InList(F("lead"), _LEAD_IDS)).order_by().values("lead")
        counted = made.annotate(last=Max("at"), number=DbCount("pk"))
        return Statement.of(counted.values_list("lead", "last", "number"))

    rows = cached_statement(key="queue.attempts", build=build).rows(lead_ids=list(lead_ids))
    return {lead_id: (last, number) for lead_id, last, number in rows}


def _offers(lead_ids: Sequence[int]) -> dict[int, Offer]:
    def build() -> Statement:
        offered = Handover.objects.filter(InList(F("lead"), _LEAD_IDS), answer__isnull=True)
        return Statement.of(offered.values_list("lead", "offered_at", "offered_by__name", "override_reason"))

    rows = cached_statement(key="queue.offers", build=build).rows(lead_ids=list(lead_ids))
    return {lead_id: Offer(at, name or "", override) for lead_id, at, name, override in rows}


def _count_waiting(desk: _Desk, member: Membership) -> WaitingCounts:
    rows = _count_statement(desk).rows(
        member=member.pk, team_ids=_team_ids(member), function=desk.function.value, size=COUNTED_TO + 1
    )
    mine, free = (Count.up_to(number, limit=COUNTED_TO) for number in rows[0])
    return WaitingCounts(mine=mine, free=free)


@lru_cache(maxsize=2)
def _count_statement(desk: _Desk) -> Statement:
    """How many are mine and how many wait for anybody, each to the size."""
    free = f"{_placed(_FREE, _of_no_team(desk))} UNION ALL {_placed(_FREE, _of_team(desk), each=_EACH_TEAM)}"
    counts = [
        f"(SELECT count(*) FROM (SELECT FROM ({rows}) waiting LIMIT %(size)s) counted)"  # noqa: S608
        for rows in (_own(desk), free)
    ]
    return Statement.text(f"SELECT {', '.join(counts)}")
