"""What no door takes: too much, too deep, the unreadable; each refusal is quick and says how to mend it."""

import json
import time
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from leads.models import Lead, Submission
from tenancy.doors import MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_QUERY_BYTES
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.leads.people import make_rep, opportunity_of

LEADS = "/api/v1/leads/"
SECONDS = 3.0
# A condition that nothing but its size speaks against.
LEAF = {"fact": "score", "op": "gte", "value": 1}


@pytest.fixture
def api(tenant: Tenant) -> ApiCaller:
    return ApiCaller(tenant)


def send(api: ApiCaller, body: bytes, path: str = LEADS, **headers: str) -> Any:
    """A POST of raw bytes, which must be answered quickly."""
    kind = headers.pop("content_type", "application/json")
    began = time.process_time()
    answer = api.client.post(path, body, content_type=kind, headers=headers)
    assert time.process_time() - began < SECONDS
    return answer


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "brackets": (b"[" * 100_000, 400, "nested"),
    "objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "nested"),
    "beyond infinity": (b'{"company": {"revenue": 1e9999}}', 400, "too large"),
    "below infinity": (b'{"event": {"type": "x", "properties": {"a": -1e9999}}}', 400, "too large"),
    "five million digits": (b'{"company": {"size": ' + b"9" * 5_000_000 + b"}}", 400, "too long"),
    "five million decimals": (b'{"company": {"revenue": 1.' + b"9" * 5_000_000 + b"}}", 400, "too long"),
    "a number of 65 bits": (b'{"company": {"size": 18446744073709551616}}', 400, "company.size"),
    "a name twice": (b'{"email": "a@x.test", "email": "b@x.test"}', 400, "twice"),
    "a name twice, deep": (b'{"custom": {"a": 1, "a": 2}}', 400, "twice"),
    "a lone surrogate": (b'{"name": "\\udc00"}', 400, "Unicode"),
    "a lone surrogate as a name": (b'{"custom": {"\\ud800": 1}}', 400, "Unicode"),
    "a NUL in a name": (b'{"custom": {"a\\u0000": 1}}', 400, "NUL"),
    "a NUL as it is": (b'{"name": "a\x00"}', 400, "not JSON"),
    "not UTF-8": (b'{"name": "Jos\xe9"}', 400, "UTF-8"),
    "UTF-16": ('{"name": "José"}'.encode("utf-16"), 400, "UTF-8"),
    "many values": (b'{"tags": [' + b",".join([b"[]"] * 200_000) + b"]}", 413, "values"),
    "many names": (
        b'{"custom": {' + b",".join(b'"%d":1' % number for number in range(300_000)) + b"}}",
        413,
        "values",
    ),
    "a byte too many": (b'{"name": "' + b"x" * (MAX_BODY_BYTES - 11) + b'"}', 413, "5 MB"),
    "a long name": (b'{"name": "' + b"x" * 4_000_000 + b'"}', 400, "name"),
    "nothing": (b"", 400, "email"),
    "a text": (b'"lead"', 400, "object"),
    "null": (b"null", 400, "object"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_body_is_refused_at_once_with_words_and_writes_no_lead(
    api: ApiCaller, tenant: Tenant, case: str
) -> None:
    body, status, word = REFUSED[case]
    answer = send(api, body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    said = answer.json()
    assert word in json.dumps(said, ensure_ascii=False)
    assert said["detail"] or said["errors"]
    with tenant_scope(tenant.pk):
        assert Lead.objects.count() == 0


def test_what_stands_just_within_the_limits_is_taken(api: ApiCaller, tenant: Tenant) -> None:
    long = {"email": "b@x.test", "name": "x" * 200}
    assert send(api, json.dumps(long).encode()).status_code == 201
    padded = json.dumps({"email": "c@x.test"}).encode()
    assert send(api, padded + b" " * (MAX_BODY_BYTES - len(padded))).status_code == 201


def test_an_event_holds_a_bounded_number_of_properties(api: ApiCaller) -> None:
    properties = {f"p{number}": "x" * 1000 for number in range(3000)}
    event = {"type": "x", "visitor": "v", "properties": properties}
    answer = send(api, json.dumps(event).encode(), "/api/v1/events/")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["properties"]


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
    ],
)
def test_a_body_that_is_not_json_is_an_unsupported_type(api: ApiCaller, kind: str) -> None:
    answer = send(api, b"{}", content_type=kind)
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "zstd"])
def test_a_compressed_body_is_refused_unread(api: ApiCaller, coding: str) -> None:
    answer = send(api, b"\x1f\x8b\x08\x00", **{"Content-Encoding": coding})
    assert answer.status_code == 415
    assert "uncompressed" in answer.json()["detail"]


