"""When a lead is merged into another: its clocks go along; those of a visit to a stage that is not the survivor's end."""

from datetime import datetime

from core.due import schedule
from leads.merging.tables import Fate, LeadTable, register_lead_table
from routing.clocks import SHARE_KIND
from routing.models import OPEN_STATES, Clock


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
            after_undo=wake_clocks,
        )
    )
