"""Pages of campaigns."""

from django.urls import path

from insights import campaign_list, campaign_views

urlpatterns = [
    path("", campaign_list.campaign_list, name="campaign-list"),
    path("count/", campaign_views.campaign_count, name="campaign-count"),
    path("new/", campaign_views.campaign_new, name="campaign-new"),
    path("<int:campaign_id>/", campaign_views.campaign_detail, name="campaign-detail"),
    path("<int:campaign_id>/edit/", campaign_views.campaign_edit, name="campaign-edit"),
    path("<int:campaign_id>/delete/", campaign_views.campaign_delete, name="campaign-delete"),
    path("<int:campaign_id>/link/", campaign_views.campaign_link, name="campaign-link"),
    path("<int:campaign_id>/spend/", campaign_views.spend_add, name="campaign-spend-add"),
    path(
        "<int:campaign_id>/spend/<int:spend_id>/remove/",
        campaign_views.spend_remove,
        name="campaign-spend-remove",
    ),
]
