"""Olist's leads and deals: imported as a person would, and the funnel equal to plain counting of the files."""

import csv
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from insights.api import funnel_json
from insights.funnel import get_funnel, parse_question
from leads.models import KeptPerson, Lead, LeadState, Opportunity, StageChange
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.imports import Ran, import_leads, import_outcomes

pytestmark = pytest.mark.real_data

ZONE = ZoneInfo("America/Sao_Paulo")
LEAD_MAP = (
    *("--map", "mql_id=external_id", "--map", "first_contact_date=created_at"),
    *("--map", "landing_page_id=landing_page"),
)
DEAL_MAP = (
    *("--map", "mql_id=external_id", "--map", "sdr_id=sdr", "--map", "sr_id=sales_rep"),
    *("--map", "won_date=won_at", "--create-fields"),
)
STAGES = ("new", "mql", "working", "sql", "opportunity", "customer")


class Person(NamedTuple):
    """A row of the leads' file with that of its deal, if there is one."""

    lead: dict[str, str]
    deal: dict[str, str] | None

    @property
    def created_at(self) -> datetime:
        return datetime.fromisoformat(self.lead["first_contact_date"]).replace(tzinfo=ZONE)

    @property
    def won_at(self) -> datetime | None:
        return datetime.fromisoformat(self.deal["won_date"]).replace(tzinfo=ZONE) if self.deal else None

    @property
    def days_to_win(self) -> float | None:
        """Days from creation to the win, None unless it was won and not before it was created."""
        if self.won_at is None:
            return None
        seconds = (self.won_at.astimezone(UTC) - self.created_at.astimezone(UTC)).total_seconds()
        return seconds / 86_400 if seconds >= 0 else None


def read_people(folder: Path) -> list[Person]:
    """The two files, joined."""
    with (folder / "olist/olist_deals_until_2018-03.csv").open(encoding="utf-8") as file:
        deals = {row["mql_id"]: row for row in csv.DictReader(file)}
    with (folder / "olist/olist_mql_until_2018-03.csv").open(encoding="utf-8") as file:
        return [Person(row, deals.get(row["mql_id"])) for row in csv.DictReader(file)]


def count_by_hand(
    people: Iterable[Person], key_of: Callable[[Person], str]
) -> dict[str | None, tuple[Any, ...]]:
    """By key (None for a blank): how many leads, how many customers, the median of days to the win."""
    groups: dict[str | None, list[Person]] = defaultdict(list)
    for person in people:
        groups[key_of(person) or None].append(person)
    return {key: (len(group), *wins(group)) for key, group in groups.items()}


def wins(group: Iterable[Person]) -> tuple[int, float | None]:
    """How many were won, and the median of days that took, to one decimal, half up."""
    won = [person for person in group if person.deal]
    days = [Decimal(person.days_to_win) for person in won if person.days_to_win is not None]
    if not days:
        return len(won), None
    return len(won), float(statistics.median(days).quantize(Decimal("0.1"), ROUND_HALF_UP))


def ask(tenant: Tenant, **question: str) -> dict[str, Any]:
    """The funnel as the API answers it."""
    asked = {"mode": "cohort", "first_day": "", "last_day": "", "by": ""} | question
    with tenant_scope(tenant.pk):
        return funnel_json(get_funnel(tenant=tenant, question=parse_question(**asked)))


def as_counted(funnel: dict[str, Any]) -> dict[str | None, tuple[Any, ...]]:
    """The funnel's rows in the shape of count_by_hand; who is won has reached every stage before."""
    for row in funnel["rows"]:
        assert list(row["reached"]) == list(STAGES)
        assert len({row["reached"][stage] for stage in STAGES[1:]}) == 1
        assert {row["median_days"][stage] for stage in STAGES[1:-1]} == {None}
    return {
        row["key"]: (row["reached"]["new"], row["reached"]["customer"], row["median_days"]["customer"])
        for row in funnel["rows"]
    }


def import_both(folder: Path) -> tuple[Ran, Ran]:
    """Leads, then deals."""
    leads = import_leads(folder / "olist/olist_mql_until_2018-03.csv", *LEAD_MAP)
    return leads, import_outcomes(folder / "olist/olist_deals_until_2018-03.csv", *DEAL_MAP)


def test_leads_and_deals_are_new_once_and_a_file_saved_by_others_changes_nothing(
    real_data: Path, tenant: Tenant, other_tenant: Tenant
) -> None:
    leads, deals = import_both(real_data)
    assert leads.counts == (5345, 0, 0, 0, 0)
    assert deals.counts == (529, 0, 0, 0, 0)
    assert leads.answer["columns_unmapped"] == deals.answer["columns_unmapped"] == []
    saved_by_others = import_leads(real_data / "olist/olist_mql_resaved_by_others.csv", *LEAD_MAP)
    assert saved_by_others.counts == (0, 0, 5345, 0, 0)
    assert [ran.counts for ran in import_both(real_data)] == [(0, 0, 5345, 0, 0), (0, 0, 529, 0, 0)]
    with tenant_scope(tenant.pk):
        assert Lead.objects.count() == 5345
        assert Opportunity.objects.filter(outcome="won").count() == 529
    with tenant_scope(other_tenant.pk):
        assert Lead.objects.count() == Opportunity.objects.count() == 0


