"""What a draft changes, in words: its lines beside those of the version that is published."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final, Literal

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from leads.models import RuleVersion
from leads.rulebook import RuleGroup, RuleLine, Text, Tone, list_lines

Change = Literal["same", "new", "changed", "moved", "gone"]
WORDS: Final[dict[Change, Promise]] = {
    "new": pgettext_lazy("rule", "new"),
    "changed": pgettext_lazy("rule", "changed"),
    "moved": pgettext_lazy("rule", "moved"),
    "gone": pgettext_lazy("rule", "removed"),
}


@dataclass(frozen=True, kw_only=True)
class ChangedLine:
    """A line as the draft has it, or as it was where it is gone; ``before`` where it reads otherwise now."""

    line: RuleLine
    change: Change
    before: RuleLine | None = None

    @property
    def words(self) -> Text:
        """What happened to the line, in a word; "" if nothing."""
        return WORDS.get(self.change, "")

    @property
    def tone(self) -> Tone:
        return "late" if self.change == "gone" else "soon"

    @property
    def is_other_label(self) -> bool:
        return self.before is not None and str(self.before.label) != str(self.line.label)

    @property
    def is_other_detail(self) -> bool:
        return self.before is not None and str(self.before.detail) != str(self.line.detail)

    @property
    def is_other_effect(self) -> bool:
        return self.before is not None and str(self.before.effect) != str(self.line.effect)

    @property
    def is_other_note(self) -> bool:
        return self.before is not None and str(self.before.note) != str(self.line.note)

    @property
    def is_other_text(self) -> bool:
        """Whether what changed is not to be seen in the line."""
        return self.before is not None and self.before.unseen != self.line.unseen


@dataclass(frozen=True, kw_only=True)
class ChangedGroup:
    """A group as the draft has it; ``sentences`` are pairs of what its sentences said and what they say."""

    group: RuleGroup
    lines: Sequence[ChangedLine]
    sentences: Sequence[tuple[str, str]]

    @property
    def count(self) -> int:
        return len(self.sentences) + sum(each.change != "same" for each in self.lines)


def compare_versions(*, before: RuleVersion | None, after: RuleVersion) -> list[ChangedGroup]:
    """The groups of ``after`` with what differs from ``before``; everything is new where there was nothing."""
    old = {str(group.title): group for group in (list_lines(before) if before else [])}
    new = list_lines(after)
    gone = [replace(group, intro="", outro="") for title, group in old.items() if title not in _titles(new)]
    compared = [_compare(old.get(str(group.title)), group) for group in new]
    return compared + [_compare(group, replace(group, lines=())) for group in gone]


def count_changes(groups: Sequence[ChangedGroup]) -> int:
    """How many lines and sentences differ."""
    return sum(group.count for group in groups)


def _titles(groups: Sequence[RuleGroup]) -> set[str]:
    return {str(group.title) for group in groups}


def _compare(before: RuleGroup | None, after: RuleGroup) -> ChangedGroup:
    old = _by_key(before.lines if before else ())
    new = _by_key(after.lines)
    lines: list[ChangedLine] = []
    steps = SequenceMatcher(None, list(old), list(new), autojunk=False).get_opcodes()
    for step, old_from, old_to, new_from, new_to in steps:
        if step in {"delete", "replace"}:
            left = list(old)[old_from:old_to]
            lines += [ChangedLine(line=old[key], change="gone") for key in left if key not in new]
        for key in list(new)[new_from:new_to]:
            lines.append(_compare_line(old.get(key), new[key], is_moved=step != "equal"))
    pairs = [(before.intro, after.intro), (before.outro, after.outro)] if before else []
    sentences = [(str(was), str(now)) for was, now in pairs if str(was) != str(now)]
    return ChangedGroup(group=after, lines=lines, sentences=sentences)


def _compare_line(before: RuleLine | None, after: RuleLine, *, is_moved: bool) -> ChangedLine:
    if before is None:
        return ChangedLine(line=after, change="new")
    if _said(before) != _said(after):
        return ChangedLine(line=after, change="changed", before=before)
    return ChangedLine(line=after, change="moved" if is_moved else "same")


def _said(line: RuleLine) -> tuple[str, ...]:
    return (str(line.label), str(line.detail), str(line.effect), str(line.note), line.unseen)


def _by_key(lines: Sequence[RuleLine]) -> dict[str, RuleLine]:
    """Lines by what names them in both versions; those without a key by their words."""
    named: dict[str, RuleLine] = {}
    for line in lines:
        key = line.key or str(line.label)
        while key in named:
            key += "+"
        named[key] = line
    return named
