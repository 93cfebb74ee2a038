"""What Django leaves alone of a request's body: one whose length nobody has said, and what was not read of one.

Both work on the environment of PEP 3333, around the application.
"""

import io
import time
from typing import Any, Final

from tenancy.doors import MAX_BODY_BYTES

# What the machines between the two have taken by themselves, so that their sender reads the answer anyway.
SMALL_BYTES: Final = 64 * 1024
# Who sends more, or more slowly, is cut off.
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_SECONDS: Final = 5.0
# More than any view takes (tenancy.doors).
_TOO_LONG: Final = str(1 << 62)


def measure_body(environ: dict[str, Any]) -> None:
    """Say the length of a body that comes in pieces, as many HTTP clients send what they have not written out before.

    To Django no length is an empty body: what was sent would be lost without a word. More than most views take is too long, also
    for those that take more.
    """
    if environ.get("CONTENT_LENGTH") or environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
        return
    body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        environ["CONTENT_LENGTH"] = _TOO_LONG
    elif body:
        environ["CONTENT_LENGTH"], environ["wsgi.input"] = str(len(body)), io.BytesIO(body)


def take_leftovers(environ: dict[str, Any]) -> None:
    """Read and forget what is left of a body once its answer is known, as far as that is cheap.

    The server closes a connection on which something is left. Whoever is still sending then sees a broken pipe, and never the
    answer that says why.
    """
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
