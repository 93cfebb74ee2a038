"""Importing files, under a tenant's address."""

from django.urls import path

from leads.views import imports

urlpatterns = [
    path("", imports.import_list, name="import-list"),
    path("new/", imports.import_new, name="import-new"),
    path("<int:import_id>/", imports.import_detail, name="import-detail"),
    path("<int:import_id>/columns/", imports.import_columns, name="import-columns"),
    path("<int:import_id>/subject/", imports.import_subject, name="import-subject"),
    path("<int:import_id>/sheet/", imports.import_sheet, name="import-sheet"),
    path("<int:import_id>/back/", imports.import_back, name="import-back"),
    path("<int:import_id>/start/", imports.import_start, name="import-start"),
    path("<int:import_id>/stop/", imports.import_stop, name="import-stop"),
    path("<int:import_id>/resume/", imports.import_resume, name="import-resume"),
    path("<int:import_id>/refused.csv", imports.import_refused, name="import-refused"),
]
