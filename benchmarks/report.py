"""One table: what, how many rows, ours, bare, ratio, the promise, whether it is kept. Written to docs/benchmarks.md."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"


@dataclass(frozen=True)
class Finding:
    """One line. ``ratio`` is ours against the bare thing in the same run; ``most`` is the promise, None where none is made.
    ``profile`` says where the time of ours goes, if that was looked at."""

    what: str
    rows: int
    ours: str
    bare: str
    ratio: float | None
    most: float | None
    detail: str = ""
    profile: str = ""

    @property
    def verdict(self) -> str:
        """Kept, missed, or only measured."""
        if self.ratio is None or self.most is None:
            return "measured"
        return "kept" if self.ratio <= self.most else "MISSED"


def limited(
    what: str, rows: int, measured: float, most: float, *, unit: str = "ms", detail: str = ""
) -> Finding:
    """A finding whose promise is a figure: the ratio is against that."""
    return Finding(what, rows, _figure(measured, unit), _figure(most, unit), measured / most, 1, detail)


def worst(
    what: str, rows: int, most: float, most_queries: int, measured: Sequence[tuple[float, int, str]]
) -> Finding:
    """The slowest of some pages, each as (milliseconds of SQL, queries, its name)."""
    milliseconds, _queries, name = max(measured)
    most_made = max(queries for _milliseconds, queries, _name in measured)
    within = sum(each <= most for each, _queries, _name in measured)
    detail = f"{within} of {len(measured)} within; slowest: {name}; at most {most_made} queries"
    if most_made > most_queries:
        detail += f", promised {most_queries}"
    return limited(what, rows, milliseconds, most, detail=detail)


def _figure(number: float, unit: str) -> str:
    return f"{number:,.1f} {unit}" if number < 100 else f"{number:,.0f} {unit}"


def table(findings: Sequence[Finding]) -> str:
    """The findings as a Markdown table."""
    lines = [
        "| what | rows | ours | bare or promised | ratio | promise | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for one in findings:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}×"
        most = "" if one.most is None else f"≤ {one.most:g}×"
        what = f"{one.what} ({one.detail})" if one.detail else one.what
        lines.append(
            f"| {what} | {one.rows:,} | {one.ours} | {one.bare} | {ratio} | {most} | {one.verdict} |"
        )
    return "\n".join(lines)


def write_document(*, findings: Sequence[Finding], machine: str, profile: str) -> None:
    """Put the table of a whole run, what is nearest to its limits, and where the time of the slowest goes, into the document."""
    text = DOCUMENT.read_text("utf-8")
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    measured = f"{BEGIN}\n\n{machine}\n\n{table(findings)}\n\n{profile}\n\n{END}"
    DOCUMENT.write_text(before + measured + after, "utf-8")


def describe_machine(*, cores: int, postgres: str, django: str) -> str:
    """On what it was measured; no name, no path."""
    return f"{cores} cores ({platform.machine()}), PostgreSQL {postgres}, Python {platform.python_version()}, Django {django}."
