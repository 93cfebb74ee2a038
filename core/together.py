"""Threads of one process that want the same thing done at the same time have it done in one go.

What works on sets costs little more for eight than for one. While one caller's work runs, others gather; the oldest of them then
does it for all of them. Callers who were served together tend to come again together, each with its next item: so whoever works
next waits for as many as there were, no longer than the work takes. Who comes alone is served at once.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Longer for a thread than any work may take; whoever waits so long has lost its leader to a fault of ours.
PATIENCE_SECONDS: Final = 120.0
# Those who were there before are waited for as long as the last work took, within these bounds: an answer and the next question
# take some milliseconds on their way.
LEAST_WAITED_SECONDS: Final = 0.003
MOST_WAITED_SECONDS: Final = 0.02
# How many groups are remembered.
MOST_GROUPS: Final = 1000


class _Waiting(Generic[Item, Result]):
    """One caller: what it brings, and what came of it once ``is_done``."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn: threading.Event | None = None
        self.is_done = False
        self.result: Result
        self.error: BaseException | None = None


class _Group(Generic[Item, Result]):
    """Those who bring the same key. One of them works while ``is_served``; the others are ``waiting``.

    When the last work ended there was a ``company`` of so many, who are waited for ``until`` then; ``is_complete`` is set once
    they have come.
    """

    def __init__(self) -> None:
        self.waiting: list[_Waiting[Item, Result]] = []
        self.is_served = False
        self.company = 0
        self.until = 0.0
        self.is_complete: threading.Event | None = None

    def is_forgotten(self, now: float) -> bool:
        """Whether nothing is known of it any more."""
        return not self.is_served and now >= self.until


class Together(Generic[Item, Result]):
    """Work on a list of items that gives one result each, in order, for callers that bring one item.

    ``key`` of a call is what callers must have in common to be served together, as the tenant. An error of the work is raised
    to everyone it was for; where one item can spoil the others' work, the work has to see to that.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._groups: dict[Hashable, _Group[Item, Result]] = {}

    def __call__(self, *, key: Hashable, item: Item) -> Result:
        """What the work gives for this item. Raises what the work raises."""
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = self._make_room()
            group.waiting.append(mine)
            if group.is_served:
                mine.turn = threading.Event()
                if group.is_complete is not None and len(group.waiting) >= group.company:
                    group.is_complete.set()
            group.is_served = True
        if mine.turn is not None and not mine.turn.wait(PATIENCE_SECONDS):
            raise TimeoutError("The work of another caller, which would have done ours, does not end.")
        if not mine.is_done:
            self._lead(group)
        if mine.error is not None:
            raise mine.error
        return mine.result

    def waiting(self) -> int:
        """How many have come and are not being served yet."""
        with self._lock:
            return sum(len(group.waiting) for group in self._groups.values())

    def _make_room(self) -> _Group[Item, Result]:
        """A new group, in the place of those of which nothing is known any more."""
        if len(self._groups) >= MOST_GROUPS:
            now = time.monotonic()
            self._groups = {key: group for key, group in self._groups.items() if not group.is_forgotten(now)}
        return _Group()

    def _lead(self, group: _Group[Item, Result]) -> None:
        """Do the work for those who wait, the caller first among them, and leave the rest to the oldest of the rest."""
        self._gather(group)
        with self._lock:
            served, group.waiting = group.waiting[: self._most], group.waiting[self._most :]
            group.is_complete = None
        began = time.monotonic()
        try:
            results = self._work([each.item for each in served])
            for each, result in zip(served, results, strict=True):
                each.result = result
        except BaseException as error:  # noqa: BLE001 - raised again to everyone it is for
            for each in served:
                each.error = error
        for each in served:
            each.is_done = True
        ended = time.monotonic()
        with self._lock:
            rest = group.waiting[:1]
            group.is_served = bool(rest)
            group.company = min(len(served) + len(group.waiting), self._most)
            group.until = ended + min(max(ended - began, LEAST_WAITED_SECONDS), MOST_WAITED_SECONDS)
        for each in (*served, *rest):
            if each.turn is not None:
                each.turn.set()

    def _gather(self, group: _Group[Item, Result]) -> None:
        """Wait for those who were there when the last work ended, as long as that is worth it."""
        with self._lock:
            left = group.until - time.monotonic()
            if left <= 0 or len(group.waiting) >= group.company:
                return
            complete = group.is_complete = threading.Event()
        complete.wait(left)
