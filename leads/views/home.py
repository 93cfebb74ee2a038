"""Home: what needs me, by what my roles may do, and what I was told."""

import json
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from core.notifications import list_notifications, mark_read, text_of, url_of
from leads.clocks import broken_clock, list_urgent_faces
from leads.conditions.language import parse_condition
from leads.held import count_held
from leads.home_panels import list_home_panels
from leads.listing import LeadListQuery, count_leads, list_leads
from leads.matching import NOBODY
from leads.models import Lead, Opportunity, OpportunityOutcome, Stage
from leads.qualification.queue import (
    WaitingCounts,
    WaitingLead,
    count_inbox,
    count_queue,
    list_inbox,
    list_queue,
)
from leads.rows import LeadRow, list_lead_rows
from tenancy.components import ClockFace, Tone
from tenancy.listing import Count, count_rows, show_number
from tenancy.models import Membership, Role, Tenant
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

SHOWN_NOTICES: Final = 12
SHOWN_BEHIND: Final = 5
SHOWN_LATE: Final = 8
WITH_PEOPLE: Final = (Stage.MARKETING_QUALIFIED, Stage.WORKING, Stage.SALES_QUALIFIED)
Text = str | Promise
_LOUDNESS: Final[dict[Tone, int]] = {"late": 0, "soon": 1, "act": 2, "good": 3, "quiet": 4}


@dataclass(frozen=True)
class Need:
    """One number that may need somebody, with the page behind it; ``sentence`` says it in the page's title."""

    label: Text
    value: str
    url: str
    sentence: str = ""
    note: Text = ""
    tone: Tone = "quiet"


@dataclass(frozen=True)
class NextLead:
    """The lead to go on with, where, and who follows it (each with its place)."""

    waiting: WaitingLead
    label: Text
    act: Text
    url: str
    then: list[tuple[WaitingLead, str]]


@dataclass(frozen=True)
class LateLeads:
    """The leads that have waited longest beyond their time, with their clocks, and the address of all of them."""

    rows: list[tuple[LeadRow, ClockFace | None]]
    url: str


@tenant_page(right="home.read")
@require_safe
def home(request: TenantRequest) -> HttpResponse:
    """What needs this person now."""
    now, member, tenant = timezone.now(), request.member, request.tenant
    needs = [
        *_desk_needs(member, tenant),
        *_marketing_needs(member, tenant, now),
        *_oversight_needs(member, tenant, now),
    ]
    # What is late comes first; of equals the daily work.
    waiting = [
        need.sentence for need in sorted(needs, key=lambda need: _LOUDNESS[need.tone]) if need.sentence
    ]
    notices = [
        (row, text_of(row), url_of(row, slug=tenant.slug))
        for row in list_notifications(member=member, limit=SHOWN_NOTICES)
    ]
    context = {
        "heading": ", ".join(waiting[:2]) if waiting else _("Nothing waits for you"),
        "needs": needs,
        "next_leads": _next_leads(member, tenant, now),
        "late": _late_leads(member, tenant, now),
        "panels": list_home_panels(member=member, tenant=tenant, now=now),
        "notices": notices,
        "has_unread": any(row.read_at is None for row, _text, _url in notices),
    }
    return render(request, "leads/home.html", context)


@tenant_page(right="notification.read")
@require_POST
def notifications_read(request: TenantRequest) -> HttpResponse:
    """Mark everything one was told as read."""
    mark_read(member=request.member, now=timezone.now())
    messages.success(request, _("All read."))
    return redirect("home", slug=request.tenant.slug)


def _url(tenant: Tenant, name: str, query: str = "") -> str:
    return reverse(name, kwargs={"slug": tenant.slug}) + query


def _desk_needs(member: Membership, tenant: Tenant) -> list[Need]:
    """What waits at one's own desks; who only may stand in there sees them while something waits."""
    needs = []
    if may(member, "queue.work"):
        counts = count_queue(member=member)
        total = counts.mine.value + counts.free.value
        if total or Role.SDR in member.roles:
            needs.append(_queue_need(counts, total, tenant))
    if may(member, "inbox.work"):
        counts = count_inbox(member=member)
        total = counts.mine.value + counts.free.value
        open_count = Opportunity.objects.filter(outcome=OpportunityOutcome.OPEN, sales_rep=member).count()
        if total or open_count or Role.SALES in member.roles:
            needs += _inbox_needs(counts, total, open_count, tenant)
    return needs


def _queue_need(counts: WaitingCounts, total: int, tenant: Tenant) -> Need:
    number = _both_words(counts)
    words = ngettext("%(n)s lead to call", "%(n)s leads to call", total) % {"n": number}
    return Need(
        _("To call"),
        number,
        _url(tenant, "queue"),
        words if total else "",
        _("%(n)s of them yours") % {"n": _count_words(counts.mine)} if total else "",
        "act" if total else "quiet",
    )


def _inbox_needs(counts: WaitingCounts, total: int, open_count: int, tenant: Tenant) -> list[Need]:
    number = _both_words(counts)
    words = ngettext("%(n)s SQL waits for your answer", "%(n)s SQLs wait for your answer", total)
    return [
        Need(
            _("SQLs to answer"),
            number,
            _url(tenant, "inbox"),
            words % {"n": number} if total else "",
            _("within 48 h"),
            "act" if total else "quiet",
        ),
        Need(
            _("My open opportunities"),
            show_number(open_count),
            _url(tenant, "opportunity-list", "?owner=me"),
        ),
    ]


