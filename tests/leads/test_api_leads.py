"""The list of leads, one lead and its changes over HTTP."""

from typing import Any

import pytest

from leads.models import Lead
from leads.search import refresh_search
from tenancy.models import Scope, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_lead
from tests.leads.people import make_sdr, mql_of
from tests.leads.test_api_acts import make

pytestmark = pytest.mark.usefixtures("acts_alone")


@pytest.fixture
def api(tenant: Tenant) -> ApiCaller:
    return ApiCaller(tenant)


def test_the_list_answers_with_leads_as_get_does_their_count_and_the_pages_around(
    api: ApiCaller, tenant: Tenant
) -> None:
    leads = [make(tenant, make_lead, score=number) for number in range(53)]
    first = api.get("/leads/", order="-score").json()
    assert set(first) == {"results", "next", "previous", "count"}
    assert first["count"] == {"value": 53, "exact": True}
    assert (len(first["results"]), first["previous"]) == (50, None)
    assert first["results"][0] == api.get(f"/leads/{leads[-1].pk}/").json()
    second = api.client.get(first["next"]).json()
    assert [row["id"] for row in second["results"]] == [lead.pk for lead in reversed(leads[:3])]
    assert second["next"] is None
    assert api.client.get(second["previous"]).json()["results"] == first["results"]


def test_the_addresses_of_pages_keep_the_filters(api: ApiCaller, tenant: Tenant) -> None:
    for _number in range(51):
        make(tenant, make_lead, stage="mql")
    make(tenant, make_lead)
    first = api.get("/leads/", stage="mql").json()
    assert first["next"].startswith("/api/v1/leads/?")
    assert "stage=mql" in first["next"]
    assert len(api.client.get(first["next"]).json()["results"]) == 1


def test_an_empty_list_is_an_answer_too(api: ApiCaller) -> None:
    assert api.get("/leads/").json() == {
        "results": [],
        "next": None,
        "previous": None,
        "count": {"value": 0, "exact": True},
    }


