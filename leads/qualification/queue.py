"""Whom to call next: the SDR's queue and the sales rep's inbox, ordered by what waiting costs.

Mine come first, then those of my teams that nobody owns; within each the clock that is due first, then grade, then score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core import signing
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    F,
    IntegerField,
    Max,
    Q,
    QuerySet,
    SmallIntegerField,
    TextField,
    Value,
    When,
)
from django.db.models import Count as DbCount
from django.utils.translation import gettext_lazy as _

from leads.clocks import list_urgent_faces, urgent_due_at
from leads.conditions.logic import Bind, Fragment
from leads.models import ContactAttempt, Handover, LeadState, Stage
from leads.ownership import OWNER_COLUMN, TEAM_COLUMN, oversees_all
from leads.rows import LeadRow, list_lead_rows
from tenancy.components import ClockFace
from tenancy.errors import FieldProblem, Invalid
from tenancy.listing import Count
from tenancy.models import Membership, TeamFunction, Tenant

PAGE_SIZE: Final = 25
COUNT_LIMIT: Final = 1000
_SALT: Final = "leads.queue"
_MINE: Final = 0


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
    waiting = _in_order(_mine(desk, member) | _free(desk, member), desk, member)
    if cursor:
        waiting = waiting.filter(_beyond(_read_cursor(cursor)))
    found = list(waiting.values_list(*_POSITION)[: size + 1])
    shown = found[:size]
    return WaitingPage(
        leads=_describe(shown, desk, now),
        next_cursor=_write_cursor(shown[-1]) if len(found) > size else None,
    )


def _mine(desk: _Desk, member: Membership) -> Q:
    return Q(("stage__in", desk.stages), (OWNER_COLUMN[desk.function], member.pk))


def _free(desk: _Desk, member: Membership) -> Q:
    """Without owner, of one of the member's teams or of none; all of them for who oversees everything."""
    free = Q(("stage__in", desk.stages), (f"{OWNER_COLUMN[desk.function]}__isnull", True))
    if oversees_all(member):
        return free
    column = TEAM_COLUMN[desk.function]
    teams = member.team_places.values("team_id")
    return free & (Q((f"{column}__isnull", True)) | Q((f"{column}__in", teams)))


# The place of a lead in the order, ascending: mine first, earliest clock, best grade, highest score, oldest lead.
_POSITION: Final = ("group", "due_key", "low_grade", "low_score", "pk")


def _in_order(condition: Q, desk: _Desk, member: Membership) -> QuerySet[Any, Any]:
    mine = When(**{OWNER_COLUMN[desk.function]: member.pk}, then=Value(_MINE))
    due_at = urgent_due_at("lead_id")
    waiting: QuerySet[Any, Any] = LeadState.objects.filter(condition).annotate(
        group=Case(mine, default=Value(1), output_field=SmallIntegerField()),
        # As text, which can say "never" and comes back from a cursor as it went; UTC has one width and so sorts by time.
        # No clock runs for a lead that only files tell of, so a large import costs no look at clocks.
        due_key=Fragment(
            "COALESCE(to_char((CASE WHEN {} IS NOT NULL THEN {} END) AT TIME ZONE 'UTC',"
            " 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), 'never')",
            F("live_since"),
            due_at,
            output_field=TextField(),
        ),
        low_grade=-F("grade"),
        low_score=-F("score"),
    )
    return waiting.order_by(*_POSITION)


def _beyond(position: Sequence[Any]) -> Fragment:
    types: tuple[Any, ...] = (
        SmallIntegerField(),
        TextField(),
        IntegerField(),
        IntegerField(),
        BigIntegerField(),
    )
    here = [F(name) for name in _POSITION]
    there = [Bind(value, type_) for value, type_ in zip(position, types, strict=True)]
    places = ", ".join(["{}"] * len(_POSITION))
    return Fragment(f"(({places}) > ({places}))", *here, *there, output_field=BooleanField())


def _write_cursor(position: Sequence[Any]) -> str:
    return signing.dumps(list(position), salt=_SALT)


def _read_cursor(cursor: str) -> list[Any]:
    try:
        position = signing.loads(cursor, salt=_SALT)
    except (signing.BadSignature, ValueError) as error:
        message = _("Leave the cursor out to begin at the first page.")
        problem = FieldProblem("cursor", "invalid", message)
        raise InvalidQueueCursor(_("This cursor is not one of this list's."), errors=[problem]) from error
    return list(position)


def _describe(found: Sequence[Sequence[Any]], desk: _Desk, now: datetime) -> list[WaitingLead]:
    group_of = {position[-1]: position[0] for position in found}
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
    return WaitingCounts(mine=_count(_mine(desk, member)), free=_count(_free(desk, member)))


def _count(condition: Q) -> Count:
    counted = LeadState.objects.filter(condition).order_by().values("pk")[: COUNT_LIMIT + 1].count()
    return Count(value=min(counted, COUNT_LIMIT), exact=counted <= COUNT_LIMIT)
