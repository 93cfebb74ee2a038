"""Which leads a list's filters leave, asked so that indexes alone say it.

Who a lead is and how it stands are two tables; a filter on one and an order by the other would join them row by row. Filters of
the standing alone, in one of its orders, are for ``leads.standing_pages``. Any others are asked first, of their own table and to
a bound. Few leads: their ids are all that the page needs. More: the order's index is walked, each id looked up in a set made of
the filter's index. Very many: a page is soon found by walking and asking. The same answer is the list's count.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, QuerySet, Subquery

from leads.conditions.compile import compile_filter, rows_of_leads
from leads.conditions.facts import get_fact
from leads.conditions.language import Condition, Connective, Leaf, is_fast, list_leaves
from leads.conditions.logic import InSet, Operands, Truth
from leads.deeds import Deed
from leads.lifecycle import STAGE_FUNCTION
from leads.models import Lead, LeadState, Stage
from leads.ownership import OWNER_COLUMN
from leads.search import Search, has_id, search_leads
from tenancy.listing import COUNTED_TO
from tenancy.models import TeamFunction

NOBODY: Final = "none"
# What bounds the ways, from the planner's estimate n of all leads. Looking ids up and sorting them costs some microseconds each;
# walking the order past a set made of them, a tenth of that for each of 50 n / ids leads: even at 2 √n ids. Making the set costs
# more than asking the leads of the order once one in fifty matches.
BOUNDS: Final = """
    SELECT least(20000, greatest(%s, few, n / 50))::bigint AS most, few::bigint FROM (
        SELECT 2 * sqrt(greatest(reltuples, 10000)) AS few, reltuples AS n FROM pg_class WHERE oid = 'leads_lead'::regclass
    ) estimated
