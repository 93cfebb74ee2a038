"""The standing of a lead that a file makes is written once, with its first score and grade: as if it were rated afterwards."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from core.models import DueRow
from leads.models import Decision, HeldLead, Lead, LeadState, RuleKind, RuleVersion, VersionStatus
from scoring import steps
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.builders import publish_rules
from tests.imports import import_leads, write_csv

HEADER = "external_id,email,name,country,company_size,stage,owner_sdr,created_at,event.form_submitted,event.page_viewed"
DAYS = [f"{timezone.now() - timedelta(days=days):%Y-%m-%d}" for days in range(10)]
ROWS = (
    f"a,ana@x.test,Ana,BR,200,,,2018-01-31,{DAYS[5]},{DAYS[4]}",
    f"b,,Bia,PT,,mql,bob@sdr.test,2018-02-01,,{DAYS[9]}",
    "c,carl@gmail.com,Carl,,,customer,,2018-02-02,,",
    # Later rows about a lead that the same batch makes.
    f"a,,,,5000,sql,,2018-01-30,{DAYS[3]},",
    f",carl@gmail.com,,BR,,,sam@sdr.test,,,{DAYS[2]}",
    f",,Nobody in particular,BR,10,,,2018-03-01,{DAYS[3]},",
)


@pytest.fixture(autouse=True)
def _tenants(tenant: Tenant, other_tenant: Tenant) -> None:
    """Both tenants are there."""


def read_all(tenant: Tenant) -> dict[str, list[Any]]:
    """Standings, decisions and due rows as the database has them, but for ids and the instants of the runs."""
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        told = {}
        for model, of in ((LeadState, "lead_id"), (Decision, "lead_id"), (DueRow, "subject")):
            cursor.execute(
                f"""
                SELECT lead.name,
                    to_jsonb(told) - ARRAY['id', 'lead_id', 'subject', 'tenant_id', 'at', 'stage_at', 'kept_sdr_id'],
                    (to_jsonb(told) ->> 'stage_at')::timestamptz = lead.created_at
                FROM {model._meta.db_table} told JOIN leads_lead lead ON lead.id = told.{of} ORDER BY 1, 2::text
                """
            )
            told[model.__name__] = cursor.fetchall()
    return told


def forget(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        DueRow.objects.all().delete()
        Decision.objects.all().delete()
        Lead.objects.all().delete()


def test_a_standing_written_with_its_rating_is_the_one_that_is_rated_afterwards(
    tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path, HEADER, *ROWS)
    taken: list[bool] = []
    original = steps.RateStep.apply

    def apply(self: steps.RateStep, batch: Any, plan: Any) -> None:
        taken.append(bool(batch.newborn) and plan.takes_newborn)
        original(self, batch, plan)

    monkeypatch.setattr(steps.RateStep, "apply", apply)
    ran = import_leads(path)
    together = read_all(tenant)
    forget(tenant)
    monkeypatch.setattr(steps, "reads_standing", lambda _plan: True)
    assert import_leads(path).counts == ran.counts == (4, 0, 0, 2, 0)
    assert taken == [True, False]
    assert len(together["LeadState"]) == 4
    assert {json.loads(row)["kind"] for _name, row, _is_then in together["Decision"]} == {"score", "grade"}
    assert together["DueRow"] != []
    assert read_all(tenant) == together


def test_rules_that_read_the_standing_read_the_one_that_the_file_tells(
    tmp_path: Path, tenant: Tenant
) -> None:
    with tenant_scope(tenant.pk):
        lately = {"fact": "last_event_at", "op": "in_last_days", "value": 30}
        criterion = {"id": "c", "label": "Seen lately", "when": lately, "steps": 3}
        publish_rules(kind=RuleKind.GRADING, document={"start": "D", "criteria": [criterion]})
    import_leads(write_csv(tmp_path, "name,event.page_viewed", f"Ana,{DAYS[3]}", "Bia,"))
    with tenant_scope(tenant.pk):
        grades = {
            each.lead.name: each.get_grade_display() for each in LeadState.objects.select_related("lead")
        }
    assert grades == {"Ana": "C", "Bia": "D"}


def test_a_known_lead_among_new_ones_is_rated_with_them(tmp_path: Path, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        RuleVersion.objects.filter(kind=RuleKind.SCORING).update(status=VersionStatus.ARCHIVED)
        criterion = {
            "id": "c",
            "label": "Here",
            "when": {"fact": "country", "op": "eq", "value": "BR"},
            "steps": 3,
        }
        publish_rules(kind=RuleKind.GRADING, document={"start": "D", "criteria": [criterion]})
    import_leads(write_csv(tmp_path, "external_id,country", "known,PT"))
    import_leads(write_csv(tmp_path, "external_id,country", "new,BR", "known,BR", "other,PT"))
    with tenant_scope(tenant.pk):
        grades = {
            each.lead.external_id: each.get_grade_display()
            for each in LeadState.objects.select_related("lead")
        }
    assert grades == {"new": "C", "known": "C", "other": "F"}


def test_without_published_rules_a_lead_has_its_standing(tmp_path: Path, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        RuleVersion.objects.filter(status=VersionStatus.PUBLISHED).update(status=VersionStatus.ARCHIVED)
    import_leads(write_csv(tmp_path, "name,stage", "Ana,customer", "Bia,"))
    with tenant_scope(tenant.pk):
        stages = dict(LeadState.objects.values_list("lead__name", "stage"))
    assert stages == {"Ana": "customer", "Bia": "new"}


def test_a_lead_whose_rating_fails_is_held_with_its_standing_and_the_others_are_rated(
    tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = steps.RateStep.apply

    def apply(self: steps.RateStep, batch: Any, plan: Any) -> None:
        original(self, batch, plan)
        if Lead.objects.filter(pk__in=batch.lead_ids, name="Bia").exists():
            raise ValueError("boom")

    monkeypatch.setattr(steps.RateStep, "apply", apply)
    path = write_csv(tmp_path, "name,country,company_size", "Ana,BR,200", "Bia,BR,200", "Carl,BR,200")
    ran = import_leads(path)
    with tenant_scope(tenant.pk):
        grades = dict(LeadState.objects.values_list("lead__name", "grade"))
        held = list(HeldLead.objects.values_list("lead__name", flat=True))
    assert ran.counts == (3, 0, 0, 0, 0)
    assert held == ["Bia"]
    assert grades["Bia"] == 2
    assert grades["Ana"] == grades["Carl"] > 2
