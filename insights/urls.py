"""Pages of the reports."""

from django.urls import include, path

from insights import home, views

urlpatterns = [
    path("campaigns/", include("insights.campaign_urls")),
    path("funnel/", views.funnel, name="funnel"),
    path("funnel/leads/", views.funnel_leads, name="funnel-leads"),
    path("team/", home.oversight, name="team-oversight"),
    path("funnel/file/", views.funnel_file, name="funnel-file"),
]
