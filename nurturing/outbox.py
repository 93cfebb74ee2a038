"""The Outbox: the list of messages to leads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.saved_views.showing import read_shown
from leads.conditions.builder import builder_vocabulary
from leads.conditions.describe import describe_condition
from leads.listing import InvalidListQuery, read_condition, read_ids
from leads.views.lists import builder_errors
from leads.views.marking import list_marking
from leads.views.row_lists import RowList
from nurturing.models import Message, MessageState
from nurturing.panels import MessageBadge
from nurturing.selectors import ORDERS, MessageQuery, list_messages, matching_messages, sequence_labels
from tenancy.errors import FieldProblem
from tenancy.listing import (
    SEARCH,
    Column,
    EmptyState,
    FilterChip,
    Listing,
    render_listing,
    show_number,
)
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "nurturing/outbox.html"
PARAMETERS: Final = ("state", "q", "ids", "filter", "order")
USUAL: Final = ("subject", "lead", "sequence", "state", "queued_at")


@dataclass(frozen=True)
class ListedMessage:
    """One row: the message, its state as a badge, the name of its sequence."""

    message: Message
    badge: MessageBadge
    sequence: str


@tenant_page(right="outbox.read")
@require_safe
def outbox(request: TenantRequest) -> HttpResponse:
    """Messages to leads, newest first."""
    now = timezone.now()
    shown = read_shown(request=request, kind=OUTBOX, member=request.member, slug=request.tenant.slug)
    given = shown.given
    answer = ROWS.answer(given, request.member, now)
    columns = _columns()
    listing = Listing(
        key="outbox",
        request=request,
        caption=_("Messages to leads"),
        columns=columns,
        rows=_rows(answer.page.rows),
        words=lambda n: ngettext("%(n)s message", "%(n)s messages", n) % {"n": show_number(n)},
        count=answer.count,
        order=answer.query.order if answer.query else "",
        next_cursor=answer.page.next_cursor,
        previous_cursor=answer.page.previous_cursor,
        search_label=_("Address begins with"),
        chips=answer.chips,
        filter_template="nurturing/outbox_filter.html",
        filter_parameters=["state", "filter"],
        error=answer.error,
        empty=EmptyState(
            title=_("No messages yet"),
            text=_(
                "A lead that goes to nurture by a reason with a sequence is written to, and its mail is listed here."
            ),
            icon="mail",
        ),
        everything_label=_("All messages"),
        marking=list_marking(
            request, OUTBOX, row_id=lambda row: row.message.pk, row_name=lambda row: row.message.subject
        ),
    )
    listing = shown.complete(listing, columns)
    context = {
        "states": MessageState.choices,
        "state": answer.query.state if answer.query else "",
        "sends_mail": bool(settings.EMAIL_HOST),
        "builder": builder_vocabulary,
        "filter_text": given.get("filter", ""),
        "filter_errors": builder_errors(answer.problems),
    }
    return render_listing(request, PAGE, context, listing=listing)


def _read_query(given: Mapping[str, str], _member: Membership, _now: datetime) -> MessageQuery:
    problems: list[FieldProblem] = []
    state, order = given.get("state", ""), given.get("order", "")
    if "\x00" in given.get(SEARCH, ""):
        problems.append(FieldProblem(SEARCH, "nul", _("An address has no NUL character.")))
    query = MessageQuery(
        state=state if state in MessageState.values else "",
        address=given.get(SEARCH, "").strip().lower(),
        condition=read_condition(given.get("filter") or None, problems),
        ids=read_ids(given["ids"], problems) if given.get("ids") else None,
        order=order if order in ORDERS else "-queued_at",
    )
    if problems:
        raise InvalidListQuery(_("The list cannot be shown like this."), errors=problems)
    return query


def _rows(messages: Sequence[Message]) -> list[ListedMessage]:
    labels = sequence_labels()
    return [
        ListedMessage(
            message,
            MessageBadge(message),
            labels.get(message.enrollment.sequence, message.enrollment.sequence),
        )
        for message in messages
    ]


def _chips(query: MessageQuery) -> list[FilterChip]:
    chips = []
    if query.condition is not None:
        words = _("To leads: %(condition)s") % {"condition": describe_condition(query.condition)}
        chips.append(FilterChip(label=words, without=["filter"]))
    if query.state:
        chips.append(FilterChip(label=MessageState(query.state).label, without=["state"]))
    if query.ids is not None:
        marked = ngettext("%(n)s marked message", "%(n)s marked messages", len(query.ids))
        chips.append(FilterChip(label=marked % {"n": show_number(len(query.ids))}, without=["ids"]))
    return chips


def _columns() -> list[Column]:
    return [
        Column(
            key="subject",
            label=_("Subject"),
            template=f"{PAGE}#subject_cell",
            plain=lambda row: row.message.subject,
            card="title",
        ),
        Column(
            key="lead",
            label=_("Lead"),
            template=f"{PAGE}#lead_cell",
            plain=lambda row: str(row.message.lead),
            card="line",
        ),
        Column(key="sequence", label=_("Sequence"), plain=lambda row: row.sequence),
        Column(
            key="state",
            label=_("State"),
            template=f"{PAGE}#state_cell",
            plain=lambda row: MessageState(row.message.state).label,
        ),
        Column(
            key="queued_at",
            label=_("Written"),
            sort="queued_at",
            descending_first=True,
            end=True,
            template=f"{PAGE}#at_cell",
            plain=lambda row: row.message.queued_at,
        ),
        Column(
            key="to_email",
            label=_("Address"),
            value=lambda row: row.message.to_email,
            plain=lambda row: row.message.to_email,
            card="hidden",
        ),
        Column(
            key="lead_id",
            label=_("Lead id"),
            value=lambda row: str(row.message.lead_id),
            plain=lambda row: str(row.message.lead_id),
            card="hidden",
        ),
    ]


ROWS: Final = RowList[MessageQuery, Message](
    read=_read_query,
    matching=lambda query, now: matching_messages(query=query, now=now),
    page=lambda query, now, cursor, size: list_messages(query=query, now=now, cursor=cursor, size=size),
    is_fast=lambda query: query.is_fast,
    chips=_chips,
    search=lambda query: [f"“{query.address}”"] if query.address else [],
    leads=lambda found: found.values("lead").distinct(),
    listed=_rows,
)
OUTBOX: Final = ROWS.kind(
    key="messages",
    label=gettext_lazy("Messages"),
    url_name="outbox",
    right="outbox.read",
    parameters=PARAMETERS,
    columns=_columns,
    usual=lambda _parameters: USUAL,
)
