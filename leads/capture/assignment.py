"""What somebody says of a file on the page: which column fills which field, what words and dates mean, history or live."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _

from leads.capture.columns import CUSTOM, DateFormat, FieldType, make_field_name, make_field_names
from leads.capture.detection import Detected, DetectedColumn
from leads.capture.guessing import guess_fields, guess_word
from leads.capture.lead_rows import EVENT
from leads.capture.mapping import is_open
from leads.capture.readable_file import PROPERTY, ImportOptions, NewField
from leads.conditions.event_types import EVENT_WORDS
from leads.models import CustomType, ImportRun, OpportunityOutcome, Stage
from tenancy.errors import FieldProblem, Invalid

# The choice by which a column becomes a field of its own, and that by which it is a property of the event.
NEW_FIELD: Final = "new"
A_PROPERTY: Final = "property"
# Fields whose words are ours: a file's own have to be translated.
WORDS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "stage": tuple(Stage.values),
    "outcome": tuple(OpportunityOutcome.values),
    "type": tuple(EVENT_WORDS),
}
# Words of these that nobody translates are kept as they are.
OPEN_WORDS_OF: Final = frozenset({"type"})
IDENTITIES: Final = frozenset({"external_id", "email"})
# By these a deal or an event names its lead.
NAMES_OF_LEADS: Final = frozenset({"external_id", "email", "phone"})
# A lead that has one of these is somebody, though nobody would know it again.
SOMEBODY: Final = frozenset({"phone", "name", "first_name", "last_name"})
MAX_BLANKS: Final = 50


class InvalidAssignment(Invalid):
    """What was said of the columns can't be meant; ``errors[].field`` is ``column-N`` (from 0), ``columns`` or ``blanks``."""


