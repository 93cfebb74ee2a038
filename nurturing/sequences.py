"""Sequences as rule documents: e-mails, waits, conditions and exits, read strictly.

The document (kind ``sequence``, its name is its key)::

    {"key": "re_engagement", "label": {"en": "Re-engagement", "pt-br": "Reengajamento"}, "purpose": "marketing",
     "from_name": null,
     "steps": [
       {"id": "hello", "kind": "email", "template": {"en": {"subject": "…", "body_markdown": "…"}, "pt-br": {…}}},
       {"id": "a_week", "kind": "wait", "days": 7},
       {"id": "came_back", "kind": "condition", "when": CONDITION, "then": "exit", "else": null},
       {"id": "end", "kind": "exit"}],
     "exit_when": CONDITION or null}

``from_name`` null is the tenant's name. A wait has ``days`` (24 hours each) or ``hours``. ``then`` and ``else`` name a later
step or ``"exit"``; null goes on with the next one. A condition that is unknown goes the way of ``else``. ``exit_when`` is
asked before each step and whenever something happens to the lead. Steps run in order and jump only forward, so a sequence
ends. Bodies are Markdown with Liquid (``nurturing.wording``); the link to unsubscribe stands below every e-mail.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from leads.conditions.language import Condition
from leads.documents import Place, expect_distinct, open_document
from leads.labels import Label
from leads.models import CustomField
from leads.versions import InvalidDocument, path_problem
from nurturing.wording import (
    InvalidWording,
    Wording,
    compile_body,
    compile_subject,
    custom_fields_of,
    one_line,
)

EXIT: Final = "exit"
MAX_STEPS: Final = 100
MAX_HOURS: Final = 24 * 365
MAX_NAME_LENGTH: Final = 120
_PURPOSE: Final = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True)
class EmailStep:
    """Write to the lead, in the language that suits best."""

    id: str
    wordings: Mapping[str, Wording]
    # As the document has them, for those who read the sequence.
    texts: Mapping[str, Mapping[str, str]] = field(compare=False)

    def wording_in(self, languages: Sequence[str]) -> tuple[str, Wording]:
        """The text in the first of these languages that there is, else in any; with the language it is in."""
        language = next((each for each in languages if each in self.wordings), next(iter(self.wordings)))
        return language, self.wordings[language]


@dataclass(frozen=True)
class WaitStep:
    """Let time pass."""

    id: str
    duration: timedelta


@dataclass(frozen=True)
class ConditionStep:
    """Go one of two ways; each is the index of a later step, len(steps) for the end."""

    id: str
    when: Condition
    then: int
    otherwise: int


@dataclass(frozen=True)
class ExitStep:
    """End here."""

    id: str


Step = EmailStep | WaitStep | ConditionStep | ExitStep


@dataclass(frozen=True)
class SequenceRules:
    """The parsed document. ``from_name`` None is the tenant's name."""

    key: str
    label: Label
    purpose: str
    from_name: str | None
    steps: tuple[Step, ...]
    exit_when: Condition | None

    def index_of(self, step_id: str) -> int:
        """The place of a step; the end for the empty id of an enrolment that has gone through them all."""
        return next((index for index, step in enumerate(self.steps) if step.id == step_id), len(self.steps))

    @property
    def emails(self) -> tuple[EmailStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, EmailStep))

    @property
    def custom_fields(self) -> frozenset[str]:
        """The tenant's own fields that the texts name."""
        return frozenset(
            name
            for step in self.emails
            for wording in step.wordings.values()
            for name in wording.custom_fields
        )


def parse_sequence(document: Any) -> SequenceRules:
    """The typed sequence of a document. Raises InvalidDocument naming every fault by its JSON path."""
    return _read(open_document(document))


def parse_new_sequence(document: Any) -> SequenceRules:
    """The same for a new draft, which may not use what was retired since. Call it inside a tenant scope."""
    return _read(open_document(document, allow_retired=False))


def check_sequence_name(name: str, document: Any) -> None:
    """A sequence's document says by which key it is known. Raises InvalidDocument where that is another."""
    if document["key"] != name:
        message = _("The key is the name of the document: “%(name)s”.") % {"name": name}
        raise InvalidDocument(message, errors=[path_problem("key", message)])


def _read(whole: Place) -> SequenceRules:
    whole.expect_object("key", "label", "purpose", "from_name", "steps", "exit_when")
    places = whole.at("steps").items(at_most=MAX_STEPS)
    ids = [_read_id(place.at("id")) for place in places]
    expect_distinct([(place.at("id"), step_id) for place, step_id in zip(places, ids, strict=True)])
    read = [_read_step(place, index, ids) for index, place in enumerate(places)]
    exit_when = whole.at("exit_when")
    rules = SequenceRules(
        key=whole.at("key").key(),
        label=whole.at("label").label(),
        purpose=_read_purpose(whole.at("purpose")),
        from_name=_read_from_name(whole.at("from_name")),
        steps=tuple(step for step in read if step is not None),
        exit_when=exit_when.condition() if exit_when.is_given else None,
    )
    if not whole.allow_retired:
        _expect_custom_fields(whole, rules)
    whole.raise_faults(_("The sequence has faults."))
    return rules


