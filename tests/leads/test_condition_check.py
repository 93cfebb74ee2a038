"""A condition is said in words and its leads are counted while it is built."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from leads.views import conditions
from tenancy.models import Membership
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member

SCORED = {"fact": "score", "op": "gte", "value": 50}


@pytest.fixture
def reader(tenant: Any) -> Client:
    with tenant_scope(tenant.pk):
        member: Membership = make_member(role="viewer")
    assert member.user is not None
    member.user.language = "en"
    member.user.save()
    client = Client()
    client.force_login(member.user)
    return client


def ask(client: Client, condition: Any, **more: str) -> dict[str, Any]:
    fields = {"condition": json.dumps(condition)} | more
    answer = client.post("/t/horizonte/conditions/", fields)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_it_is_said_in_words(reader: Client) -> None:
    assert ask(reader, {"all": [SCORED, {"none": [{"fact": "country", "op": "is_unknown"}]}]}) == {
        "sentence": "Score is 50 or more and country is known"
    }


def test_one_about_an_event_knows_the_facts_of_events(reader: Client) -> None:
    kind = {"fact": "properties.kind", "op": "eq", "value": "demo"}
    assert ask(reader, kind, subject="event")["sentence"] == "Kind is demo"
    assert ask(reader, kind, subject="lead")["errors"][0]["path"] == "fact"
    assert "count" not in ask(reader, kind, subject="event", count="1")


def test_every_fault_is_named_by_its_place(reader: Client) -> None:
    faults = ask(reader, {"all": [SCORED, {"fact": "score", "op": "gte"}, {"fact": "nothing"}]})["errors"]
    assert [fault["path"] for fault in faults] == ["all[1].value", "all[2].fact"]


@pytest.mark.parametrize("raw", ["", "{", "[" * 5000, "null"])
def test_what_is_no_condition_is_refused_in_words(reader: Client, raw: str) -> None:
    answer = reader.post("/t/horizonte/conditions/", {"condition": raw, "count": "1"})
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["message"]


def test_leads_are_counted_on_request_and_shown_in_the_list(
    reader: Client, tenant: Any, other_tenant: Any
) -> None:
    with tenant_scope(other_tenant.pk):
        make_lead(score=90)
    with tenant_scope(tenant.pk):
        for score in (40, 50, 60):
            make_lead(score=score)
    answer = ask(reader, SCORED, count="1")
    assert answer["count"] == "2 leads match"
    shown = urlsplit(answer["url"])
    assert json.loads(parse_qs(shown.query)["filter"][0]) == SCORED
    assert reader.get(answer["url"]).status_code == 200


def test_a_count_beyond_the_bound_says_so(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tenancy.listing import Count

    monkeypatch.setattr(conditions, "count_leads", lambda **asked: Count(value=1000, exact=False))
    assert ask(reader, SCORED, count="1")["count"] == "More than 1,000 leads match"


def test_a_count_that_takes_too_long_is_given_up_with_an_answer(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "count_leads", lambda **asked: None)
    assert "takes too long" in ask(reader, SCORED, count="1")["count"]
