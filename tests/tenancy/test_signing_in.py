"""Signing in, where one lands, which language speaks, and what stops those who guess."""

from collections.abc import Callable
from dataclasses import dataclass
from random import randrange
from uuid import uuid4

import pytest
from django.test import Client

from tenancy.models import Membership, Role, Tenant, User
from tenancy.scope import tenant_scope
from tenancy.services import join_tenant
from tests.conftest import NOW

PASSWORD = "eleven lazy ducks"


@pytest.fixture
def ana(tenant: Tenant) -> User:
    """An SDR with a password."""
    user = User.objects.create_user(f"ana-{uuid4().hex}@horizonte.test", PASSWORD)
    with tenant_scope(tenant.pk):
        join_tenant(user=user, roles=[Role.SDR], now=NOW)
    return user


@pytest.fixture
def browser() -> Client:
    """A browser at an address of its own, so that no other test's attempts count against it."""
    return Client(REMOTE_ADDR=f"10.{randrange(256)}.{randrange(256)}.{randrange(256)}")


def test_a_person_of_one_tenant_goes_straight_in(ana: User, browser: Client) -> None:
    answer = browser.post("/accounts/login/", {"login": ana.email.upper(), "password": PASSWORD})
    assert answer["Location"] == "/"
    assert browser.get("/")["Location"] == "/t/horizonte/"


def test_a_person_of_two_tenants_chooses(ana: User, other_tenant: Tenant, client: Client) -> None:
    with tenant_scope(other_tenant.pk):
        join_tenant(user=ana, roles=[Role.SALES], now=NOW)
    client.force_login(ana)
    page = client.get("/").content.decode()
    assert "/t/horizonte/" in page
    assert "/t/outra/" in page


def test_a_person_of_no_tenant_is_told_whom_to_ask(db: None, client: Client) -> None:
    client.force_login(User.objects.create_user("nobody@x.test", PASSWORD))
    answer = client.get("/", headers={"accept-language": "en"})
    assert answer.status_code == 200
    assert "You belong to no account yet" in answer.content.decode()


def test_a_part_of_a_page_never_becomes_the_login_of_who_signed_out(db: None, client: Client) -> None:
    htmx = {"HX-Request": "true", "accept-language": "en"}
    part = client.get("/t/horizonte/queue/", headers=htmx)
    assert (part.status_code, part.content) == (401, b"")
    sent = client.post("/t/horizonte/leads/1/acts/attempt/", {"note": "Ligar amanhã"}, headers=htmx)
    assert sent.status_code == 401
    assert "nothing was saved" in sent.content.decode()


def test_nobody_is_asked_to_sign_in_first(db: None, client: Client) -> None:
    assert client.get("/")["Location"] == "/accounts/login/?next=/"
    assert client.get("/t/horizonte/settings/")["Location"] == "/accounts/login/?next=/t/horizonte/settings/"


def test_a_tenant_that_does_not_exist_looks_like_one_that_is_not_ours(
    ana: User, other_tenant: Tenant, client: Client
) -> None:
    client.force_login(ana)
    assert client.get("/t/outra/settings/").status_code == 404
    assert client.get("/t/nowhere/settings/").status_code == 404


