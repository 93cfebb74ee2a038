"""Files of deals with their ids and of past events: put on leads, known again, taken in as history."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client

from core.models import WebhookDelivery
from leads.capture.assignment import InvalidAssignment, offer_assignment
from leads.capture.import_steps import advance_import, detected_of, subject_of
from leads.capture.page_imports import start_import
from leads.conditions.language import parse_condition
from leads.listing import LeadListQuery, list_leads
from leads.models import (
    Event,
    ImportRun,
    Lead,
    LeadState,
    Opportunity,
    StageChange,
)
from nurturing.models import Message
from routing.models import Clock
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.imports import import_events, import_leads, import_outcomes, write_csv
from tests.leads.sent_forms import FormFields
from tests.leads.uploads import assign, csv_bytes, upload


def at(day: int, month: int = 3) -> datetime:
    """Local midnight of a day of 2018, in summer time until the middle of February."""
    return datetime(2018, month, day, tzinfo=ZoneInfo("America/Sao_Paulo")).astimezone(UTC)


@pytest.fixture(autouse=True)
def _leads(tmp_path: Path, tenant: Tenant, other_tenant: Tenant) -> None:
    """Three leads of the tenant, as a file tells of them."""
    ran = import_leads(
        write_csv(
            tmp_path,
            "external_id,email,phone,created_at",
            "a,ana@x.test,+5511999990001,2018-01-01",
            "b,bia@x.test,+5511999990002,2018-01-01",
            "c,,+5511999990002,2018-01-01",
        )
    )
    assert ran.counts == (3, 0, 0, 0, 0)


DEALS = "deal_id,external_id,phone,outcome,opened_at,closed_at,amount,reason"


def test_a_deal_is_followed_by_its_id_from_open_to_won(tmp_path: Path, tenant: Tenant) -> None:
    first = write_csv(
        tmp_path,
        DEALS,
        'D-1,a,,open,2018-02-01,2018-04-30,"1,500.00",',
        "D-2,,+55 11 99999-0001,lost,2018-01-10,2018-01-20,,no_budget",
        "D-3,a,,open,2018-02-03,,,",
        "D-4,,+5511999990002,won,2018-02-03,2018-02-04,,",
        "D-5,zoe,,won,2018-02-03,2018-02-04,,",
        name="deals.csv",
    )
    ran = import_outcomes(first)
    assert ran.counts == (2, 0, 0, 0, 3)
    assert "The lead has another open deal, “D-1”" in ran.said
    assert "Several leads have this phone" in ran.said
    with tenant_scope(tenant.pk):
        ana = Lead.objects.get(external_id="a")
        state = LeadState.objects.get(lead=ana)
        assert (state.stage, state.stage_at, state.stage_act) == ("opportunity", at(1, 2), "import")
        deal = Opportunity.objects.get(deal_key="D-1")
        assert (deal.outcome, deal.opened_at, deal.closed_at, deal.amount_minor, deal.deal_id) == (
            *("open", at(1, 2), None, 150_000, "D-1"),
        )
        assert deal.expected_close_on == date(2018, 4, 30)
        moves = (
            StageChange.objects.filter(lead=ana).order_by("at").values_list("from_stage", "to_stage", "at")
        )
        assert list(moves) == [
            ("new", "opportunity", at(10, 1)),
            ("opportunity", "nurture", at(20, 1)),
            ("nurture", "opportunity", at(1, 2)),
        ]
        # A file tells what was: nothing follows of it.
        assert (Clock.objects.count(), Message.objects.count(), WebhookDelivery.objects.count()) == (0, 0, 0)
    assert import_outcomes(first).counts == (0, 0, 2, 0, 3)
    second = write_csv(tmp_path, DEALS, "D-1,a,,won,2018-02-01,2018-03-05,1800,", name="again.csv")
    assert import_outcomes(second).counts == (0, 1, 0, 0, 0)
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.filter(lead=ana).count() == 2
        won = Opportunity.objects.get(deal_key="D-1")
        assert (won.outcome, won.closed_at, won.amount_minor) == ("won", at(5), 180_000)
        change = StageChange.objects.get(lead=ana, to_stage="customer")
        assert (change.from_stage, change.at, change.seconds_in_from_stage) == (
            *("opportunity", at(5), int((at(5) - at(1, 2)).total_seconds())),
        )
        assert LeadState.objects.get(lead=ana).stage == "customer"


def test_an_open_deal_without_an_id_is_the_leads_open_one(tmp_path: Path, tenant: Tenant) -> None:
    header = "email,outcome,opened_at,closed_at,amount"
    rows = write_csv(tmp_path, header, "ana@x.test,open,2018-02-01,,10", name="deals.csv")
    assert import_outcomes(rows).counts == (1, 0, 0, 0, 0)
    assert import_outcomes(rows).counts == (0, 0, 1, 0, 0)
    closed = write_csv(tmp_path, header, "ana@x.test,won,2018-02-01,2018-02-09,12", name="closed.csv")
    assert import_outcomes(closed).counts == (0, 1, 0, 0, 0)
    with tenant_scope(tenant.pk):
        deal = Opportunity.objects.get()
        assert (deal.outcome, deal.opened_at, deal.closed_at, deal.amount_minor) == (
            *("won", at(1, 2), at(9, 2), 1200),
        )


def test_a_deal_that_was_opened_here_keeps_when_that_was(tmp_path: Path, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        rep = make_member(role="sales")
        lead = make_lead(
            external_id="d", stage="opportunity", stage_act="accept", standing={"owner_sales": rep}
        )
        Opportunity.objects.create(lead=lead, opened_at=NOW, sales_rep=rep)
        before = LeadState.objects.filter(lead=lead).values().get()
    ran = import_outcomes(write_csv(tmp_path, DEALS, "D-9,d,,open,2018-02-01,,900,", name="deals.csv"))
    assert ran.counts == (0, 1, 0, 0, 0)
    with tenant_scope(tenant.pk):
        deal = Opportunity.objects.get()
        assert (deal.deal_id, deal.opened_at, deal.amount_minor, deal.is_imported) == (
            "D-9",
            NOW,
            90_000,
            False,
        )
        assert LeadState.objects.filter(lead=lead).values().get() == before


def test_deals_of_people_who_are_not_known_make_leads_where_that_is_said(
    tmp_path: Path, tenant: Tenant
) -> None:
    path = write_csv(
        tmp_path,
        "deal_id,email,phone,lead_name,outcome,opened_at,closed_at",
        "N-1,zoe@x.test,,Zoé Lima,won,2018-02-01,2018-02-05",
        "N-2,zoe@x.test,,Zoé Lima,lost,2018-01-01,2018-01-05",
        "N-3,,+5511988887777,Yuri,open,2018-02-02,",
        "N-4,,,Nobody,open,2018-02-02,",
        name="deals.csv",
    )
    assert import_outcomes(path).counts == (0, 0, 0, 0, 4)
    assert import_outcomes(path, "--create-leads").counts == (3, 0, 0, 0, 1)
    assert import_outcomes(path, "--create-leads").counts == (0, 0, 3, 0, 1)
    with tenant_scope(tenant.pk):
        zoe = Lead.objects.get(email="zoe@x.test")
        assert (zoe.name, zoe.created_at, zoe.standing.stage, zoe.opportunities.count()) == (
            *("Zoé Lima", at(1, 1), "customer", 2),
        )
        assert Lead.objects.get(phone="+5511988887777").standing.stage == "opportunity"


EVENTS = "message_id,email,external_id,type,occurred_at,properties,Page,Minutes"


def test_past_events_are_put_on_leads_and_are_known_again(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        EVENTS,
        'm-1,ana@x.test,,Form Submitted,2018-02-01 10:00,"{""kind"": ""demo""}",/demo,',
        "m-2,,b,E-mail aberto,2018-02-02,,,3",
        ",ana@x.test,,page_viewed,2018-02-03,,/preço,12",
        ",ana@x.test,,page_viewed,2018-02-03,,/preço,12",
        "m-1,ana@x.test,,page_viewed,2018-02-05,,,",
        "m-9,zoe@x.test,,page_viewed,2018-02-05,,,",
        "m-10,ana@x.test,,page_viewed,2150-02-05,,,",
        "m-11,ana@x.test,,,2018-02-05,,,",
        "m-12,ana@x.test,,page_viewed,,,,",
        'm-13,ana@x.test,,page_viewed,2018-02-05,"[1]",,',
        name="events.csv",
    )
    options = ("--create-fields", "--value", "type:E-mail aberto=email_opened")
    ran = import_events(path, *options)
    assert ran.counts == (3, 0, 0, 2, 5)
    for words in (
        "No lead is known by “zoe@x.test”",
        "ahead",
        "Say what happened.",
        "Say when",
        "Give an object",
    ):
        assert words in ran.said
    with tenant_scope(tenant.pk):
        found = Event.objects.order_by("occurred_at").values_list("type", "lead__external_id", "properties")
        assert list(found) == [
            ("form_submitted", "a", {"kind": "demo", "page": "/demo"}),
            ("email_opened", "b", {"minutes": 3}),
            ("page_viewed", "a", {"page": "/preço", "minutes": 12}),
        ]
        state = LeadState.objects.get(lead__external_id="a")
        # Asked for a demo long ago: scored if still in its window, and nothing else.
        assert (state.stage, state.asked_for_contact_at, state.live_since, state.last_event_at) == (
            *("new", None, None, at(3, 2)),
        )
        assert (Clock.objects.count(), WebhookDelivery.objects.count(), StageChange.objects.count()) == (
            0,
            0,
            0,
        )
    assert import_events(path, *options).counts == (0, 0, 3, 2, 5)
    made = import_events(path, *options, "--create-leads")
    assert made.counts == (1, 0, 3, 2, 4)
    with tenant_scope(tenant.pk):
        zoe = Lead.objects.get(email="zoe@x.test")
        assert (zoe.created_at, zoe.standing.live_since, zoe.standing.stage_at) == (at(5, 2), None, at(5, 2))


def test_a_type_can_be_said_for_all_rows_and_live_events_count_as_now(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(tmp_path, "email,occurred_at,Kind", "ana@x.test,2018-02-01,demo", name="events.csv")
    assert import_events(path).counts == (0, 0, 0, 0, 1)
    ran = import_events(path, "--event-type", "form_submitted", "--map", "Kind=properties.kind", "--live")
    assert ran.counts == (1, 0, 0, 0, 0)
    with tenant_scope(tenant.pk):
        state = LeadState.objects.get(lead__external_id="a")
        assert (state.stage, state.live_since is not None) == ("mql", True)
        assert Clock.objects.filter(lead__external_id="a").exists()


def test_dates_in_a_row_of_a_lead_are_events(tmp_path: Path, tenant: Tenant) -> None:
    path = write_csv(
        tmp_path,
        "email,First form,Last form,Webinar",
        "ana@x.test,2018-02-01,2018-03-01,",
        "new@x.test,2018-02-01,,2018-02-20",
        "bia@x.test,2150-02-01,,",
    )
    options = (
        *("--map", "First form=event.form_submitted", "--map", "Last form=event.form_submitted.2"),
        *("--map", "Webinar=event.webinar_attended"),
    )
    assert import_leads(path, *options).counts == (1, 1, 0, 0, 1)
    assert import_leads(path, *options).counts == (0, 0, 2, 0, 1)
    with tenant_scope(tenant.pk):
        told = Event.objects.order_by("lead__email", "occurred_at").values_list(
            "lead__email", "type", "occurred_at"
        )
        assert list(told) == [
            ("ana@x.test", "form_submitted", at(1, 2)),
            ("ana@x.test", "form_submitted", at(1)),
            ("new@x.test", "form_submitted", at(1, 2)),
            ("new@x.test", "webinar_attended", at(20, 2)),
        ]
        assert not LeadState.objects.filter(live_since__isnull=False).exists()


# By the pages ------------------------------------------------------------------------------------------------------

PIPEDRIVE = (
    "Negócio - ID;Pessoa - E-mail;Negócio - Status;Negócio - Valor;Negócio - Moeda;Negócio - Negócio criado em;"
    "Negócio - Horário de ganho;Negócio - Motivo da perda;Negócio - Proprietário",
    "71;ana@x.test;Ganho;1.500,00;BRL;20/01/2018;25/02/2018;;Caio",
    "72;bia@x.test;Em andamento;99,00;BRL;21/01/2018;;;Caio",
    "73;nova@x.test;Perdido;99,00;BRL;21/01/2018;;Sem orçamento;Caio",
)


@pytest.mark.parametrize(
    ("lines", "subject", "targets"),
    [
        (
            PIPEDRIVE,
            "outcomes",
            "deal_id email outcome amount currency opened_at won_at reason sales_rep",
        ),
        (
            (
                "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Associated Contact IDs,Closed Lost Reason",
                "9001,ERP,closedwon,2018-03-01,Caio,10,a,",
                "9002,MES,appointmentscheduled,2018-04-01,Caio,10,b,",
            ),
            "outcomes",
            "deal_id  outcome closed_at sales_rep amount external_id reason",
        ),
        (
            (
                "Opportunity ID,Opportunity Name,Stage,Amount,Close Date,Created Date,Opportunity Owner,Contact: Email",
                "006A,ERP,Closed Won,10,2018-03-01,2018-01-05,Caio,ana@x.test",
            ),
            "outcomes",
            "deal_id  outcome amount closed_at opened_at sales_rep email",
        ),
        (
            (
                "Email;Tipo de evento;Data do evento;Identificador da conversão;Página",
                "ana@x.test;Conversão;01/02/2018 10:30;demo;/x",
                "bia@x.test;Abertura;13/02/2018 10:30;news;/y",
            ),
            "events",
            "email type occurred_at property property",
        ),
        (
            (
                "Nome;E-mail;Telefone;Estágio;Data da primeira conversão;Data da última conversão;Estado;Valor",
                "Ana;ana@x.test;11999990001;Lead;13/02/2018;14/02/2018;SP;3",
            ),
            "leads",
            "name email phone stage event.form_submitted event.form_submitted state ",
        ),
    ],
)
def test_what_a_file_tells_of_and_its_columns_are_found_out(
    in_tenant: Tenant, lines: tuple[str, ...], subject: str, targets: str
) -> None:
    run = upload(csv_bytes(*lines), by=make_member(role="marketing"), subject="")
    detected = detected_of(run)
    said = offer_assignment(
        detected=detected,
        fields=subject_of(run, in_tenant).fields,
        custom={},
        remembered=None,
        subject=run.subject,
    )
    assert (run.subject, [use.target for use in said.uses]) == (subject, targets.split(" "))


def test_a_file_of_deals_by_the_pages(client: Client, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        member = make_member(role="marketing")
    assert member.user is not None
    client.force_login(member.user)
    file = SimpleUploadedFile("negocios.csv", csv_bytes(*PIPEDRIVE))
    place = client.post("/t/horizonte/imports/new/", {"file": file, "subject": ""})["Location"]
    page = client.get(place).content.decode()
    assert '<option value="outcomes" selected>' in page
    assert 'name="unknown"' in page
    client.post(f"{place}subject/", {"subject": "leads"})
    assert 'name="unknown"' not in client.get(place).content.decode()
    client.post(f"{place}subject/", {"subject": "outcomes"})
    sent = dict(FormFields(client.get(place).content.decode(), form_id="columns-form").fields, unknown="make")
    assert client.post(f"{place}columns/", sent).status_code == 302
    tried = client.get(place).content.decode()
    assert "71, ana@x.test" in tried
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.count() == 0
    client.post(f"{place}start/")
    with tenant_scope(tenant.pk):
        run = ImportRun.objects.get(made_by=member)
        advance_import(import_id=run.pk, now=NOW)
        run.refresh_from_db()
        assert (run.state, run.counts["new"], run.counts["refused"]) == ("done", 3, 0)
        deals = Opportunity.objects.order_by("deal_key").values_list(
            "deal_key", "outcome", "amount_minor", "reason"
        )
        assert list(deals) == [
            ("71", "won", 150_000, ""),
            ("72", "open", 9_900, ""),
            ("73", "lost", 9_900, "Sem orçamento"),
        ]
        ana = Lead.objects.get(email="ana@x.test")
        condition = parse_condition({"fact": "imports", "op": "has_any", "value": [str(run.pk)]})
        assert len(list_leads(query=LeadListQuery(condition=condition), now=NOW).lead_ids) == 3
    shown = client.get(f"/t/horizonte/leads/{ana.pk}/").content.decode()
    assert "1.500,00" in shown or "1,500.00" in shown
    assert ">71<" in shown
    assert ">72<" in client.get("/t/horizonte/opportunities/").content.decode()
    assert ">73<" in client.get("/t/horizonte/opportunities/board/?period=").content.decode()


def test_events_by_the_pages_go_on_after_a_worker_died(in_tenant: Tenant) -> None:
    member = make_member(role="marketing")
    rows = [
        f"ana@x.test,page_viewed,2018-02-01 {hour:02}:{minute:02}"
        for hour in range(20)
        for minute in range(60)
    ]
    run = upload(csv_bytes("email,event type,date", *rows, rows[0]), by=member, subject="")
    assert run.subject == "events"
    run = assign(run, email="email", event_type="type", date="occurred_at")
    start_import(run=run, by=member, now=NOW)
    advance_import(import_id=run.pk, now=NOW)
    with transaction.atomic():
        advance_import(import_id=run.pk, now=NOW)
        transaction.set_rollback(True)
    assert Event.objects.count() == 1_000
    while advance_import(import_id=run.pk, now=NOW):
        pass
    run.refresh_from_db()
    assert (run.state, run.counts["new"], run.counts["duplicate"]) == ("done", 1_200, 1)
    assert Event.objects.count() == 1_200
    ana = Lead.objects.get(email="ana@x.test").pk
    condition = parse_condition({"fact": "imports", "op": "has_any", "value": [str(run.pk)]})
    assert list_leads(query=LeadListQuery(condition=condition), now=NOW).lead_ids == [ana]


def test_what_nobody_can_mean_of_events_is_said(in_tenant: Tenant) -> None:
    run = upload(csv_bytes("email,what", "ana@x.test,x"), by=make_member(role="marketing"), subject="events")
    with pytest.raises(InvalidAssignment) as refused:
        assign(run, email="email", what="property")
    assert [each.code for each in refused.value.errors] == ["no_time", "required"]
