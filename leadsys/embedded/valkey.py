"""The embedded Valkey. It carries wake-up calls only, so nothing of it is kept on disk."""

import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from leadsys.embedded.account import find_account, reachable_programs
from leadsys.embedded.errors import EmbeddedError
from leadsys.embedded.home import Home, State
from leadsys.embedded.processes import DetachedProcess, choose_port, last_lines
from leadsys.embedded.programs import find_programs

START_PATIENCE_SECONDS = 30.0


@dataclass
class Valkey:
    """The Valkey of one home. Every method that changes something is called under the home's lock."""

    home: Home
    state: State

    @property
    def process(self) -> DetachedProcess:
        """The server's process."""
        return DetachedProcess(self.home.folder / "valkey.alive", self.home.folder / "valkey.pid")

    @property
    def url(self) -> str:
        """Address of the broker."""
        return f"redis://:{self.state.valkey_password}@127.0.0.1:{self.state.valkey_port}/0"

    def is_running(self) -> bool:
        """Whether the server lives."""
        return self.process.pid() is not None

    def ensure(self, *, cluster: Path) -> None:
        """Start the server unless it runs, as the owner of ``cluster`` when we are root. Raises EmbeddedError."""
        if self.is_running():
            if self._answers():
                return
            self.stop()  # killed this moment, or stuck; it holds nothing
        programs, account = find_programs(), find_account(cluster=cluster)
        if account is not None:
            programs = reachable_programs(account, programs)
        log = self.home.log_file("valkey")
        for _ in range(4):
            self.state.valkey_port = choose_port(self.state.valkey_port)
            self.home.write_state(self.state)
            child = self.process.start(
                # The settings come by standard input: a password on the command line is seen by every user.
                [str(programs.valkey), "-"],
                log=log,
                folder=Path("/"),
                environment={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC"},
                account=account,
                stdin=self._settings().encode("ascii"),
            )
            deadline = time.monotonic() + START_PATIENCE_SECONDS
            while child.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return
                time.sleep(0.02)
            self.stop()
            self.state.valkey_port = 0
        raise EmbeddedError(f"Valkey did not start. The end of {log}:\n{last_lines(log)}")

    def stop(self) -> None:
        """End the server."""
        for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            self.process.send(number)
            if self.process.wait_until_gone(seconds=patience):
                return

    def _settings(self) -> str:
        return (
            "bind 127.0.0.1\n"
            f"port {self.state.valkey_port}\n"
            f"requirepass {self.state.valkey_password}\n"
            "daemonize no\n"
            'save ""\n'
            "appendonly no\n"
            "databases 4\n"
            "loglevel warning\n"
            'logfile ""\n'
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.state.valkey_port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self.state.valkey_password}\r\n".encode("ascii"))
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False
