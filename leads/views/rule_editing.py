"""Rules are changed in a draft, compared with what is published, and published: by those who may publish them."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads.conditions.builder import builder_vocabulary
from leads.labels import MAX_LABEL_LENGTH
from leads.models import RuleKind, RuleVersion
from leads.rule_changes import compare_versions, count_changes
from leads.rule_forms import DocumentForm, find_document_form
from leads.rulebook import (
    NoSuchRules,
    RuleLine,
    find_version,
    list_lines,
    list_versions,
    read_version,
    title_of,
)
from leads.versions import (
    MAX_NOTE_LENGTH,
    DraftChangedMeanwhile,
    InvalidDocument,
    content_hash,
    discard_draft,
    find_draft,
    publish_draft,
    reuse_version,
    save_draft,
)
from tenancy.errors import FieldProblem, Invalid
from tenancy.fragments import redirect_htmx
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

# Of a framework's key; a sequence's may be longer.
MAX_KEY_LENGTH: Final = 32


class NewDocumentForm(forms.Form):
    """What another document of a kind is called; its key is made of it."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_LABEL_LENGTH,
        error_messages={"required": gettext_lazy("Give it a name.")},
    )

    def __init__(self, *args: Any, kind: RuleKind, example: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.fields["name"].help_text = example

    def clean_name(self) -> str:
        """A name of which a key can be made that no document of the kind has."""
        name: str = self.cleaned_data["name"]
        self.key = slugify(name).replace("-", "_")[:MAX_KEY_LENGTH]
        if not self.key:
            raise forms.ValidationError(_("Use letters in the name."))
        if RuleVersion.objects.filter(kind=self.kind, name=self.key).exists():
            raise forms.ValidationError(_("There is one of this name already. Choose another."))
        return name


@tenant_page(right="rules.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def rules_new(request: TenantRequest, kind: str) -> HttpResponse:
    """Name another document of a kind; its draft begins with what is to be written anew."""
    form = find_document_form(kind)
    if form is None or form.first_document is None:
        raise NoSuchRules(_("There is one document of these rules."))
    naming = NewDocumentForm(
        request.POST if request.method == "POST" else None, kind=form.kind, example=form.new_help
    )
    if request.method == "POST" and naming.is_valid():
        language = request.tenant.language
        with override(language):
            document = form.first_document(naming.key, naming.cleaned_data["name"], language)
        save_draft(
            kind=form.kind,
            name=naming.key,
            document=document,
            by=request.member,
            now=timezone.now(),
            replacing="",
        )
        return redirect("rules-edit", slug=request.tenant.slug, kind=kind, name=naming.key)
    context = {"form": naming, "label": form.new_label}
    return render(request, "leads/rules_new.html", context, status=422 if naming.errors else 200)


@tenant_page(right="rules.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def rules_edit(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """The draft of a document as a form; what is published where there is no draft yet."""
    form = find_document_form(kind)
    if form is None:
        raise NoSuchRules(_("These rules can't be edited here."))
    draft = find_draft(kind=kind, name=name)
    base = draft or find_version(list_versions(kind=kind, name=name), None)
    if request.method == "POST":
        return _save(request, form, base)
    return _show(request, form, base, base.document, replacing=draft.content_hash if draft else "")


def _save(request: TenantRequest, form: DocumentForm, base: RuleVersion) -> HttpResponse:
    if "replacing" not in request.POST:
        # A document without rules is one; half a form is not.
        raise Invalid(_("What was sent is incomplete. Open the page anew."))
    document = form.read(request.POST, base=base.document)
    replacing = request.POST.get("anyway", request.POST.get("replacing", ""))
    review = reverse(
        "rules-review", kwargs={"slug": request.tenant.slug, "kind": form.kind.value, "name": base.name}
    )
    if base.status != "draft" and content_hash(document) == base.content_hash:
        messages.info(request, _("Nothing was changed, so there is no draft."))
        review = review.removesuffix("review/")
        return redirect_htmx(url=review) if request.headers.get("HX-Request") else redirect(review)
    try:
        save_draft(
            kind=form.kind,
            name=base.name,
            document=document,
            by=request.member,
            now=timezone.now(),
            replacing=replacing,
        )
    except InvalidDocument as invalid:
        faults = invalid.errors or (FieldProblem("", "invalid", invalid.detail),)
        return _show(request, form, base, document, replacing=replacing, faults=faults)
    except DraftChangedMeanwhile as conflict:
        return _show(request, form, base, document, replacing=replacing, conflict=conflict)
    return redirect_htmx(url=review) if request.headers.get("HX-Request") else redirect(review)


@tenant_page(right="rules.publish")
@require_POST
def rules_row(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """The fields of one row that the editor holds as it is; nothing is saved."""
    form = find_document_form(kind)
    if form is None:
        raise NoSuchRules(_("These rules can't be edited here."))
    return render(request, "leads/rules_edit.html#fields", {"row": form.draw_kept(request.POST)})


def _show(
    request: TenantRequest,
    form: DocumentForm,
    base: RuleVersion,
    document: dict[str, Any],
    *,
    replacing: str,
    faults: tuple[FieldProblem, ...] = (),
    conflict: DraftChangedMeanwhile | None = None,
) -> HttpResponse:
    context = {
        "title": title_of(base),
        "kind": base.kind,
        "name": base.name,
        "base": base,
        "draft": base if base.status == "draft" else None,
        "replacing": replacing,
        "conflict": conflict,
        "editor": form.draw(document, faults=faults, lines=_lines_of(form, base, document)),
        "vocabulary": builder_vocabulary(without=form.without),
    }
    template = "leads/rules_edit.html" + ("#editor" if request.headers.get("HX-Request") else "")
    return render(request, template, context, status=422 if faults or conflict else 200)


def _lines_of(form: DocumentForm, base: RuleVersion, document: dict[str, Any]) -> dict[str, RuleLine]:
    """How the rows of a document read, by id; where it has faults, those that are as they were opened."""
    typed = RuleVersion(kind=base.kind, name=base.name, document=document)
    try:
        return _lines_by_id(typed)
    except InvalidDocument:
        same = [row for row in form.rows_of(document) if row in form.rows_of(base.document)]
    try:
        lines = _lines_by_id(base)
    except InvalidDocument:
        # What a draft names is gone since it was saved; the form shows it all the same, to be mended.
        return {}
    ids = [row.get(form.id_name) for row in same]
    return {each: lines[each] for each in ids if each in lines}


def _lines_by_id(version: RuleVersion) -> dict[str, RuleLine]:
    return {line.key: line for group in list_lines(version) for line in group.lines if line.key}


@tenant_page(right="rules.publish")
@require_safe
def rules_review(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """The draft beside what is published, in words, with what may become of it."""
    versions = list_versions(kind=kind, name=name)
    draft = find_draft(kind=kind, name=name)
    if draft is None:
        raise NoSuchRules(_("There is no draft of these rules."))
    found = find_version(versions, None)
    published = found if found.status == "published" else None
    may_edit = find_document_form(kind) is not None
    try:
        groups = compare_versions(before=published, after=draft)
    except InvalidDocument as invalid:
        if not may_edit:
            raise
        told = "; ".join(str(error.message) for error in invalid.errors)
        messages.error(request, _("The draft can't be read any more: %(faults)s") % {"faults": told})
        return redirect("rules-edit", slug=request.tenant.slug, kind=kind, name=name)
    is_same = published is not None and published.content_hash == draft.content_hash
    context = {
        "title": title_of(draft),
        "draft": draft,
        "published": published,
        "groups": groups,
        "count": count_changes(groups),
        "is_same": is_same,
        "may_edit": may_edit,
        "max_note_length": MAX_NOTE_LENGTH,
    }
    return render(request, "leads/rules_review.html", context)


@tenant_page(right="rules.publish")
@require_POST
def rules_publish(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """Publish the draft that was looked at; all leads are gone over in the background where the rules leave results on them."""
    try:
        version = publish_draft(
            kind=kind,
            name=name,
            expected=request.POST.get("draft", ""),
            note=request.POST.get("note", "").strip()[:MAX_NOTE_LENGTH],
            by=request.member,
            now=timezone.now(),
        )
    except DraftChangedMeanwhile as conflict:
        return _look_again(request, conflict, kind, name)
    except InvalidDocument as invalid:
        told = "; ".join(str(error.message) for error in invalid.errors) or str(invalid.detail)
        messages.error(request, _("Not published. %(faults)s") % {"faults": told})
        return redirect("rules-review", slug=request.tenant.slug, kind=kind, name=name)
    messages.success(request, _("Version %(number)s is published.") % {"number": version.number})
    return redirect("rules-document", slug=request.tenant.slug, kind=kind, name=name)


@tenant_page(right="rules.publish")
@require_POST
def rules_discard(request: TenantRequest, kind: str, name: str) -> HttpResponse:
    """Throw the draft away that was looked at."""
    try:
        discard_draft(
            kind=kind,
            name=name,
            expected=request.POST.get("draft", ""),
            by=request.member,
            now=timezone.now(),
        )
    except DraftChangedMeanwhile as conflict:
        return _look_again(request, conflict, kind, name)
    messages.success(request, _("The draft is discarded. What is published goes on as it is."))
    return redirect("rules-document", slug=request.tenant.slug, kind=kind, name=name)


@tenant_page(right="rules.publish")
@require_POST
def rules_reuse(request: TenantRequest, kind: str, name: str, number: int) -> HttpResponse:
    """Begin a draft with what an earlier version says."""
    version = read_version(kind=kind, name=name, number=number)
    try:
        reuse_version(version=version, by=request.member, now=timezone.now())
    except DraftChangedMeanwhile:
        messages.warning(request, _("There is a draft already. Publish or discard it first."))
    except InvalidDocument as invalid:
        told = "; ".join(str(error.message) for error in invalid.errors)
        text = _("Version %(number)s can't be used any more: %(faults)s")
        messages.error(request, text % {"number": number, "faults": told})
        return redirect("rules-version", slug=request.tenant.slug, kind=kind, name=name, number=number)
    return redirect("rules-review", slug=request.tenant.slug, kind=kind, name=name)


def _look_again(
    request: TenantRequest, conflict: DraftChangedMeanwhile, kind: str, name: str
) -> HttpResponse:
    """Say that the draft is another one now, and show what there is."""
    messages.warning(request, _("Nothing was done. %(why)s") % {"why": conflict.detail})
    page = "rules-review" if conflict.draft else "rules-document"
    return redirect(page, slug=request.tenant.slug, kind=kind, name=name)
