"""Types of events in words, and which ones a tenant knows. Types are open: one that nobody described is spelt out."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from leads.models import Event, Lead

EVENT_WORDS: Final[Mapping[str, Promise]] = {
    "form_submitted": _("Submitted a form"),
    "page_viewed": _("Viewed a page"),
    "pricing_viewed": _("Viewed the pricing page"),
    "content_downloaded": _("Downloaded content"),
    "webinar_attended": _("Attended a webinar"),
    "email_opened": _("Opened an e-mail"),
    "email_clicked": _("Clicked in an e-mail"),
    "careers_viewed": _("Viewed the careers page"),
    "unsubscribed": _("Unsubscribed"),
}
FORM_WORDS: Final[Mapping[str, Promise]] = {
    "demo": _("Asked for a demo"),
    "pricing": _("Asked for pricing"),
    "contact": _("Asked to be contacted"),
}
# The events of so many of the newest leads show which types come in; all events are too many to look at.
NEWEST_LEADS: Final = 200


def event_words(type_: str, properties: Mapping[str, Any] | None = None) -> str:
    """What somebody did, as a person says it."""
    kind = str((properties or {}).get("kind"))
    if type_ == "form_submitted" and kind in FORM_WORDS:
        return str(FORM_WORDS[kind])
    if type_ in EVENT_WORDS:
        return str(EVENT_WORDS[type_])
    return type_.replace("_", " ").capitalize()


def list_event_types() -> list[str]:
    """The types that the product describes, then those that have come in lately, by name."""
    newest = Lead.objects.order_by("-created_at", "-pk").values("pk")[:NEWEST_LEADS]
    seen = Event.objects.filter(lead__in=newest).order_by().values_list("type", flat=True).distinct()
    return [*EVENT_WORDS, *sorted(set(seen).difference(EVENT_WORDS))]
