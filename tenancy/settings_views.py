"""The administrator's pages: members, teams, API keys, audit log."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenancy import invitations, keys, listing, selectors, services, teams
from tenancy.audit import sentence_of
from tenancy.errors import Problem
from tenancy.forms import InviteForm, KeyForm, MemberForm, TeamForm
from tenancy.models import AuditEntry
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may
from tenancy.settings_lists import (
    KEYS,
    MEMBERS,
    ShownInvitation,
    ShownKey,
    invited_listing,
    key_listing,
    member_listing,
    state_of_key,
)

form_methods = require_http_methods(["GET", "HEAD", "POST"])


@tenant_page(right="team.manage")
@require_safe
def index(request: TenantRequest) -> HttpResponse:
    """The first page of the settings that one may open."""
    return _to(request, "members" if may(request.member, "member.manage") else "teams")


@tenant_page(right="member.manage")
@require_safe
def members(request: TenantRequest) -> HttpResponse:
    """The people of the tenant, and who is invited."""
    search, order = request.GET.get(listing.SEARCH, ""), request.GET.get(listing.ORDER, "name")
    everyone = selectors.list_people()
    people = selectors.narrow_people(everyone, search=search, order=order)
    now = timezone.now()
    waiting = [
        ShownInvitation(invitation, invitations.state_of(invitation=invitation, now=now))
        for invitation in selectors.list_open_invitations(now=now)
    ]
    shown = member_listing(request, people, order=order if order in selectors.MEMBER_ORDERS else "name")
    context = {
        "invited": invited_listing(request, waiting) if waiting else None,
        "invitations": waiting,
        "active": sum(member.is_active for member in everyone),
    }
    return listing.render_listing(request, MEMBERS, context, listing=shown)


@tenant_page(right="member.manage")
@never_cache
@form_methods
def invite(request: TenantRequest) -> HttpResponse:
    """Invite somebody; the answer shows the link, once."""
    form = InviteForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            invitation, token = invitations.invite(
                email=form.cleaned_data["email"],
                roles=form.cleaned_data["roles"],
                team=form.team_chosen,
                by=request.member,
                now=timezone.now(),
            )
        except Problem as problem:
            form.add_error("email", str(problem.detail))
        else:
            return _show_link(request, invitation.email, token)
    return _form(request, "tenancy/invite.html", form)


@tenant_page(right="member.manage")
@form_methods
def member(request: TenantRequest, member_id: int) -> HttpResponse:
    """One person: roles, teams, and the way out."""
    person = selectors.get_person(member_id=member_id)
    chosen = {"roles": person.roles, "teams": [str(pk) for pk in person.teams.values_list("pk", flat=True)]}
    form = MemberForm(_posted(request), initial=chosen)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            services.change_member(
                member=person,
                roles=data["roles"],
                team_ids=data["teams"],
                by=request.member,
                now=timezone.now(),
            )
        except services.LastAdministrator as problem:
            form.add_error("roles", str(problem.detail))
        else:
            messages.success(request, _("%(name)s is saved.") % {"name": person.name})
            return _to(request, "members") if person.pk != request.member.pk else redirect("enter")
    return _form(request, "tenancy/member.html", form, person=person)


@tenant_page(right="member.manage")
@require_POST
def deactivate_member(request: TenantRequest, member_id: int) -> HttpResponse:
    """Take a person out of the tenant."""
    person = selectors.get_person(member_id=member_id)
    services.deactivate_member(member=person, by=request.member, now=timezone.now())
    messages.success(request, _("%(name)s has no access any more.") % {"name": person.name})
    return _to(request, "members") if person.pk != request.member.pk else redirect("enter")


@tenant_page(right="member.manage")
@require_POST
def reactivate_member(request: TenantRequest, member_id: int) -> HttpResponse:
    """Let a person back in."""
    person = selectors.get_person(member_id=member_id)
    services.reactivate_member(member=person, by=request.member, now=timezone.now())
    messages.success(request, _("%(name)s has access again.") % {"name": person.name})
    return _to(request, "member", member_id=person.pk)


@tenant_page(right="member.manage")
@never_cache
@require_POST
def new_member_link(request: TenantRequest, member_id: int) -> HttpResponse:
    """A new first link for a member who has not signed in yet."""
    person = selectors.get_person(member_id=member_id)
    token = invitations.make_member_link(member=person, by=request.member, now=timezone.now())
    return _show_link(request, person.email, token)


@tenant_page(right="member.manage")
@never_cache
@require_POST
def renew_invitation(request: TenantRequest, invitation_id: int) -> HttpResponse:
    """A new link in place of one that was lost or has expired."""
    invitation = selectors.get_invitation(invitation_id=invitation_id)
    renewed, token = invitations.renew_invitation(
        invitation=invitation, by=request.member, now=timezone.now()
    )
    return _show_link(request, renewed.email, token)


@tenant_page(right="member.manage")
@require_POST
def revoke_invitation(request: TenantRequest, invitation_id: int) -> HttpResponse:
    """Make an open link useless."""
    invitation = selectors.get_invitation(invitation_id=invitation_id)
    invitations.revoke_invitation(invitation=invitation, by=request.member, now=timezone.now())
    messages.success(request, _("The link of %(email)s no longer works.") % {"email": invitation.email})
    return _to(request, "members")


@tenant_page(right="team.manage")
@require_safe
def team_list(request: TenantRequest) -> HttpResponse:
    """The teams with their people."""
    empty = listing.EmptyState(
        title=_("Teams share leads"),
        text=_(
            "Make one for pre-sales and one for sales, and name who leads it: they are told when a clock runs late."
        ),
        icon="users-group",
        act_label=_("Make the first team"),
        act_url=reverse("create_team", kwargs={"slug": request.tenant.slug}),
    )
    return render(request, "tenancy/teams.html", {"teams": selectors.list_teams(), "empty": empty})


@tenant_page(right="team.manage")
@form_methods
def create_team(request: TenantRequest) -> HttpResponse:
    """A new team."""
    form = TeamForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            team = teams.create_team(**_team_values(form), by=request.member, now=timezone.now())
        except teams.TeamNameTaken as problem:
            form.add_error("name", str(problem.detail))
        else:
            messages.success(request, _("The team %(name)s is made.") % {"name": team.name})
            return _to(request, "teams")
    return _form(request, "tenancy/team.html", form)


@tenant_page(right="team.manage")
@form_methods
def change_team(request: TenantRequest, team_id: int) -> HttpResponse:
    """One team: name, function, lead, members."""
    team = selectors.get_team(team_id=team_id)
    chosen = {
        "name": team.name,
        "function": team.function,
        "lead": team.lead_member_id,
        "members": list(team.members.values_list("pk", flat=True)),
    }
    form = TeamForm(_posted(request), initial=chosen)
    if request.method == "POST" and form.is_valid():
        try:
            teams.change_team(team=team, **_team_values(form), by=request.member, now=timezone.now())
        except teams.TeamNameTaken as problem:
            form.add_error("name", str(problem.detail))
        else:
            messages.success(request, _("The team %(name)s is saved.") % {"name": team.name})
            return _to(request, "teams")
    return _form(request, "tenancy/team.html", form, team=team)


@tenant_page(right="team.manage")
@require_POST
def delete_team(request: TenantRequest, team_id: int) -> HttpResponse:
    """Take a team away; its people and leads stay."""
    team = selectors.get_team(team_id=team_id)
    teams.delete_team(team=team, by=request.member, now=timezone.now())
    messages.success(
        request, _("The team %(name)s is gone. Its people and leads stay.") % {"name": team.name}
    )
    return _to(request, "teams")


@tenant_page(right="key.manage")
@require_safe
def key_list(request: TenantRequest) -> HttpResponse:
    """The keys, what they may do and when they were last used."""
    now = timezone.now()
    rows = [ShownKey(key, state_of_key(key, now)) for key in selectors.list_keys()]
    working = sum(row.state == "works" for row in rows)
    context = {"working": working}
    return listing.render_listing(request, KEYS, context, listing=key_listing(request, rows))


@tenant_page(right="key.manage")
@never_cache
@form_methods
def create_key(request: TenantRequest) -> HttpResponse:
    """A new key; the answer shows it, once."""
    now = timezone.now()
    form = KeyForm(_posted(request), today=timezone.localdate(now))
    if request.method == "POST" and form.is_valid():
        try:
            row, secret = keys.create_key(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at,
                by=request.member,
                now=now,
            )
        except keys.KeyNameTaken as problem:
            form.add_error("name", str(problem.detail))
        else:
            return render(request, "tenancy/key_made.html", {"key": row, "shown_once": secret})
    return _form(request, "tenancy/key.html", form)


@tenant_page(right="key.manage")
@require_POST
def revoke_key(request: TenantRequest, key_id: int) -> HttpResponse:
    """Make a key useless."""
    key = selectors.get_key(key_id=key_id)
    keys.revoke_key(key=key, by=request.member, now=timezone.now())
    messages.success(request, _("The key %(name)s no longer works.") % {"name": key.name})
    return _to(request, "keys")


@tenant_page(right="audit.read")
@require_safe
def audit(request: TenantRequest) -> HttpResponse:
    """Who did what to which thing, newest first."""
    search, cursor = request.GET.get(listing.SEARCH, ""), request.GET.get(listing.CURSOR, "")
    page = selectors.list_audit(search=search, cursor=cursor)
    shown = listing.Listing(
        key="audit",
        request=request,
        caption=_("Audit log"),
        columns=[
            listing.Column(key="at", label=_("When"), card="line", template="tenancy/audit.html#at_cell"),
            listing.Column(key="actor", label=_("Who"), value=_actor),
            listing.Column(key="act", label=_("What"), value=sentence_of, card="title"),
        ],
        rows=page.rows,
        words=lambda count: ngettext("%(count)s act", "%(count)s acts", count) % {"count": count},
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        search_label=_("Search by person, team or key"),
    )
    return listing.render_listing(request, "tenancy/audit.html", {}, listing=shown)


def _actor(entry: AuditEntry) -> str:
    return str(entry.actor.name if entry.actor else _("Operator"))


def _team_values(form: TeamForm) -> dict[str, Any]:
    data = form.cleaned_data
    return {
        "name": data["name"],
        "function": data["function"],
        "lead": form.people.get(data["lead"]),
        "member_ids": data["members"],
    }


def _show_link(request: TenantRequest, email: str, token: str) -> HttpResponse:
    context = {
        "email": email,
        "shown_once": invitations.link_to(token=token),
        "until": timezone.now() + invitations.INVITATION_LIFETIME,
    }
    return render(request, "tenancy/link_made.html", context)


def _form(request: TenantRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    return render(request, template, {"form": form, **context}, status=422 if form.errors else 200)


def _posted(request: TenantRequest) -> QueryDict | None:
    """What a form was sent with, be it nothing at all; None when it was not sent."""
    return request.POST if request.method == "POST" else None


def _to(request: TenantRequest, name: str, **kwargs: Any) -> HttpResponse:
    response: HttpResponse = redirect(name, slug=request.tenant.slug, **kwargs)
    return response
