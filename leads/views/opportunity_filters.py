"""What an address says of opportunities: whose, closed since when, of which leads. The list, its file and the board ask it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from leads.conditions.describe import describe_condition
from leads.listing import InvalidListQuery, read_condition, read_ids
from leads.models import OpportunityOutcome
from leads.opportunities import OpportunityQuery
from tenancy.errors import FieldProblem
from tenancy.listing import FilterChip, show_number
from tenancy.models import MemberKind, Membership, Role, Tenant

MYSELF: Final = "me"
PERIODS: Final[dict[str, Promise]] = {
    "month": _("Closed this month"),
    "quarter": _("Closed this quarter"),
    "year": _("Closed this year"),
}
PARAMETERS: Final = ("outcome", "owner", "period", "q", "ids", "filter", "order")


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
    """Whose and closed since when; what the address says of nobody and of no period is left out."""
    owner, period = given.get("owner", ""), given.get("period", "")
    person: Membership | None = None
    if owner == MYSELF:
        person = member
    elif owner.isascii() and owner.isdigit() and len(owner) < 19:
        person = Membership.objects.filter(pk=int(owner)).first()
    said = {"owner": owner if person else "", "period": period if period in PERIODS else ""}
    since = period_start(period=period, tenant=tenant, now=now) if said["period"] else None
    return OpportunityFilters(person, since, {name: value for name, value in said.items() if value})


@dataclass(frozen=True)
class OpportunityAddress:
    """What an address of the list means: whose and closed since when, and with all else that narrows and orders it."""

    filters: OpportunityFilters
    query: OpportunityQuery


def read_address(given: Mapping[str, Any], member: Membership, now: datetime) -> OpportunityAddress:
    """What an address of the list means; those of one outcome, the open ones where it says none.

    Raises InvalidListQuery naming every fault.
    """
    filters = read_filters(given=given, member=member, tenant=member.tenant, now=now)
    problems: list[FieldProblem] = []
    query = OpportunityQuery(
        outcome=read_outcome(given),
        owner=filters.owner,
        closed_since=filters.closed_since,
        q=given.get("q", ""),
        condition=read_condition(given.get("filter") or None, problems),
        ids=read_ids(given["ids"], problems) if given.get("ids") else None,
        order=given.get("order", ""),
    )
    if problems:
        raise InvalidListQuery(_("The list cannot be shown like this."), errors=problems)
    return OpportunityAddress(filters, query)


def read_outcome(given: Mapping[str, Any]) -> OpportunityOutcome:
    """The outcome that an address asks for: open where it says none that there is."""
    outcome = given.get("outcome", "")
    return OpportunityOutcome(outcome) if outcome in OpportunityOutcome.values else OpportunityOutcome.OPEN


def filter_chips(address: OpportunityAddress) -> list[FilterChip]:
    """Each filter that is on, in words."""
    filters, query, chips = address.filters, address.query, []
    if query.condition is not None:
        chips.append(FilterChip(label=describe_condition(query.condition), without=["filter"]))
    if filters.owner:
        label = _("Only mine") if filters.is_mine else _("Owner: %(name)s") % {"name": filters.owner.name}
        chips.append(FilterChip(label=label, without=["owner"]))
    if period := filters.given.get("period"):
        chips.append(FilterChip(label=PERIODS[period], without=["period"]))
    if query.ids is not None:
        words = ngettext("%(n)s marked opportunity", "%(n)s marked opportunities", len(query.ids))
        chips.append(FilterChip(label=words % {"n": show_number(len(query.ids))}, without=["ids"]))
    return chips


def search_words(address: OpportunityAddress) -> list[str]:
    """The outcome and what is searched for."""
    query = address.query
    words = [str(query.outcome.label)] if query.outcome else []
    return [*words, f"“{query.q}”"] if query.q else words


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
