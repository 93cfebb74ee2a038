"""Addresses of the API under /api/v1/ that are about leads."""

from django.urls import path

from leads.api import acts, bulk, data_exports, erasure, exports, fields, forms, held, imports, rules
from leads.api.companies import CompanyCollectionView, CompanyView
from leads.api.intake import EventIntakeView, LeadBatchView, SubmissionView
from leads.api.leads import LeadCollectionView, LeadView, LeadWhyView
from leads.api.merging import (
    DuplicateCollectionView,
    DuplicateDismissView,
    LeadMergeView,
    MergeUndoView,
)
from leads.api.notes import LeadNotesView, LeadTasksView, NoteView, TaskCollectionView, TaskView
from leads.api.opportunities import OpportunityCollectionView

urlpatterns = [
    path("imports/", imports.ImportCollectionView.as_view(), name="api-imports"),
    path("imports/<int:import_id>/", imports.ImportView.as_view(), name="api-import"),
    path("imports/<int:import_id>/columns/", imports.ImportColumnsView.as_view(), name="api-import-columns"),
    path("imports/<int:import_id>/start/", imports.ImportStartView.as_view(), name="api-import-start"),
    path("imports/<int:import_id>/stop/", imports.ImportStopView.as_view(), name="api-import-stop"),
    path("imports/<int:import_id>/resume/", imports.ImportResumeView.as_view(), name="api-import-resume"),
    path("imports/<int:import_id>/refused/", imports.ImportRefusedView.as_view(), name="api-import-refused"),
    path("exports/", exports.ExportCollectionView.as_view(), name="api-exports"),
    path("exports/<int:export_id>/", exports.ExportView.as_view(), name="api-export"),
    path("exports/<int:export_id>/file/", exports.ExportFileView.as_view(), name="api-export-file"),
    path("opportunities/", OpportunityCollectionView.as_view(), name="api-opportunities"),
    path("leads/", LeadCollectionView.as_view(), name="api-leads"),
    path("leads/batch/", LeadBatchView.as_view(), name="api-leads-batch"),
    path("leads/<int:lead_id>/", LeadView.as_view(), name="api-lead"),
    path("leads/<int:lead_id>/why/", LeadWhyView.as_view(), name="api-lead-why"),
    path("leads/<int:lead_id>/attempts/", acts.AttemptView.as_view(), name="api-lead-attempts"),
    path("leads/<int:lead_id>/assessment/", acts.AssessmentView.as_view(), name="api-lead-assessment"),
    path("leads/<int:lead_id>/hand-over/", acts.HandOverView.as_view(), name="api-lead-hand-over"),
    path("leads/<int:lead_id>/accept/", acts.AcceptView.as_view(), name="api-lead-accept"),
    path("leads/<int:lead_id>/reject/", acts.RejectView.as_view(), name="api-lead-reject"),
    path("leads/<int:lead_id>/win/", acts.WinView.as_view(), name="api-lead-win"),
    path("leads/<int:lead_id>/lose/", acts.LoseView.as_view(), name="api-lead-lose"),
    path("leads/<int:lead_id>/nurture/", acts.NurtureView.as_view(), name="api-lead-nurture"),
    path("leads/<int:lead_id>/disqualify/", acts.DisqualifyView.as_view(), name="api-lead-disqualify"),
    path("leads/<int:lead_id>/promote/", acts.PromoteView.as_view(), name="api-lead-promote"),
    path("leads/<int:lead_id>/reopen/", acts.ReopenView.as_view(), name="api-lead-reopen"),
    path("leads/<int:lead_id>/assign/", acts.AssignView.as_view(), name="api-lead-assign"),
    path("leads/<int:lead_id>/notes/", LeadNotesView.as_view(), name="api-lead-notes"),
    path("leads/<int:lead_id>/tasks/", LeadTasksView.as_view(), name="api-lead-tasks"),
    path("notes/<int:note_id>/", NoteView.as_view(), name="api-note"),
    path("tasks/", TaskCollectionView.as_view(), name="api-tasks"),
    path("tasks/<int:task_id>/", TaskView.as_view(), name="api-task"),
    path("leads/<int:lead_id>/merge/", LeadMergeView.as_view(), name="api-lead-merge"),
    path("duplicates/", DuplicateCollectionView.as_view(), name="api-duplicates"),
    path(
        "duplicates/<int:proposal_id>/dismiss/",
        DuplicateDismissView.as_view(),
        name="api-duplicate-dismiss",
    ),
    path("merges/<int:merge_id>/undo/", MergeUndoView.as_view(), name="api-merge-undo"),
    path("companies/", CompanyCollectionView.as_view(), name="api-companies"),
    path("companies/<int:company_id>/", CompanyView.as_view(), name="api-company"),
    path("leads/<int:lead_id>/erase/", erasure.LeadEraseView.as_view(), name="api-lead-erase"),
    path("leads/<int:lead_id>/data/", erasure.LeadDataView.as_view(), name="api-lead-data"),
    path("data-exports/", data_exports.DataExportCollectionView.as_view(), name="api-data-exports"),
    path("data-exports/<int:export_id>/", data_exports.DataExportView.as_view(), name="api-data-export"),
    path(
        "data-exports/<int:export_id>/file/",
        data_exports.DataExportFileView.as_view(),
        name="api-data-export-file",
    ),
    path("erasures/<int:erasure_id>/", erasure.ErasureView.as_view(), name="api-erasure"),
    path("bulk/", bulk.BulkCollectionView.as_view(), name="api-bulk"),
    path("bulk/<int:run_id>/", bulk.BulkView.as_view(), name="api-bulk-run"),
    path("bulk/<int:run_id>/refused/", bulk.BulkRefusedView.as_view(), name="api-bulk-refused"),
    path("bulk/<int:run_id>/stop/", bulk.BulkStopView.as_view(), name="api-bulk-stop"),
    path("bulk/<int:run_id>/undo/", bulk.BulkUndoView.as_view(), name="api-bulk-undo"),
    path("held/<slug:sort>/", held.HeldCollectionView.as_view(), name="api-held"),
    path("held/<slug:sort>/retry/", held.HeldRetryView.as_view(), name="api-held-retry"),
    path("held/<slug:sort>/discard/", held.HeldDiscardView.as_view(), name="api-held-discard"),
    path("fields/", fields.FieldCollectionView.as_view(), name="api-fields"),
    path("fields/<int:field_id>/", fields.FieldView.as_view(), name="api-field"),
    path("fields/<int:field_id>/retire/", fields.FieldRetireView.as_view(), name="api-field-retire"),
    path(
        "fields/<int:field_id>/bring-back/", fields.FieldBringBackView.as_view(), name="api-field-bring-back"
    ),
    path("tags/", fields.TagCollectionView.as_view(), name="api-tags"),
    path("tags/rename/", fields.TagRenameView.as_view(), name="api-tag-rename"),
    path("tags/delete/", fields.TagDeleteView.as_view(), name="api-tag-delete"),
    path("forms/", forms.FormCollectionView.as_view(), name="api-forms"),
    path("forms/<int:form_id>/", forms.FormView.as_view(), name="api-form"),
    path("forms/<int:form_id>/duplicate/", forms.FormDuplicateView.as_view(), name="api-form-duplicate"),
    path(
        "forms/<int:form_id>/submissions/",
        forms.FormSubmissionCollectionView.as_view(),
        name="api-form-submissions",
    ),
    path(
        "forms/<int:form_id>/submissions/<int:submission_id>/",
        forms.FormSubmissionView.as_view(),
        name="api-form-submission",
    ),
    path(
        "forms/<int:form_id>/submissions/<int:submission_id>/not-spam/",
        forms.FormNotSpamView.as_view(),
        name="api-form-not-spam",
    ),
    path("rules/", rules.RuleCollectionView.as_view(), name="api-rules"),
    path("rules/<slug:kind>/<slug:name>/", rules.RuleDocumentView.as_view(), name="api-rules-document"),
    path("rules/<slug:kind>/<slug:name>/draft/", rules.RuleDraftView.as_view(), name="api-rules-draft"),
    path("rules/<slug:kind>/<slug:name>/publish/", rules.RulePublishView.as_view(), name="api-rules-publish"),
    path(
        "rules/<slug:kind>/<slug:name>/versions/",
        rules.RuleVersionCollectionView.as_view(),
        name="api-rules-versions",
    ),
    path(
        "rules/<slug:kind>/<slug:name>/versions/<int:number>/",
        rules.RuleVersionView.as_view(),
        name="api-rules-version",
    ),
    path(
        "rules/<slug:kind>/<slug:name>/versions/<int:number>/roll-back/",
        rules.RuleRollBackView.as_view(),
        name="api-rules-roll-back",
    ),
    path(
        "rules/<slug:kind>/<slug:name>/versions/<int:number>/reuse/",
        rules.RuleReuseView.as_view(),
        name="api-rules-reuse",
    ),
    path("events/", EventIntakeView.as_view(), name="api-events"),
    path("submissions/<int:submission_id>/", SubmissionView.as_view(), name="api-submission"),
]
