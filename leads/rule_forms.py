"""Rule documents as forms: each kind says once which of its values are edited where, and nothing of a document is left out.

A form is drawn from a document and read back into one, so a document with faults is drawn as it was typed: values that mean
nothing stay texts, and the kind's own parser says what is wrong with them, by path. An editor is a ``DocumentForm``: entries
for the whole, and one list of rows, each of a ``RowKind``. Fields are named ``whole-model_cap`` and ``r3-event.type``; the
order of the fields ``row`` is the order of the rows. A row of a long document goes along as it is, in one field ``r30-kept``,
until somebody opens it and its fields are fetched.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from django.conf import settings
from django.http import QueryDict
from django.utils.formats import get_format
from django.utils.functional import Promise
from django.utils.safestring import mark_safe
from django.utils.text import slugify
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from leads.conditions.describe import describe_condition
from leads.conditions.facts import EVENT, LEAD
from leads.conditions.language import InvalidCondition, parse_condition
from leads.models import RuleKind
from leads.rulebook import RuleLine, sentence
from tenancy.errors import FieldProblem, Invalid

Text = str | Promise
Json = Any
Option = tuple[str, str]

WHOLE: Final = "whole"
KEPT: Final = "kept"
# More rows than any kind of document takes: what comes after them was not typed by a person.
MAX_ROWS: Final = 500
MAX_ID_LENGTH: Final = 32
# Of a document with more rows than this, the fields of a row are drawn when it is opened.
MOST_DRAWN: Final = 12
_ROW: Final = re.compile(r"[a-z0-9]{1,12}")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
# JSON between apostrophes in HTML: a quotation mark is one character then, not six.
_IN_APOSTROPHES: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "'&<>"}
_INCOMPLETE: Final = gettext_lazy("What was sent is incomplete. Open the page anew.")


@dataclass(frozen=True)
class Posted:
    """What was sent for one row, or for the whole."""

    data: QueryDict
    prefix: str

    def text(self, name: str) -> str:
        """One value, trimmed; "" if none was sent."""
        return (self.data.get(f"{self.prefix}-{name}") or "").strip()

    def texts(self, name: str) -> list[str]:
        """All values of a field that may be sent several times."""
        return self.data.getlist(f"{self.prefix}-{name}")

    def lines(self, name: str) -> str:
        """A text of several lines as it was typed; browsers end lines with two characters."""
        return (self.data.get(f"{self.prefix}-{name}") or "").replace("\r\n", "\n")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One value of a document as a field. ``path`` leads to it from the row ("event.type"); ``width`` is of 12 columns."""

    path: str
    label: Text = ""
    help: Text = ""
    width: int = 12
    # Left out of the document where nothing was typed.
    is_optional: bool = False
    # A part of leads/rule_entry.html, or of a file of the engine's own.
    template: ClassVar[str] = "text"

    def read(self, posted: Posted) -> Json:
        """The value as it was typed; None where it was left empty."""
        return posted.text(self.path) or None

    def show(self, value: Json) -> dict[str, Any]:
        """What the entry's template needs."""
        return {"value": "" if value is None else str(value)}


@dataclass(frozen=True, kw_only=True)
class TextEntry(Entry):
    """A line of text; ``suggestions`` are values with their words, which stand in the page once."""

    suggestions: Callable[[], Sequence[Option]] | None = None
    max_length: int = 200

    @property
    def list_name(self) -> str:
        return self.path.replace(".", "-")


@dataclass(frozen=True, kw_only=True)
class HiddenEntry(Entry):
    """A value that stays as it is."""

    template: ClassVar[str] = "hidden"


@dataclass(frozen=True, kw_only=True)
class LabelEntry(Entry):
    """Words, in each language by itself."""

    is_required: bool = True
    template: ClassVar[str] = "label"

    def read(self, posted: Posted) -> Json:
        texts = {code: posted.text(f"{self.path}.{code}") for code, _name in settings.LANGUAGES}
        return {code: text for code, text in texts.items() if text} or None

    def show(self, value: Json) -> dict[str, Any]:
        texts = value if isinstance(value, dict) else {settings.LANGUAGE_CODE: value or ""}
        return {"texts": [(code, name, texts.get(code, "")) for code, name in settings.LANGUAGES]}


@dataclass(frozen=True, kw_only=True)
class WholeNumberEntry(Entry):
    """A whole number, or none; ``unit`` stands behind it, ``blank`` is shown where there is none."""

    unit: Text = ""
    blank: Text = ""
    template: ClassVar[str] = "number"

    def read(self, posted: Posted) -> Json:
        text = posted.text(self.path)
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else text or None