def test_guessing_a_password_is_stopped_after_five_times(ana: User, browser: Client) -> None:
    for _attempt in range(5):
        browser.post("/accounts/login/", {"login": ana.email, "password": "wrong"})
    answer = browser.post("/accounts/login/", {"login": ana.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert "Too many failed login attempts" in answer.content.decode()
    assert "_auth_user_id" not in browser.session


def test_a_person_who_was_switched_off_gets_in_nowhere(ana: User, browser: Client) -> None:
    User.objects.filter(pk=ana.pk).update(is_active=False)
    browser.post("/accounts/login/", {"login": ana.email, "password": PASSWORD})
    assert "_auth_user_id" not in browser.session


def test_nobody_signs_up_and_nobody_changes_their_login(ana: User, client: Client) -> None:
    answer = client.post("/accounts/signup/", {"email": "new@x.test", "password1": PASSWORD})
    assert answer.status_code == 200
    assert not User.objects.filter(email="new@x.test").exists()
    client.force_login(ana)
    client.post("/accounts/email/", {"email": "victim@x.test", "action_add": ""})
    ana.refresh_from_db()
    assert ana.email != "victim@x.test"
    assert not ana.emailaddress_set.exists()  # type: ignore[attr-defined]


def test_without_mail_the_forgotten_password_page_says_who_helps(db: None, client: Client) -> None:
    answer = client.post(
        "/accounts/password/reset/", {"email": "a@b.test"}, headers={"accept-language": "en"}
    )
    assert "sends no mail yet" in answer.content.decode()


@dataclass(frozen=True)
class Wishes:
    """What each asks for, and what must come of it."""

    own: str
    cookie: str
    browser: str
    tenant: str
    expected: str


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes("pt-br", "en", "en", "en", "pt-br"),
        Wishes("", "pt-br", "en", "en", "pt-br"),
        Wishes("", "", "pt-BR,en;q=0.5", "en", "pt-br"),
        Wishes("", "", "pt,en;q=0.5", "en", "pt-br"),
        Wishes("", "", "fi,en;q=0.5", "pt-br", "en"),
        Wishes("", "", "fi", "pt-br", "pt-br"),
        Wishes("", "", "", "en", "en"),
        Wishes("", "", "*", "pt-br", "pt-br"),
    ],
)
def test_the_language_is_the_persons_then_the_browsers_then_the_tenants(
    tenant: Tenant, admin: Membership, wishes: Wishes
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(language=wishes.tenant)
    User.objects.filter(email=admin.email).update(language=wishes.own)
    client = Client(headers={"accept-language": wishes.browser})
    client.force_login(User.objects.get(email=admin.email))
    client.cookies["django_language"] = wishes.cookie
    answer = client.get("/t/horizonte/settings/teams/")
    assert answer["Content-Language"] == wishes.expected
    assert f'<html lang="{wishes.expected}"' in answer.content.decode()


def test_the_profile_is_saved_and_the_name_changes_in_every_tenant(
    ana: User, tenant: Tenant, other_tenant: Tenant, client: Client
) -> None:
    with tenant_scope(other_tenant.pk):
        join_tenant(user=ana, roles=[Role.SALES], now=NOW)
    client.force_login(ana)
    values = {"name": "Ana Prado", "language": "en", "time_zone": "America/Manaus", "theme": "dark"}
    assert client.post("/profile/", values).status_code == 302
    ana.refresh_from_db()
    assert (ana.name, ana.language, ana.time_zone, ana.theme) == tuple(values.values())
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            assert Membership.objects.get(user=ana).name == "Ana Prado"
    assert 'data-theme-choice="dark"' in client.get("/profile/").content.decode()


def test_a_profile_with_a_made_up_zone_is_refused(ana: User, client: Client) -> None:
    client.force_login(ana)
    values = {"name": "Ana", "language": "en", "time_zone": "Mars/Base", "theme": "dark"}
    assert client.post("/profile/", values).status_code == 422


def test_times_on_pages_are_in_the_persons_zone(
    tenant: Tenant, admin: Membership, sign_in: Callable[..., Client]
) -> None:
    client = sign_in(admin)
    assert "11/18/2026 10 a.m." in client.get("/t/horizonte/settings/audit/").content.decode()
    User.objects.filter(email=admin.email).update(time_zone="Asia/Tokyo")
    assert "11/18/2026 10 p.m." in client.get("/t/horizonte/settings/audit/").content.decode()


def test_the_operators_admin_is_closed_to_administrators_and_open_to_operators(
    admin: Membership, sign_in: Callable[..., Client], db: None
) -> None:
    assert sign_in(admin).get("/operator/").status_code in {302, 403}
    operator = User.objects.create_superuser("root@x.test", PASSWORD)
    client = Client()
    client.force_login(operator)
    page = client.get("/operator/", headers={"accept-language": "en"}).content.decode()
    assert "/operator/tenancy/tenant/" in page
    assert "/operator/tenancy/user/" in page
    assert page.count("/operator/") - page.count("/operator/tenancy/") < 12
    changed = client.post(
        "/operator/tenancy/user/add/",
        {"email": "New@X.test", "name": "New", "usable_password": "false", "password1": "", "password2": ""},
    )
    assert changed.status_code == 302
    assert not User.objects.get(email="new@x.test").has_usable_password()


def test_an_operator_changes_a_tenant_but_neither_makes_nor_deletes_one(tenant: Tenant) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root@x.test", PASSWORD))
    assert client.get("/operator/tenancy/tenant/add/").status_code == 403
    assert client.post(f"/operator/tenancy/tenant/{tenant.pk}/delete/").status_code == 403
    values = {
        "name": "Horizonte",
        "time_zone": "America/Manaus",
        "language": "en",
        "currency": "usd",
        "country": "br",
    }
    assert client.post(f"/operator/tenancy/tenant/{tenant.pk}/change/", values).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.name, tenant.language, tenant.currency) == ("Horizonte", "en", "USD")
