"""A hundred thousand enrolments due at once, two workers, three kills on the way: each message exactly once."""

import os
import random
import time
from datetime import datetime, timedelta
from typing import Any, Final

from benchmarks.place import LARGE
from benchmarks.report import Finding
from benchmarks.workers import WORKERS, kill_worker, start_worker, workers

ENROLLMENTS: Final = int(os.environ.get("LEADSYS_BENCH_ENROLLMENTS", "100000"))
STEPS_A_SECOND: Final = 500
KILLS: Final = 3
PATIENCE_SECONDS: Final = 3600


def measure_nurture(tenants: dict[str, int]) -> list[Finding]:
    """Steps a second, and messages that are missing or there twice."""
    tenant_id = tenants[LARGE]
    sequence = publish_sequence(tenant_id)
    enrolled = enroll_many(tenant_id, sequence)
    seconds, kills = work(tenant_id, sequence, enrolled)
    rate = enrolled / seconds
    wrong, messages = count_wrong(tenant_id, sequence, enrolled)
    return [
        Finding(
            "nurture, e-mail steps due at once",
            enrolled,
            f"{rate:,.0f} steps/s",
            f"{STEPS_A_SECOND} steps/s",
            STEPS_A_SECOND / rate,
            1,
            detail=f"{WORKERS} workers, {kills} killed on the way",
        ),
        Finding(
            "nurture, messages missing or written twice",
            messages,
            f"{wrong}",
            "0",
            float(wrong),
            0,
            detail="written and out of the queue, one for each enrolment",
        ),
    ]


def publish_sequence(tenant_id: int) -> str:
    """A sequence of this run's own: a message, a wait, another message. Returns its key."""
    from django.utils import timezone

    from leads.models import RuleKind, RuleVersion
    from leads.versions import publish_version, save_draft
    from tenancy.scope import tenant_scope

    def email(step_id: str) -> dict[str, Any]:
        body = (
            "Olá{% if lead.first_name %}, {{ lead.first_name }}{% endif %}!\n\n"
            "Uma pergunta sobre **{{ company.name | default: 'a sua empresa' }}**: "
            "[veja os preços](https://www.empresa.com.br/precos).\n\n{{ sender.name }}"
        )
        text = {"subject": "{{ lead.first_name | default: 'Olá' }}, uma pergunta", "body_markdown": body}
        return {"id": step_id, "kind": "email", "template": {"pt-br": text}}

    now = timezone.now()
    with tenant_scope(tenant_id):
        key = f"bench_{RuleVersion.objects.filter(kind=RuleKind.SEQUENCE).count()}"
        steps = [email("hello"), {"id": "a_week", "kind": "wait", "days": 7}, email("again")]
        document = {
            "key": key,
            "label": key,
            "purpose": "marketing",
            "from_name": None,
            "steps": steps,
            "exit_when": {"fact": "event_count", "days": 1, "op": "gte", "value": 50},
        }
        draft = save_draft(kind=RuleKind.SEQUENCE, document=document, by=None, now=now, name=key)
        publish_version(version=draft, by=None, now=now)
    return key


def enroll_many(tenant_id: int, sequence: str) -> int:
    """Let leads into the sequence, in batches; their first step is due at once. Returns how many entered."""
    from django.utils import timezone

    from leads.models import LeadState, RuleKind
    from leads.versions import open_rulebook
    from nurturing.enrollments import NewEnrollment, enroll
    from tenancy.scope import tenant_scope

    entered, after = 0, 0
    while entered < ENROLLMENTS:
        with tenant_scope(tenant_id):
            published = open_rulebook().get(RuleKind.SEQUENCE, sequence)
            assert published is not None
            waiting = LeadState.objects.filter(stage__in=["new", "nurture"], lead_id__gt=after).order_by(
                "lead_id"
            )
            lead_ids = list(waiting.values_list("lead_id", flat=True)[: min(2000, ENROLLMENTS - entered)])
            if not lead_ids:
                break
            new = [NewEnrollment(lead_id, published) for lead_id in lead_ids]
            entered += len(enroll(new=new, now=timezone.now()))
            after = lead_ids[-1]
    return entered


def work(tenant_id: int, sequence: str, enrolled: int) -> tuple[float, int]:
    """Let the workers take the steps, killing one after each quarter of them; seconds until none is due, and the kills."""
    dice, kills = random.Random(time.time_ns()), 0
    make_due(tenant_id, at=_now() + timedelta(days=1))
    with workers() as processes:
        make_due(tenant_id, at=_now())
        began = time.perf_counter()
        while left := count_left(tenant_id, sequence):
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise TimeoutError(f"{left} steps are still due.")
            if kills < KILLS and left < enrolled * (KILLS - kills) / (KILLS + 1):
                number = dice.randrange(len(processes))
                kill_worker(processes[number])
                processes[number] = start_worker(number)
                kills += 1
            time.sleep(0.25)
        return time.perf_counter() - began, kills


def make_due(tenant_id: int, *, at: datetime) -> None:
    """Let every step be due at one instant: none while the workers come up, all once they listen."""
    from core.models import DueRow
    from nurturing.enrollments import STEP_KIND
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id):
        DueRow.objects.filter(kind=STEP_KIND).update(due_at=at)


def count_left(tenant_id: int, sequence: str) -> int:
    """Enrolments whose first step is still due, and messages still in the queue."""
    from nurturing.models import Enrollment, Message
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id):
        inside = Enrollment.objects.filter(sequence=sequence, state="active", step="hello").count()
        queued = Message.objects.filter(state="queued", due_at__lte=_now()).count()
        return int(inside + queued)


def _now() -> datetime:
    from django.utils import timezone

    return timezone.now()


def count_wrong(tenant_id: int, sequence: str, enrolled: int) -> tuple[int, int]:
    """Messages that are missing, doubled, or not kept (no mail server is configured here), and messages in all."""
    from django.db import connection

    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), COALESCE(sum(abs(written - 1)), 0), COALESCE(sum(written), 0), COALESCE(sum(kept), 0)
            FROM (
                SELECT enrollment.id, count(message.id) AS written, count(*) FILTER (WHERE message.state = 'kept') AS kept
                FROM nurturing_enrollment enrollment
                LEFT JOIN nurturing_message message ON message.enrollment_id = enrollment.id
                WHERE enrollment.sequence = %s GROUP BY enrollment.id
            ) each_enrollment
            """,
            [sequence],
        )
        enrollments, off, written, kept = cursor.fetchone()
    return int(abs(enrollments - enrolled) + off + abs(written - kept)), int(written)
