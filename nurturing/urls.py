"""Nurturing's pages under a tenant's address, and the public one behind the link to unsubscribe."""

from django.urls import include, path

from nurturing import outbox, sequence_pages, views

tenant_urls = [
    path("outbox/", outbox.outbox, name="outbox"),
    path("outbox/<int:message_id>/", views.outbox_message, name="outbox-message"),
    path("outbox/<int:message_id>/body/", views.outbox_body, name="outbox-body"),
    path("outbox/<int:message_id>/again/", views.outbox_again, name="outbox-again"),
    path("leads/<int:lead_id>/enrollments/", views.enroll, name="enroll"),
    path("sequences/preview/", sequence_pages.email_preview, name="sequence-preview"),
    path("enrollments/<int:enrollment_id>/exit/", views.leave, name="enrollment-exit"),
]

urlpatterns = [
    path("t/<slug:slug>/", include(tenant_urls)),
    path("u/<slug:token>/", views.unsubscribe_page, name="unsubscribe"),
]
