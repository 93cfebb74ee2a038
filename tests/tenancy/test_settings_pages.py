"""The administrator's pages: what they show, what they change, what they refuse."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from tenancy import members
from tenancy.models import ApiKey, AuditEntry, Invitation, Membership, Role, Team, TeamFunction, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_member
from tests.conftest import NOW

HOME = "/t/horizonte/settings/"


def test_settings_open_at_the_first_page_one_may_see(
    as_admin: Client, tenant: Tenant, sign_in: Callable[..., Client]
) -> None:
    with tenant_scope(tenant.pk):
        manager = make_member(role=Role.MANAGER)
    assert as_admin.get(HOME)["Location"] == f"{HOME}members/"
    assert sign_in(manager).get(HOME)["Location"] == f"{HOME}teams/"


def test_members_shows_people_and_who_is_invited(as_admin: Client, sdr: Membership) -> None:
    as_admin.post(f"{HOME}members/invite/", {"email": "caio@x.test", "roles": ["sales"]})
    page = as_admin.get(f"{HOME}members/").content.decode()
    assert "Bruna Ávila" in page
    assert "2 people work here · 1 is invited" in " ".join(page.split())
    assert "caio@x.test" in page


@pytest.mark.parametrize("search", ["bruna", "avila", "SDR", "sdr avi"])
def test_members_are_found_without_accents_and_by_role(
    as_admin: Client, sdr: Membership, search: str
) -> None:
    headers = {"hx-request": "true", "hx-target": "members-rows"}
    page = as_admin.get(f"{HOME}members/", {"q": search}, headers=headers).content.decode()
    assert "Bruna Ávila" in page
    assert "admin@horizonte.test" not in page
    assert "<html" not in page


def test_inviting_shows_the_link_once(as_admin: Client, tenant: Tenant) -> None:
    answer = as_admin.post(f"{HOME}members/invite/", {"email": "Caio@X.test", "roles": ["sales", "manager"]})
    page = answer.content.decode()
    assert "http://localhost:8000/invitations/" in page
    assert "no-store" in answer["Cache-Control"]
    with tenant_scope(tenant.pk):
        invitation = Invitation.objects.get()
        assert (invitation.email, invitation.roles) == ("caio@x.test", ["manager", "sales"])
        assert AuditEntry.objects.get(act="member.invited").actor.roles == ["admin"]


def test_inviting_a_member_is_refused_in_words_and_keeps_what_was_typed(
    as_admin: Client, sdr: Membership
) -> None:
    answer = as_admin.post(f"{HOME}members/invite/", {"email": sdr.email, "roles": ["sales"]})
    assert answer.status_code == 422
    assert "is a member already" in answer.content.decode()
    assert f'value="{sdr.email}"' in answer.content.decode()


def test_roles_and_teams_are_changed_and_recorded(as_admin: Client, tenant: Tenant, sdr: Membership) -> None:
    with tenant_scope(tenant.pk):
        team = Team.objects.create(name="Closers", function=TeamFunction.SALES)
    answer = as_admin.post(f"{HOME}members/{sdr.pk}/", {"roles": ["sales"], "teams": [team.pk]})
    assert answer.status_code == 302
    with tenant_scope(tenant.pk):
        sdr.refresh_from_db()
        assert (sdr.roles, list(sdr.teams.all())) == (["sales"], [team])
        assert AuditEntry.objects.get(act="member.changed").detail == {
            "roles": ["sales"],
            "teams": ["Closers"],
        }


def test_the_last_administrator_cannot_give_up_the_role(as_admin: Client, admin: Membership) -> None:
    answer = as_admin.post(f"{HOME}members/{admin.pk}/", {"roles": ["manager"]})
    assert answer.status_code == 422
    assert "is the only administrator" in answer.content.decode()


def test_the_last_administrator_cannot_be_deactivated(as_admin: Client, admin: Membership) -> None:
    answer = as_admin.post(f"{HOME}members/{admin.pk}/deactivate/")
    assert answer.status_code == 409
    assert as_admin.get(f"{HOME}members/").status_code == 200


def test_one_of_two_administrators_may_leave(as_admin: Client, tenant: Tenant, admin: Membership) -> None:
    with tenant_scope(tenant.pk):
        make_member(role=Role.ADMIN)
    assert as_admin.post(f"{HOME}members/{admin.pk}/deactivate/")["Location"] == "/"
    assert as_admin.get(f"{HOME}members/").status_code == 404


def test_a_deactivated_administrator_does_not_count(
    as_admin: Client, tenant: Tenant, admin: Membership
) -> None:
    with tenant_scope(tenant.pk):
        Membership.objects.filter(pk=make_member(role=Role.ADMIN).pk).update(is_active=False)
    assert as_admin.post(f"{HOME}members/{admin.pk}/deactivate/").status_code == 409


def test_a_deactivated_member_loses_access_team_and_lead(
    as_admin: Client, tenant: Tenant, sdr: Membership, sign_in: Callable[..., Client]
) -> None:
    with tenant_scope(tenant.pk):
        team = Team.objects.create(name="Pre-sales", function=TeamFunction.SDR, lead_member=sdr)
        team.members.add(sdr, through_defaults={})
    theirs = sign_in(sdr)
    assert theirs.get("/t/horizonte/settings/").status_code == 403
    as_admin.post(f"{HOME}members/{sdr.pk}/deactivate/")
    assert theirs.get("/t/horizonte/settings/").status_code == 404
    with tenant_scope(tenant.pk):
        team.refresh_from_db()
        assert (team.lead_member, list(team.members.all())) == (None, [])
    as_admin.post(f"{HOME}members/{sdr.pk}/reactivate/")
    assert theirs.get("/t/horizonte/settings/").status_code == 403


def test_a_member_without_password_gets_a_new_link(as_admin: Client, sdr: Membership) -> None:
    assert "New link" in as_admin.get(f"{HOME}members/{sdr.pk}/").content.decode()
    assert "/invitations/" in as_admin.post(f"{HOME}members/{sdr.pk}/link/").content.decode()


def test_an_invitation_is_renewed_and_withdrawn(as_admin: Client, tenant: Tenant) -> None:
    as_admin.post(f"{HOME}members/invite/", {"email": "caio@x.test", "roles": ["sales"]})
    with tenant_scope(tenant.pk):
        first = Invitation.objects.get()
    assert "/invitations/" in as_admin.post(f"{HOME}invitations/{first.pk}/renew/").content.decode()
    with tenant_scope(tenant.pk):
        first.refresh_from_db()
        assert first.revoked_at is not None
        second = Invitation.objects.exclude(pk=first.pk).get()
    assert as_admin.post(f"{HOME}invitations/{second.pk}/revoke/").status_code == 302
    assert as_admin.get(f"{HOME}members/").context["invitations"] == []


def test_a_team_is_made_and_changed(as_admin: Client, tenant: Tenant, sdr: Membership) -> None:
    values = {"name": "Pre-sales", "function": "sdr", "lead": sdr.pk, "members": [sdr.pk]}
    assert as_admin.post(f"{HOME}teams/new/", values).status_code == 302
    with tenant_scope(tenant.pk):
        team = Team.objects.get()
        assert (team.function, team.lead_member, team.members.get()) == ("sdr", sdr, sdr)
    changed = {"name": "Inside sales", "function": "sales", "lead": "", "members": []}
    assert as_admin.post(f"{HOME}teams/{team.pk}/", changed).status_code == 302
    with tenant_scope(tenant.pk):
        team.refresh_from_db()
        assert (team.name, team.function, team.lead_member) == ("Inside sales", "sales", None)
        assert not team.members.exists()
        assert set(AuditEntry.objects.values_list("act", flat=True)) >= {"team.created", "team.changed"}


def test_a_deleted_team_leaves_its_people_and_its_leads_wait_for_every_team(
    as_admin: Client, tenant: Tenant, sdr: Membership
) -> None:
    from leads.models import LeadState
    from tests.builders import make_lead, make_team

    heard: list[int] = []
    with tenant_scope(tenant.pk):
        team = make_team(function=TeamFunction.SDR, members=[sdr])
        lead = make_lead(stage="mql", standing={"team_sdr": team, "owner_sdr": sdr})
    listeners = [*members._listeners]
    members.register_member_listener(lambda member, now: heard.append(member.pk))
    try:
        page = as_admin.get(f"{HOME}teams/{team.pk}/").content.decode()
        assert f"Delete the team “{team.name}”?" in page
        assert as_admin.post(f"{HOME}teams/{team.pk}/delete/").status_code == 302
    finally:
        members._listeners[:] = listeners
    assert as_admin.post(f"{HOME}teams/{team.pk}/delete/").status_code == 404
    with tenant_scope(tenant.pk):
        standing = LeadState.objects.get(lead=lead)
        assert (standing.team_sdr, standing.owner_sdr) == (None, sdr)
        assert not Team.objects.exists()
        sdr.refresh_from_db()
        assert sdr.is_active
        assert AuditEntry.objects.get(act="team.deleted").detail["members"] == [sdr.name]
    assert heard == [sdr.pk]
    assert f"Deleted the team {team.name}" in as_admin.get(f"{HOME}audit/").content.decode()


def test_two_teams_of_one_name_are_refused(as_admin: Client, tenant: Tenant) -> None:
    values = {"name": "Pre-sales", "function": "sdr"}
    as_admin.post(f"{HOME}teams/new/", values)
    answer = as_admin.post(f"{HOME}teams/new/", values)
    assert answer.status_code == 422
    assert "already a team called Pre-sales" in answer.content.decode()


def test_a_key_is_shown_once_and_works_until_it_is_revoked(as_admin: Client, tenant: Tenant) -> None:
    values = {"name": "Website", "scopes": ["leads:write"], "expires_on": "2099-12-31"}
    answer = as_admin.post(f"{HOME}keys/new/", values)
    key = answer.content.decode().split('id="made"')[1].split('value="')[1].split('"')[0]
    assert "no-store" in answer["Cache-Control"]
    bearer = {"authorization": f"Bearer {key}"}
    assert (
        Client().get("/api/v1/funnel/", headers=bearer).status_code == 403
    )  # the key is good, the scope is not
    with tenant_scope(tenant.pk):
        row = ApiKey.objects.get()
        assert row.last_used_at is not None
        assert row.expires_at is not None
        assert timezone.localtime(row.expires_at).isoformat() > "2099-12-31"
    page = as_admin.get(f"{HOME}keys/").content.decode()
    assert key not in page
    assert f"lsk_{row.prefix}" in page
    as_admin.post(f"{HOME}keys/{row.pk}/revoke/")
    assert Client().get("/api/v1/funnel/", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scopes": []}, "Choose at least one."),
        ({"expires_on": "2020-01-01"}, "This day has passed"),
        ({"name": "Taken"}, "already a key of this name"),
    ],
)
def test_a_wrong_key_form_says_how_to_mend_it(as_admin: Client, wrong: dict[str, object], words: str) -> None:
    good = {"name": "Website", "scopes": ["leads:write"]}
    as_admin.post(f"{HOME}keys/new/", good | {"name": "Taken"})
    answer = as_admin.post(f"{HOME}keys/new/", good | wrong)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_the_audit_log_tells_in_words_and_in_pages(
    as_admin: Client, tenant: Tenant, admin: Membership
) -> None:
    with tenant_scope(tenant.pk):
        AuditEntry.objects.bulk_create(
            AuditEntry(
                at=NOW, actor=admin, act="team.created", subject=f"T{number:03}", detail={"function": "sdr"}
            )
            for number in range(120)
        )
    seen: list[str] = []
    url = f"{HOME}audit/"
    while url:
        answer = as_admin.get(url)
        listing = answer.context["listing"]
        seen += [entry.subject for entry in listing.rows if entry.subject.startswith("T")]
        assert "Created the team T" in answer.content.decode()
        url = listing.next_url
    assert seen == [f"T{number:03}" for number in reversed(range(120))]
    back = as_admin.get(listing.previous_url).context["listing"]
    assert back.rows[0].subject == "T069"


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "WyItYXQiLGZhbHNlLFsxXV0"])
def test_a_cursor_that_is_not_ours_is_refused(as_admin: Client, cursor: str) -> None:
    assert as_admin.get(f"{HOME}audit/", {"cursor": cursor}).status_code == 400


def test_listeners_hear_of_members_as_they_are_now(
    as_admin: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, bool, frozenset[TeamFunction]]] = []
    monkeypatch.setattr(members, "_listeners", [])
    members.register_member_listener(
        lambda member, now: heard.append((member.name, member.is_active, members.functions_of(member)))
    )
    with tenant_scope(tenant.pk):
        ana = make_member(role=Role.SDR, name="Ana")
    as_admin.post(f"{HOME}members/{ana.pk}/", {"roles": ["sales", "viewer"]})
    as_admin.post(f"{HOME}members/{ana.pk}/deactivate/")
    assert heard == [
        ("Ana", True, frozenset({TeamFunction.SDR})),
        ("Ana", True, frozenset({TeamFunction.SALES})),
        ("Ana", False, frozenset()),
    ]


@pytest.mark.parametrize("role", [Role.MANAGER, Role.MARKETING, Role.SDR, Role.SALES, Role.VIEWER])
def test_only_administrators_open_members_keys_and_audit(
    tenant: Tenant, role: Role, sign_in: Callable[..., Client]
) -> None:
    with tenant_scope(tenant.pk):
        client = sign_in(make_member(role=role))
    for page in ("members/", "keys/", "audit/", "members/invite/", "keys/new/"):
        answer = client.get(f"{HOME}{page}")
        assert answer.status_code == 403
        assert "Ask an administrator" in answer.content.decode()
