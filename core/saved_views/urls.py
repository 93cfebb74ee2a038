"""Views of lists and their columns, under a tenant's address."""

from django.urls import path

from core.saved_views import views

urlpatterns = [
    path("<slug:kind>/columns/", views.list_columns, name="list-columns"),
    path("<slug:kind>/views/", views.view_list, name="view-list"),
    path("<slug:kind>/views/new/", views.view_new, name="view-new"),
    path("<slug:kind>/views/<int:view_id>/", views.view_change, name="view-change"),
    path("<slug:kind>/views/<int:view_id>/save/", views.view_save, name="view-save"),
    path("<slug:kind>/views/<int:view_id>/default/", views.view_default, name="view-default"),
    path("<slug:kind>/views/<int:view_id>/delete/", views.view_delete, name="view-delete"),
    path("<slug:kind>/views/<int:view_id>/count/", views.view_count, name="view-count"),
]
