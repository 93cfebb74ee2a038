"""Where a page of the list begins in its order, and which rows are on it.

A page begins after the last row of the one before, by the columns of the index that gives the order.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import (
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    F,
    Field,
    IntegerField,
    SmallIntegerField,
)

from leads.conditions.logic import Bind, Fragment
from leads.fact_pages import count_to, gather_newest, is_of_one_value, read_newest, rows_with_creation
from leads.matching import (
    CREATION,
    NOBODY,
    Found,
    LeadFilters,
    Rows,
    Way,
    gather,
    match,
    most_passed,
    on,
    table_of,
)
from leads.models import Lead, LeadState, Stage
from leads.search import Hits, is_indexed, search_in_order
from leads.standing_pages import (
    Placed,
    Slice,
    compiled,
    count_by_stage,
    count_ranges,
    over,
    read_by_stage,
    read_in_step,
    read_owned,
    read_ranges,
    total_of,
)
from tenancy.listing import COUNTED_TO


@dataclass(frozen=True)
class Order:
    """The columns of an index that gives the order, as paths from a lead: the value, which may be missing, then the id."""

    value: str
    key: str
    type: "Field[Any, Any]"
    is_nullable: bool = False


_OF_LEADS: Final[dict[str, Order]] = {
    "created_at": Order(CREATION, "pk", DateTimeField()),
    "name": Order("name_key", "pk", CharField(max_length=200), is_nullable=True),
}
_OF_STANDINGS: Final[dict[str, Order]] = {
    "score": Order("standing__score", "standing__lead_id", IntegerField()),
    "grade": Order("standing__grade", "standing__lead_id", SmallIntegerField()),
    "stage_at": Order("standing__stage_at", "standing__lead_id", DateTimeField()),
    "created_at": Order("standing__created_at", "standing__lead_id", DateTimeField()),
}
ORDERS: Final = tuple(
    f"{sign}{name}" for name in ("score", "grade", "stage_at", "created_at", "name") for sign in ("", "-")
)


@dataclass(frozen=True)
class Position:
    """Where a page begins: beyond the row with this value and id, in the order or against it."""

    order: str
    is_backward: bool
    value: Any
    lead_id: int


@dataclass(frozen=True)
class PageRead:
    """A page to be read: what matches, in which order, how many rows, from where."""

    filters: LeadFilters
    order: str
    rows: int
    position: Position | None
    now: datetime

    @property
    def by(self) -> Order:
        """The index: that of the standing wherever a filter is about it, of leads where none is."""
        name = self.order.removeprefix("-")
        if name in _OF_LEADS and (name == "name" or LeadState not in self.filters.tables(now=self.now)):
            return _OF_LEADS[name]
        return _OF_STANDINGS[name]

    @property
    def is_backward(self) -> bool:
        """Whether rows are read against the order."""
        return self.position is not None and self.position.is_backward

    @property
    def is_descending(self) -> bool:
        """Which way the index is read."""
        return self.order.startswith("-") != self.is_backward

    @property
    def is_of_search(self) -> bool:
        """Whether the search's index gives the rows in order."""
        return (
            self.order.removeprefix("-") == CREATION
            and self.filters.is_nothing_but_search
            and is_indexed(text=self.filters.q)
        )

    def search(self, *, counted_to: int = COUNTED_TO) -> Hits:
        """The rows, and how many match besides; the first page and its count are asked for at once."""
        known: dict[Any, Hits] = self.filters.__dict__.setdefault("_hits", {})
        asked = (self.position, self.is_descending, self.rows, counted_to)
        if asked not in known:
            known[asked] = search_in_order(
                text=self.filters.q,
                is_descending=self.is_descending,
                beyond=None if self.position is None else (self.position.value, self.position.lead_id),
                size=self.rows,
                counted_to=counted_to if self.position is None else 0,
            )
        return known[asked]

    @property
    def is_by_stage(self) -> bool:
        """Whether each stage answers for itself."""
        return (
            table_of(self.by.value) is LeadState
            and self.filters.is_of_standing(now=self.now)
            and self.filters.is_countable
            # No index knows those that nobody owns; where they are many, the next is near.
            and self.filters.owner != NOBODY
        )

    @property
    def is_served(self) -> bool:
        """Whether the page is read off an index, nothing passed by."""
        return self.filters.is_served(order=self.by.value, now=self.now)

    def known_count(self, *, limit: int) -> int | None:
        """How many leads match, to one more than the limit, if reading the page told it."""
        if not self.filters.possible_stages:
            return 0
        if self.is_by_stage:
            counts = self.filters.__dict__.get("_stage_counts", {}).get(self.now)
            return None if counts is None else total_of(counts, limit=limit)
        found = self.filters.known(order=self.by.value, now=self.now)
        return None if found is None else found.count

    def count(self, *, limit: int) -> int | None:
        """The same, asked of indexes where reading didn't tell it; None where they don't know it."""
        if self._rows_of_fact is not None and is_of_one_value(self.filters):
            return count_to(self._rows_of_fact, limit=limit)
        if not self.is_by_stage:
            found = self.filters.found(order=self.by.value, now=self.now)
            return None if found is None else found.count
        if not self.is_served and not self.filters.has_owner:
            total = total_of(stage_counts(self.filters, now=self.now), limit=limit)
            if total is not None:
                return total
        return count_ranges(self.filters, now=self.now, limit=limit)

    def read(self) -> Placed:
        """Value and id of the rows, in the direction of reading.

        Where very many match, walking the order and asking each lead finds them soon, unless they all stand at its other end: the
        newest by the oldest move. Then all that match are gathered after all.
        """
        if not self.filters.possible_stages:
            return []
        if self.is_by_stage:
            return self._read_by_stage()
        of_fact = self._read_rows_of_fact()
        if of_fact is not None:
            return of_fact
        order = self.by.value
        matching = match(self.filters, order=order, now=self.now)
        if matching.way is Way.FEW or (table_of(order) is Lead and matching.way is Way.UNKNOWN):
            return self._read_rows(matching.rows)
        most = most_passed(matching.way.value, self.rows)
        if table_of(order) is Lead:
            is_a_set = matching.way is Way.SET
            found = self._read_rows(matching.rows, "bounded", most, is_a_set=is_a_set)
        else:
            found = read_in_step(
                self.filters,
                matching.rows,
                self._slice,
                columns=[] if matching.way is Way.SET else self.filters.columns_of_standing(now=self.now),
                most=None if matching.way is Way.UNKNOWN else most,
            )
        if matching.way is Way.UNKNOWN or len(found) == self.rows:
            return found
        return self._read_far(matching.way)

    @property
    def _rows_of_fact(self) -> Rows | None:
        """The rows that say which leads match, where they say when these were created, too, and that is the order."""
        return rows_with_creation(self.filters, now=self.now) if self.by.value == CREATION else None

    def _read_rows_of_fact(self) -> Placed | None:
        """The page by these rows; None where there are none, or too many to be gathered."""
        rows = self._rows_of_fact
        if rows is None:
            return None
        beyond = None if self.position is None else (self.position.value, self.position.lead_id)
        if is_of_one_value(self.filters):
            found = Found(count_to(rows, limit=COUNTED_TO), COUNTED_TO, None)
            self.filters.remember(found, order=self.by.value, now=self.now)
            return read_newest(rows, beyond=beyond, is_descending=self.is_descending, size=self.rows)
        found, page = gather_newest(rows, beyond=beyond, is_descending=self.is_descending, size=self.rows)
        self.filters.remember(found, order=self.by.value, now=self.now)
        return None if found.is_more_than_counted else page

    def _read_by_stage(self) -> Placed:
        if self.is_served:
            return read_ranges(self.filters, self._slice, now=self.now)
        if self.filters.has_owner:
            return read_owned(self.filters, self._slice, now=self.now)
        counts = stage_counts(self.filters, now=self.now)
        return read_by_stage(self.filters, self._slice, counts=counts, now=self.now)

    def _read_far(self, way: Way) -> Placed:
        """The same where none are near: past a set of all that the search's index finds, or of all that match, gathered."""
        order = self.by.value
        if way is not Way.SEARCH:
            return self._read_rows(gather(self.filters, order=order, now=self.now), "gathered")
        rows = match(self.filters, order=order, now=self.now, is_walked=False).rows
        if table_of(order) is Lead:
            return self._read_rows(rows)
        columns = self.filters.columns_of_standing(now=self.now)
        return read_in_step(self.filters, rows, self._slice, columns=columns, most=None)

    @property
    def _slice(self) -> Slice:
        """The page in an order of the standing."""
        by = self.by
        beyond = None if self.position is None else (self.position.value, self.position.lead_id)
        column = on(LeadState, by.value)
        return Slice(
            column=column, type=by.type, is_descending=self.is_descending, size=self.rows, beyond=beyond
        )

    def _read_rows(self, rows: Rows, how: str = "", most: int = 0, *, is_a_set: bool = False) -> Placed:
        """Of rows of leads or of the order's own table: as the planner will, "bounded" by so many leads in the order, or
        "gathered" before they are put in order."""
        order = replace(self.by, value=on(rows.model, self.by.value), key=on(rows.model, self.by.key))
        found: Placed = []
        for has_value in self._parts():
            part, whole = rows, rows.model.objects.all()
            if order.is_nullable:
                part, whole = (
                    each.filter(**{f"{order.value}__isnull": not has_value}) for each in (part, whole)
                )
            if self.position is not None and not found and has_value == (self.position.value is not None):
                beyond = _beyond(order, self.position, is_descending=self.is_descending)
                part, whole = part.filter(beyond), whole.filter(beyond)
            columns = [order.value, order.key] if has_value else [order.key]
            turned = [f"-{column}" if self.is_descending else column for column in columns]
            # What is gathered needs no second look.
            asked = rows.model.objects.all() if how == "gathered" else part
            asked = asked.order_by(*turned).values(order.value, order.key)[: self.rows - len(found)]
            if how == "bounded":
                names = [order.value, rows.model._meta.pk.attname]
                if not is_a_set:
                    names = [field.attname for field in rows.model._meta.concrete_fields]
                found += _over(asked, whole.order_by(*turned).values(*names)[:most])
                # What is missing may be beyond the bound.
                break
            if how == "gathered":
                found += _over(asked, part.values(order.value, rows.model._meta.pk.attname))
            else:
                found += asked.values_list(order.value, order.key)
            if len(found) >= self.rows:
                break
        return found

    def _parts(self) -> list[bool]:
        """Rows with a value come first, those without last; which of the two parts are still to be read."""
        if not self.by.is_nullable:
            return [True]
        parts = [False, True] if self.is_backward else [True, False]
        if self.position is None:
            return parts
        return parts[parts.index(self.position.value is not None) :]


