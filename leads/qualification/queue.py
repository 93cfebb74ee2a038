"""Whom to call next: the SDR's queue and the sales rep's inbox, ordered by what waiting costs.

Mine come first, then those of my teams that nobody owns; within each the clock that is due first, then grade, then score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core import signing
from django.db.models import Count as DbCount
from django.db.models import Max, QuerySet, SmallIntegerField, Value, prefetch_related_objects
from django.utils.translation import gettext_lazy as _

from leads.clocks import list_urgent_faces
from leads.models import ContactAttempt, Handover, LeadState, Stage
from leads.models.lead import WAITING_ORDER
from leads.ownership import OWNER_COLUMN, TEAM_COLUMN, oversees_all
from leads.rows import LeadRow, list_lead_rows
from tenancy.components import ClockFace
from tenancy.errors import FieldProblem, Invalid
from tenancy.listing import COUNTED_TO, Count
from tenancy.models import Membership, Team, TeamFunction, Tenant

PAGE_SIZE: Final = 25
_SALT: Final = "leads.queue"
_MINE: Final = 0
_FREE: Final = 1


@dataclass(frozen=True)
class _Desk:
    """Where leads wait for a function: in which stages."""

    function: TeamFunction
    stages: tuple[Stage, ...]


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
    lanes = [(_MINE, _own(desk, member)), *((_FREE, lane) for lane in _free(desk, member))]
    found = _first(lanes, TEAM_COLUMN[desk.function], after, size + 1)
    shown = found[:size]
    return WaitingPage(
        leads=_describe(shown, desk, now),
        next_cursor=_write_cursor(shown[-1]) if len(found) > size else None,
    )


def _waiting(desk: _Desk) -> QuerySet[Any, Any]:
    """Leads in the stages of the desk, said as the conditions of its indexes say it."""
    if len(desk.stages) == 1:
        return LeadState.objects.filter(stage=desk.stages[0])  # type: ignore[no-any-return]
    return LeadState.objects.filter(stage__in=desk.stages)  # type: ignore[no-any-return]


def _own(desk: _Desk, member: Membership) -> QuerySet[Any, Any]:
    return _waiting(desk).filter(**{OWNER_COLUMN[desk.function]: member.pk})


def _free(desk: _Desk, member: Membership) -> list[QuerySet[Any, Any]]:
    """Without owner, of none or one of the member's teams, all of them for who oversees everything; each a range of an index."""
    free = _waiting(desk).filter(**{f"{OWNER_COLUMN[desk.function]}__isnull": True})
    column = TEAM_COLUMN[desk.function]
    if oversees_all(member):
        team_ids = list(Team.objects.filter(function=desk.function).values_list("id", flat=True))
    else:
        # Read once for the list and its count.
        prefetch_related_objects([member], "team_places")
        team_ids = [place.team_id for place in member.team_places.all()]
    of_teams = [free.filter(**{column: team_id}) for team_id in sorted(team_ids)]
    return [free.filter(**{f"{column}__isnull": True}), *of_teams]


@dataclass(frozen=True)
class _Position:
    """The place of a lead in the order: its group, the earliest clock (none comes last), best grade, highest score, oldest."""

    group: int
    due_at: datetime | None
    grade: int
    score: int
    lead_id: int


_COLUMNS: Final = ("clock_due_at", "grade", "score", "lead_id")
_ORDER: Final = (*WAITING_ORDER[:-1], "lead_id")


def _first(
    lanes: Sequence[tuple[int, QuerySet[Any, Any]]], team: str, after: _Position | None, size: int
) -> list[_Position]:
    """The first so many of the lanes together, beyond a position: ranges of an index merged, none read further than that."""
    ranges = []
    for group, lane in lanes:
        if after is not None and group < after.group:
            continue
        here = after if after is not None and after.group == group else None
        key = (team,) if group == _FREE else ()
        placed = lane.annotate(group=Value(group, SmallIntegerField()))
        ranges += [
            # An index column that is null is no constant to the planner, so it stands in the order, too.
            placed.filter(**reach).order_by(*key, *_ORDER).values_list("group", *_COLUMNS)[:size]
            for reach in _reaches(here)
        ]
    return [
        _Position(*row) for row in ranges[0].union(*ranges[1:], all=True).order_by("group", *_ORDER)[:size]
    ]


def _reaches(after: _Position | None) -> list[dict[str, Any]]:
    """What lies beyond a position: conditions of which each is one range of an index, as a comparison of rows would be if all
    columns went the same way."""
    if after is None:
        return [{}]
    due: dict[str, Any] = {"clock_due_at": after.due_at}
    if after.due_at is None:
        due = {"clock_due_at__isnull": True}
    beyond: list[dict[str, Any]] = [
        due | {"grade": after.grade, "score": after.score, "lead__gt": after.lead_id},
        due | {"grade": after.grade, "score__lt": after.score},
        due | {"grade__lt": after.grade},
    ]
    if after.due_at is not None:
        beyond += [{"clock_due_at__gt": after.due_at}, {"clock_due_at__isnull": True}]
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


def _attempts(lead_ids: Sequence[int]) -> Mapping[int, tuple[datetime, int]]:
    counted = ContactAttempt.objects.filter(lead__in=lead_ids).order_by().values("lead")
    rows = counted.annotate(last=Max("at"), number=DbCount("pk")).values_list("lead", "last", "number")
    return {lead_id: (last, number) for lead_id, last, number in rows}


def _offers(lead_ids: Sequence[int]) -> dict[int, Offer]:
    columns = ("lead", "offered_at", "offered_by__name", "override_reason")
    open_offers = Handover.objects.filter(lead__in=lead_ids, answer__isnull=True).values_list(*columns)
    return {lead_id: Offer(at, name or "", override) for lead_id, at, name, override in open_offers}


def _count_waiting(desk: _Desk, member: Membership) -> WaitingCounts:
    return WaitingCounts(mine=_count([_own(desk, member)]), free=_count(_free(desk, member)))


def _count(lanes: Sequence[QuerySet[Any, Any]]) -> Count:
    ranges = [lane.order_by().values_list("pk")[: COUNTED_TO + 1] for lane in lanes]
    return Count.up_to(ranges[0].union(*ranges[1:], all=True).count(), limit=COUNTED_TO)
