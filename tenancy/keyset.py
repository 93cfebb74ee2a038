"""Pages by key: the thousandth page costs what the first one costs, and new rows shift nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from tenancy.errors import FieldProblem, Invalid

M = TypeVar("M", bound=Model)

_SALT: Final = "tenancy.keyset"


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
    return signing.dumps([",".join(keys), is_backward, plain], salt=_SALT)


def _read(cursor: str, keys: Sequence[str]) -> tuple[bool, list[Any]]:
    # Signed, so that whatever can be read has the types that were written.
    try:
        order, is_backward, plain = signing.loads(cursor, salt=_SALT)
    except signing.BadSignature as error:
        raise _refusal() from error
    if order != ",".join(keys):
        raise _refusal()
    return is_backward, [
        datetime.fromisoformat(each["t"]) if isinstance(each, dict) else each for each in plain
    ]


def _refusal() -> CursorRefused:
    problem = FieldProblem("cursor", "cursor", _("Leave out the cursor to begin at the first page."))
    return CursorRefused(_("This page of the list is not known."), errors=[problem])
