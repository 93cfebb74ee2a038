"""The steps of enrolments as their time comes: whole batches at once, version by version, forward only.

A due row acts in one transaction: messages, decisions and the enrolments' new places are written together or not at all.
"""

import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.urls import reverse

from core.due import DueKind, schedule
from leads.models import LeadState
from leads.pipeline import Reason, ReasonCode, lock_free_leads, run_pipeline
from nurturing.asking import ask_leads, rules_of_versions
from nurturing.enrollments import STEP_KIND, EnrollmentDecision, EnrollmentResult, decide, exit_early
from nurturing.leaving import Inside, plan_exits
from nurturing.models import Enrollment, EnrollmentState, Message
from nurturing.refusals import Refusal
from nurturing.rendering import Recipient, Renderer, read_recipients
from nurturing.sequences import ConditionStep, EmailStep, ExitStep, SequenceRules, WaitStep
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id


@dataclass
class Walk:
    """The enrolments of one version on their way through its steps; ``places`` are indexes of steps."""

    rules: SequenceRules
    version_id: int
    enrollments: dict[int, Enrollment]
    places: dict[int, int]
    waiting: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    decisions: list[EnrollmentDecision] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def at(self, index: int) -> list[Enrollment]:
        """The enrolments that stand at a step now."""
        return [self.enrollments[key] for key, place in self.places.items() if place == index]

    def go(self, enrollments: Iterable[Enrollment], index: int) -> None:
        """Take enrolments on to a step; the number of steps is the end."""
        for enrollment in enrollments:
            self.places[enrollment.pk] = index

    def rest(self, enrollments: Iterable[Enrollment], index: int, until: datetime) -> None:
        """Let enrolments wait before a step; a wait with nothing behind it is the end."""
        if index >= len(self.rules.steps):
            self.go(enrollments, index)
            return
        for enrollment in enrollments:
            del self.places[enrollment.pk]
            self.waiting[enrollment.pk] = (self.rules.steps[index].id, until)

    def note(self, enrollment: Enrollment, result: EnrollmentResult, **detail: Any) -> None:
        """Decide something about an enrolment."""
        detail = {"enrollment": enrollment.pk, **detail}
        key = self.rules.key
        self.decisions.append(EnrollmentDecision(enrollment.lead_id, key, self.version_id, result, detail))

    @property
    def finished(self) -> list[Enrollment]:
        """The enrolments that have come to the end."""
        return self.at(len(self.rules.steps))


def take_steps(enrollment_ids: Sequence[int], now: datetime) -> None:
    """Take each of these enrolments from the step that is due to its next wait or its end."""
    due = Enrollment.objects.filter(pk__in=enrollment_ids, state=EnrollmentState.ACTIVE, next_at__lte=now)
    enrollments = list(due.order_by("lead_id", "id"))
    exits = plan_exits(inside=_inside(enrollments), now=now)
    exit_early(exits=exits, now=now)
    ended = {each.enrollment_id for each in exits}
    walks = _begin([each for each in enrollments if each.pk not in ended])
    tenant = Tenant.objects.get(pk=require_tenant_id())
    for walk in walks:
        _go_through(walk, tenant, now)
        _write(walk, now)
    # Facts of those who left have changed: what follows from it is the pipeline's.
    left = [each.lead_id for each in exits] + [each.lead_id for walk in walks for each in walk.finished]
    if left:
        run_pipeline(lead_ids=left, reason=Reason(ReasonCode.TIME), now=now)


def _inside(enrollments: Sequence[Enrollment]) -> list[Inside]:
    # Two plain look-ups by key: a join here is planned from what is known of tables that have just grown.
    standings = LeadState.objects.filter(lead_id__in={each.lead_id for each in enrollments})
    stages = dict(standings.values_list("lead_id", "stage"))
    return [
        Inside(each.pk, each.lead_id, each.sequence, each.version_id, each.purpose, stages[each.lead_id])
        for each in enrollments
    ]


def _begin(enrollments: Sequence[Enrollment]) -> list[Walk]:
    by_version: dict[int, dict[int, Enrollment]] = {}
    for enrollment in enrollments:
        by_version.setdefault(enrollment.version_id, {})[enrollment.pk] = enrollment
    rules = rules_of_versions(by_version)
    return [
        Walk(
            rules[version_id],
            version_id,
            group,
            {key: rules[version_id].index_of(each.step) for key, each in group.items()},
        )
        for version_id, group in sorted(by_version.items())
    ]


