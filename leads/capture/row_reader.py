"""Reads the rows of a file in a process of its own, a batch ahead of the one that writes them.

The reading process has no database: it parses cells into what they say of a lead or deal. If either of the two dies, the other
ends too.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from django.db import connections
from django.utils.translation import gettext as _

from leads.capture.fields import IntakeRules
from leads.capture.files import Row, UnreadableFile
from leads.capture.readable_file import ReadableFile
from tenancy.errors import FieldProblem

BATCH_SIZE: Final = 1_000

ReadItem = Callable[[Mapping[str, str], IntakeRules, datetime], tuple[Any, Sequence[FieldProblem]]]


class ReaderDied(RuntimeError):
    """The process that reads the file ended before the file did."""


class Refusal(NamedTuple):
    """Why a row is refused: the field as the import knows it ("" for the row as a whole), a stable code, a sentence."""

    field: str
    code: str
    message: str


class ReadRow(NamedTuple):
    """One row: its number in the file, what it says (None if it is refused), its cells by column, why it is refused."""

    number: int
    item: Any
    cells: Sequence[str] | Mapping[str, str]
    refusals: Sequence[Refusal]


def read_batches(*, readable: ReadableFile, read: ReadItem, now: datetime) -> Iterator[list[ReadRow]]:
    """The rows of a file in batches, read ahead in another process. Raises UnreadableFile, ReaderDied."""
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_send_batches, args=(receiver, sender, readable, read, now), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            try:
                batch = receiver.recv()
            except EOFError as error:
                raise ReaderDied(
                    _("The process that reads the file died. Run the import again; it goes on where it was.")
                ) from error
            if batch is None:
                return
            if isinstance(batch, Exception):
                raise batch
            yield batch
    finally:
        # A reader that still waits to send finds nobody and ends.
        receiver.close()
        process.join()


def _send_batches(
    receiver: Connection, sender: Connection, readable: ReadableFile, read: ReadItem, now: datetime
) -> None:
    """The other process. It keeps no end of anything whose closing tells others that the writer is gone."""
    receiver.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for one in connections.all(initialized_only=True):
        if one.connection is not None:
            os.close(one.connection.pgconn.socket)
    try:
        try:
            for batch in parse_batches(readable=readable, read=read, now=now):
                sender.send(batch)
        except UnreadableFile as error:
            sender.send(error)
        else:
            sender.send(None)
    except BrokenPipeError:
        pass


def parse_batches(*, readable: ReadableFile, read: ReadItem, now: datetime) -> Iterator[list[ReadRow]]:
    """The rows of a file in batches of BATCH_SIZE, read here."""
    rows = readable.table.rows()
    while batch := [_read_row(row, readable, read, now) for row in islice(rows, BATCH_SIZE)]:
        yield batch


def _read_row(row: Row, readable: ReadableFile, read: ReadItem, now: datetime) -> ReadRow:
    if row.refusal is not None:
        return ReadRow(row.number, None, row.values, [Refusal("", "unreadable", row.refusal)])
    item, problems = read(readable.plan.read_row(row.values), readable.rules, now)
    cells = tuple(row.values.values())
    if problems:
        refusals = [Refusal(each.field, each.code, str(each.message)) for each in problems]
        return ReadRow(row.number, None, cells, refusals)
    return ReadRow(row.number, item, cells, ())
