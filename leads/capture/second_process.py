"""A second process of an import that takes in its share of the rows. If either of the two dies, the other ends too."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from django.db import connections
from django.utils.translation import gettext as _

T = TypeVar("T")


class SecondProcessFailed(RuntimeError):
    """The second process of an import ended before its rows did; what it committed stays."""


class SecondProcess(Generic[T]):
    """The second process, as the first one sees it."""

    def __init__(self, receiver: Connection) -> None:
        self._receiver = receiver
        self._progress = 0
        self._result: list[T] = []

    def progress(self) -> int:
        """The number it told last, without waiting."""
        while not self._result and self._receiver.poll():
            self._take()
        return self._progress

    def wait(self) -> T:
        """Its result, once it is done. Raises SecondProcessFailed."""
        while not self._result:
            self._take()
        return self._result[0]

    def _take(self) -> None:
        try:
            kind, told = self._receiver.recv()
        except EOFError as error:
            raise SecondProcessFailed(
                _("The second process of the import died. Run the import again; it goes on where it was.")
            ) from error
        if kind == "failed":
            raise SecondProcessFailed(told)
        if kind == "done":
            self._result.append(told)
        else:
            self._progress = told


@contextmanager
def second_process(work: Callable[[Callable[[int], None]], T]) -> Iterator[SecondProcess[T]]:
    """Run ``work(tell)`` in a process forked from this one; what it tells is its progress, what it returns the result.

    It has connections of its own to the databases. Leaving the block ends it, whatever it was doing.
    """
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_run, args=(receiver, sender, work), daemon=True)
    process.start()
    sender.close()
    try:
        yield SecondProcess(receiver)
    finally:
        receiver.close()
        process.terminate()
        process.join()


def _run(receiver: Connection, sender: Connection, work: Callable[[Callable[[int], None]], object]) -> None:
    # With its only reader gone, telling fails, and that ends this process.
    receiver.close()
    # Ctrl-C reaches both, and the first process decides; no handler of its for being ended applies here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _leave_connections()
    with suppress(BrokenPipeError):
        try:
            result = work(lambda number: sender.send(("progress", number)))
        except BrokenPipeError:
            raise
        except Exception:
            sender.send(("failed", traceback.format_exc()))
            raise
        sender.send(("done", result))


def _leave_connections() -> None:
    """The first process goes on with its connections: this one lets go of them without a word to the server."""
    for one in connections.all(initialized_only=True):
        if one.connection is not None:
            os.close(one.connection.pgconn.socket)
            one.connection = None
