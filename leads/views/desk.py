"""Two places to work through what waits: the SDR's queue and the sales rep's inbox. A list, one lead's story, its acts."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from leads.cards import LeadCard, get_card
from leads.models import Handover, LeadState, Opportunity, OpportunityOutcome, Stage
from leads.ownership import function_of, may_act_on, oversees_all
from leads.qualification.queue import (
    WaitingCounts,
    WaitingLead,
    WaitingPage,
    count_attempts_today,
    count_inbox,
    count_queue,
    list_inbox,
    list_queue,
)
from leads.rows import LeadRow, list_lead_rows
from leads.views.lead import card_context
from tenancy.components import ClockFace
from tenancy.fragments import answer_poll, poll_headers
from tenancy.listing import EmptyState, show_number
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

Text = str | Promise
# A clock with less open time than this is worth saying in the page's title.
SOON_SECONDS: Final = 2 * 60 * 60
MOST_OPPORTUNITIES: Final = 50
LIST_ID: Final = "desk-list"
DESK_ID: Final = "desk"


@dataclass(frozen=True)
class Desk:
    """One of the two places: its address, its words, what is listed there."""

    name: str
    label: Text
    stages: frozenset[Stage]
    list_waiting: Callable[..., WaitingPage]
    count_waiting: Callable[..., WaitingCounts]
    mine: Text
    free: Text
    order: Text
    empty: EmptyState


QUEUE: Final = Desk(
    name="queue",
    label=gettext_lazy("SDR queue"),
    stages=frozenset({Stage.MARKETING_QUALIFIED, Stage.WORKING}),
    list_waiting=list_queue,
    count_waiting=count_queue,
    mine=gettext_lazy("Mine"),
    free=gettext_lazy("Free: claim or call"),
    order=gettext_lazy("Ordered by what waiting costs: clock, then grade and score."),
    empty=EmptyState(
        title=gettext_lazy("Nobody waits for you"),
        text=gettext_lazy("MQLs come here as soon as they meet marketing's criteria or ask to be called."),
        icon="circle-check",
    ),
)
INBOX: Final = Desk(
    name="inbox",
    label=gettext_lazy("SQL inbox"),
    stages=frozenset({Stage.SALES_QUALIFIED, Stage.OPPORTUNITY}),
    list_waiting=list_inbox,
    count_waiting=count_inbox,
    mine=gettext_lazy("Offered to you"),
    free=gettext_lazy("For anybody of the team"),
    order=gettext_lazy("Ordered by the time left to answer, then grade and score."),
    empty=EmptyState(
        title=gettext_lazy("No SQL waits for an answer"),
        text=gettext_lazy(
            "SDRs hand leads over when they are qualified; you have 48 hours to accept or reject."
        ),
        icon="circle-check",
    ),
)


@dataclass(frozen=True)
class DeskItem:
    """One line of the list."""

    row: LeadRow
    clock: ClockFace | None
    url: str


@dataclass(frozen=True)
class DeskGroup:
    label: Text
    items: list[DeskItem]


@tenant_page(right="queue.work")
@require_safe
def queue(request: TenantRequest) -> HttpResponse:
    """Whom to call next."""
    return show_desk(request, QUEUE)


@tenant_page(right="inbox.work")
@require_safe
def inbox(request: TenantRequest) -> HttpResponse:
    """Which SQLs to answer, and one's own opportunities."""
    return show_desk(request, INBOX)


