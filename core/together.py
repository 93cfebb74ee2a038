"""Threads of one process that want the same thing done at the same time have it done in one go.

What works on sets costs little more for eight than for one. While one caller's work runs, others gather; the oldest of them then
does it for all of them. Nobody waits for company: who comes alone is served at once.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Longer for a thread than any work may take; whoever waits so long has lost its leader to a fault of ours.
PATIENCE_SECONDS: Final = 120.0


class _Waiting(Generic[Item, Result]):
    """One caller: what it brings, and what came of it once ``is_done``."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn: threading.Event | None = None
        self.is_done = False
        self.result: Result
        self.error: BaseException | None = None


class Together(Generic[Item, Result]):
    """Work on a list of items that gives one result each, in order, for callers that bring one item.

    ``key`` of a call is what callers must have in common to be served together, as the tenant. An error of the work is raised
    to everyone it was for; where one item can spoil the others' work, the work has to see to that.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        # By key, who waits for its turn; a key is in it as long as somebody works for it.
        self._waiting: dict[Hashable, list[_Waiting[Item, Result]]] = {}

    def __call__(self, *, key: Hashable, item: Item) -> Result:
        """What the work gives for this item. Raises what the work raises."""
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            if key in self._waiting:
                mine.turn = threading.Event()
            self._waiting.setdefault(key, []).append(mine)
        if mine.turn is not None and not mine.turn.wait(PATIENCE_SECONDS):
            raise TimeoutError("The work of another caller, which would have done ours, does not end.")
        if not mine.is_done:
            self._lead(key)
        if mine.error is not None:
            raise mine.error
        return mine.result

    def waiting(self) -> int:
        """How many have come and are not being served yet."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _lead(self, key: Hashable) -> None:
        """Do the work for those who wait, the caller first among them, and leave the rest to the oldest of the rest."""
        with self._lock:
            waiting = self._waiting[key]
            served, self._waiting[key] = waiting[: self._most], waiting[self._most :]
        try:
            results = self._work([each.item for each in served])
            for each, result in zip(served, results, strict=True):
                each.result = result
        except BaseException as error:  # noqa: BLE001 - raised again to everyone it is for
            for each in served:
                each.error = error
        for each in served:
            each.is_done = True
        with self._lock:
            rest = self._waiting[key]
            if not rest:
                del self._waiting[key]
        for each in (*served, *rest[:1]):
            if each.turn is not None:
                each.turn.set()
