"""Members, invitations, teams and the audit log over HTTP, as the pages of the settings have them."""

from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from tenancy import invitations, selectors, services, teams
from tenancy.api import SettingsAPIView, page_answer, page_shape
from tenancy.api_bodies import Body, read_body, refuse
from tenancy.api_schema import closed
from tenancy.audit import sentence_of
from tenancy.models import AuditEntry, Invitation, Membership, Role, Scope, Team, TeamFunction

PEOPLE: Final[dict[str, Scope]] = {
    "GET": Scope.MEMBERS_READ,
    **dict.fromkeys(("POST", "PATCH", "DELETE"), Scope.MEMBERS_WRITE),
}
STATES: Final = ["open", "used", "expired", "revoked"]
_ROLES: s.ListField = s.ListField(child=s.ChoiceField(Role.values), min_length=1)


def _named(name: str, **more: Any) -> s.Field[Any, Any, Any, Any]:
    return inline_serializer(name, {"id": s.IntegerField(), "name": s.CharField()}, **more)


MEMBER = inline_serializer(
    "Member",
    {
        "id": s.IntegerField(),
        "name": s.CharField(),
        "email": s.CharField(),
        "roles": s.ListField(child=s.ChoiceField(Role.values)),
        "teams": s.ListField(child=_named("MemberTeam")),
        "is_active": s.BooleanField(),
        "joined_at": s.DateTimeField(),
        "last_sign_in_at": s.DateTimeField(allow_null=True),
    },
)
MEMBERS = inline_serializer("Members", {"results": s.ListField(child=MEMBER)})
MEMBER_CHANGE = closed(
    inline_serializer(
        "MemberChange",
        {
            "roles": s.ListField(child=s.ChoiceField(Role.values), min_length=1, required=False),
            "teams": s.ListField(
                child=s.IntegerField(), required=False, help_text="Ids; exactly these from then on."
            ),
        },
    )
)
_LINK: dict[str, s.Field[Any, Any, Any, Any]] = {
    "link": s.CharField(help_text="To be handed to the person; it is not shown again."),
    "expires_at": s.DateTimeField(),
}
MEMBER_LINK = inline_serializer("MemberLink", {**_LINK})
_INVITATION: dict[str, s.Field[Any, Any, Any, Any]] = {
    "id": s.IntegerField(),
    "email": s.CharField(),
    "roles": s.ListField(child=s.ChoiceField(Role.values)),
    "team": _named("InvitationTeam", allow_null=True),
    "state": s.ChoiceField(STATES),
    "invited_by": s.CharField(allow_null=True),
    "created_at": s.DateTimeField(),
}
INVITATION = inline_serializer("Invitation", {**_INVITATION, "expires_at": s.DateTimeField()})
INVITATION_MADE = inline_serializer("InvitationMade", {**_INVITATION, **_LINK})
INVITATIONS = inline_serializer("Invitations", {"results": s.ListField(child=INVITATION)})
INVITE = closed(
    inline_serializer(
        "Invite",
        {
            "email": s.EmailField(max_length=254),
            "roles": _ROLES,
            "team": s.IntegerField(required=False, allow_null=True),
        },
    )
)
TEAM = inline_serializer(
    "Team",
    {
        "id": s.IntegerField(),
        "name": s.CharField(),
        "function": s.ChoiceField(TeamFunction.values),
        "lead": _named("TeamLead", allow_null=True),
        "members": s.ListField(child=_named("TeamPerson")),
    },
)
TEAMS = inline_serializer("Teams", {"results": s.ListField(child=TEAM)})
_TEAM_MORE: dict[str, s.Field[Any, Any, Any, Any]] = {
    "lead": s.IntegerField(required=False, allow_null=True, help_text="The id of a member."),
    "members": s.ListField(
        child=s.IntegerField(), required=False, help_text="Ids; exactly these from then on."
    ),
}
NEW_TEAM = closed(
    inline_serializer(
        "NewTeam",
        {"name": s.CharField(max_length=80), "function": s.ChoiceField(TeamFunction.values), **_TEAM_MORE},
    )
)
_TEAM_EXAMPLE = OpenApiExample(
    "a team of SDRs", value={"name": "SDRs South", "function": "sdr"}, request_only=True
)
TEAM_CHANGE = closed(
    inline_serializer(
        "TeamChange",
        {
            "name": s.CharField(max_length=80, required=False),
            "function": s.ChoiceField(TeamFunction.values, required=False),
            **_TEAM_MORE,
        },
    )
)
AUDIT_ENTRY = inline_serializer(
    "AuditEntry",
    {
        "id": s.IntegerField(),
        "at": s.DateTimeField(),
        "by": _named("AuditActor", allow_null=True),
        "act": s.CharField(),
        "subject": s.CharField(allow_blank=True),
        "detail": s.DictField(),
        "sentence": s.CharField(help_text="In the language that is asked for."),
    },
)
_UNKNOWN = OpenApiResponse(description="A role, member or team is not known.")
_TAKEN = OpenApiResponse(description="There is a team of this name.")
_MEMBER_ALREADY = OpenApiResponse(description="The person is a member already.")
_LAST = OpenApiResponse(description="It is the only administrator.")
_HAS_LOGIN = OpenApiResponse(description="The person signs in with a password of their own.")
_CLOSED = OpenApiResponse(description="The link was used or withdrawn.")