def test_a_body_is_json_with_a_charset_too(api: ApiCaller) -> None:
    assert send(api, b'{"name": "Ana"}', content_type="application/json; charset=utf-8").status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "garbage", "a/b;q=x"])
def test_answers_are_json_whatever_a_caller_says_to_accept(api: ApiCaller, accept: str) -> None:
    answer = api.client.get(LEADS, headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert api.client.get(LEADS + "?format=xml").status_code == 200


def test_other_methods_are_not_allowed_and_the_allowed_ones_are_named(api: ApiCaller) -> None:
    for method in ("put", "delete", "patch"):
        answer = getattr(api.client, method)(LEADS)
        assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
        assert {"GET", "POST"} <= set(answer["Allow"].split(", "))
    assert api.client.generic("BREW", LEADS).status_code == 405
    assert api.client.head(LEADS).status_code == 200


def test_options_say_what_is_allowed(api: ApiCaller) -> None:
    answer = api.client.options(LEADS)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    assert Client().options(LEADS).status_code == 401


@pytest.mark.parametrize("prefer", ["garbage", "wait=x", ",,,;;", "respond-asynchronously", "x" * 5000, "é"])
def test_a_preference_that_is_not_known_is_ignored(api: ApiCaller, prefer: str) -> None:
    assert send(api, b'{"name": "Ana"}', Prefer=prefer).status_code == 201


def test_a_preference_may_carry_parameters(api: ApiCaller) -> None:
    assert send(api, b'{"name": "Ana"}', Prefer='respond-async; foo="a, b", wait=10').status_code == 202


@pytest.mark.parametrize(
    ("key", "status"), [("x" * 200, 201), ("x" * 201, 400), ("é", 201), (" ", 201), ("a\x7f\x01", 201)]
)
def test_an_idempotency_key_is_any_text_of_at_most_200_characters(
    api: ApiCaller, key: str, status: int
) -> None:
    answer = send(api, b'{"name": "Ana"}', **{"Idempotency-Key": key})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "query",
    [
        "cursor=garbage",
        "cursor=%00",
        "cursor=WzFd",
        "cursor=" + "x" * 10_000,
        "cursor=%F0%9F%98%80",
        "cursor=%ff",
        "score_min=1e9",
        "score_min=" + "9" * 30,
        "score_min=-" + "9" * 30,
        "score_min=" + "9" * 5000,
        "score_min=%D9%A3",
        "grade_min=Z",
        "grade_min=" + "9" * 40,
        "stage=nope",
        "owner=%00",
        "order=password",
        "q=%00",
        "external_id=a%00b",
        "filter=" + "[" * 10_000,
        "filter=%7B%22a%22%3A" * 500,
        "filter=NaN",
        "filter=1e999",
        "filter=%22",
    ],
)
def test_a_question_that_cannot_be_read_is_refused_at_once(api: ApiCaller, query: str) -> None:
    began = time.process_time()
    answer = api.client.get(f"{LEADS}?{query}")
    assert time.process_time() - began < SECONDS
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "condition",
    [
        {"all": [LEAF] * 101},
        {"all": [LEAF] * 200},
        {"all": [{"any": [{"all": [{"any": [{"all": [{"any": [LEAF]}]}]}]}]}]},
        {"fact": "score", "op": "gte", "value": 10**400},
        {"fact": "score", "op": "in", "value": list(range(1001))},
        {"fact": "company_revenue", "op": "gt", "value": "1e-999999999"},
        {"fact": "company_revenue", "op": "gt", "value": "0e-999999999"},
        {"fact": "company_revenue", "op": "gt", "value": "1e999999999"},
        {"fact": "company_revenue", "op": "gt", "value": "9" * 2000},
        {"fact": "email", "op": "eq", "value": "x" * 501},
    ],
    ids=lambda condition: json.dumps(condition)[:60],
)
def test_a_condition_beyond_its_limits_is_refused_at_once(api: ApiCaller, condition: dict[str, Any]) -> None:
    began = time.process_time()
    answer = api.get("/leads/", filter=json.dumps(condition, separators=(",", ":")))
    assert time.process_time() - began < SECONDS
    assert answer.status_code == 400
    assert {error["field"].split(".")[0] for error in answer.json()["errors"]} == {"filter"}


