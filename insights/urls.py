"""Pages of the reports."""

from django.urls import path

from insights import views

urlpatterns = [path("funnel/", views.funnel, name="funnel")]
