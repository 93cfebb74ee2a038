"""What goes out of the tables of owners and clocks."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from leads.takeout.tables import TakenTable

TAKEN: Final = (
    TakenTable(
        model="routing.Calendar",
        file="calendars",
        about=_("Working time, holidays, closures"),
        columns=(
            *("id", "name", "time_zone", "week", "holiday_country", "holiday_subdivision", "closures"),
            "is_default",
        ),
        withheld={"recounted_to": "How far work in the background is."},
    ),
    TakenTable(
        model="routing.Pool",
        file="pools",
        about=_("Groups among whom leads are shared"),
        columns=("id", "key", "name", "function", "takes", "turn"),
    ),
    TakenTable(
        model="routing.PoolMember",
        file="pool_members",
        about=_("Who stands in which group"),
        columns=("id", "pool_id", "member_id", "position", "last_turn"),
    ),
    TakenTable(
        model="routing.Clock",
        file="clocks",
        about=_("Clocks"),
        columns=(
            *("id", "lead_id", "kind", "state", "entered_at", "started_at", "due_at", "met_at", "broken_at"),
            *("level", "next_share", "version_id", "calendar_id", "responsible_id"),
        ),
        notes={"next_share": "Per cent of the time at which somebody is told next."},
    ),
)