def test_the_funnel_is_the_plain_counting_of_the_files(real_data: Path, tenant: Tenant) -> None:
    import_both(real_data)
    people = read_people(real_data)
    by_origin = ask(tenant, by="origin")
    assert as_counted(by_origin) == count_by_hand(people, lambda person: person.lead["origin"])
    assert len(by_origin["rows"]) == 11
    assert {"unknown", None} < {row["key"] for row in by_origin["rows"]}
    assert next(row["label"] for row in by_origin["rows"] if row["key"] is None) == "(blank)"
    assert by_origin["flagged"] == 1
    assert by_origin["total"]["reached"] == dict(zip(STAGES, (5345, 529, 529, 529, 529, 529), strict=True))
    assert by_origin["total"]["median_days"]["customer"] == wins(people)[1]
    counted: list[tuple[str, Callable[[Person], str]]] = [
        ("landing_page", lambda person: person.lead["landing_page_id"]),
        ("sdr", lambda person: person.deal["sdr_id"] if person.deal else ""),
        ("sales_rep", lambda person: person.deal["sr_id"] if person.deal else ""),
        ("custom.business_segment", lambda person: person.deal["business_segment"] if person.deal else ""),
        (
            "custom.lead_behaviour_profile",
            lambda person: person.deal["lead_behaviour_profile"] if person.deal else "",
        ),
    ]
    for by, key_of in counted:
        assert as_counted(ask(tenant, by=by)) == count_by_hand(people, key_of), by


@pytest.mark.parametrize(
    ("first_day", "last_day"),
    [("2017-06-01", "2018-03-31"), ("2018-01-01", "2018-01-31"), ("", "2017-10-15")],
)
def test_a_cohort_is_of_the_leads_created_within_its_days(
    real_data: Path, tenant: Tenant, first_day: str, last_day: str
) -> None:
    import_both(real_data)
    people = [
        person
        for person in read_people(real_data)
        if (first_day or "0000") <= person.lead["first_contact_date"] <= last_day
    ]
    funnel = ask(tenant, by="origin", first_day=first_day, last_day=last_day)
    assert as_counted(funnel) == count_by_hand(people, lambda person: person.lead["origin"])
    assert (funnel["from"], funnel["to"]) == (first_day or None, last_day)


def test_the_flow_is_of_what_happened_within_its_days(real_data: Path, tenant: Tenant) -> None:
    import_both(real_data)
    first, last = date(2018, 2, 1), date(2018, 2, 28)
    created: Counter[str | None] = Counter()
    won: Counter[str | None] = Counter()
    for person in read_people(real_data):
        key = person.lead["origin"] or None
        created[key] += first <= person.created_at.date() <= last
        won[key] += person.won_at is not None and first <= person.won_at.date() <= last
    funnel = ask(tenant, mode="flow", by="origin", first_day="2018-02-01", last_day="2018-02-28")
    reached = {row["key"]: row["reached"] for row in funnel["rows"]}
    assert {key: row["new"] for key, row in reached.items()} == {
        key: created[key] for key in created if created[key] or won[key]
    }
    assert {key: row["customer"] for key, row in reached.items()} == {key: won[key] for key in reached}
    # A file that tells of wins alone tells of no move to the stages before.
    assert funnel["total"]["reached"] == {
        "new": sum(created.values()),
        "mql": 0,
        "working": 0,
        "sql": 0,
        "opportunity": 0,
        "customer": sum(won.values()),
    }


def test_everybody_named_is_kept_once_in_whichever_role(real_data: Path, tenant: Tenant) -> None:
    import_both(real_data)
    deals = [person.deal for person in read_people(real_data) if person.deal]
    sdrs, reps = {deal["sdr_id"] for deal in deals}, {deal["sr_id"] for deal in deals}
    assert len(sdrs & reps) == 13
    with tenant_scope(tenant.pk):
        assert set(KeptPerson.objects.values_list("text", flat=True)) == sdrs | reps
        assert KeptPerson.objects.count() == len(sdrs | reps)
        both = LeadState.objects.filter(kept_sdr__isnull=False, kept_sales__isnull=False)
        assert both.count() == 529
        one_person = sum(state.kept_sdr_id == state.kept_sales_id for state in both)
        assert one_person == sum(deal["sdr_id"] == deal["sr_id"] for deal in deals) > 0
        assert not LeadState.objects.filter(owner_sdr__isnull=False).exists()


def test_the_deal_won_before_its_first_contact_is_kept_as_it_was(real_data: Path, tenant: Tenant) -> None:
    import_both(real_data)
    [early] = [
        person for person in read_people(real_data) if person.won_at and person.won_at < person.created_at
    ]
    with tenant_scope(tenant.pk):
        lead = Lead.objects.get(external_id=early.lead["mql_id"])
        change = StageChange.objects.get(lead=lead)
        assert (change.to_stage, change.at) == ("customer", early.won_at)
        assert change.at < lead.created_at
        assert lead.standing.stage == "customer"
