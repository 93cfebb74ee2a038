"""Tasks: one's own on a page, and those about a lead on its page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads import lead_tasks
from leads.models import Lead, LeadTask
from leads.ownership import oversees_all
from leads.panels import Panel
from leads.selectors import get_lead
from leads.task_forms import TaskForm
from leads.timeline import list_timeline
from leads.views.acts import is_fragment
from tenancy.components import Tone
from tenancy.errors import Problem
from tenancy.fragments import Undo, trigger_toast
from tenancy.listing import CURSOR, show_number
from tenancy.models import Membership
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

PANEL_TEMPLATE: Final = "leads/tasks_panel.html"
PAGE_TEMPLATE: Final = "leads/task_list.html"
# Of a lead, open ones and done ones each.
SHOWN: Final = 20
EVERYONE: Final = "everyone"
Group = Literal["late", "today", "later", "none", "done"]


@dataclass(frozen=True)
class ShownTask:
    """A task as one member sees it."""

    task: LeadTask
    group: Group
    due_words: str
    can_change: bool

    @property
    def tone(self) -> Tone:
        return {"late": "late", "today": "soon"}.get(self.group, "quiet")  # type: ignore[return-value]


def show_tasks(tasks: Iterable[LeadTask], *, member: Membership, now: datetime) -> list[ShownTask]:
    """Tasks with when they are due in words, in the active time zone."""
    end = lead_tasks.end_of_today(now)
    return [
        ShownTask(
            task,
            _group(task, now, end),
            due_words(task, now=now),
            lead_tasks.may_change(task=task, member=member),
        )
        for task in tasks
    ]


def _group(task: LeadTask, now: datetime, end: datetime) -> Group:
    if task.done_at is not None:
        return "done"
    if task.due_at is None:
        return "none"
    return "late" if task.due_at < now else "today" if task.due_at < end else "later"


def due_words(task: LeadTask, *, now: datetime) -> str:
    """When a task is due: "Today, 15:00", "Tomorrow", "24/11/2026"; nothing where no day was said."""
    if task.due_at is None:
        return ""
    local = timezone.localtime(task.due_at)
    day = task.due_on or local.date()
    ahead = (day - timezone.localtime(now).date()).days
    near = {-1: _("Yesterday"), 0: _("Today"), 1: _("Tomorrow")}
    words = str(near.get(ahead) or date_format(day, "SHORT_DATE_FORMAT"))
    return words if task.due_on else f"{words}, {date_format(local, 'TIME_FORMAT')}"


def panel_context(lead: Lead, member: Membership) -> dict[str, Any] | None:
    """The tasks about a lead and a form for one more; None if there is nothing to show or do."""
    can_add = may(member, "task.write")
    tasks = lead_tasks.list_lead_tasks(lead_id=lead.pk, limit=SHOWN)
    if not tasks and not can_add:
        return None
    shown = show_tasks(tasks, member=member, now=timezone.now())
    return {
        "open_tasks": [each for each in shown if each.task.done_at is None],
        "done_tasks": [each for each in shown if each.task.done_at is not None],
        "task_form": TaskForm(initial={"assignee": member.pk}, auto_id="task-%s") if can_add else None,
    }


TASKS_PANEL: Final = Panel("tasks", PANEL_TEMPLATE, panel_context, order=10)


@tenant_page(right="task.write")
@require_safe
def task_list(request: TenantRequest) -> HttpResponse:
    """One's own tasks by when they are due; who oversees everything may see everyone's."""
    return render(request, PAGE_TEMPLATE, _list_context(request))


def _list_context(request: TenantRequest) -> dict[str, Any]:
    now = timezone.now()
    is_done = request.GET.get("show") == "done"
    sees_all = oversees_all(request.member)
    is_everyone = sees_all and request.GET.get("who") == EVERYONE
    assignee = None if is_everyone else request.member
    page = lead_tasks.list_tasks(assignee=assignee, is_done=is_done, cursor=request.GET.get(CURSOR, ""))
    shown = show_tasks(page.rows, member=request.member, now=now)
    titles: dict[Group, str] = {
        "late": _("Overdue"),
        "today": _("Today"),
        "later": _("Later"),
        "none": _("Without a day"),
        "done": _("Done"),
    }
    groups = [(key, title, [each for each in shown if each.group == key]) for key, title in titles.items()]
    return {
        "groups": [group for group in groups if group[2]],
        "heading": _heading(lead_tasks.count_tasks(assignee=assignee, now=now)),
        "is_done": is_done,
        "sees_all": sees_all,
        "is_everyone": is_everyone,
        "everyone": EVERYONE,
        "query": request.GET.urlencode(),
        "next_url": _page_url(request, page.next_cursor),
        "previous_url": _page_url(request, page.previous_cursor),
    }


def _page_url(request: TenantRequest, cursor: str | None) -> str:
    if cursor is None:
        return ""
    query = request.GET.copy()
    query[CURSOR] = cursor
    return f"{reverse('task-list', kwargs={'slug': request.tenant.slug})}?{query.urlencode()}"


def _heading(counts: lead_tasks.TaskCounts) -> str:
    late = ngettext("%(n)s overdue", "%(n)s overdue", counts.late) % {"n": show_number(counts.late)}
    today = ngettext("%(n)s due today", "%(n)s due today", counts.today) % {"n": show_number(counts.today)}
    later = ngettext("%(n)s for later", "%(n)s for later", counts.later) % {"n": show_number(counts.later)}
    parts = [
        words for words, count in ((late, counts.late), (today, counts.today), (later, counts.later)) if count
    ]
    return ", ".join(parts) or _("Nothing to do")


@tenant_page(right="task.write")
@require_POST
def task_add(request: TenantRequest, lead_id: int) -> HttpResponse:
    """Make a task about a lead."""
    lead = get_lead(lead_id=lead_id)
    form = TaskForm(request.POST, auto_id="task-%s")
    if form.is_valid():
        try:
            with transaction.atomic():
                lead_tasks.add_task(
                    lead_id=lead_id, **form.cleaned_data, by=request.member, now=timezone.now()
                )
        except Problem as problem:
            form.add_problem(problem)
        else:
            return _answer(request, lead_id, toast=_("The task is made."))
    if not is_fragment(request):
        context = {"form": form, "lead": lead}
        return render(request, "leads/task.html", context, status=422)
    context = {"lead": lead} | (panel_context(lead, request.member) or {}) | {"task_form": form}
    return render(request, PANEL_TEMPLATE, context, status=422)


@tenant_page(right="task.write")
@require_http_methods(["GET", "HEAD", "POST"])
def task_edit(request: TenantRequest, task_id: int) -> HttpResponse:
    """Change what a task says, by when and by whom it is to be done."""
    task = lead_tasks.get_task(task_id=task_id)
    local = timezone.localtime(task.due_at) if task.due_at else None
    initial = {
        "title": task.title,
        "due_on": task.due_on or (local.date() if local else None),
        "due_time": local.time() if local and task.due_on is None else None,
        "assignee": str(task.assignee_id or ""),
    }
    form = TaskForm(request.POST if request.method == "POST" else None, initial=initial, also=task.assignee)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                lead_tasks.change_task(
                    task_id=task_id, **form.cleaned_data, by=request.member, now=timezone.now()
                )
        except (lead_tasks.InvalidTask, lead_tasks.NoSuchAssignee) as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The task is saved."))
            return redirect("lead-detail", slug=request.tenant.slug, lead_id=task.lead_id)
    context = {
        "form": form,
        "task": task,
        "lead": task.lead,
        "can_change": lead_tasks.may_change(task=task, member=request.member),
    }
    return render(request, "leads/task.html", context, status=422 if form.errors else 200)


@tenant_page(right="task.write")
@require_POST
def task_done(request: TenantRequest, task_id: int) -> HttpResponse:
    """Note that a task is done; the toast takes it back."""
    task = lead_tasks.finish_task(task_id=task_id, by=request.member, now=timezone.now())
    undo = Undo(
        reverse("task-reopen", kwargs={"slug": request.tenant.slug, "task_id": task_id}), {"undo": "1"}
    )
    return _answer(request, task.lead_id, toast=_("Done: %(task)s") % {"task": task.title}, undo=undo)


@tenant_page(right="task.write")
@require_POST
def task_reopen(request: TenantRequest, task_id: int) -> HttpResponse:
    """Note that a task is not done after all."""
    task = lead_tasks.reopen_task(task_id=task_id, by=request.member, now=timezone.now())
    if is_fragment(request) and request.POST.get("undo"):
        # From a toast, on whichever page that is.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return _answer(request, task.lead_id, toast=_("Open again: %(task)s") % {"task": task.title})


@tenant_page(right="task.write")
@require_POST
def task_delete(request: TenantRequest, task_id: int) -> HttpResponse:
    """Take a task away that was a mistake."""
    task = lead_tasks.delete_task(task_id=task_id, by=request.member)
    messages.success(request, _("The task is deleted."))
    return redirect("lead-detail", slug=request.tenant.slug, lead_id=task.lead_id)


def _answer(request: TenantRequest, lead_id: int, *, toast: str, undo: Undo | None = None) -> HttpResponse:
    """What HTMX asked to be drawn anew, the list or the lead's panel with its story; else the page that one came from."""
    if not is_fragment(request):
        messages.success(request, toast)
        if request.POST.get("back") == "list":
            return redirect("task-list", slug=request.tenant.slug)
        return redirect("lead-detail", slug=request.tenant.slug, lead_id=lead_id)
    if request.headers.get("HX-Target") == "task-list":
        response = render(request, f"{PAGE_TEMPLATE}#tasks", _list_context(request))
    else:
        lead = get_lead(lead_id=lead_id)
        context = {"lead": lead, "timeline": list_timeline(lead_id=lead_id)}
        response = render(request, PANEL_TEMPLATE, context | (panel_context(lead, request.member) or {}))
    return trigger_toast(response, text=toast, undo=undo)
