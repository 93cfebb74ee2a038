"""Why a condition is true, false or unknown for one lead, and the smallest change that would make it true.

The database gives every verdict: those of the leaves from the lead's rows, those of the groups and of hypothetical changes
from the verdicts of the leaves.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext as _

from leads.conditions.compile import compile_tree, record_condition
from leads.conditions.describe import Describer, in_units
from leads.conditions.language import Condition, Connective, Leaf, list_leaves
from leads.conditions.logic import Truth
from leads.conditions.operators import FactType
from leads.conditions.values import GRADE_LETTERS
from leads.models import Lead

Verdict = bool | None
# What record_condition keeps: (verdict, input) of each leaf in the order of the document.
Record = Sequence[Sequence[Any]]
Key = TypeVar("Key", bound=Hashable)

VERDICT_WORDS: dict[Verdict, str] = {True: "true", False: "false", None: "unknown"}


class NoSuchLead(LookupError):
    """The tenant has no lead with this id."""


@dataclass(frozen=True)
class Input:
    """A value that was read: ``value`` in JSON and in the unit in which people write it, ``text`` for people."""

    fact: str
    label: str
    value: Any
    text: str


@dataclass(frozen=True)
class Explanation:
    """One node of a condition with what came of it. ``kind`` is all, any, none or leaf."""

    kind: str
    verdict: Verdict
    sentence: str
    inputs: tuple[Input, ...] = ()
    parts: "tuple[Explanation, ...]" = ()

    @property
    def verdict_word(self) -> str:
        """``true``, ``false`` or ``unknown``."""
        return VERDICT_WORDS[self.verdict]

    def all_inputs(self) -> list[Input]:
        """The inputs of every leaf, each once."""
        found = dict.fromkeys(self.inputs_of_leaves())
        return list(found)

    def inputs_of_leaves(self) -> "Iterator[Input]":
        """The inputs in the order of the document."""
        yield from self.inputs
        for part in self.parts:
            yield from part.inputs_of_leaves()

    def as_json(self) -> dict[str, Any]:
        """The tree for the API and for a decision's detail."""
        return {
            "kind": self.kind,
            "verdict": self.verdict_word,
            "sentence": self.sentence,
            "inputs": [vars(read) for read in self.inputs],
            "parts": [part.as_json() for part in self.parts],
        }


@dataclass(frozen=True)
class Step:
    """One leaf that would have to change, and the fact it asks."""

    fact: str
    text: str


@dataclass(frozen=True)
class Change:
    """The least that would make a condition true: one step, or two together."""

    steps: tuple[Step, ...]

    @property
    def text(self) -> str:
        """Such as "score is 50 or more (now 42)"."""
        return _(" and ").join(step.text for step in self.steps)


def explain_condition(condition: Condition, *, lead_id: int, now: datetime) -> Explanation:
    """Why the condition is what it is for one lead; raises NoSuchLead."""
    return explain_conditions({None: condition}, lead_id=lead_id, now=now)[None]


def explain_conditions(
    conditions: Mapping[Key, Condition], *, lead_id: int, now: datetime
) -> dict[Key, Explanation]:
    """Several conditions for one lead, by their keys, in two queries; raises NoSuchLead."""
    records = read_records(conditions, lead_id=lead_id, now=now)
    return explain_records({key: (condition, records[key]) for key, condition in conditions.items()})


def read_records(conditions: Mapping[Key, Condition], *, lead_id: int, now: datetime) -> dict[Key, Record]:
    """The records of several conditions for one lead, in one query; raises NoSuchLead."""
    columns = {
        f"record_{index}": record_condition(condition, now=now)
        for index, condition in enumerate(conditions.values())
    }
    if not columns:
        return {}
    row = Lead.objects.filter(pk=lead_id).annotate(**columns).values_list(*columns).first()
    if row is None:
        raise NoSuchLead(lead_id)
    return dict(zip(conditions, row, strict=True))


def explain_record(condition: Condition, record: Record) -> Explanation:
    """Why the condition was what it was when the record was taken."""
    return explain_records({None: (condition, record)})[None]


def explain_records(recorded: Mapping[Key, tuple[Condition, Record]]) -> dict[Key, Explanation]:
    """Explanations of several records, by their keys, in one query."""
    verdicts: list[Verdict] = []
    trees: list[str] = []
    for condition, record in recorded.values():
        trees.extend(_group_trees(condition, first_leaf=len(verdicts)))
        verdicts.extend(verdict for verdict, _read in record)
    group_verdicts = iter(_evaluate(trees, verdicts))
    describer = Describer()
    return {
        key: _explained(condition, iter(record), group_verdicts, describer)
        for key, (condition, record) in recorded.items()
    }


def smallest_changes(condition: Condition, *, lead_id: int, now: datetime, limit: int = 3) -> list[Change]:
    """Single leaves whose change would make the whole true, else pairs; none if it is true already.

    A leaf under ``none`` has to become false, every other one true. At most ``limit`` changes, in the order of the document.
    Raises NoSuchLead.
    """
    (record,) = read_records({None: condition}, lead_id=lead_id, now=now).values()
    return smallest_changes_of_record(condition, record, limit=limit)


