"""The published rules, readable by everyone who works under them."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from leads.models import VersionStatus
from leads.rule_forms import find_document_form, list_document_forms
from leads.rulebook import (
    find_rerun,
    find_version,
    list_drafts,
    list_published,
    list_versions,
    rules_in_words,
    title_of,
)
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may


@tenant_page(right="rules.read")
@require_safe
def rules(request: TenantRequest) -> HttpResponse:
    """Which rules are published, with their versions."""
    drafts = list_drafts()
    published = [
        (title_of(version), version, drafts.get((version.kind, version.name))) for version in list_published()
    ]
    newest = max(
        (version.published_at for _title, version, _draft in published if version.published_at), default=None
    )
    context = {
        "published": published,
        "count": sum(version.status == VersionStatus.PUBLISHED for _title, version, _draft in published),
        "newest": newest,
        "new_forms": [form for form in list_document_forms() if form.first_document],
        "may_publish": may(request.member, "rules.publish"),
    }
    return render(request, "leads/rules.html", context)


@tenant_page(right="rules.read")
@require_safe
def rules_document(request: TenantRequest, kind: str, name: str, number: int | None = None) -> HttpResponse:
    """One document in words: the published version, or the one that is asked for."""
    versions = list_versions(kind=kind, name=name)
    version = find_version(versions, number)
    template, words = rules_in_words(version)
    context = {
        "title": title_of(version),
        "version": version,
        "versions": versions,
        "words_template": template,
        "rerun": find_rerun(version),
        "draft": next((each for each in versions if each.status == VersionStatus.DRAFT), None),
        "may_publish": may(request.member, "rules.publish"),
        "may_edit": find_document_form(kind) is not None,
    }
    return render(request, "leads/rules_document.html", context | words)