"""
_STANDING: Final = "standing__"
_STAGE: Final = "standing__stage"
# The order by creation stands on both tables, and so do filters on it.
CREATION: Final = "created_at"
# What the indexes of leads in that order begin with.
_SERVED_BY_CREATION: Final = frozenset({CREATION, "origin"})
# What selects a part of the leads; its opposite leaves nearly all of them.
SELECTIVE: Final = frozenset(
    {"eq", "in", "starts_with", "lt", "lte", "gt", "gte", "between", "has_any", "has_all"}
    | {"before", "after", "on", "in_last_days", "more_than_days_ago"}
)

# What says that a value is no less, or no greater.
_FROM: Final = frozenset({"gt", "gte", "after", "in_last_days"})
_TO: Final = frozenset({"lt", "lte", "before", "more_than_days_ago"})

Root = type[Lead] | type[LeadState]
Rows = QuerySet[Any, Any]


@dataclass(frozen=True)
class Found:
    """How many leads the filters leave, to one more than ``most``; their ids if they are few."""

    count: int
    most: int
    lead_ids: list[int] | None

    @property
    def is_more_than_counted(self) -> bool:
        """Whether there are more than were looked for."""
        return self.count > self.most


class Way(Enum):
    """How a page is found: the leads are few; they are a set that is soon made; each lead of the order is asked, of very many
    that match, or for its text; or nothing is known of how many there are. The values: how many leads are passed."""

    FEW = 0
    SET = 20_000
    ASK = 100_000
    SEARCH = 10_000
    UNKNOWN = -1


@dataclass(frozen=True)
class Matching:
    """Rows that match, and how they are found."""

    rows: Rows
    way: Way


def most_passed(steps: int, rows: int) -> int:
    """How many leads of an order are passed for so many rows, until those that match are better gathered."""
    return max(steps, 10 * rows)


@dataclass(frozen=True, kw_only=True)
class LeadFilters:
    """What narrows a list. ``owner`` is a member's id, or NOBODY for leads that nobody owns in the function of their stage.

    ``grade_min`` is an ordinal. ``q`` is what ``leads.search`` makes of it.
    """

    stages: tuple[Stage, ...] = ()
    owner: int | str | None = None
    origin: str | None = None
    score_min: int | None = None
    grade_min: int | None = None
    q: str = ""
    external_id: str | None = None
    email: str | None = None
    # Those that were marked by hand; None for any.
    lead_ids: tuple[int, ...] | None = None
    condition: Condition | None = None
    # Those with which somebody did something.
    deed: Deed | None = None

    @cached_property
    def search(self) -> Search | None:
        """What the search finds, asked once for a page and its count; None without one."""
        return search_leads(text=self.q) if self.q else None

    @property
    def is_nothing_but_search(self) -> bool:
        """Whether leads are looked for by a text and no other filter."""
        return bool(self.q) and not (
            any(self._columns())
            or self.owner is not None
            or self.condition is not None
            or self.deed is not None
        )

    @property
    def is_nothing_but_condition(self) -> bool:
        """Whether leads are filtered by a condition and nothing else."""
        return self.condition is not None and not (
            any(self._columns()) or self.q or self.owner is not None or self.deed is not None
        )

    @property
    def is_fast(self) -> bool:
        """Whether indexes serve every filter, so that there is a page in milliseconds however many leads there are."""
        is_looked_up = self.search is None or self.search.is_looked_up
        return is_looked_up and (self.condition is None or is_fast(self.condition))

    def is_promised(self, *, order: str) -> bool:
        """Whether every filter is marked as fast in this order of a list."""
        is_looked_up = self.search is None or self.search.is_looked_up
        facts = [get_fact(key=key) for key in self._facts()]
        if self.condition is not None:
            facts += [leaf.fact for leaf in list_leaves(self.condition)]
        # Who was marked by hand are few.
        return (
            is_looked_up
            and self.is_fast
            and self.deed is None
            and all(order in fact.fast_orders for fact in facts)
        )

    def _facts(self) -> set[str]:
        """The facts that the filters ask about beside the condition; an owner is one in each function."""
        named = {
            "stage": self.stages,
            "owner_sdr": self.owner is not None,
            "origin": self.origin is not None,
            "score": self.score_min,
            "grade": self.grade_min is not None,
            "external_id": self.external_id is not None,
            "email": self.email is not None,
        }
        return {key for key, is_asked in named.items() if is_asked}

    @cached_property
    def possible_stages(self) -> tuple[Stage, ...]:
        """The stages in which leads can match at all, in their order."""
        known = set(self.stages or Stage)
        if self.condition is not None:
            known &= _stages_of(self.condition)
        return tuple(stage for stage in Stage if stage in known)

    @property
    def has_owner(self) -> bool:
        """Whether whose leads they are is said: an index knows those of each owner."""
        if self.owner is not None:
            return self.owner != NOBODY
        return (
            isinstance(self.condition, Leaf)
            and self.condition.fact.key in ("owner_sdr", "owner_sales")
            and self.condition.operator.key == "eq"
        )

    @property
    def is_countable(self) -> bool:
        """Whether indexes say which leads match, and so how many: not so of what leaves nearly all of them."""
        return self.is_fast and self.is_countable_but_for_search

    @property
    def is_countable_but_for_search(self) -> bool:
        """The same of all but the search."""
        return self.condition is None or (
            is_fast(self.condition)
            and all(leaf.operator.key in SELECTIVE for leaf in list_leaves(self.condition))
        )

    def found(self, *, order: str, now: datetime) -> Found | None:
        """What indexes say of the filters, asked once for a page and its count; None where they say nothing of use.

        ``order`` is the column of the page's order, as a path from a lead.
        """
        known: dict[tuple[str, datetime], Found | None] = self.__dict__.setdefault("_found", {})
        if (order, now) not in known:
            known[order, now] = _look(self, order, now)
        return known[order, now]

    def remember(self, found: Found, *, order: str, now: datetime) -> None:
        """What another way to read the page has found out."""
        self.__dict__.setdefault("_found", {})[order, now] = found

    def known(self, *, order: str, now: datetime) -> Found | None:
        """What ``found`` said if it has been asked already."""
        asked: Found | None = self.__dict__.get("_found", {}).get((order, now))
        return asked

    def is_served(self, *, order: str, now: datetime) -> bool:
        """Whether indexes begin with the filter and go on in this order: then the page is read off them."""
        if self.condition is not None and not (
            isinstance(self.condition, Leaf) and self.condition.operator.key in SELECTIVE
        ):
            return False
        paths = self.paths(now=now)
        if table_of(order) is LeadState:
            return {on(LeadState, path) for path in paths if path} <= {"stage", on(LeadState, order)} and (
                None not in paths
            )
        return order == CREATION and paths <= _SERVED_BY_CREATION

    def beyond(self, *, column: str, is_descending: bool, now: datetime) -> "LeadFilters":
        """The filters for what lies beyond a row that they leave, in the order of a column of the standing.

        A bound that all beyond it meet is left out: an index is entered by one bound of a column, and the row is the nearer one.
        """
        implied = _TO if is_descending else _FROM
        left_out: dict[str, Any] = {}
        if not is_descending and column in ("score", "grade"):
            left_out[f"{column}_min"] = None
        if isinstance(self.condition, Leaf) and self.condition.operator.key in implied:
            paths = _paths_of(compile_filter(self.condition, now=now))
            if {path and on(LeadState, path) for path in paths} == {column}:
                left_out["condition"] = None
        return replace(self, **left_out)

    def is_of_standing(self, *, now: datetime) -> bool:
        """Whether the standing alone says which leads match: then its orders need no other table."""
        return self.tables(now=now) <= {LeadState}

    def narrow(self, *, root: Root, now: datetime, is_walked: bool = True) -> QuerySet[Any, Any]:
        """The leads, or their standings, that match. A condition that is more than columns can only be asked of leads.
        ``is_walked``: whether a common search is asked of each lead's text, or else of the index."""
        rows = self._narrow(root, now, is_walked=is_walked)
        if self.stages:
            rows = rows.filter(**{f"{on(root, _STAGE)}__in": self.stages})
        if self.owner is not None:
            rows = rows.filter(_owned_by(self.owner, root))
        if root is Lead and (self.owner is not None or self.condition is not None):
            # Always true: it makes the join an inner one, so that an index on the standing can lead.
            rows = rows.filter(standing__score__gte=0)
        return rows

    def by_function(self, *, now: datetime) -> list[tuple[tuple[Stage, ...], Rows]]:
        """Stages, and the standings that match if they are in one of these: an owner is another column in those of another
        function. The filter on stages is left out."""
        rows = self._narrow(LeadState, now)
        if self.owner is None:
            return [(tuple(Stage), rows)]
        groups = []
        for function, column in OWNER_COLUMN.items():
            stages = tuple(stage for stage, holder in STAGE_FUNCTION.items() if holder is function)
            owned = Q((f"{column}__isnull", True)) if self.owner == NOBODY else Q((column, self.owner))
            groups.append((stages, rows.filter(owned, stage__in=stages)))
        return groups

    def _narrow(self, root: Root, now: datetime, *, is_walked: bool = True) -> Rows:
        """By what is said of every stage alike."""
        rows: Rows = root.objects.all()
        for path, lookup, value in self._columns():
            if path != _STAGE:
                rows = rows.filter(**{f"{on(root, path)}__{lookup}": value})
        if self.search is not None:
            truth = self.search.truth() if is_walked or not self.search.is_common else self.search.gathered()
            rows = rows.filter(_rebased(truth, root))
        if self.condition is not None:
            rows = rows.filter(_rebased(compile_filter(self.condition, now=now), root))
        if self.deed is not None:
            rows = rows.filter(pk__in=self.deed.lead_ids(now))
        return rows

    def paths(self, *, now: datetime) -> set[str | None]:
        """The columns that the filters are about, as paths from a lead; None for what no one column of the two tables says."""
        found: set[str | None] = {path for path, _lookup, _value in self._columns()}
        if self.owner is not None:
            found |= {f"{_STANDING}{column}" for column in OWNER_COLUMN.values()}
        if self.search is not None or self.deed is not None:
            # What they read besides, they read by this key.
            found.add("pk")
        if self.condition is not None:
            found |= _paths_of(compile_filter(self.condition, now=now))
        return found

    def tables(self, *, now: datetime) -> set[Root | None]:
        """The tables of those columns; none of what stands on both."""
        paths = self.paths(now=now) - {CREATION}
        return {None if path is None else table_of(path) for path in paths}

    def columns_of_standing(self, *, now: datetime) -> list[str]:
        """The columns of the standing by which it is told whether a lead matches; all of them where that is not known."""
        paths = self.paths(now=now)
        known = {field.name: field.attname for field in LeadState._meta.concrete_fields}
        if None in paths:
            return list(known.values())
        named = (
            on(LeadState, path) for path in paths if path and (path == CREATION or path.startswith(_STANDING))
        )
        return [known[name] for name in named]

    def _columns(self) -> Iterable[tuple[str, str, Any]]:
        """Columns as paths from a lead, how they are compared, and with what."""
        if self.stages:
            yield _STAGE, "in", self.stages
        if self.origin is not None:
            yield "origin", "exact", self.origin
        if self.score_min:
            yield "standing__score", "gte", self.score_min
        if self.grade_min is not None:
            yield "standing__grade", "gte", self.grade_min
        if self.external_id is not None:
            yield "external_id", "exact", self.external_id
        if self.email is not None:
            yield "email", "exact", self.email
        if self.lead_ids is not None:
            yield "pk", "in", self.lead_ids


