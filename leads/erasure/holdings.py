"""What each table holds of a person: registered once for every table of a tenant that has texts.

A table tells of a lead by a reference, or somebody is named in it. The guard in ``tests/leads/test_erasure.py`` walks every model
with a column for text, JSON or bytes and turns red for one that is not said here, or a column of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.utils.functional import Promise


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What one table holds. ``label`` says in words what its rows are.

    ``lead`` is the column that names the lead: all such rows are the person's. Without it, or besides, rows in whose ``told``
    columns the person is named are theirs. Such rows are deleted, or their columns are set to what ``empty`` says. ``plain`` are
    columns that never hold a person's values: keys, names of rules, what colleagues are called; ``why`` says so for a table.
    ``by_name`` looks for the person's name, too, and not only for what is theirs alone.
    """

    model: str
    label: str | Promise = ""
    lead: str = ""
    told: Sequence[str] = ()
    deletes: bool = False
    empty: Mapping[str, Any] = field(default_factory=dict)
    plain: Sequence[str] = ()
    why: str = ""
    by_name: bool = False
    # Given out when the person asks what is stored of them.
    is_given: bool = True

    @property
    def model_class(self) -> type[models.Model]:
        return apps.get_model(self.model)

    @property
    def covered(self) -> set[str]:
        """The columns of which something is said."""
        return {*self.told, *self.empty, *self.plain}


_holdings: Final[dict[str, Holding]] = {}


def register_holding(holding: Holding) -> None:
    """Say once, when an app is ready, what a table holds of a person."""
    _holdings[holding.model] = holding


def holds_nothing(*labels: str, why: str) -> None:
    """Say that tables hold nothing of leads, and why."""
    for label in labels:
        register_holding(Holding(model=label, why=why))


def describe_rows(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """In words what rows there are of each model, and how many, in the order of the words."""
    described = ((str(_holdings[model].label) or model, count) for model, count in counts.items())
    return sorted(described, key=lambda each: each[0].casefold())


def get_holding(model: str) -> Holding:
    """What was said of a table."""
    return _holdings[model]


def list_holdings() -> list[Holding]:
    """Every table of which something was said, by name."""
    return [_holdings[label] for label in sorted(_holdings)]
