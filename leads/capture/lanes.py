"""Which of two processes takes in which row of a file: never do both touch the same lead.

A row whose identity comes once in the file is either one's. Rows that share an identity have to be taken in in their order, and
rows without one are counted by their place in the file: these come last, when one process is left.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from leads.capture.files import Row
from leads.capture.mapping import ColumnPlan

LAST: Final = 0
FIRST: Final = 1
SECOND: Final = 2
# One process is as quick for less, and for more the keys would take too much memory.
LEAST_ROWS: Final = 2_000
MOST_ROWS: Final = 3_000_000

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
        for row in rows:
            self._count += 1
            for (field, column, normalise), keys in zip(self._fields, self._keys, strict=True):
                text = "" if row.refusal is not None else self._plan.clean(column, row.values[column])
                key = normalise(text) if text else None
                mark = hash((field, key)) if key else 0
                keys.append(mark)
                if mark in self._seen:
                    self._repeated.add(mark)
                elif mark:
                    self._seen.add(mark)

    def lanes(self) -> bytearray:
        """One lane for each row, in order; FIRST and SECOND in turns."""
        lanes = bytearray(self._count)
        turn = FIRST
        for number, keys in enumerate(zip(*self._keys, strict=True) if self._keys else ()):
            if any(keys) and self._repeated.isdisjoint(keys):
                lanes[number] = turn
                turn = FIRST + SECOND - turn
        return lanes
