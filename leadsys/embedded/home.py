"""The folder of the embedded servers: where it is, its lock, and what is remembered in it."""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from leadsys.embedded.errors import EmbeddedError, folder_errors_explained

PROJECT = Path(__file__).resolve().parents[2]
LOCK_PATIENCE_SECONDS = 300.0
LOG_LIMIT_BYTES = 10_000_000
# In a folder of collected static files: what they were collected from.
COLLECTED_MARK = ".collected"


def _new_secret() -> str:
    return secrets.token_hex(24)


@dataclass
class State:
    """What a home remembers between starts. Written to ``servers.json``, readable by its owner only."""

    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    superuser_password: str = field(default_factory=_new_secret)
    owner_password: str = field(default_factory=_new_secret)
    app_password: str = field(default_factory=_new_secret)
    valkey_password: str = field(default_factory=_new_secret)
    secret_key: str = field(default_factory=_new_secret)
    """What Django signs sessions and links with; one for the web server, the worker and the commands."""
    postgres_port: int = 0
    valkey_port: int = 0
    cluster: str = ""
    """Absolute path of the data folder when it could not stay in the home; empty otherwise."""
    roles_made_by: str = ""
    """Digest of the roles' SQL that was last run, empty before the first time."""


@dataclass(frozen=True)
class Home:
    """One folder of embedded data. Two of them share nothing: other ports, other passwords, other processes."""

    folder: Path

    @property
    def logs(self) -> Path:
        """Folder of the servers' and the run's log files."""
        return self.folder / "log"

    @property
    def static(self) -> Path:
        """Folder of the collected static files that a run serves."""
        return self.folder / "static"

    def make(self) -> None:
        """Create the folders. Raises EmbeddedError if they can't be made or written to."""
        with folder_errors_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            # Others may pass through but not look: as root the servers run as a user of their own.
            self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            probe.write_bytes(b"?" * 4096)
            probe.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process at a time starts or stops servers. Raises EmbeddedError when another one takes minutes."""
        self.make()
        with folder_errors_explained(self.folder), (self.folder / "lock").open("w") as handle:
            deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"Another process has been starting or stopping the servers in {self.folder} for "
                            f"{LOCK_PATIENCE_SECONDS:.0f} seconds. See {self.logs}; end that process and try again."
                        ) from None
                    time.sleep(0.05)
            try:
                yield
            finally:
                self._give_to_owner()

    def _give_to_owner(self) -> None:
        """What root made in the home of an ordinary user stays usable for that user."""
        owner = self.folder.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for path in (self.logs, *self.logs.iterdir(), *self.folder.iterdir()):
            if path.is_file() or path == self.logs:
                os.chown(path, owner.st_uid, owner.st_gid)

    def read_state(self) -> State:
        """What was remembered, or a fresh state with new passwords. Raises EmbeddedError if the file is broken."""
        path = self.folder / "servers.json"
        with folder_errors_explained(self.folder):
            try:
                stored = json.loads(path.read_text("utf-8"))
                known = {each.name for each in fields(State)}
                return State(**{name: value for name, value in stored.items() if name in known})
            except FileNotFoundError:
                return State()
            except (ValueError, TypeError, AttributeError) as error:
                raise EmbeddedError(
                    f"{path} is damaged: {error}. It holds the passwords of the data beside it; bring it back from a "
                    f"backup, or remove {self.folder} to start with empty data."
                ) from error

    def ensure_state(self) -> State:
        """What is remembered, what was missing made up and written. Call under the lock."""
        state = self.read_state()
        path = self.folder / "servers.json"
        if not path.exists() or json.loads(path.read_text("utf-8")) != asdict(state):
            self.write_state(state)
        return state

    def write_state(self, state: State) -> None:
        """Remember, in one step, so that a crash leaves the old or the new state and never half of one."""
        path = self.folder / "servers.json"
        new = path.with_suffix(".new")
        with folder_errors_explained(self.folder):
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(state), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)

    def log_file(self, name: str) -> Path:
        """The log file of one part, moved aside first when it has grown beyond ten megabytes."""
        path = self.logs / f"{name}.log"
        with folder_errors_explained(self.folder):
            if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
                path.replace(path.with_suffix(".log.1"))
        return path

    def trim_log(self, path: Path) -> None:
        """Begin the log of a living process anew when it has grown too large; the old lines are kept beside it."""
        if not path.exists() or path.stat().st_size <= LOG_LIMIT_BYTES:
            return
        with suppress(OSError):  # on a full disk the old lines are lost, and there is room again
            shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)  # the process appends, so it goes on at the new end


def find_home() -> Home:
    """The home that ``LEADSYS_HOME`` names, else ``.leadsys`` in the project."""
    named = os.environ.get("LEADSYS_HOME")
    return Home(Path(named).expanduser().absolute() if named else PROJECT / ".leadsys")
