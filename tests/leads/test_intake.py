"""Taking in rows: identity, merging, waves, companies, touches."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from leads.capture.fields import read_submission
from leads.capture.inputs import LeadInput
from leads.capture.intake import Intake, OtherExternalId, TwoLeads, prepare_companies, take_in
from leads.capture.rules import open_rules
from leads.capture.writing import MANY_LEADS, NewLead, insert_leads
from leads.models import Company, CustomField, CustomValue, Event, Lead, LeadState, LeadTag, Origin, Touch
from tenancy.models import Tenant

pytestmark = pytest.mark.usefixtures("in_tenant")


def take(tenant: Tenant, now: datetime, *documents: dict[str, Any], is_live: bool = True) -> list[Intake]:
    rows: list[LeadInput] = []
    for document in documents:
        lead, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=now)
        assert problems == []
        rows.append(lead)
    return take_in(rows=rows, now=now, is_live=is_live)


def test_a_new_lead_gets_its_standing_company_tags_and_event(tenant: Tenant, now: datetime) -> None:
    CustomField.objects.create(name="plants", label="Plants", type="integer")
    [row] = take(
        tenant,
        now,
        {
            "email": " Ana@Empresa.com.br",
            "external_id": "crm-17",
            "first_name": "Ana",
            "company": {"name": "Empresa SA", "size": 180},
            "origin": "Paid Search",
            "custom": {"plants": 3},
            "tags": ["feira"],
            "consent": [{"purpose": "marketing", "basis": "consent", "text": "v3"}],
            "event": {"type": "form_submitted", "properties": {"kind": "demo"}},
        },
    )
    assert (row.outcome, row.problem) == ("new", None)
    lead = Lead.objects.select_related("company", "standing").get(pk=row.lead_id)
    assert (lead.email, lead.name, lead.origin, lead.email_kind) == (
        "ana@empresa.com.br",
        "Ana",
        "paid_search",
        "business",
    )
    assert lead.company is not None
    assert (lead.company.name, lead.company.size, lead.company.domain) == (
        "Empresa SA",
        180,
        "empresa.com.br",
    )
    assert lead.standing.live_since == now
    assert lead.standing.asked_for_contact_at == now
    assert Origin.objects.get(key="paid_search").label == "Paid Search"
    assert CustomValue.objects.get().integer_value == 3
    assert [tag.tag for tag in LeadTag.objects.all()] == ["feira"]
    assert lead.consents.get().text == "v3"
    assert Event.objects.get().properties == {"kind": "demo"}


def test_the_same_row_again_is_unchanged_and_a_blank_never_erases(tenant: Tenant, now: datetime) -> None:
    first = {"email": "ana@empresa.com.br", "first_name": "Ana", "city": "Campinas", "company": "Empresa SA"}
    take(tenant, now, first)
    [again] = take(tenant, now, first)
    [blank] = take(tenant, now, {"email": "ANA@empresa.com.br", "city": "", "first_name": None})
    [more] = take(tenant, now, {"email": "ana@empresa.com.br", "city": "Valinhos"})
    assert [again.outcome, blank.outcome, more.outcome] == ["unchanged", "unchanged", "updated"]
    assert Lead.objects.get().city == "Valinhos"


def test_the_first_origin_stays_and_another_is_kept_as_a_touch(tenant: Tenant, now: datetime) -> None:
    take(tenant, now, {"email": "ana@empresa.com.br", "origin": "organic search"})
    [row] = take(tenant, now, {"email": "ana@empresa.com.br", "origin": "Paid-Search"})
    assert row.outcome == "updated"
    assert Lead.objects.get().origin == "organic_search"
    assert [touch.origin for touch in Touch.objects.all()] == ["paid_search"]


def test_the_earliest_creation_is_kept(tenant: Tenant, now: datetime) -> None:
    take(tenant, now, {"external_id": "a", "created_at": "2018-01-10"})
    take(tenant, now, {"external_id": "a", "created_at": "2018-02-01"})
    take(tenant, now, {"external_id": "a", "created_at": "2018-01-02T00:00:00-02:00"})
    assert Lead.objects.get().created_at == datetime(2018, 1, 2, 2, 0, tzinfo=UTC)


def test_rows_of_one_batch_see_earlier_ones(tenant: Tenant, now: datetime) -> None:
    rows = take(
        tenant,
        now,
        {"external_id": "a", "email": "a@x.test"},
        {"external_id": "b", "email": "b@x.test"},
        {"email": "a@x.test", "city": "Natal"},
        {"external_id": "a", "city": "Recife"},
        {"external_id": "c", "email": "b@x.test"},
    )
    assert [row.outcome for row in rows[:4]] == ["new", "new", "updated", "updated"]
    assert isinstance(rows[4].problem, OtherExternalId)
    assert Lead.objects.get(external_id="a").city == "Recife"
    assert Lead.objects.count() == 2


def test_an_identity_that_points_at_two_leads_writes_nothing(tenant: Tenant, now: datetime) -> None:
    take(tenant, now, {"external_id": "a"}, {"email": "b@x.test"})
    [row] = take(tenant, now, {"external_id": "a", "email": "b@x.test", "city": "Natal"})
    assert isinstance(row.problem, TwoLeads)
    assert {error.field for error in row.problem.errors} == {"external_id", "email"}
    assert list(Lead.objects.filter(city="Natal")) == []


def test_somebody_without_identity_needs_a_phone_or_a_name(tenant: Tenant, now: datetime) -> None:
    phone, name, nobody = take(
        tenant, now, {"phone": "+55 19 99888-7766"}, {"name": "Ana"}, {"city": "Natal"}
    )
    assert (phone.outcome, name.outcome) == ("new", "new")
    assert nobody.problem is not None
    assert nobody.problem.status == 400


def test_history_stays_history_until_the_next_live_row(tenant: Tenant, now: datetime) -> None:
    take(tenant, now, {"external_id": "a"}, is_live=False)
    assert LeadState.objects.get().live_since is None
    take(tenant, now, {"external_id": "a", "event": {"type": "page_viewed"}}, is_live=True)
    assert LeadState.objects.get().live_since == now


def test_colleagues_share_a_company_by_domain_and_by_name(tenant: Tenant, now: datetime) -> None:
    take(
        tenant,
        now,
        {"email": "ana@empresa.com.br", "company": "Empresa SA"},
        {"email": "bia@empresa.com.br", "company": {"name": "EMPRESA S.A.", "size": 90}},
        {"external_id": "c", "company": "Outra Ltda"},
        {"external_id": "d", "company": "outra ltda"},
        {"external_id": "e", "company_size": 7},
    )
    assert Company.objects.count() == 3
    assert sorted(company.size or 0 for company in Company.objects.all()) == [0, 7, 90]


def test_what_a_new_lead_did_is_recorded_with_it(tenant: Tenant, now: datetime) -> None:
    earlier = "2026-11-01T12:00:00Z"
    [row] = take(
        tenant,
        now,
        {
            "email": "ana@empresa.com.br",
            "event": {"type": "page_viewed", "occurred_at": earlier},
            "events": [
                {"type": "pricing_viewed", "message_id": "m-1", "occurred_at": earlier},
                {"type": "form_submitted", "properties": {"kind": "demo"}},
            ],
        },
    )
    assert sorted(Event.objects.values_list("lead_id", "type")) == [
        (row.lead_id, "form_submitted"),
        (row.lead_id, "page_viewed"),
        (row.lead_id, "pricing_viewed"),
    ]
    standing = LeadState.objects.get(lead_id=row.lead_id)
    assert (standing.last_event_at, standing.asked_for_contact_at, standing.live_since) == (now, now, now)


@pytest.mark.parametrize("known_first", [True, False])
def test_an_event_that_two_rows_tell_of_is_the_first_ones(
    tenant: Tenant, now: datetime, known_first: bool
) -> None:
    take(tenant, now, {"external_id": "known"})
    event = {"type": "page_viewed", "message_id": "m-1"}
    rows = [{"external_id": name, "event": event} for name in ("known", "new")]
    taken = take(tenant, now, *(rows if known_first else reversed(rows)))
    assert [row.outcome for row in taken] == (["updated", "new"] if known_first else ["new", "unchanged"])
    assert Event.objects.get().lead_id == taken[0].lead_id
    last = dict(LeadState.objects.values_list("lead_id", "last_event_at"))
    assert last == {taken[0].lead_id: now, taken[1].lead_id: None}


def test_an_event_of_before_is_not_counted_for_a_new_lead(tenant: Tenant, now: datetime) -> None:
    event = {"type": "form_submitted", "message_id": "m-1", "properties": {"kind": "demo"}}
    take(tenant, now, {"external_id": "first", "event": event})
    [row] = take(tenant, now, {"external_id": "second", "event": event})
    standing = LeadState.objects.get(lead_id=row.lead_id)
    assert (row.outcome, standing.last_event_at, standing.asked_for_contact_at) == ("new", None, None)
    assert Event.objects.count() == 1


def test_custom_values_of_known_leads_change_only_where_they_differ(tenant: Tenant, now: datetime) -> None:
    CustomField.objects.create(name="plants", label="Plants", type="integer")
    CustomField.objects.create(name="sector", label="Sector", type="text")
    given = {"external_id": "a", "custom": {"plants": 3, "sector": "steel"}}
    [first] = take(tenant, now, given)
    [same] = take(tenant, now, given)
    [other] = take(tenant, now, {"external_id": "a", "custom": {"plants": 4}})
    assert [first.outcome, same.outcome, other.outcome] == ["new", "unchanged", "updated"]
    kept = CustomValue.objects.values_list("field__name", "integer_value", "text_value")
    assert sorted(kept) == [("plants", 4, None), ("sector", None, "steel")]


def test_of_many_new_leads_those_that_somebody_else_made_are_passed_over(
    tenant: Tenant, now: datetime
) -> None:
    take(tenant, now, {"email": "p7@x.test"}, {"external_id": "c9"})
    given = [LeadInput(external_id=f"c{number}", email=f"p{number}@x.test") for number in range(MANY_LEADS)]
    made = insert_leads([NewLead(row, None) for row in given], now, is_live=False)
    assert [place for place, lead in enumerate(made) if lead is None] == [7, 9]
    assert Lead.objects.count() == LeadState.objects.count() == MANY_LEADS


def test_companies_that_are_known_are_found_without_waiting_for_who_makes_others(
    tenant: Tenant, now: datetime
) -> None:
    known = LeadInput(email="a@x.test", email_kind="business", company="X", company_key="x", origin="fair")
    [first] = prepare_companies(rows=[known])
    asked: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        [second] = prepare_companies(rows=[known])
    assert (first.has_changed, second.has_changed) == (True, False)
    assert second.company is not None
    assert second.company["id"] == Company.objects.get().pk
    assert [sql for sql in asked if re.search("advisory|FOR NO KEY|INSERT", sql)] == []


def test_a_row_that_changes_a_known_company_is_seen_by_the_next(tenant: Tenant, now: datetime) -> None:
    colleague = LeadInput(email="a@x.test", email_kind="business", company="X", company_key="x")
    prepare_companies(rows=[colleague])
    renames = LeadInput(email="b@x.test", email_kind="business", company="Y", company_key="y")
    renamed, found, fresh = prepare_companies(
        rows=[
            renames,
            LeadInput(name="C", company="Y", company_key="y"),
            LeadInput(name="D", company="Z", company_key="z"),
        ]
    )
    assert [each.has_changed for each in (renamed, found, fresh)] == [True, False, True]
    assert renamed.company is not None
    assert renamed.company is found.company
    assert set(Company.objects.values_list("name", flat=True)) == {"Y", "Z"}
