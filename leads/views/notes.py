"""Notes on the lead page: written, changed, deleted and brought back."""

from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from leads import notes
from leads.models import Lead
from leads.panels import Panel
from leads.selectors import get_lead
from leads.timeline import list_timeline
from leads.views.acts import is_fragment
from tenancy.errors import Problem
from tenancy.fragments import Undo, redirect_htmx, trigger_toast
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

PANEL_TEMPLATE: Final = "leads/notes_panel.html"
# Older ones are found in the story.
SHOWN: Final = 10


def panel_context(lead: Lead, member: Membership) -> dict[str, Any] | None:
    """The newest notes, and whether one may write; None if there is nothing to show or do."""
    newest = notes.list_notes(lead_id=lead.pk, limit=SHOWN + 1)
    can_write = may(member, "note.write")
    if not newest and not can_write:
        return None
    return {
        "notes": newest[:SHOWN],
        "has_more_notes": len(newest) > SHOWN,
        "can_write_notes": can_write,
        "most_characters": notes.MAX_NOTE,
    }


NOTES_PANEL: Final = Panel("notes", PANEL_TEMPLATE, panel_context, order=20)


@tenant_page(right="note.write")
@require_POST
def note_add(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Write a note on a lead."""
    text = request.POST.get("text", "")
    try:
        with transaction.atomic():
            notes.add_note(lead_id=lead_id, text=text, by=request.member, now=timezone.now())
    except notes.InvalidNote as problem:
        return _answer(request, lead_id, text=text, problem=problem)
    return _answer(request, lead_id, toast=_("The note is kept."))


@tenant_page(right="note.write")
@require_http_methods(["GET", "HEAD", "POST"])
def note_edit(request: TenantRequest, note_id: int) -> HttpResponse:
    """Change one's own note: in its place on the lead page, or on a page of its own."""
    note = notes.get_note(note_id=note_id)
    context = {"note": note, "lead": note.lead, "text": note.text, "most_characters": notes.MAX_NOTE}
    if request.method == "POST":
        text = request.POST.get("text", "")
        try:
            with transaction.atomic():
                notes.edit_note(note_id=note_id, text=text, by=request.member, now=timezone.now())
        except notes.InvalidNote as problem:
            context |= {"text": text, "problem": problem}
            template = f"{PANEL_TEMPLATE}#edit" if is_fragment(request) else "leads/note.html"
            return render(request, template, context, status=422)
        return _answer(request, note.lead_id, toast=_("The note is kept."))
    template = f"{PANEL_TEMPLATE}#edit" if is_fragment(request) else "leads/note.html"
    return render(request, template, context)


@tenant_page(right="note.write")
@require_POST
def note_delete(request: TenantRequest, note_id: int) -> HttpResponse:
    """Delete one's own note; the toast brings it back."""
    note = notes.delete_note(note_id=note_id, by=request.member, now=timezone.now())
    undo = Undo(reverse("note-restore", kwargs={"slug": request.tenant.slug, "note_id": note_id}))
    return _answer(request, note.lead_id, toast=_("The note is deleted."), undo=undo)


@tenant_page(right="note.write")
@require_POST
def note_restore(request: TenantRequest, note_id: int) -> HttpResponse:
    """Bring back a note that one has just deleted."""
    note = notes.restore_note(note_id=note_id, by=request.member)
    messages.success(request, _("The note is back."))
    url = reverse("lead-detail", kwargs={"slug": request.tenant.slug, "lead_id": note.lead_id})
    return redirect_htmx(url=url) if is_fragment(request) else redirect(url)


def _answer(
    request: TenantRequest,
    lead_id: int,
    *,
    toast: str = "",
    undo: Undo | None = None,
    text: str = "",
    problem: Problem | None = None,
) -> HttpResponse:
    """The panel and the story anew, or the lead's page where no script asked."""
    if not is_fragment(request):
        if problem is not None:
            messages.error(request, str(problem.detail))
        elif toast:
            messages.success(request, toast)
        return redirect("lead-detail", slug=request.tenant.slug, lead_id=lead_id)
    lead = get_lead(lead_id=lead_id)
    context = {"lead": lead, "text": text, "problem": problem} | (panel_context(lead, request.member) or {})
    if problem is None:
        context["timeline"] = list_timeline(lead_id=lead_id)
    response = render(request, PANEL_TEMPLATE, context, status=422 if problem else 200)
    return trigger_toast(response, text=toast, undo=undo) if toast else response
