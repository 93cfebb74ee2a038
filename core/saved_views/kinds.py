"""The lists that people work in: what their addresses take, which columns there are, what they are as files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from core.saved_views.files import ListFile
from tenancy.errors import NotFound
from tenancy.listing import Column
from tenancy.models import Membership, Scope
from tenancy.rights import RIGHTS

Parameters = Mapping[str, str]


class NoSuchList(NotFound):
    """There is no list of this name."""


@dataclass(frozen=True, kw_only=True)
class ListKind:
    """One list. ``url_name`` takes only the slug; ``right`` is a row of the rights.

    ``parameters`` are those of its address that a view keeps. ``columns`` gives every column that can be shown, the first of
    which always is; ``usual`` gives the keys of those that are if nobody chose. ``check`` raises Invalid for parameters that the
    list does not know, ``words`` says what they narrow it to (empty for everything), ``count`` how many rows there are exactly,
    None where that takes too long. ``file`` is the list as a file. ``leads`` gives the ids of the leads behind the rows, each
    once: acts on many rows are acts on these leads. ``scope`` is what a key needs to read the list.
    """

    key: str
    label: Promise | str
    url_name: str
    right: str
    parameters: Sequence[str]
    columns: Callable[[], Sequence[Column]]
    usual: Callable[[Parameters], Sequence[str]]
    check: Callable[[Parameters, Membership], None]
    words: Callable[[Parameters, Membership], str]
    count: Callable[[Parameters, Membership, datetime], int | None]
    file: ListFile
    leads: Callable[[Parameters, Membership, datetime], QuerySet[Any, Any]] | None = None
    scope: Scope = Scope.LEADS_READ


_kinds: Final[dict[str, ListKind]] = {}


def register_list(kind: ListKind) -> None:
    """Say once, when an app is ready, that a list can be kept as views. Raises KeyError for an unknown right."""
    RIGHTS[kind.right]
    _kinds[kind.key] = kind


def get_kind(key: str) -> ListKind:
    """The list of this name. Raises NoSuchList."""
    if key not in _kinds:
        raise NoSuchList(_("There is no such list."))
    return _kinds[key]


def list_kinds() -> list[str]:
    """The names of the lists there are."""
    return sorted(_kinds)
