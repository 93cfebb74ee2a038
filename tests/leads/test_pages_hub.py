"""The hub's pages as people use them: list, lead, queue, inbox, hosted forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

if TYPE_CHECKING:
    from tenancy.models import Membership, Tenant

SignIn = Callable[["Membership"], Client]


@pytest.fixture
def sign_in() -> SignIn:
    """A browser in which a member is signed in, in English."""

    def start(member: Membership) -> Client:
        client = Client(headers={"accept-language": "en"})
        assert member.user is not None
        client.force_login(member.user)
        return client

    return start


@pytest.fixture
def people(tenant: Tenant, other_tenant: Tenant) -> dict[str, Membership]:
    """One member of each role."""
    from tenancy.models import Role
    from tenancy.scope import tenant_scope
    from tests.builders import make_member

    with tenant_scope(tenant.pk):
        return {role.value: make_member(role=role) for role in Role}


def make_waiting(tenant: Tenant, *, owner: Membership, stage: str = "mql", count: int = 1) -> list[int]:
    """Leads in a stage that an SDR owns, live since now."""
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    now = timezone.now()
    with tenant_scope(tenant.pk):
        return [
            make_lead(stage=stage, stage_at=now - timedelta(hours=1), standing={"owner_sdr": owner}).pk
            for _number in range(count)
        ]


def stage_of(tenant: Tenant, lead_id: int) -> str:
    from leads.models import LeadState
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        return str(LeadState.objects.get(pk=lead_id).stage)


def test_an_sdr_calls_assesses_and_hands_over_in_the_queue(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    [lead_id] = make_waiting(tenant, owner=people["sdr"])
    browser = sign_in(people["sdr"])
    base = f"/t/{tenant.slug}/leads/{lead_id}"
    page = browser.get(f"/t/{tenant.slug}/queue/").content.decode()
    assert "Missing for handover: Budget, Authority, Need, Timeline" in page

    called = browser.post(
        f"{base}/acts/attempt/", {"outcome": "reached", "channel": "call"}, headers={"HX-Request": "true"}
    )
    assert called.status_code == 204
    assert json.loads(called["HX-Location"])["path"] == f"{base}/"
    assert stage_of(tenant, lead_id) == "working"

    for question in ("budget", "authority", "need", "timeline"):
        answered = browser.post(
            f"{base}/assessment/",
            {"framework": "bant", "question": question, "met": "yes"},
            headers={"HX-Request": "true"},
        )
        assert answered.status_code == 200
    assert "Missing for handover" not in answered.content.decode()
    assert browser.post(f"{base}/acts/hand-over/").status_code == 302
    assert stage_of(tenant, lead_id) == "sql"
    again = browser.post(f"{base}/acts/hand-over/", headers={"HX-Request": "true"})
    assert again.status_code == 403


def test_an_attempt_sent_twice_is_logged_once(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import ContactAttempt
    from tenancy.scope import tenant_scope

    [lead_id] = make_waiting(tenant, owner=people["sdr"])
    browser = sign_in(people["sdr"])
    for _time in range(2):
        browser.post(
            f"/t/{tenant.slug}/leads/{lead_id}/acts/attempt/", {"outcome": "no_answer", "channel": "call"}
        )
    with tenant_scope(tenant.pk):
        assert ContactAttempt.objects.filter(lead=lead_id).count() == 1


def test_a_handover_with_open_questions_names_them_and_moves_nothing(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    [lead_id] = make_waiting(tenant, owner=people["sdr"], stage="working")
    answer = sign_in(people["sdr"]).post(
        f"/t/{tenant.slug}/leads/{lead_id}/acts/hand-over/", {"override_reason": ""}
    )
    assert answer.status_code == 422
    assert stage_of(tenant, lead_id) == "working"


def test_the_queue_says_304_until_something_changes(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    make_waiting(tenant, owner=people["sdr"])
    browser = sign_in(people["sdr"])
    asks = {"HX-Request": "true", "HX-Target": "desk-list"}
    first = browser.get(f"/t/{tenant.slug}/queue/", headers=asks)
    same = browser.get(f"/t/{tenant.slug}/queue/", headers=asks | {"If-None-Match": first["ETag"]})
    assert (same.status_code, same["HX-Reswap"]) == (304, "none")
    make_waiting(tenant, owner=people["sdr"])
    changed = browser.get(f"/t/{tenant.slug}/queue/", headers=asks | {"If-None-Match": first["ETag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["leads/", "queue/", ""])
def test_pages_ask_as_often_for_fifty_leads_as_for_ten(
    path: str, tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    browser = sign_in(people["sdr"])
    url = f"/t/{tenant.slug}/{path}"
    make_waiting(tenant, owner=people["sdr"], count=10)
    browser.get(url)
    with CaptureQueriesContext(connection) as few:
        assert browser.get(url).status_code == 200
    make_waiting(tenant, owner=people["sdr"], count=40)
    with CaptureQueriesContext(connection) as many:
        browser.get(url)
    assert len(many) == len(few)


def test_another_tenants_lead_looks_absent(
    tenant: Tenant, other_tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(other_tenant.pk):
        foreign = make_lead().pk
    browser = sign_in(people["admin"])
    for path in ("", "why/owner/", "edit/", "acts/nurture/"):
        assert browser.get(f"/t/{tenant.slug}/leads/{foreign}/{path}").status_code == 404


def test_the_list_shows_a_wrong_filter_in_words_and_a_right_one_as_a_chip(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    make_waiting(tenant, owner=people["sdr"])
    browser = sign_in(people["viewer"])
    good = json.dumps({"fact": "score", "op": "gte", "value": 0})
    page = browser.get(f"/t/{tenant.slug}/leads/", {"filter": good}).content.decode()
    assert "list-chip" in page
    wrong = browser.get(f"/t/{tenant.slug}/leads/", {"filter": "{", "stage": "nowhere"})
    assert wrong.status_code == 200
    assert "There is no stage" in wrong.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_lead_entered_twice_is_known_the_second_time(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import Lead
    from tenancy.scope import tenant_scope

    browser = sign_in(people["sdr"])
    typed = {"first_name": "Rita", "email": "rita@moinho.test", "company": "Moinho Sul"}
    first = browser.post(f"/t/{tenant.slug}/leads/new/", typed | {"sending": "a"}, follow=True)
    assert "The lead is captured." in first.content.decode()
    replayed = browser.post(f"/t/{tenant.slug}/leads/new/", typed | {"sending": "a"})
    assert replayed.status_code == 302
    second = browser.post(
        f"/t/{tenant.slug}/leads/new/", typed | {"sending": "b", "phone": "+5511988887777"}, follow=True
    )
    assert "This lead was known already" in second.content.decode()
    with tenant_scope(tenant.pk):
        assert Lead.objects.filter(email="rita@moinho.test").count() == 1
    empty = browser.post(f"/t/{tenant.slug}/leads/new/", {"company": "Só a empresa"})
    assert empty.status_code == 422
    assert "Só a empresa" in empty.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_hosted_form_keeps_what_was_sent_and_the_proof_of_consent(tenant: Tenant) -> None:
    from core.due import sweep
    from leads.models import CaptureForm, Consent, LeadState, Submission
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        form = CaptureForm.objects.get(key="contact")
    stranger = Client(headers={"accept-language": "en", "user-agent": "Firefox"})
    address = f"/f/{form.public_id}/"
    assert "Talk to us" in stranger.get(address).content.decode()
    typed: dict[str, Any] = {
        "first_name": "Rita",
        "email": "rita@x",
        "phone": "+55 11 98888-7777",
        "sending": "s1",
    }
    wrong = stranger.post(address, typed)
    assert wrong.status_code == 422
    assert 'value="Rita"' in wrong.content.decode()
    typed |= {"email": "rita@moinho.com.br", "consent.marketing": "on", "origin": "paid_search"}
    for _time in range(2):
        assert stranger.post(address, typed).status_code == 302
    assert stranger.post(address, typed | {"sending": "s2", "website": "http://spam"}).status_code == 302
    with tenant_scope(tenant.pk):
        assert Submission.objects.filter(source="form", is_spam=False).count() == 1
    sweep(now=timezone.now() + timedelta(seconds=1))
    with tenant_scope(tenant.pk):
        [submission] = Submission.objects.filter(source="form", is_spam=False)
        assert (submission.state, submission.error) == ("processed", "")
        assert LeadState.objects.get(pk=submission.lead_id).stage == "mql"
        consent = Consent.objects.get(lead=submission.lead_id)
        assert (consent.purpose, consent.proof["browser"], consent.proof["address"]) == (
            "marketing",
            "Firefox",
            "127.0.0.1",
        )
        assert consent.text.startswith("I agree")


def test_an_unknown_or_closed_form_is_not_there(tenant: Tenant) -> None:
    from leads.models import CaptureForm
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        form = CaptureForm.objects.get(key="newsletter")
        CaptureForm.objects.filter(pk=form.pk).update(is_open=False)
    stranger = Client()
    assert stranger.get(f"/f/{form.public_id}/").status_code == 404
    assert stranger.get("/f/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_an_edit_takes_away_what_was_emptied_and_refuses_an_e_mail_of_another_lead(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import Lead
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        lead = make_lead(phone="+5511988887777", job_title="Diretora")
        other = make_lead()
    browser = sign_in(people["sdr"])
    url = f"/t/{tenant.slug}/leads/{lead.pk}/edit/"
    assert (
        browser.post(url, {"first_name": "Ana", "email": lead.email, "job_title": "CEO"}).status_code == 302
    )
    with tenant_scope(tenant.pk):
        changed = Lead.objects.get(pk=lead.pk)
        assert (changed.phone, changed.job_title, changed.email) == (None, "CEO", lead.email)
    taken = browser.post(url, {"first_name": "Ana", "email": other.email})
    assert taken.status_code == 422
    assert f"Lead {other.pk} has it." in taken.content.decode()


def test_a_rep_accepts_and_wins_in_the_inbox(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import Opportunity
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        lead = make_lead(stage="sql", standing={"owner_sales": people["sales"]})
    browser = sign_in(people["sales"])
    assert str(lead) in browser.get(f"/t/{tenant.slug}/inbox/").content.decode()
    base = f"/t/{tenant.slug}/leads/{lead.pk}/acts"
    assert browser.post(f"{base}/reject/", {}).status_code == 422
    assert browser.post(f"{base}/accept/").status_code == 302
    assert "My open opportunities" in browser.get(f"/t/{tenant.slug}/inbox/").content.decode()
    assert browser.post(f"{base}/win/", {"amount": "12.500,50", "currency": "BRL"}).status_code == 302
    with tenant_scope(tenant.pk):
        assert Opportunity.objects.get(lead=lead).amount_minor == 1250050
    assert "12,500.50" in browser.get(f"/t/{tenant.slug}/opportunities/?outcome=won").content.decode()


def test_opportunities_are_searched_and_sorted_with_what_is_missing_last(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import Opportunity
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        for name, amount in (("Ana", 500), ("Bia", None), ("Caio", 900)):
            lead = make_lead(first_name=name, name=f"{name} Reis", name_key=f"{name} Reis".lower())
            Opportunity.objects.create(lead=lead, outcome="won", amount_minor=amount, currency="BRL")
    browser = sign_in(people["viewer"])

    def names(**address: str) -> list[str]:
        page = browser.get(f"/t/{tenant.slug}/opportunities/", {"outcome": "won", **address})
        assert page.status_code == 200
        return [row.deal.lead.first_name for row in page.context["listing"].rows]

    assert names(order="amount") == ["Ana", "Caio", "Bia"]
    assert names(order="-amount") == ["Caio", "Ana", "Bia"]
    assert names(order="lead") == ["Ana", "Bia", "Caio"]
    assert names(q="cai") == ["Caio"]
    assert names(q="nobody") == []
    assert names(order="sideways") == ["Caio", "Bia", "Ana"]


def test_pages_of_sorted_opportunities_follow_one_another(tenant: Tenant) -> None:
    from leads import opportunities
    from leads.models import Opportunity, OpportunityOutcome
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        for number in range(opportunities.PAGE_SIZE + 5):
            closed_at = timezone.now() - timedelta(days=number) if number % 3 else None
            Opportunity.objects.create(lead=make_lead(), outcome="won", closed_at=closed_at)
        seen: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            query = opportunities.OpportunityQuery(outcome=OpportunityOutcome.WON, order="-closed_at")
            found = opportunities.list_opportunities(query=query, now=timezone.now(), cursor=cursor)
            seen += [row.closed_at for row in found.rows]
            cursor = found.next_cursor
    known = [at for at in seen if at]
    assert len(seen) == opportunities.PAGE_SIZE + 5
    assert known == sorted(known, reverse=True)
    assert seen[len(known) :] == [None] * (len(seen) - len(known))


def test_a_claim_is_given_back_and_an_assignment_undone(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import LeadState
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    def undo_of(answer: Any) -> dict[str, Any]:
        return dict(json.loads(answer["HX-Trigger"])["toast"])

    def owner() -> object:
        with tenant_scope(tenant.pk):
            return LeadState.objects.get(lead=lead).owner_sdr

    with tenant_scope(tenant.pk):
        lead = make_lead(stage="mql")
    url = f"/t/{tenant.slug}/leads/{lead.pk}/acts"
    htmx = {"HX-Request": "true"}
    sdr, manager = sign_in(people["sdr"]), sign_in(people["manager"])
    toast = undo_of(sdr.post(f"{url}/claim/", headers=htmx))
    assert owner() == people["sdr"]
    assert sdr.post(toast["undo_url"], toast["undo_values"], headers=htmx).status_code == 204
    assert owner() is None
    assert sdr.post(f"{url}/release/", headers=htmx).status_code == 409
    assert "given back: free again" in sdr.get(f"/t/{tenant.slug}/leads/{lead.pk}/").content.decode()

    given = manager.post(f"{url}/assign/", {"user": people["sdr"].pk}, headers=htmx)
    assert "undo_url" not in undo_of(given)
    toast = undo_of(manager.post(f"{url}/assign/", {"user": people["admin"].pk}, headers=htmx))
    assert owner() == people["admin"]
    assert manager.post(toast["undo_url"], toast["undo_values"], headers=htmx).status_code == 204
    assert owner() == people["sdr"]


def test_an_act_on_a_claimed_lead_keeps_it(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        lead = make_lead(stage="mql")
    url = f"/t/{tenant.slug}/leads/{lead.pk}/acts"
    sdr = sign_in(people["sdr"])
    sdr.post(f"{url}/claim/")
    sdr.post(f"{url}/attempt/", {"channel": "call", "outcome": "reached"})
    assert sdr.post(f"{url}/release/").status_code == 422


def test_replaced_tags_come_back(tenant: Tenant, people: dict[str, Membership], sign_in: SignIn) -> None:
    from leads.cards import list_tags
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        lead = make_lead()
    url = f"/t/{tenant.slug}/leads/{lead.pk}/tags/"
    browser = sign_in(people["marketing"])
    htmx = {"HX-Request": "true"}
    browser.post(url, {"tags": "feira, erp"}, headers=htmx)
    answer = browser.post(url, {"tags": "erp"}, headers=htmx)
    toast = json.loads(answer["HX-Trigger"])["toast"]
    browser.post(toast["undo_url"], toast["undo_values"], headers=htmx)
    with tenant_scope(tenant.pk):
        assert list_tags(lead_id=lead.pk) == ["erp", "feira"]
    same = browser.post(url, {"tags": "erp, feira"}, headers=htmx)
    assert "undo_url" not in json.loads(same["HX-Trigger"])["toast"]


def test_home_counts_broken_clocks_and_opens_just_these_leads(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from routing.models import Clock, ClockKind
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    now = timezone.now()
    kinds = {
        ClockKind.BACK_TO_NURTURE: "nurture",
        ClockKind.FIRST_CONTACT: "mql",
        ClockKind.ANSWER_SQL: "sql",
    }
    with tenant_scope(tenant.pk):
        from leads.models import RuleKind, RuleVersion

        version = RuleVersion.objects.get(kind=RuleKind.CLOCKS)
        leads = {}
        for kind, stage in kinds.items():
            lead = leads[kind] = make_lead(stage=stage, name=f"Late {stage}")
            is_broken = kind is not ClockKind.ANSWER_SQL
            due_at = now + timedelta(hours=-1 if is_broken else 1)
            Clock.objects.create(
                lead=lead,
                kind=kind,
                state="broken" if is_broken else "running",
                entered_at=now - timedelta(hours=5),
                started_at=now - timedelta(hours=5),
                due_at=due_at,
                broken_at=due_at if is_broken else None,
                version=version,
            )
    browser = sign_in(people["manager"])
    home = browser.get(f"/t/{tenant.slug}/")
    assert home.context["heading"].startswith("2 clocks are broken")
    need = next(each for each in home.context["needs"] if each.label == "Clocks broken")
    assert need.value == "2"
    listed = {row.lead.id for row in browser.get(need.url).context["listing"].rows}
    assert listed == {leads[ClockKind.BACK_TO_NURTURE].pk, leads[ClockKind.FIRST_CONTACT].pk}
    assert {row.id for row, _face in home.context["late"].rows} == listed
    assert "open clock is Broken" in browser.get(need.url).content.decode()


def test_the_lead_form_offers_seniority_in_words_and_keeps_the_first_origin(
    tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from leads.models import Lead, Origin
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        Origin.objects.create(key="partner_events", label="Partner events")
        lead = make_lead(seniority="c_level", origin="partner_events", first_name="Ana")
    browser = sign_in(people["admin"])
    url = f"/t/{tenant.slug}/leads/{lead.pk}/edit/"
    page = browser.get(url).content.decode()
    assert '<option value="c_level" selected>C-level</option>' in page
    assert "Partner events" in page
    changed = {"first_name": "Ana", "email": lead.email or "", "seniority": "director", "origin": "Social"}
    assert browser.post(url, changed).status_code == 302
    with tenant_scope(tenant.pk):
        kept = Lead.objects.get(pk=lead.pk)
        assert (kept.seniority, kept.origin) == ("director", "partner_events")


def test_the_palette_finds_leads_pages_and_acts_that_one_may_open(
    tenant: Tenant, other_tenant: Tenant, people: dict[str, Membership], sign_in: SignIn
) -> None:
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    with tenant_scope(tenant.pk):
        lead = make_lead(name="Noêmia Reis", name_key="noemia reis")
    with tenant_scope(other_tenant.pk):
        make_lead(name="Noêmia Alves", name_key="noemia alves")
    url = f"/t/{tenant.slug}/palette/"

    def found(role: str, text: str) -> list[str]:
        groups = sign_in(people[role]).get(url, {"q": text}).context["groups"]
        return [str(entry.label) for _label, entries in groups for entry in entries]

    assert found("sdr", "noêm") == ["Noêmia Reis"]
    assert found("admin", "TEAM") == ["New team"]
    assert found("sdr", "team") == []
    assert found("sdr", "new lead") == ["New lead"]
    assert found("viewer", "new lead") == []
    assert found("sdr", "") == [
        "Home",
        "Queue",
        "My tasks",
        "Leads",
        "Companies",
        "Opportunities",
        "Funnel",
        "Rules",
        "New lead",
    ]
    page = sign_in(people["sdr"]).get(url, {"q": "noêm"}).content.decode()
    assert f"/t/{tenant.slug}/leads/{lead.pk}/" in page
    assert "Nothing is called “zzz”." in sign_in(people["sdr"]).get(url, {"q": "zzz"}).content.decode()
