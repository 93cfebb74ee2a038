"""The columns of the list of opportunities, each with what its cells show and what it says in a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from leads.models import MoveAct, Opportunity, OpportunityOutcome
from leads.money import amount_in_units, money_words
from leads.reasons import Reasons, published_reasons
from leads.timeline import reason_words
from leads.versions import open_rulebook
from tenancy.listing import Column
from tenancy.markup import short_date

# Those that are shown if nobody chose others, by outcome.
USUAL: Final = {
    OpportunityOutcome.OPEN: ("lead", "company", "owner", "opened", "expected", "amount", "deal_id"),
    OpportunityOutcome.WON: ("lead", "company", "owner", "opened", "closed", "amount", "deal_id"),
    OpportunityOutcome.LOST: ("lead", "company", "owner", "opened", "closed", "reason", "deal_id"),
}


@dataclass(frozen=True)
class ListedOpportunity:
    """One row: the deal with its lead, the lead's page, and why it was lost."""

    deal: Opportunity
    url: str
    reason: str


def listed_opportunities(
    deals: Sequence[Opportunity], *, lead_url: Callable[[int], str]
) -> list[ListedOpportunity]:
    """Rows as the columns take them."""
    has_lost = any(deal.outcome == OpportunityOutcome.LOST for deal in deals)
    reasons: Reasons | None = published_reasons(open_rulebook()) if has_lost else None
    return [
        ListedOpportunity(
            deal,
            lead_url(deal.lead_id),
            reason_words(act=MoveAct.LOSE, reason=deal.reason, reasons=reasons),
        )
        for deal in deals
    ]


def opportunity_columns() -> list[Column]:
    """Every column that can be shown."""
    further = partial(Column, card="hidden")
    return [
        Column(
            key="lead",
            label=_("Lead"),
            value=lambda row: format_html('<a href="{}">{}</a>', row.url, row.deal.lead),
            plain=lambda row: str(row.deal.lead),
            card="title",
            sort="lead",
        ),
        _text(
            "company", _("Company"), lambda row: row.deal.lead.company and str(row.deal.lead.company), "line"
        ),
        _text("owner", _("Owner"), lambda row: _person(row.deal.sales_rep or row.deal.kept_sales_rep)),
        _instant("opened", _("Opened"), lambda row: row.deal.opened_at),
        _instant("closed", _("Closed"), lambda row: row.deal.closed_at),
        Column(
            key="expected",
            label=_("Expected close"),
            value=lambda row: _date_words(row.deal.expected_close_on),
            plain=lambda row: row.deal.expected_close_on,
            end=True,
        ),
        Column(
            key="amount",
            label=_("Amount"),
            value=lambda row: money_words(row.deal.amount_minor, row.deal.currency),
            plain=_amount,
            end=True,
            sort="amount",
            descending_first=True,
        ),
        _text("reason", _("Reason"), lambda row: row.reason),
        _text("deal_id", _("Deal id"), lambda row: row.deal.deal_id),
        further(
            key="currency",
            label=_("Currency"),
            value=lambda row: row.deal.currency,
            plain=lambda row: row.deal.currency,
        ),
        _text("sdr", _("SDR"), lambda row: _person(row.deal.sdr or row.deal.kept_sdr), "hidden"),
        _text("email", _("E-mail"), lambda row: row.deal.lead.email),
        _text("phone", _("Phone"), lambda row: row.deal.lead.phone),
        _text("origin", _("Origin"), lambda row: row.deal.lead.origin, "hidden"),
        _text("campaign", _("Campaign"), lambda row: row.deal.lead.campaign, "hidden"),
        _text("lead_id", _("Lead id"), lambda row: str(row.deal.lead_id), "hidden"),
    ]


def _text(key: str, label: str, read: Callable[[ListedOpportunity], Any], card: Any = "pair") -> Column:
    return Column(key=key, label=label, value=read, plain=read, card=card)


def _instant(name: str, label: str, read: Callable[[ListedOpportunity], datetime | None]) -> Column:
    return Column(
        key=name,
        label=label,
        value=lambda row: _day(read(row)),
        plain=read,
        end=True,
        sort=f"{name}_at",
        descending_first=True,
    )


def _amount(row: ListedOpportunity) -> Any:
    if row.deal.amount_minor is None:
        return None
    return amount_in_units(row.deal.amount_minor, currency=row.deal.currency or "")


def _person(person: Any) -> str:
    return str(person) if person else ""


def _date_words(day: Any) -> str:
    return date_format(day, "SHORT_DATE_FORMAT") if day else ""


def _day(at: datetime | None) -> str | SafeString:
    if at is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', timezone.localtime(at).isoformat(), short_date(at))