def show_desk(request: TenantRequest, desk: Desk) -> HttpResponse:
    """The whole page, the desk alone when another lead is chosen, or the list alone when it refreshes."""
    now, member = timezone.now(), request.member
    page = desk.list_waiting(member=member, now=now, cursor=request.GET.get("cursor", ""))
    opportunities = list_own_opportunities(member=member) if desk is INBOX else []
    counts = desk.count_waiting(member=member)
    listed = [each.row.id for each in page.leads] + [row.id for row in opportunities]
    chosen = choose_lead(request, desk, listed)
    context: dict[str, Any] = {
        "desk": desk,
        "address": reverse(desk.name, kwargs={"slug": request.tenant.slug}),
        "groups": _groups(request, desk, page, opportunities),
        "heading": _heading(desk, page.leads, counts),
        "more_url": _url(request, desk, cursor=page.next_cursor) if page.next_cursor else "",
        "is_first_page": "cursor" not in request.GET,
        "chosen": chosen,
    }
    target = request.headers.get("HX-Target", "")
    if target == LIST_ID and "HX-Request" in request.headers:
        return _refresh(request, context, page.leads, opportunities, counts)
    context |= _poll_headers(_etag(page.leads, opportunities, counts, chosen))
    if chosen is not None:
        card = get_card(lead_id=chosen, member=member, now=now)
        context |= _card_context(request, desk, card, listed, now)
    if desk is QUEUE:
        context["today"] = count_attempts_today(member=member, tenant=request.tenant, now=now)
    template = "leads/desk.html#desk" if target == DESK_ID else "leads/desk.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def choose_lead(request: TenantRequest, desk: Desk, listed: Sequence[int]) -> int | None:
    """The lead that the address names if it still waits here, else the one that was to follow it, else the first."""
    wanted = [
        int(raw)
        for raw in map(request.GET.get, ("lead", "then"))
        if raw and raw.isdecimal() and len(raw) < 19
    ]
    for lead_id in (*wanted, *listed[:1]):
        if lead_id in listed or _waits_here(request.member, desk, lead_id):
            return lead_id
    return None


def _waits_here(member: Membership, desk: Desk, lead_id: int) -> bool:
    """Whether a lead that is not on this page of the list is one of the desk's, for this member."""
    state = LeadState.objects.filter(pk=lead_id, stage__in=desk.stages).first()
    return state is not None and may_act_on(member=member, state=state)


def list_own_opportunities(*, member: Membership) -> list[LeadRow]:
    """The leads of the member's open opportunities, the oldest first."""
    mine = Opportunity.objects.filter(outcome=OpportunityOutcome.OPEN, sales_rep=member)
    lead_ids = mine.order_by("opened_at", "id").values_list("lead_id", flat=True)[:MOST_OPPORTUNITIES]
    rows = list_lead_rows(lead_ids=list(lead_ids))
    return [row for row in rows if row.stage is Stage.OPPORTUNITY]


def _groups(
    request: TenantRequest,
    desk: Desk,
    page: WaitingPage,
    opportunities: Sequence[LeadRow],
) -> list[DeskGroup]:
    # Built once: the id is its end.
    address = _url(request, desk, lead="")

    def item(row: LeadRow, clock: ClockFace | None = None) -> DeskItem:
        return DeskItem(row, clock, f"{address}{row.id}")

    waiting = [(each.is_mine, item(each.row, each.clock)) for each in page.leads]
    groups = [
        DeskGroup(desk.mine, [each for is_mine, each in waiting if is_mine]),
        DeskGroup(desk.free, [each for is_mine, each in waiting if not is_mine]),
        DeskGroup(_("My open opportunities"), [item(row) for row in opportunities]),
    ]
    return [group for group in groups if group.items]


def _url(request: TenantRequest, desk: Desk, **parameters: Any) -> str:
    """This desk's address; the page of the list stays unless another is asked for."""
    if "cursor" in request.GET and "cursor" not in parameters:
        parameters = {"cursor": request.GET["cursor"]} | parameters
    address = reverse(desk.name, kwargs={"slug": request.tenant.slug})
    return f"{address}?{urlencode(parameters)}" if parameters else address


