"""Run a batch; find the members that fail and let the rest go through."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import DatabaseError, OperationalError, transaction

T = TypeVar("T")

RETRYABLE_SQLSTATES = {"40P01", "40001"}
# Connection lost; no room, memory or connections left; ended by an operator or a crash; the system's own errors.
TRANSIENT_CLASSES = {"08", "53", "57", "58"}


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when run again: a deadlock, a lost connection, a server going down, a full disk."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else None
    sqlstate = getattr(cause, "sqlstate", None)
    return (
        sqlstate in RETRYABLE_SQLSTATES
        or (isinstance(error, OperationalError) and sqlstate is None)
        or (sqlstate is not None and sqlstate[:2] in TRANSIENT_CLASSES)
    )


def run_bisected(
    batch: Sequence[T], run: Callable[[Sequence[T]], object], failed: Callable[[T, Exception], None]
) -> None:
    """Run ``run`` on the batch in a savepoint; on an error halve it until the members at fault are found.

    ``failed`` is called for each of them, outside the savepoint that was rolled back. Transient database errors are nobody's
    fault and go up.
    """
    try:
        with transaction.atomic():
            run(batch)
    except Exception as error:
        if is_transient(error):
            raise
        if len(batch) == 1:
            failed(batch[0], error)
            return
        middle = len(batch) // 2
        run_bisected(batch[:middle], run, failed)
        run_bisected(batch[middle:], run, failed)
