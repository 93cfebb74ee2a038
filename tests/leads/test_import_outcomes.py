"""Importing outcomes: counted by deal; won, lost and corrected; what they make of stages, owners, history and live leads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leads.models import (
    CustomValue,
    Handover,
    KeptPerson,
    LeadState,
    Opportunity,
    OpportunityOutcome,
    StageChange,
)
from routing.models import Clock
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.imports import import_leads, import_outcomes, write_csv

LEADS = (
    "external_id,email,created_at",
    "a,ana@x.test,2018-01-01",
    "b,bia@x.test,2018-01-01",
    "c,,2018-01-01",
)


@pytest.fixture(autouse=True)
def _leads(tmp_path: Path, tenant: Tenant, other_tenant: Tenant) -> None:
    """Three leads of the tenant, as a file tells of them."""
    assert import_leads(write_csv(tmp_path, *LEADS)).counts == (3, 0, 0, 0, 0)


def write_outcomes(folder: Path, *lines: str) -> Path:
    """A file of outcomes."""
    return write_csv(folder, *lines, name="deals.csv")


def stage_of(tenant: Tenant, external_id: str) -> tuple[str, int]:
    """Stage and furthest stage of a lead."""
    with tenant_scope(tenant.pk):
        state = LeadState.objects.get(lead__external_id=external_id)
        return state.stage, state.furthest_stage


def moves_of(tenant: Tenant, external_id: str) -> list[tuple[str | None, str, datetime]]:
    """The moves of a lead at known times, the earliest first."""
    with tenant_scope(tenant.pk):
        changes = StageChange.objects.filter(lead__external_id=external_id).order_by("at", "id")
        return list(changes.values_list("from_stage", "to_stage", "at"))


def at(day: int, month: int = 3) -> datetime:
    """Local midnight of a day of 2018, behind UTC by three hours."""
    return datetime(2018, month, day, 3, 0, tzinfo=UTC)


def test_won_makes_a_customer_and_lost_leads_where_its_reason_says(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(
        tmp_path,
        "external_id,email,outcome,won_at,lost_at,reason,amount,currency",
        'a,,,2018-03-01,,,"1,234.5",',
        ",BIA@x.test,Lost,,2018-03-02,Sem orçamento,,",
        "c,,lost,,2018-03-03,they vanished,7,usd",
    )
    ran = import_outcomes(path)
    assert (ran.counts, ran.exit_code) == ((3, 0, 0, 0, 0), 0)
    assert [stage_of(tenant, each) for each in "abc"] == [("customer", 5), ("nurture", 4), ("nurture", 4)]
    assert moves_of(tenant, "a") == [("new", "customer", at(1))]
    assert moves_of(tenant, "b") == [("new", "nurture", at(2))]
    with tenant_scope(tenant.pk):
        deals = Opportunity.objects.order_by("lead__external_id")
        assert [(deal.outcome, deal.closed_at, deal.amount_minor, deal.currency) for deal in deals] == [
            ("won", at(1), 123_450, "BRL"),
            ("lost", at(2), None, None),
            ("lost", at(3), 700, "USD"),
        ]
        reasons = LeadState.objects.order_by("lead__external_id").values_list("stage_reason", "stage_act")
        assert list(reasons) == [("", "import"), ("no_budget", "import"), ("they vanished", "import")]
        assert {state.live_since for state in LeadState.objects.all()} == {None}
        assert Clock.objects.count() == 0
    assert import_outcomes(path).counts == (0, 0, 3, 0, 0)


def test_an_unknown_lead_is_refused(tmp_path: Path, tenant: Tenant) -> None:
    ran = import_outcomes(
        write_outcomes(tmp_path, "external_id,email,sdr", "z,,", ",zoe@x.test,", ",,p1", "a,bia@x.test,")
    )
    assert (ran.counts, ran.exit_code) == ((0, 0, 0, 0, 4), 1)
    assert "No lead is known by “z”" in ran.said
    assert "No lead is known by “zoe@x.test”" in ran.said
    assert "Give the external id, the e-mail or the phone of a lead." in ran.said
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.count() == 0


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("external_id,outcome", "a,maybe", "“maybe” is no outcome"),
        ("external_id,amount", "a,-3", "Give an amount in BRL"),
        ("external_id,amount", "a,many", "“many” is no number"),
        ("external_id,currency", "a,reais", "Give a currency by its three letters"),
        ("external_id,won_at", "a,yesterday", "“yesterday” is no date"),
        ("external_id,reason", f"a,{'x' * 65}", "At most 64 characters"),
    ],
)
def test_a_cell_that_cannot_be_read_refuses_its_row(
    tmp_path: Path, header: str, row: str, words: str
) -> None:
    ran = import_outcomes(write_outcomes(tmp_path, header, row))
    assert (ran.counts, ran.exit_code) == ((0, 0, 0, 0, 1), 1)
    assert words in ran.said


def test_without_an_id_a_deal_is_its_lead_its_outcome_and_its_day(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(
        tmp_path,
        "external_id,outcome,won_at,lost_at,amount",
        "a,won,2018-03-01 09:00,,10",
        "a,won,2018-03-01 17:00,,20",
        "a,won,2018-03-02,,30",
        "a,lost,,2018-03-01,",
    )
    assert import_outcomes(path).counts == (3, 0, 0, 1, 0)
    with tenant_scope(tenant.pk):
        assert sorted(Opportunity.objects.values_list("outcome", "amount_minor")) == [
            ("lost", None),
            ("won", 2000),
            ("won", 3000),
        ]


def test_an_id_makes_a_second_file_an_update(tmp_path: Path, tenant: Tenant) -> None:
    header = "external_id,deal_id,outcome,won_at,lost_at,amount"
    import_outcomes(write_outcomes(tmp_path, header, "a,D1,won,2018-03-01,,10"))
    ran = import_outcomes(write_outcomes(tmp_path, header, "a,D1,won,2018-03-05,,12", "a,D1,,,,", "b,D1,,,,"))
    assert ran.counts == (0, 1, 0, 1, 1)
    assert "The deal “D1” is one of lead" in ran.said
    assert moves_of(tenant, "a") == [("new", "customer", at(5))]
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.get().amount_minor == 1200
    assert import_outcomes(write_outcomes(tmp_path, header, "a,D1,lost,,2018-03-06,")).counts == (
        0,
        1,
        0,
        0,
        0,
    )
    assert stage_of(tenant, "a") == ("nurture", 4)
    assert moves_of(tenant, "a") == [("new", "nurture", at(6))]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_lead_stands_where_its_latest_deal_leaves_it_in_whatever_order_they_come(
    tmp_path: Path, tenant: Tenant, order: tuple[int, int]
) -> None:
    rows = ["a,won,2018-03-01,", "a,lost,,2018-03-20"]
    path = write_outcomes(tmp_path, "external_id,outcome,won_at,lost_at", *(rows[place] for place in order))
    assert import_outcomes(path).counts == (2, 0, 0, 0, 0)
    assert stage_of(tenant, "a") == ("nurture", 5)
    assert moves_of(tenant, "a") == [("new", "customer", at(1)), ("customer", "nurture", at(20))]


def test_an_outcome_without_a_time_is_counted_and_leaves_no_move(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(tmp_path, "email,Status", "ana@x.test,Won", "bia@x.test,Lost")
    assert import_outcomes(path, "--map", "Status=outcome").counts == (2, 0, 0, 0, 0)
    assert [stage_of(tenant, each) for each in "ab"] == [("customer", 5), ("nurture", 4)]
    assert moves_of(tenant, "a") == moves_of(tenant, "b") == []
    assert import_outcomes(path, "--map", "Status=outcome").counts == (0, 0, 2, 0, 0)


def test_a_row_with_the_time_of_a_loss_alone_is_lost(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(tmp_path, "external_id,won_at,lost_at", "a,,2018-03-01", "b,2018-03-01,")
    assert import_outcomes(path).counts == (2, 0, 0, 0, 0)
    assert [stage_of(tenant, each)[0] for each in "ab"] == ["nurture", "customer"]


def test_people_of_a_deal_own_its_lead_and_who_is_no_member_is_kept_once(
    tmp_path: Path, tenant: Tenant
) -> None:
    with tenant_scope(tenant.pk):
        carla = make_member(name="Carla", role="sales")
    path = write_outcomes(
        tmp_path, "external_id,sdr,sales_rep,won_at", "a,p1,p1,2018-03-01", f"b,p1,{carla.email},2018-03-01"
    )
    assert import_outcomes(path).counts == (2, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        kept = KeptPerson.objects.get()
        states = LeadState.objects.order_by("lead__external_id").values_list(
            "kept_sdr", "kept_sales", "owner_sdr", "owner_sales"
        )
        assert list(states)[:2] == [(kept.pk, kept.pk, None, None), (kept.pk, None, None, carla.pk)]
        deals = Opportunity.objects.order_by("lead__external_id").values_list(
            "kept_sdr", "kept_sales_rep", "sales_rep"
        )
        assert list(deals) == [(kept.pk, kept.pk, None), (kept.pk, None, carla.pk)]


def test_custom_values_of_a_deal_are_its_own_and_its_leads(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(
        tmp_path,
        "external_id,deal_id,won_at,Lead type,Revenue",
        "a,D2,2018-03-02,big,2.5",
        "a,D1,2018-03-01,small,1",
    )
    assert import_outcomes(path, "--create-fields").counts == (2, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        values = CustomValue.objects.order_by("field__name").values_list("text_value", "decimal_value")
        assert list(values) == [("big", None), (None, 2_500_000)]
        customs = dict(Opportunity.objects.values_list("deal_key", "custom"))
        assert customs == {
            "D1": {"lead_type": "small", "revenue": 1.0},
            "D2": {"lead_type": "big", "revenue": 2.5},
        }
    assert import_outcomes(path, "--create-fields").counts == (0, 0, 2, 0, 0)


def test_a_deal_that_is_unchanged_does_not_move_its_lead_again(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(tmp_path, "external_id,outcome,lost_at,amount", "a,lost,2018-03-01,10")
    import_outcomes(path)
    import_leads(write_csv(tmp_path, "external_id,stage", "a,working"))
    assert import_outcomes(path).counts == (0, 0, 1, 0, 0)
    dearer = write_outcomes(tmp_path, "external_id,outcome,lost_at,amount", "a,lost,2018-03-01,11")
    assert import_outcomes(dearer).counts == (0, 1, 0, 0, 0)
    assert stage_of(tenant, "a") == ("working", 4)


# Leads that are worked on ------------------------------------------------------------------------------------------


def test_the_open_deal_of_a_lead_is_the_one_that_ends(tmp_path: Path, tenant: Tenant, now: datetime) -> None:
    opened_at = now - timedelta(days=9)
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="opportunity", external_id="o", stage_at=opened_at)
        deal = Opportunity.objects.create(lead=lead, opened_at=opened_at, currency="BRL")
    path = write_outcomes(tmp_path, "external_id,deal_id,won_at,amount", f"o,D9,{now:%Y-%m-%d},500")
    assert import_outcomes(path).counts == (0, 1, 0, 0, 0)
    with tenant_scope(tenant.pk):
        deal.refresh_from_db()
        assert (deal.outcome, deal.deal_key, deal.amount_minor) == (OpportunityOutcome.WON, "D9", 50_000)
        assert Opportunity.objects.count() == 1
    assert stage_of(tenant, "o") == ("customer", 5)
    assert import_outcomes(path).counts == (0, 0, 1, 0, 0)


def test_an_older_deal_leaves_the_open_one_alone(tmp_path: Path, tenant: Tenant, now: datetime) -> None:
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="opportunity", external_id="o")
        Opportunity.objects.create(lead=lead, opened_at=now - timedelta(days=9))
    path = write_outcomes(tmp_path, "external_id,lost_at", "o,2018-03-01")
    assert import_outcomes(path).counts == (1, 0, 0, 0, 0)
    assert stage_of(tenant, "o") == ("opportunity", 4)
    with tenant_scope(tenant.pk):
        assert sorted(Opportunity.objects.values_list("outcome", flat=True)) == ["lost", "open"]


def test_a_win_that_was_logged_here_is_the_same_deal(tmp_path: Path, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="customer", external_id="o", stage_at=at(9), stage_act="win")
        Opportunity.objects.create(lead=lead, outcome="won", closed_at=at(9) + timedelta(hours=5))
    path = write_outcomes(
        tmp_path, "external_id,won_at,amount", "o,2018-03-09 08:00:00-03:00,5", "o,2018-03-09,5"
    )
    assert import_outcomes(path).counts == (0, 1, 0, 1, 0)
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.get().amount_minor == 500


def test_an_offer_of_a_lead_that_a_file_tells_is_lost_is_withdrawn(
    tmp_path: Path, tenant: Tenant, now: datetime
) -> None:
    with tenant_scope(tenant.pk):
        Handover.objects.create(lead=make_lead(stage="sql", external_id="o"), offered_at=now)
    assert import_outcomes(write_outcomes(tmp_path, "external_id,outcome", "o,lost")).counts == (
        1,
        0,
        0,
        0,
        0,
    )
    with tenant_scope(tenant.pk):
        assert Handover.objects.get().answer == "withdrawn"


def test_live_outcomes_start_the_clock_that_their_reason_asks_for(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(
        tmp_path, "external_id,lost_at,reason", "a,2018-03-01,marketing_decides", "b,2018-03-01,no_need"
    )
    assert import_outcomes(path, "--live").counts == (2, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        assert list(Clock.objects.values_list("kind", "state", "lead__external_id")) == [
            ("back_to_nurture", "running", "a")
        ]
        a, b, c = LeadState.objects.order_by("lead__external_id")
        assert (a.live_since, b.live_since, c.live_since) == (a.stage_at, b.stage_at, None)
        assert (a.enrolled_at, b.enrolled_at is not None) == (None, True)
    assert moves_of(tenant, "a") == [("new", "nurture", at(1))]


def test_a_dry_run_of_outcomes_writes_nothing(tmp_path: Path, tenant: Tenant) -> None:
    path = write_outcomes(
        tmp_path, "external_id,won_at,sdr,segment", "a,2018-03-01,p1,pet", "a,2018-03-01,p1,pet", "z,,,"
    )
    dry = import_outcomes(path, "--create-fields", "--dry-run")
    assert dry.counts == (1, 0, 0, 1, 1)
    assert stage_of(tenant, "a") == ("new", 0)
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.count() == KeptPerson.objects.count() == 0
