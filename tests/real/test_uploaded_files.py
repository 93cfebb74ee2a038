"""The real data sets by the pages: what is guessed of their columns, and what comes of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from leads.capture.assignment import Assignment, offer_assignment
from leads.capture.import_steps import advance_import, detected_of, subject_of
from leads.capture.page_imports import assign_columns
from leads.models import ImportRun, ImportState
from tenancy.models import Membership, Role, Tenant
from tests.builders import make_member
from tests.conftest import NOW
from tests.leads.uploads import run_to_end, upload

pytestmark = pytest.mark.real_data


@pytest.fixture
def clara(in_tenant: Tenant) -> Membership:
    """Somebody from marketing."""
    return make_member(role=Role.MARKETING)


def offered(run: ImportRun, tenant: Tenant) -> Assignment:
    fields = subject_of(run, tenant).fields
    return offer_assignment(detected=detected_of(run), fields=fields, custom={}, remembered=None)


def targets(assignment: Assignment) -> Mapping[str, str]:
    return {use.column: use.target for use in assignment.uses if use.target}


def test_olist_is_guessed_and_imported_as_it_is_offered(
    real_data: Path, clara: Membership, in_tenant: Tenant
) -> None:
    run = upload((real_data / "olist" / "olist_mql_until_2018-03.csv").read_bytes(), by=clara)
    said = offered(run, in_tenant)
    assert targets(said) == {
        "mql_id": "external_id",
        "first_contact_date": "created_at",
        "landing_page_id": "landing_page",
        "origin": "origin",
    }
    assign_columns(run=run, assignment=said, now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    run.refresh_from_db()
    assert run.state == ImportState.TRIED
    run = run_to_end(run, by=clara)
    assert (run.counts["new"], sum(run.counts.values())) == (5_345, 5_345)


def test_x_education_is_read_and_its_untouched_menus_are_seen(
    real_data: Path, clara: Membership, in_tenant: Tenant
) -> None:
    run = upload((real_data / "xeducation" / "xeducation_oldest70.csv").read_bytes(), by=clara)
    found = detected_of(run)
    assert (found.row_count, len(found.columns), "Select" in found.blank_words) == (6_468, 37, True)
    assert targets(offered(run, in_tenant))["Prospect ID"] == "external_id"
