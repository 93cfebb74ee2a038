"""Tasks about leads: what is to be done, by whom, until when. Who gets one is told, and again when it is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.due import DueKind, cancel, register_due_kind, schedule
from core.notifications import Notice, NotificationKind, register_notification_kind, tell
from leads.models import LeadTask
from leads.notes import require_lead
from leads.ownership import oversees_all
from leads.selectors import instant_json, is_lead_id
from leads.timeline import TimelineEntry, register_timeline_source
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound, Unprocessable
from tenancy.keyset import Page, page_by_key
from tenancy.models import MemberKind, Membership, Tenant, normalise_login
from tenancy.navigation import Badge, BadgeSource
from tenancy.rights import may, require
from tenancy.scope import require_tenant_id

MAX_TITLE: Final = 200
PAGE_SIZE: Final = 50
DUE_KIND: Final = "task.due"
ASSIGNED: Final = "task.assigned"
DUE: Final = "task.due"
# Where only a day is said its assignee is told in the morning, in their own zone.
MORNING: Final = time(9)
LAST_SECOND: Final = time(23, 59, 59)
FIRST_YEAR, LAST_YEAR = 2000, 2199
_NEVER: Final = datetime(9000, 1, 1, tzinfo=UTC)
# More than a badge shows.


class TaskNotFound(NotFound):
    """There is no such task."""


class NotYourTask(Conflict):
    """Only who made a task, who has it, or who oversees everything may change it."""


class InvalidTask(Invalid):
    """What was given with a task is not complete or not known."""


class NoSuchAssignee(Unprocessable):
    """No active member of this tenant who could do it."""


@dataclass(frozen=True)
class TaskCounts:
    """Open tasks of one member, and those of them that want something today."""

    late: int
    today: int
    later: int


def add_task(
    *,
    lead_id: int,
    title: str,
    due_on: date | None,
    due_time: time | None,
    assignee: int | str | None,
    by: Membership,
    now: datetime,
) -> LeadTask:
    """Make a task. Without a time it is due in the course of the day; without an assignee it is one's own.

    Day and time are of the active time zone. ``assignee`` is a member's id or login e-mail. Raises LeadNotFound, NotAllowed,
    InvalidTask, NoSuchAssignee.
    """
    require(by, "task.write")
    require_lead(lead_id)
    due_at, day = read_due(due_on=due_on, due_time=due_time)
    task = LeadTask(
        lead_id=lead_id,
        title=_read_title(title),
        due_at=due_at,
        due_on=day,
        assignee=find_assignee(assignee, by=by),
        made_at=now,
        made_by=by,
    )
    task.save()
    _tell_assignee(task, by, now)
    _plan(task, now)
    return task


def change_task(
    *,
    task_id: int,
    title: str,
    due_on: date | None,
    due_time: time | None,
    assignee: int | str | None,
    by: Membership,
    now: datetime,
) -> LeadTask:
    """Change what a task says. Raises TaskNotFound, NotAllowed, NotYourTask, InvalidTask, NoSuchAssignee."""
    task = _open(task_id, by)
    before = task.assignee_id
    task.title = _read_title(title)
    task.due_at, task.due_on = read_due(due_on=due_on, due_time=due_time)
    if assignee is None or str(assignee) != str(before):
        task.assignee = find_assignee(assignee, by=by)
    task.save()
    if task.assignee_id != before:
        _tell_assignee(task, by, now)
    _plan(task, now)
    return task


def finish_task(*, task_id: int, by: Membership, now: datetime) -> LeadTask:
    """Note that a task is done; one that is done already stays as it is. Raises TaskNotFound, NotAllowed, NotYourTask."""
    task = _open(task_id, by)
    if task.done_at is None:
        task.done_at, task.done_by = now, by
        task.save(update_fields=["done_at", "done_by"])
        cancel(kind=DUE_KIND, subjects=[task.pk])
    return task


def reopen_task(*, task_id: int, by: Membership, now: datetime) -> LeadTask:
    """Note that a task is not done after all. Raises TaskNotFound, NotAllowed, NotYourTask."""
    task = _open(task_id, by)
    if task.done_at is not None:
        task.done_at = task.done_by = None
        task.save(update_fields=["done_at", "done_by"])
        _plan(task, now)
    return task


def delete_task(*, task_id: int, by: Membership) -> LeadTask:
    """Take a task away that was a mistake. Raises TaskNotFound, NotAllowed, NotYourTask."""
    task = _open(task_id, by)
    cancel(kind=DUE_KIND, subjects=[task.pk])
    LeadTask.objects.filter(pk=task.pk).delete()
    return task


def may_change(*, task: LeadTask, member: Membership) -> bool:
    """Whether a member may change, finish or delete a task: it is theirs, made by them, or they oversee everything."""
    return may(member, "task.write") and (
        member.pk in (task.assignee_id, task.made_by_id) or oversees_all(member)
    )


def read_due(*, due_on: date | None, due_time: time | None) -> tuple[datetime | None, date | None]:
    """The instant after which a task is late, and its day where no time was said. Raises InvalidTask."""
    if due_on is None:
        if due_time is not None:
            message = _("Give the day, too.")
            raise InvalidTask(message, errors=[FieldProblem("due_on", "required", message)])
        return None, None
    zone = timezone.get_current_timezone()
    if not FIRST_YEAR <= due_on.year <= LAST_YEAR:
        message = _("Give a day between 2000 and 2199.")
        raise InvalidTask(message, errors=[FieldProblem("due_on", "invalid", message)])
    local = datetime.combine(due_on, due_time or LAST_SECOND, tzinfo=zone)
    return local.astimezone(UTC), None if due_time else due_on


def find_assignee(given: int | str | None, *, by: Membership) -> Membership:
    """Whom a task is for: an active person by id or e-mail, or whoever gives it. Raises NoSuchAssignee."""
    if given is None or given == "":
        if by.kind == MemberKind.PERSON:
            return by
        raise _nobody(_("Give the id or the e-mail of a member."))
    people = Membership.objects.select_related("user").filter(kind=MemberKind.PERSON, is_active=True)
    text = str(given).strip()
    if text.isascii() and text.isdigit():
        people = people.filter(pk=int(text)) if len(text) < 19 else people.none()
    else:
        people = people.filter(user__email=normalise_login(text)) if "\x00" not in text else people.none()
    member: Membership | None = people.first()
    if member is None or not may(member, "task.write"):
        raise _nobody(_("Choose an active member who may do tasks."))
    return member


def _nobody(message: str) -> NoSuchAssignee:
    return NoSuchAssignee(message, errors=[FieldProblem("assignee", "unknown", message)])


def list_assignees() -> list[Membership]:
    """The people who may be given tasks, by name."""
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).order_by("name", "pk")
    return [member for member in people if may(member, "task.write")]


def get_task(*, task_id: int) -> LeadTask:
    """A task with its lead and people. Raises TaskNotFound."""
    task: LeadTask | None = _with_people().filter(pk=task_id).first() if is_lead_id(task_id) else None
    if task is None:
        raise TaskNotFound(_("There is no such task."))
    return task


def list_lead_tasks(*, lead_id: int, limit: int | None = None) -> list[LeadTask]:
    """The tasks about a lead: open ones by when they are due, then the done ones, the latest first."""
    rows = _with_people().filter(lead=lead_id)
    opened = rows.filter(done_at__isnull=True).annotate(place=Coalesce("due_at", Value(_NEVER)))
    return [
        *opened.order_by("place", "pk")[:limit],
        *rows.filter(done_at__isnull=False).order_by("-done_at", "-pk")[:limit],
    ]


def list_tasks(
    *, assignee: Membership | None, is_done: bool, cursor: str = "", lead_id: int | None = None
) -> Page[LeadTask]:
    """A page of tasks: open ones by when they are due, done ones the latest first. Raises CursorRefused.

    ``assignee`` None is everyone's.
    """
    rows = _with_people().filter(done_at__isnull=not is_done)
    if assignee is not None:
        rows = rows.filter(assignee=assignee)
    if lead_id is not None:
        rows = rows.filter(lead=lead_id)
    if is_done:
        return page_by_key(rows, keys=("-done_at", "-pk"), cursor=cursor, size=PAGE_SIZE)
    placed = rows.annotate(place=Coalesce("due_at", Value(_NEVER)))
    return page_by_key(placed, keys=("place", "pk"), cursor=cursor, size=PAGE_SIZE)


def count_tasks(*, assignee: Membership | None, now: datetime) -> TaskCounts:
    """How many open tasks are late, due today in the active time zone, and later or without a time; one query."""
    rows = LeadTask.objects.filter(done_at__isnull=True)
    if assignee is not None:
        rows = rows.filter(assignee=assignee)
    end = end_of_today(now)
    found = rows.aggregate(
        late=Count("pk", filter=Q(due_at__lt=now)),
        today=Count("pk", filter=Q(due_at__gte=now, due_at__lt=end)),
        later=Count("pk", filter=Q(due_at__gte=end) | Q(due_at__isnull=True)),
    )
    return TaskCounts(**found)


def end_of_today(now: datetime) -> datetime:
    """The instant at which the next day begins in the active time zone."""
    local = timezone.localtime(now)
    return datetime.combine(local.date() + timedelta(days=1), time(0), tzinfo=local.tzinfo)


def _badge_rows(member: Membership) -> list[QuerySet[Any, Any]]:
    """One's own tasks that are late or due today, and the late ones."""
    now = timezone.now()
    mine = LeadTask.objects.filter(assignee=member, done_at__isnull=True)
    return [mine.filter(due_at__lt=end_of_today(now)), mine.filter(due_at__lt=now)]


