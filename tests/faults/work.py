"""Five kinds of work in whose middle something dies: a batch, an import, a sending, an escalation, a publishing. More: acts.py.

Each begins with a burst of its own on top of the steady load, and can say whether it is in somebody's hands this very moment:
a row that a transaction in progress has locked, a message being sent, a command running.
"""

import csv
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.faults.hands import Child, DeedFailed, Hands
from tests.faults.load import DEMO, NEWSLETTER, Load, Promise
from tests.faults.stack import Eye, RunningStack

MOST_TRIES: Final = 10
# Rows of a table that a transaction has locked or changed and not ended. Transaction ids are young here: no epoch.
_IN_HAND: Final = """
SELECT count(*) FROM {table} WHERE tenant_id = %(tenant)s AND xmax::text::bigint > 2
AND pg_xact_status(xmax::text::xid8) = 'in progress' AND {which}
"""
# What is not as it should be, as which kind it counts (lost, doubled, missed, stuck), how many.
Oddity = tuple[str, str, int]


@dataclass
class Field:
    """What work is done on: one tenant of the stack for some rounds, with everything that is known of it."""

    stack: RunningStack
    hands: Hands
    eye: Eye
    load: Load
    folder: Path
    numbers: Iterator[int]
    points: Iterator[int] = field(default_factory=lambda: count(21))
    errands: list["Errand"] = field(default_factory=list)
    # What has to have come of the work of this round.
    checks: list[Callable[[], Iterable[Oddity]]] = field(default_factory=list)
    published: int = 0
    # What the last waiting for quiet waited for to the end.
    waited_for: str = ""

    @property
    def tenant_id(self) -> int:
        """The tenant's id."""
        return int(self.load.place.tenant["id"])

    def rows_in_hand(self, table: str, which: str = "true") -> bool:
        """Whether a transaction in progress holds rows of the tenant in this table."""
        return self.sees(_IN_HAND.format(table=table, which=which))

    def look(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query about the tenant, waiting for the server if need be."""
        return self.eye.see_at_last(query, {"tenant": self.tenant_id, **values})

    def sees(self, query: str, **values: Any) -> bool:
        """Whether a count is above zero; false while the database is away."""
        try:
            return bool(self.eye.see(query, {"tenant": self.tenant_id, **values})[0][0])
        except psycopg.Error:
            return False

    def let_pass(self, *, minutes: float) -> None:
        """Let so many minutes pass for everything that waits for its time.

        Rows that a worker has in hand stay as they are: for it the minutes have not begun. Nobody's clock is touched.
        """
        for statement in (*_LET_WAITS_PASS, _LET_LEASES_PASS, _LET_PAUSES_PASS):
            self.eye.see_at_last(statement, {"tenant": self.tenant_id, "minutes": minutes})

    def let_pauses_pass(self) -> None:
        """Let the half minute pass after which what was left lying is taken up."""
        self.eye.see_at_last(_LET_PAUSES_PASS, {"tenant": self.tenant_id, "minutes": 0.5})

    def let_leases_pass(self) -> None:
        """Let the ten minutes pass after which a sending that nobody ends is given up."""
        self.eye.see_at_last(_LET_LEASES_PASS, {"tenant": self.tenant_id, "minutes": 11})


_LET_WAITS_PASS: Final = (
    # A clock and the row that says when it is looked at next go together.
    """
    WITH free AS MATERIALIZED (
        SELECT due.id AS due_id, clock.id AS clock_id
        FROM core_duerow due JOIN routing_clock clock ON clock.tenant_id = due.tenant_id AND clock.id = due.subject
        WHERE due.tenant_id = %(tenant)s AND due.kind = 'clock.share' AND clock.state IN ('running', 'broken')
        FOR UPDATE SKIP LOCKED
    ), due AS (
        UPDATE core_duerow SET due_at = due_at - %(minutes)s * interval '1 minute'
        WHERE id IN (SELECT due_id FROM free)
    )
    UPDATE routing_clock
    SET started_at = started_at - %(minutes)s * interval '1 minute', due_at = due_at - %(minutes)s * interval '1 minute'
    WHERE id IN (SELECT clock_id FROM free)
    """,
    """
    WITH free AS MATERIALIZED (
        SELECT due.id AS due_id, enrollment.id AS enrollment_id
        FROM core_duerow due
        JOIN nurturing_enrollment enrollment
            ON enrollment.tenant_id = due.tenant_id AND enrollment.id = due.subject
        WHERE due.tenant_id = %(tenant)s AND due.kind = 'enrollment.step' AND enrollment.state = 'active'
        FOR UPDATE SKIP LOCKED
    ), due AS (
        UPDATE core_duerow SET due_at = due_at - %(minutes)s * interval '1 minute'
        WHERE id IN (SELECT due_id FROM free)
    )
    UPDATE nurturing_enrollment SET next_at = next_at - %(minutes)s * interval '1 minute'
    WHERE id IN (SELECT enrollment_id FROM free)
    """,
)
_LET_LEASES_PASS: Final = """
    UPDATE nurturing_message SET due_at = due_at - %(minutes)s * interval '1 minute'
    WHERE id IN (
        SELECT id FROM nurturing_message WHERE tenant_id = %(tenant)s AND state IN ('queued', 'sending')
        FOR UPDATE SKIP LOCKED
    )
    """
_LET_PAUSES_PASS: Final = """
    UPDATE core_duerow SET due_at = due_at - %(minutes)s * interval '1 minute'
    WHERE (tenant_id, kind, subject) IN (
        SELECT tenant_id, kind, subject FROM core_duerow WHERE tenant_id = %(tenant)s AND held_at IS NULL
        AND kind IN ('submission.process', 'lead.retry', 'leads.rerun', 'leads.bulk', 'leads.erase', 'leads.export',
            'data.export')
        FOR UPDATE SKIP LOCKED
    )
    """


@dataclass(frozen=True)
class Work:
    """One kind of work under way. ``longest_seconds`` is about how long it takes from when it is first in hand."""

    name: str
    is_in_hand: Callable[[], bool]
    longest_seconds: float
    # A process of the campaign's own that does it, where it is not the stack's.
    command: Callable[[], Child | None] = lambda: None


# A batch ---------------------------------------------------------------------------------------------------------


def begin_batch(at: Field, dice: random.Random) -> Work:
    """Hundreds of leads accepted at once, to be taken in by the next sweep."""
    at.load.send_many(dice.randint(150, 250), dice.choice([NEWSLETTER, DEMO]), is_async=True)
    return Work("batch", lambda: at.rows_in_hand("leads_submission"), 0.4)


# An import -------------------------------------------------------------------------------------------------------


@dataclass
class Errand:
    """Something that a person does by a command and, should the command die, does again."""

    hands: Hands
    deed: str
    arguments: dict[str, Any]
    child: Child
    # Of an import: the file, and how many rows it has.
    path: Path | None = None
    rows: int = 0
    tries: int = 1

    def is_done(self) -> bool:
        """Whether the command ran to its end; one that died is started again."""
        if self.child.is_living():
            return False
        if self.child.result() is not None:
            return True
        if self.tries >= MOST_TRIES:
            raise DeedFailed(f"{self.deed} {self.arguments} failed {self.tries} times")
        self.tries += 1
        self.child = self.hands.begin(self.deed, **self.arguments)
        return False

    def miscounted(self) -> int:
        """By how many rows the counts of an import differ from its file."""
        counts = self.child.result() if self.path is not None else {}
        counted = sum(number for number in (counts or {}).values() if isinstance(number, int))
        return abs(counted - self.rows)


def begin_import(at: Field, dice: random.Random) -> Work:
    """A file of new people; the longer ones are shared between two processes of the command."""
    rows = dice.choice([400, 400, 400, 2100])
    number = next(at.numbers)
    path = at.folder / f"people-{number}.csv"
    promises = []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "email", "name", "company", "origin"])
        for row in range(rows):
            promise = Promise(f"file{number}.{row}@firma{row % 60}.com.br", 0)
            promises.append(promise)
            writer.writerow([f"f{number}-{row}", promise.email, f"Bia {row}", f"Firma {row % 60}", "fair"])
    words = ["import_leads", str(path), "--tenant", at.load.place.tenant["slug"]]
    behind = -3600.0 if dice.random() < 0.1 else 0.0
    child = at.hands.begin("command", ahead_seconds=behind, words=words)
    one = Errand(at.hands, "command", {"words": words}, child, path, rows)
    at.errands.append(one)
    # The command says that it is done, so all of it has to be there.
    for promise in promises:
        promise.accepted = True
    at.load.book.promises += promises

    def is_in_hand() -> bool:
        return one.child.is_living() and at.sees(
            "SELECT count(*) FROM leads_importrun WHERE tenant_id = %(tenant)s AND file_name = %(file)s"
            " AND finished_at IS NULL",
            file=path.name,
        )

    return Work("import", is_in_hand, 1.2, lambda: one.child)


# A sending -------------------------------------------------------------------------------------------------------


def begin_sending(at: Field, dice: random.Random) -> Work:
    """Dozens of leads enter a sequence, and their first e-mail is due; those who wait for the second come to it."""
    enroll_some(at, dice.randint(20, 30))
    return Work(
        "send",
        lambda: at.sees(
            "SELECT count(*) FROM nurturing_message WHERE tenant_id = %(tenant)s AND state = 'sending'"
        ),
        0.8,
    )


def enroll_some(at: Field, leads: int) -> None:
    """So many leads enter the sequence; an hour passes for those who are in it already."""
    at.let_pass(minutes=61)
    at.hands.do("enroll_leads", tenant_id=at.tenant_id, count=leads)


# An escalation ---------------------------------------------------------------------------------------------------


def begin_escalation(at: Field, dice: random.Random) -> Work:
    """Clocks by the hundred come to some share of their time at once: warned, broken, offered to the next, escalated."""
    at.load.send_many(dice.randint(60, 100), DEMO, is_async=False)
    at.let_pass(minutes=dice.choice([35, 50, 65, 95, 130]))
    return Work("escalation", lambda: at.rows_in_hand("core_duerow"), 0.3)


# A publishing ----------------------------------------------------------------------------------------------------


def begin_publishing(at: Field, dice: random.Random) -> Work:
    """A scoring model is published, and workers go over all leads of the tenant."""
    arguments = {"tenant_id": at.tenant_id, "points": next(at.points)}
    child = at.hands.begin("publish_scoring", **arguments)
    at.errands.append(Errand(at.hands, "publish_scoring", arguments, child))
    at.published += 1
    return Work("publish", lambda: at.rows_in_hand("leads_rerun"), 0.8)


@contextmanager
def field_of(
    stack: RunningStack, hands: Hands, load: Load, folder: Path, numbers: Iterator[int]
) -> Iterator[Field]:
    """A tenant to work on, its clients let go at the end."""
    eye = Eye(stack)
    try:
        yield Field(stack, hands, eye, load, folder, numbers)
    finally:
        load.end()
        eye.close()
