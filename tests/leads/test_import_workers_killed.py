"""Workers that are killed in the middle of an import by the pages, two at it at once: nothing is lost and nothing doubled."""

import signal
import subprocess
import sys
import time

import pytest

from leads.capture.import_steps import advance_import
from leads.capture.page_imports import start_import
from leads.models import (
    Decision,
    DecisionKind,
    ImportMark,
    ImportRefusal,
    ImportRun,
    ImportState,
    Lead,
    LeadState,
)
from tenancy.models import Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_member
from tests.conftest import NOW, ROOT
from tests.faults.workers import database_environment, make_dice, rounds
from tests.leads.uploads import assign, csv_bytes, upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault]

PEOPLE = 6_000
REPEATED = 300
REFUSED = 30
# Takes batch after batch, as wake-ups would have it.
WORK = """
from django.utils import timezone
from leads.capture.import_steps import advance_import
from leads.models import ImportRun
from tenancy.scope import tenant_scope
while True:
    with tenant_scope({tenant}):
        advance_import(import_id={run}, now=timezone.now())
        done = ImportRun.objects.get(pk={run}).state != "running"
    if done:
        break
"""


def start_worker(run: ImportRun) -> subprocess.Popen[bytes]:
    code = WORK.format(tenant=run.tenant_id, run=run.pk)
    return subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v0", "-c", code],
        cwd=ROOT,
        env=database_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_killed_workers_lose_and_double_nothing(tenant: Tenant) -> None:
    dice = make_dice()
    # One in three has nothing by which anybody would know it again.
    rows = [f"Pessoa {number},{'' if number % 3 == 0 else f'p{number}@x.test'}" for number in range(PEOPLE)]
    rows += [f"Pessoa {number},p{number}@x.test" for number in range(1, REPEATED * 3, 3)]
    rows += [f"Ninguém {number},kein@" for number in range(REFUSED)]
    dice.shuffle(rows)
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.MARKETING)
        run = upload(csv_bytes("name,email", *rows), by=by)
        run = assign(run, name="name", email="email")
        assert run.state == ImportState.TRIED, run.problem
        start_import(run=run, by=by, now=NOW)
    marks = sorted(dice.randrange(PEOPLE - 2_000) for _time in range(rounds(small=2, full=15)))
    kills = 0
    for mark in marks:
        workers = [start_worker(run), start_worker(run)]
        while any(worker.poll() is None for worker in workers) and count_leads(tenant) <= mark:
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.4))
        for worker in workers:
            kills += worker.poll() is None
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    assert kills
    while run.state == ImportState.RUNNING:
        with tenant_scope(tenant.pk):
            # The server may not have noticed yet that a worker is gone, and keep its locks.
            if advance_import(import_id=run.pk, now=NOW) is None:
                time.sleep(0.05)
            run.refresh_from_db()
    with tenant_scope(tenant.pk):
        assert run.counts == {
            "new": PEOPLE,
            "updated": 0,
            "unchanged": 0,
            "duplicate": REPEATED,
            "refused": REFUSED,
        }
        assert Lead.objects.count() == LeadState.objects.count() == ImportMark.objects.count() == PEOPLE
        assert Lead.objects.values("name").distinct().count() == PEOPLE
        assert ImportRefusal.objects.count() == REFUSED
        graded = Decision.objects.filter(kind=DecisionKind.GRADE)
        # Only an e-mail address says something of the grade here.
        assert graded.count() == graded.values("lead").distinct().count() == PEOPLE * 2 // 3


def count_leads(tenant: Tenant) -> int:
    """Leads that are committed."""
    with tenant_scope(tenant.pk):
        return int(Lead.objects.count())
