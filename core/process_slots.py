"""Which of a small number of slots this process has: the name of the files in which it counts.

A process that ends, however it ends, leaves its slot to the next one, which goes on from what is written there. So the folder
stays as small as the number of processes that ever ran at once, and no count goes back when a process dies. The kernel holds
the slots (POSIX record locks on one file), across containers that share the folder too; a forked child has none of its
parent's and takes one of its own.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

# The first byte of the lock file is held while somebody looks for a slot; byte n + 1 belongs to slot n.
_DOOR: Final = 0
_PATIENCE_SECONDS: Final = 5.0
SLOTS: Final = 1024
# Room for some thousand series, set aside on the disk beforehand: a write to a mapped file on a full disk kills the process.
FILE_BYTES: Final = 1 << 20
KINDS: Final = ("counter", "histogram", "summary")


class NoSlot(OSError):
    """Every slot is taken, or somebody has been looking for one all the time."""


class ProcessSlot:
    """The slot of this process in a folder; ``number()`` is cheap and right after a fork too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = 0
        self._number = 0
        self._descriptor = -1

    def number(self) -> int:
        """The slot, taken at the first call in each process.

        Raises OSError if the folder can't be used or the disk is full. A forked child that can't have one any more stays with
        its parent's: a count that is lost now and then is better than work that fails.
        """
        if self._pid != os.getpid():
            try:
                self._take()
            except OSError as error:
                if self._pid == 0:
                    raise
                log.warning("counting with the parent process", folder=str(self._folder), error=str(error))
                self._pid = os.getpid()
        return self._number

    def _take(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # What a fork left us is not ours: closing it takes nothing from the parent. Beat has closed it already.
        descriptor = os.open(self._folder / "slots.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock_door(descriptor)
        try:
            is_first = all(_is_free(descriptor, slot) for slot in range(_used_slots(self._folder)))
            if is_first:
                # Nobody counts here: begin anew, free of whatever a power cut or another version left.
                for path in self._folder.glob("*.db"):
                    path.unlink(missing_ok=True)
            number = next((slot for slot in range(SLOTS) if _hold(descriptor, slot)), None)
            if number is None:
                raise NoSlot(f"All {SLOTS} slots of {self._folder} are taken.")
            for kind in KINDS:
                _set_aside(self._folder / f"{kind}_{number}.db")
        except BaseException:
            os.close(descriptor)
            raise
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _DOOR)
        # Never closed while the process lives: closing any descriptor of the file would end every lock on it.
        self._descriptor, self._number, self._pid = descriptor, number, os.getpid()

    def _lock_door(self, descriptor: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _DOOR)
            except (BlockingIOError, PermissionError):
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise NoSlot(f"{self._folder} has been locked for {_PATIENCE_SECONDS:.0f} s.") from None
                time.sleep(0.01)
            else:
                return


def _used_slots(folder: Path) -> int:
    """One more than the highest slot that has files."""
    numbers = [int(path.stem.rpartition("_")[2]) for path in folder.glob("*_*.db")]
    return max(numbers, default=-1) + 1


def _hold(descriptor: int, slot: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot + 1)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_free(descriptor: int, slot: int) -> bool:
    if not _hold(descriptor, slot):
        return False
    fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, slot + 1)
    return True


def _set_aside(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, FILE_BYTES)
    finally:
        os.close(descriptor)
