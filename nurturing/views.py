"""Nurturing's pages: a message, in and out of sequences by hand, and the page behind the link to unsubscribe."""

from html.parser import HTMLParser
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from nurturing.models import Message, MessageState
from nurturing.panels import MessageBadge, because_words
from nurturing.selectors import get_message, sequence_labels
from nurturing.sending import compose
from nurturing.services import (
    RETRIABLE,
    LinkUnknown,
    enroll_lead,
    exit_enrollment,
    find_message,
    get_enrollment,
    is_unsubscribed,
    send_again,
    unsubscribe,
)
from tenancy.errors import Invalid
from tenancy.models import Tenant
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may
from tenancy.scope import tenant_scope

# RFC 8058 §3.1: what a mail program posts when somebody presses its own button.
ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")
MESSAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


@tenant_page(right="outbox.read")
@require_safe
def outbox_message(request: TenantRequest, message_id: int) -> HttpResponse:
    """One message: as it looks, to whom, what became of it."""
    message = get_message(message_id=message_id)
    mail = compose(message)
    context = {
        "message": message,
        "badge": MessageBadge(message),
        "sequence": sequence_labels().get(message.enrollment.sequence, message.enrollment.sequence),
        "explanation": _explanation(message),
        "from_email": mail.from_email,
        "headers": sorted((name, str(value)) for name, value in mail.extra_headers.items()),
        "links": list_links(message.body_html),
        "can_send_again": message.state in RETRIABLE and may(request.member, "outbox.send"),
    }
    return render(request, "nurturing/message.html", context)


def _explanation(message: Message) -> str:
    """What a person should know about the state, beyond its name."""
    match message.state:
        case MessageState.KEPT:
            return _(
                "No mail server is configured, or the address is made up: it was kept here instead of being sent."
            )
        case MessageState.UNKNOWN:
            return _(
                "The connection or the worker stopped before the mail server's answer was known. The message may have "
                "arrived or not, so it is not sent again by itself."
            )
        case MessageState.CANCELLED if message.error:
            return str(because_words(message.error))
        case MessageState.CANCELLED:
            return _("The lead left the sequence before the message was sent.")
        case MessageState.QUEUED if message.attempts:
            return _("The mail server asked to try again later.")
    return ""


@tenant_page(right="outbox.read")
@require_safe
@xframe_options_sameorigin
def outbox_body(request: TenantRequest, message_id: int) -> HttpResponse:
    """The HTML of a message for a frame in which nothing runs and nothing is submitted."""
    response = HttpResponse(get_message(message_id=message_id).body_html)
    response["Content-Security-Policy"] = MESSAGE_POLICY
    return response


@tenant_page(right="outbox.send")
@require_POST
def outbox_again(request: TenantRequest, message_id: int) -> HttpResponse:
    """Send a message again that failed, or of which nobody knows whether it left."""
    send_again(message=get_message(message_id=message_id), by=request.member, now=timezone.now())
    messages.success(request, _("The message is in the queue again."))
    return redirect("outbox-message", slug=request.tenant.slug, message_id=message_id)


@tenant_page(right="lead.enroll")
@require_POST
def enroll(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Let a lead into a sequence by hand."""
    sequence = request.POST.get("sequence", "")
    enroll_lead(lead_id=lead_id, sequence=sequence, by=request.member, now=timezone.now())
    messages.success(request, _("The lead is in the sequence. Its first step comes at once."))
    return redirect("lead-detail", slug=request.tenant.slug, lead_id=lead_id)


@tenant_page(right="lead.enroll")
@require_POST
def leave(request: TenantRequest, enrollment_id: int) -> HttpResponse:
    """Take a lead out of a sequence by hand."""
    enrollment = get_enrollment(enrollment_id=enrollment_id)
    exit_enrollment(enrollment_id=enrollment_id, by=request.member, now=timezone.now())
    messages.success(request, _("The lead is out of the sequence."))
    return redirect("lead-detail", slug=request.tenant.slug, lead_id=enrollment.lead_id)


# Exempt, since a mail program posts without a page, a cookie or a session (RFC 8058 §3.1 forbids it to send any). Nothing
# here reads the session, so there is nobody's authority to borrow: whoever posts has to know the address, 256 random bits that
# only the recipient was sent.
@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """Unsubscribing: a page with one button; a POST does it, from the page or from a mail program (RFC 8058).

    The token in the address is the secret, so a mail program needs no other; looking at the page changes nothing.
    """
    found = find_message(token=token)
    if found is None:
        raise LinkUnknown(_("This link is not known. Copy the whole of it from the message you got."))
    message_id, tenant_id = found
    # Whoever has withdrawn is not to be asked again, whatever became of the tenant meanwhile.
    with tenant_scope(tenant_id, even_suspended=True):
        message = get_message(message_id=message_id)
        with translation.override(message.language):
            if request.method != "POST":
                return _show_unsubscribe(request, message)
            return _do_unsubscribe(request, message)


def _do_unsubscribe(request: HttpRequest, message: Message) -> HttpResponse:
    name, value = ONE_CLICK
    is_one_click = request.POST.get(name) == value
    if not is_one_click and request.POST.get("act") != "unsubscribe":
        raise Invalid(_("Press the button on the page to unsubscribe."))
    proof = {
        "by": "one-click" if is_one_click else "page",
        "address": request.META.get("REMOTE_ADDR", ""),
        "browser": request.headers.get("User-Agent", "")[:500],
    }
    unsubscribe(message=message, now=timezone.now(), proof=proof)
    if is_one_click:
        # A mail program must not be sent elsewhere (RFC 8058 §3.1).
        return HttpResponse(_("You are unsubscribed."), content_type="text/plain; charset=utf-8")
    return redirect(reverse("unsubscribe", kwargs={"token": message.token}))


def _show_unsubscribe(request: HttpRequest, message: Message) -> HttpResponse:
    request.LANGUAGE_CODE = message.language
    context = {
        "sender": Tenant.objects.get(pk=message.tenant_id).name,
        "email": message.to_email,
        "is_done": is_unsubscribed(message=message),
    }
    return render(request, "nurturing/unsubscribe.html", context)


class _LinkReader(HTMLParser):
    """Collects the links of a message with their words."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._address: str | None = None
        self._words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._address, self._words = dict(attrs).get("href") or "", ""

    def handle_data(self, data: str) -> None:
        self._words += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._address:
            self.links.append((" ".join(self._words.split()) or self._address, self._address))
            self._address = None


def list_links(html: str) -> list[tuple[str, str]]:
    """The links of a message: their words and addresses. In its frame they lead nowhere."""
    reader = _LinkReader()
    reader.feed(html)
    return reader.links
