"""What the garbage collector looks at in processes that live long, and in work that makes very many objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# A batch of a thousand leads makes a hundred thousand objects, hardly one of them part of a cycle; Python looks after 700.
NEW_OBJECTS: Final = 50_000


def keep_what_is_loaded() -> None:
    """Call once when a process has loaded its code: the collector passes over all that is there, and looks seldom at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)


@contextmanager
def looked_at_seldom() -> Iterator[None]:
    """The same for the work of one command: a fourth of the time that an import spends in Python is the collector's."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
