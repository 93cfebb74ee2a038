"""The addresses of people and tenants."""

from django.urls import include, path

from tenancy import settings_views as settings
from tenancy import views

settings_urls = [
    path("", settings.index, name="settings"),
    path("members/", settings.members, name="members"),
    path("members/invite/", settings.invite, name="invite"),
    path("members/<int:member_id>/", settings.member, name="member"),
    path("members/<int:member_id>/deactivate/", settings.deactivate_member, name="deactivate_member"),
    path("members/<int:member_id>/reactivate/", settings.reactivate_member, name="reactivate_member"),
    path("members/<int:member_id>/link/", settings.new_member_link, name="new_member_link"),
    path(
        "invitations/<int:invitation_id>/renew/",
        settings.renew_invitation,
        name="renew_invitation",
    ),
    path(
        "invitations/<int:invitation_id>/revoke/",
        settings.revoke_invitation,
        name="revoke_invitation",
    ),
    path("teams/", settings.team_list, name="teams"),
    path("teams/new/", settings.create_team, name="create_team"),
    path("teams/<int:team_id>/", settings.change_team, name="team"),
    path("teams/<int:team_id>/delete/", settings.delete_team, name="delete_team"),
    path("keys/", settings.key_list, name="keys"),
    path("keys/new/", settings.create_key, name="create_key"),
    path("keys/<int:key_id>/revoke/", settings.revoke_key, name="revoke_key"),
    path("audit/", settings.audit, name="audit"),
]

urlpatterns = [
    path("", views.enter, name="enter"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("profile/", views.profile, name="profile"),
    path("t/<slug:slug>/settings/", include(settings_urls)),
]
