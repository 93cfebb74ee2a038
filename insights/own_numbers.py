"""One's own numbers this week and this month, as SDR and as sales rep."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from insights.oversight import local_midnight
from routing.models import ClockKind
from tenancy.models import Membership, Role, Tenant


@dataclass(frozen=True)
class OwnNumber:
    """One figure of this week and of this month: a count, or a part of a whole where ``of_week`` and ``of_month`` are given."""

    label: str | Promise
    week: int
    month: int
    of_week: int | None = None
    of_month: int | None = None


# In time: of the clocks that ended in the period (met, or their deadline passed), on one's leads, those that were never broken.
_CLOCKS: Final = """
SELECT count(*) FILTER (WHERE ended_at >= %(week)s AND broken_at IS NULL),
       count(*) FILTER (WHERE ended_at >= %(month)s AND broken_at IS NULL),
       count(*) FILTER (WHERE ended_at >= %(week)s), count(*) FILTER (WHERE ended_at >= %(month)s)
FROM (
    SELECT clock.broken_at, COALESCE(clock.broken_at, clock.met_at) AS ended_at
    FROM leads_leadstate state
    JOIN routing_clock clock ON clock.tenant_id = state.tenant_id AND clock.lead_id = state.lead_id
    WHERE clock.kind = ANY (%(kinds)s) AND (state.owner_sdr_id = %(sdr)s OR state.owner_sales_id = %(rep)s)
      AND GREATEST(clock.broken_at, clock.met_at) >= %(since)s
) ended
WHERE ended_at <= %(now)s
"""
_ATTEMPTS: Final = """
SELECT count(*) FILTER (WHERE at >= %(week)s), count(*) FILTER (WHERE at >= %(month)s),
       count(*) FILTER (WHERE at >= %(week)s AND channel = 'meeting'),
       count(*) FILTER (WHERE at >= %(month)s AND channel = 'meeting')
FROM leads_contactattempt WHERE actor_id = %(member)s AND at >= %(since)s AND at <= %(now)s
"""
_OFFERED: Final = """
SELECT count(*) FILTER (WHERE offered_at >= %(week)s), count(*) FILTER (WHERE offered_at >= %(month)s),
       count(*) FILTER (WHERE answer = 'accepted' AND answered_at >= %(week)s),
       count(*) FILTER (WHERE answer = 'accepted' AND answered_at >= %(month)s)
FROM leads_handover WHERE offered_by_id = %(member)s AND GREATEST(offered_at, answered_at) >= %(since)s
"""
_ANSWERED: Final = """
SELECT count(*) FILTER (WHERE answered_at >= %(week)s), count(*) FILTER (WHERE answered_at >= %(month)s)
FROM leads_handover WHERE answered_by_id = %(member)s AND answer = 'accepted' AND answered_at >= %(since)s
"""
_WON: Final = """
SELECT count(*) FILTER (WHERE closed_at >= %(week)s), count(*) FILTER (WHERE closed_at >= %(month)s)
FROM leads_opportunity WHERE sales_rep_id = %(member)s AND outcome = 'won' AND closed_at >= %(since)s
"""


def list_own_numbers(*, member: Membership, tenant: Tenant, now: datetime) -> list[OwnNumber]:
    """The figures of what this person is; none for who neither calls nor sells. Weeks begin on Monday, in the tenant's zone."""
    today = local_midnight(tenant=tenant, now=now)
    week, month = today - timedelta(days=today.weekday()), today.replace(day=1)
    asked = {"member": member.pk, "now": now, "week": week, "month": month, "since": min(week, month)}
    found: list[OwnNumber] = []
    if Role.SDR in member.roles:
        found += _of_sdr(asked)
    if Role.SALES in member.roles:
        found += _of_rep(asked)
    return found


def _of_sdr(asked: Mapping[str, Any]) -> list[OwnNumber]:
    kinds = [ClockKind.FIRST_CONTACT.value, ClockKind.ASKED_FOR_CONTACT.value]
    clocks = _row(_CLOCKS, asked, kinds=kinds, sdr=asked["member"], rep=None)
    attempts, offered = _row(_ATTEMPTS, asked), _row(_OFFERED, asked)
    return [
        OwnNumber(_("First contact in time"), *clocks),
        OwnNumber(_("Attempts"), *attempts[:2]),
        OwnNumber(_("Meetings"), *attempts[2:]),
        OwnNumber(_("Handed over to sales"), *offered[:2]),
        OwnNumber(_("Of mine accepted by sales"), *offered[2:]),
    ]


def _of_rep(asked: Mapping[str, Any]) -> list[OwnNumber]:
    clocks = _row(_CLOCKS, asked, kinds=[ClockKind.ANSWER_SQL.value], sdr=None, rep=asked["member"])
    return [
        OwnNumber(_("SQLs answered in time"), *clocks),
        OwnNumber(_("SQLs accepted"), *_row(_ANSWERED, asked)),
        OwnNumber(_("Opportunities won"), *_row(_WON, asked)),
    ]


def _row(statement: str, asked: Mapping[str, Any], **more: Any) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**asked, **more})
        row: tuple[Any, ...] | None = cursor.fetchone()
    assert row is not None
    return row
