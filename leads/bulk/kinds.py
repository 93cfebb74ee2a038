"""The acts that can be done on many leads at once; engines register theirs, as ``nurturing`` does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.models import BulkOutcome, LeadState
from leads.versions import Rulebook, open_rulebook
from tenancy.errors import FieldProblem, Invalid, NotFound
from tenancy.models import Membership
from tenancy.rights import RIGHTS, may

Text = str | Promise
Values = Mapping[str, Any]
MAX_TEXT: Final = 4000


class NoSuchBulkAct(NotFound):
    """There is no such act on many leads."""


class InvalidBulkValues(Invalid):
    """What was said with the act is missing or not known."""


class Result(NamedTuple):
    """What came of one lead; ``before`` is what is needed to take it back."""

    outcome: BulkOutcome
    why: str = ""
    before: Any = None


def applied(before: Any = None) -> Result:
    """The lead was changed."""
    return Result(BulkOutcome.APPLIED, before=before)


def refused(why: Text) -> Result:
    """The act is not possible on the lead."""
    return Result(BulkOutcome.REFUSED, str(why)[:300])


SAME: Final = Result(BulkOutcome.UNCHANGED)


@dataclass
class Batch:
    """Locked leads on which an act is being done, with how they stand. ``before``: by lead, where it is taken back."""

    states: dict[int, LeadState]
    values: Values
    by: Membership
    now: datetime
    before: Mapping[int, Any] = field(default_factory=dict)

    @property
    def lead_ids(self) -> list[int]:
        return sorted(self.states)

    @cached_property
    def rules(self) -> Rulebook:
        """The published rules."""
        return open_rulebook()


@dataclass(frozen=True, kw_only=True)
class BulkField:
    """One thing that an act has to be told: one of ``choices`` (value, label), or a text."""

    name: str
    label: Text
    choices: Callable[[], Sequence[tuple[str, Text]]] | None = None
    is_required: bool = True
    is_long: bool = False
    most: int = MAX_TEXT


CONFIRMATION: Final = BulkField(name="confirmation", label=gettext_lazy("The number of leads"), most=20)


@dataclass(frozen=True, kw_only=True)
class BulkAct:
    """One act. ``run`` does it on a batch and tells what came of each lead; ``undo`` takes it back on those it changed.

    ``words`` says it in a sentence; ``needs_hands`` that it is only for leads that are in one's hands; ``is_confirmed`` that how
    many leads it will be done on has to be typed: where others match, it is done on none. ``batch_size`` is for one that takes
    long for each lead.
    """

    key: str
    label: Text
    icon: str
    right: str
    order: int
    run: Callable[[Batch], Mapping[int, Result]]
    words: Callable[[Values], str]
    fields: Sequence[BulkField] = ()
    undo: Callable[[Batch], Mapping[int, Result]] | None = None
    needs_hands: bool = True
    is_confirmed: bool = False
    batch_size: int | None = None

    @property
    def can_be_undone(self) -> bool:
        """Whether it may be taken back."""
        return self.undo is not None

    def read(self, given: Mapping[str, Any]) -> dict[str, str]:
        """What was said, checked. Raises InvalidBulkValues naming each fault."""
        problems: list[FieldProblem] = []
        fields = [*self.fields, *([CONFIRMATION] if self.is_confirmed else [])]
        said = {each.name: _read(each, given.get(each.name), problems) for each in fields}
        known = {each.name for each in fields}
        problems += [
            FieldProblem(name, "unknown", _("There is no such field.")) for name in given if name not in known
        ]
        if problems:
            raise InvalidBulkValues(_("Say what is to be done."), errors=problems)
        return said


_acts: Final[dict[str, BulkAct]] = {}


def register_bulk_act(act: BulkAct) -> None:
    """Add an act, when an app is ready. Raises KeyError for an unknown right."""
    RIGHTS[act.right]
    _acts[act.key] = act


def get_bulk_act(key: str) -> BulkAct:
    """The act of this name. Raises NoSuchBulkAct."""
    if key not in _acts:
        raise NoSuchBulkAct(_("There is no such act."))
    return _acts[key]


def list_bulk_acts(*, member: Membership) -> list[BulkAct]:
    """The acts that a member's roles include, in order."""
    return sorted((act for act in _acts.values() if may(member, act.right)), key=lambda act: act.order)


def list_act_keys() -> list[str]:
    """The names of all acts."""
    return sorted(_acts)


def _read(asked: BulkField, raw: Any, problems: list[FieldProblem]) -> str:
    if raw is not None and not isinstance(raw, str | int):
        problems.append(FieldProblem(asked.name, "type", _("Give a text.")))
        return ""
    text = "" if raw is None else str(raw).strip()
    if not text:
        if asked.is_required:
            problems.append(FieldProblem(asked.name, "required", _("Say this.")))
        return ""
    if "\x00" in text or len(text) > asked.most:
        message = _("Give a text of at most %(count)s characters.") % {"count": asked.most}
        problems.append(FieldProblem(asked.name, "invalid", message))
    elif asked.choices is not None and text not in {value for value, _label in asked.choices()}:
        problems.append(FieldProblem(asked.name, "unknown", _("Choose one of those that are offered.")))
    return text
