"""Acts over HTTP: what each answers, and how each refuses."""

from typing import Any

import pytest

from leads.models import ContactAttempt, Handover, Lead, Opportunity
from tenancy.models import Membership, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead
from tests.leads.people import make_rep, make_sdr, mql_of, opportunity_of, sql_of, working_of

pytestmark = pytest.mark.usefixtures("acts_alone")

ACTS: dict[str, Any] = {
    "attempts": {"channel": "call", "outcome": "reached"},
    "assessment": {"framework": "bant", "answers": {"need": {"met": True}}},
    "hand-over": None,
    "accept": None,
    "reject": {"reason": "no_need"},
    "win": {"amount": 10, "currency": "BRL"},
    "lose": {"reason": "no_need"},
    "nurture": {"reason": "no_answer"},
    "disqualify": {"reason": "junk"},
    "promote": {"reason": "Feira"},
    "reopen": {"reason": "Engano"},
    "assign": {"user": "admin@horizonte.test"},
}
BANT = ("budget", "authority", "need", "timeline")


@pytest.fixture
def api(tenant: Tenant) -> ApiCaller:
    return ApiCaller(tenant)


def make(tenant: Tenant, maker: Any, *arguments: Any, **more: Any) -> Any:
    with tenant_scope(tenant.pk):
        return maker(*arguments, **more)


def test_a_lead_goes_from_new_to_customer_by_acts_alone(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, make_lead)
    answers = {question: {"met": True, "note": ""} for question in BANT}
    steps = [
        ("promote", {"reason": "Ligou e pediu proposta"}, "mql"),
        ("attempts", {"channel": "call", "outcome": "no_answer", "note": ""}, "working"),
        ("attempts", {"channel": "whatsapp", "outcome": "reached"}, "working"),
        ("assessment", {"framework": "bant", "answers": answers}, "working"),
        ("hand-over", None, "sql"),
        ("accept", {}, "opportunity"),
        ("win", {"amount": "1500.50", "currency": "BRL"}, "customer"),
    ]
    for act, body, stage in steps:
        answer = api.post(f"/leads/{lead.pk}/{act}/", body)
        assert (act, answer.status_code, answer.json().get("stage")) == (act, 200, stage)
        assert answer.json() == api.get(f"/leads/{lead.pk}/").json()
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.get(lead=lead).amount_minor == 150050
        actors = set(ContactAttempt.objects.values_list("actor__kind", flat=True))
    assert actors == {"service"}


def test_reject_lose_nurture_disqualify_and_reopen_answer_with_the_lead(
    api: ApiCaller, tenant: Tenant
) -> None:
    expected = [
        (sql_of, "reject", "nurture"),
        (opportunity_of, "lose", "nurture"),
        (working_of, "nurture", "nurture"),
        (mql_of, "disqualify", "disqualified"),
    ]
    for maker, act, stage in expected:
        lead = make(tenant, maker, None)
        answer = api.post(f"/leads/{lead.pk}/{act}/", ACTS[act])
        assert (act, answer.status_code, answer.json()["stage"]) == (act, 200, stage)
    reopened = api.post(f"/leads/{lead.pk}/reopen/", ACTS["reopen"])
    assert reopened.json()["stage"] == "new"


def test_assigning_takes_an_id_or_an_email_and_refuses_strangers(api: ApiCaller, tenant: Tenant) -> None:
    lead, sdr = make(tenant, mql_of, None), make(tenant, make_sdr)
    path = f"/leads/{lead.pk}/assign/"
    for user in (sdr.pk, str(sdr.pk), sdr.email):
        answer = api.post(path, {"user": user})
        assert (answer.status_code, answer.json()["owner"]) == (200, {"id": sdr.pk, "name": sdr.name})
    for user in ("x@y.test", 10**9, 10**40, make(tenant, make_rep).pk):
        refused = api.post(path, {"user": user})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "user")
    for user in (None, True, "", [1], {"id": 1}):
        refused = api.post(path, {"user": user})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "user")


