"""The whole product as `make run` starts it, in a home of its own, with the means to look at it and to hurt it."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from leadsys.embedded.home import PROJECT, Home
from leadsys.embedded.postgres import DATABASE, SUPERUSER, Postgres
from leadsys.embedded.processes import choose_port
from leadsys.embedded.servers import environment_for
from leadsys.embedded.valkey import Valkey

PATIENCE_SECONDS = 120.0
# The first start of a home makes a cluster, migrates it and compresses the static files.
START_SECONDS = 300.0
_SERVERS_OF_OTHERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "LEADSYS_SECRET_KEY")


class RunningStack:
    """A run in a home of its own, started as ``make run`` starts it. ``settings`` are further environment variables."""

    def __init__(self, home: Home, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = choose_port(0)
        self.log = home.folder.parent / "output.txt"
        # All clients stand at one address and press harder than people do.
        unlimited = dict.fromkeys(("LEADSYS_KEY_RATE", "LEADSYS_FORM_RATE", "LEADSYS_ADDRESS_RATE"), "off")
        self.settings = {"LEADSYS_DEMO": "0", **unlimited, **(settings or {})}
        environment = {name: value for name, value in os.environ.items() if name not in _SERVERS_OF_OTHERS}
        environment |= {"LEADSYS_HOME": str(home.folder), "PORT": str(self.port)} | self.settings
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
        """The living processes below the run whose command line holds the words, parents before their children."""
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.process.pid).children(recursive=True)
            return [each for each in below if words in command_line(each)]
        return []

    def environment(self) -> dict[str, str]:
        """The environment of another process of the same installation: a second worker, a command."""
        environment = {name: value for name, value in os.environ.items() if name not in _SERVERS_OF_OTHERS}
        # The tests' own key, which this process has, would sign what the run's processes cannot read.
        signing = {"LEADSYS_SECRET_KEY": self.home.read_state().secret_key}
        return environment | environment_for(self.home) | signing | {"PORT": str(self.port)} | self.settings

    @property
    def postgres(self) -> Postgres:
        """The embedded PostgreSQL."""
        return Postgres(self.home, self.home.read_state())

    @property
    def valkey(self) -> Valkey:
        """The embedded Valkey."""
        return Valkey(self.home, self.home.read_state())

    def connect(self) -> "psycopg.Connection[Any]":
        """A look at the database past row security, one statement a transaction."""
        state = self.home.read_state()
        return psycopg.connect(
            host="127.0.0.1",
            port=state.postgres_port,
            user=SUPERUSER,
            password=state.superuser_password,
            dbname=DATABASE,
            autocommit=True,
            connect_timeout=5,
        )


class Eye:
    """A connection that looks at the database, made anew whenever the server has ended beneath it."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._connection: psycopg.Connection[Any] | None = None

    def see(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises psycopg.Error while the server is away."""
        if self._connection is None or self._connection.closed:
            self._connection = self._stack.connect()
        try:
            cursor = self._connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            self.close()
            raise

    def see_at_last(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query, waiting for the server if need be."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.see(query, parameters)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def command_line(process: psutil.Process) -> str:
    """How a living process was called; empty for one that has ended."""
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join(process.cmdline())
    return ""


def wait_for(
    condition: Callable[[], object], *, what: str, stack: RunningStack, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a condition holds, within bounds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} took too long:\n{stack.said()}"
        time.sleep(0.1)


def start(folder: Path, settings: Mapping[str, str] | None = None) -> RunningStack:
    """A stack that is ready, its home in ``folder``."""
    stack = RunningStack(Home(folder / "home"), settings)
    try:
        wait_for(
            lambda: "Ready" in stack.said() or stack.process.poll() is not None,
            what="starting",
            stack=stack,
            seconds=START_SECONDS,
        )
        assert stack.process.poll() is None, stack.said()
    except BaseException:
        clear(stack)
        raise
    return stack


def clear(stack: RunningStack) -> None:
    """End whatever is left, by the home's own means, and remove what root keeps elsewhere."""
    if stack.process.poll() is None:
        stack.process.send_signal(signal.SIGTERM)
        stack.process.wait(60)
    environment = {**os.environ, "LEADSYS_HOME": str(stack.home.folder)}
    subprocess.run([sys.executable, "-m", "leadsys.embedded.stop"], cwd=PROJECT, env=environment, check=True)
    state = stack.home.read_state()
    if state.cluster:
        shutil.rmtree(Path(state.cluster).parent)
