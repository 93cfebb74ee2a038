"""One table: what, how many rows, ours, bare, ratio, the promise, whether it is kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line. ``ratio`` is ours against the bare thing in the same run; ``most`` is the promise, None where none is made."""

    what: str
    rows: int
    ours: str
    bare: str
    ratio: float | None
    most: float | None
    detail: str = ""

    @property
    def verdict(self) -> str:
        """Kept, missed, or only measured."""
        if self.ratio is None or self.most is None:
            return "measured"
        return "kept" if self.ratio <= self.most else "MISSED"


def table(findings: list[Finding]) -> str:
    """The findings as a Markdown table."""
    lines = [
        "| what | rows | ours | bare | ratio | promise | |",
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