class PeopleView(SettingsAPIView):
    """People and their invitations."""

    scopes: ClassVar[dict[str, Scope]] = PEOPLE
    rights: ClassVar[dict[str, str]] = dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), "member.manage")


def only(*methods: str) -> dict[str, Scope]:
    """The scopes of these methods."""
    return {method: PEOPLE[method] for method in methods}


class MemberCollectionView(PeopleView):
    """The people of the account."""

    scopes: ClassVar[dict[str, Scope]] = only("GET")

    @extend_schema(
        operation_id="members",
        parameters=[OpenApiParameter("q", str, description="Words of name, e-mail, roles and teams.")],
        responses={200: MEMBERS},
        tags=["people"],
    )
    def get(self, request: Request) -> Response:
        """All of them by name, those who left last."""
        people = selectors.list_people()
        found = selectors.narrow_people(people, search=request.query_params.get("q", ""))
        return Response({"results": [member_json(each) for each in found]})


class MemberView(PeopleView):
    """One person."""

    scopes: ClassVar[dict[str, Scope]] = only("GET", "PATCH")

    @extend_schema(operation_id="member", responses={200: MEMBER}, tags=["people"])
    def get(self, request: Request, member_id: int) -> Response:
        """Roles and teams."""
        return Response(member_json(selectors.get_person(member_id=member_id)))

    @extend_schema(
        operation_id="member_change",
        request=MEMBER_CHANGE,
        responses={200: MEMBER, 400: _UNKNOWN, 409: _LAST},
        tags=["people"],
    )
    def patch(self, request: Request, member_id: int) -> Response:
        """Give roles or teams. Administrators are made and changed by administrators, never by a key."""
        person = selectors.get_person(member_id=member_id)
        body = read_body(request, "roles", "teams")
        services.change_member(
            member=person,
            roles=read_roles(body) if "roles" in body else person.roles,
            team_ids=_read_teams(body) if "teams" in body else person.teams.values_list("pk", flat=True),
            by=self.member,
            now=timezone.now(),
        )
        return Response(member_json(selectors.get_person(member_id=member_id)))


class MemberDeactivateView(PeopleView):
    """Taking somebody out."""

    scopes: ClassVar[dict[str, Scope]] = only("POST")

    @extend_schema(
        operation_id="member_deactivate", request=None, responses={200: MEMBER, 409: _LAST}, tags=["people"]
    )
    def post(self, request: Request, member_id: int) -> Response:
        """No access from now on, no teams; what they did stays."""
        person = selectors.get_person(member_id=member_id)
        services.deactivate_member(member=person, by=self.member, now=timezone.now())
        return Response(member_json(person))


