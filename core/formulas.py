"""Cells that a spreadsheet would take for formulas: made harmless in every file that people download.

A cell that begins with one of these may run when the file is opened (OWASP, "CSV injection"); an apostrophe before it makes it a
text. Numbers and phone numbers stay as they are.
"""

import re
from typing import Final

_BEGINS_FORMULA: Final = re.compile(r"[\s]*[=+\-@\t\r|%]")
_HARMLESS: Final = re.compile(r"[+-]?[0-9][0-9 ().,/-]*|-+")


def defuse(text: str) -> str:
    """The text as a cell that nothing will calculate."""
    if not _BEGINS_FORMULA.match(text) or _HARMLESS.fullmatch(text):
        return text
    return f"'{text}"


def fuse(text: str) -> str:
    """The text that ``defuse`` was given."""
    return text[1:] if text.startswith("'") and defuse(text[1:]) == text else text