def matching_set(filters: LeadFilters, *, now: datetime) -> tuple[QuerySet[Any, Any], bool]:
    """The ids that match, as a subquery; whether of one table, that of the filters."""
    tables = filters.tables(now=now)
    if tables <= {LeadState}:
        return filters.narrow(root=LeadState, now=now).values("lead_id"), True
    if tables == {Lead}:
        return filters.narrow(root=Lead, now=now).values("pk"), True
    condition = filters.condition
    if filters.is_nothing_but_condition and condition is not None:
        rows = rows_of_leads(condition, now=now)
        if rows is not None:
            return rows.values("lead"), True
    return filters.narrow(root=Lead, now=now).values("pk"), False


def match(filters: LeadFilters, *, order: str, now: datetime, is_walked: bool = True) -> Matching:
    """The rows among which a page is sought: of the table whose column (a path from a lead) gives the order, or of leads where
    that can't be asked. ``is_walked`` as for ``narrow``."""
    root, found = table_of(order), filters.found(order=order, now=now)
    if found is not None and found.lead_ids is not None:
        return Matching(root.objects.filter(has_id(found.lead_ids)), Way.FEW)
    if filters.search is not None and filters.search.lead_ids is not None:
        return Matching(filters.narrow(root=root, now=now), Way.FEW)
    # A filter that stands in the order's own index says where that begins, which a set would not.
    is_asked = found is not None and not filters.is_served(order=order, now=now)
    if is_asked and found is not None and not found.is_more_than_counted:
        members, _is_of_one_table = matching_set(filters, now=now)
        return Matching(root.objects.filter(InSet(F("pk"), Subquery(members))), Way.SET)
    is_common = (
        filters.search is not None and filters.search.is_common and filters.is_countable_but_for_search
    )
    way = Way.SEARCH if is_common else Way.ASK if is_asked else Way.UNKNOWN
    if root is LeadState and None in filters.tables(now=now):
        leads = filters.narrow(root=Lead, now=now, is_walked=is_walked)
        return Matching(leads.filter(standing__score__gte=0), way)
    return Matching(filters.narrow(root=root, now=now, is_walked=is_walked), way)