def stage_counts(filters: LeadFilters, *, now: datetime) -> dict[Stage, int]:
    """``count_by_stage``, asked once for a page and its count."""
    known: dict[datetime, dict[Stage, int]] = filters.__dict__.setdefault("_stage_counts", {})
    if now not in known:
        known[now] = count_by_stage(filters, now=now)
    return known[now]


def _over(asked: Rows, rows: Rows) -> Placed:
    """Value and id of what is asked of these rows alone, in place of their table: they are found first, in their own way."""
    (sql, given), (range_, before) = compiled(asked), compiled(rows)
    fence = "" if rows.query.is_sliced else " OFFSET 0"
    with connection.cursor() as cursor:
        cursor.execute(over(sql, rows.model._meta.db_table, f"{range_}{fence}"), [*before, *given])
        return list(cursor.fetchall())


def _beyond(order: Order, position: Position, *, is_descending: bool) -> Fragment:
    sign = "<" if is_descending else ">"
    key, lead_id = F(order.key), Bind(position.lead_id, BigIntegerField())
    if position.value is None:
        return Fragment(f"({{}} {sign} {{}})", key, lead_id, output_field=BooleanField())
    value = Bind(position.value, order.type)
    # A comparison of rows is one range of the index; the same written with OR is not.
    template = f"(({{}}, {{}}) {sign} ({{}}, {{}}))"
    return Fragment(template, F(order.value), key, value, lead_id, output_field=BooleanField())
