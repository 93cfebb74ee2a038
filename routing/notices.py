"""What routing and clocks tell people, in their own language when they read it."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.notifications import NotificationKind, register_notification_kind
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import Lead
from routing.models import ClockKind

NOBODY: Final = "routing.nobody"

# By what happened: the words, and whether they are urgent. {clock} is the kind of clock.
_CLOCK_TEXTS: Final = {
    "warned": (_("{clock}: %(percent)s %% of the time for %(lead)s has passed"), False),
    "broken": (_("{clock}: the time for %(lead)s is over. Responsible: %(owner)s"), True),
    "broken_alone": (_("{clock}: the time for %(lead)s is over. The lead has no owner"), True),
    "offered": (_("{clock}: %(lead)s is late and is now yours"), True),
    "offered_team": (_("{clock}: %(lead)s is late. Who takes it?"), True),
    "taken": (_("{clock}: %(lead)s was late and went to %(to)s"), False),
    "escalated": (_("{clock}: %(lead)s is far too late. Owner now: %(owner)s"), True),
    "escalated_alone": (_("{clock}: %(lead)s is far too late and has no owner"), True),
}


def register_notices() -> None:
    """Make the words known; called once, when the app is ready."""
    register_notification_kind(
        NotificationKind(
            NOBODY,
            _(
                "Leads without an owner: %(count)s. Nobody is available in their pools or in the fallback pool; "
                "give somebody the role"
            ),
            is_urgent=True,
        )
    )
    for event, (text, is_urgent) in _CLOCK_TEXTS.items():
        for kind in ClockKind:
            words = format_lazy(text, clock=kind.label)
            register_notification_kind(
                NotificationKind(clock_notice(event, kind), words, is_urgent=is_urgent)
            )


@cache
def clock_notice(event: str, kind: ClockKind | str) -> str:
    """The kind of notification for something that happened to a kind of clock."""
    if event not in _CLOCK_TEXTS:
        raise KeyError(event)
    return f"clock.{event}.{ClockKind(kind).value}"


def read_lead_names(lead_ids: Iterable[int]) -> Mapping[int, str]:
    """How people call these leads."""
    called = cached_statement(key="routing.lead_names", build=_names_statement).rows(lead_ids=list(lead_ids))
    # As Lead.__str__ has it, without making a thousand of them.
    return {lead_id: next(filter(None, names), f"#{lead_id}") for lead_id, *names in called}


def _names_statement() -> Statement:
    leads = Lead.objects.filter(InList(F("id"), Param("lead_ids", ArrayField(BigIntegerField()))))
    return Statement.of(leads.order_by().values_list("id", "name", "email", "external_id", "phone"))