@dataclass(frozen=True)
class ColumnUse:
    """What is done with one column.

    ``target`` is a field, NEW_FIELD, A_PROPERTY, or empty for a column that is left out. ``label`` and ``type`` are of a field
    to be made, ``words`` translates values, ``date_format`` is empty where the values themselves say it.
    """

    column: str
    target: str = ""
    label: str = ""
    type: FieldType = "text"
    date_format: str = ""
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assignment:
    """All that is said of a file. ``blanks`` are words that mean nothing, in any column. ``creates_leads``: a deal or an event of
    somebody unknown makes a lead. ``event_type`` is what happened in every row, where no column says it."""

    uses: Sequence[ColumnUse]
    blanks: Sequence[str] = ()
    is_live: bool = False
    creates_leads: bool = False
    event_type: str = ""

    def as_json(self) -> dict[str, Any]:
        """What an import keeps of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Assignment":
        """What ``as_json`` gave."""
        return cls(**{**kept, "uses": [ColumnUse(**each) for each in kept["uses"]]})

    def new_fields(self) -> tuple[NewField, ...]:
        """The fields to be made, each with a name made of its label."""
        return tuple(
            NewField(make_field_name(each.label), each.label, each.type)
            for each in self.uses
            if each.target == NEW_FIELD
        )

    def targets(self) -> dict[str, str]:
        """By column the field it fills, as the commands name it; empty for a column that is left out."""
        return _targets(self.uses)

    def options(self) -> ImportOptions:
        """The same as the commands take it."""
        targets = self.targets()
        return ImportOptions(
            maps=[f"{column}={target}" for column, target in targets.items() if target],
            values=[
                f"{each.column}:{raw}={meant}"
                for each in self.uses
                if each.target
                for raw, meant in each.words.items()
                if meant
            ],
            blanks=list(self.blanks),
            date_formats=[f"{each.column}={each.date_format}" for each in self.uses if each.date_format],
            is_live=self.is_live,
            left_out=[each.column for each in self.uses if not each.target],
            new_fields=self.new_fields(),
            creates_leads=self.creates_leads,
            event_type=self.event_type,
        )


def _targets(uses: Sequence[ColumnUse]) -> dict[str, str]:
    """By column the field it fills: properties are named after their columns, and events of one type are numbered."""
    named = [each.target.removeprefix(PROPERTY) for each in uses if each.target.startswith(PROPERTY)]
    names = make_field_names([each.column for each in uses if each.target == A_PROPERTY], taken=named)
    targets: dict[str, str] = {}
    times: Counter[str] = Counter()
    for use in uses:
        target = PROPERTY + names[use.column] if use.target == A_PROPERTY else _target(use)
        if target.startswith(EVENT):
            times[target] += 1
            target = f"{target}.{times[target]}" if times[target] > 1 else target
        targets[use.column] = target
    return targets


def _target(use: ColumnUse) -> str:
    return CUSTOM + make_field_name(use.label) if use.target == NEW_FIELD else use.target


def offer_assignment(
    *,
    detected: Detected,
    fields: Collection[str],
    custom: Mapping[str, str],
    remembered: Assignment | None,
    subject: str = ImportRun.Subject.LEADS,
) -> Assignment:
    """What is offered to begin with: what was said of the last file with the same columns, else what can be guessed.

    ``custom`` are the labels of own fields by name.
    """
    guessed = guess_fields(columns=detected.columns, fields=fields, custom=custom, subject=subject)
    known = {*fields, *(CUSTOM + name for name in custom), A_PROPERTY, *_dated(guessed, remembered)}
    is_events = subject == ImportRun.Subject.EVENTS
    said = {each.column: each for each in remembered.uses} if remembered else {}
    uses = []
    for column in detected.columns:
        before = said.get(column.name)
        if before is not None and (_target(before) in known or not before.target):
            target = _target(before) if before.target else ""
            date_format = before.date_format if before.date_format in column.date_formats else ""
            words = dict(before.words)
        else:
            unguessed = A_PROPERTY if is_events and column.filled else ""
            target, date_format, words = guessed.get(column.name, unguessed), "", {}
        uses.append(
            ColumnUse(
                column.name,
                target,
                column.name[:120],
                column.type,
                date_format,
                offer_words(column, target, words),
            )
        )
    return Assignment(
        uses=uses,
        blanks=list(remembered.blanks) if remembered else detected.blank_words,
        is_live=remembered.is_live if remembered else False,
        creates_leads=remembered.creates_leads if remembered else False,
        event_type=remembered.event_type if remembered else "",
    )


def _dated(guessed: Mapping[str, str], remembered: Assignment | None) -> set[str]:
    """What may have happened at a date of a lead's row."""
    said = {each.target for each in remembered.uses} if remembered else set()
    return {each for each in (*guessed.values(), *said) if is_open(each, (EVENT,))}


def offer_words(column: DetectedColumn, target: str, said: Mapping[str, str]) -> dict[str, str]:
    """By word of a column that fills a field with words of ours, what it seems to mean; words that are ours already left out."""
    if target not in WORDS_OF or column.words is None:
        return {}
    strange = [word for word in column.words if word not in WORDS_OF[target]]
    guessed = {word: guess_word(field_name=target, word=word) for word in strange}
    if target == "outcome" and any(each in {"won", "lost"} for each in guessed.values()):
        # Where some stages of a pipeline say how a deal ended, the others say that it has not.
        guessed = {word: each or OpportunityOutcome.OPEN.value for word, each in guessed.items()}
    return {word: said.get(word) or guessed[word] for word in strange}


