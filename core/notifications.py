"""Telling people: kinds of notifications are registered with their words; rows carry only the values."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language

from core.models import Notification
from tenancy.models import Membership
from tenancy.scope import require_tenant_id


@dataclass(frozen=True)
class NotificationKind:
    """``text`` is a lazy translation with ``%(name)s`` places, filled from the row's values when it is shown.

    ``url_name`` is the page that it is about, if not a lead's: its address takes the tenant's slug, the value ``url_value`` if
    that is given, and ``url_query``.
    """

    name: str
    text: Promise | str
    is_urgent: bool = False
    url_name: str = ""
    url_value: str = ""
    url_query: str = ""


_kinds: dict[str, NotificationKind] = {}


def register_notification_kind(kind: NotificationKind) -> None:
    """Say once, when an app is ready, how notifications of a kind read. Raises ValueError for a name that no row can hold."""
    if len(kind.name) > (Notification._meta.get_field("kind").max_length or 0):
        raise ValueError(f"The name of the kind of notification {kind.name!r} is too long.")
    _kinds[kind.name] = kind


class Notice(NamedTuple):
    """One thing to tell one member. A value may be a text by language, which is read in the member's."""

    member_id: int
    kind: str
    values: dict[str, Any]
    lead_id: int | None = None


def tell(*, notices: Iterable[Notice], now: datetime) -> None:
    """Write notifications in one statement."""
    rows = list(notices)
    if not rows:
        return
    if unknown := {notice.kind for notice in rows} - _kinds.keys():
        raise KeyError(*unknown)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"tenant": require_tenant_id(), "now": now, "rows": json.dumps(rows)})


_INSERT: Final = """
INSERT INTO core_notification (tenant_id, member_id, kind, lead_id, "values", at)
SELECT %(tenant)s, (told ->> 0)::bigint, told ->> 1, (told ->> 3)::bigint, told -> 2, %(now)s
FROM jsonb_array_elements(%(rows)s::jsonb) AS told
"""


def text_of(notification: Notification) -> str:
    """The words of a notification in the active language."""
    words: str = str(_kinds[notification.kind].text)
    return words % {name: _in_active_language(value) for name, value in notification.values.items()}


def url_of(notification: Notification, *, slug: str) -> str:
    """The address of the page that a notification is about; empty for those about a lead or nothing."""
    kind = _kinds[notification.kind]
    if not kind.url_name:
        return ""
    named = {kind.url_value: notification.values[kind.url_value]} if kind.url_value else {}
    return reverse(kind.url_name, kwargs={"slug": slug} | named) + kind.url_query


def _in_active_language(value: Any) -> Any:
    """A value that was kept by language, as ``{"en": …, "pt-br": …}``, in the reader's; any other as it is."""
    if not isinstance(value, dict):
        return value
    return value.get((get_language() or "").lower()) or value.get("en") or next(iter(value.values()), "")


def list_notifications(*, member: Membership, limit: int = 50) -> list[Notification]:
    """The newest notifications of a member."""
    return list(Notification.objects.filter(member=member).order_by("-at", "-id")[:limit])


def count_unread(*, member: Membership, most: int = 100) -> int:
    """How many notifications a member has not read, counted to ``most``."""
    return int(Notification.objects.filter(member=member, read_at__isnull=True).order_by()[:most].count())


def mark_read(*, member: Membership, now: datetime) -> None:
    """Mark everything a member was told as read."""
    Notification.objects.filter(member=member, read_at__isnull=True).update(read_at=now)
