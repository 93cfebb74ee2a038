"""The hostile texts of the big list of naughty strings, and the forms of a page to put them into."""

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

# Not written down by a person: left as the page has them, or a form is refused before anything else is read.
_KEPT_TYPES = {"hidden", "submit", "button", "image", "reset", "checkbox", "radio", "file"}


def read_lines() -> list[str]:
    """The hostile texts; skips the test, saying so, where the folder of the real data sets is not named."""
    folder = os.environ.get("LEADSYS_REAL_DATA", "")
    if not folder:
        pytest.skip("HOSTILE TEXTS NOT TRIED: LEADSYS_REAL_DATA names the folder with blns.json.")
    lines: list[str] = json.loads((Path(folder) / "blns.json").read_text("utf-8"))
    return lines


@dataclass
class Form:
    """A form of a page: where it goes, and its fields in order with what they hold; ``texts`` are those a person types into."""

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What makes it the same form on another page."""
        return self.method, self.action.partition("?")[0], tuple(sorted(self.values))

    def filled(self, line: str, *, everywhere: bool) -> dict[str, str]:
        """The values with the line in every text, or in every field but the token."""
        names = self.values.keys() - {"csrfmiddlewaretoken"} if everywhere else self.texts
        return self.values | dict.fromkeys(names, line)


class FormReader(HTMLParser):
    """Reads the forms of a page, also those that HTMX sends."""

    def __init__(self, html: str, path: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._path = path
        self._open: Form | None = None
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = "post" if "hx-post" in given else given.get("method", "get").lower()
            action = given.get("hx-post") or given.get("hx-get") or given.get("action", "")
            self._open = Form(method, urljoin(self._path, action))
            self.forms.append(self._open)
        elif self._open is not None:
            self._field(self._open, tag, given)

    def _field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if tag == "option" and self._select and ("selected" in given or not form.values[self._select]):
            form.values[self._select] = given.get("value", "")
        if not name:
            return
        if tag == "select":
            self._select = name
            form.values[name] = ""
        elif tag == "textarea":
            form.values[name] = ""
            form.texts.add(name)
        elif tag == "input":
            kind = given.get("type", "text")
            if kind not in {"checkbox", "radio"} or "checked" in given:
                form.values[name] = given.get("value", "")
            if kind not in _KEPT_TYPES:
                form.texts.add(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""


def some(lines: list[str], *, count: int, start: int = 0) -> Iterator[str]:
    """So many of the lines, spread over the list and beginning elsewhere for each start; all with LEADSYS_HOSTILE=full."""
    if is_full():
        yield from lines
        return
    step = max(1, len(lines) // count)
    yield from (lines[(start + number * step) % len(lines)] for number in range(count))


def each_in_a_field(lines: list[str], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A field's name and a line: every line in one field or another; in each of them with LEADSYS_HOSTILE=full."""
    if is_full():
        yield from itertools.product(names, lines)
        return
    yield from zip(itertools.cycle(names), lines)


def is_full() -> bool:
    """Whether everything is tried in everything."""
    return os.environ.get("LEADSYS_HOSTILE") == "full"
