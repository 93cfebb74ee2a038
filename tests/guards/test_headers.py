"""Every answer says how a browser has to treat it: what may run, who may frame it, what is told to other sites."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.guards.addresses import Address, list_addresses
from tests.guards.samples import World
from tests.guards.test_pages import read, who_reads

pytestmark = pytest.mark.xdist_group("pages")

addresses = list_addresses()
EXACT = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# The policy of each kind of source; whatever is not named falls back to default-src.
POLICY = {
    "default-src": {"'self'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "font-src": {"'self'"},
    "connect-src": {"'self'"},
    "object-src": {"'none'"},
    "base-uri": {"'self'"},
    "form-action": {"'self'"},
    "frame-ancestors": {"'none'"},
}
# A mail is shown in a frame of its own page, without any script.
OWN_POLICY = {"outbox-body"}


def faults(answer: Any, *, name: str = "") -> Iterator[str]:
    """What an answer lacks."""
    for header, value in EXACT.items():
        if answer.headers.get(header) != value and not (header == "X-Frame-Options" and name in OWN_POLICY):
            yield f"{header}: {answer.headers.get(header)}"
    policy = {
        kind: set(sources)
        for kind, *sources in map(str.split, answer.headers.get("Content-Security-Policy", "").split(";"))
        if kind
    }
    if name in OWN_POLICY:
        if policy.get("script-src", policy.get("default-src")) != {"'none'"}:
            yield f"policy: {policy}"
    elif policy != POLICY:
        yield f"policy: {policy}"


def ask(world: World, address: Address) -> Any:
    if address.is_api:
        return world.request("leads:read", "GET", world.path(address, "leads:read"))
    return read(world, address)


def test_every_address_answers_with_the_security_headers(world: World) -> None:
    lacking = {
        address.route: found
        for address in addresses
        if (found := list(faults(ask(world, address), name=address.name)))
    }
    assert lacking == {}


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/no/such/page/", {}, 404),
        ("/api/v1/no-such/", {}, 404),
        ("/f/00000000-0000-0000-0000-000000000000/", {}, 404),
        ("/?a=%00", {}, 400),
        ("/accounts/login/?" + "x" * 20_000, {}, 413),
        ("/accounts/login/?" + "&".join(f"a{n}=1" for n in range(3100)), {}, 413),
        ("/accounts/login/", {"HTTP_HOST": "evil.test"}, 400),
    ],
)
def test_refusals_carry_them_too(db: None, path: str, more: dict[str, Any], status: int) -> None:
    answer = Client(raise_request_exception=False).get(path, **more)
    assert answer.status_code == status
    assert list(faults(answer)) == []


def test_a_fault_of_ours_is_answered_with_them(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_given: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("leads.views.capture_form.find_form", fail)
    page = Client(raise_request_exception=False).get("/f/00000000-0000-0000-0000-000000000000/")
    assert page.status_code == 500
    assert list(faults(page)) == []
    assert "RuntimeError" not in page.content.decode()
    monkeypatch.setattr("tenancy.middleware.resolve_key", fail)
    answer = Client(raise_request_exception=False, headers={"Authorization": "x"}).get("/api/v1/leads/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert list(faults(answer)) == []


def test_cookies_are_sent_back_to_us_alone_and_scripts_cannot_read_the_session(world: World) -> None:
    client, user = Client(), world.admin.user
    assert user is not None
    user.set_password("eleven lazy ducks")
    user.save()
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": user.email, "password": "eleven lazy ducks"})
    flags = {name: (cookie["samesite"], bool(cookie["httponly"])) for name, cookie in client.cookies.items()}
    assert flags.pop(settings.SESSION_COOKIE_NAME) == ("Lax", True)
    assert {same_site for same_site, _http_only in flags.values()} <= {"Lax", "Strict"}


def test_pages_of_a_person_are_not_kept_by_shared_caches(world: World) -> None:
    kept = []
    for address in [each for each in addresses if each.is_tenant_page and who_reads(each) == "admin"]:
        answer = read(world, address)
        shared = "public" in answer.headers.get("Cache-Control", "")
        if answer.status_code == 200 and (shared or "Cookie" not in answer.headers.get("Vary", "")):
            kept.append(address.route)
    assert kept == []