def test_long_addresses_and_headers_are_too_large_and_garbage_in_them_is_harmless(api: ApiCaller) -> None:
    assert api.client.get(f"{LEADS}?q={'x' * MAX_QUERY_BYTES}").status_code == 413
    answer = api.client.get(LEADS, headers={"X-Long": "x" * MAX_HEADER_BYTES})
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")
    for name in ("Accept-Language", "User-Agent", "Referer", "X-Forwarded-For", "Cookie", "If-None-Match"):
        assert api.client.get(LEADS, headers={name: "é\x7f;=,\\\x0b" * 50}).status_code == 200


@pytest.mark.parametrize("length", ["-1", "x", "٣", "9" * 30])
def test_a_length_that_is_none_is_refused(tenant: Tenant, length: str) -> None:
    assert (
        Client().post(LEADS, b"{}", content_type="application/json", CONTENT_LENGTH=length).status_code == 413
    )


@pytest.mark.parametrize(
    "key", ["lsk_x", "lsk__", "lsk_a_" + "x" * 20_000, "lsk_é_é", "lsk_\x01_\x02", "Bearer", ""]
)
def test_a_key_that_is_none_is_only_refused(tenant: Tenant, key: str) -> None:
    answer = Client(headers={"Authorization": f"Bearer {key}"}).get(LEADS)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_many_fields_in_the_address_are_too_many(api: ApiCaller) -> None:
    most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    assert most <= 3000
    answer = api.client.get(LEADS + "?" + "&".join(f"a{number}=1" for number in range(most + 1)))
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")


def test_a_refused_submission_keeps_what_came_in(api: ApiCaller, tenant: Tenant) -> None:
    send(api, b'{"email": "nobody"}')
    with tenant_scope(tenant.pk):
        assert Submission.objects.get().payload == {"email": "nobody"}


@pytest.mark.parametrize(
    "amount", ["1e999999999", "-1e999999999", "1e-999999999", "NaN", "Infinity", "9" * 4000, 1e300, -0.001]
)
def test_an_amount_beyond_all_measure_is_refused_at_once(api: ApiCaller, tenant: Tenant, amount: Any) -> None:
    with tenant_scope(tenant.pk):
        lead = opportunity_of(make_rep())
    answer = send(api, json.dumps({"amount": amount, "currency": "BRL"}).encode(), f"{LEADS}{lead.pk}/win/")
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, ["amount"])


@pytest.mark.parametrize(
    ("tags", "status", "kept"), [([None, "feira"], 200, ["feira"]), (0, 400, []), ({}, 400, [])]
)
def test_tags_that_are_none_are_left_out_or_refused(
    api: ApiCaller, tenant: Tenant, tags: Any, status: int, kept: list[str]
) -> None:
    lead_id = send(api, b'{"name": "Ana"}').json()["id"]
    answer = api.patch(f"/leads/{lead_id}/", {"tags": tags})
    assert answer.status_code == status
    assert api.get(f"/leads/{lead_id}/").json()["tags"] == kept
