"""Workers killed in the middle of their work: leads lost 0, events doubled 0, clocks missed or escalated twice 0."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.due import sweep_tenant
from core.models import DueRow, Notification
from leads.capture.receiving import Raw, receive
from leads.models import Decision, DecisionKind, Event, Lead, LeadState, Submission
from routing.models import Clock
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.faults.workers import kill_in_mid_work, make_dice, rounds, work_until

pytestmark = pytest.mark.django_db(transaction=True)


def submit(tenant: Tenant, *, count: int, kind: str, now: datetime) -> None:
    """Raw submissions of as many people, every tenth one twice."""
    raws = []
    for number in range(count):
        document: dict[str, Any] = {
            "email": f"ana{number}@empresa{number % 40}.com.br",
            "name": f"Ana {number}",
            "country": "BR",
            "event": {"type": "form_submitted", "message_id": f"m{number}", "properties": {"kind": kind}},
        }
        raws += [Raw(document, "api")] * (2 if number % 10 == 0 else 1)
    receive(tenant_id=tenant.pk, raws=raws, now=now, due_at=now)


def nothing_left(tenant: Tenant, **which: Any) -> bool:
    with tenant_scope(tenant.pk):
        return not DueRow.objects.filter(**which).exists()


def test_no_lead_is_lost_and_no_event_doubled_when_workers_die_in_mid_batch(tenant: Tenant) -> None:
    dice, count = make_dice(), 300
    submit(tenant, count=count, kind="newsletter", now=timezone.now())
    kill_in_mid_work(dice, times=rounds(small=4, full=40), longest_seconds=2.5)
    work_until(lambda: nothing_left(tenant, kind="submission.process"))
    with tenant_scope(tenant.pk):
        assert set(Submission.objects.values_list("state", flat=True)) == {"processed"}
        assert Lead.objects.count() == count
        assert Event.objects.count() == count
        assert LeadState.objects.filter(score=20).count() == count
        assert Decision.objects.filter(kind=DecisionKind.SCORE).count() == count


def test_each_clock_breaks_once_when_workers_die_in_mid_escalation(tenant: Tenant) -> None:
    dice, count = make_dice(), 120
    submit(tenant, count=count, kind="demo", now=timezone.now())
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now())
    with tenant_scope(tenant.pk):
        assert Clock.objects.filter(kind="asked_for_contact", state="running").count() == count
        Notification.objects.all().delete()
        latest = max(Clock.objects.values_list("due_at", flat=True))
    ahead = (latest - timezone.now() + timedelta(minutes=1)).total_seconds()
    kill_in_mid_work(dice, times=rounds(small=4, full=40), longest_seconds=1.5, ahead_seconds=ahead)
    work_until(
        lambda: nothing_left(
            tenant, kind="clock.share", due_at__lte=timezone.now() + timedelta(seconds=ahead)
        ),
        ahead_seconds=ahead,
    )
    with tenant_scope(tenant.pk):
        assert Clock.objects.filter(kind="asked_for_contact", state="broken").count() == count
        # Each manager is told of each lead once, of many at once by their number.
        told: Counter[tuple[int, str]] = Counter()
        for member_id, kind, values in Notification.objects.values_list("member_id", "kind", "values"):
            told[member_id, kind.replace("clocks.", "clock.")] += values.get("count", 1)
        assert set(told.values()) == {count}
        broken = Counter(
            Decision.objects.filter(kind=DecisionKind.CLOCK, result__startswith="broken").values_list(
                "lead_id", flat=True
            )
        )
        assert len(broken) == count
        assert set(broken.values()) == {1}
