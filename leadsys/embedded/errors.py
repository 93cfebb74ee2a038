"""The one error of the embedded servers, and the system's errors in words that say how to mend them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OTHER_FOLDER = "or set LEADSYS_HOME to a folder with room that you may write to"


class EmbeddedError(RuntimeError):
    """The embedded servers cannot be had. The message says why and how to mend it."""


def folder_is_full(folder: Path) -> EmbeddedError:
    """No space or quota left where ``folder`` is."""
    return EmbeddedError(f"No space is left for {folder}. Free some, {_OTHER_FOLDER}.")


@contextmanager
def folder_errors_explained(folder: Path) -> Iterator[None]:
    """Turn what the system says about a folder that is full, read-only or somebody else's into EmbeddedError."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise folder_is_full(folder) from error
        if error.errno == errno.EROFS:
            raise EmbeddedError(
                f"{folder} is on a read-only file system. Remount it, {_OTHER_FOLDER}."
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise EmbeddedError(
                f"{error.filename or folder} may not be read or written by this user (it may have been made by another "
                f"one, such as root). Run as its owner, {_OTHER_FOLDER}."
            ) from error
        if error.errno in {errno.ENOTDIR, errno.EEXIST}:
            raise EmbeddedError(f"{folder} is not a folder. Move that file away, {_OTHER_FOLDER}.") from error
        raise
