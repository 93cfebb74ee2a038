"""The hub's pages under a tenant's address, and the hosted forms."""

from django.urls import include, path

from leads.views import acts, desk, lead, lists, rules

tenant_urls = [
    path("queue/", desk.queue, name="queue"),
    path("inbox/", desk.inbox, name="inbox"),
    path("leads/", lists.lead_list, name="lead-list"),
    path("leads/new/", lead.lead_new, name="lead-new"),
    path("leads/<int:lead_id>/", lead.lead_detail, name="lead-detail"),
    path("leads/<int:lead_id>/edit/", lead.lead_edit, name="lead-edit"),
    path("leads/<int:lead_id>/story/", lead.lead_story, name="lead-story"),
    path("leads/<int:lead_id>/tags/", lead.lead_tags, name="lead-tags"),
    path("leads/<int:lead_id>/why/<slug:part>/", lead.lead_why, name="lead-why"),
    path("leads/<int:lead_id>/assessment/", lead.lead_assess, name="lead-assess"),
    path("leads/<int:lead_id>/acts/<slug:act>/", acts.lead_act, name="lead-act"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<slug:kind>/<slug:name>/", rules.rules_document, name="rules-document"),
    path("rules/<slug:kind>/<slug:name>/<int:number>/", rules.rules_document, name="rules-version"),
]

urlpatterns = [
    path("t/<slug:slug>/", include(tenant_urls)),
]
