"""JSON as I-JSON has it (RFC 7493): UTF-8, each name once, finite numbers; no NUL in any text, bounded depth and size."""

import json
import math
import re
from collections import Counter
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from tenancy.errors import FieldProblem, Invalid, TooLarge

MAX_JSON_DEPTH: Final = 20
# A thousand leads with a hundred values each are a third of it.
MAX_JSON_PARTS: Final = 300_000
# Python's own limit stands at 4,300, since reading a number takes the square of its digits.
MAX_DIGITS: Final = 100
# What JSON can only say by an escape: NUL, and halves of surrogate pairs.
_MAY_BE_HOSTILE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def parse_json(body: bytes | str) -> Any:
    """The value of a JSON text. Raises Invalid saying what is wrong and where, TooLarge for one of too many parts."""
    try:
        text = body.decode() if isinstance(body, bytes) else body
    except UnicodeDecodeError as error:
        raise Invalid(_("The body is not JSON: send it as UTF-8.")) from error
    # Counted before anything is made of it: small parts take thirty times the room of their text.
    if text.count(",") + text.count("[") + text.count("{") > MAX_JSON_PARTS:
        raise TooLarge(
            _("The body may hold at most %(most)s values. Send fewer rows at once.")
            % {"most": MAX_JSON_PARTS}
        )
    try:
        value = _decoder.decode(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Invalid(_("The body is not JSON: %(error)s") % {"error": error}) from error
    if isinstance(value, dict | list):
        _refuse_depth(value)
    if _MAY_BE_HOSTILE.search(text):
        _refuse_hostile_texts(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _times)] = Counter(name for name, _value in pairs).most_common(1)
        problem = FieldProblem(twice[:100], "twice", _("Send each name once."))
        raise Invalid(_("An object has the same name twice."), errors=[problem])
    return found


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits[: MAX_DIGITS + 1])
    if len(digits) > MAX_DIGITS or not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]}… is too large or too long")
    return number


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"the number {digits[:20]}… is too long")
    return int(digits)


def _too_deep() -> Invalid:
    return Invalid(_("The body is nested deeper than %(depth)s levels.") % {"depth": MAX_JSON_DEPTH})


def _refuse_depth(value: Any, depth: int = 0) -> None:
    if depth > MAX_JSON_DEPTH:
        raise _too_deep()
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _refuse_depth(inner, depth + 1)


def _refuse_hostile_texts(value: Any, path: str = "") -> None:
    """Raise Invalid for a NUL character or half a surrogate pair in a text or a name, saying where."""
    if isinstance(value, str):
        if "\x00" in value:
            problem = FieldProblem(path or "body", "nul", _("Remove the NUL character."))
            raise Invalid(_("A text holds a NUL character."), errors=[problem])
        try:
            value.encode()
        except UnicodeEncodeError:
            problem = FieldProblem(path or "body", "surrogate", _("Remove the half surrogate pair."))
            raise Invalid(_("A text is not valid Unicode."), errors=[problem]) from None
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_hostile_texts(key, path)
            _refuse_hostile_texts(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_hostile_texts(inner, f"{path}[{index}]")


# Making one takes as long as reading a lead.
_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
)
