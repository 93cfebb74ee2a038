"""What routing and clocks tell people, in their own language when they read it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlencode

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.notifications import NotificationKind, register_notification_kind
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import Lead
from routing.facts import OPEN_CLOCK, OPEN_CLOCK_KIND
from routing.models import ClockKind, ClockState

NOBODY: Final = "routing.nobody"

# To tell somebody of more at once would hide everything else: they are told how many.
MOST_SINGLY: Final = 20


@dataclass(frozen=True)
class ClockWords:
    """How it reads that something happened to the clock of one lead, and of many; {clock} is the kind of clock.

    ``state`` is what the clocks of many leads that somebody was told of together are now, for the list of them.
    """

    one: Promise
    many: Promise
    state: ClockState
    is_urgent: bool = True
    is_own: bool = False


_CLOCK_WORDS: Final = {
    "warned": ClockWords(
        _("{clock}: %(percent)s %% of the time for %(lead)s has passed"),
        _("{clock}: %(percent)s %% of the time for %(count)s leads has passed"),
        ClockState.RUNNING,
        is_urgent=False,
    ),
    "broken": ClockWords(
        _("{clock}: the time for %(lead)s is over. Responsible: %(owner)s"),
        _("{clock}: the time for %(count)s leads is over"),
        ClockState.BROKEN,
    ),
    "broken_alone": ClockWords(
        _("{clock}: the time for %(lead)s is over. The lead has no owner"),
        _("{clock}: the time for %(count)s leads without an owner is over"),
        ClockState.BROKEN,
    ),
    "offered": ClockWords(
        _("{clock}: %(lead)s is late and is now yours"),
        _("{clock}: %(count)s leads are late and are now yours"),
        ClockState.BROKEN,
        is_own=True,
    ),
    "offered_team": ClockWords(
        _("{clock}: %(lead)s is late. Who takes it?"),
        _("{clock}: %(count)s leads are late. Who takes them?"),
        ClockState.BROKEN,
    ),
    "taken": ClockWords(
        _("{clock}: %(lead)s was late and went to %(to)s"),
        _("{clock}: %(count)s of your leads were late and went to others"),
        ClockState.BROKEN,
        is_urgent=False,
    ),
    "escalated": ClockWords(
        _("{clock}: %(lead)s is far too late. Owner now: %(owner)s"),
        _("{clock}: %(count)s leads are far too late"),
        ClockState.BROKEN,
    ),
    "escalated_alone": ClockWords(
        _("{clock}: %(lead)s is far too late and has no owner"),
        _("{clock}: %(count)s leads are far too late and have no owner"),
        ClockState.BROKEN,
    ),
}
EVENTS: Final = tuple(_CLOCK_WORDS)


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
    for event, words in _CLOCK_WORDS.items():
        for kind in ClockKind:
            register_notification_kind(
                NotificationKind(
                    clock_notice(event, kind),
                    format_lazy(words.one, clock=kind.label),
                    is_urgent=words.is_urgent,
                )
            )
            register_notification_kind(
                NotificationKind(
                    many_notice(clock_notice(event, kind)),
                    format_lazy(words.many, clock=kind.label),
                    is_urgent=words.is_urgent,
                    url_name="lead-list",
                    url_query=_list_query(words, kind),
                )
            )


def _list_query(words: ClockWords, kind: ClockKind) -> str:
    """Those of the leads whose clock still stands so."""
    asked = {
        "all": [
            {"fact": OPEN_CLOCK_KIND, "op": "eq", "value": kind.value},
            {"fact": OPEN_CLOCK, "op": "eq", "value": words.state.value},
        ]
    }
    given = {"filter": json.dumps(asked)} | ({"owner": "me"} if words.is_own else {})
    return f"?{urlencode(given)}"


@cache
def clock_notice(event: str, kind: ClockKind | str) -> str:
    """The kind of notification for something that happened to a kind of clock."""
    if event not in _CLOCK_WORDS:
        raise KeyError(event)
    return f"clock.{event}.{ClockKind(kind).value}"


def many_notice(kind: str) -> str:
    """The kind of notification that tells of the same of many clocks at once."""
    return f"clocks.{kind.removeprefix('clock.')}"


def read_lead_names(lead_ids: Iterable[int]) -> Mapping[int, str]:
    """How people call these leads."""
    called = cached_statement(key="routing.lead_names", build=_names_statement).rows(lead_ids=list(lead_ids))
    # As Lead.__str__ has it, without making a thousand of them.
    return {lead_id: next(filter(None, names), f"#{lead_id}") for lead_id, *names in called}


def _names_statement() -> Statement:
    leads = Lead.objects.filter(InList(F("id"), Param("lead_ids", ArrayField(BigIntegerField()))))
    return Statement.of(leads.order_by().values_list("id", "name", "email", "external_id", "phone"))
