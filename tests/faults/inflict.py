"""What is done to a running stack: processes killed or frozen, the broker emptied, the database restarted, disk and clock spoilt.

A fault happens at once; what it leaves to be mended (a frozen worker, a full disk, a beat too many) it gives back as a function.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import redis

from tests.faults.hands import Child
from tests.faults.stack import wait_for
from tests.faults.work import Field, Work

HOME_BYTES: Final = 3_000_000_000
AN_HOUR: Final = 3600.0

Mend = Callable[[], None]


class NothingToHurt(AssertionError):
    """What a fault is about does not live."""


@dataclass
class SecondWorker:
    """A Celery worker beside the run's own, kept alive by the campaign as the run keeps its own."""

    child: Child | None = None
    started: int = field(default=0)

    def ensure(self, at: Field) -> None:
        """Start it unless it lives."""
        if self.child is None or not self.child.is_living():
            self.started += 1
            self.child = at.hands.begin("worker", name=f"second-{self.started}@localhost")

    def end(self) -> None:
        """Let it go."""
        if self.child is not None:
            self.child.kill(signal.SIGKILL)


@dataclass(frozen=True)
class Blow:
    """One fault about to happen: where, in the middle of which work, with dice of its own."""

    at: Field
    work: Work
    dice: random.Random
    second: SecondWorker


def kill_web(blow: Blow) -> Mend | None:
    """The web server, or the process that serves for it."""
    _kill(blow.dice.choice(_parts(blow, "granian")))
    return None


def kill_worker(blow: Blow) -> Mend | None:
    """The run's worker or the second one."""
    second = blow.second.child
    if blow.dice.random() < 0.5 and second is not None and second.is_living():
        second.kill()
    else:
        _kill(_parts(blow, "celery")[0])
    return None


def kill_beat(blow: Blow) -> Mend | None:
    """The beat inside the run's worker."""
    _kill(_parts(blow, "celery")[-1])
    return None


def kill_valkey(blow: Blow) -> Mend | None:
    """The broker."""
    blow.at.stack.valkey.process.send(signal.SIGKILL)
    return None


def kill_postgres(blow: Blow) -> Mend | None:
    """The database server itself; its sessions find out by themselves."""
    blow.at.stack.postgres.process.send(signal.SIGKILL)
    return None


def kill_backend(blow: Blow) -> Mend | None:
    """One session of the application, one at work if there is any: the server ends all others and recovers."""
    found = blow.at.eye.see_at_last(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'leadsys_app' ORDER BY (state = 'active') DESC, pid"
    )
    if found:
        with suppress(ProcessLookupError):
            os.kill(found[0][0], signal.SIGKILL)
    return None


def kill_command(blow: Blow) -> Mend | None:
    """The command that imports, or the second process that shares its file."""
    child = blow.work.command()
    if child is None or child.process is None:
        raise NothingToHurt("no command runs")
    with suppress(psutil.NoSuchProcess):
        family = [child.process, *child.process.children()]
        _kill(blow.dice.choice(family))
    return None


def empty_valkey(blow: Blow) -> Mend | None:
    """All wake-ups and counts of the broker gone."""
    redis.Redis.from_url(blow.at.stack.valkey.url).flushall()
    return None


def restart_postgres(blow: Blow) -> Mend | None:
    """The database shut down in order while everybody is at work; the run starts it again."""
    blow.at.stack.postgres.process.send(signal.SIGINT)
    return None


def stop_workers_for_six_hours(blow: Blow) -> Mend | None:
    """Every worker and beat stands still while six hours pass for everything that is due."""
    frozen = _worker_processes(blow)
    _signal(frozen, signal.SIGSTOP)
    blow.at.let_pass(minutes=360)
    return lambda: _signal(frozen, signal.SIGCONT)


def beat_twice(blow: Blow) -> Mend | None:
    """A second beat, started by mistake."""
    return blow.at.hands.begin("beat").kill


def set_clock_back(blow: Blow) -> Mend | None:
    """A third worker, an hour behind; half of the time it is the only one at work."""
    wrong = blow.at.hands.begin(
        "worker", name=f"behind-{next(blow.at.numbers)}@localhost", ahead_seconds=-AN_HOUR
    )
    frozen = _worker_processes(blow, but_not_beat=True) if blow.dice.random() < 0.5 else []
    _signal(frozen, signal.SIGSTOP)

    def mend() -> None:
        wrong.kill(blow.dice.choice([signal.SIGKILL, signal.SIGTERM]))
        _signal(frozen, signal.SIGCONT)

    return mend


def fill_disk(blow: Blow) -> Mend | None:
    """No room left for the database, the logs and everything else of the home."""
    home = blow.at.stack.home.folder
    filler = home / "filler"
    with filler.open("wb") as file:
        # In ever smaller pieces, until not even a page fits.
        for size in (256 << 20, 16 << 20, 1 << 20, 64 << 10, 4 << 10):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
    return lambda: filler.unlink(missing_ok=True)


Inflict = Callable[[Blow], Mend | None]
# Name, what is done, in the middle of how many kinds of work each time through; None: of each; 0: of an import alone. Of those
# after which a Python process has to be loaded anew, fewer.
FAULTS: Final[dict[str, tuple[Inflict, int | None]]] = {
    "web killed": (kill_web, 4),
    "worker killed": (kill_worker, 6),
    "beat killed": (kill_beat, 2),
    "Valkey killed": (kill_valkey, None),
    "PostgreSQL killed": (kill_postgres, None),
    "session of PostgreSQL killed": (kill_backend, None),
    "import command killed": (kill_command, 0),
    "Valkey emptied": (empty_valkey, 1),
    "PostgreSQL restarted": (restart_postgres, 1),
    "workers stopped for six hours": (stop_workers_for_six_hours, 1),
    "two beats": (beat_twice, 1),
    "clock set back an hour": (set_clock_back, 1),
    "disk full": (fill_disk, 1),
}


def _parts(blow: Blow, words: str) -> list[psutil.Process]:
    """The process of a part and its child, once both live."""
    wait_for(
        lambda: len(blow.at.stack.parts(words)) >= 2, what=f"{words} with its child", stack=blow.at.stack
    )
    return blow.at.stack.parts(words)


def _worker_processes(blow: Blow, *, but_not_beat: bool = False) -> list[psutil.Process]:
    own = _parts(blow, "celery")
    second = blow.second.child
    others = [second.process] if second is not None and second.process is not None else []
    return (own[:1] if but_not_beat else own) + [each for each in others if each.is_running()]


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own on ``folder``, small enough to be filled; whether that was possible (only root may mount)."""
    mounted = (
        os.geteuid() == 0
        and shutil.which("mount") is not None
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={HOME_BYTES},mode=755", "leadsys-faults", str(folder)],
            check=False,
            capture_output=True,
        ).returncode
        == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            for _try in range(50):
                if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0:
                    break
                time.sleep(0.2)
