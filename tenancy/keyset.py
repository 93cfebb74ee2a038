"""Pages by key: the thousandth page costs what the first one costs, and new rows shift nothing."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from tenancy.errors import FieldProblem, Invalid

M = TypeVar("M", bound=Model)


class CursorRefused(Invalid):
    """The cursor is not one of ours, or belongs to another order."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """Rows in order, with the opaque cursors of the pages around them (None where there is none)."""

    rows: Sequence[M]
    next_cursor: str | None
    previous_cursor: str | None


def page_by_key(rows: QuerySet[M], *, keys: Sequence[str], cursor: str, size: int) -> Page[M]:
    """One page of ``rows`` ordered by ``keys`` (columns that are never null, the last one unique; ``-`` for descending).

    An empty cursor is the first page. Raises CursorRefused.
    """
    is_backward, after = _read(cursor, keys) if cursor else (False, None)
    order = [_turned(key) for key in keys] if is_backward else list(keys)
    found = list((rows.filter(_beyond(order, after)) if after else rows).order_by(*order)[: size + 1])
    has_more = len(found) > size
    found = found[:size]
    if is_backward:
        found.reverse()
    has_next = bool(found) if is_backward else has_more
    has_previous = has_more if is_backward else after is not None and bool(found)
    return Page(
        rows=found,
        next_cursor=_write(found[-1], keys, is_backward=False) if has_next else None,
        previous_cursor=_write(found[0], keys, is_backward=True) if has_previous else None,
    )


def _turned(key: str) -> str:
    return key[1:] if key.startswith("-") else f"-{key}"


def _beyond(order: Sequence[str], after: Sequence[Any]) -> Q:
    """Rows after these values: a later first key, or the same and a later second one, and so on."""
    condition, same = Q(), Q()
    for key, value in zip(order, after, strict=True):
        name, comparison = key.removeprefix("-"), "lt" if key.startswith("-") else "gt"
        condition |= same & Q(**{f"{name}__{comparison}": value})
        same &= Q(**{name: value})
    return condition


def _write(row: Model, keys: Sequence[str], *, is_backward: bool) -> str:
    values = [getattr(row, key.removeprefix("-")) for key in keys]
    plain = [{"t": value.isoformat()} if isinstance(value, datetime) else value for value in values]
    text = json.dumps([",".join(keys), is_backward, plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, keys: Sequence[str]) -> tuple[bool, list[Any]]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        order, is_backward, plain = json.loads(text)
        values = [_value(each) for each in plain]
    except (binascii.Error, ValueError, TypeError, KeyError) as error:
        raise _refusal() from error
    if order != ",".join(keys) or not isinstance(is_backward, bool) or len(values) != len(keys):
        raise _refusal()
    return is_backward, values


def _value(plain: Any) -> Any:
    if isinstance(plain, dict):
        moment = parse_datetime(plain["t"])
        if moment is None or moment.tzinfo is None:
            raise ValueError(plain)
        return moment
    if not isinstance(plain, str | int) or isinstance(plain, bool) or "\x00" in str(plain):
        raise TypeError(plain)
    return plain


def _refusal() -> CursorRefused:
    problem = FieldProblem("cursor", "cursor", _("Leave out the cursor to begin at the first page."))
    return CursorRefused(_("This page of the list is not known."), errors=[problem])
