"""``make run``: everything that LeadSys needs on one machine, in the foreground, until Ctrl-C.

The servers are stopped at the end if this run started them. Logs of all parts are in the home's ``log`` folder, so that the
terminal stays calm and its last lines are the address and the demo persons. ``LEADSYS_DEMO=0`` leaves the demo tenant out.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from leadsys.embedded.errors import EmbeddedError
from leadsys.embedded.home import COLLECTED_MARK, PROJECT, Home, find_home
from leadsys.embedded.parts import Part
from leadsys.embedded.presence import RunPresence
from leadsys.embedded.processes import last_lines, port_is_free
from leadsys.embedded.servers import environment_for, servers_are_running, start_servers, stop_servers

LOOK_EVERY_SECONDS = 0.25
WEB_PATIENCE_SECONDS = 90.0
PORT_PATIENCE_SECONDS = 3.0


class Stopped(Exception):
    """The person asked the run to end while it was starting."""


@dataclass
class Run:
    """One run of the whole stack."""

    home: Home
    port: int
    own_servers: bool
    """Whether the database and the broker are the embedded ones."""
    environment: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    started_servers: bool = False
    stopping: bool = False
    readiness: str = ""
    """What the web server last said about itself."""
    preparing: "subprocess.Popen[str] | None" = None

    def go(self) -> None:
        """Start everything, say where it is, keep it alive until a signal comes, stop what was started."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self.home.make()
        self._wait_for_port()
        try:
            self._start_servers()
            web, others = self._list_parts()
            people = self._prepare_beside(web)
            say(f"Starting the web server and the worker; logs are in {self.home.logs}")
            self._wait_for_web()
            # Not before: the worker takes a core for seconds to load its code, and people wait for the web server.
            self._start_parts(others)
            say(f"Ready http://localhost:{self.port}")
            for line in people:
                say(line)
            self._keep_alive()
        except Stopped:
            pass
        finally:
            self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _look(self) -> None:
        """Pause between two looks. Raises Stopped after a signal."""
        if self.stopping:
            raise Stopped
        time.sleep(LOOK_EVERY_SECONDS)
        if self.stopping:
            raise Stopped

    def _wait_for_port(self) -> None:
        """A run that was killed a moment ago may not have let go of its port yet; anyone else's is an error."""
        deadline = time.monotonic() + PORT_PATIENCE_SECONDS
        while not port_is_free(self.port):
            if time.monotonic() > deadline:
                free = next(port for port in range(self.port % 65_000 + 1, 65_536) if port_is_free(port))
                raise EmbeddedError(
                    f"Port {self.port} of 127.0.0.1 is taken by another program. Choose another one: "
                    f"make run PORT={free}"
                )
            self._look()

    def _start_servers(self) -> None:
        if self.own_servers:
            say(f"Starting PostgreSQL and Valkey in {self.home.folder}")
            self.started_servers = not servers_are_running(self.home)
            start_servers(self.home)
        self._set_environment()

    def _set_environment(self) -> None:
        self.environment = {
            **os.environ,
            **(environment_for(self.home) if self.own_servers else {}),
            "DJANGO_SETTINGS_MODULE": "leadsys.settings",
            "LEADSYS_HOME": str(self.home.folder),
            "LEADSYS_METRICS_FOLDER": str(self.home.folder / "run" / "metrics"),
            "LEADSYS_STATIC_ROOT": str(self.home.static),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }

    def _prepare_beside(self, web: Part) -> list[str]:
        """Prepare, in a home that was prepared before while the web server loads its code; the lines about the demo persons.

        The server says that it is ready only when the database is.
        """
        collected = self._static_files()
        if collected:
            self._start_parts([web])
        lines = self._prepare()
        if self._static_files() != collected:  # one that has begun with the files of before begins again
            web.ask_to_stop()
            web.stop()
            self._start_parts([web])
        return lines

    def _prepare(self) -> list[str]:
        """Migrate, collect static files, make the demo persons; their lines."""
        say("Preparing the database")
        log = self.home.log_file("prepare")
        with log.open("ab") as output:
            self.preparing = subprocess.Popen(
                [sys.executable, "-m", "leadsys.embedded.prepare", *(["--demo"] if wants_demo() else [])],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )
            # A few short lines, so they fit the pipe while we look for signals.
            while self.preparing.poll() is None:
                self._look()
        assert self.preparing.stdout is not None
        lines = self.preparing.stdout.read().splitlines()
        if self.preparing.returncode != 0:
            raise EmbeddedError(
                f"The database could not be prepared. The end of {log}:\n{last_lines(log, count=25)}"
            )
        return lines

    def _static_files(self) -> str:
        """What tells the collected static files from those of before; empty where there are none yet."""
        mark = self.home.static / COLLECTED_MARK
        return mark.read_text("ascii") if mark.exists() else ""

    def _list_parts(self) -> tuple[Part, list[Part]]:
        """The web server, and what works behind it."""
        python, log_file = sys.executable, self.home.log_file
        web = [
            python,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        web += ["--workers", "1", "--blocking-threads", "4", "--no-ws", "--log-level", "warning"]
        web += ["--respawn-failed-workers", "leadsys.wsgi:application"]
        worker = [python, "-m", "celery", "-A", "leadsys.celery", "worker", "--beat", "--concurrency", "1"]
        # One process works and one beats. The schedule is static, so beat keeps nothing on disk that a crash could damage.
        worker += ["--pool", "solo", "--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING"]
        worker += ["--without-gossip", "--without-mingle", "--hostname", f"leadsys-{self.port}@localhost"]
        demo = [python, "manage.py", "build_demo"]
        others = [Part("worker", worker, log_file("worker"), needs_child=True)]
        if wants_demo():
            others.append(Part("demo", demo, log_file("demo"), once=True, polite=True))
        return Part("web", web, log_file("web")), others

    def _start_parts(self, parts: Sequence[Part]) -> None:
        for part in parts:
            part.start(self.environment)
        self.parts += [part for part in parts if part not in self.parts]

    def _wait_for_web(self) -> None:
        web = self.parts[0]
        deadline = time.monotonic() + WEB_PATIENCE_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or web.failures > 2:
                said = f"says {self.readiness}" if self.readiness else "does not answer"
                raise EmbeddedError(f"The web server {said}. The end of {web.log}:\n{last_lines(web.log)}")
            self._watch()
            self._look()

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)
        try:
            connection.request("GET", "/readyz", headers={"Host": f"localhost:{self.port}"})
            answer = connection.getresponse()
            self.readiness = answer.read(2000).decode("utf-8", "replace")
            return answer.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _keep_alive(self) -> None:
        while True:
            self._watch()
            self._look()

    def _watch(self) -> None:
        if self.own_servers:
            try:
                self._watch_servers()
            except EmbeddedError as error:
                tell(str(error))
                return
        for part in self.parts:
            part.watch(self.environment, tell)
            self.home.trim_log(part.log)

    def _watch_servers(self) -> None:
        if servers_are_running(self.home):
            return
        tell("PostgreSQL or Valkey ended; starting it again.")
        before = self.environment
        start_servers(self.home)
        self._set_environment()
        if self.environment != before:  # another program has taken a port meanwhile
            for part in self.parts:
                part.ask_to_stop()

    def _stop(self) -> None:
        if self.preparing is not None and self.preparing.poll() is None:
            self.preparing.terminate()
            self.preparing.wait()
        for part in self.parts:
            part.ask_to_stop()
        for part in self.parts:
            part.stop()
        if self.started_servers:
            stop_servers(self.home)


def say(line: str) -> None:
    """A line for the person, at once."""
    print(line, flush=True)


def tell(line: str) -> None:
    """A line about something that went wrong, beside the ordinary output."""
    print(line, file=sys.stderr, flush=True)


def wants_demo() -> bool:
    """Whether the demo tenant is to be built: unless ``LEADSYS_DEMO=0``."""
    return os.environ.get("LEADSYS_DEMO") != "0"


def read_port() -> int:
    """The port of the web server: ``PORT``, else 8000. Raises EmbeddedError."""
    raw = os.environ.get("PORT") or "8000"
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw) <= 65_535:
        raise EmbeddedError(
            f"PORT={raw} is not a port. Choose a number from 1024 to 65535: make run PORT=8000"
        )
    return int(raw)


def main() -> None:
    """Run until a signal comes."""
    try:
        port = read_port()
        home = find_home()
        home.make()
        with RunPresence(home).held(port=port):
            Run(home, port, own_servers=not os.environ.get("DATABASE_URL")).go()
    except EmbeddedError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
