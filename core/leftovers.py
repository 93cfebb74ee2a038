"""What a sender has still to send when the answer is known already: a body that was refused unread, or only in part.

The server closes a connection on which something is left. Whoever is still sending then sees a broken pipe and never the answer
that says why; so what is left is taken off the line first, as far as that is cheap.
"""

import time
from typing import Any, Final

# What the machines between the two have taken by themselves, so that their sender reads the answer anyway.
SMALL_BYTES: Final = 64 * 1024
# Who sends more, or more slowly, is cut off.
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_SECONDS: Final = 5.0


def take_leftovers(environ: dict[str, Any]) -> None:
    """Read and forget what is left of a request's body; ``environ`` as in PEP 3333, answered but not yet sent."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) <= SMALL_BYTES or "HTTP_EXPECT" in environ:
        # Whoever expects to be told to go on has sent nothing yet.
        return
    taken, until = 0, time.monotonic() + MOST_SECONDS
    while taken < MOST_BYTES and time.monotonic() < until:
        piece = environ["wsgi.input"].read(SMALL_BYTES)
        if not piece:
            return
        taken += len(piece)
