"""The funnel on a handful of leads, counted by hand: cohort and flow, medians, flagged, groupings, the API's answer."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from insights.api import funnel_json
from insights.funnel import (
    FunnelCell,
    FunnelQuestion,
    FunnelQuestionInvalid,
    days_from_microseconds,
    get_funnel,
    list_cell,
    parse_question,
)
from leads.models import CustomField, CustomValue, KeptPerson, Lead, MoveAct, Origin, Stage, StageChange
from tenancy.models import Tenant
from tests.builders import make_lead, make_member

MIDNIGHT = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)  # in São Paulo
STAGES = ("new", "mql", "working", "sql", "opportunity", "customer")


def make_path(*moves: tuple[str, float], created_at: datetime = MIDNIGHT, **fields: Any) -> Lead:
    """A lead that came to stages after so many days; where it stands is the last of them."""
    path = (("new", 0.0), *moves)
    furthest = max((STAGES.index(stage) for stage, _days in path if stage in STAGES), default=0)
    standing = {"furthest_stage": furthest} | fields.pop("standing", {})
    lead = make_lead(
        stage=path[-1][0], stage_at=created_at + timedelta(days=path[-1][1]), created_at=created_at, **fields
    )
    lead.standing.__class__.objects.filter(lead=lead).update(**standing)
    StageChange.objects.filter(lead=lead).delete()
    StageChange.objects.bulk_create(
        StageChange(lead=lead, to_stage=stage, at=created_at + timedelta(days=days), act=MoveAct.CAPTURE)
        for stage, days in moves
    )
    return lead


def ask(tenant: Tenant, **question: Any) -> dict[str, Any]:
    """The answer in the API's shape."""
    return funnel_json(get_funnel(tenant=tenant, question=FunnelQuestion(**question)))


def reached(row: dict[str, Any]) -> list[int]:
    """The six counts, in order."""
    return [row["reached"][stage] for stage in STAGES]


pytestmark = pytest.mark.usefixtures("in_tenant")


def test_a_lead_counts_up_to_its_furthest_stage_wherever_it_is_now(tenant: Tenant) -> None:
    make_path()
    make_path(("mql", 1), ("working", 2), ("nurture", 3))
    make_path(("disqualified", 1))
    make_path(("mql", 1), ("working", 1), ("sql", 2), ("opportunity", 3), ("customer", 10))
    assert reached(ask(tenant)["total"]) == [4, 2, 2, 1, 1, 1]


def test_a_skipped_stage_is_counted_and_has_no_time(tenant: Tenant) -> None:
    make_path(("customer", 7))
    total = ask(tenant)["total"]
    assert reached(total) == [1] * 6
    assert total["median_days"] == {
        "mql": None,
        "working": None,
        "sql": None,
        "opportunity": None,
        "customer": 7.0,
    }


def test_the_median_is_of_days_since_creation_to_the_first_time(tenant: Tenant) -> None:
    make_path(("mql", 1), ("nurture", 2), ("mql", 30))
    make_path(("mql", 2.25))
    assert ask(tenant)["total"]["median_days"]["mql"] == 1.6
    make_path(("mql", 9))
    assert ask(tenant)["total"]["median_days"]["mql"] == 2.3


@pytest.mark.parametrize(
    ("microseconds", "days"),
    [
        (None, None),
        (0, 0.0),
        (4_320_000_000, 0.1),
        (4_319_999_999, 0.0),
        (86_400_000_000 * 2.25, 2.3),
        (86_400_000_000 * 14, 14.0),
    ],
)
def test_days_are_rounded_half_up_to_one_decimal(microseconds: float | None, days: float | None) -> None:
    assert days_from_microseconds(microseconds) == days


def test_who_is_won_before_being_created_is_flagged_and_in_no_median(tenant: Tenant) -> None:
    make_path(("customer", -2))
    make_path(("customer", 4))
    funnel = ask(tenant)
    assert (funnel["flagged"], reached(funnel["total"])) == (1, [2] * 6)
    assert funnel["total"]["median_days"]["customer"] == 4.0


def test_a_cohort_is_of_local_days_both_inclusive(tenant: Tenant) -> None:
    for hours in (-0.01, 0, 23.99, 24, 47.99, 48):
        make_path(created_at=MIDNIGHT + timedelta(hours=hours))
    first = date(2026, 10, 1)
    assert reached(ask(tenant, first_day=first, last_day=first)["total"])[0] == 2
    assert reached(ask(tenant, first_day=first, last_day=first + timedelta(days=1))["total"])[0] == 4
    assert reached(ask(tenant, first_day=first)["total"])[0] == 5
    assert reached(ask(tenant, last_day=first - timedelta(days=1))["total"])[0] == 1


