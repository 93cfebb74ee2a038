"""Notes on leads, and tasks about them, over HTTP."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads import lead_tasks, notes
from leads.models import LeadTask
from leads.selectors import get_lead
from tenancy.api import TenantAPIView
from tenancy.api_bodies import Body, read_body, read_flag, read_object, read_whole, refuse
from tenancy.models import Scope
from tenancy.rights import require

_NOTE_FIELDS: dict[str, Any] = {
    "id": s.IntegerField(),
    "lead": s.IntegerField(),
    "text": s.CharField(),
    "written_at": s.DateTimeField(),
    "written_by": s.CharField(allow_null=True),
    "edited_at": s.DateTimeField(allow_null=True),
}
NOTE = inline_serializer("Note", _NOTE_FIELDS)
NOTE_BODY = inline_serializer("NoteBody", {"text": s.CharField(max_length=notes.MAX_NOTE)})
NOTES = inline_serializer("Notes", {"results": s.ListField(child=NOTE)})
_TASK_COLUMNS: dict[str, Any] = {
    "id": s.IntegerField(),
    "lead": s.IntegerField(),
    "title": s.CharField(),
    "due_at": s.DateTimeField(allow_null=True, help_text="Late after this instant."),
    "due_on": s.DateField(allow_null=True, help_text="The day, where no time was said."),
    "assignee": inline_serializer(
        "Assignee", {"id": s.IntegerField(), "name": s.CharField()}, allow_null=True
    ),
    "made_at": s.DateTimeField(),
    "made_by": s.CharField(allow_null=True),
    "done_at": s.DateTimeField(allow_null=True),
    "done_by": s.CharField(allow_null=True),
}
TASK = inline_serializer("Task", _TASK_COLUMNS)
_LIST: s.ListField = s.ListField(child=TASK)
_TASK_FIELDS: dict[str, Any] = {
    "title": s.CharField(required=False, max_length=lead_tasks.MAX_TITLE),
    "due_on": s.DateField(required=False, allow_null=True, help_text="In the tenant's time zone."),
    "due_time": s.CharField(required=False, allow_null=True, help_text="As 15:00, with due_on."),
    "assignee": s.JSONField(required=False, help_text="The id of a member, or their e-mail."),
}
_TASK_KEYS = tuple(_TASK_FIELDS)
# A serializer takes its fields out of the dictionary that it is given: it gets a copy.
TASK_BODY = inline_serializer("TaskBody", {**_TASK_FIELDS})
TASK_CHANGE = inline_serializer("TaskChange", _TASK_FIELDS | {"done": s.BooleanField(required=False)})
LEAD_TASKS = inline_serializer("LeadTasks", {"results": _LIST})
TASKS = inline_serializer(
    "Tasks",
    {
        "results": _LIST,
        "next": s.CharField(allow_null=True),
        "previous": s.CharField(allow_null=True),
    },
)
_BAD = OpenApiResponse(description="A field is missing or cannot be read.")
_UNKNOWN = OpenApiResponse(description="The person is not known.")
_NOT_OWN = OpenApiResponse(description="Somebody else wrote it.")
_GONE = OpenApiResponse(description="It is gone.")
_PAGE = [
    OpenApiParameter("assignee", str, description="A member's id or e-mail; everyone's if left out."),
    OpenApiParameter("lead", int),
    OpenApiParameter(
        "done", bool, description="The done ones, the latest first; else the open ones by when they are due."
    ),
    OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer."),
]
READ_WRITE: dict[str, Scope] = {
    "GET": Scope.LEADS_READ,
    "POST": Scope.LEADS_WRITE,
    "PATCH": Scope.LEADS_WRITE,
    "DELETE": Scope.LEADS_WRITE,
}


class LeadNotesView(TenantAPIView):
    """The notes on a lead."""

    scopes: ClassVar[dict[str, Scope]] = {each: READ_WRITE[each] for each in ("GET", "POST")}

    @extend_schema(operation_id="lead_notes", responses={200: NOTES}, tags=["notes and tasks"])
    def get(self, request: Request, lead_id: int) -> Response:
        """All of them, newest first."""
        require(self.member, "lead.read")
        get_lead(lead_id=lead_id)
        return Response({"results": [notes.note_json(note) for note in notes.list_notes(lead_id=lead_id)]})

    @extend_schema(
        operation_id="lead_note_add",
        request=NOTE_BODY,
        responses={201: NOTE, 400: _BAD},
        tags=["notes and tasks"],
    )
    def post(self, request: Request, lead_id: int) -> Response:
        """Write a note in the name of the key."""
        written = Body(read_object(request)).text("text")
        note = notes.add_note(lead_id=lead_id, text=written, by=self.member, now=timezone.now())
        return Response(notes.note_json(note), status=201)


class NoteView(TenantAPIView):
    """One note; only the key that wrote it changes or deletes it."""

    scopes: ClassVar[dict[str, Scope]] = {each: READ_WRITE[each] for each in ("GET", "PATCH", "DELETE")}

    @extend_schema(operation_id="note", responses={200: NOTE}, tags=["notes and tasks"])
    def get(self, request: Request, note_id: int) -> Response:
        """Its text, and who wrote it when."""
        require(self.member, "lead.read")
        return Response(notes.note_json(notes.get_note(note_id=note_id)))

    @extend_schema(
        operation_id="note_change",
        request=NOTE_BODY,
        responses={200: NOTE, 400: _BAD, 409: _NOT_OWN},
        tags=["notes and tasks"],
    )
    def patch(self, request: Request, note_id: int) -> Response:
        """Change its text."""
        written = Body(read_object(request)).text("text")
        note = notes.edit_note(note_id=note_id, text=written, by=self.member, now=timezone.now())
        return Response(notes.note_json(note))

    @extend_schema(
        operation_id="note_delete", responses={204: _GONE, 409: _NOT_OWN}, tags=["notes and tasks"]
    )
    def delete(self, request: Request, note_id: int) -> Response:
        """Delete it."""
        notes.delete_note(note_id=note_id, by=self.member, now=timezone.now())
        return Response(status=204)


class LeadTasksView(TenantAPIView):
    """The tasks about a lead."""

    scopes: ClassVar[dict[str, Scope]] = {each: READ_WRITE[each] for each in ("GET", "POST")}

    @extend_schema(
        operation_id="lead_tasks",
        responses={200: LEAD_TASKS},
        tags=["notes and tasks"],
    )
    def get(self, request: Request, lead_id: int) -> Response:
        """Open ones by when they are due, then the done ones, the latest first."""
        require(self.member, "lead.read")
        get_lead(lead_id=lead_id)
        found = lead_tasks.list_lead_tasks(lead_id=lead_id)
        return Response({"results": [lead_tasks.task_json(task) for task in found]})

    @extend_schema(
        operation_id="lead_task_add",
        request=TASK_BODY,
        responses={201: TASK, 400: _BAD, 422: _UNKNOWN},
        tags=["notes and tasks"],
    )
    def post(self, request: Request, lead_id: int) -> Response:
        """Make a task for a member, who is told."""
        task = lead_tasks.add_task(
            lead_id=lead_id,
            **_read_task(read_body(request, *_TASK_KEYS)),
            by=self.member,
            now=timezone.now(),
        )
        return Response(lead_tasks.task_json(lead_tasks.get_task(task_id=task.pk)), status=201)


class TaskCollectionView(TenantAPIView):
    """Everyone's tasks."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(
        operation_id="tasks",
        parameters=_PAGE,
        responses={200: TASKS, 400: _BAD, 422: _UNKNOWN},
        tags=["notes and tasks"],
    )
    def get(self, request: Request) -> Response:
        """One page of tasks. ``next`` and ``previous`` are cursors, null where there is no further page."""
        require(self.member, "lead.read")
        given = request.query_params
        assignee = given.get("assignee", "")
        page = lead_tasks.list_tasks(
            assignee=lead_tasks.find_assignee(assignee, by=self.member) if assignee else None,
            is_done=read_flag("done", given.get("done", "")),
            cursor=given.get("cursor", ""),
            lead_id=read_whole("lead", given.get("lead", "")),
        )
        return Response(
            {
                "results": [lead_tasks.task_json(task) for task in page.rows],
                "next": page.next_cursor,
                "previous": page.previous_cursor,
            }
        )


