"""The navigation shows what the roles may open."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tenancy import navigation
from tenancy.models import Membership, Role, Tenant
from tenancy.navigation import Badge, NavigationItem, NavigationTaken, build_navigation, register_navigation


def answer(request: HttpRequest, slug: str) -> HttpResponse:
    return HttpResponse(slug)


urlpatterns = [
    path("t/<slug:slug>/", answer, name="home"),
    path("t/<slug:slug>/leads/", answer, name="leads"),
    path("t/<slug:slug>/leads/held/", answer, name="held"),
    path("t/<slug:slug>/keys/", answer, name="keys"),
]

HOME = NavigationItem(
    key="home", label="Home", icon="home", url_name="home", section="work", right="home.read", order=1
)
LEADS = NavigationItem(
    key="leads", label="Leads", icon="users", url_name="leads", section="work", right="lead.read", order=2
)
HELD = NavigationItem(
    key="held",
    label="Held",
    icon="bug",
    url_name="held",
    section="operations",
    right="held.resolve",
)
KEYS = NavigationItem(
    key="keys",
    label="Keys",
    icon="key",
    url_name="keys",
    section="operations",
    right="key.manage",
)
TENANT = Tenant(pk=1, name="A", slug="a")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "_items", {})
    for item in (HELD, KEYS, LEADS, HOME):
        register_navigation(item)


pytestmark = pytest.mark.urls(__name__)


def shown(role: Role, *, at: str = "/t/a/") -> dict[str, list[str]]:
    member = Membership(tenant=TENANT, roles=[role], is_active=True)
    sections = build_navigation(tenant=TENANT, member=member, path=at)
    return {section.key: [link.item.key for link in section.links] for section in sections}


def current(at: str) -> list[str]:
    member = Membership(tenant=TENANT, roles=[Role.ADMIN], is_active=True)
    sections = build_navigation(tenant=TENANT, member=member, path=at)
    return [link.item.key for section in sections for link in section.links if link.is_current]


def test_an_sdr_sees_no_administration_and_no_empty_section() -> None:
    assert shown(Role.SDR) == {"work": ["home", "leads"]}


def test_an_administrator_sees_everything_in_order() -> None:
    assert shown(Role.ADMIN) == {"work": ["home", "leads"], "operations": ["held", "keys"]}


@pytest.mark.parametrize(
    ("at", "key"),
    [
        ("/t/a/", ["home"]),
        ("/t/a/leads/812/", ["leads"]),
        ("/t/a/leads/held/", ["held"]),
        ("/t/a/elsewhere/", []),
    ],
)
def test_the_longest_beginning_of_the_address_is_current(at: str, key: list[str]) -> None:
    assert current(at) == key


def test_a_badge_stands_at_its_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "count_badges", lambda _items, _member: {"held": Badge(count=3)})
    member = Membership(tenant=TENANT, roles=[Role.ADMIN], is_active=True)
    links = [link for s in build_navigation(tenant=TENANT, member=member, path="/t/a/") for link in s.links]
    assert {link.item.key: link.badge and link.badge.count for link in links} == {
        "home": None,
        "leads": None,
        "held": 3,
        "keys": None,
    }


def test_an_unknown_right_and_a_taken_key_are_refused() -> None:
    with pytest.raises(KeyError):
        register_navigation(
            NavigationItem(key="x", label="X", icon="x", url_name="home", section="work", right="no.such")
        )
    with pytest.raises(NavigationTaken):
        register_navigation(
            NavigationItem(
                key="home", label="Other", icon="x", url_name="home", section="work", right="home.read"
            )
        )
