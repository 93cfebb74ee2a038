"""Places of values in a text: Markdown sees words without meaning, the values come in when everything else is done.

So a value can't be read as Markdown, HTML or anything else, and what a text becomes is worked out once for every lead who
gets the same words around the values. In an address a value is percent-encoded.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

# A word that nobody writes: letters and digits in lower case, which nothing on the way changes. Known to this process only.
_WORD: Final = f"slot{secrets.token_hex(8)}n"
_SLOT: Final = re.compile(rf"{_WORD}([0-9]+)([ta])z")

SUBJECT: Final = 0
UNSUBSCRIBE_URL: Final = 1


def slot(index: int) -> str:
    """The word that stands for a value."""
    return f"{_WORD}{index}tz"


def in_address(text: str) -> str:
    """The same text where it is an address: its values are to be percent-encoded."""
    return _SLOT.sub(lambda found: f"{_WORD}{found[1]}az", text)


def fill(text: str, values: Sequence[str], escape: Callable[[str], str] = str) -> str:
    """Put the values in their places, in one pass: what they hold is not looked at again."""

    def value(found: re.Match[str]) -> str:
        index = int(found[1])
        is_encoded = found[2] == "a" and values[index] != values[UNSUBSCRIBE_URL]
        return escape(quote(values[index], safe="") if is_encoded else values[index])

    return _SLOT.sub(value, text)
