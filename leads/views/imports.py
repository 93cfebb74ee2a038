"""Importing files: earlier imports, a new one from the upload to its result."""

import io
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads.capture.assignment import InvalidAssignment, offer_assignment
from leads.capture.import_steps import AT_WORK, assignment_of, detected_of, subject_of, trial_of
from leads.capture.page_imports import (
    MAX_UPLOAD_BYTES,
    assign_columns,
    choose_sheet,
    choose_subject,
    get_import,
    list_imports,
    reassign,
    remembered_for,
    resume_import,
    start_import,
    stop_import,
    upload_import,
)
from leads.capture.refusals import write_refused
from leads.models import CustomField, ImportRun, ImportState
from leads.views.import_form import column_rows, event_choices, read_assignment
from tenancy import listing
from tenancy.errors import FieldProblem
from tenancy.fragments import answer_progress, poll_headers
from tenancy.markup import quiet, short_datetime
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.scope import tenant_scope

PAGE: Final = "leads/import_detail.html"
# The form around the file.
ROOM_BYTES: Final = 1 << 20
OUTCOMES: Final = ("new", "updated", "unchanged", "duplicate", "refused")
_STATE_TONES: Final = {
    ImportState.RUNNING: "act",
    ImportState.DONE: "good",
    ImportState.MAPPING: "soon",
    ImportState.TRIED: "soon",
    ImportState.FAILED: "late",
    ImportState.UNREADABLE: "late",
}
TONES: Final = {
    "new": "good",
    "updated": "act",
    "unchanged": "quiet",
    "duplicate": "quiet",
    "refused": "late",
}


