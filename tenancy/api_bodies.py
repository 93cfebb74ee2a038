"""The JSON body of a request to the API, read in one manner: what is missing, unknown or of another kind is refused by its name.

A field that may be left out counts null as left out. Codes of refusals: ``required``, ``type``, ``unknown``, ``too_long``,
``invalid``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

from django.utils.dateparse import parse_date, parse_time
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from rest_framework.request import Request

from tenancy.errors import FieldProblem, Invalid

Text = str | Promise

MAX_NAME_SHOWN: Final = 80
# Ids and counts fit a bigint.
MAX_WHOLE: Final = 2**63 - 1


def refuse(name: str, message: Text, code: str = "invalid") -> Invalid:
    """The refusal of one field or parameter."""
    return Invalid(message, errors=[FieldProblem(name[:MAX_NAME_SHOWN], code, message)])


def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; no body at all is an empty one. Raises Invalid."""
    return as_object(request.data)


def as_object(body: Any) -> dict[str, Any]:
    """What was read, if it is a JSON object. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid(_("Send a JSON object."))
    return body


def read_body(request: Request, *known: str) -> "Body":
    """The body, which may have no other fields than ``known``. Raises Invalid."""
    body = Body(read_object(request))
    body.refuse_others(known)
    return body


@contextmanager
def noting(problems: list[FieldProblem]) -> Iterator[None]:
    """Put a refusal to these problems, for a reader who tells all of them at once."""
    try:
        yield
    except Invalid as invalid:
        problems += invalid.errors


def read_whole(name: str, raw: str, *, default: int | None = None) -> int | None:
    """A whole number from a parameter of the address; ``default`` where it is empty. Raises Invalid."""
    if not raw:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise refuse(name, _("Give a whole number."))
    return int(raw)


def read_flag(name: str, raw: str) -> bool:
    """True or false from a parameter of the address; empty is false. Raises Invalid."""
    if raw.lower() not in {"", "true", "false", "1", "0"}:
        raise refuse(name, _("Give true or false."))
    return raw.lower() in {"true", "1"}


@dataclass(frozen=True)
class Body:
    """An object of a body. Every reader raises Invalid; one with a ``default`` takes a field that is left out or null."""

    values: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        """Whether the field was sent, be it null."""
        return name in self.values

    def get(self, name: str) -> Any:
        """A value as it was sent; None for none."""
        return self.values.get(name)

    def refuse_others(self, known: Collection[str]) -> None:
        """Refuse fields that are not among these."""
        unknown = [name for name in self.values if name not in known]
        if unknown:
            message = _("There is no such field.")
            raise Invalid(
                message, errors=[FieldProblem(name[:MAX_NAME_SHOWN], "unknown", message) for name in unknown]
            )

    def text(self, name: str, *, default: str | None = None, most: int | None = None) -> str:
        """A text, of at most so many characters; without a default one that says something."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._missing(name, _("Give a text."))
        if default is None and not value.strip():
            raise self._missing(name, _("Give a text."))
        if most is not None and len(value) > most:
            message = _("Give a text of at most %(count)s characters.") % {"count": most}
            raise refuse(name, message, "too_long")
        return value

    def one_of(self, name: str, choices: Collection[str], *, default: str | None = None) -> str:
        """One of these texts."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in choices:
            raise self._missing(
                name, _("Give one of %(values)s.") % {"values": ", ".join(choices)}, "unknown"
            )
        return value

    def whole(self, name: str) -> int:
        """A whole number, 1 or more: an id."""
        value = self.whole_or_none(name)
        if value is None:
            raise self._missing(name, _("Give a whole number."))
        return value

    def whole_or_none(self, name: str) -> int | None:
        """A whole number, 1 or more, or none."""
        value = self.values.get(name)
        if value is not None and (type(value) is not int or not 0 < value <= MAX_WHOLE):
            raise refuse(name, _("Give a whole number."), "type")
        return value

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """True or false."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, bool):
            raise self._missing(name, _("Give true or false."))
        return value

    def texts(self, name: str, *, default: Sequence[str] | None = None) -> list[str]:
        """A list of texts."""
        value = self.values.get(name)
        if value is None and default is not None:
            return list(default)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._missing(name, _("Give a list of texts."))
        return value

    def wholes(self, name: str, *, default: Sequence[int] | None = None) -> list[int]:
        """A list of ids."""
        value = self.values.get(name)
        if value is None and default is not None:
            return list(default)
        if not isinstance(value, list) or not all(
            type(each) is int and 0 < each <= MAX_WHOLE for each in value
        ):
            raise self._missing(name, _("Give a list of whole numbers."))
        return value

    def mapping(self, name: str, *, default: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """An object."""
        value = self.values.get(name)
        if value is None and default is not None:
            return dict(default)
        if not isinstance(value, dict):
            raise self._missing(name, _("Give an object."))
        return value

    def texts_by_name(self, name: str) -> dict[str, str]:
        """An object of texts; an empty one where it is left out."""
        value = self.values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise refuse(name, _("Give an object of texts."), "type")
        return value

    def day(self, name: str) -> date | None:
        """A day as ISO 8601 writes it, with hyphens; none where it is left out."""
        raw = self.values.get(name)
        if raw is None:
            return None
        try:
            # Weeks and days without hyphens are ISO too, and not what the document says.
            found = parse_date(raw) if isinstance(raw, str) and len(raw) == len("2026-11-24") else None
        except ValueError:
            found = None
        if found is None:
            raise refuse(name, _("Give a day as 2026-11-24."))
        return found

    def time_of_day(self, name: str) -> time | None:
        """A time without zone; none where it is left out."""
        raw = self.values.get(name)
        if raw is None:
            return None
        try:
            found = parse_time(raw) if isinstance(raw, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is not None:
            raise refuse(name, _("Give a time as 15:00."))
        return found

    def _missing(self, name: str, message: Text, code: str = "type") -> Invalid:
        """The refusal of a field that is not there, or has something else in its place."""
        if self.values.get(name) is not None:
            return refuse(name, message, code)
        return Invalid(
            _("The body needs “%(name)s”.") % {"name": name}, errors=[FieldProblem(name, "required", message)]
        )