def _draw_badge(counts: Sequence[int]) -> Badge:
    due, late = counts
    label = ngettext("task of yours is due", "tasks of yours are due", due)
    return Badge(count=due, tone="alarm" if late else "act", label=label)


TASKS_BADGE: Final = BadgeSource(rows=_badge_rows, draw=_draw_badge)


def task_json(task: LeadTask) -> dict[str, Any]:
    """A task as the API writes it."""
    return {
        "id": task.pk,
        "lead": task.lead_id,
        "title": task.title,
        "due_at": instant_json(task.due_at) if task.due_at else None,
        "due_on": task.due_on.isoformat() if task.due_on else None,
        "assignee": {"id": task.assignee_id, "name": task.assignee.name} if task.assignee else None,
        "made_at": instant_json(task.made_at),
        "made_by": task.made_by.name if task.made_by else None,
        "done_at": instant_json(task.done_at) if task.done_at else None,
        "done_by": task.done_by.name if task.done_by else None,
    }


def _with_people() -> QuerySet[LeadTask]:
    rows: QuerySet[LeadTask] = LeadTask.objects.select_related(
        "lead", "lead__company", "assignee", "assignee__user", "made_by", "done_by"
    )
    return rows


def _open(task_id: int, by: Membership) -> LeadTask:
    require(by, "task.write")
    if is_lead_id(task_id):
        # Locked in a statement of its own, then read as it stands.
        LeadTask.objects.select_for_update(of=("self",)).filter(pk=task_id).exists()
    task = get_task(task_id=task_id)
    if not may_change(task=task, member=by):
        raise NotYourTask(_("Only who made this task, or who has it, can change it."))
    return task


