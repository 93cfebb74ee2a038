"""What whoever sends a file says of it in advance: a person leaves its subject to be found out, a program says all there is to
say."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from leads.capture.assignment import (
    A_PROPERTY,
    NEW_FIELD,
    WORDS_OF,
    Assignment,
    ColumnUse,
    InvalidAssignment,
    offer_assignment,
    offer_words,
)
from leads.capture.detection import Detected
from tenancy.errors import FieldProblem


@dataclass(frozen=True)
class ImportOrders:
    """What is done without asking. ``guesses_subject``: the columns say whether the file tells of leads, deals or events.

    With ``is_automatic`` nobody is asked what the columns are: ``mapping`` gives the field of each column that fills one, and
    None leaves it to be guessed; ``values`` translates cells by column, ``blanks`` are words that mean nothing,
    ``date_formats`` are by column, ``creates_fields`` makes a field of each column that fills none. The rows are tried, and
    taken in unless ``is_dry_run``.
    """

    guesses_subject: bool = False
    is_automatic: bool = False
    mapping: Mapping[str, str] | None = None
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    blanks: Sequence[str] | None = None
    date_formats: Mapping[str, str] = field(default_factory=dict)
    creates_fields: bool = False
    creates_leads: bool = False
    event_type: str = ""
    is_live: bool = False
    is_dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """What an import keeps of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any] | None) -> "ImportOrders":
        """What ``as_json`` gave; nothing is nothing said."""
        return cls(**kept or {})


def assign_as_ordered(
    *,
    orders: ImportOrders,
    detected: Detected,
    fields: Collection[str],
    custom: Mapping[str, str],
    subject: str,
) -> Assignment:
    """What the columns are as the orders say. Raises InvalidAssignment for columns that the file does not have.

    ``custom`` are the labels of own fields by name.
    """
    _check_columns(orders, {column.name for column in detected.columns})
    offered = offer_assignment(
        detected=detected, fields=fields, custom=custom, remembered=None, subject=subject
    )
    uses = []
    for use, column in zip(offered.uses, detected.columns, strict=True):
        target = use.target if orders.mapping is None else orders.mapping.get(column.name, "")
        if not target and orders.creates_fields and column.filled:
            target = A_PROPERTY if "occurred_at" in fields else NEW_FIELD
        words = orders.values.get(column.name, {})
        # A word that is not translated refuses its row.
        offered_words = offer_words(column, target, words) if target in WORDS_OF else {}
        uses.append(
            ColumnUse(
                column.name,
                target,
                use.label,
                use.type,
                orders.date_formats.get(column.name, ""),
                {**offered_words, **words},
            )
        )
    return replace(
        offered,
        uses=uses,
        blanks=list(offered.blanks if orders.blanks is None else orders.blanks),
        is_live=orders.is_live,
        creates_leads=orders.creates_leads,
        event_type=orders.event_type,
    )


def _check_columns(orders: ImportOrders, columns: Collection[str]) -> None:
    problems = [
        FieldProblem(f"{name}.{column}"[:200], "unknown", _("The file has no such column."))
        for name, said in (
            ("mapping", orders.mapping or {}),
            ("values", orders.values),
            ("date_formats", orders.date_formats),
        )
        for column in said
        if column not in columns
    ]
    if problems:
        raise InvalidAssignment(_("The file has not all of the columns that were named."), errors=problems)


def name_columns(invalid: InvalidAssignment, detected: Detected) -> InvalidAssignment:
    """The same for who knows the columns by their names, not by their places."""
    names = {f"column-{number}": column.name for number, column in enumerate(detected.columns)}
    problems = [
        replace(each, field=f"mapping.{names[each.field]}"[:200]) if each.field in names else each
        for each in invalid.errors
    ]
    return InvalidAssignment(invalid.detail, errors=problems)
