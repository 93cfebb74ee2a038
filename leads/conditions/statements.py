"""Statements compiled once to SQL text and executed many times with named values.

Planning a large statement costs more than running it on a small batch. A ``Statement`` keeps the text that the ORM made, with
places for what changes from call to call (``Param``), and runs it as a prepared statement on Django's own connection, inside
its transaction. Values are parameters, so tenants with the same rules share one text.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import count
from string import Formatter
from types import NoneType
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Expression, Field, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.numeric import Int8

from leads.conditions.logic import cast_type

# The fixed statements of intake and pipeline, about thirty small ones, and those that rules make: a text of the size of a
# scoring model holds about 2 MB in the server for each connection.
PREPARED_STATEMENTS_A_CONNECTION = 48
CACHED_STATEMENTS = 512
# From so many on, planning for the values at hand costs less than it saves.
MANY_ROWS = 400


@dataclass(frozen=True)
class Slot:
    """The place of a named value among a statement's parameters."""

    name: str


class Param(Expression):
    """A value that is given when the statement runs, cast in the text to the type of ``output_field``.

    ``Param("lead_ids", ArrayField(BigIntegerField()))`` becomes ``%s::bigint[]``. Only a Statement can run a queryset that has
    one; without a type it is an instant.
    """

    def __init__(self, name: str, output_field: "Field[Any, Any] | None" = None) -> None:
        super().__init__(output_field=output_field or DateTimeField())
        self.name = name

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        return f"%s::{cast_type(self.output_field, connection)}", [Slot(self.name)]

    def get_group_by_cols(self) -> list[Any]:
        return []


class PreparedCursor(psycopg.RawCursor[Any]):
    """Binds on the server and prepares at the first execution; Django's own cursor does neither.

    Takes ``%s`` as every other cursor does. Its own placeholders are PostgreSQL's: psycopg reads a long text anew at each
    execution to number them, which costs more than running it for one lead.
    """

    prepares = True

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        # Django's own reads an instant in Python, which takes longer than all else about a row; its connections are in UTC.
        self.adapters.register_loader("timestamptz", TimestamptzLoader)

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(numbered(query), params, **{"prepare": self.prepares} | options)


@lru_cache(maxsize=CACHED_STATEMENTS)
def numbered(sql: str) -> str:
    """``%s, %%, %s`` as ``$1, %, $2``."""
    numbers = count(1)
    return re.sub("%[%s]", lambda match: "%" if match[0] == "%%" else f"${next(numbers)}", sql)


