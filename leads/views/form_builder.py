"""The builder of a hosted form: its fields in order, its words, what visitors agree to, where it may stand; and the preview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from leads.capture.form_documents import (
    KINDS,
    MAX_CONSENTS,
    MAX_FIELDS,
    SOURCE_FIELDS,
    parse_form,
)
from leads.capture.form_editing import FormChangedMeanwhile, change_form, get_form, make_form, revision_of
from leads.capture.form_questions import OfferedField, list_offered, list_questions
from leads.capture.hosted_forms import OpenForm
from leads.models import CaptureForm
from leads.versions import InvalidDocument
from leads.views.capture_form import StrangerForm
from tenancy.errors import FieldProblem
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/form_edit.html"
LABELS: Final = ("title", "intro", "submit", "thanks")
MAX_ROWS: Final = MAX_FIELDS * 2


@dataclass(frozen=True)
class Words:
    """A text in every language, as the builder shows it: code, language, text."""

    texts: Sequence[tuple[str, str, str]]
    faults: Sequence[str] = ()


@dataclass(frozen=True)
class FieldRow:
    """One field of the form as the builder shows it."""

    prefix: str
    name: str
    title: str
    label: Words
    help: Words
    is_required: bool = False
    choices: str = ""
    may_be_listed: bool = False
    own_choices: Sequence[str] = ()
    faults: Sequence[str] = ()


@dataclass(frozen=True)
class ConsentRow:
    """One consent as the builder shows it; ``version`` is empty for one that is not saved yet."""

    prefix: str
    purpose: str
    version: str
    text: Words
    is_required: bool = False
    faults: Sequence[str] = ()


@dataclass(frozen=True)
class Builder:
    """A form as the builder shows it, with what is wrong where."""

    name: str
    document: Mapping[str, Any]
    problems: Sequence[FieldProblem] = ()
    offered: Sequence[OfferedField] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, Words]:
        return {name: self._words(self.document.get(name), name) for name in LABELS}

    @property
    def defaults(self) -> list[tuple[str, str]]:
        given = self.document.get("defaults") or {}
        return [(name, str(given.get(name, ""))) for name in SOURCE_FIELDS]

    @property
    def origins(self) -> str:
        return "\n".join(self.document.get("origins") or [])

    @property
    def languages(self) -> Sequence[tuple[str, Any]]:
        return settings.LANGUAGES

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(key, str(label)) for key, label in KINDS.items()]

    @property
    def faults(self) -> dict[str, list[str]]:
        """What is wrong by place, for places that are one input."""
        found: dict[str, list[str]] = {}
        for problem in self.problems:
            found.setdefault(problem.field.split(".")[0], []).append(str(problem.message))
        return found

    @property
    def rows(self) -> list[FieldRow]:
        known = {each.name: each for each in self.offered}
        return [
            self._row(index, item, known.get(item.get("name", "")))
            for index, item in enumerate(self.document.get("fields") or [])
        ]

    @property
    def consents(self) -> list[ConsentRow]:
        """Those that there are, and room for one more."""
        given = list(self.document.get("consents") or [])
        if self.document.get("consent") and not given:
            given = [self.document["consent"]]
        rows = [self._consent(index, item) for index, item in enumerate(given)]
        if len(rows) < MAX_CONSENTS:
            rows.append(self._consent(len(rows), {}))
        return rows

    @property
    def blank_row(self) -> FieldRow:
        """What a new row is made of; its words are filled in by the page."""
        return FieldRow("__row__", "", "", self._words(None), self._words(None), may_be_listed=True)

    @property
    def offered_json(self) -> list[dict[str, Any]]:
        """The fields to choose from, for the page's script: their words in every language."""
        labels: dict[str, dict[str, str]] = {each.name: {} for each in self.offered}
        for code, _language in settings.LANGUAGES:
            with translation.override(code):
                for each in self.offered:
                    labels[each.name][code] = str(each.label)
        return [
            {
                "name": each.name,
                "labels": labels[each.name],
                "choices": [value for value, _label in each.choices],
                "listed": each.may_be_listed,
            }
            for each in self.offered
        ]

    def _row(self, index: int, item: Mapping[str, Any], offered: OfferedField | None) -> FieldRow:
        path = f"fields[{index}]"
        name = str(item.get("name", ""))
        return FieldRow(
            prefix=f"f{index}",
            name=name,
            title=str(offered.label) if offered else name,
            label=self._words(item.get("label"), f"{path}.label"),
            help=self._words(item.get("help"), f"{path}.help"),
            is_required=item.get("required") is True,
            choices="\n".join(item.get("choices") or []),
            may_be_listed=offered is None or offered.may_be_listed,
            own_choices=[value for value, _label in offered.choices] if offered else (),
            faults=self._at(f"{path}.name") + self._at(f"{path}.choices"),
        )

    def _consent(self, index: int, item: Mapping[str, Any]) -> ConsentRow:
        path = f"consents[{index}]"
        return ConsentRow(
            prefix=f"c{index}",
            purpose=str(item.get("purpose", "")),
            version=str(item.get("version", "")),
            text=self._words(item.get("text"), f"{path}.text"),
            is_required=item.get("required") is True,
            faults=self._at(f"{path}.purpose"),
        )

    def _words(self, raw: Any, path: str = "") -> Words:
        texts = raw if isinstance(raw, dict) else {settings.LANGUAGE_CODE: raw or ""}
        return Words(
            [(code, str(language), str(texts.get(code, ""))) for code, language in settings.LANGUAGES],
            self._at(path) if path else (),
        )

    def _at(self, path: str) -> list[str]:
        """What is wrong at a place or within it."""
        return [
            str(problem.message)
            for problem in self.problems
            if problem.field == path or problem.field.startswith(f"{path}.")
        ]


