"""Webhooks in the settings of a tenant."""

from django.urls import path

from core.webhooks import views

urlpatterns = [
    path("webhooks/", views.webhooks, name="webhooks"),
    path("webhooks/new/", views.create_webhook, name="create-webhook"),
    path("webhooks/<int:endpoint_id>/", views.webhook, name="webhook"),
    path("webhooks/<int:endpoint_id>/change/", views.change_webhook, name="change-webhook"),
    path("webhooks/<int:endpoint_id>/switch/", views.switch_webhook, name="switch-webhook"),
    path("webhooks/<int:endpoint_id>/secret/", views.renew_webhook_secret, name="renew-webhook-secret"),
    path("webhooks/<int:endpoint_id>/delete/", views.delete_webhook, name="delete-webhook"),
    path("webhooks/<int:endpoint_id>/test/", views.test_webhook, name="test-webhook"),
    path(
        "webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/",
        views.webhook_delivery,
        name="webhook-delivery",
    ),
    path(
        "webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/again/",
        views.send_webhook_again,
        name="send-webhook-again",
    ),
]
