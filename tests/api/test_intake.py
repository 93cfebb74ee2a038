"""The capture doors over HTTP: answers, idempotency, waiting and not waiting, batches, events, errors."""

import json
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from django.test import Client
from django.utils import timezone

from core.due import sweep_tenant
from leads.models import Event, Lead, Submission
from tenancy.keys import create_key, revoke_key
from tenancy.models import ApiKey, Scope, Tenant
from tenancy.scope import tenant_scope

LEADS, BATCH, EVENTS = "/api/v1/leads/", "/api/v1/leads/batch/", "/api/v1/events/"
ANA = {
    "email": "ana@empresa.com.br",
    "external_id": "crm-17",
    "first_name": "Ana",
    "country": "BR",
    "company": {"name": "Empresa SA", "size": 180, "domain": "empresa.com.br"},
    "origin": "webinar",
    "event": {"type": "form_submitted", "properties": {"kind": "demo"}},
}


@pytest.fixture
def key(tenant: Tenant, now: datetime) -> str:
    return make_key(tenant, now)


def make_key(tenant: Tenant, now: datetime, *, scopes: list[Scope] | None = None) -> str:
    with tenant_scope(tenant.pk):
        return create_key(name=f"site {scopes}", scopes=scopes or list(Scope), by=None, now=now)[1]


def post(path: str, body: Any, key: str, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Authorization": f"Bearer {key}"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    return Client(headers=headers).post(path, raw, content_type="application/json")


def test_a_captured_lead_is_answered_after_the_whole_pipeline(key: str, tenant: Tenant) -> None:
    answer = post(LEADS, ANA, key)
    assert answer.status_code == 201
    body = answer.json()
    assert body["outcome"] == "new"
    assert (body["stage"], body["score"], body["grade"], body["grade_ordinal"]) == ("mql", 30, "C+", 6)
    assert body["owner"] == body["owners"]["sdr"]
    assert [clock["kind"] for clock in body["clocks"]] == ["asked_for_contact"]
    assert body["why"] == f"/api/v1/leads/{body['id']}/why/"
    again = post(LEADS, {"email": "ANA@empresa.com.br"}, key)
    assert (again.status_code, again.json()["outcome"], again.json()["id"]) == (200, "unchanged", body["id"])


def test_what_is_remembered_of_a_key_is_proven_whenever_something_is_taken_in(
    key: str, tenant: Tenant, now: datetime
) -> None:
    """The first call looks the key up, the second one recalls it; each kind of change is seen by the next call all the same."""
    doors = [(LEADS, {"Prefer": "respond-async"}), (LEADS, {"Idempotency_Key": "k"}), (BATCH, {})]
    bodies = {LEADS: {"email": "ana@empresa.com.br"}, BATCH: {"leads": [{"email": "ana@empresa.com.br"}]}}

    def ask(wanted: str = key) -> list[int]:
        return [post(path, bodies[path], wanted, **headers).status_code for path, headers in doors]

    assert ask() == [202, 201, 200]
    assert ask() == [202, 201, 200]
    assert ask(key[:-1] + ("a" if key[-1] != "a" else "b")) == [401] * 3, "another secret of the same prefix"
    with tenant_scope(tenant.pk):
        ApiKey.objects.update(scopes=[Scope.LEADS_READ])
        kept = Submission.objects.count()
    assert ask() == [403] * 3
    with tenant_scope(tenant.pk):
        ApiKey.objects.update(scopes=[Scope.LEADS_WRITE])
    assert ask() == [202, 201, 200]
    Tenant.objects.filter(pk=tenant.pk).update(country="PT")
    assert post(LEADS, {"email": "rui@empresa.pt", "phone": "912 345 678"}, key).status_code == 201
    with tenant_scope(tenant.pk):
        assert Lead.objects.get(email="rui@empresa.pt").phone == "+351912345678"
        taken_in = Submission.objects.count()
        revoke_key(key=ApiKey.objects.get(), by=None, now=now)
    assert ask() == [401] * 3
    event = {"type": "page_viewed", "lead": {"email": "ana@empresa.com.br"}}
    assert post(EVENTS, event, key).status_code == 401, "a door that proves no key asks for it each time"
    with tenant_scope(tenant.pk):
        assert (kept, taken_in, Submission.objects.count()) == (5, 8, 8)


def test_the_same_key_and_body_replay_the_first_answer(key: str, tenant: Tenant) -> None:
    first = post(LEADS, ANA, key, Idempotency_Key="a-1")
    second = post(LEADS, ANA, key, Idempotency_Key="a-1")
    other = post(LEADS, ANA | {"city": "Natal"}, key, Idempotency_Key="a-1")
    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert first.content == second.content
    with tenant_scope(tenant.pk):
        assert Event.objects.count() == 1


def test_a_refusal_is_replayed_too(key: str, tenant: Tenant) -> None:
    first, second = (post(LEADS, {"email": "nobody"}, key, Idempotency_Key="a-1") for _time in range(2))
    assert (first.status_code, second.status_code) == (400, 400)
    assert first["Content-Type"] == second["Content-Type"] == "application/problem+json"
    assert first.content == second.content


def test_who_did_not_wait_is_answered_the_same_again_before_and_after_it_is_processed(
    key: str, tenant: Tenant
) -> None:
    def ask(body: Any = ANA, **headers: str) -> tuple[int, Any, str | None]:
        answer = post(LEADS, body, key, Idempotency_Key="a-1", **headers)
        return answer.status_code, answer.json(), answer.headers.get("Location")

    first = ask(Prefer="respond-async")
    assert first == (202, {"submission": ANY, "state": "received", "href": first[2]}, first[2])
    assert [ask(Prefer="respond-async"), ask()] == [first, first]
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now())
    assert [ask(Prefer="respond-async"), ask()] == [first, first]
    assert ask(ANA | {"city": "Natal"}, Prefer="respond-async")[0] == 422
    with tenant_scope(tenant.pk):
        assert Submission.objects.get().state == "processed"
        assert Event.objects.count() == 1


