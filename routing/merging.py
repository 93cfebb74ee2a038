"""When a lead is merged into another: its clocks go along; those of a visit to a stage that is not the survivor's end."""

from datetime import datetime

from core.due import schedule
from leads.merging.records import Row
from leads.merging.tables import Fate, LeadTable, register_lead_table
from routing.clocks import SHARE_KIND
from routing.escalation import read_policies
from routing.models import OPEN_STATES, Clock, ClockKind, ClockState
from routing.policies import BREACH


def keep_acted(rows: list[Row]) -> list[Row]:
    """Clocks as they stood, but for shares of their time that were acted on meanwhile: nobody is told of one twice."""
    clocks = {clock.pk: clock for clock in Clock.objects.filter(pk__in=[row["id"] for row in rows])}
    return [
        row | _acted_since(clocks[row["id"]])
        if row["id"] in clocks and clocks[row["id"]].level > row["level"]
        else row
        for row in rows
    ]


def _acted_since(clock: Clock) -> Row:
    # A clock that has ended meanwhile knows no next share.
    policy = read_policies([clock.version_id])[clock.version_id].get(ClockKind(clock.kind))
    shares = [percent for percent, _act in policy.shares] if policy else []
    acted: Row = {
        "level": clock.level,
        "next_share": next((percent for percent in shares if percent > clock.level), None),
    }
    if clock.level >= BREACH:
        acted |= {
            "state": ClockState.BROKEN.value,
            "broken_at": (clock.broken_at or clock.due_at).isoformat(),
            "responsible_id": clock.responsible_id,
        }
    return acted


def wake_clocks(lead_ids: list[int], now: datetime) -> None:
    """Let clocks that run again after an undo be looked at: what has passed meanwhile is acted on, the rest is planned."""
    clock_ids = Clock.objects.filter(lead__in=lead_ids, state__in=OPEN_STATES).values_list("pk", flat=True)
    schedule(kind=SHARE_KIND, due=dict.fromkeys(clock_ids, now))


def register_tables() -> None:
    """Say what happens to routing's rows; called once, when the app is ready."""
    register_lead_table(
        LeadTable(
            Clock,
            Fate.MOVE,
            key=("kind", "entered_at"),
            watched="kept.state IN ('running', 'paused', 'broken')",
            since=keep_acted,
            after_undo=wake_clocks,
        )
    )
