"""The list of leads: filters, order, pages by key, a count to 1,000. The page and the API ask the same selector.

The thousandth page costs what the first one costs: a page begins after the last row of the one before, by the columns of an
index. What is not marked as fast in the list's order runs under a time limit.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core import signing
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from leads.conditions.language import Condition, InvalidCondition, parse_condition
from leads.conditions.lead_facts import fold_origin
from leads.conditions.values import GRADES
from leads.deeds import Deed, read_deed
from leads.matching import NOBODY, LeadFilters, rows_to_count
from leads.models import Stage
from leads.paging import ORDERS, PageRead, Position
from leads.search import count_found, is_indexed
from tenancy.errors import FieldProblem, Invalid, Problem
from tenancy.listing import COUNTED_TO, Count, count_rows
from tenancy.models import MemberKind, Membership, normalise_login

PAGE_SIZE: Final = 50
SLOW_LIMIT_MS: Final = 2000
MYSELF: Final = "me"
DEFAULT_ORDER: Final = "-created_at"
_SALT: Final = "leads.listing"
_QUERY_CANCELED: Final = "57014"
MAX_SEARCH_LENGTH: Final = 200
# That can be marked by hand: an address holds no more.
MOST_IDS: Final = 500
# Somebody asked for it and waits.
EXACT_LIMIT_MS: Final = 10_000
# What an address of the list says, but for the page.
LIST_PARAMETERS: Final = (
    *("stage", "owner", "origin", "score_min", "grade_min", "q"),
    *("external_id", "email", "ids", "did", "filter", "order"),
)


class InvalidListQuery(Invalid):
    """A filter, order or cursor that the list does not know; ``errors[].field`` is the parameter's name."""


class ListTooSlow(Problem):
    """The database gave up on a filter that no index serves."""

    status = 400
    title = _("This filter takes too long")


@dataclass(frozen=True, kw_only=True)
class LeadListQuery(LeadFilters):
    """What the list shows. A missing name comes last in either order by name."""

    order: str = DEFAULT_ORDER
    cursor: str = ""
    size: int = PAGE_SIZE


@dataclass(frozen=True)
class LeadPage:
    """The ids of one page in order, and the cursors of the pages around it (None where there is none)."""

    lead_ids: list[int]
    next_cursor: str | None
    previous_cursor: str | None


def read_list_query(
    *, parameters: Mapping[str, str], member: Membership, size: int = PAGE_SIZE
) -> LeadListQuery:
    """The query that an address means: ``stage`` (several apart by commas), ``owner`` (id, e-mail, ``me``, ``none``),
    ``origin``, ``score_min``, ``grade_min`` (a letter or its ordinal), ``q``, ``external_id``, ``email``, ``ids`` (apart by
    commas), ``did`` (``leads.deeds``), ``filter`` (a condition as JSON), ``order``, ``cursor``. Empty ones count as left out.
    Raises InvalidListQuery naming every fault.
    """
    given = {name: value.strip() for name, value in parameters.items() if value.strip()}
    problems: list[FieldProblem] = []
    query = LeadListQuery(
        stages=_read_stages(given.get("stage", ""), problems),
        owner=_read_owner(given.get("owner"), member),
        origin=fold_origin(given["origin"]) if "origin" in given else None,
        score_min=_read_whole("score_min", given.get("score_min"), problems),
        grade_min=_read_grade(parameters.get("grade_min", ""), problems),
        q=given.get("q", "")[:MAX_SEARCH_LENGTH],
        external_id=given.get("external_id"),
        email=given["email"].lower() if "email" in given else None,
        lead_ids=read_ids(given["ids"], problems) if "ids" in given else None,
        condition=read_condition(given.get("filter"), problems),
        deed=_read_deed(given["did"], member, problems) if "did" in given else None,
        order=_read_order(given.get("order", DEFAULT_ORDER), problems),
        cursor=given.get("cursor", ""),
        size=size,
    )
    problems += [
        FieldProblem(name, "nul", _("Remove the NUL character."))
        for name, value in given.items()
        if "\x00" in value
    ]
    if problems:
        raise InvalidListQuery(_("The list cannot be shown like this."), errors=problems)
    return query


