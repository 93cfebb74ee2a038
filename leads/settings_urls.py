"""The hub's pages in the settings of a tenant."""

from django.urls import path

from leads.views import custom_fields, reasons, tags

urlpatterns = [
    path("fields/", custom_fields.field_list, name="fields"),
    path("fields/new/", custom_fields.create_field, name="create-field"),
    path("fields/<int:field_id>/", custom_fields.change_field, name="field"),
    path("fields/<int:field_id>/retire/", custom_fields.retire_field, name="retire-field"),
    path("fields/<int:field_id>/back/", custom_fields.bring_back_field, name="bring-back-field"),
    path("tags/", tags.tag_list, name="tags"),
    path("tags/change/", tags.tag_change, name="tag-change"),
    path("tags/delete/", tags.tag_delete, name="tag-delete"),
    path("reasons/", reasons.reasons, name="reasons"),
    path("reasons/<slug:kind>/new/", reasons.add_reason, name="add-reason"),
    path("reasons/<slug:kind>/<slug:name>/", reasons.change_reason, name="change-reason"),
    path("reasons/<slug:kind>/<slug:name>/move/", reasons.move_reason, name="move-reason"),
    path("reasons/<slug:kind>/<slug:name>/retire/", reasons.retire_reason, name="retire-reason"),
    path("reasons/<slug:kind>/<slug:name>/back/", reasons.bring_back_reason, name="bring-back-reason"),
]
