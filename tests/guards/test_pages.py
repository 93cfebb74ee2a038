"""What every page keeps to: reading changes nothing, a form carries its token, nothing inline that the CSP would stop."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from tests.guards.addresses import Address, list_addresses
from tests.guards.samples import World

pytestmark = pytest.mark.xdist_group("pages")

TEMPLATES = Path(settings.BASE_DIR) / "templates"
# The answer to a mail program's one click (RFC 8058) can carry no token; it holds a secret of its own. A form that stands on
# other sites has none to give; nobody is signed in to it, and it asks where it is sent from (tests/leads/test_forms.py).
WITHOUT_CSRF_TOKEN = {"unsubscribe", "capture-form"}
# Mails are read where no stylesheet reaches.
MAILS = {"nurturing/email.html"}

addresses = list_addresses()
pages = [address for address in addresses if not address.is_api]


def who_reads(address: Address) -> str:
    return (
        "nobody"
        if address.route.startswith(("/accounts/log", "/accounts/password/reset", "/u/"))
        else "admin"
    )


class Findings(HTMLParser):
    """What of a page the content security policy would stop, and forms that carry no token."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.forms_without_token = 0
        self._waits_for_token = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_code = tag == "script" and "src" not in given and given.get("type") != "application/json"
        if is_code or tag == "style":
            self.inline.append(f"<{tag}>")
        self.inline += [
            f"{tag} {name}" for name in given if name == "style" or name.startswith(("on", "hx-on"))
        ]
        if tag == "form" and (given.get("method") or "").lower() == "post":
            self._waits_for_token = True
        if given.get("name") == "csrfmiddlewaretoken":
            self._waits_for_token = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.forms_without_token += self._waits_for_token
            self._waits_for_token = False


def read(world: World, address: Address, method: str = "GET") -> Any:
    """The answer to a reader, in a transaction that cannot write."""
    path = world.path(address, who_reads(address))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        answer = world.request(who_reads(address), method, path)
        transaction.set_rollback(True)
    return answer


def test_reading_a_page_writes_nothing(world: World) -> None:
    statuses = {
        (address.route, method): read(world, address, method).status_code
        for address in pages
        for method in ("GET", "HEAD")
    }
    assert {key: status for key, status in statuses.items() if status >= 500} == {}
    differ = [route for route, method in statuses if statuses[route, "GET"] != statuses[route, "HEAD"]]
    assert differ == []
    assert sum(status == 200 for status in statuses.values()) > 40


def test_pages_carry_the_policy_and_nothing_that_it_would_stop(world: World) -> None:
    shown = {address.route: read(world, address) for address in pages}
    html = {
        route: answer
        for route, answer in shown.items()
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
    }
    assert [route for route, answer in html.items() if "Content-Security-Policy" not in answer] == []
    ours = {route: Findings(answer.content.decode()) for route, answer in html.items()}
    ours = {route: found for route, found in ours.items() if not route.startswith("/operator/")}
    assert {route: found.inline for route, found in ours.items() if found.inline} == {}
    without = {route for route, found in ours.items() if found.forms_without_token}
    assert without == {address.route for address in pages if address.name in WITHOUT_CSRF_TOKEN}


def test_a_form_sent_without_its_token_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    taken = []
    for address in [each for each in pages if each.name not in WITHOUT_CSRF_TOKEN]:
        client.cookies.clear()
        if who_reads(address) in world.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[who_reads(address)]
        path = world.path(address, who_reads(address))
        with transaction.atomic():
            status = client.post(path).status_code
            transaction.set_rollback(True)
        if status not in {403, 405}:
            taken.append((address.route, status))
    assert taken == []


@pytest.mark.parametrize(
    "template",
    sorted({str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html")} - MAILS),
)
def test_templates_hold_nothing_inline(template: str) -> None:
    assert Findings((TEMPLATES / template).read_text("utf-8")).inline == []
