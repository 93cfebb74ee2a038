"""A long file is shared between two processes: what comes of it is what one process makes of it."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from leads.capture.files import Row, open_table
from leads.capture.mapping import plan_columns
from leads.capture.second_process import SecondProcessFailed, second_process
from leads.capture.shares import WaveRows, turns
from leads.capture.values import normalise_email
from leads.capture.waves import REST, WaveScan
from leads.models import (
    Company,
    CustomValue,
    Decision,
    ImportRefusal,
    ImportRun,
    KeptPerson,
    Lead,
    Origin,
    Touch,
)
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.imports import Ran, import_leads, write_csv

pytestmark = pytest.mark.django_db(transaction=True)

HEADER = "external_id,email,name,company,company_size,city,origin,owner_sdr,Plants,created_at"


def write_people(folder: Path, count: int) -> Path:
    """Rows with one identity, both, none; with colleagues, duplicates by either key, contradictions, wrong cells."""
    rows = []
    for number in range(count):
        company = f"Empresa {number % 60}"
        person = f"Pessoa {number},{company},{1 + number % 60}"
        rest = f"City {number % 9},Origin {number % 5},sdr{number % 3},{number % 4 or ''},2018-01-0{1 + number % 9}"
        identity = (
            f"id{number},p{number}@x{number % 60}.test",
            f"id{number},",
            f",p{number}@x{number % 60}.test",
        )[number % 3]
        rows.append(f"{identity},{person},{rest}")
    rows[50] = ",,Nobody in particular,,,,,,,2018-01-01"
    rows[60] = "bad,not an address,,,,,,,,"
    rows.insert(70, "id3,,,,,Recife,Another origin,,9,2018-02-01")
    rows.insert(900, "id6,p8@x8.test,Two leads,Empresa Nova,,,,,,")
    rows.append("id3,,,,,Natal,,,,")
    rows.append(",p5@x5.test,,,,Olinda,,,,")
    rows.append(",,,,,Nowhere,,,,")
    return write_csv(folder, HEADER, *rows)


def read_all(tenant: Tenant) -> dict[str, Any]:
    """Everything that an import writes, without ids and times."""
    with tenant_scope(tenant.pk):
        leads = Lead.objects.order_by("external_id", "email", "name")
        facts = (
            "external_id",
            "email",
            "name",
            "city",
            "origin",
            "created_at",
            "company__name",
            "company__domain",
        )
        standing = ("standing__stage", "standing__grade", "standing__kept_sdr__text")
        return {
            "leads": list(leads.values_list(*facts, *standing)),
            "companies": sorted(Company.objects.values_list("name", "domain"), key=str),
            "values": sorted(CustomValue.objects.values_list("lead__name", "integer_value"), key=str),
            "touches": sorted(Touch.objects.values_list("lead__name", "origin"), key=str),
            "origins": sorted(Origin.objects.values_list("key", "label")),
            "people": sorted(KeptPerson.objects.values_list("text", flat=True)),
            "decisions": sorted(Decision.objects.values_list("lead__name", "kind", "result"), key=str),
            "refusals": sorted(ImportRefusal.objects.values_list("row_number", flat=True)),
        }


def refusals_of(ran: Ran) -> list[str]:
    """What was said of refused rows, without ids."""
    return [re.sub(r"lead [0-9]+", "lead", line) for line in ran.said.splitlines() if "Refused" in line]


def test_two_processes_make_what_one_makes(
    tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_people(tmp_path, 2400)
    # Every row that shares an identity is in a wave that both processes take part in.
    monkeypatch.setattr("leads.capture.waves.LEAST_ROWS", 1)
    two = import_leads(path, "--create-fields")
    by_two = read_all(tenant)
    again = import_leads(path, "--create-fields")
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE leads_lead, leads_company, leads_origin, leads_keptperson, leads_importrun CASCADE"
        )
        cursor.execute("TRUNCATE leads_decision, leads_customfield CASCADE")
    monkeypatch.setattr("leads.capture.readable_file.LEAST_ROWS", 10**9)
    one = import_leads(path, "--create-fields")
    by_one = read_all(tenant)
    assert two.counts == one.counts == (2399, 0, 0, 3, 3)
    assert again.counts == (1, 2, 2396, 3, 3)
    assert refusals_of(two) == refusals_of(one) != []
    assert [pair for pair in zip(by_two["leads"], by_one["leads"], strict=True) if pair[0] != pair[1]] == []
    assert by_two == by_one


def test_the_same_known_lead_in_two_processes_is_a_duplicate(tmp_path: Path, tenant: Tenant) -> None:
    import_leads(write_csv(tmp_path, "external_id,email", "a,a@x.test"))
    rows = [f"id{number},," for number in range(2200)]
    path = write_csv(tmp_path, "external_id,email,city", "a,,Natal", ",a@x.test,Recife", *rows)
    ran = import_leads(path)
    assert ran.counts == (2200, 1, 0, 1, 0)


def test_rows_that_share_an_identity_go_in_waves_and_those_without_one_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_columns(columns=["external_id", "email"], fields=["external_id", "email"])
    scan = WaveScan(plan=plan, identities={"external_id": str.strip, "email": normalise_email})
    rows = (
        *("a,", "b,b@x.test", "c,B@X.test", ",", "d,no address", ",e@x.test", "a,f@x.test", "g,g@x.test"),
        *("h", "i,b@x.test", "c,", "i,"),
    )
    scan.feed(open_table(write_csv(tmp_path, "external_id,email", *rows)).rows())
    # The line of blanks is no row, and one with too few cells names nobody. Few rows are not worth a wave of their own.
    assert list(scan.waves()) == [1, 1, REST, 1, 1, REST, 1, REST, REST, REST, REST]
    monkeypatch.setattr("leads.capture.waves.LEAST_ROWS", 2)
    # Again come c by b's address, and a; a third time i by the same address, and c. Then i alone, which is no wave.
    assert list(scan.waves()) == [1, 1, 2, 1, 1, 2, 1, REST, 3, 3, REST]


def test_each_turn_is_for_whichever_process_asks_first(tenant: Tenant) -> None:
    with turns(5) as take, second_process(lambda _tell: [take(), take()]) as second:
        theirs = second.wait()
        mine = list(iter(take, None))
    assert (theirs, mine) == ([0, 1], [2, 3, 4])


@pytest.mark.parametrize("keeps", [True, False])
def test_a_wave_is_read_in_equal_batches_as_they_are_given(
    keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.capture.shares.BATCH_SIZE", 3)
    waves = bytearray([1, 2, 1, 1, REST, 1, 1, 2, 1, 1, 1, REST])
    rows = [Row(number, {}, None) for number in range(len(waves))]
    read: list[int] = []

    def source(chosen: Iterable[bool]) -> Iterator[Row]:
        for row in compress(rows, chosen):
            read.append(row.number)
            yield row

    shared = WaveRows(source, waves)
    given = iter([1, 3])
    assert (list(shared.numbers), shared.batches(1), shared.batches(2)) == ([1, 2], (4, 2), (2, 1))
    mine = shared.share(1, lambda: next(given, None), keeps=keeps)
    # Of the rows 0, 2, 3, 5, 6, 8, 9, 10 the third and fourth, the last two.
    assert [row.number for row in mine] == [3, 5, 9, 10]
    assert [row.number for row in shared.share(2, iter([0, None]).__next__)] == [1]
    assert [row.number for row in shared.rest()] == [4, 11]
    assert read == ([1, 3, 4, 5, 7, 9, 10, 11] if keeps else [3, 5, 9, 10, 1, 4, 11])


def test_a_second_process_that_fails_is_known_to_the_first(tenant: Tenant) -> None:
    def work(tell: Any) -> int:
        tell(7)
        raise LookupError("nothing there")

    with (
        pytest.raises(SecondProcessFailed, match="LookupError: nothing there"),
        second_process(work) as second,
    ):
        second.wait()


def test_a_second_process_that_is_killed_is_missed(tenant: Tenant) -> None:
    def work(tell: Any) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    with pytest.raises(SecondProcessFailed, match="Run the import again"), second_process(work) as second:
        second.wait()


def test_leaving_ends_a_second_process_and_keeps_the_connection_of_the_first(tenant: Tenant) -> None:
    def work(tell: Any) -> int:
        tell(os.getpid())
        time.sleep(60)
        return 1

    with second_process(work) as second:
        while not second.progress():
            time.sleep(0.01)
        pid = second.progress()
    assert subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 1
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_an_import_whose_second_process_died_can_be_repeated(
    tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leads.capture.imports import _Run

    path = write_people(tmp_path, 2400)
    original = _Run._take_second_share

    def die(*_about: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(_Run, "_take_second_share", die)
    with pytest.raises(SecondProcessFailed):
        import_leads(path, "--create-fields")
    monkeypatch.setattr(_Run, "_take_second_share", original)
    ran = import_leads(path, "--create-fields")
    assert ran.answer["new"] < 2399
    assert sum(ran.counts) == 2405
    with tenant_scope(tenant.pk):
        assert Lead.objects.count() == 2399
        assert ImportRun.objects.filter(finished_at=None).count() == 0
