"""In which wave a row of a file is taken in: two processes share the batches of one, and never do both touch the same lead at the
same time.

Rows that share an identity have to be taken in in their order. So both processes are done with one wave before the next begins:
first the rows in which an identity comes for the first time, then those in which it comes again, and so on. Waves that are not
worth two processes, and rows without an identity, which are counted by their place in the file, come last, when one process is
left.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from leads.capture.files import Row
from leads.capture.mapping import ColumnPlan

# What one process takes in at the end.
REST: Final = 0
FIRST: Final = 1
MOST_WAVES: Final = 100
# One process is as quick for less, and for more the keys would take too much memory.
LEAST_ROWS: Final = 2_000
MOST_ROWS: Final = 3_000_000

Normalise = Callable[[str], str | None]


class WaveScan:
    """Fed with every row of a file, refused ones too, in order; then says each row's wave.

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

    def waves(self) -> bytearray:
        """The wave of each row, in order: REST, or a number from FIRST on."""
        waves = self._all_waves()
        sizes = Counter(waves)
        shared = next((wave for wave in range(FIRST + 1, MOST_WAVES) if sizes[wave] < LEAST_ROWS), MOST_WAVES)
        return bytearray(wave if wave < shared else REST for wave in waves)

    def _all_waves(self) -> "array[int]":
        """Rows that share an identity are in different waves, in their order; REST for those without one."""
        waves = array("i", [REST]) * self._count
        last_of: dict[int, int] = {}
        for number, keys in enumerate(zip(*self._keys, strict=True)):
            if self._repeated.isdisjoint(keys):
                waves[number] = FIRST if any(keys) else REST
            else:
                shared = self._repeated.intersection(keys)
                wave = 1 + max(last_of.get(key, REST) for key in shared)
                last_of.update(dict.fromkeys(shared, wave))
                waves[number] = wave
        return waves