def test_a_handover_that_is_not_ready_lists_what_is_missing(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, working_of, None)
    api.post(f"/leads/{lead.pk}/assessment/", {"framework": "bant", "answers": {"need": {"met": True}}})
    refused = api.post(f"/leads/{lead.pk}/hand-over/")
    assert refused.status_code == 409
    assert refused["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert [error["field"] for error in problem["errors"]] == ["budget", "authority", "timeline"]
    assert problem["status"] == 409
    overridden = api.post(f"/leads/{lead.pk}/hand-over/", {"override_reason": "Já comprou antes"})
    assert overridden.json()["stage"] == "sql"
    with tenant_scope(tenant.pk):
        assert Handover.objects.get(lead=lead).override_reason == "Já comprou antes"


NOT_HERE = [
    *[("attempts", stage) for stage in ("new", "sql", "opportunity", "customer", "nurture", "disqualified")],
    *[("assessment", stage) for stage in ("customer", "disqualified")],
    *[
        ("hand-over", stage)
        for stage in ("new", "mql", "sql", "opportunity", "customer", "nurture", "disqualified")
    ],
    *[
        (act, stage)
        for act in ("accept", "reject")
        for stage in ("new", "mql", "working", "opportunity", "customer")
    ],
    *[(act, stage) for act in ("win", "lose") for stage in ("new", "mql", "working", "sql", "customer")],
    *[("nurture", stage) for stage in ("nurture", "customer", "disqualified")],
    *[("disqualify", stage) for stage in ("customer", "disqualified")],
    *[("promote", stage) for stage in ("mql", "working", "sql", "opportunity", "customer", "disqualified")],
    *[("reopen", stage) for stage in ("new", "mql", "working", "sql", "opportunity", "customer", "nurture")],
    ("assign", "disqualified"),
]


@pytest.mark.parametrize(("act", "stage"), NOT_HERE)
def test_an_act_that_the_stage_does_not_allow_is_a_conflict_that_says_where_it_is_possible(
    api: ApiCaller, tenant: Tenant, act: str, stage: str
) -> None:
    lead = make(tenant, make_lead, stage=stage)
    refused = api.post(f"/leads/{lead.pk}/{act}/", ACTS[act])
    assert refused.status_code == 409
    assert "possible in" in refused.json()["detail"]
    assert api.get(f"/leads/{lead.pk}/").json()["stage"] == stage


@pytest.mark.parametrize(
    ("act_on", "body", "field"),
    [
        ("attempts on mql", {}, "channel"),
        ("attempts on mql", {"channel": "call"}, "outcome"),
        ("attempts on mql", {"channel": "fax", "outcome": "reached"}, "channel"),
        ("attempts on mql", {"channel": "call", "outcome": "maybe"}, "outcome"),
        ("attempts on mql", {"channel": 7, "outcome": "reached"}, "channel"),
        ("attempts on mql", {"channel": "call", "outcome": "reached", "note": 7}, "note"),
        ("attempts on mql", {"channel": "call", "outcome": "reached", "note": "x" * 5000}, "note"),
        ("assessment on working", {"answers": {"need": {"met": True}}}, "framework"),
        ("assessment on working", {"framework": "bant"}, "answers"),
        ("assessment on working", {"framework": "bant", "answers": [1]}, "answers"),
        ("assessment on working", {"framework": "bant", "answers": {"love": {"met": True}}}, "answers.love"),
        ("reject on sql", {}, "reason"),
        ("reject on sql", {"reason": "junk"}, "reason"),
        ("win on opportunity", {"currency": "BRL"}, "amount"),
        ("win on opportunity", {"amount": 10, "currency": "XXX"}, "currency"),
        ("lose on opportunity", {"reason": None}, "reason"),
        ("nurture on mql", {"reason": "no_budget"}, "reason"),
        ("disqualify on mql", {"reason": 4}, "reason"),
        ("promote on new", {}, "reason"),
        ("reopen on disqualified", {"reason": " "}, "reason"),
        ("assign on mql", {}, "user"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_at_its_field(
    api: ApiCaller, tenant: Tenant, act_on: str, body: Any, field: str
) -> None:
    act, _on, stage = act_on.split()
    lead = make(tenant, make_lead, stage=stage)
    refused = api.post(f"/leads/{lead.pk}/{act}/", body)
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert api.get(f"/leads/{lead.pk}/").json()["stage"] == stage


def test_an_unknown_reason_lists_the_valid_ones(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, sql_of, None)
    detail = api.post(f"/leads/{lead.pk}/reject/", {"reason": "x"}).json()["errors"][0]["message"]
    assert "no_budget, no_authority, no_need, bad_timing, marketing_decides" in detail


def test_a_body_that_is_no_object_or_no_json_is_refused(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, mql_of, None)
    path = f"/api/v1/leads/{lead.pk}/attempts/"
    for raw in ("[]", '"call"', "{", '{"channel": NaN}', '{"channel": "call\\u0000", "outcome": "reached"}'):
        assert api.client.post(path, raw, content_type="application/json").status_code == 400


@pytest.mark.parametrize("act", ACTS)
def test_an_act_on_another_tenants_lead_is_not_found(tenant: Tenant, other_tenant: Tenant, act: str) -> None:
    lead = make(tenant, make_lead, stage="mql")
    stranger = ApiCaller(other_tenant)
    refused = stranger.post(f"/leads/{lead.pk}/{act}/", ACTS[act])
    unknown = stranger.post(f"/leads/{10**15}/{act}/", ACTS[act])
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert refused.json() == unknown.json()
    with tenant_scope(tenant.pk):
        assert Lead.objects.get(pk=lead.pk).standing.stage == "mql"


@pytest.mark.parametrize("act", ACTS)
def test_an_act_needs_the_scope_to_write_leads(tenant: Tenant, act: str) -> None:
    lead = make(tenant, make_lead)
    reader = ApiCaller(tenant, Scope.LEADS_READ, Scope.EVENTS_WRITE, Scope.INSIGHT_READ)
    assert reader.post(f"/leads/{lead.pk}/{act}/", ACTS[act]).status_code == 403
    reader.client.defaults.clear()
    assert (
        reader.client.post(f"/api/v1/leads/{lead.pk}/{act}/", headers={"Authorization": ""}).status_code
        == 401
    )


def test_a_service_user_owns_no_lead_it_acts_on(api: ApiCaller, tenant: Tenant) -> None:
    lead = make(tenant, mql_of, None)
    answer = api.post(f"/leads/{lead.pk}/attempts/", ACTS["attempts"])
    assert answer.json()["owner"] is None
    sql = make(tenant, sql_of, None)
    assert api.post(f"/leads/{sql.pk}/accept/").json()["owner"] is None
    with tenant_scope(tenant.pk):
        assert Membership.objects.filter(kind="service").count() == 1


def test_an_address_with_an_impossible_id_is_not_found(api: ApiCaller) -> None:
    for lead_id in (0, 2**63, 10**50):
        assert api.post(f"/leads/{lead_id}/accept/").status_code == 404
        assert api.get(f"/leads/{lead_id}/").status_code == 404
        assert api.get(f"/leads/{lead_id}/why/").status_code == 404
