"""What the page's components take: clocks, stage path, the "why" panel, charts. See docs/frontend.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.utils.functional import Promise

Text = str | Promise
Tone = Literal["act", "good", "soon", "late", "quiet"]

# Shares of the time used at which a clock turns orange and red.
SOON: Final = 0.75
LATE: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class ClockFace:
    """A clock as people read it.

    ``left_seconds`` and ``total_seconds`` are open time; negative when the deadline has passed. ``open_for_seconds``: how long
    the calendar stays open from now (0 = closed now, None = it is always open). ``target`` is the promise ("24 h").
    ``soon`` and ``late`` are shares of the time used, 0 to 1.
    """

    label: Text
    state: Literal["running", "paused", "met", "broken", "cancelled"]
    due_at: datetime
    left_seconds: int
    total_seconds: int
    open_for_seconds: int | None = None
    target: Text = ""
    was_broken: bool = False
    soon: float = SOON
    late: float = LATE

    @property
    def is_counting(self) -> bool:
        return self.state in {"running", "broken"}

    @property
    def is_late(self) -> bool:
        return self.is_counting and self.left_seconds < 0

    @property
    def icon(self) -> str:
        """The icon that tells the states apart without colour."""
        if self.is_late:
            return "clock-exclamation"
        return {"met": "clock-check", "paused": "clock-pause", "cancelled": "clock-x"}.get(
            self.state, "clock"
        )

    @property
    def tone(self) -> Tone:
        """The colour by share of time used; a finished clock is good, or late when it was met late."""
        if self.state == "met":
            return "late" if self.was_broken else "good"
        if not self.is_counting:
            return "quiet"
        if self.left_seconds < 0:
            return "late"
        used = 1 - self.left_seconds / self.total_seconds if self.total_seconds > 0 else 0.0
        if used >= self.late:
            return "late"
        return "soon" if used >= self.soon else "quiet"

    @property
    def time(self) -> str:
        """ "01:42" left, or "+00:35" late."""
        hours, minutes = divmod(abs(self.left_seconds) // 60, 60)
        return f"{'+' if self.left_seconds < 0 else ''}{hours:02}:{minutes:02}"


def spell_duration(time: timedelta) -> str:
    """A duration in one unit, the same in every language: "40 s", "12 min", "3 h", "5 d"."""
    seconds = int(time.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@dataclass(frozen=True, kw_only=True)
class StagePoint:
    """One chevron of the stage path; ``left`` marks the stage from which a lead went to a side exit."""

    key: str
    label: Text
    state: Literal["done", "current", "next", "left"]
    note: Text = ""


@dataclass(frozen=True, kw_only=True)
class WhyInput:
    """A fact that a rule read, as it was: "Company size: 180"."""

    label: Text
    value: Text


@dataclass(frozen=True, kw_only=True)
class WhyRule:
    """What one rule said: true, false, or None for unknown; its effect in words ("+30")."""

    label: Text
    verdict: bool | None
    effect: Text = ""
    inputs: Sequence[WhyInput] = ()


@dataclass(frozen=True, kw_only=True)
class Why:
    """The answer to one "why": the body of the side panel (``components/why.html``)."""

    title: Text
    result: Text
    version: Text = ""
    at: datetime | None = None
    summary: Text = ""
    rules: Sequence[WhyRule] = ()
    smallest_change: Sequence[Text] = ()


@dataclass(frozen=True, kw_only=True)
class Series:
    """One row of bars or one line: as many values as the chart has categories; None where there is none."""

    name: Text
    values: Sequence[float | int | None]
    tone: Tone = "act"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A bar or line chart with its table.

    ``urls`` open the rows behind each category, ``notes`` stand beside the first series' values ("61.2 %"). ``unit`` follows
    each number. ``caption`` says in a sentence what is seen, for those who don't see it.
    """

    key: str
    title: Text
    categories: Sequence[Text]
    series: Sequence[Series]
    category_label: Text
    kind: Literal["bar", "line"] = "bar"
    horizontal: bool = False
    stacked: bool = False
    unit: str = ""
    urls: Sequence[str] = ()
    notes: Sequence[Text] = ()
    caption: Text = ""
    size: Literal["small", "medium", "large"] = "medium"
    maximum: float | None = None

    @property
    def data_id(self) -> str:
        return f"{self.key}-chart-data"

    def as_json(self) -> dict[str, Any]:
        """What static/js/chart.js reads."""
        return {
            "kind": self.kind,
            "horizontal": self.horizontal,
            "stacked": self.stacked,
            "unit": self.unit,
            "maximum": self.maximum,
            "categories": [str(each) for each in self.categories],
            "urls": list(self.urls),
            "notes": [str(each) for each in self.notes],
            "series": [
                {"name": str(each.name), "values": list(each.values), "tone": each.tone}
                for each in self.series
            ],
        }

    @property
    def table(self) -> list[dict[str, Any]]:
        """The chart's rows: category, its address, its values in the order of the series, its note."""
        return [
            {
                "category": category,
                "url": self.urls[index] if index < len(self.urls) else "",
                "values": [each.values[index] for each in self.series],
                "note": self.notes[index] if index < len(self.notes) else "",
            }
            for index, category in enumerate(self.categories)
        ]
