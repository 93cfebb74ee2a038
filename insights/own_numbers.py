"""One's own numbers this week and this month, as SDR and as sales rep; each opens the leads behind it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from insights import deeds
from insights.oversight import local_midnight
from leads.deeds import Done, count_deeds, write_deed
from tenancy.models import Membership, Role, Tenant

Text = str | Promise


@dataclass(frozen=True)
class Figure:
    """A number with the list of its leads, of which there may be fewer than the number says."""

    value: int
    leads: int
    url: str


@dataclass(frozen=True)
class OwnNumber:
    """One figure of this week and of this month: a count, or a part of a whole where ``of_week`` and ``of_month`` are given."""

    label: Text
    week: Figure
    month: Figure
    of_week: Figure | None = None
    of_month: Figure | None = None


# A number, and the whole of which it is a part.
_OF_SDR: Final[tuple[tuple[Text, str, str], ...]] = (
    (_("First contact in time"), deeds.CONTACT_IN_TIME, deeds.CONTACT_TIMED),
    (_("Attempts"), deeds.ATTEMPT, ""),
    (_("Meetings"), deeds.MEETING, ""),
    (_("Handed over to sales"), deeds.HANDED_OVER, ""),
    (_("Of mine accepted by sales"), deeds.TAKEN, ""),
)
_OF_REP: Final[tuple[tuple[Text, str, str], ...]] = (
    (_("SQLs answered in time"), deeds.ANSWER_IN_TIME, deeds.ANSWER_TIMED),
    (_("SQLs accepted"), deeds.ANSWERED, ""),
    (_("Opportunities won"), deeds.WON, ""),
)


def list_own_numbers(*, member: Membership, tenant: Tenant, now: datetime) -> list[OwnNumber]:
    """The figures of what this person is; none for who neither calls nor sells. Weeks begin on Monday, in the tenant's zone.

    One query.
    """
    asked = [*(_OF_SDR if Role.SDR in member.roles else ()), *(_OF_REP if Role.SALES in member.roles else ())]
    if not asked:
        return []
    today = local_midnight(tenant=tenant, now=now)
    week, month = today - timedelta(days=today.weekday()), today.replace(day=1)
    kinds = [kind for _label, *both in asked for kind in both if kind]
    found = count_deeds(
        kinds=kinds, member_id=member.pk, since=min(week, month), later=max(week, month), now=now
    )
    periods = {
        kind: dict(zip((max(week, month), min(week, month)), done, strict=True))
        for kind, done in found.items()
    }

    def figure(kind: str, since: datetime) -> Figure:
        return deed_figure(kind, member_id=member.pk, since=since, done=periods[kind][since], tenant=tenant)

    return [
        OwnNumber(
            label,
            figure(kind, week),
            figure(kind, month),
            figure(whole, week) if whole else None,
            figure(whole, month) if whole else None,
        )
        for label, kind, whole in asked
    ]


def deed_figure(kind: str, *, member_id: int, since: datetime, done: Done, tenant: Tenant) -> Figure:
    """A number of deeds with the list of its leads; ``since`` is a local midnight."""
    query = urlencode({"did": write_deed(kind=kind, member_id=member_id, day=since.date())})
    return Figure(done.times, done.leads, f"{reverse('lead-list', kwargs={'slug': tenant.slug})}?{query}")
