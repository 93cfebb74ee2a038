"""Telling people: kinds of notifications are registered with their words; rows carry only the values."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import get_language

from core.models import Notification
from tenancy.models import Membership


@dataclass(frozen=True)
class NotificationKind:
    """``text`` is a lazy translation with ``%(name)s`` places, filled from the row's values when it is shown."""

    name: str
    text: Promise | str
    is_urgent: bool = False


_kinds: dict[str, NotificationKind] = {}


def register_notification_kind(kind: NotificationKind) -> None:
    """Say once, when an app is ready, how notifications of a kind read."""
    _kinds[kind.name] = kind


@dataclass(frozen=True)
class Notice:
    """One thing to tell one member. A value may be a text by language, which is read in the member's."""

    member_id: int
    kind: str
    values: dict[str, Any]
    lead_id: int | None = None


def tell(*, notices: Iterable[Notice], now: datetime) -> None:
    """Write notifications in one statement."""
    rows = [
        Notification(
            member_id=notice.member_id,
            kind=_kinds[notice.kind].name,
            values=notice.values,
            lead_id=notice.lead_id,
            at=now,
        )
        for notice in notices
    ]
    Notification.objects.bulk_create(rows)


def text_of(notification: Notification) -> str:
    """The words of a notification in the active language."""
    words: str = str(_kinds[notification.kind].text)
    return words % {name: _in_active_language(value) for name, value in notification.values.items()}


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
