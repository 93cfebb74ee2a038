"""Processes that count in one folder: together, through forks and kills, and without growing it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import CollectorRegistry

from core.process_slots import FILE_BYTES, ProcessSlot

ROOT = Path(__file__).parents[2]
# Counts what it is told on standard input, a number a line; "fork" counts ten in a forked child.
COUNTING = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "leadsys.settings"
os.environ["LEADSYS_NO_EMBEDDED"] = "1"
from leadsys.embedded import provide_environment
provide_environment()
from core.metrics import IS_SHARED, REQUEST_TIME, SUBMISSIONS
print("shared" if IS_SHARED else "alone", flush=True)
for line in sys.stdin:
    if line == "fork\\n":
        child = os.fork()
        if not child:
            SUBMISSIONS.labels("received").inc(10)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    else:
        SUBMISSIONS.labels("received").inc(int(line))
        REQUEST_TIME.labels("GET", "home").observe(0.02)
    print("counted", flush=True)
"""


class Counting:
    """One process that counts."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTING],
            cwd=ROOT,
            env={**os.environ, "LEADSYS_METRICS_FOLDER": str(folder), "LEADSYS_LOG_LEVEL": "ERROR"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.way = self.process.stdout.readline().strip()

    def count(self, what: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "counted\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def counting(folder: Path, *, processes: int) -> Iterator[list[Counting]]:
    started = [Counting(folder) for _number in range(processes)]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            assert each.process.stdin is not None
            assert each.process.stdout is not None
            each.process.stdin.close()
            each.process.stdout.close()


def total(folder: Path) -> float | None:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry.get_sample_value("leadsys_submissions_total", {"state": "received"})


def test_processes_count_together_and_a_killed_one_takes_nothing_back(tmp_path: Path) -> None:
    with counting(tmp_path, processes=2) as (first, second):
        assert {first.way, second.way} == {"shared"}
        first.count(1)
        second.count(20)
        assert total(tmp_path) == 21
        first.kill()
        assert total(tmp_path) == 21
        with counting(tmp_path, processes=1) as (third,):
            third.count(300)
            assert total(tmp_path) == 321
            # The third goes on in the files of the first.
            assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_a_forked_child_counts_in_files_of_its_own(tmp_path: Path) -> None:
    with counting(tmp_path, processes=1) as (only,):
        only.count(1)
        only.count("fork")
        only.count(1)
        assert total(tmp_path) == 12
        assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_a_child_for_whom_there_is_no_slot_goes_on_working(tmp_path: Path) -> None:
    folder, away = tmp_path / "metrics", tmp_path / "away"
    with counting(folder, processes=1) as (only,):
        only.count(1)
        folder.rename(away)
        folder.write_text("no folder any more")
        only.count("fork")
        assert total(away) == 11


def test_the_first_process_begins_anew_whatever_was_left_there(tmp_path: Path) -> None:
    with counting(tmp_path, processes=1) as (before,):
        before.count(5)
    (tmp_path / "histogram_7.db").write_bytes(b"cut short by a power cut")
    with counting(tmp_path, processes=1) as (after,):
        after.count(2)
        assert total(tmp_path) == 2
        assert {path.stat().st_size for path in tmp_path.glob("*.db")} == {FILE_BYTES}


def test_a_folder_that_cannot_be_used_keeps_nobody_from_working(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("no folder")
    with counting(taken, processes=1) as (only,):
        assert only.way == "alone"
        only.count(1)


def test_a_process_keeps_its_slot(tmp_path: Path) -> None:
    slot = ProcessSlot(tmp_path)
    assert [slot.number(), slot.number()] == [0, 0]
    with pytest.raises(OSError, match=r"File exists|[Nn]ot a directory"):
        ProcessSlot(tmp_path / "slots.lock").number()