def test_who_waited_for_what_was_held_is_told_again_where_to_look(
    key: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug")

    def ask() -> tuple[int, Any, str | None]:
        answer = post(LEADS, ANA, key, Idempotency_Key="a-1")
        return answer.status_code, answer.json(), answer.headers.get("Location")

    with monkeypatch.context() as broken:
        broken.setattr("leads.pipeline.run_steps", fail)
        first = ask()
        assert ask() == first
    assert (first[0], first[1]["state"]) == (202, "held")
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + timedelta(minutes=1))
    assert ask() == first
    seen = Client(headers={"Authorization": f"Bearer {key}"}).get(first[1]["href"]).json()
    assert (seen["state"], seen["error"]) == ("processed", "")


def test_a_caller_who_does_not_wait_is_told_where_to_look(key: str, tenant: Tenant) -> None:
    answer = post(LEADS, ANA, key, Prefer="respond-async")
    assert answer.status_code == 202
    client = Client(headers={"Authorization": f"Bearer {key}"})
    assert client.get(answer["Location"]).json()["state"] == "received"
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now())
    seen = client.get(answer["Location"]).json()
    assert (seen["state"], seen["error"]) == ("processed", "")
    with tenant_scope(tenant.pk):
        assert Lead.objects.get().pk == seen["lead"]


def test_a_failing_step_holds_the_submission_and_loses_nothing(
    key: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr("leads.pipeline.run_steps", fail)
        answer = post(LEADS, ANA, key)
    assert answer.status_code == 202
    client = Client(headers={"Authorization": f"Bearer {key}"})
    assert client.get(answer["Location"]).json()["state"] == "held"
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + timedelta(minutes=1))
    assert client.get(answer["Location"]).json()["state"] == "processed"


