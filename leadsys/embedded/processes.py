"""Detached processes that can be found again, whoever started them and however they or their starter ended.

A process holds a lock on a file from its birth: the descriptor is handed to it, its children inherit it, and the kernel
lets go when the last of them is gone. So "is it running?" is neither fooled by a process id that was given to someone else
nor by a folder that was copied with its pid files.
"""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

import psutil

from leadsys.embedded.account import Account
from leadsys.embedded.errors import folder_errors_explained

# Below the range from which Linux and macOS take the ports of outgoing connections.
PORTS = range(20_000, 32_000)

_random = SystemRandom()
# Children of this process, kept so that they are reaped and don't stay as zombies.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class DetachedProcess:
    """A server that outlives its starter. ``alive`` and ``pid`` are files in the home."""

    alive: Path
    pid_file: Path

    def is_running(self) -> bool:
        """Whether the process or any of its children lives."""
        reap_children()
        with folder_errors_explained(self.alive.parent):
            try:
                handle = self.alive.open("rb")
            except FileNotFoundError:
                return False
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def pid(self) -> int | None:
        """The process itself, None when it is gone (its children may still live)."""
        if not self.is_running():
            return None
        try:
            number = int(self.pid_file.read_text("ascii"))
            process = psutil.Process(number)
            return None if process.status() == psutil.STATUS_ZOMBIE else number
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None

    def start(
        self,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        account: Account | None,
        stdin: bytes | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, so that Ctrl-C in a terminal doesn't reach it. Call under the home's lock."""
        with (
            folder_errors_explained(self.alive.parent),
            self.alive.open("wb") as handle,
            log.open("ab") as output,
        ):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(handle.fileno(),),
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=() if account else None,
            )
            _children.append(child)
            self.pid_file.write_text(str(child.pid), "ascii")
        if stdin is not None:
            assert child.stdin is not None
            with suppress(BrokenPipeError):
                child.stdin.write(stdin)
                child.stdin.close()
        return child

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process if it lives."""
        pid = self.pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait_until_gone(self, *, seconds: float) -> bool:
        """Wait for the process and its children to end; whether they did."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def reap_children() -> None:
    """Take note of ended children of this process."""
    _children[:] = [child for child in _children if child.poll() is None]


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(remembered: int) -> int:
    """The remembered port if it is free, else another free one."""
    if remembered and port_is_free(remembered):
        return remembered
    while True:
        port = _random.choice(PORTS)
        if port_is_free(port):
            return port


def last_lines(path: Path, *, count: int = 12) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-count:])
    except FileNotFoundError:
        return "(no log)"
