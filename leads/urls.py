"""The hub's pages under a tenant's address, and the hosted forms."""

from django.urls import URLPattern, URLResolver, include, path

from leads.views import (
    acts,
    capture_door,
    capture_form,
    conditions,
    desk,
    exports,
    held,
    home,
    lead,
    lists,
    opportunities,
    palette,
    rule_editing,
    rules,
)

tenant_urls: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("notifications/read/", home.notifications_read, name="notifications-read"),
    path("opportunities/", opportunities.opportunity_list, name="opportunity-list"),
    path("forms/", include("leads.form_urls")),
    path("imports/", include("leads.import_urls")),
    path("held/", held.held, name="held"),
    path("held/leads/<int:held_id>/retry/", held.held_lead_retry, name="held-lead-retry"),
    path("held/leads/<int:held_id>/discard/", held.held_lead_discard, name="held-lead-discard"),
    path(
        "held/submissions/<int:submission_id>/retry/",
        held.held_submission_retry,
        name="held-submission-retry",
    ),
    path(
        "held/submissions/<int:submission_id>/discard/",
        held.held_submission_discard,
        name="held-submission-discard",
    ),
    path("palette/", palette.palette, name="palette"),
    path("queue/", desk.queue, name="queue"),
    path("inbox/", desk.inbox, name="inbox"),
    path("leads/", lists.lead_list, name="lead-list"),
    path("leads/export/", exports.export_new, name="export-new"),
    path("exports/<int:export_id>/", exports.export_detail, name="export-detail"),
    path("exports/<int:export_id>/file/", exports.export_file, name="export-file"),
    path("leads/new/", lead.lead_new, name="lead-new"),
    path("leads/<int:lead_id>/", lead.lead_detail, name="lead-detail"),
    path("leads/<int:lead_id>/edit/", lead.lead_edit, name="lead-edit"),
    path("leads/<int:lead_id>/story/", lead.lead_story, name="lead-story"),
    path("leads/<int:lead_id>/tags/", lead.lead_tags, name="lead-tags"),
    path("leads/<int:lead_id>/why/<slug:part>/", lead.lead_why, name="lead-why"),
    path("leads/<int:lead_id>/assessment/", lead.lead_assess, name="lead-assess"),
    path("leads/<int:lead_id>/acts/<slug:act>/", acts.lead_act, name="lead-act"),
    path("settings/", include("leads.settings_urls")),
    path("conditions/", conditions.condition_check, name="condition-check"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<slug:kind>/<slug:name>/", rules.rules_document, name="rules-document"),
    path("rules/<slug:kind>/<slug:name>/<int:number>/", rules.rules_document, name="rules-version"),
    path("rules/<slug:kind>/<slug:name>/edit/", rule_editing.rules_edit, name="rules-edit"),
    path("rules/<slug:kind>/<slug:name>/review/", rule_editing.rules_review, name="rules-review"),
    path("rules/<slug:kind>/<slug:name>/publish/", rule_editing.rules_publish, name="rules-publish"),
    path("rules/<slug:kind>/<slug:name>/discard/", rule_editing.rules_discard, name="rules-discard"),
    path("rules/<slug:kind>/<slug:name>/<int:number>/reuse/", rule_editing.rules_reuse, name="rules-reuse"),
]

urlpatterns = [
    path("f/<uuid:public_id>/", capture_form.capture_form, name="capture-form"),
    path("f/<uuid:public_id>/thanks/", capture_form.capture_form_thanks, name="capture-form-thanks"),
    path("f/<uuid:public_id>/submissions/", capture_door.capture_submissions, name="capture-submissions"),
    path("t/<slug:slug>/", include(tenant_urls)),
]