def gather(filters: LeadFilters, *, order: str, now: datetime) -> Rows:
    """All that match, of the order's table, in no order."""
    members, _is_of_one_table = matching_set(filters, now=now)
    rows: Rows = table_of(order).objects.filter(pk__in=members)
    return rows


def rows_to_count(filters: LeadFilters, *, now: datetime) -> QuerySet[Any, Any]:
    """What is counted where ``found`` says nothing: rows of the filters' own table."""
    return filters.narrow(root=LeadState if filters.is_of_standing(now=now) else Lead, now=now)


def table_of(path: str) -> Root:
    """The table of a column that is a path from a lead."""
    return LeadState if path.startswith(_STANDING) else Lead


def on(root: Root, path: str) -> str:
    """A path from a lead as one from the table that is asked."""
    if root is Lead or path in ("pk", CREATION):
        return path
    return path.removeprefix(_STANDING) if path.startswith(_STANDING) else f"lead__{path}"


def _look(filters: LeadFilters, order: str, now: datetime) -> Found | None:
    if filters.search is not None or not filters.is_countable:
        return None
    is_filtered = filters.condition is not None or filters.owner is not None or filters.deed is not None
    if not is_filtered and not any(filters._columns()):
        return None
    if filters.owner == NOBODY and filters.is_of_standing(now=now):
        sql, parameters = _of_nobody(filters, now)
        reaches_far = False
    else:
        members, is_of_one_table = matching_set(filters, now=now)
        sql, parameters = members.order_by().query.sql_with_params()
        reaches_far = is_of_one_table and not filters.is_served(order=order, now=now)
    most = "(SELECT most FROM bounds)" if reaches_far else str(COUNTED_TO)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH bounds AS MATERIALIZED ({BOUNDS}), matching (id) AS MATERIALIZED ({sql} LIMIT {most} + 1)
            SELECT count(*), {most}, CASE WHEN count(*) <= least((SELECT few FROM bounds), {most}) THEN array_agg(id) END
            FROM matching
            """,  # noqa: S608 - only the constants above and what the ORM wrote
            [COUNTED_TO, *parameters],
        )
        count, counted_to, lead_ids = cursor.fetchone()
    return Found(count, counted_to, [] if count == 0 else lead_ids)


def _of_nobody(filters: LeadFilters, now: datetime) -> tuple[str, tuple[Any, ...]]:
    """Function by function, marketing's first: no index knows those that nobody owns, and leads mostly wait there."""
    parts: list[str] = []
    parameters: list[Any] = []
    for stages, rows in filters.by_function(now=now):
        chosen = [stage for stage in stages if not filters.stages or stage in filters.stages]
        if chosen:
            sql, given = rows.filter(stage__in=chosen).order_by().values("lead_id").query.sql_with_params()
            parts.append(sql)
            parameters += given
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) owned_by_nobody", tuple(parameters)  # noqa: S608