@dataclass(frozen=True, kw_only=True)
class DecimalEntry(WholeNumberEntry):
    """An exact decimal, which documents keep as a text with a point; people write it as their language does."""

    def read(self, posted: Posted) -> Json:
        text = posted.text(self.path).replace("\N{MINUS SIGN}", "-")
        return (text.replace(",", ".") if text.count(",") == 1 and "." not in text else text) or None

    def show(self, value: Json) -> dict[str, Any]:
        text = "" if value is None else str(value)
        return {"value": text.replace(".", get_format("DECIMAL_SEPARATOR"))}


@dataclass(frozen=True, kw_only=True)
class ChoiceEntry(Entry):
    """One of some values. ``blank`` is the word for none, where none is a choice."""

    options: Callable[[], Sequence[Option]]
    blank: Text = ""
    is_number: bool = False
    template: ClassVar[str] = "choice"

    def read(self, posted: Posted) -> Json:
        text = posted.text(self.path)
        return int(text) if self.is_number and _WHOLE_NUMBER.fullmatch(text) else text or None

    def show(self, value: Json) -> dict[str, Any]:
        return super().show(value) | {"groups": [("", list(self.options()))]}


@dataclass(frozen=True, kw_only=True)
class ChecksEntry(Entry):
    """Some of some values."""

    options: Callable[[], Sequence[Option]]
    template: ClassVar[str] = "checks"

    def read(self, posted: Posted) -> Json:
        return posted.texts(self.path)

    def show(self, value: Json) -> dict[str, Any]:
        chosen = {str(each) for each in value} if isinstance(value, list) else set()
        return {"options": [(key, label, key in chosen) for key, label in self.options()]}


@dataclass(frozen=True, kw_only=True)
class CheckEntry(Entry):
    """Yes or no."""

    template: ClassVar[str] = "check"

    def read(self, posted: Posted) -> Json:
        return bool(posted.text(self.path))

    def show(self, value: Json) -> dict[str, Any]:
        return {"is_chosen": value is True}


@dataclass(frozen=True, kw_only=True)
class ConditionEntry(Entry):
    """A condition on leads, or on one event; ``nothing`` is said where there is none."""

    subject: str = "lead"
    nothing: Text = ""
    template: ClassVar[str] = "condition"

    def read(self, posted: Posted) -> Json:
        text = posted.text(self.path)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            return text

    def show(self, value: Json) -> dict[str, Any]:
        words = str(self.nothing)
        if value is not None:
            try:
                vocabulary = EVENT if self.subject == "event" else LEAD
                words = sentence(describe_condition(parse_condition(value, vocabulary=vocabulary)))
            except InvalidCondition:
                words = ""
        return {"tree": value, "sentence": words}


@dataclass(frozen=True, kw_only=True)
class RowKind:
    """One kind of row: what is edited of it, what a new one begins with, which rows are of it."""

    key: str
    add_label: Text
    entries: Sequence[Entry]
    blank: Mapping[str, Json]
    matches: Callable[[Mapping[str, Json]], bool] = lambda row: True


@dataclass(frozen=True)
class DrawnEntry:
    """A field as it is shown."""

    entry: Entry
    name: str
    shown: Mapping[str, Any]
    faults: Sequence[FieldProblem]

    @property
    def template(self) -> str:
        own = self.entry.template
        return own if ".html" in own else f"leads/rule_entry.html#{own}"

    @property
    def id(self) -> str:
        return "f-" + self.name.replace(".", "-")

    @property
    def first_id(self) -> str:
        """What a link to the fault leads to."""
        return f"{self.id}-{settings.LANGUAGE_CODE}" if self.entry.template == "label" else self.id

    @property
    def condition_errors(self) -> list[dict[str, str]]:
        """The faults as the condition builder takes them."""
        return [{"path": each.field, "message": str(each.message)} for each in self.faults]


@dataclass(frozen=True)
class DrawnRow:
    """A row as it is shown; ``line`` is how it reads, where the document can be read."""

    prefix: str
    kind: RowKind
    title: str
    entries: Sequence[DrawnEntry]
    faults: Sequence[FieldProblem] = ()
    line: RuleLine | None = None
    # The row as it is, where its fields are not drawn.
    kept: str = ""

    @property
    def is_open(self) -> bool:
        return bool(self.faults) or any(each.faults for each in self.entries)


@dataclass(frozen=True)
class DrawnForm:
    """A document as it is shown: the whole, its rows, one empty row of each kind, faults that belong to no field."""

    form: "DocumentForm"
    entries: Sequence[DrawnEntry]
    rows: Sequence[DrawnRow]
    blanks: Sequence[DrawnRow]
    faults: Sequence[FieldProblem]

    @property
    def suggestions(self) -> list[tuple[str, Sequence[Option]]]:
        """The suggestions of the rows' entries, by the name of their list."""
        of_rows = (entry for kind in self.form.row_kinds for entry in kind.entries)
        entries = (*self.form.entries, *of_rows)
        return [
            (entry.list_name, entry.suggestions())
            for entry in entries
            if isinstance(entry, TextEntry) and entry.suggestions
        ]

    @property
    def fault_count(self) -> int:
        """How many places have to be mended."""
        of_rows = [
            fault for row in self.rows for fault in (*row.faults, *(f for e in row.entries for f in e.faults))
        ]
        return len(self.faults) + len(of_rows) + sum(len(each.faults) for each in self.entries)


