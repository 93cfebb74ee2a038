"""Reads of clocks: for the API, for lists, for the lead page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F

from leads.clocks import ClockReader, LeadClock
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import RuleKind, RuleVersion
from leads.versions import parse_document
from routing.business_time import Calendar as OpenHours
from routing.business_time import time_left, working_seconds_between
from routing.calendars import open_for_seconds, open_hours
from routing.facts import BROKEN
from routing.models import OPEN_STATES, Calendar, Clock, ClockKind, ClockState
from routing.policies import Policy, duration_in_words
from tenancy.components import ClockFace


class OpenClock(NamedTuple):
    """What a list shows of a clock: columns of ``Clock``."""

    lead_id: int
    kind: str
    state: str
    started_at: datetime
    due_at: datetime
    broken_at: datetime | None
    version_id: int
    calendar_id: int | None


AnyClock = TypeVar("AnyClock", Clock, OpenClock)


@dataclass(frozen=True)
class TimedClock(Generic[AnyClock]):
    """A clock with the policy it runs under and the hours its time is counted in; ``hours`` None is elapsed time."""

    clock: AnyClock
    policy: Policy
    hours: OpenHours | None

    @property
    def label(self) -> str:
        """The kind in words."""
        return str(ClockKind(self.clock.kind).label)

    def left_seconds(self, now: datetime) -> int:
        """Open time until the deadline; negative once it has passed."""
        return round(time_left(now=now, deadline=self.clock.due_at, calendar=self.hours).total_seconds())

    def total_seconds(self) -> int:
        """Open time from start to deadline."""
        clock = self.clock
        if self.hours is None:
            return round((clock.due_at - clock.started_at).total_seconds())
        return round(working_seconds_between(start=clock.started_at, end=clock.due_at, calendar=self.hours))

    def share_used(self, now: datetime) -> float:
        """The share of the time that has passed: 1 at the deadline, more beyond it."""
        total = self.total_seconds()
        return 1 - self.left_seconds(now) / total if total else 1.0

    def face(self, now: datetime) -> ClockFace:
        """What ``{% clock face %}`` takes: the time left is open time."""
        clock = self.clock
        return ClockFace(
            label=self.label,
            # The database has only these states.
            state=cast(Any, str(clock.state)),
            due_at=clock.due_at,
            left_seconds=self.left_seconds(now),
            total_seconds=self.total_seconds(),
            open_for_seconds=None if self.hours is None else open_for_seconds(now=now, hours=self.hours),
            target=duration_in_words(self.policy.duration),
            was_broken=clock.broken_at is not None,
        )


def list_newest_clocks(lead_ids: Sequence[int]) -> dict[int, list[LeadClock]]:
    """By lead, the newest clock of each kind, oldest first."""
    found: dict[int, list[LeadClock]] = {}
    for lead_id, _entered_at, _id, kind, state, due_at in sorted(_NEWEST.rows(lead_ids=list(lead_ids))):
        found.setdefault(lead_id, []).append(LeadClock(kind, state, due_at))
    return found


_NEWEST: Final = Statement.text("""
SELECT DISTINCT ON (lead_id, kind) lead_id, entered_at, id, kind, state, due_at
FROM routing_clock WHERE lead_id = ANY (%(lead_ids)s::bigint[]) ORDER BY lead_id, kind, entered_at DESC
""")


def list_urgent_faces(lead_ids: Sequence[int], now: datetime) -> dict[int, ClockFace]:
    """By lead, the face of the open clock that is due first."""
    statement = cached_statement(key="routing.urgent_clocks", build=_urgent_statement)
    clocks = map(OpenClock._make, statement.rows(lead_ids=list(lead_ids)))
    return {timed.clock.lead_id: timed.face(now) for timed in time_clocks(clocks, now=now)}


def _urgent_statement() -> Statement:
    of_leads = InList(F("lead"), Param("lead_ids", ArrayField(BigIntegerField())))
    clocks = Clock.objects.filter(of_leads, state__in=OPEN_STATES).order_by("lead_id", "due_at", "id")
    return Statement.of(clocks.distinct("lead_id").values_list(*OpenClock._fields))


def list_lead_clocks(*, lead_id: int, now: datetime, limit: int = 10) -> list[TimedClock[Clock]]:
    """The clocks of a lead: the open ones by deadline, then the newest of the others."""
    clocks = list(Clock.objects.filter(lead_id=lead_id).order_by("-entered_at", "-id")[:limit])
    open_first = sorted(
        clocks, key=lambda clock: (clock.state not in OPEN_STATES, -clock.entered_at.timestamp())
    )
    return time_clocks(open_first, now=now)


def time_clocks(clocks: Iterable[AnyClock], *, now: datetime) -> list[TimedClock[AnyClock]]:
    """Clocks with policy and hours, in two more queries whatever their number."""
    rows = list(clocks)
    if not rows:
        return []
    documents = RuleVersion.objects.filter(pk__in={row.version_id for row in rows}).values_list(
        "pk", "document"
    )
    # Parsed once each: few versions, many clocks.
    versions = {pk: parse_document(kind=RuleKind.CLOCKS, document=document) for pk, document in documents}
    calendars = {
        calendar.pk: open_hours(calendar, now=now)
        for calendar in Calendar.objects.filter(pk__in={row.calendar_id for row in rows} - {None})
    }
    return [
        TimedClock(
            row,
            versions[row.version_id].policies[ClockKind(row.kind)],
            calendars[row.calendar_id] if row.calendar_id is not None else None,
        )
        for row in rows
    ]


def is_open(clock: Clock) -> bool:
    """Whether somebody still has to act."""
    return ClockState(clock.state) in OPEN_STATES


CLOCK_READER = ClockReader(newest=list_newest_clocks, most_urgent=list_urgent_faces, broken=BROKEN)