def _owned_by(owner: int | str, root: Root) -> Q:
    """Leads whose owner in the function that holds their stage is this member, or nobody."""
    condition = Q()
    for function in TeamFunction:
        stages = [stage for stage, holder in STAGE_FUNCTION.items() if holder is function]
        column = on(root, f"{_STANDING}{OWNER_COLUMN[function]}")
        whose: tuple[str, Any] = (f"{column}__isnull", True) if owner == NOBODY else (column, owner)
        condition |= Q((on(root, "standing__stage__in"), stages), whose)
    return condition


def _paths_of(expression: Any) -> set[str | None]:
    """The columns of an expression; None for what is asked in a subquery or of another table."""
    if isinstance(expression, F):
        return {None if "__" in expression.name.removeprefix(_STANDING) else expression.name}
    if isinstance(expression, Subquery):
        return {None}
    found: set[str | None] = set()
    for part in expression.get_source_expressions():
        found |= _paths_of(part)
    return found


def _stages_of(condition: Condition) -> set[Stage]:
    """The stages in which a lead can meet a condition, as far as its facts say."""
    if isinstance(condition, Leaf):
        is_told = condition.fact.stages and condition.operator.key in SELECTIVE
        return {Stage(stage) for stage in condition.fact.stages} if is_told else set(Stage)
    if condition.connective is Connective.ALL:
        return set.intersection(*map(_stages_of, condition.parts))
    if condition.connective is Connective.ANY:
        return set.union(*map(_stages_of, condition.parts))
    return set(Stage)


def _rebased(truth: Truth, root: Root) -> Truth:
    """A truth about a lead as one about a row of another table; subqueries know the lead by its key, which is the same."""
    rebased: Truth = truth if root is Lead else _with_paths_from(truth, root)
    return rebased


def _with_paths_from(expression: Any, root: Root) -> Any:
    if isinstance(expression, F):
        return F(on(root, expression.name))
    if not isinstance(expression, Operands):
        return expression
    changed = expression.copy()
    changed.set_source_expressions(
        [_with_paths_from(part, root) for part in expression.get_source_expressions()]
    )
    return changed
