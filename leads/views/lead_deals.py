"""The opportunities of a lead, on its page: those worked on here and those that files told of."""

from typing import Any, Final

from leads.models import Lead, MoveAct, OpportunityOutcome
from leads.money import money_words
from leads.opportunities import list_lead_opportunities
from leads.panels import Panel
from leads.reasons import published_reasons
from leads.timeline import reason_words
from leads.versions import open_rulebook
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
                "owner": row.sales_rep or row.kept_sales_rep or "",
                "reason": reason_words(act=MoveAct.LOSE, reason=row.reason, reasons=reasons)
                if row.outcome == OpportunityOutcome.LOST
                else "",
            }
            for row in rows[:SHOWN]
        ],
        "has_more": len(rows) > SHOWN,
    }


DEALS_PANEL: Final = Panel("deals", "leads/deals_panel.html", panel_context, order=8)