class MemberReactivateView(PeopleView):
    """Letting somebody in again."""

    scopes: ClassVar[dict[str, Scope]] = only("POST")

    @extend_schema(operation_id="member_reactivate", request=None, responses={200: MEMBER}, tags=["people"])
    def post(self, request: Request, member_id: int) -> Response:
        """With the roles they had; teams are given anew."""
        person = selectors.get_person(member_id=member_id)
        services.reactivate_member(member=person, by=self.member, now=timezone.now())
        return Response(member_json(person))


class MemberLinkView(PeopleView):
    """A first link for a member who has not signed in yet."""

    scopes: ClassVar[dict[str, Scope]] = only("POST")

    @extend_schema(
        operation_id="member_link",
        request=None,
        responses={200: MEMBER_LINK, 409: _HAS_LOGIN},
        tags=["people"],
    )
    def post(self, request: Request, member_id: int) -> Response:
        """By which they set their password; an earlier one stops working."""
        person, now = selectors.get_person(member_id=member_id), timezone.now()
        token = invitations.make_member_link(member=person, by=self.member, now=now)
        until = now + invitations.INVITATION_LIFETIME
        return Response({"link": invitations.link_to(token=token), "expires_at": until})


class InvitationCollectionView(PeopleView):
    """Who is invited and not here yet."""

    scopes: ClassVar[dict[str, Scope]] = only("GET", "POST")

    @extend_schema(operation_id="invitations", responses={200: INVITATIONS}, tags=["people"])
    def get(self, request: Request) -> Response:
        """Newest first, the expired ones too."""
        found = selectors.list_open_invitations(now=timezone.now())
        return Response({"results": [invitation_json(each) for each in found]})

    @extend_schema(
        operation_id="invite",
        request=INVITE,
        responses={201: INVITATION_MADE, 400: _UNKNOWN, 409: _MEMBER_ALREADY},
        tags=["people"],
    )
    def post(self, request: Request) -> Response:
        """Invite somebody. No mail is sent: the answer has the link, once. No key invites an administrator."""
        body = read_body(request, "email", "roles", "team")
        email = body.text("email", most=254)
        try:
            validate_email(email.strip())
        except ValidationError as error:
            raise refuse("email", _("Give an e-mail address.")) from error
        team_id = body.whole_or_none("team")
        invitation, token = invitations.invite(
            email=email,
            roles=read_roles(body),
            team=_find_teams("team", [team_id])[0] if team_id is not None else None,
            by=self.member,
            now=timezone.now(),
        )
        return Response(invitation_json(invitation, token), status=201)


class InvitationView(PeopleView):
    """One invitation."""

    scopes: ClassVar[dict[str, Scope]] = only("DELETE")

    @extend_schema(operation_id="invitation_revoke", responses={204: None, 410: _CLOSED}, tags=["people"])
    def delete(self, request: Request, invitation_id: int) -> Response:
        """Make its link useless."""
        invitation = selectors.get_invitation(invitation_id=invitation_id)
        invitations.revoke_invitation(invitation=invitation, by=self.member, now=timezone.now())
        return Response(status=204)


class InvitationRenewView(PeopleView):
    """A link in place of one that was lost or has expired."""

    scopes: ClassVar[dict[str, Scope]] = only("POST")

    @extend_schema(
        operation_id="invitation_renew",
        request=None,
        responses={200: INVITATION_MADE, 410: _CLOSED},
        tags=["people"],
    )
    def post(self, request: Request, invitation_id: int) -> Response:
        """With the same roles and team; the old link stops working."""
        invitation = selectors.get_invitation(invitation_id=invitation_id)
        renewed, token = invitations.renew_invitation(
            invitation=invitation, by=self.member, now=timezone.now()
        )
        return Response(invitation_json(renewed, token))


