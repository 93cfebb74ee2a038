"""The pages of hosted forms for those who make them."""

from django.urls import path

from leads.views import form_builder, form_pages

urlpatterns = [
    path("", form_pages.form_list, name="form-list"),
    path("new/", form_builder.form_new, name="form-new"),
    path("preview/", form_builder.form_preview, name="form-preview"),
    path("<int:form_id>/", form_pages.form_detail, name="form-detail"),
    path("<int:form_id>/edit/", form_builder.form_edit, name="form-edit"),
    path("<int:form_id>/embed/", form_pages.form_embed, name="form-embed"),
    path("<int:form_id>/open/", form_pages.form_open, name="form-open"),
    path("<int:form_id>/duplicate/", form_pages.form_duplicate, name="form-duplicate"),
    path("<int:form_id>/export/", form_pages.form_export, name="form-export"),
    path(
        "<int:form_id>/submissions/<int:submission_id>/", form_pages.form_submission, name="form-submission"
    ),
    path(
        "<int:form_id>/submissions/<int:submission_id>/not-spam/",
        form_pages.form_not_spam,
        name="form-not-spam",
    ),
]