def smallest_changes_of_record(condition: Condition, record: Record, *, limit: int = 3) -> list[Change]:
    """As ``smallest_changes``, from the record of an earlier evaluation."""
    leaves = list_leaves(condition)
    wanted = list(_wanted(condition, True))  # noqa: FBT003
    describer = Describer()
    return [
        Change(tuple(_step(leaves[index], record[index][1], wanted[index], describer) for index in indexes))
        for indexes in _helping(condition, [pair[0] for pair in record], wanted, limit)
    ]


class _VerdictOf(Truth):
    """The verdict of a leaf, by its place in the array of verdicts."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        return f"(given.verdicts)[{self.index + 1:d}]", []


class _SupposedVerdictOf(_VerdictOf):
    """The verdict of a leaf, or the one wanted of it where the leaf is among the two that are supposed to change."""

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        verdict, _params = super().as_sql(compiler, connection)
        place = f"{self.index + 1:d}"
        return f"(CASE WHEN {place} IN (one, other) THEN (given.wanted)[{place}] ELSE {verdict} END)", []


def _compiled(node: Truth) -> str:
    """The text of a tree over verdicts; it has no parameters."""
    compiler: Any = Query(None).get_compiler(connection=connection)
    text: str = compiler.compile(node)[0]
    return text


def _group_trees(condition: Condition, *, first_leaf: int) -> list[str]:
    """The text of each group over verdicts, outermost first; leaves are numbered from ``first_leaf`` on."""
    if isinstance(condition, Leaf):
        return []
    places = count(first_leaf)
    trees = [_compiled(compile_tree(condition, lambda leaf: _VerdictOf(next(places))))]
    for part in condition.parts:
        trees.extend(_group_trees(part, first_leaf=first_leaf))
        first_leaf += len(list_leaves(part))
    return trees


def _evaluate(trees: Sequence[str], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """What the database makes of trees over the verdicts of leaves."""
    if not trees:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ARRAY[{', '.join(trees)}] FROM (SELECT %s::boolean[] AS verdicts) given",  # noqa: S608
            [list(verdicts)],
        )
        (found,) = cursor.fetchone()
    return list(found)


def _explained(
    condition: Condition,
    pairs: Iterator[Sequence[Any]],
    group_verdicts: Iterator[Verdict],
    describer: Describer,
) -> Explanation:
    """The explanation of a tree; takes what belongs to its leaves and groups from the front of the iterators."""
    if isinstance(condition, Leaf):
        verdict, recorded = next(pairs)
        return Explanation(
            "leaf", verdict, describer.leaf(condition), (_input(condition, recorded, describer),)
        )
    verdict = next(group_verdicts)
    parts = tuple(_explained(part, pairs, group_verdicts, describer) for part in condition.parts)
    return Explanation(condition.connective.value, verdict, describer.group(condition), parts=parts)


def _input(leaf: Leaf, recorded: Any, describer: Describer) -> Input:
    return Input(
        fact=leaf.fact.key,
        label=str(leaf.fact.label) if leaf.events is None else describer.subject(leaf),
        value=_input_value(leaf, recorded),
        text=describer.recorded(leaf.fact, recorded),
    )


def _input_value(leaf: Leaf, recorded: Any) -> Any:
    if recorded is None:
        return None
    if leaf.fact.type is FactType.GRADE:
        return GRADE_LETTERS[recorded]
    if leaf.fact.type is FactType.TAGS:
        return tuple(recorded)
    if leaf.fact.scale != 1:
        return f"{in_units(leaf.fact, recorded):f}"
    return recorded


def _wanted(condition: Condition, verdict: bool) -> Iterator[bool]:
    """The verdict of each leaf that would help the whole to the given one."""
    if isinstance(condition, Leaf):
        yield verdict
        return
    inner = not verdict if condition.connective is Connective.NONE else verdict
    for part in condition.parts:
        yield from _wanted(part, inner)


def _helping(
    condition: Condition, verdicts: Sequence[Verdict], wanted: Sequence[bool], limit: int
) -> list[tuple[int, ...]]:
    """The places of the leaves that help alone, else of the pairs that help together."""
    places, supposed_places = count(), count()
    now = _compiled(compile_tree(condition, lambda leaf: _VerdictOf(next(places))))
    supposed = _compiled(compile_tree(condition, lambda leaf: _SupposedVerdictOf(next(supposed_places))))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT one, other
            FROM (SELECT %s::boolean[] AS verdicts, %s::boolean[] AS wanted) given,
                 generate_series(1, cardinality(verdicts)) one,
                 generate_series(one, cardinality(verdicts)) other
            WHERE verdicts[one] IS DISTINCT FROM wanted[one] AND verdicts[other] IS DISTINCT FROM wanted[other]
              AND {now} IS NOT TRUE AND {supposed}
            ORDER BY one <> other, one, other
            LIMIT %s
            """,  # noqa: S608
            [list(verdicts), list(wanted), limit],
        )
        pairs = cursor.fetchall()
    singles: list[tuple[int, ...]] = [(one - 1,) for one, other in pairs if one == other]
    return singles or [(one - 1, other - 1) for one, other in pairs]


def _step(leaf: Leaf, recorded: Any, wanted: bool, describer: Describer) -> Step:
    sentence = describer.leaf(leaf, negated=not wanted)
    current = describer.recorded(leaf.fact, recorded)
    return Step(leaf.fact.key, _("%(condition)s (now %(value)s)") % {"condition": sentence, "value": current})
