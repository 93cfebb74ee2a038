"""The funnel over HTTP."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from insights import funnel
from leads.listing import TookTooLong
from leads.models import Stage
from tenancy.models import Role, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member


def test_the_api_answers_in_the_shape_of_the_contract(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(other_tenant.pk):
        make_lead(origin="webinar")
    with tenant_scope(tenant.pk):
        created_at = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)
        make_lead(
            origin="webinar", created_at=created_at, stage=Stage.MARKETING_QUALIFIED, stage_at=created_at
        )
    caller = ApiCaller(tenant, Scope.INSIGHT_READ)
    answer = caller.get("/funnel/", mode="cohort", **{"from": "2026-10-01", "to": "2026-10-31"}, by="origin")
    assert answer.status_code == 200
    counted = {"new": 1, "mql": 1, "working": 0, "sql": 0, "opportunity": 0, "customer": 0}
    medians = {"mql": 0.0, "working": None, "sql": None, "opportunity": None, "customer": None}
    assert answer.json() == {
        "mode": "cohort",
        "from": "2026-10-01",
        "to": "2026-10-31",
        "by": "origin",
        "flagged": 0,
        "rows": [{"key": "webinar", "label": "webinar", "reached": counted, "median_days": medians}],
        "total": {"reached": counted, "median_days": medians},
    }
    bare = caller.get("/funnel/").json()
    assert (bare["mode"], bare["from"], bare["to"], bare["by"], bare["rows"]) == (
        "cohort",
        None,
        None,
        None,
        [],
    )


def test_the_api_refuses_wrong_questions_and_other_scopes(tenant: Tenant) -> None:
    answer = ApiCaller(tenant, Scope.INSIGHT_READ).get("/funnel/", mode="both")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "mode")
    assert ApiCaller(tenant, Scope.LEADS_READ).get("/funnel/").status_code == 403


def test_more_leads_than_can_be_counted_are_not_waited_for(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited_to(_milliseconds: int) -> None:
        raise TookTooLong

    monkeypatch.setattr(funnel, "limited_to", limited_to)
    with tenant_scope(tenant.pk):
        user = make_member(role=Role.MANAGER).user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    page = client.get(f"/t/{tenant.slug}/funnel/?by=origin")
    assert page.status_code == 200
    assert "Choose fewer days" in page.content.decode()
    assert "by=origin&amp;from=" in page.content.decode(), "the last days are offered, split alike"
    assert client.get(f"/t/{tenant.slug}/funnel/leads/?stage=mql").status_code == 400
    assert ApiCaller(tenant, Scope.INSIGHT_READ).get("/funnel/").status_code == 400
