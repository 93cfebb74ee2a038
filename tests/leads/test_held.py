"""Held leads and submissions as their lists show them: pages, search, one act on one of them, on some or on all."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.due import sweep_tenant
from core.models import DueRow
from leads.models import HeldLead, Lead, LeadState, Submission, SubmissionState
from leads.pipeline import pipeline_steps
from leads.search import refresh_search
from tenancy.audit import sentence_of
from tenancy.models import AuditEntry, Membership, Role, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.leads.pipeline_steps import poison

REASON = {"code": "captured", "is_history": False, "actor_id": None}
HTMX = {"HX-Request": "true", "HX-Target": "held-rows"}


@pytest.fixture
def digests(settings: Any) -> Iterator[None]:
    """A pipeline of one step, which holds those called poison."""
    settings.LEAD_PIPELINE = ["tests.leads.pipeline_steps.poison"]
    pipeline_steps.cache_clear()
    poison.is_on, poison.calls = True, 0
    yield
    pipeline_steps.cache_clear()


def sign_in(tenant: Tenant, *roles: Role) -> Client:
    """A browser of a new member of these roles, in English."""
    with tenant_scope(tenant.pk):
        member: Membership = make_member(role=roles[0])
    assert member.user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(member.user)
    return client


def hold(*, number: int, error: str = "ValueError: boom", email: str = "") -> HeldLead:
    """A lead that was held ``number`` minutes ago."""
    lead = make_lead(email=email or f"held{number}@x.test", name=f"Held {number}")
    at = NOW - timedelta(minutes=number)
    held: HeldLead = HeldLead.objects.create(
        lead=lead, step="score", reason=REASON, error=error, attempts=3, first_failed_at=at, held_at=at
    )
    return held


def send(*, email: str) -> Submission:
    """A submission whose processing failed three times."""
    held: Submission = Submission.objects.create(
        source="api", payload={"email": email}, state=SubmissionState.HELD, error="TypeError: no", attempts=3
    )
    return held


def leads_on(page: Any) -> list[int]:
    """The leads listed on a page, in order."""
    return [int(found) for found in re.findall(r'href="/t/[^/]+/leads/(\d+)/"', page.content.decode())]


def test_held_leads_are_listed_page_by_page_found_by_person_or_error_and_tried_again_all_at_once(
    tenant: Tenant, other_tenant: Tenant, digests: None
) -> None:
    with tenant_scope(other_tenant.pk):
        hold(number=1, error="ValueError: theirs")
    with tenant_scope(tenant.pk):
        rows = [hold(number=number) for number in range(28)]
        rows.append(hold(number=28, error="KeyError: company", email="poison@x.test"))
        ids = [row.lead_id for row in rows]
        refresh_search(lead_ids=ids)
        HeldLead.objects.filter(pk=rows[0].pk).update(held_at=None, attempts=1)
        DueRow.objects.create(kind="lead.retry", subject=ids[0], due_at=NOW)
    url = f"/t/{tenant.slug}/held/"
    assert sign_in(tenant, Role.MANAGER).get(url).status_code == 403
    browser = sign_in(tenant, Role.ADMIN)
    first = browser.get(url)
    assert leads_on(first) == ids[:25]
    text = first.content.decode()
    assert "29 are held" in text
    assert "29 leads" in text
    assert "theirs" not in text
    assert text.count("tried again soon") == 1
    onward = re.search(r'id="held-next"\s+href="([^"]+)"', text)
    assert onward is not None
    assert leads_on(browser.get(onward[1].replace("&amp;", "&"))) == ids[25:]

    def found(search: str) -> list[int]:
        return leads_on(browser.get(url, {"q": search}, headers=HTMX))

    assert found("keyerror") == [ids[28]]
    assert found("held7@x.test") == [ids[7]]
    assert found("nothing such") == []

    retry = f"{url}leads/retry/"
    assert "Try again: 29 leads" in browser.get(f"{retry}?what=leads").content.decode()
    assert browser.post(f"{retry}?ids=x").status_code == 400
    answer = browser.post(retry, follow=True)
    assert "29 are tried again in the background." in answer.content.decode()
    sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(days=365))
    with tenant_scope(tenant.pk):
        [still] = HeldLead.objects.all()
        assert (still.lead_id, still.attempts) == (ids[28], 4)
        assert still.error == "ValueError: This lead cannot be digested."
        assert not DueRow.objects.filter(kind="lead.retry").exists()


def test_marked_leads_and_submissions_that_match_are_given_up_and_a_single_one_goes_through(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    with tenant_scope(other_tenant.pk):
        foreign, theirs = hold(number=1), send(email="bot@x.test")
    with tenant_scope(tenant.pk):
        one, two, three, four = (hold(number=number) for number in range(4))
        bots = [send(email=f"bot{number}@x.test") for number in range(3)]
        person = send(email="joão@x.test")
    browser, url = sign_in(tenant, Role.ADMIN), f"/t/{tenant.slug}/held/"

    asked = browser.get(f"{url}leads/discard/?ids={one.pk},{two.pk},{foreign.pk}").content.decode()
    assert "Give up: 2 leads" in asked
    done = browser.post(f"{url}leads/discard/?ids={one.pk},{two.pk},{foreign.pk}", follow=True)
    assert "Given up: 2. The leads stay as they are." in done.content.decode()
    assert browser.post(f"{url}leads/{three.pk}/discard/", follow=True).redirect_chain == [(url, 302)]
    retried = browser.post(f"{url}leads/{four.pk}/retry/", follow=True).content.decode()
    assert "It went through." in retried
    assert "No lead is held" in retried
    assert browser.post(f"{url}leads/{four.pk}/discard/").status_code == 404

    listed = browser.get(url, {"what": "submissions", "q": "BOT"}).content.decode()
    assert "bot2@x.test" in listed
    assert "joão" not in listed
    assert "3 submissions" in listed
    discard = f"{url}submissions/discard/?what=submissions&q=bot"
    assert "Give up: 3 submissions" in browser.get(discard).content.decode()
    assert browser.post(discard).headers["Location"] == f"{url}?what=submissions"
    assert browser.post(f"{url}submissions/retry/?ids={person.pk}").status_code == 302
    sweep_tenant(tenant_id=tenant.pk, now=NOW + timedelta(days=365))
    with tenant_scope(tenant.pk):
        assert not HeldLead.objects.exists()
        assert Lead.objects.filter(pk=one.lead_id).exists()
        states = Submission.objects.filter(pk__in=[each.pk for each in bots]).values_list("state", flat=True)
        assert set(states) == {SubmissionState.REFUSED}
        assert LeadState.objects.filter(lead__email="joão@x.test").exists()
        person.refresh_from_db()
        assert person.state == SubmissionState.PROCESSED
        sentences = [
            sentence_of(each) for each in AuditEntry.objects.filter(act__startswith="held.").order_by("pk")
        ]
    assert sentences == [
        "Gave up the held runs of leads: 2 (—)",
        f"Gave up the held run of {three.lead}",
        "Gave up held submissions: 3 (bot)",
    ]
    with tenant_scope(other_tenant.pk):
        assert HeldLead.objects.filter(pk=foreign.pk).exists()
        assert Submission.objects.get(pk=theirs.pk).state == SubmissionState.HELD


def test_a_key_of_an_administrator_lists_what_is_held_and_does_to_it_what_the_page_does(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    with tenant_scope(other_tenant.pk):
        foreign = hold(number=1)
    with tenant_scope(tenant.pk):
        leads = [hold(number=number, error=f"KeyError: {number}") for number in range(27)]
        bots = [send(email=f"bot{number}@x.test") for number in range(3)]
        admin, manager = make_member(role=Role.ADMIN), make_member(role=Role.MANAGER)
    key = ApiCaller(tenant, Scope.LEADS_READ, Scope.LEADS_WRITE, by=admin)
    assert ApiCaller(tenant, Scope.LEADS_READ, by=manager).get("/held/leads/").status_code == 403

    first = key.get("/held/leads/").json()
    assert [row["id"] for row in first["results"]] == [row.pk for row in leads[:25]]
    row = first["results"][0]
    assert (row["lead"], row["step"], row["attempts"]) == (leads[0].lead_id, "score", 3)
    assert (row["error"], row["payload"], row["is_waiting"]) == ("KeyError: 0", None, False)
    rest = key.client.get(first["next"]).json()
    assert [row["id"] for row in rest["results"]] == [row.pk for row in leads[25:]]
    [sent] = key.get("/held/submissions/", q="BOT2").json()["results"]
    assert (sent["id"], sent["lead"], sent["payload"]) == (bots[2].pk, None, {"email": "bot2@x.test"})
    assert key.get("/held/companies/").status_code == 404

    unclear: list[dict[str, Any]] = [
        {},
        {"ids": []},
        {"all": False},
        {"ids": [1], "all": True},
        {"ids": ["1"]},
        {"every": True},
    ]
    for body in unclear:
        assert key.post("/held/leads/discard/", body).status_code == 400
    retried = key.post("/held/leads/retry/", {"ids": [leads[0].pk, leads[1].pk, foreign.pk]})
    assert (retried.status_code, retried.json()) == (202, {"count": 2})
    given_up = key.post("/held/leads/discard/", {"q": "KeyError: 2"})
    assert given_up.json() == {"count": 8}
    assert key.post("/held/submissions/discard/", {"all": True}).json() == {"count": 3}
    with tenant_scope(tenant.pk):
        assert set(DueRow.objects.filter(kind="lead.retry").values_list("subject", flat=True)) == {
            each.lead_id for each in leads[:2]
        }
        assert HeldLead.objects.count() == 19
        assert {each.state for each in Submission.objects.all()} == {SubmissionState.REFUSED}
        acts = AuditEntry.objects.filter(act__startswith="held.").order_by("pk")
        assert [(each.act, each.subject) for each in acts] == [
            ("held.leads_discarded", "8"),
            ("held.submissions_discarded", "3"),
        ]
    with tenant_scope(other_tenant.pk):
        assert HeldLead.objects.filter(pk=foreign.pk).exists()
