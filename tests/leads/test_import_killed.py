"""An import that is killed at any moment, and run again, loses nothing and doubles nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from leads.capture import imports
from leads.models import Decision, DecisionKind, ImportRun, Lead, LeadState, LeadTag, StageChange, Touch
from leads.pipeline import run_pipeline
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.conftest import ROOT
from tests.faults.workers import database_environment, make_dice, rounds
from tests.imports import import_leads, write_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault]

ROWS = 6000


def start(path: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, leader of a group."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_leads", str(path), "--tenant", "horizonte"],
        cwd=ROOT,
        env=database_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def write_people(folder: Path) -> Path:
    """Rows known by id, by e-mail, and by nothing; some come twice, from another source and with a tag."""
    rows = []
    for number in range(ROWS):
        identity = (f"id{number},", f",p{number}@x{number % 50}.test", ",")[number % 3]
        rows.append(f"{identity},Pessoa {number},webinar,2018-01-01,,BR")
        if number % 10 == 0:
            rows.append(f"id{number - number % 3},,,feira,2018-02-01,vip,")
    return write_csv(folder, "external_id,email,name,origin,created_at,tags,country", *rows)


def test_a_killed_import_is_finished_by_running_it_again(tmp_path: Path, tenant: Tenant) -> None:
    path = write_people(tmp_path)
    dice = make_dice()
    times = rounds(small=3, full=20)
    # Killed when so many leads are committed, and a moment later: there has to be something left to do then.
    marks = sorted(dice.randrange(ROWS // 2) for _time in range(times))
    kills, seconds = 0, []
    for mark in marks:
        process = start(path)
        while process.poll() is None and count_leads(tenant) <= mark:
            seconds += [child for child in children_of(process.pid) if child not in seconds]
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += is_unfinished(tenant)
    assert kills == times
    last = start(path)
    answer = json.loads(last.communicate()[0].splitlines()[-1])
    assert last.returncode == 0
    repeated = ROWS // 10
    assert sum(answer[name] for name in ("new", "updated", "unchanged", "duplicate")) == ROWS + repeated
    assert answer["refused"] == 0
    with tenant_scope(tenant.pk):
        assert Lead.objects.count() == LeadState.objects.count() == ROWS
        assert Lead.objects.values("name").distinct().count() == ROWS
        assert Decision.objects.filter(kind=DecisionKind.GRADE).values("lead").distinct().count() == ROWS
        assert Decision.objects.filter(kind=DecisionKind.GRADE).count() == ROWS
        assert LeadTag.objects.count() == Touch.objects.count() == repeated
        assert StageChange.objects.count() == 0
    assert not is_unfinished(tenant)
    assert seconds
    assert not [child for child in seconds if is_alive(child)]


def count_leads(tenant: Tenant) -> int:
    """Leads that are committed."""
    with tenant_scope(tenant.pk):
        return int(Lead.objects.count())


def is_unfinished(tenant: Tenant) -> bool:
    """Whether an import was cut off."""
    with tenant_scope(tenant.pk):
        return bool(ImportRun.objects.filter(finished_at__isnull=True).exists())


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def is_alive(pid: int) -> bool:
    """Whether a process still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(("option", "batch"), [((), "off"), (("--live",), "on")])
def test_the_end_of_an_import_of_history_waits_for_the_disk_for_all_of_it(
    tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], batch: str
) -> None:
    waits: list[str] = []

    def noting(act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.execute("SHOW synchronous_commit")
                waits.append(cursor.fetchone()[0])
            return act(*given, **named)

        return noted

    monkeypatch.setattr(imports, "run_pipeline", noting(run_pipeline))
    monkeypatch.setattr(imports, "finish_run", noting(imports.finish_run))
    assert import_leads(write_csv(tmp_path, "email", "ana@x.test"), *option).answer["new"] == 1
    assert waits == [batch, "on"]
