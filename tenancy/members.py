"""What follows when people join, leave or change what they do: other apps register here, the services call."""

from collections.abc import Callable
from datetime import datetime

from tenancy.models import MemberKind, Membership, Team, TeamFunction

MemberListener = Callable[[Membership, datetime], None]

_listeners: list[MemberListener] = []


def register_member_listener(listener: MemberListener) -> None:
    """Say once, when an app is ready, what shall happen after a person joined, left, or changed roles or teams.

    ``listener(member, now)`` runs in the tenant's scope, in the transaction of the change, after it: the member is as they
    are now (``is_active``, ``roles``, teams). It must be safe to call when nothing changed for it. The administrator that a
    new tenant starts with is not announced: the default pack is given them.
    """
    if listener not in _listeners:
        _listeners.append(listener)


def announce_member(*, member: Membership, now: datetime) -> None:
    """Tell every listener that a person of the current tenant is new or changed."""
    for listener in _listeners:
        listener(member, now)


def functions_of(member: Membership) -> frozenset[TeamFunction]:
    """The functions in which a person works: those among their roles; none for who has left, and for service users."""
    if member.kind == MemberKind.SERVICE or not member.is_active:
        return frozenset()
    return frozenset(function for function in TeamFunction if function.value in member.roles)


def teams_of(member: Membership) -> list[Team]:
    """The teams of a person, by name."""
    return list(member.teams.order_by("name"))