def _heading(desk: Desk, waiting: Sequence[WaitingLead], counts: WaitingCounts) -> str:
    total = counts.mine.value + counts.free.value
    if total == 0:
        return str(desk.empty.title)
    number = show_number(total) if counts.mine.exact and counts.free.exact else f"{show_number(total)}+"
    if desk is INBOX:
        words = ngettext("%(n)s SQL waits for an answer", "%(n)s SQLs wait for an answer", total) % {
            "n": number
        }
    else:
        words = ngettext("Next: %(n)s lead", "Next: %(n)s leads", total) % {"n": number}
    left = [each.clock.left_seconds for each in waiting if each.clock is not None and each.clock.is_counting]
    late = sum(seconds < 0 for seconds in left)
    soon = sum(0 <= seconds < SOON_SECONDS for seconds in left)
    parts = [words]
    if late:
        parts.append(ngettext("%(n)s late", "%(n)s late", late) % {"n": show_number(late)})
    if soon:
        parts.append(
            ngettext("%(n)s clock under 2 h", "%(n)s clocks under 2 h", soon) % {"n": show_number(soon)}
        )
    return ", ".join(parts)


def _card_context(
    request: TenantRequest, desk: Desk, card: LeadCard, listed: Sequence[int], now: datetime
) -> dict[str, Any]:
    """The chosen lead's parts; its acts lead back here, to the next lead if it goes."""
    here = listed.index(card.lead.pk) if card.lead.pk in listed else -1
    following = listed[here + 1] if here + 1 < len(listed) else None
    preceding = listed[here - 1] if here > 0 else None
    back = _url(request, desk, lead=card.lead.pk, **({"then": following} if following else {}))
    return card_context(request, card, now=now, back=back) | {
        "is_chosen_by_hand": "lead" in request.GET,
        "next_url": _url(request, desk, lead=following) if following else "",
        "previous_url": _url(request, desk, lead=preceding) if preceding else "",
        "list_url": _url(request, desk),
        "offer": _open_offer(card) if card.stage is Stage.SALES_QUALIFIED else None,
        "is_free": not card.has_owner and function_of(card.stage) is not None,
        "oversees": oversees_all(request.member),
    }


def _open_offer(card: LeadCard) -> Handover | None:
    """How the lead came to sales."""
    offers = Handover.objects.filter(lead=card.lead, answer__isnull=True).select_related("offered_by")
    offer: Handover | None = offers.first()
    return offer


def _etag(
    waiting: Sequence[WaitingLead],
    opportunities: Sequence[LeadRow],
    counts: WaitingCounts,
    chosen: int | None,
) -> str:
    """Changes when the list does; that time passes is no change, the clocks count by themselves."""
    seen = [
        [
            *(each.row.id, each.row.title, each.row.stage, each.row.score, each.row.grade, each.row.owner_id),
            *(
                each.is_mine,
                each.attempts,
                each.clock.due_at.isoformat() if each.clock else "",
                _tone(each.clock),
            ),
        ]
        for each in waiting
    ]
    text = json.dumps(
        [
            seen,
            [row.id for row in opportunities],
            counts.mine.value,
            counts.free.value,
            chosen,
            translation.get_language(),
        ]
    )
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _poll_headers(etag: str) -> dict[str, str]:
    """Headers as HTMX takes them: the list asks whether it changed, what stands in it does not."""
    return {"poll_headers": poll_headers(etag), "no_headers": poll_headers("")}


def _tone(clock: ClockFace | None) -> str:
    return clock.tone if clock else ""


def _refresh(
    request: TenantRequest,
    context: dict[str, Any],
    waiting: Sequence[WaitingLead],
    opportunities: Sequence[LeadRow],
    counts: WaitingCounts,
) -> HttpResponse:
    """The list anew, or 304 when nothing has changed."""
    etag = _etag(waiting, opportunities, counts, context["chosen"])
    shown = {**context, **_poll_headers(etag), "is_refresh": True}
    return answer_poll(request, etag=etag, draw=lambda: render(request, "leads/desk.html#list", shown))
