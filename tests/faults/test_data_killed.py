"""Workers killed while they erase many, build an export of everything or search for duplicates: nothing is lost or half done."""

import io
import subprocess
import sys
import time
import zipfile
from typing import Any

import pytest
from django.utils import timezone

from core.models import StoredFile, StoredPiece
from core.saved_views.kinds import get_kind
from core.stored_files import read_pieces
from leads.bulk.kinds import get_bulk_act
from leads.bulk.runs import start_bulk
from leads.erasure.bulk import ERASE
from leads.merging.duplicates import start_search
from leads.models import (
    BulkRun,
    DataExport,
    DuplicateProposal,
    DuplicateSearch,
    Erasure,
    Lead,
    LeadNote,
)
from leads.takeout.building import request_data_export
from tenancy.models import AuditEntry, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.faults.workers import database_environment, make_dice, rounds

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PEOPLE = rounds(small=40, full=600)
KILLS = rounds(small=2, full=15)
WORK = """
import django
django.setup()
from django.utils import timezone
from leads.bulk.kinds import get_bulk_act
from leads.bulk.runs import advance_bulk
from leads.takeout import archive
from leads.takeout.building import build_export
from tenancy.scope import tenant_scope
object.__setattr__(get_bulk_act("erase"), "batch_size", 3)
archive.PIECE_BYTES = 2_000
print("working", flush=True)
{work}
"""
ERASING = """
has_more = True
while has_more:
    with tenant_scope({tenant}):
        has_more = advance_bulk(run_id={subject}, now=timezone.now())
"""
SEARCHING = """
from core.due import sweep_kind
from leads.merging import duplicates
duplicates.KEYS_A_SLICE = 20
while sweep_kind(kind=duplicates.SEARCH_KIND, tenant_id={tenant}, now=timezone.now()):
    pass
"""
BUILDING = "build_export(tenant_id={tenant}, export_id={subject})"


def begin(work: str, tenant: Tenant, subject: int) -> subprocess.Popen[str]:
    code = WORK.format(work=work.format(tenant=tenant.pk, subject=subject))
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=database_environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def kill_when(process: subprocess.Popen[str], has_come: Any) -> bool:
    """Kill it as soon as it has come so far; whether it was still at work."""
    until = time.monotonic() + 60
    while process.poll() is None and not has_come() and time.monotonic() < until:
        time.sleep(0.005)
    is_at_work = process.poll() is None
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    return is_at_work


def end(process: subprocess.Popen[str]) -> None:
    assert process.wait(timeout=120) == 0
    assert process.stdout is not None
    process.stdout.close()


def test_people_erased_by_killed_workers_each_have_one_proof_and_none_is_half_erased(tenant: Tenant) -> None:
    dice = make_dice()
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.ADMIN)
        for number in range(PEOPLE):
            lead = make_lead(email=f"p{number}@cliente.test", name=f"Pessoa {number}", stage="disqualified")
            LeadNote.objects.create(lead=lead, text=f"p{number}@cliente.test", written_at=timezone.now())
        run = start_bulk(
            act=get_bulk_act(ERASE),
            values={"ground": "", "keeps_out": "yes", "confirmation": str(PEOPLE)},
            kind=get_kind("leads"),
            parameters={},
            by=by,
            now=timezone.now(),
        )

    def count_erased() -> int:
        with tenant_scope(tenant.pk):
            return int(Erasure.objects.count())

    kills = 0
    for _time in range(KILLS):
        mark = count_erased() + dice.randrange(1, max(2, PEOPLE // (KILLS + 2)))
        kills += kill_when(begin(ERASING, tenant, run.pk), lambda mark=mark: count_erased() >= mark)
        with tenant_scope(tenant.pk):
            # Whoever has a proof has nothing left, whoever has none has everything.
            erased = set(Erasure.objects.filter(state="done").values_list("lead_number", flat=True))
            assert set(Lead.objects.filter(email__isnull=True).values_list("pk", flat=True)) == erased
            assert LeadNote.objects.count() == PEOPLE - len(erased)
            assert Erasure.objects.count() == len(erased)
    assert kills, "it was never killed in mid-work"
    end(begin(ERASING, tenant, run.pk))
    with tenant_scope(tenant.pk):
        run = BulkRun.objects.get(pk=run.pk)
        assert (run.state, run.total, run.applied, run.refused) == ("done", PEOPLE, PEOPLE, 0)
        assert Erasure.objects.count() == Erasure.objects.values("lead_number").distinct().count() == PEOPLE
        assert AuditEntry.objects.filter(act="person.erased").count() == PEOPLE
        assert not Lead.objects.filter(email__isnull=False).exists()


def test_an_export_whose_workers_are_killed_is_whole_in_the_end_and_leaves_nothing_behind(
    tenant: Tenant,
) -> None:
    dice = make_dice()
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.ADMIN)
        for _number in range(PEOPLE):
            make_lead()
        export = request_data_export(by=by, now=timezone.now())

    def count_pieces() -> int:
        with tenant_scope(tenant.pk):
            return int(StoredPiece.objects.filter(file=DataExport.objects.get().file_id or 0).count())

    kills = 0
    for attempt in range(1, min(KILLS, 4) + 1):
        mark = dice.randrange(1, 5)
        worker = begin(BUILDING, tenant, export.pk)
        kills += kill_when(
            worker, lambda mark=mark, attempt=attempt: begun(tenant) == attempt and count_pieces() >= mark
        )
    assert kills, "it was never killed in mid-work"
    # The server may not have noticed at once that the last one is gone, and keep its lock.
    until = time.monotonic() + 30
    while state_of(tenant) != "done" and time.monotonic() < until:
        end(begin(BUILDING, tenant, export.pk))
    with tenant_scope(tenant.pk):
        export = DataExport.objects.get()
        assert export.state == "done"
        assert export.row_count == export.expected == sum(export.counts.values())
        assert StoredFile.objects.count() == 1
        content = b"".join(read_pieces(file_id=export.file_id or 0))
        assert AuditEntry.objects.filter(act="data.exported").count() == 1
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        assert len(file.read("leads.csv").splitlines()) == PEOPLE + 1


def begun(tenant: Tenant) -> int:
    with tenant_scope(tenant.pk):
        return int(DataExport.objects.get().attempts)


def state_of(tenant: Tenant) -> str:
    with tenant_scope(tenant.pk):
        return str(DataExport.objects.get().state)


def test_a_search_for_duplicates_whose_workers_are_killed_goes_on_slice_by_slice(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        for number in range(PEOPLE):
            make_lead(
                email=f"{'abcdefghij'[number % 10] * 4}{number // 2}xyz@d.test",
                phone=f"+5519{number // 2:09}",
            )
        search = start_search(now=timezone.now())

    def slices_done() -> int:
        with tenant_scope(tenant.pk):
            stands = DuplicateSearch.objects.get(pk=search.pk)
            return int(stands.step * 1_000 + stands.slice)

    kills, marks = 0, []
    for _time in range(KILLS):
        mark = slices_done() + 1
        kills += kill_when(begin(SEARCHING, tenant, search.pk), lambda mark=mark: slices_done() >= mark)
        marks.append(slices_done())
    assert kills, "it was never killed in mid-work"
    assert marks == sorted(marks)
    end(begin(SEARCHING, tenant, search.pk))
    with tenant_scope(tenant.pk):
        assert DuplicateSearch.objects.get().finished_at is not None
        pairs = DuplicateProposal.objects.filter(reasons__contains=["phone"])
        assert pairs.count() == PEOPLE // 2
