"""Acts with everything that follows them: owners, clocks, sequences, told by the API's own answers."""

from typing import Any

import pytest

from leads.models import Answer
from nurturing.models import Enrollment
from tenancy.models import Membership, Role, Team, TeamFunction, Tenant
from tenancy.scope import tenant_scope
from tenancy.services import get_or_create_login, join_tenant
from tests.api.asking import ApiCaller
from tests.conftest import NOW

FORM = {"type": "form_submitted", "properties": {"kind": "demo"}}
BANT = ("budget", "authority", "need", "timeline")


@pytest.fixture
def people(tenant: Tenant) -> dict[str, Membership]:
    """An SDR and a rep, each the only one of their team."""
    with tenant_scope(tenant.pk):
        found = {}
        for role, function in ((Role.SDR, TeamFunction.SDR), (Role.SALES, TeamFunction.SALES)):
            team = Team.objects.create(name=function.value, function=function)
            user = get_or_create_login(email=f"{role.value}@horizonte.test")
            found[role.value] = join_tenant(user=user, roles=[role], now=NOW, name=role.value, team=team)
        return found


@pytest.fixture
def api(tenant: Tenant, people: dict[str, Membership]) -> ApiCaller:
    return ApiCaller(tenant)


def capture(api: ApiCaller) -> Any:
    return api.post("/leads/", {"email": "ana@empresa.com.br", "first_name": "Ana", "event": FORM}).json()


def act(api: ApiCaller, lead_id: int, name: str, body: Any = None) -> Any:
    answer = api.post(f"/leads/{lead_id}/{name}/", body)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def open_clocks(lead: Any) -> list[str]:
    return [clock["kind"] for clock in lead["clocks"] if clock["state"] in {"running", "broken"}]


def bring_to_sql(api: ApiCaller) -> Any:
    lead_id = capture(api)["id"]
    act(api, lead_id, "attempts", {"channel": "call", "outcome": "reached"})
    act(api, lead_id, "assessment", {"framework": "bant", "answers": {each: {"met": True} for each in BANT}})
    return act(api, lead_id, "hand-over")


def test_a_captured_lead_is_worked_handed_over_accepted_and_won(
    api: ApiCaller, people: dict[str, Membership]
) -> None:
    lead = capture(api)
    assert (lead["stage"], open_clocks(lead)) == ("mql", ["asked_for_contact"])
    assert lead["owner"]["id"] == people["sdr"].pk
    lead = act(api, lead["id"], "attempts", {"channel": "call", "outcome": "no_answer"})
    assert (lead["stage"], open_clocks(lead), lead["clocks"][0]["state"]) == ("working", [], "met")
    refused = api.post(f"/leads/{lead['id']}/hand-over/")
    assert (refused.status_code, len(refused.json()["errors"])) == (409, 4)
    answers = {each: {"met": True} for each in BANT}
    act(api, lead["id"], "assessment", {"framework": "bant", "answers": answers})
    lead = act(api, lead["id"], "hand-over")
    assert (lead["stage"], open_clocks(lead)) == ("sql", ["answer_sql"])
    assert lead["owner"]["id"] == people["sales"].pk
    lead = act(api, lead["id"], "accept")
    assert (lead["stage"], open_clocks(lead)) == ("opportunity", [])
    lead = act(api, lead["id"], "win", {"amount": 1999.9, "currency": "BRL"})
    assert (lead["stage"], open_clocks(lead)) == ("customer", [])
    assert set(lead["owners"]) == {"sdr", "sales"}


def test_a_rejected_sql_is_enrolled_at_once_by_its_reason(api: ApiCaller, tenant: Tenant) -> None:
    lead = bring_to_sql(api)
    lead = act(api, lead["id"], "reject", {"reason": "no_budget"})
    assert (lead["stage"], open_clocks(lead)) == ("nurture", [])
    with tenant_scope(tenant.pk):
        assert Enrollment.objects.filter(lead_id=lead["id"]).count() == 1


@pytest.mark.parametrize("name", ["reject", "nurture"])
def test_marketing_decides_under_a_clock_that_disqualifying_meets(
    api: ApiCaller, tenant: Tenant, name: str
) -> None:
    lead = bring_to_sql(api)
    lead = act(api, lead["id"], name, {"reason": "marketing_decides"})
    assert (lead["stage"], open_clocks(lead)) == ("nurture", ["back_to_nurture"])
    with tenant_scope(tenant.pk):
        assert not Enrollment.objects.filter(lead_id=lead["id"]).exists()
    lead = act(api, lead["id"], "disqualify", {"reason": "no_fit"})
    assert (lead["stage"], open_clocks(lead)) == ("disqualified", [])
    states = {clock["kind"]: clock["state"] for clock in lead["clocks"]}
    assert states["back_to_nurture"] == "met"


def test_a_lost_opportunity_waits_for_marketing_too(api: ApiCaller) -> None:
    lead = bring_to_sql(api)
    act(api, lead["id"], "accept")
    lead = act(api, lead["id"], "lose", {"reason": "marketing_decides"})
    assert (lead["stage"], open_clocks(lead)) == ("nurture", ["back_to_nurture"])


def test_a_lead_promoted_by_hand_gets_an_owner_and_the_clock_of_the_first_contact(
    api: ApiCaller, people: dict[str, Membership]
) -> None:
    lead = api.post("/leads/", {"email": "bia@empresa.com.br"}).json()
    assert (lead["stage"], lead["owner"], lead["clocks"]) == ("new", None, [])
    lead = act(api, lead["id"], "promote", {"reason": "Conheci na feira"})
    assert (lead["stage"], open_clocks(lead)) == ("mql", ["first_contact"])
    assert lead["owner"]["id"] == people["sdr"].pk


def test_why_explains_each_part_after_the_whole_loop(api: ApiCaller, tenant: Tenant) -> None:
    lead = bring_to_sql(api)
    why = api.get(f"/leads/{lead['id']}/why/").json()
    assert [why[part]["result"] for part in ("score", "grade")] == [str(lead["score"]), lead["grade"]]
    assert why["owner"]["rules"]
    assert {clock["version"] for clock in why["clocks"]} == {1}
    with tenant_scope(tenant.pk):
        assert Answer.objects.filter(lead_id=lead["id"], met=True).count() == 4
