"""Deadlines counted anew after a calendar was changed: running clocks only, batch by batch, in id order.

A holiday that is added moves deadlines on, one that is taken away brings them nearer. None is moved into the past: such a clock
keeps the deadline it had. Shares of the time that were acted on stay acted on; what is broken, met or cancelled stays as it was.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from core.due import DueKind, schedule
from leads.conditions.statements import Statement
from leads.decisions import NewDecision, write_decisions
from leads.models import DecisionKind
from leads.pipeline import lock_leads
from leads.reasons import published_reasons
from leads.versions import open_rulebook
from routing.calendars import open_hours
from routing.clocks import SHARE_KIND, Timer, read_standings, start_of
from routing.escalation import read_policies
from routing.models import Calendar, Clock, ClockKind, ClockState
from routing.policies import RECOUNTED, Policy

RECOUNT_KIND: Final = "calendar.recount"
BATCH_SIZE: Final = 1000


class Recount(NamedTuple):
    """A running clock whose deadline is another now."""

    clock: Clock
    counted_from: datetime
    started_at: datetime
    due_at: datetime
    next_share_at: datetime | None


def start_recount(*, calendar: Calendar, now: datetime) -> None:
    """Have the deadlines under a calendar counted anew, from the first clock on, in the background."""
    Calendar.objects.filter(pk=calendar.pk).update(recounted_to=0)
    calendar.recounted_to = 0
    schedule(kind=RECOUNT_KIND, due={calendar.pk: now})


def recount_calendars(calendar_ids: Sequence[int], now: datetime) -> None:
    """One batch of each calendar; the next is due at once."""
    for calendar in Calendar.objects.filter(pk__in=calendar_ids, recounted_to__isnull=False).order_by("pk"):
        last_id = _recount_batch(calendar, now)
        Calendar.objects.filter(pk=calendar.pk).update(recounted_to=last_id)
        if last_id is not None:
            schedule(kind=RECOUNT_KIND, due={calendar.pk: now})


def _recount_batch(calendar: Calendar, now: datetime) -> int | None:
    """Count a batch of clocks anew; the last one looked at, None if none is left."""
    running = Clock.objects.filter(
        calendar=calendar, state=ClockState.RUNNING, pk__gt=calendar.recounted_to or 0
    )
    found = list(running.order_by("pk").values_list("pk", "lead_id")[:BATCH_SIZE])
    if not found:
        return None
    lock_leads(sorted({lead_id for _pk, lead_id in found}))
    # Read again: what somebody did to these leads is committed by now.
    clocks = list(
        Clock.objects.filter(pk__in=[pk for pk, _lead_id in found], state=ClockState.RUNNING).order_by("pk")
    )
    _write(_recounts(clocks, calendar, now), now)
    return int(found[-1][0])


def _recounts(clocks: Sequence[Clock], calendar: Calendar, now: datetime) -> list[Recount]:
    standings = read_standings(sorted({clock.lead_id for clock in clocks}))
    policies = read_policies({clock.version_id for clock in clocks})
    reasons = published_reasons(open_rulebook())
    timer = Timer(open_hours(calendar, now=now))
    # Policies of one kind may be of several versions, and a timer keeps deadlines by kind.
    timers = {version_id: Timer(open_hours(calendar, now=now)) for version_id in policies}
    found = []
    for clock in clocks:
        policy = policies[clock.version_id].get(clock.kind)
        standing = standings.get(clock.lead_id)
        start = start_of(standing, reasons) if standing else None
        if policy is None or start is None:
            continue
        if (start.kind, start.entered_at) != (ClockKind(clock.kind), clock.entered_at):
            continue
        started_at, due_at = timers[clock.version_id].times(start.counted_from, policy)
        if (started_at, due_at) == (clock.started_at, clock.due_at) or due_at <= now:
            continue
        share_at = _next_share_at(clock, policy, timer, started_at, due_at)
        found.append(Recount(clock, start.counted_from, started_at, due_at, share_at))
    return found


def _next_share_at(
    clock: Clock, policy: Policy, timer: Timer, started_at: datetime, due_at: datetime
) -> datetime | None:
    left = [percent for percent, _act in policy.shares if percent > clock.level]
    return timer.share(started_at, due_at, left[0], policy) if left else None


def _write(recounts: Sequence[Recount], now: datetime) -> None:
    if not recounts:
        return
    _UPDATE.execute(
        clocks=[each.clock.pk for each in recounts],
        started=[each.started_at for each in recounts],
        due=[each.due_at for each in recounts],
        leads=sorted({each.clock.lead_id for each in recounts}),
    )
    schedule(
        kind=SHARE_KIND,
        due={each.clock.pk: each.next_share_at for each in recounts if each.next_share_at is not None},
    )
    write_decisions(
        decisions=[
            NewDecision(
                lead_id=each.clock.lead_id,
                kind=DecisionKind.CLOCK,
                topic=each.clock.kind,
                version_id=each.clock.version_id,
                result=RECOUNTED,
                detail={
                    "clock": each.clock.pk,
                    "counted_from": each.counted_from.isoformat(),
                    "started_at": each.started_at.isoformat(),
                    "due_at": each.due_at.isoformat(),
                    "was_due_at": each.clock.due_at.isoformat(),
                },
            )
            for each in recounts
        ],
        now=now,
    )


_UPDATE: Final = Statement.text("""
WITH moved AS (
    UPDATE routing_clock clock SET started_at = recount.started_at, due_at = recount.due_at
    FROM unnest(%(clocks)s::bigint[], %(started)s::timestamptz[], %(due)s::timestamptz[])
        AS recount (id, started_at, due_at)
    WHERE clock.id = recount.id AND clock.id = ANY (%(clocks)s::bigint[])
    RETURNING clock.id, clock.lead_id, clock.due_at
), others AS (
    SELECT lead_id, due_at FROM routing_clock clock
    WHERE clock.lead_id = ANY (%(leads)s::bigint[]) AND clock.state IN ('running', 'paused', 'broken')
      AND clock.id <> ALL (%(clocks)s::bigint[])
), noted AS (
    SELECT lead_id, min(due_at) AS due_at
    FROM (SELECT lead_id, due_at FROM moved UNION ALL SELECT lead_id, due_at FROM others) open_clock GROUP BY lead_id
)
UPDATE leads_leadstate state SET clock_due_at = noted.due_at FROM noted WHERE state.lead_id = noted.lead_id
""")


RECOUNT_DUE = DueKind(RECOUNT_KIND, act=recount_calendars, batch_size=1)
