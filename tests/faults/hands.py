"""A process that makes others of the same installation within milliseconds: a second worker, a second beat, commands, deeds.

It has loaded the application and touched no server. For each line that it reads (a Task as JSON) it forks a child that does the
deed and says its process id. A child may have its clock set wrong: the application reads its clock by
``django.utils.timezone.now`` alone, and that is what is shifted.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from leadsys.embedded.home import PROJECT


class DeedFailed(AssertionError):
    """A deed that was to be done ended without an answer."""


@dataclass(frozen=True)
class Task:
    """What a child shall do: the name of a deed, its arguments, how far its clock is ahead, where it says what came of it."""

    deed: str
    arguments: dict[str, Any]
    ahead_seconds: float
    answer: str


@dataclass
class Child:
    """A process that does a deed."""

    process: psutil.Process | None
    answer: Path
    log: Path

    def is_living(self) -> bool:
        """Whether it is at work still."""
        return self.process is not None and self.process.is_running()

    def result(self) -> Any:
        """What it answered; None if it has not, or died before it could."""
        return json.loads(self.answer.read_text("utf-8"))["result"] if self.answer.exists() else None

    def wait(self, *, seconds: float = 120) -> Any:
        """Wait for its answer. Raises DeedFailed."""
        deadline = time.monotonic() + seconds
        while self.is_living() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self.answer.exists():
            raise DeedFailed(f"{self.answer.stem} gave no answer; see {self.log}")
        return self.result()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal."""
        if self.process is not None and self.process.is_running():
            os.kill(self.process.pid, number)


@dataclass
class Hands:
    """The maker of processes, as the campaign sees it."""

    environment: Mapping[str, str]
    folder: Path
    _process: "subprocess.Popen[str] | None" = field(default=None, repr=False)
    _count: int = 0

    def __enter__(self) -> "Hands":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.hands"],
            cwd=PROJECT,
            env={**self.environment, "DJANGO_SETTINGS_MODULE": "leadsys.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "hands.log").open("ab"),
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", (self.folder / "hands.log").read_text()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.stdin.close()
        self._process.wait()
        for each in children:
            if each.is_running():
                each.kill()

    def begin(self, deed: str, *, ahead_seconds: float = 0, **arguments: Any) -> Child:
        """Let a child begin a deed."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._count += 1
        answer = self.folder / f"{deed}-{self._count}.json"
        task = Task(deed, arguments, ahead_seconds, str(answer))
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        process_id = int(self._process.stdout.readline())
        try:
            process = psutil.Process(process_id)
        except psutil.NoSuchProcess:
            process = None
        return Child(process, answer, self.folder / "hands.log")

    def do(self, deed: str, **arguments: Any) -> Any:
        """Do a deed and give its answer. Raises DeedFailed."""
        return self.begin(deed, **arguments).wait()


def main() -> None:
    """Fork for each line until there are no more."""
    import django

    django.setup()
    from celery.apps.worker import Worker  # noqa: F401 - loaded once for all children

    from leadsys.celery import app
    from tests.faults import deeds

    app.loader.import_default_modules()
    # Nobody waits for the children: their answers are files.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201 - the answer of the process
    for line in sys.stdin:
        task = Task(**json.loads(line))
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _do(task, getattr(deeds, task.deed))
        print(child, flush=True)  # noqa: T201


def _do(task: Task, deed: Any) -> None:
    """Do the deed in this child and end it."""
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 0)
    os.dup2(2, 1)
    code = 1
    try:
        if task.ahead_seconds:
            _shift_clock(task.ahead_seconds)
        result = deed(**task.arguments)
        half = Path(f"{task.answer}.half")
        half.write_text(json.dumps({"result": result}), "utf-8")
        half.rename(task.answer)
        code = 0
    except BaseException:  # noqa: BLE001 - a child says what went wrong, and never goes on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def _shift_clock(ahead_seconds: float) -> None:
    from django.utils import timezone

    right, ahead = timezone.now, timedelta(seconds=ahead_seconds)
    timezone.now = lambda: right() + ahead


if __name__ == "__main__":
    main()
