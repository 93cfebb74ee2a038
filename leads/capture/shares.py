"""Which batches of a wave a process reads: the next one that nobody has begun, so that both are done at the same time."""

import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import compress, count, repeat
from math import ceil
from typing import Final

from leads.capture.files import Row
from leads.capture.row_reader import BATCH_SIZE
from leads.capture.waves import FIRST, REST

# So many rows, each about a kilobyte, are kept rather than read again.
MOST_KEPT: Final = 20_000

# The number of the next batch, for whoever asks; None if there is none left.
TakeTurn = Callable[[], int | None]


@contextmanager
def turns(number: int) -> Iterator[TakeTurn]:
    """The numbers below ``number`` in order, each for whichever of the processes forked within the block asks first.

    They stand in a file without a name: processes forked from one read on where any of them has stopped. No lock can be held by
    one that is killed.
    """
    numbers = array("L", range(number))
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(numbers.tobytes())
        file.seek(0)

        def take() -> int | None:
            told = array("L", file.read(numbers.itemsize))
            return told[0] if told else None

        yield take


class WaveRows:
    """The rows of a file by wave. Those of later waves and of the rest are few as a rule, and kept when the first one is read."""

    def __init__(self, source: Callable[[Iterable[bool]], Iterable[Row]], waves: bytearray) -> None:
        self._source = source
        self._waves = waves
        self._keeps = len(waves) - waves.count(FIRST) <= MOST_KEPT
        self._kept: list[tuple[int, Row]] | None = None

    @property
    def numbers(self) -> range:
        """The waves that two processes share, in their order."""
        return range(FIRST, max(self._waves, default=REST) + 1)

    def batches(self, wave: int) -> tuple[int, int]:
        """How many batches a wave has, and of how many rows: an even number of equal ones."""
        rows = self._waves.count(wave)
        pairs = ceil(rows / (2 * BATCH_SIZE))
        size = ceil(rows / (2 * pairs))
        return ceil(rows / size), size

    def rest(self) -> Iterator[Row]:
        """The rows that one process takes in at the end, in order."""
        if self._kept is not None:
            return (row for each, row in self._kept if each == REST)
        return iter(self._source(each == REST for each in self._waves))

    def share(self, wave: int, take_turn: TakeTurn, *, keeps: bool = False) -> Iterator[Row]:
        """The rows of those batches of a wave that ``take_turn`` gives, in order; it is asked when one is to be begun. With
        ``keeps`` the rest of the file may be kept for later."""
        mine = _is_mine(take_turn, self.batches(wave)[1])
        if self._kept is not None:
            return compress((row for each, row in self._kept if each == wave), mine)
        if keeps and wave == FIRST and self._keeps:
            return self._read_first(mine)
        return iter(self._source(each == wave and next(mine) for each in self._waves))

    def _read_first(self, mine: Iterator[bool]) -> Iterator[Row]:
        kept: list[tuple[int, Row]] = []
        read: deque[int] = deque()

        def choose() -> Iterator[bool]:
            for each in self._waves:
                is_chosen = each != FIRST or next(mine)
                if is_chosen:
                    read.append(each)
                yield is_chosen

        for row in self._source(choose()):
            wave = read.popleft()
            if wave == FIRST:
                yield row
            else:
                kept.append((wave, row))
        self._kept = kept


def _is_mine(take_turn: TakeTurn, size: int) -> Iterator[bool]:
    """Of the rows of a wave, in order without end, whether each is in a batch that ``take_turn`` gave."""
    mine = take_turn()
    for batch in count():
        if mine is not None and mine < batch:
            mine = take_turn()
        yield from repeat(mine == batch, size)
