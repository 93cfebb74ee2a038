"""Home: what needs me, by what my roles may do, and what I was told."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
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

from core.notifications import list_notifications, mark_read, text_of
from leads.clocks import urgent_due_at
from leads.held import count_held
from leads.listing import COUNT_LIMIT, NOBODY, LeadListQuery, count_leads
from leads.models import Lead, LeadState, Opportunity, OpportunityOutcome, Stage
from leads.qualification.queue import WaitingLead, count_inbox, count_queue, list_inbox, list_queue
from tenancy.components import Tone
from tenancy.listing import show_number
from tenancy.models import Membership, Role, Tenant
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

SHOWN_NOTICES: Final = 20
WITH_PEOPLE: Final = (Stage.MARKETING_QUALIFIED, Stage.WORKING, Stage.SALES_QUALIFIED)
WITH_CLOCKS: Final = (Stage.MARKETING_QUALIFIED, Stage.SALES_QUALIFIED)
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
    """The lead to go on with, and where."""

    waiting: WaitingLead
    label: Text
    act: Text
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
    notices = [(row, text_of(row)) for row in list_notifications(member=member, limit=SHOWN_NOTICES)]
    context = {
        "heading": ", ".join(waiting[:2]) if waiting else _("Nothing waits for you"),
        "needs": needs,
        "next_leads": _next_leads(member, tenant, now),
        "notices": notices,
        "has_unread": any(row.read_at is None for row, _text in notices),
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
    needs = []
    if may(member, "queue.work"):
        counts = count_queue(member=member)
        total = counts.mine.value + counts.free.value
        needs.append(
            Need(
                _("To call"),
                show_number(total),
                _url(tenant, "queue"),
                ngettext("%(n)s lead to call", "%(n)s leads to call", total) % {"n": show_number(total)}
                if total
                else "",
                _("%(n)s of them yours") % {"n": show_number(counts.mine.value)} if total else "",
                "act" if total else "quiet",
            )
        )
    if may(member, "inbox.work"):
        counts = count_inbox(member=member)
        total = counts.mine.value + counts.free.value
        words = ngettext("%(n)s SQL waits for your answer", "%(n)s SQLs wait for your answer", total)
        open_count = Opportunity.objects.filter(outcome=OpportunityOutcome.OPEN, sales_rep=member).count()
        needs += [
            Need(
                _("SQLs to answer"),
                show_number(total),
                _url(tenant, "inbox"),
                words % {"n": show_number(total)} if total else "",
                _("within 48 h"),
                "act" if total else "quiet",
            ),
            Need(
                _("My open opportunities"),
                show_number(open_count),
                _url(tenant, "opportunity-list", "?owner=me"),
            ),
        ]
    return needs


def _marketing_needs(member: Membership, tenant: Tenant, now: datetime) -> list[Need]:
    if not {Role.MARKETING, Role.MANAGER, Role.ADMIN, Role.VIEWER}.intersection(member.roles):
        return []
    zone = ZoneInfo(tenant.time_zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time.min, tzinfo=zone)
    # The newest come first in the index, so a day's leads are read and no more.
    today = Lead.objects.filter(created_at__gte=midnight)[: COUNT_LIMIT + 1].count()
    back = count_leads(query=LeadListQuery(stages=(Stage.NURTURE,), owner=NOBODY), now=now)
    number = show_number(today) if today <= COUNT_LIMIT else f"{show_number(COUNT_LIMIT)}+"
    words = ngettext("%(n)s new lead today", "%(n)s new leads today", today) % {"n": number}
    return [
        Need(_("New leads today"), number, _url(tenant, "lead-list"), words if today else "", tone="good"),
        Need(
            _("In nurture"),
            show_number(back.value) if back else "—",
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
    """Leads whose open clock has passed its time."""
    late = LeadState.objects.filter(stage__in=WITH_CLOCKS).annotate(due=urgent_due_at("lead_id"))
    count = late.filter(due__lte=now)[:COUNT_LIMIT].count()
    words = ngettext("%(n)s clock is broken", "%(n)s clocks are broken", count) % {"n": show_number(count)}
    return Need(
        _("Clocks broken"),
        show_number(count),
        _url(tenant, "lead-list", f"?stage={','.join(WITH_CLOCKS)}&order=stage_at"),
        words if count else "",
        _("still open") if count else _("all in time"),
        "late" if count else "good",
    )


def _ownerless_need(tenant: Tenant, now: datetime) -> Need:
    """Leads in people's hands that nobody has."""
    free = count_leads(query=LeadListQuery(stages=WITH_PEOPLE, owner=NOBODY), now=now)
    count = free.value if free else 0
    words = ngettext("%(n)s lead has no owner", "%(n)s leads have no owner", count)
    return Need(
        _("Without owner"),
        show_number(count),
        _url(tenant, "lead-list", f"?stage={','.join(WITH_PEOPLE)}&owner={NOBODY}"),
        words % {"n": show_number(count)} if count else "",
        _("MQL to SQL"),
        "soon" if count else "good",
    )


def _next_leads(member: Membership, tenant: Tenant, now: datetime) -> list[NextLead]:
    """The first of the queue and of the inbox."""
    found = []
    if may(member, "queue.work"):
        page = list_queue(member=member, now=now, size=1)
        found += [
            NextLead(
                each, _("Next to call"), _("Open the queue"), _url(tenant, "queue", f"?lead={each.row.id}")
            )
            for each in page.leads
        ]
    if may(member, "inbox.work"):
        page = list_inbox(member=member, now=now, size=1)
        found += [
            NextLead(
                each, _("Next to answer"), _("Open the inbox"), _url(tenant, "inbox", f"?lead={each.row.id}")
            )
            for each in page.leads
        ]
    return found
