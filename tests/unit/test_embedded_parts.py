"""Parts of a run that die come back; tried on short shell commands."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from leadsys.embedded import parts
from leadsys.embedded.parts import Part

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "FIRST_PAUSE_SECONDS", 0.05)


class Watched:
    """A part, watched as the run does it, and what the person was told."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.told: list[str] = []
        part.start(ENVIRONMENT)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, self.told
            self.part.watch(ENVIRONMENT, self.told.append)
            time.sleep(0.01)

    @property
    def pid(self) -> int | None:
        return self.part.process.pid if self.part.process else None


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(script: str, *, needs_child: bool = False, once: bool = False) -> Watched:
        command = ["/bin/sh", "-c", script]
        made.append(Watched(Part("part", command, tmp_path / "log", needs_child=needs_child, once=once)))
        return made[-1]

    yield make
    for watched in made:
        watched.part.end_group()


def test_a_part_that_is_killed_is_started_again_and_the_person_is_told(watch: Callable[..., Watched]) -> None:
    watched = watch("exec sleep 60")
    first = watched.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    watched.until(lambda: watched.pid not in {None, first})
    assert watched.part.is_living()
    assert "part was ended by signal 9; starting it again in 0.05 s" in watched.told[0]


def test_the_pause_doubles_with_each_death(watch: Callable[..., Watched]) -> None:
    watched = watch("exit 3")
    watched.until(lambda: len(watched.told) == 4)
    pauses = [line.split("again in ")[1].split(" s.")[0] for line in watched.told]
    assert pauses == ["0.05", "0.1", "0.2", "0.4"]
    assert "part ended with code 3" in watched.told[0]


def test_a_part_without_the_child_that_it_needs_is_started_again(watch: Callable[..., Watched]) -> None:
    watched = watch("sleep 60 & wait; sleep 60", needs_child=True)
    first = watched.pid
    assert first is not None
    watched.until(psutil.Process(first).children)
    watched.part.watch(ENVIRONMENT, watched.told.append)
    psutil.Process(first).children()[0].kill()
    watched.until(lambda: watched.pid not in {None, first})
    assert "lost a process that it needs" in watched.told[0]


def test_what_a_dead_part_had_started_does_not_live_on_beside_its_successor(
    watch: Callable[..., Watched],
) -> None:
    watched = watch("sleep 60 & wait")
    first = watched.pid
    assert first is not None
    watched.until(psutil.Process(first).children)
    child = psutil.Process(first).children()[0]
    os.kill(first, signal.SIGKILL)
    watched.until(lambda: watched.pid not in {None, first})
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_work_that_ends_by_itself_is_done_once(watch: Callable[..., Watched], tmp_path: Path) -> None:
    watched = watch(f'echo done >> "{tmp_path}/done"', once=True)
    watched.until(lambda: watched.part.done)
    time.sleep(0.1)
    watched.part.watch(ENVIRONMENT, watched.told.append)
    assert (tmp_path / "done").read_text() == "done\n"
    assert watched.told == []


def test_work_that_fails_is_tried_again(watch: Callable[..., Watched], tmp_path: Path) -> None:
    watched = watch(f'test -e "{tmp_path}/tried" || {{ touch "{tmp_path}/tried"; exit 1; }}', once=True)
    watched.until(lambda: watched.part.done)
    assert len(watched.told) == 1


def test_a_part_that_does_not_end_when_asked_is_ended(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "STOP_PATIENCE_SECONDS", 0.2)
    watched = watch("trap '' TERM; sleep 60 & wait; wait")
    pid = watched.pid
    assert pid is not None
    watched.until(psutil.Process(pid).children)
    watched.part.ask_to_stop()
    watched.part.stop()
    assert not psutil.pid_exists(pid)
