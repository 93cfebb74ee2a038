"""The clocks on the lead page."""

from typing import Any

from django.utils import timezone

from leads.models import Lead
from leads.panels import Panel
from routing.selectors import is_open, list_lead_clocks
from routing.why import clock_in_words
from tenancy.models import Membership


def clocks_panel(lead: Lead, member: Membership) -> dict[str, Any] | None:
    """``clocks``: each with its face, how it stands in words, and whether it is open; hidden without any."""
    now = timezone.now()
    clocks = [
        {
            "face": timed.face(now),
            "label": timed.label,
            "words": clock_in_words(timed, now),
            "due_at": timed.clock.due_at,
            "is_open": is_open(timed.clock),
        }
        for timed in list_lead_clocks(lead_id=lead.pk, now=now)
    ]
    return {"clocks": clocks} if clocks else None


CLOCKS_PANEL = Panel("clocks", "routing/clocks_panel.html", clocks_panel, order=20)
