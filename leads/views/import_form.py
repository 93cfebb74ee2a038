"""The form that says what a file's columns are: what it offers, and what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.capture.assignment import (
    A_PROPERTY,
    NEW_FIELD,
    OPEN_WORDS_OF,
    WORDS_OF,
    Assignment,
    ColumnUse,
    offer_words,
)
from leads.capture.columns import CUSTOM, FieldType, make_field_name
from leads.capture.detection import Detected, DetectedColumn
from leads.capture.event_rows import MAX_TYPE
from leads.capture.lead_rows import EVENT
from leads.conditions.event_types import EVENT_WORDS, event_words, list_event_types
from leads.conditions.facts import UnknownFact, get_fact
from leads.models import CustomField, CustomType, OpportunityOutcome, Stage
from tenancy.errors import FieldProblem

Text = str | Promise
# What the facts of a lead do not name, or name otherwise than a column of a file.
_LABELS: Final[Mapping[str, Text]] = {
    "consent": gettext_lazy("Consent"),
    "created_at": gettext_lazy("Captured on"),
    "company": gettext_lazy("Company"),
    "lead_name": gettext_lazy("Name of the lead"),
    "deal_id": gettext_lazy("Deal id"),
    "outcome": gettext_lazy("Open, won or lost"),
    "opened_at": gettext_lazy("Opened on"),
    "closed_at": gettext_lazy("Closed on"),
    "won_at": gettext_lazy("Won on"),
    "lost_at": gettext_lazy("Lost on"),
    "expected_close_on": gettext_lazy("Expected to close on"),
    "sdr": gettext_lazy("SDR"),
    "sales_rep": gettext_lazy("Sales rep"),
    "amount": gettext_lazy("Amount"),
    "currency": gettext_lazy("Currency"),
    "reason": gettext_lazy("Reason"),
    "type": gettext_lazy("What happened"),
    "occurred_at": gettext_lazy("When it happened"),
    "message_id": gettext_lazy("Id of the event"),
    "properties": gettext_lazy("Properties as JSON"),
}
_DEALS: Final = gettext_lazy("Deal")
_EVENTS: Final = gettext_lazy("Event")
_OF_LEADS: Final = frozenset({"consent", "lead_name"})
_OF_EVENTS: Final = frozenset({"type", "occurred_at", "message_id", "properties"})
_OWN: Final = gettext_lazy("Own fields")
DATE_LABELS: Final[Mapping[str, Text]] = {
    "dmy": gettext_lazy("day/month/year"),
    "mdy": gettext_lazy("month/day/year"),
    "ymd": gettext_lazy("year-month-day"),
}


@dataclass(frozen=True)
class WordRow:
    """A word of the file and what it may mean."""

    name: str
    word: str
    options: SafeString


@dataclass(frozen=True)
class ColumnRow:
    """One column on the form: what it holds, the selects that say what is done with it, what is wrong with that."""

    number: int
    column: DetectedColumn
    label: str
    targets: SafeString
    types: SafeString
    dates: SafeString
    words: Sequence[WordRow]
    errors: Sequence[str] = field(default_factory=tuple)


def field_label(name: str) -> Text:
    """What a field is called."""
    if name in _LABELS:
        return _LABELS[name]
    try:
        return get_fact(key=name).label
    except UnknownFact:
        return name


def read_assignment(*, sent: QueryDict, detected: Detected) -> Assignment:
    """What the form says."""
    uses = [_read_use(sent, number, column) for number, column in enumerate(detected.columns)]
    blanks = [word.strip() for word in sent.get("blanks", "").split(",") if word.strip()]
    return Assignment(
        uses=uses,
        blanks=list(dict.fromkeys(blanks)),
        is_live=sent.get("mode") == "live",
        creates_leads=sent.get("unknown") == "make",
        event_type=sent.get("event_type", "").strip()[:MAX_TYPE],
    )


def _read_use(sent: QueryDict, number: int, column: DetectedColumn) -> ColumnUse:
    kind = sent.get(f"type-{number}", "")
    types: dict[str, FieldType] = {"text": "text", "integer": "integer", "decimal": "decimal", "date": "date"}
    said = {
        word: str(sent[name])
        for place, word in enumerate(column.words or ())
        if (name := f"word-{number}-{place}") in sent
    }
    return ColumnUse(
        column=column.name,
        target=sent.get(f"column-{number}", ""),
        label=sent.get(f"label-{number}", "").strip()[:120],
        type=types.get(kind, "text"),
        date_format=sent.get(f"date-{number}", ""),
        words=said,
    )


def column_rows(
    *,
    detected: Detected,
    assignment: Assignment,
    fields: Sequence[str],
    errors: Sequence[FieldProblem] = (),
) -> list[ColumnRow]:
    """The rows of the form, with what was said so far."""
    offered = _targets(fields)
    faults: dict[str, list[str]] = {}
    for each in errors:
        faults.setdefault(each.field, []).append(str(each.message))
    return [
        ColumnRow(
            number=number,
            column=column,
            label=use.label,
            targets=_selected(offered, use.target),
            types=_selected(_options(CustomType.choices), use.type),
            dates=_selected(_date_options(column), use.date_format),
            words=_word_rows(number, column, use),
            errors=faults.get(f"column-{number}", []),
        )
        for number, (column, use) in enumerate(zip(detected.columns, assignment.uses, strict=True))
    ]


def _word_rows(number: int, column: DetectedColumn, use: ColumnUse) -> list[WordRow]:
    if use.target not in WORDS_OF or column.words is None:
        return []
    offered = offer_words(column, use.target, use.words)
    labels: dict[str, Text] = {**dict(Stage.choices), **dict(OpportunityOutcome.choices), **EVENT_WORDS}
    known = [(word, labels[word]) for word in WORDS_OF[use.target]]
    refuse = _options([("", _("Refuse these rows")), *known])
    return [
        WordRow(
            f"word-{number}-{place}",
            word,
            _selected(
                _options(
                    [("", _("As it is: %(type)s") % {"type": event_words(make_field_name(word))}), *known]
                )
                if use.target in OPEN_WORDS_OF
                else refuse,
                use.words.get(word, offered[word]),
            ),
        )
        for place, word in enumerate(column.words)
        if word in offered
    ]


def _date_options(column: DetectedColumn) -> SafeString:
    if not column.date_formats:
        return SafeString()
    return _options([("", _("Choose…")), *((name, DATE_LABELS[name]) for name in column.date_formats)])


def _targets(fields: Sequence[str]) -> SafeString:
    """The fields by topic, in a select."""
    groups: dict[str, list[tuple[str, Text]]] = {}
    for name in fields:
        groups.setdefault(_group(name), []).append((name, field_label(name)))
    if "occurred_at" in fields:
        groups[str(_EVENTS)].append((A_PROPERTY, _("A property of the event")))
    else:
        own = CustomField.objects.filter(retired_at__isnull=True).order_by("label", "id")
        groups.setdefault(str(_OWN), []).extend((CUSTOM + each.name, each.label) for each in own)
        groups[str(_OWN)].append((NEW_FIELD, _("A new field…")))
    if "created_at" in fields:
        groups[_("Date of an event")] = [(EVENT + name, words) for name, words in event_choices()]
    first = _options([("", _("Leave out"))])
    return first + format_html_join(
        "", '<optgroup label="{}">{}</optgroup>', ((name, _options(pairs)) for name, pairs in groups.items())
    )


def _group(name: str) -> str:
    try:
        return str(get_fact(key=name).group)
    except UnknownFact:
        if name in _OF_LEADS:
            return str(get_fact(key="email").group)
        return str(_EVENTS if name in _OF_EVENTS else _DEALS)


def event_choices() -> list[tuple[str, str]]:
    """The types of events that are known, with what they are called."""
    return [(name, event_words(name)) for name in list_event_types()]


def _options(pairs: Sequence[tuple[str, Text]]) -> SafeString:
    return format_html_join("", '<option value="{}">{}</option>', pairs)


def _selected(options: SafeString, value: str) -> SafeString:
    """The same options with one chosen: a select of forty in each of forty columns is escaped once."""
    plain = format_html('<option value="{}">', value)
    return mark_safe(options.replace(plain, f"{plain[:-1]} selected>", 1))  # noqa: S308 - both were escaped
