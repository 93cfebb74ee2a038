"""What a table seems to hold, column by column: seen while its rows pass by, shown to whoever says what the columns are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from leads.capture.columns import DateDecision, DateFormat, DateFormatDecider, FieldType, TypeDecider
from leads.capture.files import Row
from leads.capture.readable_file import REFUSAL_COLUMN
from leads.capture.values import normalise_cnpj, normalise_email

SAMPLES: Final = 4
MAX_SAMPLE: Final = 80
# So many different values are offered to be translated, one by one.
MAX_WORDS: Final = 30
LOOKED_AT: Final = 300
# Words that a form or an export writes where it knows nothing.
BLANK_WORDS: Final = (
    "select",
    "n/a",
    "na",
    "null",
    "none",
    "-",
    "--",
    "?",
    "nan",
    "selecione",
    "não informado",
    "nao informado",
)


@dataclass(frozen=True)
class DetectedColumn:
    """One column: some of its values, how many rows fill it, the type that holds all of them.

    ``words`` are its values if there are few of them. ``date_formats`` are given if its dates can be read in several ways: those
    that fit (all, if the column mixes them), with the value that shows it in ``date_example``. ``emails`` and ``cnpjs`` are
    shares of the first values, 0 to 1.
    """

    name: str
    samples: list[str]
    filled: int
    type: FieldType
    words: list[str] | None
    date_formats: list[str] = field(default_factory=list)
    date_example: str = ""
    emails: float = 0.0
    cnpjs: float = 0.0


@dataclass(frozen=True)
class Detected:
    """A file that can be read as a table. ``digest`` is that of its bytes; ``sheets`` are those of a workbook."""

    kind: str
    encoding: str
    delimiter: str
    sheets: list[str]
    sheet: str
    row_count: int
    refused_count: int
    columns: list[DetectedColumn]
    blank_words: list[str]
    digest: str
    # All of them, as the rows have them.
    headers: list[str]

    def as_json(self) -> dict[str, Any]:
        """What an import keeps of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Detected":
        """What ``as_json`` gave."""
        return cls(**{**kept, "columns": [DetectedColumn(**each) for each in kept["columns"]]})


class Detector:
    """Looks at rows on their way and says at the end what the columns hold."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = {name: _ColumnDetector(name) for name in columns if name != REFUSAL_COLUMN}
        self.refused_count = 0

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, each looked at."""
        for row in rows:
            if row.refusal is None:
                for name, column in self._columns.items():
                    column.see(row.values[name])
            else:
                self.refused_count += 1
            yield row

    def columns(self) -> list[DetectedColumn]:
        """What was seen."""
        return [each.detected() for each in self._columns.values()]

    def blank_words(self) -> list[str]:
        """Words that mean nothing, as the file writes them, the columns' order."""
        found = (word for each in self._columns.values() for word in each.blank_words)
        return list(dict.fromkeys(found))


class _ColumnDetector:
    def __init__(self, name: str) -> None:
        self._name = name
        self._filled = 0
        self._types = TypeDecider()
        self._dates = DateFormatDecider()
        self._last: str | None = None
        # In order; what counts is the first ones and whether there are many.
        self._words: dict[str, None] = {}
        self._emails = self._cnpjs = self._looked_at = 0
        self.blank_words: list[str] = []

    def see(self, raw: str) -> None:
        text = raw.strip()
        if not text:
            return
        self._filled += 1
        if text == self._last:
            return
        self._last = text
        if text.casefold() in BLANK_WORDS:
            if text not in self.blank_words:
                self.blank_words.append(text)
            return
        if len(self._words) <= MAX_WORDS:
            self._words[text[:MAX_SAMPLE]] = None
        if self._looked_at < LOOKED_AT:
            self._looked_at += 1
            self._emails += normalise_email(text) is not None
            self._cnpjs += normalise_cnpj(text) is not None
        self._types.feed([text])
        self._dates.feed([text])

    def detected(self) -> DetectedColumn:
        words = list(self._words)
        decided = self._types.decision()
        dates = self._dates.decision()
        return DetectedColumn(
            name=self._name,
            samples=words[:SAMPLES],
            filled=self._filled,
            type=decided.type,
            words=words if len(words) <= MAX_WORDS else None,
            date_formats=_asked(dates),
            date_example=dates.example or "" if dates.is_ambiguous else "",
            emails=self._emails / max(1, self._looked_at),
            cnpjs=self._cnpjs / max(1, self._looked_at),
        )


def _asked(dates: DateDecision) -> list[str]:
    if not dates.is_ambiguous:
        return []
    return [each.value for each in dates.candidates or tuple(DateFormat)]