def _as_it_is(document: Mapping[str, Json]) -> dict[str, Json]:
    return dict(document)


@dataclass(frozen=True, kw_only=True)
class DocumentForm:
    """How documents of a kind are edited. ``rows`` is the path of the list; ``without`` are facts its conditions may not read.

    ``unfold`` makes of a document what the form shows, where a row's value stands elsewhere in the document; ``fold`` undoes it.
    """

    kind: RuleKind
    title: Text
    rows: str
    row_kinds: Sequence[RowKind]
    entries: Sequence[Entry] = ()
    without: Collection[str] = field(default=frozenset())
    intro: Text = ""
    empty: Text = ""
    # Whether the order of the rows decides.
    is_ordered: bool = False
    # Where there may be several documents: what a new one is called, an example of a name, and of key, name and language what
    # its draft begins with.
    new_label: Text = ""
    new_help: Text = ""
    first_document: Callable[[str, str, str], dict[str, Json]] | None = None
    # What rows are known by: it stays for ever, since decisions and answers speak of them by it.
    id_name: str = "id"
    unfold: Callable[[Mapping[str, Json]], dict[str, Json]] = _as_it_is
    fold: Callable[[Mapping[str, Json]], dict[str, Json]] = _as_it_is
    # Whether rows name later ones, so that a new row has its id before it is saved.
    has_jumps: bool = False
    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()

    def read(self, data: QueryDict, *, base: Mapping[str, Json]) -> dict[str, Json]:
        """The document that was sent; what no field is about stays as in ``base``."""
        document = self.unfold(base)
        whole = Posted(data, WHOLE)
        _read_into(document, self.entries, whole)
        prefixes = [each for each in data.getlist("row") if _ROW.fullmatch(each)]
        rows = [self._read_row(Posted(data, prefix)) for prefix in dict.fromkeys(prefixes[:MAX_ROWS])]
        _give_ids(rows, self.id_name)
        document[self.rows] = rows
        return self.fold(document)

    def _read_row(self, posted: Posted) -> dict[str, Json]:
        if kept := posted.text(KEPT):
            return _read_kept(kept)
        key = posted.text("is")
        kind = next((each for each in self.row_kinds if each.key == key), self.row_kinds[0])
        row: dict[str, Json] = {}
        _read_into(row, kind.entries, posted)
        return row

    def draw(
        self,
        document: Mapping[str, Json],
        *,
        faults: Sequence[FieldProblem] = (),
        lines: Mapping[str, RuleLine] | None = None,
    ) -> DrawnForm:
        """The document as fields with their faults, and each row as ``lines`` say it, by its id."""
        document = self.unfold(document)
        rows = self.rows_of(document)
        own: list[FieldProblem] = list(faults)
        drawn = []
        for index, row in enumerate(rows):
            of_row = _take(own, f"{self.rows}[{index}]")
            line = (lines or {}).get(str(row.get(self.id_name)))
            is_drawn = len(rows) <= MOST_DRAWN or of_row
            drawn.append((self._draw_row if is_drawn else self._keep_row)(f"r{index}", row, of_row, line))
        blanks = [self._draw_row("__row__", kind.blank, [], None, kind) for kind in self.row_kinds]
        whole = _draw_entries(self.entries, WHOLE, document, own)
        return DrawnForm(self, whole, drawn, blanks, own)

    def draw_kept(self, data: QueryDict) -> DrawnRow:
        """The fields of the one row that was sent as it is. Raises Invalid."""
        prefix = data.get("row", "")
        if not _ROW.fullmatch(prefix):
            raise Invalid(_INCOMPLETE)
        return self._draw_row(prefix, _read_kept(Posted(data, prefix).text(KEPT)), [], None)

    def rows_of(self, document: Mapping[str, Json]) -> list[dict[str, Json]]:
        """The rows of a document, as far as it has any."""
        rows = document.get(self.rows)
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def _draw_row(
        self,
        prefix: str,
        row: Mapping[str, Json],
        faults: list[FieldProblem],
        line: RuleLine | None,
        kind: RowKind | None = None,
    ) -> DrawnRow:
        kind = kind or self._kind_of(row)
        entries = _draw_entries(kind.entries, prefix, row, faults)
        return DrawnRow(prefix, kind, _title_of(row, line), entries, faults, line)

    def _keep_row(
        self, prefix: str, row: Mapping[str, Json], faults: list[FieldProblem], line: RuleLine | None
    ) -> DrawnRow:
        kind = self._kind_of(row)
        # Rows are jumped to by their ids, also while they are closed.
        known_by = [each for each in kind.entries if each.template == "hidden" and self.has_jumps]
        hidden = _draw_entries(known_by, prefix, row, faults)
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        kept = mark_safe(text.translate(_IN_APOSTROPHES))  # noqa: S308
        return DrawnRow(prefix, kind, _title_of(row, line), hidden, line=line, kept=kept)

    def _kind_of(self, row: Mapping[str, Json]) -> RowKind:
        return next((each for each in self.row_kinds if each.matches(row)), self.row_kinds[0])