@tenant_page(right="form.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def form_new(request: TenantRequest) -> HttpResponse:
    """A new form, from one question on."""
    if request.method != "POST":
        return _show(request, None, Builder("", _first_document(request.tenant.language)))
    name, document = read_document(request.POST)
    try:
        form = make_form(name=name, document=document, by=request.member, now=timezone.now())
    except InvalidDocument as invalid:
        return _show(request, None, Builder(name, document, invalid.errors))
    messages.success(request, _("The form is made. Open it when it is ready."))
    return redirect("form-detail", slug=request.tenant.slug, form_id=form.pk)


@tenant_page(right="form.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def form_edit(request: TenantRequest, form_id: int) -> HttpResponse:
    """Change a form."""
    form = get_form(form_id=form_id)
    if request.method != "POST":
        return _show(request, form, Builder(form.name, form.document))
    name, document = read_document(request.POST)
    try:
        change_form(
            form=form,
            name=name,
            document=document,
            replacing=request.POST.get("replacing", ""),
            by=request.member,
            now=timezone.now(),
        )
    except InvalidDocument as invalid:
        return _show(request, form, Builder(name, document, invalid.errors))
    except FormChangedMeanwhile as conflict:
        return _show(request, form, Builder(name, document), conflict=conflict)
    messages.success(request, _("Saved. Whoever opens the form from now on sees it like this."))
    return redirect("form-detail", slug=request.tenant.slug, form_id=form.pk)


def _show(
    request: TenantRequest,
    form: CaptureForm | None,
    builder: Builder,
    *,
    conflict: FormChangedMeanwhile | None = None,
) -> HttpResponse:
    builder = Builder(builder.name, builder.document, builder.problems, list_offered())
    is_faulty = bool(builder.problems or conflict)
    replacing = revision_of(form) if form else ""
    if form and builder.problems and request.method == "POST":
        replacing = request.POST.get("replacing", "")
    context = {
        "form": form,
        "builder": builder,
        "conflict": conflict,
        "replacing": replacing,
        "max_fields": MAX_FIELDS,
    }
    return render(request, PAGE, context, status=422 if is_faulty else 200)


@tenant_page(right="form.edit")
@require_POST
def form_preview(request: TenantRequest) -> HttpResponse:
    """What the builder holds, as a visitor would see it; words that are missing are stood in for."""
    name, document = read_document(request.POST)
    language = request.POST.get("preview_language", "")
    if language not in dict(settings.LANGUAGES):
        language = document.get("language") or translation.get_language() or settings.LANGUAGE_CODE
    with translation.override(language):
        try:
            parsed = parse_form(_stood_in(document))
        except InvalidDocument as invalid:
            return render(request, "leads/form_preview.html", {"problems": invalid.errors})
        row = CaptureForm(name=name, document=document)
        found = OpenForm(request.tenant, row, parsed, list_questions(form=parsed))
        context = {"found": found, "form": StrangerForm(found=found, auto_id="preview_%s")}
        return render(request, "leads/form_preview.html", context)


def _stood_in(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with words where some are still to be written."""
    fields = [
        each | {"label": each.get("label") or {settings.LANGUAGE_CODE: each["name"] or "…"}}
        for each in document.get("fields") or []
    ]
    consents = [each for each in document.get("consents") or [] if each.get("purpose") and each.get("text")]
    shown = {key: value for key, value in document.items() if key not in {"redirect", "privacy", "origins"}}
    title = document.get("title") or {settings.LANGUAGE_CODE: "…"}
    return {**shown, "title": title, "fields": fields, "consents": consents}


def read_document(sent: QueryDict) -> tuple[str, dict[str, Any]]:
    """Name and document of a form as the builder sends them; texts that are blank are left out."""
    prefixes = sent.getlist("row")[:MAX_ROWS]
    document: dict[str, Any] = {name: _texts(sent, name) for name in LABELS}
    document |= {name: sent.get(name, "").strip() for name in ("kind", "redirect", "privacy", "language")}
    document["fields"] = [_field(sent, prefix) for prefix in prefixes]
    consents = [_read_consent(sent, f"c{index}") for index in range(MAX_CONSENTS)]
    document["consents"] = [each for each in consents if each["purpose"] or each["text"]]
    document["defaults"] = _filled({name: sent.get(f"default-{name}", "").strip() for name in SOURCE_FIELDS})
    document["origins"] = sent.get("origins", "").split()
    return sent.get("name", "").strip(), _filled(document)


def _field(sent: QueryDict, prefix: str) -> dict[str, Any]:
    choices = [line.strip() for line in sent.get(f"{prefix}-choices", "").splitlines() if line.strip()]
    found = {
        "name": sent.get(f"{prefix}-name", ""),
        "label": _texts(sent, f"{prefix}-label"),
        "required": f"{prefix}-required" in sent,
    }
    return found | _filled({"help": _texts(sent, f"{prefix}-help"), "choices": choices})


def _read_consent(sent: QueryDict, prefix: str) -> dict[str, Any]:
    return {
        "purpose": sent.get(f"{prefix}-purpose", "").strip(),
        "text": _texts(sent, f"{prefix}-text"),
        "required": f"{prefix}-required" in sent,
    }


def _texts(sent: QueryDict, name: str) -> dict[str, str]:
    texts = {code: sent.get(f"{name}.{code}", "").strip() for code, _language in settings.LANGUAGES}
    return {code: text for code, text in texts.items() if text}


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value or value is False}


def _first_document(language: str) -> dict[str, Any]:
    """What a new form begins with: one question, the e-mail."""
    with translation.override(language):
        label = {language: _("E-mail")}
    return {"fields": [{"name": "email", "label": label, "required": True}], "language": language}
