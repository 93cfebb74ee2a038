"""``make run`` with real signals: what dies comes back, and what was started ends."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from leadsys.embedded import servers_are_running
from leadsys.embedded.home import PROJECT, Home
from leadsys.embedded.postgres import Postgres
from leadsys.embedded.processes import DetachedProcess, choose_port
from leadsys.embedded.valkey import Valkey

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.xdist_group("run")]

PATIENCE_SECONDS = 120.0
# Each start of the stack costs a quarter of a minute of both cores.
full_size = pytest.mark.skipif(os.environ.get("LEADSYS_FAULTS") != "full", reason="runs in make faults only")


class RunningStack:
    """A run in a home of its own, started as ``make run`` starts it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.port = choose_port(0)
        self.log = home.folder.parent / "output.txt"
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "LEADSYS_SECRET_KEY"}
        }
        environment |= {"LEADSYS_HOME": str(home.folder), "PORT": str(self.port), "LEADSYS_DEMO": "0"}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leadsys.embedded.run"],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """What it printed so far."""
        return self.log.read_text("utf-8")

    def answers(self) -> bool:
        """Whether the web server and the database behind it answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz", headers={"Host": "localhost"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def parts(self, words: str) -> list[psutil.Process]:
        """The living processes below the run whose command line holds the words."""
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.process.pid).children(recursive=True)
            return [each for each in below if words in command_line(each)]
        return []


def command_line(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join(process.cmdline())
    return ""


def wait_for(condition: Callable[[], object], *, what: str, stack: RunningStack) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} took too long:\n{stack.said()}"
        time.sleep(0.1)


def start(folder: Path) -> RunningStack:
    stack = RunningStack(Home(folder / "home"))
    wait_for(
        lambda: "Ready" in stack.said() or stack.process.poll() is not None, what="starting", stack=stack
    )
    assert stack.process.poll() is None, stack.said()
    return stack


def clear(stack: RunningStack) -> None:
    """End whatever a failed test has left, by the home's own means."""
    if stack.process.poll() is None:
        stack.process.terminate()
        stack.process.wait(60)
    environment = {**os.environ, "LEADSYS_HOME": str(stack.home.folder)}
    subprocess.run([sys.executable, "-m", "leadsys.embedded.stop"], cwd=PROJECT, env=environment, check=True)
    state = stack.home.read_state()
    if state.cluster:
        shutil.rmtree(Path(state.cluster).parent)


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
    state = stack.home.read_state()
    for process in (Postgres(stack.home, state).process, Valkey(stack.home, state).process):
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
    below = psutil.Process(stack.process.pid).children(recursive=True)
    assert len(below) >= 6
    os.kill(stack.process.pid, number)
    assert stack.process.wait(60) == 0
    assert [each for each in below if each.is_running() and command_line(each)] == []
    assert not servers_are_running(stack.home)


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
