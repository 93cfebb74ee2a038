"""What happens to the rows of each table that refers to a lead when it is merged into another. A test walks the models: a new
table that refers to a lead and is not registered here, or by its app, turns it red."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from django.db import models

from leads.merging.records import Row
from leads.models import (
    Answer,
    BulkLead,
    Consent,
    ContactAttempt,
    CustomValue,
    Decision,
    DuplicateProposal,
    Event,
    Handover,
    HeldLead,
    ImportMark,
    LeadAlias,
    LeadMerge,
    LeadNote,
    LeadSearch,
    LeadState,
    LeadTag,
    LeadTask,
    Opportunity,
    StageChange,
    Submission,
    Touch,
)


class Fate(Enum):
    """What becomes of the loser's rows."""

    # They belong to the survivor. Where both have one of the same key, the survivor's stays and the loser's is put aside.
    MOVE = "move"
    # They are put aside with the loser, and come back with it.
    PUT_ASIDE = "put aside"
    # They are derived from others: dropped, and made anew when they are needed.
    DROP = "drop"


@dataclass(frozen=True)
class LeadTable:
    """A table with a reference to leads.

    ``key`` are the columns of which a lead has each combination once. ``newest_by`` names a column of time: of two rows of one
    key the newer one stays. ``watched`` tells rows (an SQL condition) that later processing may change: they are kept as they
    stood and put back so. ``since(rows)`` gives such rows with what has happened to them since and stays so.
    ``after_undo(lead_ids, now)`` plans what their due rows need.
    """

    model: type[models.Model]
    fate: Fate
    column: str = "lead_id"
    key: tuple[str, ...] = ()
    newest_by: str = ""
    watched: str = ""
    since: Callable[[list[Row]], list[Row]] | None = None
    after_undo: Callable[[list[int], datetime], None] | None = None

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.model._meta.db_table


# (survivor's id, loser's id, now): what an app does before anything is moved.
Preparation = Callable[[int, int, datetime], None]

_tables: dict[tuple[str, str], LeadTable] = {}
_preparations: list[Preparation] = []


def register_lead_table(table: LeadTable) -> None:
    """Say once, when an app is ready, what happens to a table's rows when leads are merged."""
    _tables[table.name, table.column] = table


def register_merge_preparation(preparation: Preparation) -> None:
    """Say once, when an app is ready, what it does before leads are merged: ends what cannot go on, for one."""
    if preparation not in _preparations:
        _preparations.append(preparation)


def list_lead_tables() -> list[LeadTable]:
    """Every table that refers to leads, in a fixed order."""
    return [_tables[key] for key in sorted(_tables)]


def prepare_merge(*, survivor_id: int, loser_id: int, now: datetime) -> None:
    """Let every app do what it does before leads are merged."""
    for preparation in _preparations:
        preparation(survivor_id, loser_id, now)


HUB_TABLES: Final = (
    # Written by leads.merging.standing.
    LeadTable(LeadState, Fate.PUT_ASIDE),
    LeadTable(LeadSearch, Fate.DROP),
    LeadTable(HeldLead, Fate.DROP),
    LeadTable(LeadTag, Fate.MOVE, key=("tag",)),
    LeadTable(CustomValue, Fate.MOVE, key=("field_id",)),
    LeadTable(Answer, Fate.MOVE, key=("framework", "question"), newest_by="answered_at"),
    LeadTable(Consent, Fate.MOVE),
    LeadTable(Event, Fate.MOVE),
    LeadTable(Touch, Fate.MOVE),
    LeadTable(Decision, Fate.MOVE),
    LeadTable(StageChange, Fate.MOVE),
    LeadTable(ContactAttempt, Fate.MOVE),
    LeadTable(Handover, Fate.MOVE),
    LeadTable(Opportunity, Fate.MOVE),
    LeadTable(Submission, Fate.MOVE),
    LeadTable(ImportMark, Fate.MOVE),
    LeadTable(BulkLead, Fate.MOVE, key=("run_id",)),
    LeadTable(LeadNote, Fate.MOVE),
    LeadTable(LeadTask, Fate.MOVE),
    LeadTable(LeadAlias, Fate.MOVE),
    LeadTable(LeadMerge, Fate.MOVE, column="survivor_id"),
    # Whoever the loser was proposed with is found again as the survivor's by the next search; what was dismissed comes back.
    LeadTable(DuplicateProposal, Fate.PUT_ASIDE, column="first_id"),
    LeadTable(DuplicateProposal, Fate.PUT_ASIDE, column="second_id"),
)


def register_hub_tables() -> None:
    """Register the hub's own tables; called once, when the app is ready."""
    for table in HUB_TABLES:
        register_lead_table(table)