def list_leads(*, query: LeadListQuery, now: datetime) -> LeadPage:
    """One page of leads. Raises InvalidListQuery for a cursor that is not one of this order, ListTooSlow."""
    position = _read_cursor(query) if query.cursor else None
    read = PageRead(query, query.order, query.size + 1, position, now)
    if read.is_of_search:
        found = read.search().rows
    else:
        with in_time(is_fast=query.is_promised(order=query.order.removeprefix("-"))):
            found = read.read()
    is_backward = position is not None and position.is_backward
    has_more = len(found) > query.size
    found = found[: query.size]
    if is_backward:
        found.reverse()
    has_next = bool(found) if is_backward else has_more
    has_previous = has_more if is_backward else position is not None and bool(found)
    return LeadPage(
        lead_ids=[lead_id for _value, lead_id in found],
        next_cursor=_write_cursor(query, found[-1], is_backward=False) if has_next else None,
        previous_cursor=_write_cursor(query, found[0], is_backward=True) if has_previous else None,
    )


def count_leads(*, query: LeadListQuery, now: datetime, limit: int = COUNTED_TO) -> Count | None:
    """How many leads match: exact to ``limit``, else that many and more; None when counting takes too long.

    Where a search alone finds more than a page of a large tenant's leads, they are not all looked for: at least so many, and
    ``count_on`` says it exactly.
    """
    page = PageRead(query, query.order, query.size + 1, None, now)
    if page.is_of_search:
        return page.search(counted_to=limit).count(limit=limit)
    if query.is_nothing_but_search and query.search is not None and query.search.patterns:
        lead_ids = query.search.lead_ids
        return Count.up_to(limit + 1 if lead_ids is None else len(lead_ids), limit=limit)
    known = page.known_count(limit=limit)
    if known is not None:
        return Count.up_to(known, limit=limit)
    try:
        with in_time(is_fast=query.is_promised(order=query.order.removeprefix("-"))):
            found = page.count(limit=limit)
            if found is None:
                return count_rows(rows_to_count(query, now=now), limit=limit)
            return Count.up_to(found, limit=limit)
    except ListTooSlow:
        return None


def count_on(*, query: LeadListQuery, now: datetime, limit: int = COUNTED_TO) -> Count | None:
    """``count_leads``, exact to ``limit`` in a large tenant's search, too, for whoever asks once the page is there."""
    if not query.is_nothing_but_search or not is_indexed(text=query.q):
        return count_leads(query=query, now=now, limit=limit)
    try:
        with in_time(is_fast=False):
            return count_found(text=query.q, limit=limit)
    except ListTooSlow:
        return None


def count_exactly(*, query: LeadListQuery, now: datetime) -> int | None:
    """How many leads match, however many; None when counting takes longer than somebody waits."""
    try:
        with limited_to(EXACT_LIMIT_MS):
            return int(rows_to_count(query, now=now).order_by().values("pk").count())
    except TookTooLong:
        return None


def _write_cursor(query: LeadListQuery, row: tuple[Any, int], *, is_backward: bool) -> str:
    value, lead_id = row
    if isinstance(value, datetime):
        value = value.isoformat()
    return signing.dumps([query.order, is_backward, value, lead_id], salt=_SALT)


def _read_cursor(query: LeadListQuery) -> Position:
    try:
        order, is_backward, value, lead_id = signing.loads(query.cursor, salt=_SALT)
    except (signing.BadSignature, ValueError) as error:
        raise _cursor_refused() from error
    if order != query.order:
        raise _cursor_refused()
    if order.removeprefix("-") in ("created_at", "stage_at"):
        value = datetime.fromisoformat(value)
    return Position(order, is_backward, value, lead_id)


def _cursor_refused() -> InvalidListQuery:
    message = _("Leave the cursor out to begin at the first page.")
    return InvalidListQuery(
        _("This cursor is not one of this list's."), errors=[FieldProblem("cursor", "invalid", message)]
    )


_patience_ms: ContextVar[int | None] = ContextVar("patience_ms", default=None)


@contextmanager
def patient_for(milliseconds: int) -> Iterator[None]:
    """Let lists that are read inside take so long: a worker reads them, and nobody looks at an empty page meanwhile."""
    token = _patience_ms.set(milliseconds)
    try:
        yield
    finally:
        _patience_ms.reset(token)


@contextmanager
def in_time(*, is_fast: bool) -> Iterator[None]:
    """Let the database give up on a list that takes longer than anybody waits for one, unless indexes serve it.

    Raises ListTooSlow.
    """
    if is_fast:
        yield
        return
    try:
        with limited_to(_patience_ms.get() or SLOW_LIMIT_MS):
            yield
    except TookTooLong as error:
        raise ListTooSlow(
            _("Add a filter that narrows the list first, such as a stage or an owner, and try again.")
        ) from error


def count_in_time(rows: QuerySet[Any, Any], *, is_fast: bool) -> Count | None:
    """How many rows there are, exact to 1,000; None when counting takes too long."""
    try:
        with in_time(is_fast=is_fast):
            return count_rows(rows)
    except ListTooSlow:
        return None


