"""The opportunities of a lead, on its page: those worked on here and those that files told of."""

from typing import Any, Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads.models import Lead, MoveAct, Opportunity, OpportunityOutcome
from leads.money import money_words
from leads.opportunities import list_lead_opportunities
from leads.panels import Panel
from leads.reasons import published_reasons
from leads.timeline import reason_words
from leads.versions import open_rulebook
from tenancy.markup import short_date
from tenancy.models import Membership

SHOWN: Final = 10
_TONES: Final = {
    OpportunityOutcome.OPEN: "act",
    OpportunityOutcome.WON: "good",
    OpportunityOutcome.LOST: "quiet",
}


def panel_context(lead: Lead, member: Membership) -> dict[str, Any] | None:
    """The newest opportunities; None if there is none."""
    rows = list_lead_opportunities(lead_id=lead.pk, limit=SHOWN + 1)
    if not rows:
        return None
    is_any_lost = any(row.outcome == OpportunityOutcome.LOST for row in rows)
    reasons = published_reasons(open_rulebook()) if is_any_lost else None
    return {
        "deals": [
            {
                "row": row,
                "tone": _TONES[OpportunityOutcome(row.outcome)],
                "money": money_words(row.amount_minor, row.currency),
                "words": _words(row),
                "reason": reason_words(act=MoveAct.LOSE, reason=row.reason, reasons=reasons)
                if row.outcome == OpportunityOutcome.LOST
                else "",
            }
            for row in rows[:SHOWN]
        ],
        "has_more": len(rows) > SHOWN,
    }


def _words(row: Opportunity) -> list[str]:
    """When it was opened and closed, and whose it is."""
    words = []
    if row.opened_at:
        words.append(_("opened %(day)s") % {"day": short_date(row.opened_at)})
    if row.closed_at:
        words.append(_("closed %(day)s") % {"day": short_date(row.closed_at)})
    elif row.outcome == OpportunityOutcome.OPEN and row.expected_close_on:
        day = date_format(row.expected_close_on, "SHORT_DATE_FORMAT")
        words.append(_("expected to close %(day)s") % {"day": day})
    owner = row.sales_rep or row.kept_sales_rep
    return [*words, str(owner)] if owner else words


DEALS_PANEL: Final = Panel("deals", "leads/deals_panel.html", panel_context, order=8)