def _title_of(row: Mapping[str, Json], line: RuleLine | None) -> str:
    return str(line.label) if line else _words_of(row.get("label"))


def _read_kept(text: str) -> dict[str, Json]:
    """A row that went along as it is. Raises Invalid where it is not one that we drew."""
    try:
        row = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(_INCOMPLETE) from error
    if not isinstance(row, dict) or "\\u0000" in text:
        raise Invalid(_INCOMPLETE)
    return row


def _refuse_constant(name: str) -> Json:
    """NaN and the infinities are numbers to Python and not to the database."""
    raise ValueError(name)


def _words_of(label: Json) -> str:
    """A label in the active language, else in any."""
    texts = label if isinstance(label, dict) else {"": label or ""}
    return str(texts.get((get_language() or "").lower()) or next(iter(texts.values()), ""))


def _read_into(values: dict[str, Json], entries: Sequence[Entry], posted: Posted) -> None:
    for entry in entries:
        value = entry.read(posted)
        if value is not None or not entry.is_optional:
            _put(values, entry.path, value)


def _draw_entries(
    entries: Sequence[Entry], prefix: str, values: Mapping[str, Json], faults: list[FieldProblem]
) -> list[DrawnEntry]:
    """The entries with the faults that are theirs, which are taken out of ``faults``; longest paths first choose."""
    own = {
        entry.path: _take(faults, entry.path) for entry in sorted(entries, key=lambda each: -len(each.path))
    }
    return [_draw_entry(entry, prefix, _get(values, entry.path), own[entry.path]) for entry in entries]


def _draw_entry(entry: Entry, prefix: str, value: Json, faults: list[FieldProblem]) -> DrawnEntry:
    shown = entry.show(value)
    if value is None and not isinstance(entry, ConditionEntry):
        # A parser says how the document is written; who left a field empty has to know no more than that.
        faults = [each if each.field else replace(each, message=_("Please fill this in.")) for each in faults]
    return DrawnEntry(entry, f"{prefix}-{entry.path}", shown, faults)


def _take(faults: list[FieldProblem], path: str) -> list[FieldProblem]:
    """The faults at a path and below, by the path from there; they are no longer in the list."""
    taken = [each for each in faults if each.field == path or each.field.startswith((f"{path}.", f"{path}["))]
    faults[:] = [each for each in faults if each not in taken]
    return [
        FieldProblem(each.field.removeprefix(path).lstrip("."), each.code, each.message) for each in taken
    ]


def _get(values: Mapping[str, Json], path: str) -> Json:
    found: Json = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _put(values: dict[str, Json], path: str, value: Json) -> None:
    *keys, last = path.split(".")
    for key in keys:
        # What stands there may be of the document that was read from: it is copied, never changed.
        values[key] = dict(values[key]) if isinstance(values.get(key), dict) else {}
        values = values[key]
    values[last] = value


def _give_ids(rows: Sequence[dict[str, Json]], id_name: str) -> None:
    """Name new rows after their labels."""
    taken = {row.get(id_name) for row in rows}
    for row in rows:
        if row.get(id_name):
            continue
        label = row.get("label")
        words = next(iter(label.values()), "") if isinstance(label, dict) else str(row.get("kind") or "")
        name = slugify(words).replace("-", "_")[: MAX_ID_LENGTH - 4] or "rule"
        numbered = (f"{name}_{number}" for number in range(2, MAX_ROWS + 2))
        row[id_name] = name if name not in taken else next(each for each in numbered if each not in taken)
        taken.add(row[id_name])


_forms: dict[str, DocumentForm] = {}


def register_document_form(form: DocumentForm) -> None:
    """Say once, when an app is ready, how documents of a kind are edited."""
    _forms[form.kind] = form


def list_document_forms() -> list[DocumentForm]:
    """How documents are edited, kind by kind."""
    return list(_forms.values())


def find_document_form(kind: str) -> DocumentForm | None:
    """How documents of a kind are edited; None where they are not, here."""
    return _forms.get(kind)