class TaskView(TenantAPIView):
    """One task."""

    scopes: ClassVar[dict[str, Scope]] = {each: READ_WRITE[each] for each in ("GET", "PATCH", "DELETE")}

    @extend_schema(operation_id="task", responses={200: TASK}, tags=["notes and tasks"])
    def get(self, request: Request, task_id: int) -> Response:
        """What is to be done, by whom, until when."""
        require(self.member, "lead.read")
        return Response(lead_tasks.task_json(lead_tasks.get_task(task_id=task_id)))

    @extend_schema(
        operation_id="task_change",
        request=TASK_CHANGE,
        responses={200: TASK, 400: _BAD, 422: _UNKNOWN},
        tags=["notes and tasks"],
    )
    def patch(self, request: Request, task_id: int) -> Response:
        """Change what is given; ``done`` finishes or reopens it."""
        body, now = read_body(request, *_TASK_KEYS, "done"), timezone.now()
        is_done = body.flag("done") if "done" in body else None
        if set(body.values) - {"done"}:
            task = lead_tasks.get_task(task_id=task_id)
            given = _read_task(body, task)
            lead_tasks.change_task(task_id=task_id, **given, by=self.member, now=now)
        if is_done is not None:
            change = lead_tasks.finish_task if is_done else lead_tasks.reopen_task
            change(task_id=task_id, by=self.member, now=now)
        return Response(lead_tasks.task_json(lead_tasks.get_task(task_id=task_id)))

    @extend_schema(operation_id="task_delete", responses={204: _GONE}, tags=["notes and tasks"])
    def delete(self, request: Request, task_id: int) -> Response:
        """Take it away."""
        lead_tasks.delete_task(task_id=task_id, by=self.member)
        return Response(status=204)


def _read_task(body: Body, task: LeadTask | None = None) -> dict[str, Any]:
    """What a body says of a task; what it leaves out stays as it is."""
    local = timezone.localtime(task.due_at) if task and task.due_at else None
    day = (task.due_on if task else None) or (local.date() if local else None)
    at = local.time() if local and task and task.due_on is None else None
    if "due_on" in body:
        day, at = body.day("due_on"), None
    if "due_time" in body:
        at = body.time_of_day("due_time")
    assignee = body.get("assignee") if "assignee" in body or task is None else task.assignee_id
    if isinstance(assignee, bool) or not isinstance(assignee, int | str | None):
        raise refuse("assignee", _("Give the id or the e-mail of a member."))
    return {
        "title": body.text("title") if "title" in body or task is None else task.title,
        "due_on": day,
        "due_time": at,
        "assignee": assignee,
    }
