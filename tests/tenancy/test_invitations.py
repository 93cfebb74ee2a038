"""One-time links: what they open, once, and what they cannot do."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog.testing
from django.test import Client
from django.utils import timezone

from tenancy import invitations
from tenancy.invitations import accept_signed_in, accept_with_password, add_member, invite, make_member_link
from tenancy.models import AuditEntry, Invitation, Membership, Team, Tenant, User
from tenancy.scope import tenant_scope
from tenancy.services import get_or_create_login, join_tenant
from tests.conftest import NOW

PASSWORD = "eleven lazy ducks"
FORM = {"name": "Ana Prado", "password": PASSWORD, "again": PASSWORD}


def path_of(token: str) -> str:
    return f"/invitations/{token}/"


@pytest.fixture
def client() -> Client:
    """A stranger's browser, in English."""
    return Client(headers={"accept-language": "en"})


@pytest.fixture
def invited(admin: Membership) -> str:
    """The token of an open invitation of ana@prado.test as SDR."""
    with tenant_scope(admin.tenant_id):
        return invite(email="Ana@Prado.test", roles=["sdr"], by=admin, now=timezone.now())[1]


def test_a_new_person_sets_a_password_and_is_in(tenant: Tenant, invited: str, client: Client) -> None:
    page = client.get(path_of(invited))
    assert page.status_code == 200
    assert "ana@prado.test" in page.content.decode()
    answer = client.post(path_of(invited), FORM)
    assert (answer.status_code, answer["Location"]) == (302, "/t/horizonte/")
    user = User.objects.get(email="ana@prado.test")
    assert user.check_password(PASSWORD)
    assert client.session["_auth_user_id"] == str(user.pk)
    with tenant_scope(tenant.pk):
        member = Membership.objects.get(user=user)
        assert (member.name, member.roles, member.is_active) == ("Ana Prado", ["sdr"], True)
        assert AuditEntry.objects.filter(act="member.joined", subject="ana@prado.test").exists()


def test_opening_a_link_changes_nothing(tenant: Tenant, invited: str, client: Client) -> None:
    client.get(path_of(invited))
    client.head(path_of(invited))
    assert not User.objects.filter(email="ana@prado.test").exists()
    with tenant_scope(tenant.pk):
        assert Invitation.objects.get().accepted_at is None


def test_a_used_link_says_so(invited: str, client: Client) -> None:
    client.post(path_of(invited), FORM)
    for answer in (client.get(path_of(invited)), client.post(path_of(invited), FORM)):
        assert answer.status_code == 410
        assert "This link has been used" in answer.content.decode()


def test_an_expired_link_says_so(tenant: Tenant, invited: str, client: Client) -> None:
    with tenant_scope(tenant.pk):
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = client.post(path_of(invited), FORM)
    assert answer.status_code == 410
    assert "This link has expired" in answer.content.decode()
    assert not User.objects.filter(email="ana@prado.test").exists()