class UploadForm(forms.Form):
    """A file, and what it tells of."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "empty": gettext_lazy("The file is empty. Choose another one."),
        },
    )
    subject = forms.ChoiceField(
        label=gettext_lazy("What the file tells of"),
        choices=[("", gettext_lazy("Find out")), *ImportRun.Subject.choices],
        required=False,
    )


@tenant_page(right="import.run")
@require_safe
def import_list(request: TenantRequest) -> HttpResponse:
    """Earlier imports, the newest first."""
    page = list_imports(cursor=request.GET.get(listing.CURSOR, ""))
    new = reverse("import-new", kwargs={"slug": request.tenant.slug})
    shown = listing.Listing(
        key="imports",
        request=request,
        caption=_("Imports"),
        columns=_columns(request),
        rows=page.rows,
        words=lambda count: ngettext("%(count)s import", "%(count)s imports", count) % {"count": count},
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        empty=listing.EmptyState(
            title=_("Nothing imported yet"),
            text=_("Bring the leads you have: a CSV file or an XLSX workbook, of any layout."),
            icon="file-import",
            act_label=_("Import a file"),
            act_url=new,
        ),
    )
    return listing.render_listing(request, "leads/import_list.html", {}, listing=shown)


def _columns(request: TenantRequest) -> list[listing.Column]:
    page = "leads/import_list.html"
    return [
        listing.Column(key="file", label=_("File"), template=f"{page}#file_cell", card="title"),
        listing.Column(key="state", label=_("State"), value=_standing, card="line"),
        *(listing.Column(key=name, label=_label(name), value=_count_of(name), end=True) for name in OUTCOMES),
        listing.Column(
            key="by", label=_("By"), value=lambda run: run.made_by.name if run.made_by else _("Command")
        ),
        listing.Column(key="at", label=_("When"), value=lambda run: short_datetime(run.started_at), end=True),
    ]


def _standing(run: ImportRun) -> SafeString:
    """How far an import is, in a word and a colour."""
    tone = _STATE_TONES.get(ImportState(run.state), "quiet")
    label: object = ImportState(run.state).label
    if run.state == ImportState.DONE and run.finished_at is None:
        label, tone = _("Cut off"), "late"
    return format_html('<span class="badge-tone" data-tone="{}">{}</span>', tone, label)


def _count_of(name: str) -> Any:
    def value(run: ImportRun) -> object:
        return listing.show_number(run.counts[name]) if name in run.counts else quiet("—")

    return value


def _label(outcome: str) -> str:
    return {
        "new": pgettext("rows", "New"),
        "updated": pgettext("rows", "Updated"),
        "unchanged": pgettext("rows", "Unchanged"),
        "duplicate": pgettext("rows", "Duplicate"),
        "refused": pgettext("rows", "Refused"),
    }[outcome]


@tenant_page(right="import.run")
@require_http_methods(["GET", "HEAD", "POST"])
def import_new(request: TenantRequest) -> HttpResponse:
    """Choose a file. It is read before a transaction begins, so that a slow line holds none."""
    sent = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    context = {"form": sent, "most_bytes": MAX_UPLOAD_BYTES, "most_mb": MAX_UPLOAD_BYTES >> 20}
    if request.method != "POST":
        return render(request, "leads/import_new.html", context)
    with tenant_scope(request.tenant.pk):
        if not sent.is_valid():
            return render(request, "leads/import_new.html", context, status=422)
        file = sent.cleaned_data["file"]
        run = upload_import(
            name=file.name,
            subject=sent.cleaned_data["subject"],
            content=file.chunks(),
            by=request.member,
            now=timezone.now(),
            language=translation.get_language(),
        )
        return _to(request, run.pk)


import_new.own_transactions = frozenset({"POST"})  # type: ignore[attr-defined]
import_new.max_body_bytes = MAX_UPLOAD_BYTES + ROOM_BYTES  # type: ignore[attr-defined]
import_new.takes_files = True  # type: ignore[attr-defined]


@tenant_page(right="import.run")
@require_safe
def import_detail(request: TenantRequest, import_id: int) -> HttpResponse:
    """One import, wherever it is; while a worker is at it, the page asks how far."""
    run = get_import(import_id=import_id)
    return answer_progress(
        request,
        page=PAGE,
        etag=_etag(run),
        is_over=not _is_at_work(run),
        context=lambda: _context(request, run),
    )


def _is_at_work(run: ImportRun) -> bool:
    return run.state in AT_WORK and not run.is_by_command


def _etag(run: ImportRun) -> str:
    seen = run.seen_at.isoformat() if run.seen_at else ""
    return f'"{run.pk}-{run.state}-{run.row_number}-{seen}-{translation.get_language()}"'


def _context(request: TenantRequest, run: ImportRun, **more: Any) -> dict[str, Any]:
    """What the page of an import shows in its state."""
    context: dict[str, Any] = {
        "run": run,
        "is_at_work": _is_at_work(run),
        "poll_headers": poll_headers(_etag(run)),
        "detected": detected_of(run) if run.detected and "digest" in run.detected else None,
        "has_file": run.rows_file_id is not None,
        "outcomes": _outcomes(run),
    }
    if run.state == ImportState.RUNNING and not run.is_by_command:
        context |= _speed(run)
    if run.state == ImportState.MAPPING and context["has_file"] and "rows" not in more:
        context |= _form(request, run)
    if run.state == ImportState.TRIED:
        context |= _tried(run)
    if run.counts and not run.is_by_command:
        context["leads_url"] = leads_url(request.tenant.slug, run.pk)
    return context | more


def leads_url(slug: str, import_id: int) -> str:
    """The list of leads that an import has told of."""
    asked = json.dumps({"fact": "imports", "op": "has_any", "value": [str(import_id)]})
    return f"{reverse('lead-list', kwargs={'slug': slug})}?{urlencode({'filter': asked})}"


def _outcomes(run: ImportRun) -> list[dict[str, Any]]:
    return [
        {
            "label": _label(name),
            "value": listing.show_number(run.counts[name]),
            "tone": TONES[name] if run.counts[name] else "quiet",
        }
        for name in OUTCOMES
        if name in run.counts
    ]


def _speed(run: ImportRun) -> dict[str, Any]:
    """Rows done, of how many, and how many a second."""
    done = sum(run.counts.values()) if run.counts else 0
    seconds = (run.seen_at - run.started_at).total_seconds() if run.seen_at and done else 0.0
    return {
        "done": done,
        "done_text": listing.show_number(done),
        "of": detected_of(run).row_count,
        "of_text": listing.show_number(detected_of(run).row_count),
        "rate": listing.show_number(round(done / seconds)) if seconds >= 1 else "",
    }


def _tried(run: ImportRun) -> dict[str, Any]:
    trial = trial_of(run)
    return {
        "trial": trial,
        "tried_text": listing.show_number(trial.rows),
        "of_text": listing.show_number(trial.of),
        "new_fields": assignment_of(run).new_fields(),
        "tried": [
            {
                "label": _label(name),
                "value": listing.show_number(trial.counts[name]),
                "tone": TONES[name] if trial.counts[name] else "quiet",
                "examples": trial.examples.get(name, []),
            }
            for name in OUTCOMES
        ],
    }


def _form(
    request: TenantRequest, run: ImportRun, *, said: Any = None, errors: Sequence[FieldProblem] = ()
) -> dict[str, Any]:
    """The form of the columns, with what was said or is offered."""
    detected, fields = detected_of(run), list(subject_of(run, request.tenant).fields)
    custom = CustomField.objects.filter(retired_at__isnull=True).values_list("name", "label")
    remembered = None
    if said is None and run.assignment is None:
        remembered = remembered_for(run)
        said = offer_assignment(
            detected=detected,
            fields=fields,
            custom=dict(custom),
            remembered=remembered,
            subject=run.subject,
        )
    elif said is None:
        said = assignment_of(run)
    return {
        "rows": column_rows(detected=detected, assignment=said, fields=fields, errors=errors),
        "blanks": ", ".join(said.blanks),
        "is_live": said.is_live,
        "creates_leads": said.creates_leads,
        "event_type": said.event_type,
        "event_choices": event_choices() if run.subject == ImportRun.Subject.EVENTS else [],
        "subjects": ImportRun.Subject.choices,
        "is_remembered": remembered is not None,
        "problems": [str(each.message) for each in errors if not each.field.startswith("column-")],
        "fault_count": len(errors),
    }


@tenant_page(right="import.run")
@require_POST
def import_columns(request: TenantRequest, import_id: int) -> HttpResponse:
    """Say what the columns are, and try the rows."""
    run = get_import(import_id=import_id)
    if run.state not in {ImportState.MAPPING, ImportState.TRIED} or run.rows_file_id is None:
        return _to(request, import_id)
    said = read_assignment(sent=request.POST, detected=detected_of(run))
    try:
        assign_columns(run=run, assignment=said, now=timezone.now())
    except InvalidAssignment as invalid:
        run.state = ImportState.MAPPING
        form = _form(request, run, said=said, errors=invalid.errors)
        return render(request, PAGE, _context(request, run, **form), status=422)
    return _to(request, import_id)


@tenant_page(right="import.run")
@require_POST
def import_subject(request: TenantRequest, import_id: int) -> HttpResponse:
    """Say that the file tells of something else."""
    choose_subject(run=get_import(import_id=import_id), subject=request.POST.get("subject", ""))
    return _to(request, import_id)


@tenant_page(right="import.run")
@require_POST
def import_sheet(request: TenantRequest, import_id: int) -> HttpResponse:
    """Read another sheet of the workbook."""
    run = get_import(import_id=import_id)
    choose_sheet(run=run, sheet=request.POST.get("sheet", ""), now=timezone.now())
    return _to(request, import_id)


@tenant_page(right="import.run")
@require_POST
def import_back(request: TenantRequest, import_id: int) -> HttpResponse:
    """Change the columns of an import that was tried."""
    reassign(run=get_import(import_id=import_id))
    return _to(request, import_id)


@tenant_page(right="import.run")
@require_POST
def import_start(request: TenantRequest, import_id: int) -> HttpResponse:
    """Take the file in."""
    start_import(run=get_import(import_id=import_id), by=request.member, now=timezone.now())
    return _to(request, import_id)


@tenant_page(right="import.run")
@require_POST
def import_stop(request: TenantRequest, import_id: int) -> HttpResponse:
    """Stop after the batch that is on its way, or give up an import that has not begun."""
    if stop_import(run=get_import(import_id=import_id), by=request.member, now=timezone.now()):
        messages.success(request, _("Stopped. What was taken in stays."))
        return _to(request, import_id)
    messages.success(request, _("Given up. Nothing of the file was taken in."))
    return redirect("import-list", slug=request.tenant.slug)


@tenant_page(right="import.run")
@require_POST
def import_resume(request: TenantRequest, import_id: int) -> HttpResponse:
    """Go on with an import that was stopped or failed."""
    resume_import(run=get_import(import_id=import_id), by=request.member, now=timezone.now())
    return _to(request, import_id)


@tenant_page(right="import.run")
@require_safe
def import_refused(request: TenantRequest, import_id: int) -> HttpResponse:
    """The refused rows with their reasons, as a file that can be mended and imported again."""
    run = get_import(import_id=import_id)
    file = io.StringIO(newline="")
    write_refused(run=run, file=file)
    stem = run.file_name.rpartition(".")[0] or run.file_name
    response = HttpResponse(file.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    disposition = content_disposition_header(as_attachment=True, filename=f"{stem}.refused.csv")
    response["Content-Disposition"] = disposition or "attachment"
    return response


def _to(request: TenantRequest, import_id: int) -> HttpResponse:
    return redirect("import-detail", slug=request.tenant.slug, import_id=import_id)
