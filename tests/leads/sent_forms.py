"""A form of a page as a browser would send it untouched: every field in order, also those of the same name."""

from html.parser import HTMLParser


class FormFields(HTMLParser):
    """The fields of the form with this id; what stands in a <template> is not sent."""

    def __init__(self, html: str, *, form_id: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._form_id = form_id
        self._is_inside = False
        self._templates = 0
        self._select: tuple[str, list[str], list[str]] | None = None
        self._textarea: tuple[str, list[str]] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = given.get("id") == self._form_id
        self._templates += tag == "template"
        if not self._is_inside or self._templates:
            return
        name = given.get("name", "")
        if tag == "input" and name and given.get("type") not in {"submit", "button"}:
            if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                self.fields.append((name, given.get("value", "")))
        elif tag == "select" and name:
            self._select = (name, [], [])
        elif tag == "option" and self._select:
            _name, chosen, others = self._select
            (chosen if "selected" in given else others).append(given.get("value", ""))
        elif tag == "textarea" and name:
            self._textarea = (name, [])

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._textarea[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        self._templates -= tag == "template"
        if tag == "select" and self._select:
            name, chosen, others = self._select
            self.fields += [(name, value) for value in chosen or others[:1]]
            self._select = None
        if tag == "textarea" and self._textarea:
            # The first line break after the tag is not of the text.
            name, parts = self._textarea
            self.fields.append((name, "".join(parts).removeprefix("\n")))
            self._textarea = None


def fields_of(html: str, *, form_id: str) -> dict[str, list[str]]:
    """What would be sent, as the test client takes it."""
    sent: dict[str, list[str]] = {}
    for name, value in FormFields(html, form_id=form_id).fields:
        sent.setdefault(name, []).append(value)
    return sent
