"""Texts that a tenant writes: Liquid in a sandbox. Compiled and tried out when they are saved; what they can name is fixed.

Values are put in as text and nothing else. In a body, which is Markdown, a value is a slot that is filled last: a name can
neither make a link nor break out of its place. In a subject a value is one line.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TextIO, TypeAlias

from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment
from liquid.builtin.output import Output, OutputNode
from liquid.context import RenderContext
from liquid.exceptions import LiquidError
from liquid.stringify import to_liquid_string

from nurturing.slots import slot

Values: TypeAlias = Mapping[str, object]

MAX_SOURCE_LENGTH: Final = 20_000
MAX_VALUE_LENGTH: Final = 200
MAX_SUBJECT_LENGTH: Final = 255

# What a text may name. ``custom`` has the tenant's own fields.
KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "lead": frozenset(
        {
            *("first_name", "last_name", "name", "email", "phone", "job_title"),
            *("city", "state", "country"),
        }
    ),
    "company": frozenset({"name", "industry"}),
    "sender": frozenset({"name", "company"}),
    "unsubscribe_url": frozenset(),
}
CUSTOM: Final = "custom"
_CUSTOM_NAME: Final = re.compile(r"[a-z0-9_]{1,63}")

# Nothing that reads files, loops, or makes much of little.
_TAGS: Final = frozenset({"if", "unless", "case", "assign", "comment", "#"})
_FILTERS: Final = frozenset(
    {
        *("default", "upcase", "downcase", "capitalize", "strip"),
        *("append", "prepend", "truncate", "truncatewords"),
    }
)
# Control characters, line ends of any kind, marks that turn the direction of writing.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SPACES: Final = re.compile(r"\s+")


# Where a body's values are collected; no text can name it.
_SLOTS: Final = "\x00slots"


class _BodyNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        values: list[str] = context.globals[_SLOTS]  # type: ignore[assignment]
        values.append(to_liquid_string(self.expression.evaluate(context), autoescape=False))
        return buffer.write(slot(len(values) - 1))


class _BodyOutput(Output):
    node_class = _BodyNode


class _Sandbox(Environment):
    """Liquid without files, loops and filters that multiply; small limits for the rest."""

    block_nesting_limit = 10
    context_depth_limit = 10
    local_namespace_limit = 100_000
    output_stream_limit = 100_000

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        internal = {name for name, tag in self.tags.items() if type(tag).__module__ in _INTERNAL}
        self.tags = {name: tag for name, tag in self.tags.items() if name in internal | _TAGS}
        self.filters = {name: filter_ for name, filter_ in self.filters.items() if name in _FILTERS}


# The parts of the language that are not tags to a writer: text, output, what is not a tag.
_INTERNAL: Final = frozenset({"liquid.builtin.content", "liquid.builtin.output", "liquid.builtin.illegal"})

_PLAIN: Final = _Sandbox()
_BODY: Final = _Sandbox()
_BODY.add_tag(_BodyOutput)


@dataclass(frozen=True)
class WordingFault:
    """What is wrong with a text, and in which line (from 1; None for the whole)."""

    line: int | None
    message: str

    def __str__(self) -> str:
        return (
            _("Line %(line)s: %(fault)s") % {"line": self.line, "fault": self.message}
            if self.line
            else self.message
        )


class InvalidWording(ValueError):
    """A text that can't be used; ``faults`` has every one that was found."""

    def __init__(self, faults: Iterable[WordingFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


@dataclass(frozen=True)
class Wording:
    """Subject and body in one language, ready to be filled."""

    subject: BoundTemplate
    body: BoundTemplate
    custom_fields: frozenset[str]

    def subject_with(self, values: Values) -> str:
        """The subject as one line without control characters, at most 255 characters."""
        return one_line(self.subject.render(**values), limit=MAX_SUBJECT_LENGTH)

    def subject_alone(self) -> str:
        """The subject as a lead reads it of whom nothing is known."""
        return self.subject_with(_NOTHING_KNOWN)

    def body_with(self, values: Values, *, subject: str, unsubscribe_url: str) -> tuple[str, list[str]]:
        """The body as Markdown with slots, and the values of the slots; the first two are the ones given here."""
        slots = [subject, unsubscribe_url]
        return self.body.render(**values, **{_SLOTS: slots}), slots


def compile_subject(source: str) -> BoundTemplate:
    """Read a subject. Raises InvalidWording, also if nothing of it is left where nothing is known of the lead."""
    template = _compile(source, _PLAIN)
    if not one_line(_render(template, _NOTHING_KNOWN), limit=MAX_SUBJECT_LENGTH):
        fault = _(
            "Nothing is left of the subject for a lead of whom little is known; add words or a default."
        )
        raise InvalidWording([WordingFault(None, fault)])
    return template


def compile_body(source: str) -> BoundTemplate:
    """Read a body, Markdown with Liquid. Raises InvalidWording."""
    return _compile(source, _BODY)


def custom_fields_of(template: BoundTemplate) -> frozenset[str]:
    """The tenant's own fields that a text names."""
    named = template.analyze().globals.get(CUSTOM, [])
    return frozenset(str(variable.segments[1]) for variable in named)


def clean_value(value: Any, *, limit: int = MAX_VALUE_LENGTH) -> str | None:
    """A value as a text may hold it: one line, without control characters, not too long; None if nothing is left."""
    return (one_line(str(value), limit=limit) if value is not None else "") or None


def one_line(text: str, *, limit: int) -> str:
    """A text as a single line of at most so many characters."""
    line = _SPACES.sub(" ", _UNSEEN.sub(" ", text)).strip()
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _compile(source: str, environment: Environment) -> BoundTemplate:
    if len(source) > MAX_SOURCE_LENGTH:
        fault = _("Use at most %(count)s characters.") % {"count": MAX_SOURCE_LENGTH}
        raise InvalidWording([WordingFault(None, fault)])
    try:
        template = environment.from_string(source)
    except LiquidError as error:
        raise InvalidWording([_fault_of(error, source)]) from error
    if faults := list(_list_faults(template, source)):
        raise InvalidWording(faults)
    for values in (_NOTHING_KNOWN, _EVERYTHING_KNOWN):
        _render(template, values)
    return template


def _render(template: BoundTemplate, values: Values) -> str:
    try:
        return template.render(**values, **{_SLOTS: []})
    except LiquidError as error:
        raise InvalidWording([_fault_of(error, "")]) from error


def _list_faults(template: BoundTemplate, source: str) -> Iterator[WordingFault]:
    """What a text names that doesn't exist."""
    analysis = template.analyze()
    for name, spans in analysis.filters.items():
        if name not in _FILTERS:
            known = ", ".join(sorted(_FILTERS))
            message = _("There is no filter “%(name)s”; there are: %(known)s.") % {
                "name": name,
                "known": known,
            }
            yield WordingFault(_line_of(source, spans[0].index), message)
    for variables in analysis.globals.values():
        for variable in variables:
            if not _is_known(variable.segments):
                message = _("There is no field “%(name)s”; there are: %(known)s.")
                values = {"name": str(variable), "known": ", ".join(list_names())}
                yield WordingFault(_line_of(source, variable.span.index), message % values)


def _is_known(segments: list[Any]) -> bool:
    root, rest = segments[0], segments[1:]
    if root in KNOWN and not KNOWN[root]:
        return rest == []
    if len(rest) != 1 or not isinstance(rest[0], str):
        return False
    return bool(_CUSTOM_NAME.fullmatch(rest[0])) if root == CUSTOM else rest[0] in KNOWN.get(root, ())


def list_names() -> list[str]:
    """What a text may name, as it is written."""
    names = [f"{root}.{name}" for root, inner in KNOWN.items() for name in sorted(inner)]
    return [*names, f"{CUSTOM}.…", *(root for root, inner in KNOWN.items() if not inner)]


def _fault_of(error: LiquidError, source: str) -> WordingFault:
    place = error.context()
    line = place[0] if place else source.count("\n") + 1 if source else None
    return WordingFault(line, str(error.message))


def _line_of(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1


def _example(text: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {root: dict.fromkeys(inner, text) for root, inner in KNOWN.items() if inner}
    return values | {"unsubscribe_url": "https://example.com/u/1/", CUSTOM: {}}


_NOTHING_KNOWN: Final = _example(None)
_EVERYTHING_KNOWN: Final = _example("Ana")
