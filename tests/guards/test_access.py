"""Every address, every method it accepts, everybody who may ask: the statuses stand in access_matrix.txt and are reviewed there.

The addresses are read from the URL table, so a new page turns this red until somebody has looked at what it answers to whom:
``LEADSYS_WRITE_MATRIX=1 pytest tests/guards/test_access.py`` writes the file anew, the diff is the review. What must hold
for every page without anyone looking is asserted here apart from the file.
"""

import os
from pathlib import Path

import pytest
from django.db import transaction

from leads.api.rules import RIGHT_OF_KIND, RulesView
from tenancy.api import SettingsAPIView
from tenancy.rights import RIGHTS
from tests.guards.addresses import METHODS, Address, list_addresses
from tests.guards.samples import KEYS, PEOPLE, ROLES, World

# They share the answers, so they stay in one process.
pytestmark = pytest.mark.xdist_group("access")

MATRIX = Path(__file__).with_name("access_matrix.txt")
WRITES = os.environ.get("LEADSYS_WRITE_MATRIX") == "1"
# Whoever may ask most, to find out which methods an address accepts.
WIDEST = {"pages": "admin", "api": "leads:write"}
ASKERS = {"pages": PEOPLE, "api": KEYS}
# The description of the API is for everybody.
PUBLIC_API = {"/api/v1/schema/"}

# By route and method, the status by who asks.
Matrix = dict[tuple[str, str], dict[str, str]]

addresses = list_addresses()
sections: dict[str, list[Address]] = {
    "pages": [address for address in addresses if not address.is_api],
    "api": [address for address in addresses if address.is_api],
}
by_route = {address.route: address for address in addresses}
tenant_pages = [address for address in addresses if address.is_tenant_page]
operations = [address for address in sections["api"] if address.route not in PUBLIC_API]

_answers: dict[str, Matrix] = {}


@pytest.fixture
def answers(world: World) -> dict[str, Matrix]:
    """What every address answered to everybody, asked once for all the tests here."""
    unknown = sorted({text for address in addresses if (text := world.lacks(address))})
    if unknown:
        pytest.fail("\n".join(unknown))
    if not _answers:
        _answers.update({section: ask_everybody(world, section) for section in sections})
    return _answers


def ask_everybody(world: World, section: str) -> Matrix:
    """The statuses of every accepted method; "-" for those who have no question of their own."""
    widest = WIDEST[section]
    return {
        (address.route, method): {
            who: first if who == widest else ask(world, address, method, who) for who in ASKERS[section]
        }
        for address in sections[section]
        for method in METHODS
        if (first := ask(world, address, method, widest)) != "405"
    }


def askers(address: Address) -> set[str]:
    """Who has a question of their own: roles mean something on a tenant's pages, our ids where there are some."""
    if address.is_api:
        return set(KEYS)
    if not address.is_tenant_page:
        return {"nobody", "admin", "viewer"}
    return set(PEOPLE) if address.ids else set(PEOPLE) - {"foreign"}


def ask(world: World, address: Address, method: str, who: str) -> str:
    """The status of one request, of which nothing stays; "login" for the way to the sign-in page."""
    if who not in askers(address):
        return "-"
    path = world.path(address, who)
    with transaction.atomic():
        answer = world.request(who, method, path)
        transaction.set_rollback(True)
    if answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"):
        return "login"
    return str(answer.status_code)


def test_every_page_of_a_tenant_names_its_right() -> None:
    assert [address.route for address in tenant_pages if address.right not in RIGHTS] == []


def test_every_operation_of_the_api_names_its_scopes() -> None:
    assert [address.route for address in operations if not getattr(address.view, "scopes", None)] == []


def test_every_operation_of_the_settings_names_the_right_of_whoever_made_the_key() -> None:
    views = [address.view for address in operations if issubclass(address.view, SettingsAPIView)]
    assert len(views) > 40
    for view in views:
        # Who may change rules depends on their kind; a view that enters the scope itself asks once it is in.
        asked = view.scopes.keys() - getattr(view, "own_transactions", frozenset())
        asked &= {"GET"} if issubclass(view, RulesView) else asked
        assert asked <= view.rights.keys(), view
        assert set(view.rights.values()) <= RIGHTS.keys(), view
    assert set(RIGHT_OF_KIND.values()) <= RIGHTS.keys()


