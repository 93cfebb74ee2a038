"""The processes that a run keeps alive: started, watched, started again, stopped with everything they began."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from leadsys.embedded.home import PROJECT

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_AFTER_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 10.0

_SET_PARENT_DEATH_SIGNAL = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Part:
    """One process of the run, in a session of its own.

    ``needs_child`` is for a process that must keep a child (the worker its beat): when the child is gone, so is the part.
    ``once`` is for work that ends by itself; it is started again only when it fails.
    """

    name: str
    command: Sequence[str]
    log: Path
    needs_child: bool = False
    once: bool = False
    polite: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    started_at: float = 0.0
    start_after: float = 0.0
    done: bool = False
    _child: psutil.Process | None = field(default=None, repr=False)

    def start(self, environment: dict[str, str]) -> None:
        """Start the process. ``environment`` is all that it gets."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_before_exec(polite=self.polite),  # noqa: PLW1509 (the run has one thread)
            )
        self._child = None
        self.started_at = time.monotonic()

    def is_living(self) -> bool:
        """Whether the process and the child that it needs live."""
        if self.process is None or self.process.poll() is not None:
            return False
        if not self.needs_child:
            return True
        try:
            if self._child is None:
                self._child = next(iter(psutil.Process(self.process.pid).children()), None)
                return True
            return self._child.is_running() and self._child.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def watch(self, environment: dict[str, str], tell: Callable[[str], None]) -> None:
        """Start the part again if it died, after a pause that doubles each time. Call it about once a second or oftener."""
        if self.done or self.is_living():
            return
        if self.process is not None:
            code = self.process.poll()
            self.end_group()
            self.process = None
            if self.once and code == 0:
                self.done = True
                return
            if time.monotonic() - self.started_at > STEADY_AFTER_SECONDS:
                self.failures = 0
            pause = min(FIRST_PAUSE_SECONDS * 2**self.failures, LONGEST_PAUSE_SECONDS)
            self.failures += 1
            self.start_after = time.monotonic() + pause
            tell(f"{self.name} {_how_it_ended(code)}; starting it again in {pause:g} s. See {self.log}")
        if time.monotonic() >= self.start_after:
            self.start(environment)

    def ask_to_stop(self) -> None:
        """Ask the process to end in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Wait for the process that was asked to stop, then end what is left of it."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_PATIENCE_SECONDS)
        self.end_group()
        self.process = None

    def end_group(self) -> None:
        """Kill the process and whatever it has started: an orphan would go on serving or beating beside its successor."""
        if self.process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _before_exec(*, polite: bool) -> Callable[[], None]:
    def prepare() -> None:
        if _libc is not None:  # a run that is killed outright takes its parts along
            _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if polite:
            os.nice(10)

    return prepare


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "lost a process that it needs"
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with code {code}"