def _read_id(place: Place) -> str:
    if place.value == EXIT:
        place.fault(_("“%(id)s” has a meaning of its own; name the step otherwise.") % {"id": EXIT})
        return ""
    return place.key()


def _read_step(place: Place, index: int, ids: Sequence[str]) -> Step | None:
    kind = place.at("kind").one_of(list(_KEYS))
    place.expect_object("id", "kind", *_KEYS[kind])
    if kind == "email":
        return _read_email(place, ids[index])
    if kind == "wait":
        return _read_wait(place, ids[index])
    if kind == "exit":
        return ExitStep(ids[index])
    when = place.at("when").condition()
    then, otherwise = (_read_target(place.at(name), index, ids) for name in ("then", "else"))
    return ConditionStep(ids[index], when, then, otherwise) if when is not None else None


_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("template",),
    "wait": ("days", "hours"),
    "condition": ("when", "then", "else"),
    "exit": (),
}


def _read_wait(place: Place, step_id: str) -> WaitStep:
    days, hours = place.at("days"), place.at("hours")
    if days.is_given == hours.is_given:
        place.fault(_("Say how long to wait: either days or hours."))
        return WaitStep(step_id, timedelta(hours=1))
    if days.is_given:
        return WaitStep(step_id, timedelta(days=days.integer(low=1, high=MAX_HOURS // 24)))
    return WaitStep(step_id, timedelta(hours=hours.integer(low=1, high=MAX_HOURS)))


def _read_target(place: Place, index: int, ids: Sequence[str]) -> int:
    if place.value == EXIT:
        return len(ids)
    if place.value is None:
        return index + 1
    if place.value in ids and ids.index(place.value) > index:
        return ids.index(place.value)
    place.fault(_("Name a later step, “exit”, or null for the next step."))
    return len(ids)


def _read_email(place: Place, step_id: str) -> EmailStep:
    template = place.at("template")
    languages = [code for code, _name in settings.LANGUAGES]
    template.expect_object(*languages)
    given = [code for code in languages if template.at(code).is_given]
    if not given:
        template.fault(_("Write the e-mail in at least one language."))
    wordings: dict[str, Wording] = {}
    texts: dict[str, Mapping[str, str]] = {}
    for code in given:
        text = template.at(code)
        text.expect_object("subject", "body_markdown")
        wording = _read_wording(text)
        if wording is not None:
            wordings[code] = wording
            texts[code] = dict(text.value)
    return EmailStep(step_id, wordings, texts)


def _read_wording(text: Place) -> Wording | None:
    subject = _compiled(text.at("subject"), compile_subject)
    body = _compiled(text.at("body_markdown"), compile_body)
    if subject is None or body is None:
        return None
    return Wording(subject, body, custom_fields_of(subject) | custom_fields_of(body))


def _compiled(place: Place, compile_text: Any) -> Any:
    if not isinstance(place.value, str) or not place.value.strip():
        place.fault(_("Write a text."))
        return None
    try:
        return compile_text(place.value)
    except InvalidWording as invalid:
        for fault in invalid.faults:
            place.fault(str(fault))
        return None


def _read_purpose(place: Place) -> str:
    if isinstance(place.value, str) and _PURPOSE.fullmatch(place.value):
        return place.value
    place.fault(_("Name a purpose with lower-case letters, digits, _ and -, at most 64."))
    return ""


def _read_from_name(place: Place) -> str | None:
    if place.value is None:
        return None
    if isinstance(place.value, str) and one_line(place.value, limit=MAX_NAME_LENGTH) == place.value:
        return place.value or None
    place.fault(_("Give a name in one line of at most %(count)s characters.") % {"count": MAX_NAME_LENGTH})
    return None


def _expect_custom_fields(whole: Place, rules: SequenceRules) -> None:
    if not rules.custom_fields:
        return
    known = set(CustomField.objects.filter(retired_at=None).values_list("name", flat=True))
    for missing in sorted(rules.custom_fields - known):
        for place in _places_naming(whole, missing):
            place.fault(_("There is no field “custom.%(name)s”.") % {"name": missing})


def _places_naming(whole: Place, name: str) -> Iterator[Place]:
    for step in whole.at("steps").items(at_most=MAX_STEPS):
        template = step.at("template")
        for code in template.value if isinstance(template.value, dict) else ():
            for part in ("subject", "body_markdown"):
                text = template.at(code).at(part)
                if isinstance(text.value, str) and f"{name}" in text.value:
                    yield text