def test_bad_fields_are_named_and_the_raw_submission_is_kept(key: str, tenant: Tenant) -> None:
    answer = post(LEADS, {"email": "nobody", "plants": 3, "custom": {"x": 1}, "stage": "mql"}, key)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert {error["field"] for error in answer.json()["errors"]} == {"email", "plants", "custom.x", "stage"}
    with tenant_scope(tenant.pk):
        assert Submission.objects.get().state == "refused"


def test_two_leads_behind_one_identity_is_a_conflict(key: str) -> None:
    post(LEADS, {"external_id": "a"}, key)
    post(LEADS, {"email": "b@x.test"}, key)
    answer = post(LEADS, {"external_id": "a", "email": "b@x.test"}, key)
    assert answer.status_code == 409
    assert {error["field"] for error in answer.json()["errors"]} == {"external_id", "email"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"name": "A\\u0000na"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": NaN}', 400),
        (b'{"a":' * 60 + b"1" + b"}" * 60, 400),
        (b'{"name": "' + b"x" * 6_000_000 + b'"}', 413),
    ],
)
def test_hostile_bodies_are_refused(key: str, tenant: Tenant, body: bytes, status: int) -> None:
    answer = post(LEADS, body, key)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    with tenant_scope(tenant.pk):
        assert Lead.objects.count() == 0


def test_a_batch_is_answered_row_by_row_in_order(key: str) -> None:
    answer = post(
        BATCH,
        {"leads": [{"email": "a@x.test"}, {"email": "no"}, {"email": "A@x.test", "city": "Natal"}, "x"]},
        key,
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [(row["index"], row["status"]) for row in results] == [(0, 201), (1, 400), (2, 200), (3, 400)]
    assert results[0]["id"] == results[2]["id"]
    assert post(BATCH, {"leads": [{}] * 1001}, key).status_code == 413


def test_events_are_recorded_once_and_only_for_people_who_are_known(key: str, tenant: Tenant) -> None:
    lead_id = post(LEADS, {"email": "a@x.test"}, key).json()["id"]
    event = {"type": "page_viewed", "message_id": "m1", "lead": {"email": "a@x.test"}}
    first, again = post(EVENTS, event, key), post(EVENTS, event, key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    stranger = {"type": "page_viewed", "lead": {"email": "b@x.test"}}
    assert post(EVENTS, stranger, key).status_code == 422
    assert post(EVENTS, stranger | {"create": True}, key).status_code == 201
    assert post(EVENTS, {"type": "page_viewed", "visitor": "v-1"}, key).status_code == 201
    ahead = {"type": "page_viewed", "lead": {"id": lead_id}, "occurred_at": "2199-01-01T00:00:00Z"}
    assert post(EVENTS, ahead, key).status_code == 400
    several = post(EVENTS, {"events": [event, stranger | {"lead": {"external_id": "zz"}}]}, key).json()[
        "results"
    ]
    assert [row["status"] for row in several] == [200, 422]


def test_keys_open_only_their_tenant_and_scopes(
    key: str, tenant: Tenant, other_tenant: Tenant, now: datetime
) -> None:
    lead_id = post(LEADS, {"email": "a@x.test"}, key).json()["id"]
    foreign = make_key(other_tenant, now)
    assert (
        Client(headers={"Authorization": f"Bearer {foreign}"}).get(f"/api/v1/leads/{lead_id}/").status_code
        == 404
    )
    stranger = {"type": "page_viewed", "lead": {"id": lead_id}}
    assert post(EVENTS, stranger, foreign).status_code == 422
    reader = make_key(tenant, now, scopes=[Scope.LEADS_READ])
    assert post(LEADS, ANA, reader).status_code == 403
    assert post(LEADS, ANA, "lsk_none_such").status_code == 401
    assert Client().post(LEADS, "{}", content_type="application/json").status_code == 401