def _go_through(walk: Walk, tenant: Tenant, now: datetime) -> None:
    """Every step once, in order: jumps go forward only."""
    for index, step in enumerate(walk.rules.steps):
        here = walk.at(index)
        if not here:
            continue
        match step:
            case EmailStep():
                _write_messages(walk, step, here, tenant, now)
                walk.go(here, index + 1)
            case WaitStep():
                walk.rest(here, index + 1, now + step.duration)
            case ConditionStep():
                _branch(walk, step, here, now)
            case ExitStep():
                walk.go(here, len(walk.rules.steps))


def _branch(walk: Walk, step: ConditionStep, here: Sequence[Enrollment], now: datetime) -> None:
    answers = ask_leads(step.when, lead_ids=[each.lead_id for each in here], now=now)
    for enrollment in here:
        verdict, record = answers[enrollment.lead_id]
        walk.go([enrollment], step.then if verdict is True else step.otherwise)
        walk.note(enrollment, EnrollmentResult.BRANCHED, step=step.id, verdict=verdict, record=record)


def _write_messages(
    walk: Walk, step: EmailStep, here: Sequence[Enrollment], tenant: Tenant, now: datetime
) -> None:
    recipients = read_recipients(
        lead_ids=[each.lead_id for each in here], tenant=tenant, custom_fields=walk.rules.custom_fields
    )
    renderer = Renderer(tenant, walk.rules.from_name or tenant.name)
    for enrollment in here:
        recipient = recipients.get(enrollment.lead_id)
        if recipient is None:
            because = Refusal.NO_EMAIL.value
            walk.note(enrollment, EnrollmentResult.STEP_SKIPPED, step=step.id, because=because)
        else:
            walk.messages.append(_message(enrollment, step, recipient, renderer, now))


def _message(
    enrollment: Enrollment, step: EmailStep, recipient: Recipient, renderer: Renderer, now: datetime
) -> Message:
    token = secrets.token_urlsafe(32)
    rendered = renderer.render(
        step=step, recipient=recipient, unsubscribe_url=unsubscribe_address(token=token)
    )
    return Message(
        lead_id=enrollment.lead_id,
        enrollment=enrollment,
        step=step.id,
        purpose=enrollment.purpose,
        language=rendered.language,
        to_email=recipient.email,
        from_name=renderer.from_name,
        reply_to=recipient.reply_to,
        subject=rendered.subject,
        body_html=rendered.html,
        body_text=rendered.text,
        message_id=f"<{uuid.uuid4().hex}@{_sending_domain()}>",
        token=token,
        queued_at=now,
        due_at=now,
    )


def unsubscribe_address(*, token: str) -> str:
    """The whole address of the link to unsubscribe."""
    return f"{settings.PUBLIC_URL}{reverse('unsubscribe', kwargs={'token': token})}"


def _sending_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def _write(walk: Walk, now: datetime) -> None:
    """Keep the messages, the new places and the decisions. A message that a step has written already is not written again."""
    Message.objects.bulk_create(walk.messages, ignore_conflicts=True, batch_size=500)
    for enrollment in walk.finished:
        walk.note(enrollment, EnrollmentResult.FINISHED)
    Enrollment.objects.filter(pk__in=[each.pk for each in walk.finished]).update(
        state=EnrollmentState.FINISHED, step="", next_at=None, ended_at=now
    )
    with connection.cursor() as cursor:
        keys = sorted(walk.waiting)
        steps = [walk.waiting[key][0] for key in keys]
        instants = [walk.waiting[key][1] for key in keys]
        cursor.execute(_REST, [keys, steps, instants])
    schedule(kind=STEP_KIND, due={key: until for key, (_step, until) in walk.waiting.items()})
    decide(walk.decisions, now=now)


_REST: Final = """
UPDATE nurturing_enrollment enrollment SET step = waiting.step, next_at = waiting.until
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS waiting (id, step, until)
WHERE enrollment.id = waiting.id
"""


def lock_enrollments(enrollment_ids: Sequence[int]) -> list[int]:
    """Lock the leads of enrolments that nobody else holds, without waiting; returns the enrolments.

    One that is gone with its lead counts as locked: its due row is to be forgotten.
    """
    leads = dict(Enrollment.objects.filter(pk__in=enrollment_ids).values_list("pk", "lead_id"))
    free = set(lock_free_leads(sorted(set(leads.values()))))
    return [each for each in enrollment_ids if each not in leads or leads[each] in free]


STEPS_DUE: Final = DueKind(STEP_KIND, act=take_steps, lock=lock_enrollments)
