"""JSON as RFC 8259 has it: no NaN, no NUL in any text, bounded depth."""

import json
from typing import Any

from django.utils.translation import gettext_lazy as _

from tenancy.errors import FieldProblem, Invalid

MAX_JSON_DEPTH = 20


def parse_json(body: bytes) -> Any:
    """A JSON text of bounded depth without NUL characters. Raises Invalid saying what is wrong and where."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(_("The body is not JSON: %(error)s") % {"error": error}) from error
    refuse_hostile(value)
    return value


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def refuse_hostile(value: Any, *, path: str = "", depth: int = 0) -> None:
    """Raise Invalid for a NUL character, half a surrogate pair, or nesting beyond MAX_JSON_DEPTH."""
    if depth > MAX_JSON_DEPTH:
        raise Invalid(_("The body is nested deeper than %(depth)s levels.") % {"depth": MAX_JSON_DEPTH})
    if isinstance(value, str):
        if "\x00" in value:
            problem = FieldProblem(path or "body", "nul", _("Remove the NUL character."))
            raise Invalid(_("A text holds a NUL character."), errors=[problem])
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                problem = FieldProblem(path or "body", "surrogate", _("Remove the half surrogate pair."))
                raise Invalid(_("A text is not valid Unicode."), errors=[problem]) from None
    elif isinstance(value, dict):
        for key, inner in value.items():
            refuse_hostile(key, path=path, depth=depth)
            refuse_hostile(inner, path=f"{path}.{key}" if path else key, depth=depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            refuse_hostile(inner, path=f"{path}[{index}]", depth=depth + 1)