def _both_words(counts: WaitingCounts) -> str:
    return _count_words(
        Count(value=counts.mine.value + counts.free.value, exact=counts.mine.exact and counts.free.exact)
    )


def _marketing_needs(member: Membership, tenant: Tenant, now: datetime) -> list[Need]:
    if not {Role.MARKETING, Role.MANAGER, Role.ADMIN, Role.VIEWER}.intersection(member.roles):
        return []
    zone = ZoneInfo(tenant.time_zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time.min, tzinfo=zone)
    # The newest come first in the index, so a day's leads are read and no more.
    today = count_rows(Lead.objects.filter(created_at__gte=midnight))
    back = count_leads(query=LeadListQuery(stages=(Stage.NURTURE,), owner=NOBODY), now=now)
    number = f"{show_number(today.value)}{'' if today.exact else '+'}"
    words = ngettext("%(n)s new lead today", "%(n)s new leads today", today.value) % {"n": number}
    return [
        Need(
            _("New leads today"), number, _url(tenant, "lead-list"), words if today.value else "", tone="good"
        ),
        Need(
            _("In nurture"),
            _count_words(back),
            _url(tenant, "lead-list", "?stage=nurture"),
        ),
    ]


def _oversight_needs(member: Membership, tenant: Tenant, now: datetime) -> list[Need]:
    needs = []
    if may(member, "lead.assign"):
        needs += [_late_need(tenant, now), _ownerless_need(tenant, now)]
    if may(member, "held.resolve"):
        held = count_held()
        words = ngettext("%(n)s is held", "%(n)s are held", held) % {"n": show_number(held)}
        note = _("processing failed") if held else _("all went through")
        tone: Tone = "late" if held else "good"
        needs.append(
            Need(_("Held leads"), show_number(held), _url(tenant, "held"), words if held else "", note, tone)
        )
    return needs


def _late_need(tenant: Tenant, now: datetime) -> Need:
    """Leads that wait longer than they may; the number and the list behind it come from one condition."""
    late = count_leads(query=LeadListQuery(condition=parse_condition(broken_clock())), now=now)
    count = late.value if late else 0
    number = _count_words(late)
    words = ngettext("%(n)s clock is broken", "%(n)s clocks are broken", count) % {"n": number}
    return Need(
        _("Clocks broken"),
        number,
        _late_url(tenant),
        words if count else "",
        _("still open") if count else _("all in time"),
        "late" if count else "good",
    )


def _count_words(count: Count | None) -> str:
    """A number of leads that was counted to a limit: "12", "1,000+"; a dash when counting took too long."""
    if count is None:
        return "—"
    return show_number(count.value) + ("" if count.exact else "+")


def _ownerless_need(tenant: Tenant, now: datetime) -> Need:
    """Leads in people's hands that nobody has."""
    free = count_leads(query=LeadListQuery(stages=WITH_PEOPLE, owner=NOBODY), now=now)
    count = free.value if free else 0
    number = _count_words(free)
    words = ngettext("%(n)s lead has no owner", "%(n)s leads have no owner", count) % {"n": number}
    return Need(
        _("Without owner"),
        number,
        _url(tenant, "lead-list", f"?stage={','.join(WITH_PEOPLE)}&owner={NOBODY}"),
        words if count else "",
        _("MQL to SQL"),
        "soon" if count else "good",
    )


def _next_leads(member: Membership, tenant: Tenant, now: datetime) -> list[NextLead]:
    """The first of the queue and of the inbox, and a few behind it."""
    desks = (
        ("queue.work", list_queue, "queue", _("Next to call"), _("Open the queue")),
        ("inbox.work", list_inbox, "inbox", _("Next to answer"), _("Open the inbox")),
    )
    found = []
    for right, list_waiting, name, label, act in desks:
        if not may(member, right):
            continue
        waiting = list_waiting(member=member, now=now, size=1 + SHOWN_BEHIND).leads
        places = [(each, _url(tenant, name, f"?lead={each.row.id}")) for each in waiting]
        if places:
            (first, url), *then = places
            found.append(NextLead(first, label, act, url, then))
    return found


def _late_leads(member: Membership, tenant: Tenant, now: datetime) -> LateLeads | None:
    """Whose clocks stand broken, for those who can do something about it."""
    if not may(member, "lead.assign"):
        return None
    query = LeadListQuery(condition=parse_condition(broken_clock()), order="stage_at", size=SHOWN_LATE)
    lead_ids = list_leads(query=query, now=now).lead_ids
    if not lead_ids:
        return None
    faces = list_urgent_faces(lead_ids=lead_ids, now=now)
    rows = [(row, faces.get(row.id)) for row in list_lead_rows(lead_ids=lead_ids)]
    return LateLeads(rows, _late_url(tenant))


def _late_url(tenant: Tenant) -> str:
    return _url(
        tenant, "lead-list", f"?{urlencode({'filter': json.dumps(broken_clock()), 'order': 'stage_at'})}"
    )