class TookTooLong(Exception):
    """The database gave up on a statement."""


@contextmanager
def limited_to(milliseconds: int) -> Iterator[None]:
    """Let the database give up on statements that take longer. Raises TookTooLong; the transaction goes on."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)",
                [f"{milliseconds}ms"],
            )
            (before, _limit) = cursor.fetchone()
            yield
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _QUERY_CANCELED:
            raise
        raise TookTooLong from error


def _read_stages(raw: str, problems: list[FieldProblem]) -> tuple[Stage, ...]:
    names = [name.strip() for name in raw.split(",") if name.strip()]
    if unknown := [name for name in names if name not in Stage.values]:
        message = _("There is no stage “%(name)s”; the stages are: %(valid)s.")
        values = {"name": unknown[0][:50], "valid": ", ".join(Stage.values)}
        problems.append(FieldProblem("stage", "unknown", message % values))
        return ()
    return tuple(Stage(name) for name in dict.fromkeys(names))


def _read_owner(raw: str | None, member: Membership) -> int | str | None:
    if raw is None or raw == NOBODY:
        return raw
    if raw == MYSELF:
        return member.pk
    if raw.isascii() and raw.isdigit() and len(raw) < 19:
        return int(raw)
    people = Membership.objects.filter(kind=MemberKind.PERSON, user__email=normalise_login(raw))
    # Nobody has this e-mail: nobody's id is 0, so nothing is found.
    return people.values_list("pk", flat=True).first() or 0


def _read_deed(raw: str, member: Membership, problems: list[FieldProblem]) -> Deed | None:
    deed = read_deed(raw, member=member)
    if deed is None:
        message = _("Give what was done, by whom and since when, as attempt.7.2026-11-16.")
        problems.append(FieldProblem("did", "invalid", message))
    return deed


def _read_whole(name: str, raw: str | None, problems: list[FieldProblem]) -> int | None:
    if raw is None:
        return None
    if raw.removeprefix("-").isdecimal() and raw.isascii() and len(raw) <= 10:
        # The score's column holds 32 bits; nothing is above its end, everything above its beginning.
        return max(0, min(int(raw), 2**31 - 1))
    problems.append(FieldProblem(name, "invalid", _("Give a whole number.")))
    return None


def parse_ids(raw: str) -> tuple[int, ...] | None:
    """Ids apart by commas; None for something else, for none and for more than MOST_IDS."""
    ids = [part.strip() for part in raw.split(",") if part.strip()]
    are_ids = all(part.isascii() and part.isdigit() and len(part) < 19 for part in ids)
    return tuple(sorted({int(part) for part in ids})) if are_ids and 1 <= len(ids) <= MOST_IDS else None


def read_ids(raw: str, problems: list[FieldProblem]) -> tuple[int, ...]:
    """The ids of marked rows, apart by commas; what is wrong with them joins the problems."""
    ids = parse_ids(raw)
    if ids is None:
        message = _("Give at most %(most)s ids, apart by commas.") % {"most": MOST_IDS}
        problems.append(FieldProblem("ids", "invalid", message))
    return ids or ()


def _read_grade(raw: str, problems: list[FieldProblem]) -> int | None:
    if not raw.strip():
        return None
    # A "+" that was not escaped in the address arrives as a blank.
    letter = re.sub(r"^([A-Fa-f]) $", r"\1+", raw).strip().upper()
    ordinals = {str(ordinal): ordinal for ordinal in GRADES.values()}
    if letter in GRADES or letter in ordinals:
        return GRADES.get(letter, ordinals.get(letter))
    message = _("Give one of %(values)s.") % {"values": ", ".join(GRADES)}
    problems.append(FieldProblem("grade_min", "invalid", message))
    return None


def read_condition(raw: str | None, problems: list[FieldProblem]) -> Condition | None:
    """The condition on leads that a list's ``filter`` gives as JSON; what is wrong with it joins the problems."""
    if raw is None:
        return None
    try:
        return parse_condition(json.loads(raw))
    except InvalidCondition as invalid:
        problems += [
            FieldProblem(".".join(part for part in ("filter", error.path) if part), "invalid", error.message)
            for error in invalid.errors
        ]
    except (ValueError, RecursionError):
        problems.append(FieldProblem("filter", "invalid", _("Give the condition as JSON.")))
    return None


def _read_order(raw: str, problems: list[FieldProblem]) -> str:
    if raw in ORDERS:
        return raw
    message = _("Give one of %(values)s.") % {"values": ", ".join(ORDERS)}
    problems.append(FieldProblem("order", "unknown", message))
    return DEFAULT_ORDER