class TeamsView(SettingsAPIView):
    """Teams."""

    scopes: ClassVar[dict[str, Scope]] = PEOPLE
    rights: ClassVar[dict[str, str]] = dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), "team.manage")


class TeamCollectionView(TeamsView):
    """All teams."""

    scopes: ClassVar[dict[str, Scope]] = only("GET", "POST")

    @extend_schema(operation_id="teams", responses={200: TEAMS}, tags=["people"])
    def get(self, request: Request) -> Response:
        """By name, with lead and members."""
        return Response({"results": [team_json(team) for team in selectors.list_teams()]})

    @extend_schema(
        operation_id="team_make",
        request=NEW_TEAM,
        responses={201: TEAM, 400: _UNKNOWN, 409: _TAKEN},
        examples=[_TEAM_EXAMPLE],
        tags=["people"],
    )
    def post(self, request: Request) -> Response:
        """Make a team."""
        body = read_body(request, "name", "function", "lead", "members")
        team = teams.create_team(
            name=body.text("name", most=80).strip(),
            function=body.one_of("function", TeamFunction.values),
            lead=_read_lead(body),
            member_ids=_read_people(body) if "members" in body else (),
            by=self.member,
            now=timezone.now(),
        )
        return Response(team_json(selectors.get_team(team_id=team.pk)), status=201)


class TeamView(TeamsView):
    """One team."""

    scopes: ClassVar[dict[str, Scope]] = only("GET", "PATCH", "DELETE")

    @extend_schema(operation_id="team", responses={200: TEAM}, tags=["people"])
    def get(self, request: Request, team_id: int) -> Response:
        """Its function, lead and members."""
        return Response(team_json(selectors.get_team(team_id=team_id)))

    @extend_schema(
        operation_id="team_change",
        request=TEAM_CHANGE,
        responses={200: TEAM, 400: _UNKNOWN, 409: _TAKEN},
        tags=["people"],
    )
    def patch(self, request: Request, team_id: int) -> Response:
        """Change what is given; members are replaced as a whole."""
        team = selectors.get_team(team_id=team_id)
        body = read_body(request, "name", "function", "lead", "members")
        teams.change_team(
            team=team,
            name=body.text("name", most=80).strip() if "name" in body else team.name,
            function=body.one_of("function", TeamFunction.values) if "function" in body else team.function,
            lead=_read_lead(body) if "lead" in body else team.lead_member,
            member_ids=_read_people(body)
            if "members" in body
            else list(team.members.values_list("pk", flat=True)),
            by=self.member,
            now=timezone.now(),
        )
        return Response(team_json(selectors.get_team(team_id=team_id)))

    @extend_schema(operation_id="team_delete", responses={204: None}, tags=["people"])
    def delete(self, request: Request, team_id: int) -> Response:
        """Take it away; its people and leads stay."""
        team = selectors.get_team(team_id=team_id)
        teams.delete_team(team=team, by=self.member, now=timezone.now())
        return Response(status=204)


