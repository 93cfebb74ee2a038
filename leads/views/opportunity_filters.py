"""Whose opportunities, and closed since when: what list and board are narrowed by, from the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenancy.models import MemberKind, Membership, Role, Tenant

MYSELF: Final = "me"
PERIODS: Final[dict[str, Promise]] = {
    "month": _("Closed this month"),
    "quarter": _("Closed this quarter"),
    "year": _("Closed this year"),
}


@dataclass(frozen=True)
class OpportunityFilters:
    """``owner`` None is everybody's, ``closed_since`` None is closed at any time; ``given`` is how the address says it."""

    owner: Membership | None
    closed_since: datetime | None
    given: dict[str, str]

    @property
    def is_mine(self) -> bool:
        return self.given.get("owner") == MYSELF


def read_filters(
    *, given: Mapping[str, Any], member: Membership, tenant: Tenant, now: datetime
) -> OpportunityFilters:
    """What the address asks; what it says of nobody and of no period is left out."""
    owner, period = given.get("owner", ""), given.get("period", "")
    person: Membership | None = None
    if owner == MYSELF:
        person = member
    elif owner.isascii() and owner.isdigit() and len(owner) < 19:
        person = Membership.objects.filter(pk=int(owner)).first()
    said = {"owner": owner if person else "", "period": period if period in PERIODS else ""}
    since = period_start(period=period, tenant=tenant, now=now) if said["period"] else None
    return OpportunityFilters(person, since, {name: value for name, value in said.items() if value})


def period_start(*, period: str, tenant: Tenant, now: datetime) -> datetime:
    """The local midnight that began this month, quarter or year."""
    zone = ZoneInfo(tenant.time_zone)
    today = now.astimezone(zone).date()
    month = {"month": today.month, "quarter": today.month - (today.month - 1) % 3, "year": 1}[period]
    return datetime.combine(date(today.year, month, 1), time(), zone)


def list_reps() -> list[tuple[str, str]]:
    """Who may own an opportunity: key and name, by name."""
    people = Membership.objects.filter(
        kind=MemberKind.PERSON, is_active=True, roles__overlap=[Role.SALES, Role.ADMIN]
    )
    return [(str(pk), name) for pk, name in people.order_by("name", "pk").values_list("pk", "name")]
