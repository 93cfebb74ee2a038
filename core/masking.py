"""What leaves the database for a log or an error report is masked: nobody's address, no key, no link's secret."""

import re
from typing import Final

MASK: Final = "…"
_PATTERNS: Final = (
    # PostgreSQL's detail repeats the row that broke a constraint.
    (re.compile(r"(?m)^(DETAIL|CONTEXT):.*$"), rf"\1: {MASK}"),
    # A password in the address of a server.
    (re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@"), rf"\1:{MASK}@"),
    (re.compile(r"[\w.+%'-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), f"{MASK}@{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"\blsk_\w+"), f"lsk_{MASK}"),
    (re.compile(r"\bwhsec_[\w+/=]+"), f"whsec_{MASK}"),
    # Phone numbers in international form.
    (re.compile(r"\+\d[\d\s().-]{6,}\d"), f"+{MASK}"),
    # Secrets of links are 43 characters of base64; no word and no id is as long.
    (re.compile(r"(?<![\w-])[A-Za-z0-9_-]{40,}(?![\w-])"), MASK),
)


def mask(text: str) -> str:
    """The text without e-mail addresses, phone numbers in international form, keys and long secrets."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
