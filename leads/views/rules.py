"""The published rules, readable by everyone who works under them."""

from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_safe

from leads.capture.values import fold_text
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
from tenancy.listing import SEARCH, Column, Count, Listing, render_listing, show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

PAGE: Final = "leads/rules.html"


@tenant_page(right="rules.read")
@require_safe
def rules(request: TenantRequest) -> HttpResponse:
    """Which rules are published, with their versions."""
    drafts = list_drafts()
    published = list_published()
    newest = max((version.published_at for version in published if version.published_at), default=None)
    rows = [
        {
            "title": title_of(version),
            "version": version,
            "draft": drafts.get((version.kind, version.name)),
        }
        for version in published
    ]
    context = {
        "count": sum(version.status == VersionStatus.PUBLISHED for version in published),
        "newest": newest,
        "new_forms": [form for form in list_document_forms() if form.first_document],
        "may_publish": may(request.member, "rules.publish"),
    }
    return render_listing(request, PAGE, context, listing=_listing(request, rows))


def _listing(request: TenantRequest, rows: Sequence[dict[str, Any]]) -> Listing:
    search = request.GET.get(SEARCH, "").strip()
    found = [row for row in rows if fold_text(search) in fold_text(row["title"])]
    return Listing(
        key="rules",
        request=request,
        caption=_("Published rules"),
        columns=[
            Column(key="title", label=_("Rules"), template=f"{PAGE}#title_cell", card="title"),
            Column(key="version", label=_("Version"), value=lambda row: row["version"].number, end=True),
            Column(key="published", label=pgettext("when", "Published"), template=f"{PAGE}#published_cell"),
            Column(
                key="by",
                label=pgettext("published by", "By"),
                value=lambda row: row["version"].published_by and row["version"].published_by.name,
            ),
        ],
        rows=found,
        words=lambda n: ngettext("%(n)s set of rules", "%(n)s sets of rules", n) % {"n": show_number(n)},
        count=Count(value=len(found)),
        search_label=_("Search rules"),
    )


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