def test_a_day_on_which_the_clocks_change_has_no_midnight_and_is_a_day(tenant: Tenant) -> None:
    # 2018-11-04 began at 01:00 in São Paulo, 03:00 UTC.
    make_path(created_at=datetime(2018, 11, 4, 2, 59, tzinfo=UTC))
    make_path(created_at=datetime(2018, 11, 4, 3, 0, tzinfo=UTC))
    make_path(created_at=datetime(2018, 11, 5, 1, 59, tzinfo=UTC))
    make_path(created_at=datetime(2018, 11, 5, 2, 0, tzinfo=UTC))
    day = date(2018, 11, 4)
    assert reached(ask(tenant, first_day=day, last_day=day)["total"])[0] == 2


def test_a_flow_counts_distinct_leads_that_moved_in_its_days(tenant: Tenant) -> None:
    make_path(("mql", 1), ("nurture", 2), ("mql", 3))
    make_path(("mql", 40), ("working", 41), created_at=MIDNIGHT - timedelta(days=40))
    make_path(("mql", 40))
    make_path(standing={"furthest_stage": 5})
    days = {"first_day": date(2026, 10, 1), "last_day": date(2026, 10, 31)}
    funnel = ask(tenant, mode="flow", **days)
    assert reached(funnel["total"]) == [3, 2, 1, 0, 0, 0]
    # 1 day and 40 days to the first of the moves in October.
    assert funnel["total"]["median_days"]["mql"] == 20.5
    assert reached(ask(tenant, **days)["total"]) == [3, 3, 1, 1, 1, 1]


def test_groups_are_ordered_by_size_and_a_blank_is_no_unknown(tenant: Tenant) -> None:
    Origin.objects.create(key="paid_search", label="Paid Search")
    Origin.objects.create(key="unknown", label="unknown")
    for origin in ("paid_search", "paid_search", "unknown", None):
        make_path(origin=origin)
    rows = ask(tenant, by="origin")["rows"]
    assert [(row["key"], row["label"], reached(row)[0]) for row in rows] == [
        ("paid_search", "Paid Search", 2),
        ("unknown", "unknown", 1),
        (None, "(blank)", 1),
    ]


def test_people_are_grouped_by_login_or_by_the_text_of_a_file(tenant: Tenant) -> None:
    bruno = make_member(name="Bruno", role="sdr")
    kept = KeptPerson.objects.create(text="a8387c01")
    make_path(standing={"owner_sdr_id": bruno.pk})
    make_path(standing={"owner_sdr_id": bruno.pk, "kept_sales_id": kept.pk})
    make_path(standing={"kept_sdr_id": kept.pk, "kept_sales_id": kept.pk})
    by_sdr = [(row["key"], row["label"], reached(row)[0]) for row in ask(tenant, by="sdr")["rows"]]
    assert by_sdr == [(bruno.email, "Bruno", 2), ("a8387c01", "a8387c01", 1)]
    by_rep = [(row["key"], reached(row)[0]) for row in ask(tenant, by="sales_rep")["rows"]]
    assert by_rep == [("a8387c01", 2), (None, 1)]


@pytest.mark.parametrize(
    ("kind", "column", "value", "key"),
    [
        ("text", "text_value", "pet", "pet"),
        ("integer", "integer_value", 40, "40"),
        ("decimal", "decimal_value", 2_500_000, "2.5"),
        ("date", "date_value", date(2026, 1, 31), "2026-01-31"),
    ],
)
def test_a_custom_field_of_any_type_groups(
    tenant: Tenant, kind: str, column: str, value: Any, key: str
) -> None:
    field = CustomField.objects.create(name="segment", label="Segment", type=kind)
    CustomValue.objects.create(lead=make_path(), field=field, **{column: value})
    make_path()
    rows = ask(tenant, by="custom.segment")["rows"]
    assert [(row["key"], reached(row)[0]) for row in rows] == [(key, 1), (None, 1)]


def test_the_rows_add_up_to_the_total_in_every_stage(tenant: Tenant) -> None:
    for number in range(12):
        moves = [(stage, float(day)) for day, stage in enumerate(STAGES[1 : 1 + number % 6], start=1)]
        make_path(*moves, origin=("web", "fair", None)[number % 3], campaign=("x", None)[number % 2])
    for by in ("origin", "campaign", "landing_page"):
        for mode in ("cohort", "flow"):
            funnel = ask(tenant, by=by, mode=mode)
            sums = [sum(counts) for counts in zip(*(reached(row) for row in funnel["rows"]), strict=True)]
            assert sums == reached(funnel["total"]) == [12, 10, 8, 6, 4, 2]


