"""Opportunities as a board: offered, open, won, lost. Cards move by dragging or by their buttons, which ask what is needed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_safe

from leads.clocks import list_urgent_faces
from leads.models import LeadState, MoveAct, Opportunity, OpportunityOutcome, Stage
from leads.money import money_words
from leads.opportunities import BoardColumn, get_board
from leads.ownership import list_in_hands
from leads.reasons import published_reasons
from leads.timeline import reason_words
from leads.versions import open_rulebook
from leads.views.acts import act_url
from leads.views.addresses import lead_addresses
from leads.views.opportunity_filters import PERIODS, OpportunityFilters, list_reps, read_filters
from tenancy.components import ClockFace
from tenancy.listing import show_number
from tenancy.models import Membership, TeamFunction, Tenant
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

SHOWN: Final = 20
OFFERED: Final = "offered"
# From which column by which act to which column (none: it leaves the board), and whether it asks something first.
MOVES: Final[dict[str, tuple[tuple[str, str, bool], ...]]] = {
    OFFERED: (
        ("accept", OpportunityOutcome.OPEN.value, False),
        ("reject", "", True),
    ),
    OpportunityOutcome.OPEN.value: (
        ("win", OpportunityOutcome.WON.value, True),
        ("lose", OpportunityOutcome.LOST.value, True),
    ),
}


@dataclass(frozen=True)
class Move:
    """One act on a card: where it leads, what its button says."""

    url: str
    to: str
    label: str
    asks: bool


@dataclass(frozen=True)
class Card:
    """One lead or opportunity on the board."""

    url: str
    title: str
    company: str
    owner: str
    at: datetime | None
    amount: str
    reason: str
    clock: ClockFace | None
    moves: list[Move]
    deal_id: str = ""


@dataclass(frozen=True)
class Column:
    """One column: its cards, how many there are in all and where, what they add up to."""

    key: str
    label: str
    count: str
    sums: list[str]
    url: str
    cards: list[Card]
    hidden: int
    empty: str


@tenant_page(right="opportunity.read")
@require_safe
def opportunity_board(request: TenantRequest) -> HttpResponse:
    """What sales has before it, and what was won and lost."""
    now, tenant = timezone.now(), request.tenant
    given = {"period": "month"} | request.GET.dict()
    filters = read_filters(given=given, member=request.member, tenant=tenant, now=now)
    board = get_board(owner=filters.owner, closed_since=filters.closed_since, size=SHOWN)
    drawing = Drawing(request.member, tenant, filters, request.get_full_path(), now)
    columns = [
        drawing.offered(board.offered),
        *(drawing.outcome(outcome, column) for outcome, column in board.outcomes.items()),
    ]
    n = board.outcomes[OpportunityOutcome.OPEN].count
    context = {
        "heading": ngettext("%(n)s open opportunity", "%(n)s open opportunities", n) % {"n": show_number(n)},
        "columns": columns,
        "filters": filters,
        "owner": filters.given.get("owner", ""),
        "period": filters.given.get("period", ""),
        "periods": PERIODS,
        "reps": list_reps(),
    }
    return render(request, "leads/opportunity_board.html", context)


class Drawing:
    """Makes cards of rows, for one reader."""

    def __init__(
        self, member: Membership, tenant: Tenant, filters: OpportunityFilters, page: str, now: datetime
    ) -> None:
        self._member, self._tenant, self._filters, self._page, self._now = member, tenant, filters, page, now
        self._lead_url = lead_addresses("lead-detail", slug=tenant.slug)
        self._may_sell = may(member, "lead.sell")

    def offered(self, column: BoardColumn) -> Column:
        """The SQLs that wait for an answer, the most urgent first."""
        states: list[LeadState] = column.cards
        mine = self._in_hands(states)
        faces = list_urgent_faces(lead_ids=[state.lead_id for state in states], now=self._now)
        cards = [
            Card(
                url=self._lead_url(state.lead_id),
                title=str(state.lead),
                company=str(state.lead.company or ""),
                owner=str(state.owner_sales or state.kept_sales or ""),
                at=None,
                amount="",
                reason="",
                clock=faces.get(state.lead_id),
                moves=self._moves(OFFERED, state.lead_id, mine),
            )
            for state in states
        ]
        query = {"stage": Stage.SALES_QUALIFIED.value} | (
            {"owner": self._filters.given["owner"]} if self._filters.owner else {}
        )
        url = reverse("lead-list", kwargs={"slug": self._tenant.slug}) + "?" + urlencode(query)
        return self._column(
            OFFERED, column, cards, label=_("Offered"), url=url, empty=_("No SQL waits for an answer.")
        )

    def outcome(self, outcome: OpportunityOutcome, column: BoardColumn) -> Column:
        """The opportunities of one outcome."""
        rows: list[Opportunity] = column.cards
        is_open = outcome is OpportunityOutcome.OPEN
        mine = self._in_hands([row.lead.standing for row in rows]) if is_open else set()
        is_lost = outcome is OpportunityOutcome.LOST
        reasons = published_reasons(open_rulebook()) if is_lost and rows else None
        cards = [
            Card(
                url=self._lead_url(row.lead_id),
                title=str(row.lead),
                company=str(row.lead.company or ""),
                deal_id=row.deal_id,
                owner=str(row.sales_rep or row.kept_sales_rep or ""),
                at=row.opened_at if is_open else row.closed_at,
                amount=money_words(row.amount_minor, row.currency),
                reason=reason_words(act=MoveAct.LOSE, reason=row.reason, reasons=reasons) if is_lost else "",
                clock=None,
                moves=self._moves(outcome.value, row.lead_id, mine),
            )
            for row in rows
        ]
        query = {"outcome": outcome.value} | self._filters.given
        url = reverse("opportunity-list", kwargs={"slug": self._tenant.slug}) + "?" + urlencode(query)
        empty = {
            OpportunityOutcome.OPEN: _("An SQL that is accepted comes here."),
            OpportunityOutcome.WON: _("Nothing won in this time yet."),
            OpportunityOutcome.LOST: _("Nothing lost in this time."),
        }[outcome]
        return self._column(outcome.value, column, cards, label=outcome.label, url=url, empty=empty)

    def _column(
        self, key: str, column: BoardColumn, cards: list[Card], *, label: str | Promise, url: str, empty: str
    ) -> Column:
        home = self._tenant.currency
        sums = sorted(column.sums.items(), key=lambda each: (each[0] != home, each[0]))
        return Column(
            key=key,
            label=str(label),
            count=show_number(column.count),
            sums=[money_words(total, currency) for currency, total in sums],
            url=url,
            cards=cards,
            hidden=column.count - len(cards),
            empty=empty,
        )

    def _in_hands(self, states: list[LeadState]) -> set[int]:
        """The leads that this reader may move; none without the right."""
        if not self._may_sell or not states:
            return set()
        return list_in_hands(member=self._member, states=states, function=TeamFunction.SALES)

    def _moves(self, column: str, lead_id: int, mine: set[int]) -> list[Move]:
        if lead_id not in mine:
            return []
        words = {
            "accept": _("Accept"),
            "reject": _("Reject"),
            "win": pgettext("act on an opportunity", "Win"),
            "lose": pgettext("act on an opportunity", "Lose"),
        }
        return [
            Move(
                act_url(slug=self._tenant.slug, lead_id=lead_id, act=act, back=self._page),
                to,
                words[act],
                asks,
            )
            for act, to, asks in MOVES.get(column, ())
        ]