def test_an_unknown_link_is_not_found(tenant: Tenant, client: Client) -> None:
    assert client.get(path_of("nonsense")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"again": "something else!"}, "The two passwords differ"),
        ({"password": "short", "again": "short"}, "too short"),
        ({"password": "password123", "again": "password123"}, "too common"),
        ({"password": "ana@prado.test", "again": "ana@prado.test"}, "too similar"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_a_weak_or_mistyped_password_is_refused_and_the_link_stays_open(
    invited: str, client: Client, wrong: dict[str, str], words: str
) -> None:
    answer = client.post(path_of(invited), FORM | wrong, headers={"accept-language": "en"})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert client.post(path_of(invited), FORM).status_code == 302


def test_inviting_again_makes_the_first_link_useless(
    tenant: Tenant, admin: Membership, invited: str, client: Client
) -> None:
    with tenant_scope(tenant.pk):
        second = invite(email="ana@prado.test", roles=["sales"], by=admin, now=timezone.now())[1]
    assert "withdrawn" in client.get(path_of(invited)).content.decode()
    assert client.post(path_of(second), FORM).status_code == 302


def test_who_has_a_login_signs_in_and_joins_with_it(tenant: Tenant, invited: str, client: Client) -> None:
    user = User.objects.create_user("ana@prado.test", PASSWORD, name="Ana")
    page = client.get(path_of(invited))
    assert "has a login already" in page.content.decode()
    answer = client.post(path_of(invited), FORM)
    assert answer["Location"] == f"/accounts/login/?next={path_of(invited)}"
    client.force_login(user)
    assert "You are signed in as" in client.get(path_of(invited)).content.decode()
    assert client.post(path_of(invited))["Location"] == "/t/horizonte/"
    with tenant_scope(tenant.pk):
        assert Membership.objects.get(user=user).roles == ["sdr"]


def test_a_link_never_replaces_a_password(invited: str) -> None:
    user = User.objects.create_user("ana@prado.test", PASSWORD)
    with pytest.raises(invitations.PasswordNotAllowed):
        accept_with_password(token=invited, name="Mallory", password="another password", now=timezone.now())
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_somebody_else_cannot_use_a_link(
    invited: str, sdr: Membership, sign_in: Callable[..., Client]
) -> None:
    User.objects.create_user("ana@prado.test", PASSWORD)
    client = sign_in(sdr)
    assert "Sign out, and open the link again" in client.get(path_of(invited)).content.decode()
    assert client.post(path_of(invited)).status_code == 403


def test_an_administrator_cannot_set_the_password_of_somebody_who_belongs_elsewhere(
    tenant: Tenant, other_tenant: Tenant, admin: Membership
) -> None:
    with tenant_scope(other_tenant.pk):
        add_member(email="ana@prado.test", roles=["admin"], now=NOW)
    with tenant_scope(tenant.pk):
        token = invite(email="ana@prado.test", roles=["sdr"], by=admin, now=NOW)[1]
    with pytest.raises(invitations.PasswordNotAllowed):
        accept_with_password(token=token, name="Mallory", password=PASSWORD, now=NOW)
    assert not User.objects.get(email="ana@prado.test").has_usable_password()


def test_an_operators_link_works_for_somebody_of_two_tenants(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(other_tenant.pk):
        add_member(email="ana@prado.test", roles=["admin"], now=NOW)
    with tenant_scope(tenant.pk):
        token = add_member(email="ana@prado.test", roles=["sdr"], now=NOW)[1]
    accept_with_password(token=token, name="Ana", password=PASSWORD, now=NOW)
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            assert Membership.objects.get(user__email="ana@prado.test").is_active


def test_a_member_made_by_an_operator_sets_the_password_and_keeps_roles_and_team(
    tenant: Tenant, client: Client
) -> None:
    with tenant_scope(tenant.pk):
        member, token = add_member(
            email="ana@prado.test", roles=["sdr"], team_name="Pre-sales", now=timezone.now()
        )
    assert client.post(path_of(token), FORM).status_code == 302
    with tenant_scope(tenant.pk):
        member.refresh_from_db()
        assert (member.name, member.roles) == ("Ana Prado", ["sdr"])
        assert Team.objects.get(name="Pre-sales").members.get() == member


def test_a_link_for_a_member_with_a_password_opens_the_tenant(tenant: Tenant, sdr: Membership) -> None:
    assert sdr.user is not None
    sdr.user.set_password(PASSWORD)
    sdr.user.save()
    with tenant_scope(tenant.pk):
        token = make_member_link(member=sdr, by=None, now=NOW)
    assert accept_signed_in(token=token, user=sdr.user, now=NOW) == tenant


def test_an_administrator_makes_no_link_for_who_has_a_password(
    tenant: Tenant, admin: Membership, sdr: Membership
) -> None:
    assert sdr.user is not None
    sdr.user.set_password(PASSWORD)
    sdr.user.save()
    with tenant_scope(tenant.pk), pytest.raises(invitations.PasswordNotAllowed):
        make_member_link(member=sdr, by=admin, now=NOW)


def test_a_deactivated_person_comes_back_by_an_invitation(
    tenant: Tenant, admin: Membership, sdr: Membership
) -> None:
    with tenant_scope(tenant.pk):
        Membership.objects.filter(pk=sdr.pk).update(is_active=False)
        token = invite(email=sdr.email, roles=["sales"], by=admin, now=NOW)[1]
    accept_with_password(token=token, name="Bruna", password=PASSWORD, now=NOW)
    with tenant_scope(tenant.pk):
        sdr.refresh_from_db()
    assert (sdr.is_active, sdr.roles) == (True, ["sales"])


def test_the_page_of_a_link_speaks_the_tenants_language_when_the_browser_asks_for_none_of_ours(
    invited: str,
) -> None:
    finn = Client(headers={"accept-language": "fi"})
    assert finn.get(path_of(invited))["Content-Language"] == "pt-br"
    finn.post(path_of(invited), FORM)
    assert Client(headers={"accept-language": "fi"}).get(path_of(invited))["Content-Language"] == "pt-br"


def test_the_token_is_kept_as_a_hash_only(tenant: Tenant, invited: str) -> None:
    with tenant_scope(tenant.pk):
        assert invited not in str(list(Invitation.objects.values()))
        assert invited not in str(list(AuditEntry.objects.values()))


def test_joining_twice_is_refused(tenant: Tenant, sdr: Membership) -> None:
    from tenancy.services import AlreadyMember

    with tenant_scope(tenant.pk), pytest.raises(AlreadyMember):
        join_tenant(user=get_or_create_login(email=sdr.email), roles=["sales"], now=NOW)


def test_the_token_is_not_written_to_the_log(invited: str, client: Client) -> None:
    with structlog.testing.capture_logs() as lines:
        client.get(path_of(invited))
    assert [line["path"] for line in lines if line["event"] == "GET"] == ["/invitations/…/"]