@pytest.mark.parametrize("mode", ["cohort", "flow"])
def test_behind_every_number_are_exactly_its_leads(tenant: Tenant, mode: Any) -> None:
    sdr = make_member(name="Bruno")
    kept = KeptPerson.objects.create(text="Someone")
    field = CustomField.objects.create(name="plants", label="Plants", type="decimal")
    paths = ((), (("mql", 1),), (("mql", 1), ("working", 2), ("nurture", 3)), (("customer", -3),))
    for number in range(12):
        owners = ({"owner_sdr": sdr}, {"kept_sdr": kept}, {})[number % 3]
        lead = make_path(
            *paths[number % 4],
            origin=("webinar", "fair", None)[number % 3],
            campaign=f"c{number % 5}" if number % 2 else None,
            standing=owners,
        )
        if number % 2:
            CustomValue.objects.create(lead=lead, field=field, decimal_value=1_500_000 * number)
    for by in (None, "origin", "campaign", "landing_page", "sdr", "sales_rep", "custom.plants"):
        question = FunnelQuestion(mode=mode, first_day=date(2026, 9, 1), last_day=date(2026, 10, 2), by=by)
        funnel = get_funnel(tenant=tenant, question=question)
        rows = [(False, row) for row in funnel.rows] + [(True, funnel.total)]
        for is_of_all, row in rows:
            for stage in STAGES:
                cell = FunnelCell(Stage(stage), is_of_all, row.key)
                assert count_behind(tenant, question, cell) == row.reached[stage], (by, row.label, stage)
    assert funnel.total.reached["new"] == 12


def count_behind(tenant: Tenant, question: FunnelQuestion, cell: FunnelCell) -> int:
    """How many leads the pages of a cell show, each once."""
    found: list[int] = []
    before: int | None = None
    while True:
        page = list_cell(tenant=tenant, question=question, cell=cell, before=before, size=5)
        found += page.lead_ids
        before = page.next_before
        if before is None:
            break
    assert len(set(found)) == page.count
    return len(found)


def test_the_page_links_each_number_and_the_file_has_every_group(tenant: Tenant) -> None:
    for number in range(55):
        make_path(("mql", 1), origin=f"=origin {number:02}", created_at=MIDNIGHT)
    user = make_member(role="manager").user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    home = f"/t/{tenant.slug}/funnel/"
    page = client.get(home, {"by": "origin"}).content.decode()
    assert "5 smaller groups are not shown" in page
    assert len(page.encode()) < 150_000
    links = [unescape(link) for link in re.findall(r'href="([^"]+/funnel/leads/[^"]+key=[^"]+)"', page)]
    assert len(links) == 50 * 2
    behind = client.get(links[1]).content.decode()
    assert "MQL: 1 lead" in " ".join(behind.split())
    assert "As a filter of the list" in behind
    lines = client.get(f"{home}file/", {"by": "origin"}).content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("origin,label,new,mql,working,sql,opportunity,customer,days_to_mql")
    assert lines[1].startswith("'=origin 00,'=origin 00,1,1,0,0,0,0,1.0,")
    assert (len(lines), lines[-1].split(",")[2]) == (57, "55")
    for wrong in ("stage=nurture", "key=%00", "cursor=x"):
        with transaction.atomic():
            assert client.get(f"{home}leads/?{wrong}").status_code == 400, wrong
            transaction.set_rollback(True)


def test_no_leads_are_six_zeros(tenant: Tenant) -> None:
    funnel = ask(tenant, by="origin")
    assert (funnel["rows"], reached(funnel["total"]), funnel["flagged"]) == ([], [0] * 6, 0)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"mode": "both"}, "mode"),
        ({"by": "colour"}, "by"),
        ({"first_day": "01/02/2026"}, "from"),
        ({"last_day": "2026-02-30"}, "to"),
        ({"first_day": "2026-02-02", "last_day": "2026-02-01"}, "to"),
    ],
)
def test_a_question_that_cannot_be_meant_names_its_field(question: dict[str, str], field: str) -> None:
    with pytest.raises(FunnelQuestionInvalid) as invalid:
        parse_question(**{"mode": "cohort", "first_day": "", "last_day": "", "by": ""} | question)
    assert [error.field for error in invalid.value.errors] == [field]


def test_a_custom_field_that_does_not_exist_is_a_wrong_question(tenant: Tenant) -> None:
    with pytest.raises(FunnelQuestionInvalid):
        ask(tenant, by="custom.nothing")
