"""The commands with which an operator starts: their output and what they leave behind."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tenancy.keys import resolve_key
from tenancy.models import ApiKey, AuditEntry, Membership, Role, Team, TeamFunction, Tenant, User
from tenancy.scope import tenant_scope
from tests.conftest import NOW

CREATE = ["create_tenant", "Norte Ltda", "--slug", "norte", "--admin", "Chefe@Norte.test"]


def run(*words: str) -> list[str]:
    """The lines that a command prints."""
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().splitlines()


def test_create_tenant_makes_a_tenant_its_administrator_and_prints_a_link(db: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://leads.norte.test"
    lines = run(*CREATE)
    assert lines[-1].startswith("https://leads.norte.test/invitations/")
    tenant = Tenant.objects.get(slug="norte")
    assert (tenant.name, tenant.time_zone, tenant.language) == ("Norte Ltda", "America/Sao_Paulo", "pt-br")
    assert (tenant.currency, tenant.country) == ("BRL", "BR")
    user = User.objects.get(email="chefe@norte.test")
    assert not user.has_usable_password()
    with tenant_scope(tenant.pk):
        member = Membership.objects.get()
        assert (member.user_id, member.roles) == (user.pk, ["admin"])
        assert list(AuditEntry.objects.values_list("act", "subject")) == [("tenant.created", "Norte Ltda")]


@pytest.mark.parametrize("language", ["pt-BR", "pt-br", "PT_BR"])
def test_create_tenant_takes_the_language_in_any_spelling(db: None, language: str) -> None:
    run(*CREATE, "--language", language, "--currency", "usd", "--country", "us", "--time-zone", "UTC")
    tenant = Tenant.objects.get(slug="norte")
    assert (tenant.language, tenant.currency, tenant.country) == ("pt-br", "USD", "US")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--time-zone", "America/Campinas", "--time-zone: America/Campinas is not a time zone"),
        ("--language", "fr", "--language: fr is not offered"),
        ("--currency", "REAL", "--currency: "),
        ("--currency", "XYZ", "--currency: XYZ is not a currency"),
        ("--country", "ZZ", "--country: ZZ is not a country"),
        ("--slug", "Norte Ltda", "--slug: "),
        ("--admin", "chefe", "'chefe' is not an e-mail address"),
    ],
)
def test_create_tenant_says_which_value_is_wrong_and_writes_nothing(
    db: None, option: str, value: str, words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        run(*CREATE, option, value)
    assert not Tenant.objects.filter(slug="norte").exists()
    assert not User.objects.filter(email__contains="chefe").exists()


def test_create_tenant_refuses_a_taken_address(tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="--slug: horizonte is taken"):
        run("create_tenant", "Outro", "--slug", "horizonte", "--admin", "a@b.test")
    assert Tenant.objects.filter(name="Outro").count() == 0


def test_create_tenant_for_somebody_with_a_password_prints_a_link_that_keeps_it(tenant: Tenant) -> None:
    User.objects.create_user("chefe@norte.test", "a sentence as password")
    lines = run(*CREATE)
    assert "has a login already" in lines[-2]
    assert User.objects.get(email="chefe@norte.test").check_password("a sentence as password")


def test_create_api_key_prints_the_key_alone_on_the_last_line_and_it_works(tenant: Tenant) -> None:
    key = run("create_api_key", "--tenant", "horizonte", "--name", "CRM")[-1]
    found, service, access = resolve_key(header=f"Bearer {key}", now=NOW)
    assert (found.pk, service.name) == (tenant.pk, "CRM")
    # Settings are asked for by name.
    assert access.scopes == {"leads:read", "leads:write", "events:write", "insight:read"}
    with tenant_scope(tenant.pk):
        assert key not in str(ApiKey.objects.values())
        assert "CRM" in AuditEntry.objects.get(act="key.created").subject


def test_create_api_key_gives_only_the_scopes_asked_for(tenant: Tenant) -> None:
    key = run("create_api_key", "--tenant", "horizonte", "--name", "BI", "--scope", "insight:read")[-1]
    assert resolve_key(header=f"Bearer {key}", now=NOW)[2].scopes == {"insight:read"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tenant", "nowhere", "--name", "CRM"], "There is no tenant 'nowhere'"),
        (["--tenant", "horizonte", "--name", "CRM", "--scope", "leads:all"], "invalid choice: 'leads:all'"),
        (["--tenant", "horizonte", "--name", " "], "--name must have 1 to 80 characters"),
    ],
)
def test_create_api_key_says_what_is_wrong(tenant: Tenant, words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("create_api_key", *words)


def test_create_api_key_refuses_a_second_key_of_one_name(tenant: Tenant) -> None:
    run("create_api_key", "--tenant", "horizonte", "--name", "CRM")
    with pytest.raises(CommandError, match="already a key of this name: CRM"):
        run("create_api_key", "--tenant", "horizonte", "--name", "CRM")


def test_add_member_makes_a_member_at_once_and_the_team_with_the_function_of_the_role(tenant: Tenant) -> None:
    add = ["--tenant", "horizonte", "--role", "manager", "--role", "sdr", "--team", "Pre-sales"]
    lines = run("add_member", "ana@horizonte.test", *add)
    assert "/invitations/" in lines[-1]
    run("add_member", "bruno@horizonte.test", "--tenant", "horizonte", "--role", "sdr", "--team", "Pre-sales")
    with tenant_scope(tenant.pk):
        ana = Membership.objects.get(user__email="ana@horizonte.test")
        assert (ana.roles, ana.is_active) == ([Role.MANAGER, Role.SDR], True)
        team = Team.objects.get(name="Pre-sales")
        assert (team.function, team.lead_member) == (TeamFunction.SDR, ana)
        assert set(team.members.values_list("user__email", flat=True)) == {
            "ana@horizonte.test",
            "bruno@horizonte.test",
        }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ana@x.test", "--tenant", "nowhere", "--role", "sdr"], "There is no tenant 'nowhere'"),
        (["ana@x.test", "--tenant", "horizonte", "--role", "boss"], "invalid choice: 'boss'"),
        (["ana", "--tenant", "horizonte", "--role", "sdr"], "'ana' is not an e-mail address"),
        (["admin@horizonte.test", "--tenant", "horizonte", "--role", "sdr"], "is a member already"),
        (
            ["ana@x.test", "--tenant", "horizonte", "--role", "viewer", "--team", "New"],
            "There is no team New",
        ),
    ],
)
def test_add_member_says_what_is_wrong_and_writes_nothing(
    tenant: Tenant, words: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run("add_member", *words)
    assert not User.objects.filter(email="ana@x.test").exists()
    with tenant_scope(tenant.pk):
        assert not Team.objects.exists()
