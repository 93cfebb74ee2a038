"""Clocks as the hub shows them, in the API, the queue and the inbox: the engine that runs them registers how they are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenancy.components import ClockFace


@dataclass(frozen=True)
class LeadClock:
    """A clock as the API tells it. Kinds and states are those of the contract."""

    kind: str
    state: str
    due_at: datetime

    def as_json(self) -> dict[str, str]:
        """``{"kind", "state", "due_at"}``, the instant in UTC."""
        return {
            "kind": self.kind,
            "state": self.state,
            "due_at": self.due_at.isoformat().replace("+00:00", "Z"),
        }


@dataclass(frozen=True)
class ClockReader:
    """How clocks are read. Each answers for any number of leads at once, by lead id, in the tenant's scope.

    ``newest``: the newest clock of each kind, oldest first. ``most_urgent``: the face of the open clock that is due first, for
    leads that have one. ``broken``: the condition, as a document, on a lead that waits longer than it may.
    """

    newest: Callable[[Sequence[int]], dict[int, list[LeadClock]]]
    most_urgent: Callable[[Sequence[int], datetime], dict[int, ClockFace]]
    broken: Mapping[str, Any]


_readers: list[ClockReader] = []


def register_clock_reader(reader: ClockReader) -> None:
    """Say once, when an app is ready, how clocks are read."""
    _readers[:] = [reader]


def list_clocks(*, lead_ids: Sequence[int]) -> dict[int, list[LeadClock]]:
    """The newest clock of each kind of these leads, oldest first; leads without a clock are left out."""
    return _readers[0].newest(lead_ids)


def list_urgent_faces(*, lead_ids: Sequence[int], now: datetime) -> dict[int, ClockFace]:
    """The open clock that is due first, for ``{% clock face %}``; leads without one are left out."""
    return _readers[0].most_urgent(lead_ids, now)


def broken_clock() -> dict[str, Any]:
    """The condition, as a document, that a lead's open clock is past its deadline: to count such leads and to list them."""
    return dict(_readers[0].broken)
