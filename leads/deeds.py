"""What people did with leads, counted and listed by one definition: a number of attempts, and the leads of just these attempts.

An app registers a kind with its rows; the address of the list of leads says ``did=attempt.7.2026-11-16``: by whom, since the
beginning of which day of the tenant's zone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import QuerySet
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.functional import Promise

from tenancy.models import Membership, Tenant

Text = str | Promise


@dataclass(frozen=True, kw_only=True)
class DeedKind:
    """``rows`` gives the deeds of a member, each with its ``lead`` and, in the column ``at``, when it was done.

    ``words`` say what is listed, with places for ``%(name)s`` and ``%(day)s``.
    """

    key: str
    words: Text
    rows: Callable[[int], QuerySet[Any, Any]]
    at: str


@dataclass(frozen=True)
class Deed:
    """What a member did since a day began."""

    kind: str
    member_id: int
    day: date
    since: datetime

    def lead_ids(self, now: datetime) -> QuerySet[Any, Any]:
        """The leads, as a subquery; one comes as often as it was done."""
        kind = _kinds[self.kind]
        done = {f"{kind.at}__gte": self.since, f"{kind.at}__lte": now}
        return kind.rows(self.member_id).filter(**done).order_by().values("lead_id")

    @property
    def words(self) -> str:
        """What is listed, in words."""
        name = Membership.objects.filter(pk=self.member_id).values_list("name", flat=True).first()
        values = {"name": name or f"#{self.member_id}", "day": date_format(self.day, "SHORT_DATE_FORMAT")}
        return str(_kinds[self.kind].words) % values


@dataclass(frozen=True)
class Done:
    """How often something was done, and with how many leads."""

    times: int = 0
    leads: int = 0


_kinds: dict[str, DeedKind] = {}


def register_deed(kind: DeedKind) -> None:
    """Say once, when an app is ready, which deeds of a kind there are."""
    _kinds[kind.key] = kind


def read_deed(raw: str, *, member: Membership) -> Deed | None:
    """What an address says; None where it says nothing that is known."""
    kind, _dot, rest = raw.partition(".")
    whose, _dot, written = rest.partition(".")
    if kind not in _kinds or not (whose.isascii() and whose.isdigit() and len(whose) < 19):
        return None
    try:
        day = parse_date(written) if len(written) == len("2026-11-16") else None
    except ValueError:
        day = None
    if day is None or not 1900 <= day.year <= 2200:
        return None
    return Deed(kind, int(whose), day, midnight_of(day=day, tenant=member.tenant))


def write_deed(*, kind: str, member_id: int, day: date) -> str:
    """The parameter of the address."""
    return f"{kind}.{member_id}.{day.isoformat()}"


def midnight_of(*, day: date, tenant: Tenant) -> datetime:
    """When a day of the tenant began."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(tenant.time_zone))


def count_deeds(
    *, kinds: Sequence[str], member_id: int, since: datetime, later: datetime, now: datetime
) -> dict[str, tuple[Done, Done]]:
    """By kind what a member did since ``later``, and since ``since``, which is before it; one query for all kinds."""
    parts: list[str] = []
    parameters: list[Any] = [later, later]
    for key in kinds:
        kind = _kinds[key]
        done = {f"{kind.at}__gte": since, f"{kind.at}__lte": now}
        rows = kind.rows(member_id).filter(**done).order_by().values_list("lead_id", kind.at)
        sql, values = rows.query.sql_with_params()
        parts.append(_PART.format(rows=sql))
        parameters += [key, *values]
    with connection.cursor() as cursor:
        # Only what the ORM wrote stands in the text.
        cursor.execute(_COUNT.format(deeds=" UNION ALL ".join(parts)), parameters)
        found = {key: (Done(*counts[:2]), Done(*counts[2:])) for key, *counts in cursor.fetchall()}
    return {key: found.get(key, (Done(), Done())) for key in kinds}


_PART: Final = "SELECT %s::text, part.* FROM ({rows}) part"
_COUNT: Final = """
SELECT key, count(*) FILTER (WHERE at >= %s), count(DISTINCT lead_id) FILTER (WHERE at >= %s),
       count(*), count(DISTINCT lead_id)
FROM ({deeds}) AS done (key, lead_id, at) GROUP BY key
"""