def _read_title(raw: str) -> str:
    title = " ".join(raw.split())
    if title and len(title) <= MAX_TITLE and "\x00" not in title:
        return title
    message = (
        _("Say what is to be done.")
        if not title
        else _("Give a text of at most %(count)s characters.") % {"count": MAX_TITLE}
    )
    raise InvalidTask(message, errors=[FieldProblem("title", "invalid" if title else "required", message)])


def _values(task: LeadTask) -> dict[str, Any]:
    return {"task": task.title, "lead": str(task.lead)}


def _tell_assignee(task: LeadTask, by: Membership, now: datetime) -> None:
    if task.assignee_id is not None and task.assignee_id != by.pk:
        values = _values(task) | {"by": by.name}
        tell(notices=[Notice(task.assignee_id, ASSIGNED, values, task.lead_id)], now=now)


def _plan(task: LeadTask, now: datetime) -> None:
    """Plan when the assignee is told that it is due; not at all where that has passed, for then it is known."""
    at = _remind_at(task)
    if at is None or at <= now or task.done_at is not None:
        cancel(kind=DUE_KIND, subjects=[task.pk])
    else:
        schedule(kind=DUE_KIND, due={task.pk: at})


def _remind_at(task: LeadTask) -> datetime | None:
    if task.due_on is None or task.assignee is None:
        return task.due_at
    user = task.assignee.user
    name = user.time_zone if user and user.time_zone else ""
    zone = ZoneInfo(name or Tenant.objects.values_list("time_zone", flat=True).get(pk=require_tenant_id()))
    return datetime.combine(task.due_on, MORNING, tzinfo=zone)


def _tell_due(task_ids: Sequence[int], now: datetime) -> None:
    tasks = LeadTask.objects.select_related("lead").filter(
        pk__in=task_ids, done_at__isnull=True, assignee__is_active=True
    )
    tell(
        notices=[Notice(task.assignee_id, DUE, _values(task), task.lead_id) for task in tasks.order_by("pk")],
        now=now,
    )


def list_story(lead_id: int, before: datetime | None, limit: int) -> Sequence[TimelineEntry]:
    """The making and finishing of tasks as parts of a lead's story, newest first."""
    rows = _with_people().filter(lead=lead_id)
    entries: list[TimelineEntry] = []
    for field, words, tone in (
        ("made_at", _("Task: %(task)s"), "quiet"),
        ("done_at", _("Task done: %(task)s"), "good"),
    ):
        found = rows.filter(**{f"{field}__isnull": False})
        if before is not None:
            found = found.filter(**{f"{field}__lt": before})
        newest = found.order_by(f"-{field}", "-id")[:limit]
        entries += [_entry(task, field, words, tone) for task in newest]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def _entry(task: LeadTask, field: str, words: str, tone: Any) -> TimelineEntry:
    person = task.made_by if field == "made_at" else task.done_by
    other = task.assignee if field == "made_at" and task.assignee_id != task.made_by_id else None
    parts = [
        _("by %(name)s") % {"name": person.name} if person else "",
        _("for %(name)s") % {"name": other.name} if other else "",
    ]
    return TimelineEntry(
        at=getattr(task, field),
        title=words % {"task": task.title},
        detail=" · ".join(part for part in parts if part),
        tone=tone,
    )


def register_lead_tasks() -> None:
    """Put tasks into the story of leads, and tell people of them; called once, when the app is ready."""
    register_timeline_source(list_story)
    register_due_kind(DueKind(DUE_KIND, act=_tell_due))
    register_notification_kind(
        NotificationKind(ASSIGNED, gettext_lazy("%(by)s gave you a task: %(task)s (%(lead)s)"))
    )
    register_notification_kind(
        NotificationKind(DUE, gettext_lazy("Your task is due: %(task)s (%(lead)s)"), is_urgent=True)
    )