class AuditView(SettingsAPIView):
    """Who did what to which thing."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.AUDIT_READ}
    rights: ClassVar[dict[str, str]] = {"GET": "audit.read"}

    @extend_schema(
        operation_id="audit",
        parameters=[
            OpenApiParameter("q", str, description="Part of the subject, or how the act's name begins."),
            OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer."),
        ],
        responses={200: page_shape("AuditEntries", AUDIT_ENTRY)},
        tags=["audit"],
    )
    def get(self, request: Request) -> Response:
        """One page, newest first. ``next`` and ``previous`` are addresses, null where there is no further page."""
        given = request.query_params
        page = selectors.list_audit(search=given.get("q", ""), cursor=given.get("cursor", ""))
        return Response(page_answer(request, page, entry_json))


def read_roles(body: Body) -> list[str]:
    """At least one role. Raises Invalid."""
    roles = body.texts("roles")
    if not roles or not set(roles) <= set(Role.values):
        raise refuse("roles", _("Give one of %(values)s.") % {"values": ", ".join(Role.values)}, "unknown")
    return roles


def _read_teams(body: Body) -> list[int]:
    return [team.pk for team in _find_teams("teams", body.wholes("teams"))]


def _find_teams(name: str, ids: list[int]) -> list[Team]:
    """The teams with these ids. Raises Invalid for one that there is not."""
    known = {team.pk: team for team in selectors.list_teams()}
    if not known.keys() >= set(ids):
        raise refuse(name, _("This team does not exist."), "unknown")
    return [known[each] for each in ids]


def _read_people(body: Body) -> list[int]:
    ids = body.wholes("members")
    if not {person.pk for person in selectors.list_active_people()} >= set(ids):
        raise refuse("members", _("This member does not exist."), "unknown")
    return ids


def _read_lead(body: Body) -> Membership | None:
    lead_id = body.whole_or_none("lead")
    if lead_id is None:
        return None
    found = next((person for person in selectors.list_active_people() if person.pk == lead_id), None)
    if found is None:
        raise refuse("lead", _("This member does not exist."), "unknown")
    return found


def _name_json(row: Any) -> dict[str, Any] | None:
    return {"id": row.pk, "name": row.name} if row is not None else None


def member_json(member: Membership) -> dict[str, Any]:
    """A person in the shape of the API."""
    return {
        "id": member.pk,
        "name": member.name,
        "email": member.email,
        "roles": member.roles,
        "teams": [_name_json(team) for team in sorted(member.teams.all(), key=lambda team: team.name)],
        "is_active": member.is_active,
        "joined_at": member.joined_at,
        "last_sign_in_at": member.user.last_login if member.user else None,
    }


def invitation_json(invitation: Invitation, token: str = "") -> dict[str, Any]:
    """An invitation in the shape of the API; with its link where that has just been made."""
    found = {
        "id": invitation.pk,
        "email": invitation.email,
        "roles": invitation.roles,
        "team": _name_json(invitation.team),
        "state": invitations.state_of(invitation=invitation, now=timezone.now()),
        "invited_by": invitation.invited_by.name if invitation.invited_by else None,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
    }
    return found | ({"link": invitations.link_to(token=token)} if token else {})


def team_json(team: Team) -> dict[str, Any]:
    """A team in the shape of the API."""
    members = sorted(team.members.all(), key=lambda member: (member.name, member.pk))
    return {
        "id": team.pk,
        "name": team.name,
        "function": team.function,
        "lead": _name_json(team.lead_member),
        "members": [_name_json(member) for member in members],
    }


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """An act in the shape of the API; ``by`` is null for an operator's command."""
    return {
        "id": entry.pk,
        "at": entry.at,
        "by": _name_json(entry.actor),
        "act": entry.act,
        "subject": entry.subject,
        "detail": entry.detail,
        "sentence": sentence_of(entry),
    }


urlpatterns: list[URLPattern] = [
    path("members/", MemberCollectionView.as_view(), name="api-members"),
    path("members/<int:member_id>/", MemberView.as_view(), name="api-member"),
    path("members/<int:member_id>/deactivate/", MemberDeactivateView.as_view(), name="api-member-deactivate"),
    path("members/<int:member_id>/reactivate/", MemberReactivateView.as_view(), name="api-member-reactivate"),
    path("members/<int:member_id>/link/", MemberLinkView.as_view(), name="api-member-link"),
    path("invitations/", InvitationCollectionView.as_view(), name="api-invitations"),
    path("invitations/<int:invitation_id>/", InvitationView.as_view(), name="api-invitation"),
    path(
        "invitations/<int:invitation_id>/renew/", InvitationRenewView.as_view(), name="api-invitation-renew"
    ),
    path("teams/", TeamCollectionView.as_view(), name="api-teams"),
    path("teams/<int:team_id>/", TeamView.as_view(), name="api-team"),
    path("audit/", AuditView.as_view(), name="api-audit"),
]
