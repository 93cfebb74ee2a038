"""The JSON of a lead: what every answer of the API says of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from leads.models import Consent, CustomField, CustomValue, KeptPerson, LeadTag
from leads.selectors import LeadNotFound, get_lead, lead_answers, lead_details, lead_json
from tests.builders import make_company, make_lead
from tests.conftest import NOW
from tests.leads.people import make_rep, make_sdr, mql_of, sql_of
from tests.leads.test_queue import start_clock

pytestmark = pytest.mark.usefixtures("in_tenant")


def test_the_answer_of_capture_has_exactly_its_members() -> None:
    sdr = make_sdr(name="Bruno")
    lead = mql_of(sdr, score=30, grade="C+")
    start_clock(lead, datetime(2026, 11, 24, 18, 20, tzinfo=UTC))
    assert lead_answers(lead_ids=[lead.pk]) == {
        lead.pk: {
            "id": lead.pk,
            "stage": "mql",
            "score": 30,
            "grade": "C+",
            "grade_ordinal": 6,
            "owner": {"id": sdr.pk, "name": "Bruno"},
            "owners": {"sdr": {"id": sdr.pk, "name": "Bruno"}},
            "clocks": [{"kind": "first_contact", "state": "running", "due_at": "2026-11-24T18:20:00Z"}],
            "why": f"/api/v1/leads/{lead.pk}/why/",
        }
    }


def test_the_owner_is_the_one_whose_function_holds_the_stage() -> None:
    sdr, rep = make_sdr(), make_rep()
    sql, new = sql_of(rep, sdr=sdr), make_lead(standing={"owner_sdr": sdr})
    answers = lead_answers(lead_ids=[sql.pk, new.pk])
    assert answers[sql.pk]["owner"] == {"id": rep.pk, "name": rep.name}
    assert set(answers[sql.pk]["owners"]) == {"sdr", "sales"}
    assert answers[new.pk]["owner"] is None


def test_a_person_kept_by_name_has_no_id() -> None:
    kept = KeptPerson.objects.create(text="Carla")
    lead = mql_of(None, standing={"kept_sdr": kept})
    assert lead_answers(lead_ids=[lead.pk])[lead.pk]["owner"] == {"id": None, "name": "Carla"}


def test_the_whole_json_has_the_leads_fields_by_name() -> None:
    company = make_company(
        name="Empresa SA", domain="empresa.com.br", size=180, revenue_minor=123456789, industry="software"
    )
    lead = make_lead(
        external_id="crm-17",
        email="ana@empresa.com.br",
        first_name="Ana",
        last_name="Souza",
        name="Ana Souza",
        phone="+5519998887766",
        country="BR",
        origin="webinar",
        company=company,
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    found = lead_json(lead_id=lead.pk)
    assert {name: found[name] for name in ("external_id", "email", "name", "phone", "country", "origin")} == {
        "external_id": "crm-17",
        "email": "ana@empresa.com.br",
        "name": "Ana Souza",
        "phone": "+5519998887766",
        "country": "BR",
        "origin": "webinar",
    }
    assert (found["company"], found["company_domain"], found["company_size"]) == (
        "Empresa SA",
        "empresa.com.br",
        180,
    )
    assert (found["company_revenue"], found["industry"], found["cnpj"]) == (1234567.89, "software", None)
    assert found["created_at"] == "2026-01-02T03:04:05Z"
    assert (found["tags"], found["custom"], found["consent"]) == ([], {}, [])
    assert {"job_title", "seniority", "state", "city", "postal_code", "language", "time_zone"} <= found.keys()
    assert {"campaign", "medium", "landing_page", "owner_sdr", "owner_sales"} <= found.keys()
    assert "outcome" not in found


def test_custom_values_come_in_their_type_and_retired_fields_not_at_all() -> None:
    lead = make_lead()
    columns = {
        "text": ("text_value", "Filial"),
        "integer": ("integer_value", 3),
        "decimal": ("decimal_value", 2_500_000),
        "date": ("date_value", date(2026, 5, 4)),
    }
    for type_, (column, value) in columns.items():
        field = CustomField.objects.create(name=f"a_{type_}", label=type_, type=type_)
        CustomValue.objects.create(lead=lead, field=field, **{column: value})
    retired = CustomField.objects.create(name="old", label="Old", type="text", retired_at=NOW)
    CustomValue.objects.create(lead=lead, field=retired, text_value="x")
    custom = lead_json(lead_id=lead.pk)["custom"]
    assert custom == {"a_text": "Filial", "a_integer": 3, "a_decimal": 2.5, "a_date": "2026-05-04"}


def test_tags_and_consents_come_with_what_proves_them() -> None:
    lead = make_lead(tags=["feira", "erp"])
    Consent.objects.create(
        lead=lead, purpose="marketing", basis="consent", text="v3", given_at=NOW, source="api"
    )
    withdrawn = NOW + timedelta(days=1)
    Consent.objects.create(
        lead=lead, purpose="sms", basis="consent", given_at=NOW, withdrawn_at=withdrawn, source="form"
    )
    found = lead_json(lead_id=lead.pk)
    assert found["tags"] == ["erp", "feira"]
    at = "2026-11-18T13:00:00Z"
    marketing = {
        "purpose": "marketing",
        "basis": "consent",
        "text": "v3",
        "given_at": at,
        "withdrawn_at": None,
    }
    assert found["consent"][0] == marketing
    assert found["consent"][1]["withdrawn_at"] == "2026-11-19T13:00:00Z"


def test_a_lead_that_does_not_exist_is_not_found() -> None:
    for lead_id in (0, 10**9, 10**40):
        with pytest.raises(LeadNotFound):
            lead_json(lead_id=lead_id)
        with pytest.raises(LeadNotFound):
            get_lead(lead_id=lead_id)


def test_many_leads_cost_the_queries_of_one(django_assert_num_queries: Any) -> None:
    leads = [mql_of(make_sdr(), company=make_company(), tags=["a"]) for _each in range(4)]
    field = CustomField.objects.create(name="plants", label="Plants", type="integer")
    for lead in leads:
        CustomValue.objects.create(lead=lead, field=field, integer_value=3)
    lead_ids = [lead.pk for lead in leads]
    with django_assert_num_queries(6):
        details = lead_details(lead_ids=lead_ids)
    assert set(details) == set(lead_ids)
    assert LeadTag.objects.count() == 4
    with django_assert_num_queries(2):
        lead_answers(lead_ids=lead_ids)
