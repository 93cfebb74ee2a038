"""Importing leads from a file: what comes of rows, options, refused rows, history and live, cut off and repeated."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leads.models import (
    Consent,
    CustomField,
    CustomValue,
    Decision,
    DecisionKind,
    Handover,
    ImportRefusal,
    ImportRun,
    KeptPerson,
    Lead,
    LeadSearch,
    LeadState,
    LeadTag,
    StageChange,
    Touch,
)
from routing.models import Clock
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.imports import import_leads, write_csv

PEOPLE = ("external_id,email,name,origin,created_at", "a,ana@x.test,Ana,Paid Search,2018-01-31")


@pytest.fixture(autouse=True)
def _tenants(tenant: Tenant, other_tenant: Tenant) -> None:
    """Both tenants are there."""


def test_rows_become_leads_and_the_same_file_again_changes_nothing(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(tmp_path, *PEOPLE, "b,,Bia,organic search,2018-02-01")
    ran = import_leads(path)
    assert (ran.counts, ran.exit_code) == ((2, 0, 0, 0, 0), 0)
    assert ran.answer["columns_unmapped"] == []
    assert ran.answer["refused_file"] is None
    assert import_leads(path).counts == (0, 0, 2, 0, 0)
    with tenant_scope(tenant.pk):
        ana = Lead.objects.get(external_id="a")
        assert (ana.email, ana.name, ana.origin) == ("ana@x.test", "Ana", "paid_search")
        # Local midnight of the tenant, two hours behind UTC in the summer of 2018.
        assert ana.created_at == datetime(2018, 1, 31, 2, 0, tzinfo=UTC)
        assert [
            (run.is_live, run.counts["new"], run.counts["unchanged"])
            for run in ImportRun.objects.order_by("id")
        ] == [
            (False, 2, 0),
            (False, 0, 2),
        ]
        assert ImportRun.objects.filter(finished_at__isnull=True).count() == 0


def test_the_other_tenant_sees_nothing_of_it(tmp_path: Path, other_tenant: Tenant) -> None:
    import_leads(write_csv(tmp_path, "external_id,plants", "a,3", ",", "b,x"), "--create-fields")
    with tenant_scope(other_tenant.pk):
        for model in (Lead, CustomField, CustomValue, ImportRun, ImportRefusal):
            assert model.objects.count() == 0


def test_an_identity_that_comes_again_is_applied_as_an_update_and_counted_as_duplicate(
    tmp_path: Path, tenant: Tenant
) -> None:
    path = write_csv(
        tmp_path,
        "external_id,email,city",
        "a,ana@x.test,Natal",
        ",ANA@x.test ,Recife",
        "a,,",
        "b,,Olinda",
    )
    assert import_leads(path).counts == (2, 0, 0, 2, 0)
    with tenant_scope(tenant.pk):
        assert Lead.objects.get(external_id="a").city == "Recife"


def test_a_duplicate_is_one_in_whichever_batch_it_comes(tmp_path: Path) -> None:
    rows = [f"{number},Natal" for number in range(1100)]
    path = write_csv(tmp_path, "external_id,city", *rows, "0,Recife", "1099,Natal")
    assert import_leads(path).counts == (1100, 0, 0, 2, 0)


def test_refused_rows_are_kept_and_can_be_mended_and_imported_again(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        "external_id;e-mail;city",
        "a;ana@x.test;Natal",
        "b;not an address;Recife",
        ";;Olinda",
        "d;dia@x.test;Natal;too much",
        "e;=cmd()@x;Natal",
    )
    ran = import_leads(path, "--map", "e-mail=email")
    assert (ran.counts, ran.exit_code) == ((1, 0, 0, 0, 4), 0)
    assert "Refused row 3: e-mail: “not an address” is no e-mail address." in ran.said
    refused = Path(ran.answer["refused_file"])
    assert refused.parent == tmp_path
    rows = list(csv.DictReader(refused.open(encoding="utf-8", newline=""), delimiter=";"))
    assert [row["city"] for row in rows] == ["Recife", "Olinda", "Natal", "Natal"]
    assert rows[0]["refused_because"] == "e-mail: “not an address” is no e-mail address."
    assert rows[1]["refused_because"].startswith("e-mail: Send an e-mail")
    assert rows[2]["column 4"] == "too much"
    assert rows[3]["e-mail"] == "=cmd()@x"
    with tenant_scope(tenant.pk):
        kept = ImportRefusal.objects.order_by("row_number")
        assert [(row.row_number, row.row["city"]) for row in kept] == [
            (3, "Recife"),
            (4, "Olinda"),
            (5, "Natal"),
            (6, "Natal"),
        ]
    mended = (
        refused.read_text(encoding="utf-8").replace("not an address", "bia@x.test").replace("=cmd()@x", "")
    )
    refused.write_text(mended, encoding="utf-8")
    again = import_leads(refused, "--map", "e-mail=email", "--create-fields")
    assert again.counts == (3, 0, 0, 0, 1)
    assert Path(again.answer["refused_file"]).name == "leads.refused.refused.csv"
    with tenant_scope(tenant.pk):
        assert sorted(CustomField.objects.values_list("name", flat=True)) == ["column_4"]


def test_no_refused_file_is_overwritten(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "external_id,email", "a,no", "b,b@x.test")
    names = [Path(import_leads(path).answer["refused_file"]).name for _time in range(2)]
    assert names == ["leads.refused.csv", "leads.refused-2.csv"]


def test_a_folder_that_cannot_be_written_gets_no_refused_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path = write_csv(tmp_path, "external_id,email", "a,no", "b,b@x.test")
    # A folder of that name stands in for a folder where nothing can be made, which root never meets.
    for number in range(1, 1000):
        name = "leads.refused.csv" if number == 1 else f"leads.refused-{number}.csv"
        (tmp_path / name).mkdir()
    assert Path(import_leads(path).answer["refused_file"]) == here / "leads.refused.csv"


def test_a_file_of_which_every_row_is_refused_ends_with_1(tmp_path: Path) -> None:
    ran = import_leads(write_csv(tmp_path, "a,b,c", "1,2,3"))
    assert (ran.counts, ran.exit_code) == ((0, 0, 0, 0, 1), 1)
    assert ran.answer["columns_unmapped"] == ["a", "b", "c"]


def test_a_file_without_rows_is_no_failure(tmp_path: Path) -> None:
    ran = import_leads(write_csv(tmp_path, "email,name"))
    assert (ran.counts, ran.exit_code) == ((0, 0, 0, 0, 0), 0)


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (["email", "a@x.test"], ["--map", "mail=email"], "the file has no column “mail”"),
        (["email", "a@x.test"], ["--map", "email=e-mail"], "there is no field e-mail"),
        (["email", "a@x.test"], ["--map", "email"], "write COLUMN=FIELD"),
        (["email", "a@x.test"], ["--value", "nowhere:a=b"], "write COLUMN:RAW=VALUE"),
        (["email", "a@x.test"], ["--date-format", "dym"], "write ymd, dmy or mdy"),
        (["email,email", "a@x.test,"], [], "Two columns are named “email”"),
        ([""], [], "The file is empty"),
        (["email", *(f"p{number}@x.test" for number in range(1500)), '"never closed'], [], "is never closed"),
        (
            ["email", *(f"p{number}@x.test" for number in range(1500)), '"never closed'],
            ["--live"],
            "is never",
        ),
        (["email,created_at", "a@x.test,03/04/2018", "b@x.test,05/06/2018"], [], "--date-format"),
        (["email,created_at", "a@x.test,03/14/2018", "b@x.test,25/06/2018"], [], "are not all of one format"),
        (["email,made on", "a@x.test,03/04/2018"], ["--create-fields"], "“03/04/2018”"),
    ],
)
def test_what_cannot_be_meant_ends_with_2_and_writes_nothing(
    tmp_path: Path, tenant: Tenant, lines: list[str], options: list[str], words: str
) -> None:
    ran = import_leads(write_csv(tmp_path, *lines), *options)
    assert ran.exit_code == 2
    assert words in ran.said
    with tenant_scope(tenant.pk):
        for model in (Lead, CustomField, ImportRun):
            assert model.objects.count() == 0


def test_a_missing_file_and_an_unknown_tenant_end_with_2(tmp_path: Path, other_tenant: Tenant) -> None:
    assert import_leads(tmp_path / "nowhere.csv").exit_code == 2
    assert import_leads(write_csv(tmp_path, *PEOPLE), "--tenant", "nobody").exit_code == 2


def test_an_option_settles_dates_for_one_column_or_for_all(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path, "external_id,created_at,visit", "a,03/04/2018,05/06/2018", "b,2/4/18,07/08/2018"
    )
    ran = import_leads(path, "--create-fields", "--date-format", "dmy", "--date-format", "visit=mdy")
    assert ran.counts == (2, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        assert [lead.created_at.date().isoformat() for lead in Lead.objects.order_by("external_id")] == [
            "2018-04-03",
            "2018-04-02",
        ]
        visits = CustomValue.objects.order_by("lead__external_id").values_list("date_value", flat=True)
        assert [each.isoformat() for each in visits] == ["2018-05-06", "2018-07-08"]


def test_a_format_for_all_leaves_columns_alone_that_can_only_be_read_otherwise(
    tmp_path: Path, tenant: Tenant
) -> None:
    path = write_csv(tmp_path, "external_id,created_at,visit", "a,03/04/2018,2018-06-05")
    assert import_leads(path, "--create-fields", "--date-format", "dmy").counts == (1, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        assert CustomValue.objects.get().date_value.isoformat() == "2018-06-05"


def test_created_fields_get_the_type_of_all_their_values(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        "external_id,Nº de Plantas,Área (m²),Visita,Observação,CEP",
        'a,3,"1.234,5",31/01/2018,ok,01310',
        'b,,"0,25",,"Select",01311',
        "c,12,7,2/2/2018,,",
    )
    ran = import_leads(path, "--create-fields", "--blank", "Select")
    assert (ran.counts, ran.answer["columns_unmapped"]) == ((3, 0, 0, 0, 0), [])
    with tenant_scope(tenant.pk):
        assert sorted(CustomField.objects.values_list("name", "type", "label")) == [
            ("area_m2", "decimal", "Área (m²)"),
            ("cep", "text", "CEP"),
            ("no_de_plantas", "integer", "Nº de Plantas"),
            ("observacao", "text", "Observação"),
            ("visita", "date", "Visita"),
        ]
        areas = CustomValue.objects.filter(field__name="area_m2").order_by("lead__external_id")
        assert [value.decimal_value for value in areas] == [1_234_500_000, 250_000, 7_000_000]
        assert CustomValue.objects.filter(field__name="observacao").count() == 1
    assert import_leads(path, "--create-fields", "--blank", "Select").counts == (0, 0, 3, 0, 0)


def test_values_are_replaced_and_blanks_say_nothing(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(tmp_path, "external_id,País: hoje,city", "a,Brasil,-", "b,n/a,n/a", "c,EUA,Recife")
    options = ["--map", "País: hoje=country", "--value", "País: hoje:EUA=US"]
    ran = import_leads(path, *options, "--blank", "n/a", "--blank", "city=-")
    assert ran.counts == (3, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        assert list(Lead.objects.order_by("external_id").values_list("country", "city")) == [
            ("BR", None),
            (None, None),
            ("US", "Recife"),
        ]


def test_a_retired_custom_field_is_not_made_anew(tmp_path: Path, tenant: Tenant, now: datetime) -> None:
    with tenant_scope(tenant.pk):
        CustomField.objects.create(name="plants", label="Plants", type="integer", retired_at=now)
    ran = import_leads(write_csv(tmp_path, "external_id,Plants", "a,3"), "--create-fields")
    assert ran.exit_code == 2
    assert "custom.plants is retired" in ran.said


# People, stages, history -------------------------------------------------------------------------------------------


def test_owners_are_members_by_login_or_name_and_others_are_kept_by_their_text(
    tmp_path: Path, tenant: Tenant
) -> None:
    with tenant_scope(tenant.pk):
        bruno, carla = make_member(name="Bruno"), make_member(name="Carla", role="sales")
        make_member(name="Dora")
        make_member(name="dora")
    path = write_csv(
        tmp_path,
        "external_id,owner_sdr,owner_sales",
        f"a,{bruno.email.upper()},CARLA",
        "b,Zé das Vendas,Zé das Vendas",
        "c,Dora,",
    )
    assert import_leads(path).counts == (3, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        states = {state.lead.external_id: state for state in LeadState.objects.select_related("lead")}
        assert (states["a"].owner_sdr_id, states["a"].owner_sales_id) == (bruno.pk, carla.pk)
        assert sorted(KeptPerson.objects.values_list("text", flat=True)) == ["Dora", "Zé das Vendas"]
        assert states["b"].kept_sdr_id == states["b"].kept_sales_id is not None
        assert states["c"].owner_sdr_id is None
    assert import_leads(path).counts == (0, 0, 3, 0, 0)
    with tenant_scope(tenant.pk):
        make_member(name="Zé das Vendas")
    assert import_leads(path).counts == (0, 1, 2, 0, 0)
    with tenant_scope(tenant.pk):
        state = LeadState.objects.get(lead__external_id="b")
        assert (state.kept_sdr_id, state.owner_sdr is None) == (None, False)


def test_an_imported_stage_is_reached_at_a_time_nobody_knows(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        "external_id,stage,created_at",
        "a,working,2018-01-01",
        "b,NURTURE,",
        "c,disqualified,",
        "d,,",
    )
    assert import_leads(path).counts == (4, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        standing = LeadState.objects.order_by("lead__external_id").values_list("stage", "furthest_stage")
        assert list(standing) == [("working", 2), ("nurture", 0), ("disqualified", 0), ("new", 0)]
        assert StageChange.objects.count() == 0
    assert import_leads(path).counts == (0, 0, 4, 0, 0)
    assert import_leads(write_csv(tmp_path, "external_id,stage", "b,mql", "c,junk")).counts == (0, 1, 0, 0, 1)
    with tenant_scope(tenant.pk):
        state = LeadState.objects.get(lead__external_id="b")
        assert (state.stage, state.stage_act, state.furthest_stage) == ("mql", "import", 1)


def test_history_is_scored_and_graded_and_nothing_else_happens_to_it(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        "email,country,company_size,seniority,stage",
        "ana@empresa.com.br,BR,200,gerente,",
        "bia@empresa.com.br,BR,200,gerente,mql",
        "caio@empresa.com.br,BR,200,gerente,sql",
    )
    assert import_leads(path).counts == (3, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        states = list(LeadState.objects.select_related("lead__company").order_by("lead__email"))
        assert [state.stage for state in states] == ["new", "mql", "sql"]
        assert {state.grade for state in states} == {8}
        assert {state.live_since for state in states} == {None}
        assert {(state.owner_sdr_id, state.owner_sales_id) for state in states} == {(None, None)}
        assert {state.lead.company.domain for state in states} == {"empresa.com.br"}
        assert Decision.objects.filter(kind=DecisionKind.GRADE).count() == 3
        assert Clock.objects.count() == 0
        assert Handover.objects.count() == 0


def test_live_rows_enter_as_if_captured_now(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path, "email,stage", "ana@empresa.com.br,", "bia@empresa.com.br,mql", "caio@empresa.com.br,sql"
    )
    assert import_leads(path, "--live").counts == (3, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        states = list(LeadState.objects.order_by("lead__email"))
        assert all(state.live_since is not None for state in states)
        assert [state.owner_sdr_id is not None for state in states] == [False, True, False]
        assert sorted(Clock.objects.values_list("kind", "lead__email")) == [
            ("answer_sql", "caio@empresa.com.br"),
            ("first_contact", "bia@empresa.com.br"),
        ]


def test_a_lead_that_a_file_moves_out_of_sales_leaves_no_open_offer(
    tmp_path: Path, tenant: Tenant, now: datetime
) -> None:
    with tenant_scope(tenant.pk):
        lead = make_lead(stage="sql", external_id="a")
        Handover.objects.create(lead=lead, offered_at=now)
    assert import_leads(write_csv(tmp_path, "external_id,stage", "a,nurture")).counts == (0, 1, 0, 0, 0)
    with tenant_scope(tenant.pk):
        assert Handover.objects.get().answer == "withdrawn"
        assert LeadState.objects.get().stage == "nurture"


# Merging -----------------------------------------------------------------------------------------------------------


def test_a_blank_never_erases_and_a_value_replaces(tmp_path: Path, tenant: Tenant) -> None:
    import_leads(write_csv(tmp_path, "external_id,city,tags,created_at", "a,Natal,feira;vip,2018-02-01"))
    second = write_csv(tmp_path, "external_id,city,tags,created_at", "a,,novo,2018-01-01")
    assert import_leads(second).counts == (0, 1, 0, 0, 0)
    with tenant_scope(tenant.pk):
        lead = Lead.objects.get()
        assert (lead.city, lead.created_at) == ("Natal", datetime(2018, 1, 1, 2, 0, tzinfo=UTC))
        assert sorted(LeadTag.objects.values_list("tag", flat=True)) == ["feira", "novo", "vip"]


def test_another_source_is_kept_as_a_touch_once(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(tmp_path, "external_id,origin,created_at", "a,webinar,2018-01-01", "a,feira,2018-03-01")
    assert import_leads(path).counts == (1, 0, 0, 1, 0)
    assert import_leads(path).counts == (0, 0, 1, 1, 0)
    with tenant_scope(tenant.pk):
        assert Lead.objects.get().origin == "webinar"
        assert [(touch.origin, touch.at) for touch in Touch.objects.all()] == [
            ("feira", datetime(2018, 3, 1, 3, 0, tzinfo=UTC))
        ]


def test_a_later_row_of_a_batch_that_renames_a_company_renames_it_for_new_leads_too(
    tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What fails at first would go through one by one.
    monkeypatch.setattr("leads.pipeline.run_bisected", lambda batch, run, _failed: run(batch))
    rows = ("a,a@acme.test,Acme", "b,b@acme.test,Acme", "c,c@x.test,Xis", "a,a@acme.test,Zenith")
    ran = import_leads(write_csv(tmp_path, "external_id,email,company", *rows))
    assert ran.counts == (3, 0, 0, 1, 0)
    with tenant_scope(tenant.pk):
        texts = LeadSearch.objects.order_by("lead__external_id").values_list("text", flat=True)
        assert list(texts) == [" a acme test a zenith", " b acme test b zenith", " c x test c xis"]


def test_an_identity_of_two_leads_is_refused_naming_both(tmp_path: Path, tenant: Tenant) -> None:
    import_leads(write_csv(tmp_path, "external_id,email", "a,ana@x.test", "b,bia@x.test"))
    ran = import_leads(
        write_csv(tmp_path, "external_id,email,city", "a,bia@x.test,Natal", "c,ana@x.test,Natal")
    )
    assert (ran.counts, ran.exit_code) == ((0, 0, 0, 0, 2), 1)
    with tenant_scope(tenant.pk):
        ids = list(Lead.objects.order_by("external_id").values_list("id", flat=True))
        messages = [row.errors[0]["message"] for row in ImportRefusal.objects.order_by("row_number")]
        assert all(str(lead_id) in messages[0] for lead_id in ids)
        assert "has this e-mail and the external id “a”" in messages[1]
        assert Lead.objects.filter(city="Natal").count() == 0


def test_consent_is_kept_with_the_file_it_came_from(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path, "external_id,consent", "a,marketing", "b,marketing:legitimate_interest;research"
    )
    assert import_leads(path).counts == (2, 0, 0, 0, 0)
    assert import_leads(path).counts == (0, 0, 2, 0, 0)
    with tenant_scope(tenant.pk):
        kept = Consent.objects.order_by("lead__external_id", "purpose").values_list(
            "purpose", "basis", "source"
        )
        assert list(kept) == [
            ("marketing", "consent", "import"),
            ("marketing", "legitimate_interest", "import"),
            ("research", "consent", "import"),
        ]
        assert {consent.proof["file"] for consent in Consent.objects.all()} == {"leads.csv"}


# Dry run, cut off --------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_the_same_and_writes_nothing(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        "external_id,email,plants,owner_sdr",
        "a,ana@x.test,3,Zé",
        "a,,4,",
        "b,nothing,1,",
        "c,ana@x.test,1,",
        "d,,,",
    )
    dry = import_leads(path, "--create-fields", "--dry-run")
    assert (dry.counts, dry.answer["refused_file"]) == ((2, 0, 0, 1, 2), None)
    assert "Refused row 4" in dry.said
    assert list(tmp_path.iterdir()) == [path]
    with tenant_scope(tenant.pk):
        for model in (Lead, CustomField, ImportRun, ImportRefusal, KeptPerson):
            assert model.objects.count() == 0
    assert import_leads(path, "--create-fields").counts == dry.counts


def test_rows_without_identity_are_made_each_time_a_finished_file_is_imported(
    tmp_path: Path, tenant: Tenant
) -> None:
    path = write_csv(tmp_path, "name,city", "Ana,Natal", "Bia,Recife")
    assert [import_leads(path).counts for _time in range(2)] == [(2, 0, 0, 0, 0)] * 2


def test_a_run_that_was_cut_off_makes_no_nameless_row_again(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(tmp_path, "name,external_id", "Ana,", "Bia,", "Caio,c")
    import_leads(path)
    with tenant_scope(tenant.pk):
        # As after a death behind the second row.
        ImportRun.objects.update(finished_at=None, row_number=3)
        Lead.objects.get(name="Caio").delete()
    assert import_leads(path).counts == (1, 0, 2, 0, 0)
    with tenant_scope(tenant.pk):
        assert sorted(Lead.objects.values_list("name", flat=True)) == ["Ana", "Bia", "Caio"]
    assert import_leads(path).counts == (2, 0, 1, 0, 0)
