"""Notes on a lead: anyone of the staff writes them, who wrote one changes or deletes it, and deleting can be undone for a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext as _

from core.due import DueKind, cancel, register_due_kind, schedule
from leads.models import LeadNote
from leads.selectors import LeadNotFound, instant_json, is_lead_id
from leads.timeline import TimelineEntry, register_timeline_source
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.models import Membership
from tenancy.rights import require

MAX_NOTE: Final = 10_000
# A deleted note can be brought back until then; afterwards its text is gone.
UNDO_FOR: Final = timedelta(days=1)
PURGE_KIND: Final = "note.purge"


class NoteNotFound(NotFound):
    """There is no such note, or its text is gone."""


class NotYourNote(Conflict):
    """Only who wrote a note changes or deletes it."""


class InvalidNote(Invalid):
    """No text, or too much of it."""


def add_note(*, lead_id: int, text: str, by: Membership, now: datetime) -> LeadNote:
    """Write a note on a lead. Raises LeadNotFound, NotAllowed, InvalidNote."""
    require(by, "note.write")
    require_lead(lead_id)
    note: LeadNote = LeadNote.objects.create(lead_id=lead_id, text=_read(text), written_at=now, written_by=by)
    return note


def edit_note(*, note_id: int, text: str, by: Membership, now: datetime) -> LeadNote:
    """Change one's own note. Raises NoteNotFound, NotYourNote, InvalidNote."""
    note = _own(note_id, by)
    written = _read(text)
    if written != note.text:
        note.text, note.edited_at = written, now
        note.save(update_fields=["text", "edited_at"])
    return note


def delete_note(*, note_id: int, by: Membership, now: datetime) -> LeadNote:
    """Delete one's own note; for a day it can be brought back. Raises NoteNotFound, NotYourNote."""
    note = _own(note_id, by)
    note.deleted_at = now
    note.save(update_fields=["deleted_at"])
    schedule(kind=PURGE_KIND, due={note.pk: now + UNDO_FOR})
    return note


def restore_note(*, note_id: int, by: Membership) -> LeadNote:
    """Bring back one's own note. Raises NoteNotFound once its text is gone, NotYourNote."""
    note = _own(note_id, by, is_deleted=True)
    note.deleted_at = None
    note.save(update_fields=["deleted_at"])
    cancel(kind=PURGE_KIND, subjects=[note.pk])
    return note


def get_note(*, note_id: int) -> LeadNote:
    """A note that is not deleted. Raises NoteNotFound."""
    note: LeadNote | None = _notes(note_id).filter(deleted_at__isnull=True).first()
    return note or _absent()


def list_notes(*, lead_id: int, limit: int | None = None) -> list[LeadNote]:
    """The notes on a lead, newest first."""
    rows = LeadNote.objects.filter(lead=lead_id, deleted_at__isnull=True).select_related("written_by")
    return list(rows.order_by("-written_at", "-id")[:limit])


def note_json(note: LeadNote) -> dict[str, Any]:
    """A note as the API writes it."""
    return {
        "id": note.pk,
        "lead": note.lead_id,
        "text": note.text,
        "written_at": instant_json(note.written_at),
        "written_by": note.written_by.name if note.written_by else None,
        "edited_at": instant_json(note.edited_at) if note.edited_at else None,
    }


def require_lead(lead_id: int) -> None:
    """Raise LeadNotFound unless there is such a lead; it stays until this transaction ends."""
    with connection.cursor() as cursor:
        # What refers to it takes this lock anyway; here whoever comes too late is told.
        cursor.execute(
            "SELECT 1 FROM leads_lead WHERE id = %s FOR KEY SHARE", [lead_id if is_lead_id(lead_id) else 0]
        )
        is_known = cursor.fetchone() is not None
    if not is_known:
        raise LeadNotFound(_("There is no such lead."))


def _notes(note_id: int) -> Any:
    rows = LeadNote.objects.select_related("written_by")
    return rows.filter(pk=note_id) if is_lead_id(note_id) else rows.none()


def _absent() -> LeadNote:
    raise NoteNotFound(_("There is no such note."))


def _own(note_id: int, by: Membership, *, is_deleted: bool = False) -> LeadNote:
    require(by, "note.write")
    rows = _notes(note_id).select_for_update(of=("self",))
    note: LeadNote = rows.filter(deleted_at__isnull=not is_deleted).first() or _absent()
    if note.written_by_id != by.pk:
        raise NotYourNote(_("Only who wrote a note can change or delete it."))
    return note


def _read(text: str) -> str:
    read = text.replace("\r\n", "\n").strip()
    if read and len(read) <= MAX_NOTE and "\x00" not in read:
        return read
    message = (
        _("Write something first.")
        if not read
        else _("Give a text of at most %(count)s characters.") % {"count": MAX_NOTE}
    )
    raise InvalidNote(message, errors=[FieldProblem("text", "required" if not read else "invalid", message)])


def list_story(lead_id: int, before: datetime | None, limit: int) -> Sequence[TimelineEntry]:
    """The notes on a lead as parts of its story, newest first."""
    rows = LeadNote.objects.filter(lead=lead_id, deleted_at__isnull=True).select_related("written_by")
    if before is not None:
        rows = rows.filter(written_at__lt=before)
    return [
        TimelineEntry(
            at=note.written_at,
            title=_("Note by %(name)s") % {"name": note.written_by.name} if note.written_by else _("Note"),
            detail=f"“{note.text}”",
            tone="quiet",
        )
        for note in rows.order_by("-written_at", "-id")[:limit]
    ]


def _purge(note_ids: Sequence[int], now: datetime) -> None:
    LeadNote.objects.filter(pk__in=note_ids, deleted_at__lte=now - UNDO_FOR).delete()


def register_notes() -> None:
    """Put notes into the story of leads, and purge deleted ones; called once, when the app is ready."""
    register_timeline_source(list_story)
    register_due_kind(DueKind(PURGE_KIND, act=_purge))