def check_assignment(
    *,
    assignment: Assignment,
    detected: Detected,
    fields: Collection[str],
    custom: Collection[str],
    taken: Collection[str],
) -> None:
    """Raise InvalidAssignment for what can't be meant. ``custom`` are the names of own fields, ``taken`` also those retired."""
    is_events = "occurred_at" in fields
    own = {A_PROPERTY} if is_events else {*(CUSTOM + name for name in custom), NEW_FIELD}
    dated = {each.target for each in assignment.uses if is_open(each.target, (EVENT,))}
    own |= {each.target for each in assignment.uses if is_events and is_open(each.target, (PROPERTY,))}
    known = {*fields, *own, *(dated if "created_at" in fields else ()), ""}
    targets = _targets(assignment.uses)
    problems: list[FieldProblem] = []
    filled: dict[str, str] = {}
    for number, (use, column) in enumerate(zip(assignment.uses, detected.columns, strict=True)):
        place = f"column-{number}"
        problems += _check_use(use, column, place, known, taken)
        if use.target and (other := filled.setdefault(targets[use.column], use.column)) != use.column:
            fault = _(
                "The column “%(other)s” fills this field already. Choose another field for one of the two."
            )
            problems.append(FieldProblem(place, "twice", fault % {"other": other}))
    problems += _check_identity(filled.keys(), fields)
    if is_events:
        problems += _check_event(filled.keys(), assignment.event_type)
    if len(assignment.blanks) > MAX_BLANKS:
        fault = _("Give at most %(most)s words that mean nothing.") % {"most": MAX_BLANKS}
        problems.append(FieldProblem("blanks", "too_many", fault))
    if problems:
        raise InvalidAssignment(_("The file can't be imported like this yet."), errors=problems)


def _check_use(
    use: ColumnUse, column: DetectedColumn, place: str, known: Collection[str], taken: Collection[str]
) -> list[FieldProblem]:
    problems = []
    if use.target not in known:
        problems.append(FieldProblem(place, "unknown", _("Choose what this column fills.")))
    if use.target == NEW_FIELD and not use.label.strip():
        problems.append(FieldProblem(place, "required", _("Give the new field a name.")))
    elif use.target == NEW_FIELD and make_field_name(use.label) in taken:
        fault = _(
            "There is a field custom.%(name)s already, perhaps a retired one. Choose it above, or give another name."
        )
        problems.append(FieldProblem(place, "taken", fault % {"name": make_field_name(use.label)}))
    if use.target == NEW_FIELD and use.type not in CustomType.values:
        problems.append(FieldProblem(place, "type", _("Choose what kind of values the field holds.")))
    if use.date_format and use.date_format not in {each.value for each in DateFormat}:
        problems.append(FieldProblem(place, "date_format", _("Choose how the dates are written.")))
    problems += _check_words(use, column, place)
    return problems


def _check_words(use: ColumnUse, column: DetectedColumn, place: str) -> list[FieldProblem]:
    """Each word of a stage or an outcome is ours, or has been looked at; one that is left without a meaning refuses its rows."""
    ours = WORDS_OF.get(use.target)
    if ours is None or use.target in OPEN_WORDS_OF or column.words is None:
        return []
    if {*ours, *use.words}.issuperset(column.words):
        return []
    return [FieldProblem(place, "words", _("Say what these words mean here."))]


def _check_identity(filled: Collection[str], fields: Collection[str]) -> list[FieldProblem]:
    """Nobody can be made of, or found by, columns that name nobody."""
    is_of_leads = "created_at" in fields
    if set(filled) & (IDENTITIES if is_of_leads else NAMES_OF_LEADS):
        return []
    if not is_of_leads:
        fault = _("Assign the column by which the leads are known: External id, E-mail or Phone.")
    elif SOMEBODY & set(filled):
        return []
    else:
        fault = _("Assign at least one column that says who the lead is: External id, E-mail, Phone or Name.")
    return [FieldProblem("columns", "nobody", fault)]


def _check_event(filled: Collection[str], event_type: str) -> list[FieldProblem]:
    """Every event says what happened, and when."""
    problems = []
    if "occurred_at" not in filled:
        fault = _("Assign the column that says when it happened.")
        problems.append(FieldProblem("columns", "no_time", fault))
    if "type" not in filled and not event_type:
        fault = _("Assign the column that says what happened, or say what every row is.")
        problems.append(FieldProblem("event_type", "required", fault))
    return problems