def test_the_list_filters_by_each_parameter(api: ApiCaller, tenant: Tenant) -> None:
    sdr = make(tenant, make_sdr)
    with tenant_scope(tenant.pk):
        lead = mql_of(sdr, score=70, grade="B+", origin="webinar", external_id="crm-17", email="ana@x.test")
        make_lead(score=1, grade="F", name="Zé", name_key="ze")
        Lead.objects.filter(pk=lead.pk).update(name="Ana Souza", name_key="ana souza")
        refresh_search(lead_ids=[lead.pk])
    filters: list[dict[str, Any]] = [
        {"stage": "mql"},
        {"owner": sdr.pk},
        {"owner": sdr.email},
        {"origin": "Webinar"},
        {"score_min": 70},
        {"grade_min": "B"},
        {"q": "ana sou"},
        {"external_id": "crm-17"},
        {"email": "ANA@x.test"},
        {"filter": '{"fact": "score", "op": "gt", "value": 1}'},
    ]
    for parameters in filters:
        answer = api.get("/leads/", **parameters).json()
        assert (parameters, [row["id"] for row in answer["results"]]) == (parameters, [lead.pk])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"stage": "lost"}, "stage"),
        ({"order": "email"}, "order"),
        ({"cursor": "abc"}, "cursor"),
        ({"score_min": "x"}, "score_min"),
        ({"grade_min": "Z"}, "grade_min"),
        ({"filter": "no"}, "filter"),
    ],
)
def test_a_parameter_that_the_list_does_not_know_is_refused_by_name(
    api: ApiCaller, parameters: dict[str, str], field: str
) -> None:
    refused = api.get("/leads/", **parameters)
    assert refused.status_code == 400
    assert refused["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in refused.json()["errors"]] == [field]


def test_another_tenants_leads_are_neither_listed_nor_found_nor_changed(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    lead = make(tenant, make_lead, email="ana@x.test")
    stranger = ApiCaller(other_tenant)
    assert stranger.get("/leads/", email="ana@x.test").json()["results"] == []
    for answer in (
        stranger.get(f"/leads/{lead.pk}/"),
        stranger.get(f"/leads/{lead.pk}/why/"),
        stranger.patch(f"/leads/{lead.pk}/", {"city": "Natal"}),
    ):
        assert answer.status_code == 404
    with tenant_scope(tenant.pk):
        assert Lead.objects.get(pk=lead.pk).city is None


def test_reading_needs_one_scope_and_changing_another(tenant: Tenant) -> None:
    lead = make(tenant, make_lead)
    reader, writer = ApiCaller(tenant, Scope.LEADS_READ), ApiCaller(tenant, Scope.LEADS_WRITE)
    path = f"/leads/{lead.pk}/"
    assert [reader.get(each).status_code for each in ("/leads/", path, f"{path}why/")] == [200, 200, 200]
    assert [writer.get(each).status_code for each in ("/leads/", path, f"{path}why/")] == [403, 403, 403]
    assert (
        reader.patch(path, {"city": "Natal"}).status_code,
        writer.patch(path, {"city": "Natal"}).status_code,
    ) == (
        403,
        200,
    )


def test_a_change_replaces_values_and_tags_and_a_blank_never_erases(api: ApiCaller, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        company = make_company(name="Empresa SA", domain="empresa.com.br")
        lead = make_lead(city="Campinas", phone="+5519998887766", tags=["feira", "erp"], company=company)
    body = {"city": "Natal", "phone": "", "job_title": None, "tags": ["erp", "vip"], "company": {"size": 200}}
    answer = api.patch(f"/leads/{lead.pk}/", body)
    changed = answer.json()
    assert answer.status_code == 200
    assert (changed["city"], changed["phone"], changed["tags"]) == ("Natal", "+5519998887766", ["erp", "vip"])
    assert changed == api.get(f"/leads/{lead.pk}/").json()


def test_how_a_lead_first_came_is_not_replaced(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, make_lead, origin="webinar")
    changed = api.patch(f"/leads/{lead.pk}/", {"origin": "paid"}).json()
    assert changed["origin"] == "webinar"
    with tenant_scope(tenant.pk):
        assert lead.touches.get().origin == "paid"


def test_consent_can_be_added(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, make_lead)
    consent = [{"purpose": "marketing", "basis": "consent", "text": "v3"}]
    changed = api.patch(f"/leads/{lead.pk}/", {"consent": consent}).json()
    assert [(each["purpose"], each["text"]) for each in changed["consent"]] == [("marketing", "v3")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"stage": "mql"}, "stage"),
        ({"owner_sdr": "Bruno"}, "owner_sdr"),
        ({"custom": {"plants": 3}}, "custom.plants"),
        ({"email": "no address"}, "email"),
        ({"shoe_size": 42}, "shoe_size"),
        ({"event": {"type": "page_viewed"}}, "event"),
    ],
)
def test_a_change_that_cannot_be_read_is_refused_at_its_field(
    api: ApiCaller, tenant: Tenant, body: dict[str, Any], field: str
) -> None:
    lead = make(tenant, make_lead)
    refused = api.patch(f"/leads/{lead.pk}/", body | {"city": "Natal"})
    assert refused.status_code == 400
    assert field in [error["field"] for error in refused.json()["errors"]]
    assert api.get(f"/leads/{lead.pk}/").json()["city"] is None


def test_an_email_that_another_lead_has_is_a_conflict(api: ApiCaller, tenant: Tenant) -> None:
    make(tenant, make_lead, email="ana@x.test")
    lead = make(tenant, make_lead)
    refused = api.patch(f"/leads/{lead.pk}/", {"email": "Ana@X.test"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "email")


def test_why_answers_for_every_part(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, mql_of, None)
    why = api.get(f"/leads/{lead.pk}/why/").json()
    assert set(why) == {"score", "grade", "stage", "owner", "clocks"}
    assert isinstance(why["clocks"], list)
    for part in ("score", "grade", "stage"):
        assert set(why[part]) == {"result", "version", "at", "rules", "smallest_change"}
