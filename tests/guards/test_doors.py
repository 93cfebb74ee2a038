"""Every address has its limits, also the one that is added tomorrow: size, encoding, NUL, and how often it may be asked."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client

from leadsys.settings import env_rate
from tenancy.doors import MAX_BODY_BYTES, max_body_bytes
from tenancy.errors import PROBLEM_TYPE
from tests.guards.addresses import Address, list_addresses
from tests.guards.samples import World

pytestmark = pytest.mark.xdist_group("doors")

HOUR = 3600
# allauth counts attempts to sign in by itself.
COUNTED_ELSEWHERE = "/accounts/"
# Sets a cookie of one's own and keeps nothing.
NOT_COUNTED = {"preferences"}

addresses = list_addresses()
operations = [address for address in addresses if hasattr(address.view, "scopes")]


def path_of(address: Address) -> str:
    """The address with something in it that reads as what it stands for."""
    uuid = "00000000-0000-0000-0000-000000000000"
    return address.path({name: uuid if name == "public_id" else "1" for name in address.parameters})


def refused(answer: Any, address: Address, status: int) -> bool:
    """Whether it was refused with this status in the form that its caller reads."""
    kind = PROBLEM_TYPE if address.is_api else "text/html; charset=utf-8"
    return (answer.status_code, answer["Content-Type"]) == (status, kind)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "more"),
    [
        (413, {"CONTENT_LENGTH": str(1 << 31)}),
        (413, {"HTTP_X_LONG": "x" * 40_000}),
        (413, {"QUERY_STRING": "x" * 20_000}),
        (415, {"HTTP_CONTENT_ENCODING": "gzip"}),
        (400, {"QUERY_STRING": "a=b%00"}),
    ],
    ids=["body", "headers", "query", "compressed", "NUL"],
)
def test_no_address_takes_what_is_beyond_the_limits(status: int, more: dict[str, Any]) -> None:
    client = Client(raise_request_exception=False)
    taken = []
    for address in addresses:
        answer = client.generic("POST", path_of(address), b"", "application/json", **more)
        if not refused(answer, address, status):
            taken.append((address.route, answer.status_code))
    assert taken == []


@pytest.mark.django_db
def test_no_page_takes_a_form_with_a_nul_or_too_many_fields() -> None:
    client = Client(raise_request_exception=False)
    taken = []
    for address in [each for each in addresses if not each.is_api]:
        nul = client.post(path_of(address), {"name": "a\x00b"}).status_code
        torn = client.generic(
            "POST", path_of(address), b"--x\r\n", "multipart/form-data; boundary=x"
        ).status_code
        # A form with a file is read once it is known who sends it.
        refused_with = 302 if getattr(address.view, "takes_files", False) else 400
        if nul != refused_with or torn >= 500:
            taken.append((address.route, nul, torn))
    assert taken == []
    assert (
        client.post("/accounts/login/", {f"field{number}": "x" for number in range(3001)}).status_code == 413
    )


@pytest.mark.django_db
def test_a_cookie_with_a_nul_is_none() -> None:
    client = Client()
    for name in ("sessionid", "csrftoken", "django_language", "messages", "theme"):
        client.cookies[name] = "x" * 32
        cookie = f'{name}="\\000{"a" * 32}"'
        assert client.get("/accounts/login/", headers={"cookie": cookie}).status_code == 200


@pytest.mark.django_db
def test_how_large_a_body_may_be_is_said_by_the_view(rf: Any) -> None:
    larger = {
        address.route: most
        for address in addresses
        if (most := max_body_bytes(rf.post(path_of(address)))) != MAX_BODY_BYTES
    }
    assert all(most <= 1 << 30 for most in larger.values())
    # A file to be imported goes to the disk, and only once it is known whose key sends it.
    assert {route for route in larger if route.startswith("/api/")} == {"/api/v1/imports/"}


def test_every_operation_counts_against_its_key(world: World, settings: Any) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"KEY_PREFIX": uuid4().hex}}
    settings.RATES = {"key": (1, HOUR)}
    used, uncounted = set(), []
    for address in operations:
        for method, scope in address.view.scopes.items():
            if scope not in used:
                used.add(scope)
                world.request(scope, "GET", "/api/v1/funnel/")
            # What it is asked about outlives the answer.
            path = world.path(address, scope)
            with transaction.atomic():
                answer = world.request(scope, method, path)
                transaction.set_rollback(True)
            if not refused(answer, address, 429) or not answer["Retry-After"].isdigit():
                uncounted.append((address.route, method, answer.status_code))
    assert uncounted == []


def test_every_door_that_is_open_to_strangers_counts_them_or_wants_a_secret(
    world: World, settings: Any
) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"KEY_PREFIX": uuid4().hex}}
    settings.RATES = dict.fromkeys(settings.RATES | {"form": None, "address": None}, (1, HOUR))
    uncounted, counted = [], 0
    for address in addresses:
        is_other = address.is_api or address.route.startswith(COUNTED_ELSEWHERE)
        if is_other or address.name in NOT_COUNTED or "token" in address.parameters:
            continue
        answers = []
        path = world.path(address, "nobody")
        for _time in range(2):
            with transaction.atomic():
                answers.append(world.request("nobody", "POST", path))
                transaction.set_rollback(True)
        is_closed = answers[0].status_code in {302, 403, 404, 405}
        counted += answers[1].status_code == 429
        if not is_closed and answers[1].status_code != 429:
            uncounted.append((address.route, answers[1].status_code))
    assert uncounted == []
    assert counted > 0


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", (600, 60)),
        ("20/10s", (20, 10)),
        ("1/second", (1, 1)),
        ("5/HOUR", (5, 3600)),
        ("off", None),
        ("", (1, 60)),
    ],
)
def test_a_rate_is_a_number_and_a_window(monkeypatch: pytest.MonkeyPatch, text: str, rate: Any) -> None:
    monkeypatch.setenv("LEADSYS_KEY_RATE", text)
    assert env_rate("LEADSYS_KEY_RATE", "1/minute") == rate


@pytest.mark.parametrize("text", ["0/minute", "600", "600/day", "-1/minute", "5/0s", "x/minute", "٣/minute"])
def test_a_rate_that_is_none_keeps_the_server_from_starting(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("LEADSYS_KEY_RATE", text)
    with pytest.raises(ImproperlyConfigured, match="LEADSYS_KEY_RATE"):
        env_rate("LEADSYS_KEY_RATE", "1/minute")