@dataclass(frozen=True)
class Statement:
    """SQL text with ``%s`` placeholders, and for each placeholder a constant or the Slot of a named value."""

    sql: str
    parameters: tuple[Any, ...]

    @classmethod
    def of(cls, queryset: QuerySet[Any, Any]) -> "Statement":
        """Compile a queryset, as a rule one with ``values_list()``. Call it inside a tenant scope; no query is made."""
        sql, parameters = queryset.query.get_compiler(connection=connection).as_sql()
        return cls(sql, tuple(parameters))

    @classmethod
    def text(cls, sql: str) -> "Statement":
        """SQL of our own with a value at each ``%(name)s``; its type has to follow from the text: ``%(lead_ids)s::bigint[]``."""
        slots = tuple(Slot(name) for name in re.findall(r"%\((\w+)\)s", sql))
        return cls(re.sub(r"%\(\w+\)s", "%s", sql), slots)

    @classmethod
    def compose(cls, template: str, /, **parts: "Statement | Param") -> "Statement":
        """SQL of our own with other statements and params at its ``{name}`` places; write ``{{`` for a brace.

        ``Statement.compose("WITH plan AS ({plan}) UPDATE … WHERE tenant_id = {tenant_id}", plan=…, tenant_id=Param(…))``.
        Nothing but fixed text may stand in the template: values go through params.
        """
        texts: list[str] = []
        parameters: list[Any] = []
        used = set()
        for literal, name, _spec, _conversion in Formatter().parse(template):
            texts.append(literal.replace("%", "%%"))
            if name is None:
                continue
            used.add(name)
            part = parts[name]
            if isinstance(part, Param):
                part = cls(f"%s::{cast_type(part.output_field, connection)}", (Slot(part.name),))
            texts.append(part.sql)
            parameters.extend(part.parameters)
        if unused := parts.keys() - used:
            raise TypeError(f"The template has no place for {', '.join(sorted(unused))}.")
        return cls("".join(texts), tuple(parameters))

    @property
    def names(self) -> frozenset[str]:
        """The names of the values that an execution needs."""
        return frozenset(slot.name for slot in self.parameters if isinstance(slot, Slot))

    def bind(self, **named: Any) -> list[Any]:
        """The parameters in order; raises TypeError if a value is missing.

        A name without a place is left aside: whether rules read ``now`` is theirs to say.
        """
        if missing := self.names - named.keys():
            raise TypeError(f"The statement needs {', '.join(sorted(missing))}.")
        adapted = {name: _adapt(value) for name, value in named.items()}
        return [
            adapted[parameter.name] if isinstance(parameter, Slot) else _adapt(parameter)
            for parameter in self.parameters
        ]

    def rows(self, **named: Any) -> list[tuple[Any, ...]]:
        """Execute and fetch every row. Values are as psycopg gives them; jsonb comes as text."""
        with self._executed(named) as cursor:
            return list(cursor.fetchall()) if cursor.pgresult.nfields else []

    def execute(self, **named: Any) -> int:
        """Execute and give the number of rows that were changed or found."""
        with self._executed(named) as cursor:
            return int(cursor.rowcount)

    def execute_for(self, rows: int, /, **named: Any) -> int:
        """The same, planned for the values given if it is about many rows; in a transaction.

        A prepared statement's one plan is made for lists of ten. For a list of a thousand it may walk through a thousand rows a
        thousand times; planning it anew costs some milliseconds. Not so what the database prepares by itself: under
        ``force_custom_plan`` each reference that is checked would be planned anew, for every row.
        """
        if rows < MANY_ROWS:
            return self.execute(**named)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = auto")
            # What is not prepared has no plan to be reused.
            with self._executed(named, prepare=False) as executed:
                changed = int(executed.rowcount)
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        return changed

    def _executed(self, named: Mapping[str, Any], *, prepare: bool = True) -> Any:
        connection.ensure_connection()
        raw = connection.connection
        raw.prepared_max = PREPARED_STATEMENTS_A_CONNECTION
        server_side: Any = PreparedCursor(raw)
        # Django's wrapper counts and logs the query and turns psycopg's errors into its own.
        cursor = (
            connection.make_debug_cursor(server_side)
            if connection.queries_logged
            else connection.make_cursor(server_side)
        )
        server_side.prepares = prepare
        cursor.execute(self.sql, self.bind(**named))
        return cursor


def _adapt(value: Any) -> Any:
    """Give each number one type on the wire, whatever its size: psycopg prepares a text once for each set of types."""
    if isinstance(value, bool | str | datetime | Decimal) or value is None:
        return value
    if isinstance(value, int):
        return Int8(value)
    if isinstance(value, Sequence):
        return _array(value)
    return value


def _array(values: Sequence[Any]) -> Any:
    """A list as PostgreSQL writes an array; its place says of what type. psycopg looks at each element several times, which
    costs more than what is done with a thousand ids; elements of other kinds are left to it."""
    types = set(map(type, values))
    if types <= {int}:
        return f"{{{','.join(map(str, values))}}}"
    if types == {int, NoneType}:
        return f"{{{','.join(['NULL' if item is None else str(item) for item in values])}}}"
    if not all(item is None or isinstance(item, int | str | datetime | Decimal) for item in values):
        return [_adapt(item) for item in values]
    return f"{{{','.join(map(_element, values))}}}"


def _element(item: Any) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str):
        # Not str(): members of enumerations are their values.
        text = str.__str__(item).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return f'"{item.isoformat()}"' if isinstance(item, datetime) else str(item)


class _Cache:
    """The statements used last, shared by the threads of a process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, build: Callable[[], Statement]) -> Statement:
        with self._lock:
            if statement := self._statements.get(key):
                self._statements.move_to_end(key)
                return statement
        # Built outside the lock: two threads may build the same text, which costs time and does no harm.
        statement = build()
        with self._lock:
            self._statements[key] = statement
            self._statements.move_to_end(key)
            while len(self._statements) > self._size:
                self._statements.popitem(last=False)
        return statement


_CACHE = _Cache(CACHED_STATEMENTS)


def cached_statement(*, key: str, build: Callable[[], Statement]) -> Statement:
    """The statement kept under a key in this process, built the first time.

    The key must hold all that shapes the text: name the step and the content hash of its rules, never a tenant or version id.
    """
    return _CACHE.get(key, build)
