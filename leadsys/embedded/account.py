"""As whom the servers run, and from where. PostgreSQL refuses to run as root, so root hands it to a user of its own.

Nobody's folder permissions are widened for that: if the user can't reach the home or the programs (a checkout in ``/root``), the
data and a copy of the programs go to ``/var/lib/leadsys``, and the home remembers where.
"""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leadsys.embedded.errors import EmbeddedError, folder_errors_explained
from leadsys.embedded.programs import Programs

ACCOUNT_NAME = "leadsys"
SHARED_PLACE = Path("/var/lib/leadsys")


@dataclass(frozen=True)
class Account:
    """A system user other than root."""

    uid: int
    gid: int

    def run(self, command: Sequence[str]) -> bool:
        """Whether a short command succeeds as this user."""
        try:
            done = subprocess.run(
                command,
                cwd="/",
                user=self.uid,
                group=self.gid,
                extra_groups=(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError:
            return False
        return done.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Whether this user may pass into a folder."""
        return self.run(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])

    def can_run(self, programs: Programs) -> bool:
        """Whether this user may run the servers' programs where they are installed."""
        return (
            self.run([str(programs.postgres), "--version"])
            and self.run([str(programs.initdb), "--version"])
            and self.run([str(programs.valkey), "--version"])
        )


def find_account(*, cluster: Path) -> Account | None:
    """None for an ordinary user, who runs the servers as themselves. For root: the owner of the data folder if it has one
    already, else the system user ``leadsys``, made at need.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for _ in range(20):
        try:
            entry = pwd.getpwnam(ACCOUNT_NAME)
        except KeyError:
            _make_account()
        else:
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and the system user {ACCOUNT_NAME!r} could not be made. Run as an ordinary "
        f"user, or make it: useradd --system {ACCOUNT_NAME}"
    )


def _make_account() -> None:
    if program := shutil.which("useradd"):
        command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/bin/false", ACCOUNT_NAME]
    elif program := shutil.which("adduser"):
        command = [program, "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/bin/false", ACCOUNT_NAME]
    else:
        return
    # Two starters at once: one finds the password file locked, and the account there a moment later.
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        time.sleep(0.2)


def place_for(account: Account, *, home: Path, instance: str) -> Path:
    """Where this account can keep the data folder: the home, else a folder of the instance's own outside."""
    if account.can_enter(home):
        return home
    place = SHARED_PLACE / instance
    with folder_errors_explained(SHARED_PLACE):
        SHARED_PLACE.mkdir(parents=True, exist_ok=True)
        SHARED_PLACE.chmod(0o755)
        place.mkdir(exist_ok=True)
        place.chmod(0o711)
    return place


def reachable_programs(account: Account, programs: Programs) -> Programs:
    """The programs, or a copy that this account can run."""
    if account.can_run(programs):
        return programs
    copy = SHARED_PLACE / f"programs-{programs.versions}"
    with folder_errors_explained(SHARED_PLACE):
        if not copy.exists():
            SHARED_PLACE.mkdir(parents=True, exist_ok=True)
            SHARED_PLACE.chmod(0o755)
            half = SHARED_PLACE / f".programs-{programs.versions}-{os.getpid()}"
            programs.copy_to(half)
            try:
                half.rename(copy)
            except OSError:  # another starter was first
                shutil.rmtree(half)
    copied = programs.moved_to(copy)
    if not account.can_run(copied):
        raise EmbeddedError(
            f"The system user that runs PostgreSQL for root can run its programs neither in the virtual environment nor in "
            f"{copy}. Run as an ordinary user instead."
        )
    return copied
