"""Routing's part of the default pack: calendar, fallback pools, routing rules, the four clocks (CONTRACT.md §2)."""

from datetime import datetime
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from leads.models import RuleKind
from leads.versions import publish_default
from routing.calendars import make_default_calendar
from routing.models import ClockKind, Pool, PoolTakes
from tenancy.models import Membership, TeamFunction, Tenant

FALLBACK_POOLS = {TeamFunction.SDR: "sdr-fallback", TeamFunction.SALES: "sales-fallback"}


def publish_default_routing(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """Give a new tenant routing that leaves no lead without an answer, in the tenant's language."""
    with translation.override(tenant.language):
        make_default_calendar(tenant=tenant, name=_("Office hours"), now=now)
        for function, key in FALLBACK_POOLS.items():
            Pool.objects.create(
                key=key,
                name=_("Everyone in %(function)s") % {"function": function.label},
                function=function,
                takes=PoolTakes.FUNCTION,
            )
    publish_default(kind=RuleKind.ROUTING, document=default_routing(), by=admin, now=now)
    publish_default(kind=RuleKind.CLOCKS, document=default_clocks(), by=admin, now=now)


def default_routing() -> dict[str, Any]:
    """No rules: every lead goes to the fallback pool of its function."""
    return {"rules": [], "fallback": {str(function): key for function, key in FALLBACK_POOLS.items()}}


def default_clocks() -> dict[str, Any]:
    """The four policies: "24 h" is one working day, "48 h" two, "72 h" three."""
    return {
        "policies": [
            _policy(ClockKind.FIRST_CONTACT, "working_days", 1),
            _policy(ClockKind.ASKED_FOR_CONTACT, "working_hours", 60),
            _policy(ClockKind.ANSWER_SQL, "working_days", 2),
            _policy(ClockKind.BACK_TO_NURTURE, "working_days", 3),
        ]
    }


def _policy(kind: ClockKind, duration: str, amount: int) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "duration": {"kind": duration, "amount": amount},
        "warn": [50, 80],
        "offer": 150,
        "escalate": 200,
    }
