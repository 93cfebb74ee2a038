"""Boolean expressions with SQL's own three-valued logic.

Django's ``~Q`` and ``exclude()`` add ``IS NOT NULL`` and so turn unknown into true; nothing here does. In ``filter()`` give a
truth bare: WHERE acts on true alone and the planner may use an index. Wrap it in ``IsTrue`` where the answer is a column.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Never

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Expression, Field, TextField
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, list[Any]]

# Leakproof on integers, text, dates and timestamps, so that row security lets them use an index.
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "^@"})


class Operands(Expression):
    """An expression made of others."""

    def __init__(self, *operands: Any, output_field: "Field[Any, Any] | None" = None) -> None:
        super().__init__(output_field=output_field)
        self.operands: list[Any] = self._parse_expressions(*operands)  # type: ignore[attr-defined]

    def get_source_expressions(self) -> list[Any]:
        return self.operands

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        self.operands = list(exprs)

    def compiled(self, compiler: SQLCompiler) -> tuple[list[str], list[Any]]:
        """The text of each operand, and their parameters in order."""
        texts: list[str] = []
        params: list[Any] = []
        for operand in self.operands:
            text, operand_params = compiler.compile(operand)
            texts.append(text)
            params.extend(operand_params)
        return texts, params


class Truth(Operands):
    """An expression that is true, false or unknown."""

    def __init__(self, *operands: Any) -> None:
        super().__init__(*operands, output_field=BooleanField(null=True))

    def __invert__(self) -> Never:
        raise TypeError("Negate a condition with NoneOf(...): Django's negation turns unknown into true.")


class AllOf(Truth):
    """True if every operand is true, false if one is false, else unknown."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        return _joined(self, compiler, " AND ")


class AnyOf(Truth):
    """True if one operand is true, false if every one is false, else unknown."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        return _joined(self, compiler, " OR ")


class NoneOf(Truth):
    """True if every operand is false, false if one is true, else unknown."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        text, params = _joined(self, compiler, " OR ")
        return f"(NOT {text})", params


def _joined(node: Truth, compiler: SQLCompiler, connector: str) -> Sql:
    texts, params = node.compiled(compiler)
    if not texts:
        raise ValueError("A group without conditions has no truth.")
    return f"({connector.join(texts)})", params


class Suffixed(Truth):
    """One operand followed by a test."""

    suffix: ClassVar[str]

    def __init__(self, operand: Any) -> None:
        super().__init__(operand)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (text,), params = self.compiled(compiler)
        return f"({text} {self.suffix})", params


class IsTrue(Suffixed):
    """Whether a truth is true; never unknown."""

    suffix = "IS TRUE"


class IsFalse(Suffixed):
    """Whether a truth is false; never unknown."""

    suffix = "IS FALSE"


class IsUnknown(Suffixed):
    """Whether a truth or a value is not known; never unknown itself."""

    suffix = "IS NULL"


class IsKnown(Suffixed):
    """Whether a truth or a value is known; never unknown itself."""

    suffix = "IS NOT NULL"


class Compare(Truth):
    """Two values under one of ``COMPARISONS``; unknown if either is missing."""

    def __init__(self, left: Any, operator: str, right: Any) -> None:
        if operator not in COMPARISONS:
            raise ValueError(f"{operator!r} is not a comparison.")
        super().__init__(left, right)
        self.operator = operator

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (left, right), params = self.compiled(compiler)
        return f"({left} {self.operator} {right})", params


class InList(Truth):
    """Whether a value is one of an array's; unknown if the value is missing and the array is not empty."""

    def __init__(self, value: Any, array: Any) -> None:
        super().__init__(value, array)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (value, array), params = self.compiled(compiler)
        return f"({value} = ANY({array}))", params


class InSet(Truth):
    """Whether a value is in a subquery's column of which none is null. The subquery is read once, into a table by value, and
    never joined: the rows around keep the order of their index. Never unknown."""

    def __init__(self, value: Any, rows: Any) -> None:
        super().__init__(value, rows)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (value, rows), params = self.compiled(compiler)
        return f"(({value} IN {rows}) IS TRUE)", params


class NotInList(Truth):
    """Whether a value is none of an array's; unknown if the value is missing and the array is not empty."""

    def __init__(self, value: Any, array: Any) -> None:
        super().__init__(value, array)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (value, array), params = self.compiled(compiler)
        return f"({value} <> ALL({array}))", params


class ContainsText(Truth):
    """Whether a text holds another, case apart. Not leakproof: reads every row of the tenant."""

    def __init__(self, value: Any, part: Any) -> None:
        super().__init__(value, part)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (value, part), params = self.compiled(compiler)
        return f"(strpos(lower({value}), lower({part})) > 0)", params


class Like(Truth):
    """Whether a text matches a pattern of LIKE. Not leakproof: reads every row that the other conditions leave."""

    def __init__(self, value: Any, pattern: Any) -> None:
        super().__init__(value, pattern)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (value, pattern), params = self.compiled(compiler)
        return f"({value} LIKE {pattern})", params


class Unknown(Truth):
    """The third value itself."""

    def __init__(self) -> None:
        super().__init__()

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        return "NULL::boolean", []


def cast_type(output_field: Any, connection: BaseDatabaseWrapper) -> str:
    """The name of a field's type as a cast in SQL writes it."""
    name: str = output_field.cast_db_type(connection)
    return name


class Bind(Expression):
    """A value as a parameter with its type: never in the text, never guessed by the server."""

    def __init__(self, value: Any, output_field: "Field[Any, Any]") -> None:
        super().__init__(output_field=output_field)
        self.value = value

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        return f"%s::{cast_type(self.output_field, connection)}", [self.value]

    def get_group_by_cols(self) -> list[Any]:
        return []


class JsonText(Operands):
    """The text under a key of a jsonb object; unknown if it is absent, null or empty."""

    def __init__(self, document: Any, key: Any) -> None:
        super().__init__(document, key, output_field=TextField(null=True))

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        (document, key), params = self.compiled(compiler)
        return f"NULLIF({document} ->> {key}, '')", params


class Fragment(Operands):
    """A fixed piece of SQL of our own around operands, each standing for one ``{}``."""

    def __init__(self, template: str, *operands: Any, output_field: "Field[Any, Any]") -> None:
        super().__init__(*operands, output_field=output_field)
        self.template = template

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Sql:
        texts, params = self.compiled(compiler)
        return self.template.format(*texts), params
