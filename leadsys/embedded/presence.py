"""Who runs the whole stack of a home, so that a second run is told and ``make stop`` finds the first."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leadsys.embedded.errors import EmbeddedError, folder_errors_explained
from leadsys.embedded.home import Home

STOP_PATIENCE_SECONDS = 75.0


@dataclass(frozen=True)
class RunPresence:
    """A file that the run holds locked while it lives."""

    home: Home

    @property
    def path(self) -> Path:
        """The file; it says the run's process id and port."""
        return self.home.folder / "run.json"

    @contextmanager
    def held(self, *, port: int) -> Iterator[None]:
        """Be the run of this home. Raises EmbeddedError if there is one already."""
        with folder_errors_explained(self.home.folder):
            handle = self.path.open("a+")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EmbeddedError(
                    f"LeadSys already runs from {self.home.folder}, at http://localhost:{self._read().get('port')}. End it "
                    f"with make stop, or set LEADSYS_HOME to another folder for a second one."
                ) from None
            handle.truncate(0)
            json.dump({"pid": os.getpid(), "port": port}, handle)
            handle.flush()
            yield

    def end(self) -> None:
        """Ask the run to end and wait until it has. Nothing happens if there is none. Raises EmbeddedError."""
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        asked = False
        while self._is_held():
            pid = self._read().get("pid")
            if pid is not None and not asked:
                with suppress(ProcessLookupError), folder_errors_explained(self.home.folder):
                    os.kill(pid, signal.SIGTERM)
                asked = True
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"The run with process id {pid} does not end. End it by hand and try again."
                )
            time.sleep(0.05)

    def _is_held(self) -> bool:
        try:
            with folder_errors_explained(self.home.folder), self.path.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _read(self) -> dict[str, int]:
        try:
            said = json.loads(self.path.read_text("ascii"))
        except (OSError, ValueError):  # being written this moment
            return {}
        return {"pid": int(said["pid"]), "port": int(said["port"])}
