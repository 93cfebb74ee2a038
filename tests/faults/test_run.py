"""``make run`` with real signals: what dies comes back, and what was started ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from leadsys.embedded import servers_are_running
from leadsys.embedded.home import PROJECT
from leadsys.embedded.processes import DetachedProcess
from tests.faults.stack import RunningStack, clear, command_line, start, wait_for

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.xdist_group("run")]

# Each start of the stack costs a quarter of a minute of both cores.
full_size = pytest.mark.skipif(os.environ.get("LEADSYS_FAULTS") != "full", reason="runs in make faults only")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One folder for the runs of this file, so that the later ones start quickly."""
    folder = Path(tempfile.mkdtemp(prefix="leadsys test é "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stack(folder: Path) -> Iterator[RunningStack]:
    stack = start(folder)
    yield stack
    clear(stack)


@full_size
def test_parts_and_servers_that_are_killed_are_started_again(stack: RunningStack) -> None:
    for words in ("granian", "celery"):
        # The first is the part itself, the second its child: the web server's worker, the worker's beat.
        for which in (0, 1):
            kill_part(stack, words=words, which=which)
            wait_for(stack.answers, what="answering", stack=stack)
    for process in (stack.postgres.process, stack.valkey.process):
        kill_server(stack, process)
        wait_for(stack.answers, what="answering", stack=stack)


def kill_part(stack: RunningStack, *, words: str, which: int) -> None:
    """Kill one of the two processes of a part and wait for both to live again."""
    wait_for(lambda: len(stack.parts(words)) >= 2, what=f"{words} with its child", stack=stack)
    time.sleep(1.5)  # the run has seen the child
    before = {each.pid for each in stack.parts(words)}
    os.kill(stack.parts(words)[which].pid, signal.SIGKILL)
    wait_for(
        lambda: {each.pid for each in stack.parts(words)} - before and len(stack.parts(words)) >= 2,
        what=f"starting {words} again",
        stack=stack,
    )


def kill_server(stack: RunningStack, process: DetachedProcess) -> None:
    """Kill PostgreSQL or Valkey and wait for a new one."""
    before = process.pid()
    process.send(signal.SIGKILL)
    wait_for(lambda: process.pid() not in {None, before}, what="starting a server again", stack=stack)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=full_size)])
def test_it_answers_when_it_says_ready_and_a_signal_ends_everything_that_was_started(
    stack: RunningStack, number: signal.Signals
) -> None:
    assert stack.said().splitlines()[-1] == f"Ready http://localhost:{stack.port}"
    assert stack.answers()
    sizes = (10, 4_000_000, 6_000_000, 30_000_000)
    for in_pieces in (False, True):
        statuses = [status_of(stack, body_bytes=each, in_pieces=in_pieces) for each in sizes]
        assert statuses == [401, 401, 413, 413]
    below = psutil.Process(stack.process.pid).children(recursive=True)
    assert len(below) >= 6
    os.kill(stack.process.pid, number)
    assert stack.process.wait(60) == 0
    assert [each for each in below if each.is_running() and command_line(each)] == []
    assert not servers_are_running(stack.home)


def status_of(stack: RunningStack, *, body_bytes: int, in_pieces: bool) -> int:
    """What a stranger is answered who sends all of a body before reading, without saying its length if ``in_pieces``."""
    body = b"x" * body_bytes
    line = HTTPConnection("127.0.0.1", stack.port, timeout=30)
    with closing(line):
        line.request("POST", "/api/v1/leads/", iter([body]) if in_pieces else body, encode_chunked=in_pieces)
        return line.getresponse().status


@full_size
def test_servers_that_ran_before_are_left_running(folder: Path) -> None:
    environment = {**os.environ, "LEADSYS_HOME": str(folder / "home")}
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        environment.pop(name, None)
    code = "from leadsys.embedded import ensure_servers; ensure_servers()"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, check=True)
    stack = start(folder)
    try:
        stack.process.terminate()
        assert stack.process.wait(60) == 0
        assert servers_are_running(stack.home)
    finally:
        clear(stack)
    assert not servers_are_running(stack.home)


@full_size
def test_a_run_that_is_killed_leaves_nobody_on_its_port(stack: RunningStack, folder: Path) -> None:
    parts = stack.parts("granian") + stack.parts("celery")
    stack.process.kill()
    stack.process.wait()
    wait_for(
        lambda: not [each for each in parts if each.is_running() and command_line(each)],
        what="ending the parts",
        stack=stack,
    )
    with socket.create_server(("127.0.0.1", stack.port)):
        pass
    again = start(folder)
    assert again.answers()
    clear(again)


@full_size
def test_the_second_start_takes_at_most_ten_seconds(folder: Path) -> None:
    clear(start(folder))
    began_at = time.monotonic()
    stack = start(folder)
    took_seconds = time.monotonic() - began_at
    clear(stack)
    # Half as much again, for a machine on which other tests run at the same time.
    assert took_seconds < 15
