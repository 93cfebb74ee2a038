"""Why a lead stands as it does: each engine answers for its part."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class WhyRule:
    """What one rule said. ``verdict`` is true, false or unknown; ``effect`` in words; ``inputs`` are ``{"label", "value"}``."""

    id: str
    label: str
    verdict: str
    effect: str
    inputs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class WhyPart:
    """One result with its reasons. ``title`` heads the side panel; ``smallest_change`` has at most three sentences.

    ``words``: the result as people read it, where it is a stored value such as ``mql``.
    """

    title: str
    result: str
    version: int | None
    at: datetime | None
    rules: list[WhyRule]
    smallest_change: list[str] = field(default_factory=list)
    words: str = ""


# Part "clocks" may have several answers, the others have one.
Explainer = Callable[[int, datetime], list[WhyPart]]

_explainers: dict[str, Explainer] = {}

PARTS = ("score", "grade", "stage", "owner", "clocks")


def register_why(part: str, explain: Explainer) -> None:
    """Say once, when an app is ready, who answers for a part; ``explain(lead_id, now)`` runs in the tenant's scope."""
    if part not in PARTS or part in _explainers:
        raise ValueError(f"{part!r} is not a part, or is answered twice.")
    _explainers[part] = explain


def explain_part(*, part: str, lead_id: int, now: datetime) -> list[WhyPart]:
    """The answers for one part of one lead. Raises KeyError for a part that does not exist."""
    return _explainers[part](lead_id, now)
