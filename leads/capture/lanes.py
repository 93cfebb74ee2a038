"""Which of two processes takes in which row of a file: never do both touch the same lead at the same time.

Rows that share an identity have to be taken in in their order. So they go in waves, and both processes are done with one before
the next begins: first the rows in which an identity comes for the first time, then those in which it comes again, and so on.
Waves that are not worth two processes, and rows without an identity, which are counted by their place in the file, come last,
when one process is left.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from leads.capture.files import Row
from leads.capture.mapping import ColumnPlan

LAST: Final = 0
# Of the first wave; those of a later one follow in pairs.
FIRST: Final = 1
SECOND: Final = 2
MOST_WAVES: Final = 100
# One process is as quick for less, and for more the keys would take too much memory.
LEAST_ROWS: Final = 2_000
MOST_ROWS: Final = 3_000_000
# So many rows, each about a kilobyte, are kept rather than read again.
MOST_KEPT: Final = 20_000

Normalise = Callable[[str], str | None]


class LaneScan:
    """Fed with every row of a file, refused ones too, in order; then says each row's lane.

    ``identities``: by field, the normal form of a key; None for what is none.
    """

    def __init__(self, *, plan: ColumnPlan, identities: Mapping[str, Normalise]) -> None:
        self._plan = plan
        self._fields = [
            (field, plan.sources[field], normalise)
            for field, normalise in identities.items()
            if field in plan.sources
        ]
        # Hashes of keys, 0 for none: by field, one for each row.
        self._keys = [array("q") for _field in self._fields]
        self._seen: set[int] = set()
        self._repeated: set[int] = set()
        self._count = 0

    def feed(self, rows: Iterable[Row]) -> None:
        rows, clean = list(rows), self._plan.clean
        self._count += len(rows)
        for (field, column, normalise), keys in zip(self._fields, self._keys, strict=True):
            texts = ("" if row.refusal is not None else clean(column, row.values[column]) for row in rows)
            marks = [hash((field, key)) if text and (key := normalise(text)) else 0 for text in texts]
            keys.extend(marks)
            self._note(marks)

    def _note(self, marks: list[int]) -> None:
        times = Counter(marks)
        del times[0]
        self._repeated.update(self._seen.intersection(times))
        self._repeated.update(mark for mark, count in times.items() if count > 1)
        self._seen.update(times)

    def lanes(self) -> bytearray:
        """One lane for each row, in order: LAST, or those of its wave in turns."""
        waves = self._waves()
        sizes = Counter(waves)
        shared = next((wave for wave in range(1, MOST_WAVES) if sizes[wave] < LEAST_ROWS), MOST_WAVES)
        turns = [FIRST] * shared
        lanes = bytearray(self._count)
        for number, wave in enumerate(waves):
            if 0 <= wave < shared:
                lanes[number] = turns[wave] + 2 * wave
                turns[wave] = FIRST + SECOND - turns[wave]
        return lanes

    def _waves(self) -> "array[int]":
        """The wave of each row, -1 for none; rows that share an identity are in different ones, in their order."""
        waves = array("i", [-1]) * self._count
        last_of: dict[int, int] = {}
        for number, keys in enumerate(zip(*self._keys, strict=True)):
            if self._repeated.isdisjoint(keys):
                waves[number] = 0 if any(keys) else -1
            else:
                shared = self._repeated.intersection(keys)
                wave = 1 + max(last_of.get(key, -1) for key in shared)
                last_of.update(dict.fromkeys(shared, wave))
                waves[number] = wave
        return waves


def count_waves(lanes: bytearray) -> int:
    """How many waves two processes share."""
    return (max(lanes, default=LAST) + 1) // 2


def lanes_of(wave: int) -> tuple[int, int]:
    """The lanes of a wave, the first process's and the second's."""
    return FIRST + 2 * wave, SECOND + 2 * wave


class LaneRows:
    """The rows of a file by lane. Those of later waves and of the last lane are few as a rule, and kept at the first reading."""

    def __init__(self, source: Callable[[Iterable[bool]], Iterable[Row]], lanes: bytearray) -> None:
        self._source = source
        self._lanes = lanes
        self._keeps = len(lanes) - lanes.count(FIRST) - lanes.count(SECOND) <= MOST_KEPT
        self._kept: list[tuple[int, Row]] | None = None

    def of(self, lane: int) -> Iterator[Row]:
        """The rows of a lane, in order."""
        if self._kept is not None:
            return (row for each, row in self._kept if each == lane)
        if lane == FIRST and self._keeps:
            return self._read_first()
        return iter(self._source(each == lane for each in self._lanes))

    def _read_first(self) -> Iterator[Row]:
        kept = []
        rows = self._source(each != SECOND for each in self._lanes)
        for lane, row in zip((each for each in self._lanes if each != SECOND), rows, strict=False):
            if lane == FIRST:
                yield row
            else:
                kept.append((lane, row))
        self._kept = kept
