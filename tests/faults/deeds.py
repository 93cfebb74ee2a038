"""What children of the maker of processes do, each in a process of its own: keyword arguments in, JSON out."""

import io
import json
from typing import Any

from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from core.models import Notification
from leads.models import LeadState, RuleKind
from leads.pipeline import Reason, ReasonCode, list_all_lead_ids, run_pipeline
from leads.versions import open_rulebook
from leadsys.celery import app
from nurturing.enrollments import NewEnrollment, enroll
from routing.business_time import WEEKDAYS
from routing.models import Calendar
from scoring.default_pack import default_scoring
from tenancy.keys import create_key
from tenancy.models import Role, Scope, Tenant, User
from tenancy.scope import tenant_scope
from tenancy.services import create_tenant, get_or_create_login, join_tenant
from tests.builders import publish_rules
from tests.nurturing.sequences import email, publish_sequence, wait

SEQUENCE = "trial"
# What a lead's standing is made of: the same after the pipeline ran once more.
STANDING = ("lead_id", "stage", "score", "grade", "owner_sdr_id", "owner_sales_id", "enrolled_at")


def worker(*, name: str) -> None:
    """A Celery worker beside the one that the run keeps."""
    options = ["--concurrency", "1", "--pool", "solo", "--loglevel", "WARNING"]
    app.worker_main(["worker", *options, "--without-gossip", "--without-mingle", "--hostname", name])


def beat() -> None:
    """A second beat beside the worker's."""
    app.start(["beat", "--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING"])


def command(*, words: list[str]) -> Any:
    """A command of manage.py; the JSON object on its last line."""
    said = io.StringIO()
    call_command(*words, stdout=said)
    return json.loads(said.getvalue().splitlines()[-1])


def make_tenant(*, slug: str) -> dict[str, Any]:
    """A tenant that is open day and night, with people, a sequence of two e-mails and a key."""
    now = timezone.now()
    tenant, admin = create_tenant(name=f"Casa {slug}", slug=slug, admin_email=f"admin@{slug}.test", now=now)
    with tenant_scope(tenant.pk):
        for role, count in ((Role.SDR, 3), (Role.SALES, 2), (Role.MANAGER, 1)):
            for number in range(count):
                login = get_or_create_login(email=f"{role}{number}@{slug}.test")
                join_tenant(user=login, roles=[role], now=now, name=f"{role} {number}")
        # Any hour is a working hour, so that shares of a clock's time are what is left of it by the wall.
        Calendar.objects.update(week={day: [["00:00", "24:00"]] for day in WEEKDAYS}, holiday_country=None)
        publish_sequence(email("one"), wait(hours=1), email("two"), now=now)
        _row, key = create_key(name="load", scopes=Scope.values, by=None, now=now)
        from leads.capture.hosted_forms import list_forms

        forms = {form.key: str(form.public_id) for form in list_forms()}
    return {"id": tenant.pk, "slug": slug, "key": key, "forms": forms, "admin": admin.email}


def enroll_leads(*, tenant_id: int, count: int) -> list[int]:
    """Let leads that have never been in the sequence into it: their first e-mail is due now. Returns the enrolments."""
    now = timezone.now()
    with tenant_scope(tenant_id):
        published = open_rulebook().get(RuleKind.SEQUENCE, SEQUENCE)
        assert published is not None
        waiting = LeadState.objects.filter(
            stage__in=["new", "nurture"], lead__enrollments__isnull=True, lead__email__isnull=False
        )
        lead_ids = list(waiting.order_by("lead_id").values_list("lead_id", flat=True)[:count])
        return list(enroll(new=[NewEnrollment(lead_id, published) for lead_id in lead_ids], now=now).values())


def publish_scoring(*, tenant_id: int, points: int) -> int:
    """Publish a model by which every lead's score differs from before; returns the version."""
    document = default_scoring()
    for rule in document["rules"]:
        if rule["id"] == "form_submitted":
            rule["points"] = str(points)
    with tenant_scope(tenant_id):
        return publish_rules(kind=RuleKind.SCORING, document=document, now=timezone.now()).pk


def list_differing(*, tenant_id: int) -> list[list[str]]:
    """Leads whose standing is not what the pipeline makes of them now, with both; nothing is kept."""
    from django.db import transaction

    with tenant_scope(tenant_id):
        before, told = _standings(), Notification.objects.count()
        after_id = 0
        while lead_ids := list_all_lead_ids(after=after_id):
            run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.PUBLISHED), now=timezone.now())
            after_id = lead_ids[-1]
        after, told_after = _standings(), Notification.objects.count()
        transaction.set_rollback(True)
    differing = [[str(before[each]), str(after[each])] for each in before if before[each] != after[each]]
    return differing + ([["notifications", str(told), str(told_after)]] if told != told_after else [])


def _standings() -> dict[int, tuple[Any, ...]]:
    return {row[0]: row for row in LeadState.objects.values_list(*STANDING)}


def list_shown_as_unknown(*, slug: str, admin: str) -> str:
    """The Outbox page of messages whose outcome is unknown, as its administrator sees it."""
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(email=admin))
    pages, address = [], f"/t/{slug}/outbox/?state=unknown"
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    pages.append(answer.content.decode())
    return "".join(pages)


def tenant_ids() -> list[int]:
    """Every tenant."""
    return list(Tenant.objects.values_list("pk", flat=True))
