"""Files of other houses: a course seller's leads, two sales pipelines, awkward CSVs, hostile strings."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from insights.funnel import get_funnel, parse_question
from leads.models import CustomField, CustomValue, ImportRefusal, Lead, LeadState, Opportunity
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.imports import import_leads, import_outcomes

pytestmark = pytest.mark.real_data


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows as plain reading gives them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_the_leads_of_a_course_seller_come_with_all_their_columns(real_data: Path, tenant: Tenant) -> None:
    path = real_data / "xeducation/xeducation_oldest70.csv"
    ran = import_leads(path, "--map", "Prospect ID=external_id", "--create-fields", "--blank", "Select")
    assert (ran.counts, ran.answer["columns_unmapped"]) == ((6468, 0, 0, 0, 0), [])
    rows = read_csv(path)
    with tenant_scope(tenant.pk):
        fields = {field.label: field for field in CustomField.objects.all()}
        assert set(fields) == set(rows[0]) - {"Prospect ID"}
        assert [fields[label].type for label in ("Lead Number", "TotalVisits", "Page Views Per Visit")] == [
            "integer",
            "integer",
            "decimal",
        ]
        for label, field in fields.items():
            expected = sum(row[label].strip() not in {"", "Select"} for row in rows)
            assert CustomValue.objects.filter(field=field).count() == expected, label
        converted = CustomValue.objects.filter(field=fields["Converted"], integer_value=1).count()
        assert converted == sum(row["Converted"] == "1" for row in rows)
    again = import_leads(path, "--map", "Prospect ID=external_id", "--create-fields", "--blank", "Select")
    assert again.counts == (0, 0, 6468, 0, 0)


def test_a_pipeline_of_many_deals_a_company_is_counted_by_deal(
    real_data: Path, tenant: Tenant, tmp_path: Path
) -> None:
    accounts = import_leads(
        real_data / "maven/accounts.csv",
        *("--map", "account=external_id", "--map", "account=company", "--map", "sector=industry"),
        *("--map", "employees=company_size", "--map", "office_location=country"),
        *("--value", "office_location:Philipines=PH", "--create-fields"),
    )
    assert accounts.counts == (85, 0, 0, 0, 0)
    path = Path(shutil.copy(real_data / "maven/sales_pipeline.csv", tmp_path))
    options = (
        *("--map", "account=external_id", "--map", "opportunity_id=deal_id", "--map", "deal_stage=outcome"),
        *("--map", "close_date=won_at", "--map", "close_date=lost_at", "--map", "sales_agent=sales_rep"),
        *("--map", "close_value=amount", "--create-fields"),
    )
    ran = import_outcomes(path, *options)
    rows = read_csv(path)
    closed = [row for row in rows if row["deal_stage"] in {"Won", "Lost"}]
    assert ran.counts == (len(closed), 0, 0, 0, len(rows) - len(closed))
    refused = read_csv(Path(ran.answer["refused_file"]))
    assert Counter(row["deal_stage"] for row in refused) == {"Engaging": 1589, "Prospecting": 500}
    assert import_outcomes(path, *options, "--dry-run").counts == (
        0,
        0,
        len(closed),
        0,
        len(rows) - len(closed),
    )
    latest: dict[str, dict[str, str]] = {}
    for row in closed:
        known = latest.get(row["account"])
        if known is None or row["close_date"] >= known["close_date"]:
            latest[row["account"]] = row
    with tenant_scope(tenant.pk):
        won = Opportunity.objects.filter(outcome="won")
        assert won.count() == sum(row["deal_stage"] == "Won" for row in closed)
        assert sum(deal.amount_minor or 0 for deal in won) == 100 * sum(
            int(row["close_value"]) for row in closed if row["deal_stage"] == "Won"
        )
        stages = dict(LeadState.objects.values_list("lead__external_id", "stage"))
        assert stages == {
            account: "customer" if row["deal_stage"] == "Won" else "nurture"
            for account, row in latest.items()
        }
        assert set(LeadState.objects.values_list("furthest_stage", flat=True)) == {5}


def test_deals_without_any_identity_come_as_leads_that_stand_where_they_ended(
    real_data: Path, tenant: Tenant
) -> None:
    path = real_data / "salvirt/salvirt_b2b_448.csv"
    ran = import_leads(
        path,
        *(
            "--map",
            "Product=name",
            "--map",
            "Seller=owner_sales",
            "--map",
            "Source=origin",
            "--map",
            "Status=stage",
        ),
        *("--value", "Status:Won=customer", "--value", "Status:Lost=nurture", "--blank", "Unknown"),
        "--create-fields",
    )
    assert ran.counts == (448, 0, 0, 0, 0)
    rows = read_csv(path, ";")
    with tenant_scope(tenant.pk):
        funnel = get_funnel(
            tenant=tenant, question=parse_question(mode="cohort", first_day="", last_day="", by="origin")
        )
        won = {row.label: (row.reached["new"], row.reached["customer"]) for row in funnel.rows}
        assert won == {
            source.replace("Unknown", "(blank)"): (
                sum(row["Source"] == source for row in rows),
                sum(row["Source"] == source and row["Status"] == "Won" for row in rows),
            )
            for source in {row["Source"] for row in rows}
        }
        by_rep = get_funnel(
            tenant=tenant, question=parse_question(mode="cohort", first_day="", last_day="", by="sales_rep")
        )
        assert {row.key: row.reached["new"] for row in by_rep.rows} == Counter(row["Seller"] for row in rows)


AWKWARD = (
    *("comma_in_quotes", "empty", "empty_crlf", "escaped_quotes", "json", "newlines", "newlines_crlf"),
    *("quotes_and_newlines", "simple", "simple_crlf", "utf8"),
)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_files_give_what_they_say(real_data: Path, tenant: Tenant, name: str) -> None:
    expected = json.loads((real_data / f"csv-spectrum/json/{name}.json").read_text(encoding="utf-8"))
    first, *others = expected[0]
    path = real_data / f"csv-spectrum/csvs/{name}.csv"
    ran = import_leads(path, "--map", f"{first}=external_id", "--create-fields")
    assert ran.counts == (len(expected), 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        found = []
        for lead in Lead.objects.all():
            row = {first: lead.external_id} | dict.fromkeys(others, "")
            if "city" in others:
                # Its header is a field's name, so that it maps itself.
                row["city"] = lead.city
            for value in CustomValue.objects.filter(lead=lead).select_related("field"):
                kept = value.integer_value if value.text_value is None else value.text_value
                row[value.field.label] = str(kept)
            found.append(row)
        assert sorted(found, key=lambda row: row[first]) == sorted(expected, key=lambda row: row[first])


def test_hostile_strings_are_kept_as_they_are_or_refused_with_a_reason(
    real_data: Path, tenant: Tenant, tmp_path: Path
) -> None:
    strings = json.loads((real_data / "blns.json").read_text(encoding="utf-8"))
    path = tmp_path / "hostile.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "name", "city", "origin", "tags", "owner_sdr", "Note"])
        for number, text in enumerate(strings):
            writer.writerow([f"n{number}", *[text] * 6])
    ran = import_leads(path, "--create-fields")
    too_long = {f"n{number}" for number, text in enumerate(strings) if longest_part(text) > 0}
    assert ran.counts == (len(strings) - len(too_long), 0, 0, 0, len(too_long))
    with tenant_scope(tenant.pk):
        assert set(ImportRefusal.objects.values_list("row__external_id", flat=True)) == too_long
        kept = dict(Lead.objects.values_list("external_id", "name"))
        notes = dict(CustomValue.objects.values_list("lead__external_id", "text_value"))
        for number, text in enumerate(strings):
            if f"n{number}" not in too_long:
                assert kept[f"n{number}"] == (text.strip() or None)
                assert notes.get(f"n{number}") == (text.strip() or None)
    again = import_leads(path, "--create-fields")
    assert again.counts == (0, 0, len(strings) - len(too_long), 0, len(too_long))


def longest_part(text: str) -> int:
    """By how much a string is too long for the city, the origin or a tag; 0 if it fits everywhere."""
    plain = text.strip()
    over = [len(plain) - 120, *(len(part.strip()) - 80 for part in plain.split(";"))]
    return max(0, *over)