@pytest.mark.parametrize("section", sections)
def test_everything_answers_as_reviewed(answers: dict[str, Matrix], section: str) -> None:
    if WRITES:
        write(answers)
    reviewed = read(section)
    assert answers[section] == reviewed, "review the difference with LEADSYS_WRITE_MATRIX=1"


def test_nothing_breaks(answers: dict[str, Matrix]) -> None:
    broken = {
        (*key, who): status
        for matrix in answers.values()
        for key, row in matrix.items()
        for who, status in row.items()
        if status.startswith("5")
    }
    assert broken == {}


@pytest.mark.parametrize(("who", "status"), [("nobody", "login"), ("outsider", "404"), ("foreign", "404")])
def test_who_does_not_belong_gets_nothing_from_any_page_of_a_tenant(
    answers: dict[str, Matrix], who: str, status: str
) -> None:
    got = {key: row[who] for key, row in answers["pages"].items() if by_route[key[0]].is_tenant_page}
    assert {key: each for key, each in got.items() if each not in {status, "-"}} == {}
    assert status in got.values()


@pytest.mark.parametrize("who", ROLES)
def test_a_role_is_refused_exactly_where_the_table_of_rights_says(
    answers: dict[str, Matrix], who: str
) -> None:
    rows = {key: row[who] for key, row in answers["pages"].items() if by_route[key[0]].is_tenant_page}
    refused = {key for key, status in rows.items() if status == "403"}
    expected = {key for key in rows if who not in RIGHTS[by_route[key[0]].right or ""]}
    assert refused == expected


def test_without_a_key_the_api_says_only_that_one_is_needed(answers: dict[str, Matrix]) -> None:
    rows = {key: row["no key"] for key, row in answers["api"].items() if key[0] not in PUBLIC_API}
    assert {key: status for key, status in rows.items() if status != "401"} == {}


def test_an_operation_refuses_every_scope_but_its_own(answers: dict[str, Matrix]) -> None:
    for (route, method), row in answers["api"].items():
        scopes = getattr(by_route[route].view, "scopes", {})
        if route not in PUBLIC_API:
            allowed = {who for who in KEYS if ":" in who and row[who] != "403"}
            assert allowed == {scopes[method]}, (route, method)


def test_our_ids_look_to_another_tenants_key_like_ids_that_do_not_exist(
    world: World, answers: dict[str, Matrix]
) -> None:
    for route, method in [key for key in answers["api"] if by_route[key[0]].ids]:
        address = by_route[route]
        nowhere = address.path(dict.fromkeys(address.parameters, 987654321))
        absent = world.request("other key", method, nowhere).status_code
        assert answers["api"][route, method]["other key"] == str(absent), (route, method)
        assert absent in {400, 404}, (route, method)


def read(section: str) -> Matrix:
    """One section of the file."""
    part = MATRIX.read_text("utf-8").split(f"# {section}\n", 1)[1].split("\n#", 1)[0]
    head, *rows = [line.split() for line in part.splitlines() if line.strip()]
    columns = [word.replace("_", " ") for word in head[2:]]
    return {
        (route, method): dict(zip(columns, statuses, strict=True))
        for methods, route, *statuses in rows
        for method in methods.split("+")
    }


def write(answers: dict[str, Matrix]) -> None:
    """The whole file: methods that answer alike share a line."""
    texts = [f"# {section}\n{table(answers[section], ASKERS[section])}" for section in sections]
    MATRIX.write_text("\n".join(texts), "utf-8")


def table(matrix: Matrix, columns: tuple[str, ...]) -> str:
    """The rows in columns of even width."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for (route, method), row in matrix.items():
        lines.setdefault((route, *(row[column] for column in columns)), []).append(method)
    rows = [["methods", "address", *(column.replace(" ", "_") for column in columns)]]
    rows += [["+".join(methods), *cells] for cells, methods in lines.items()]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "".join(
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in rows
    )
