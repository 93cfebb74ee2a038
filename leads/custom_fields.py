"""A tenant's own fields: made, relabelled, retired and brought back; what they hold and who reads them.

A field is never renamed and never changes its type: rules, keys of others and what is kept know it by both. One that is retired
takes no more values and is offered nowhere; what it holds stays, and published rules go on reading it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy as _

from leads.models import CaptureForm, CustomField, CustomType, RuleKind, RuleVersion, VersionStatus
from leads.rulebook import title_of
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.models import Membership

CUSTOM: Final = "custom."
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
_NAME_FAULT: Final = _(
    "Use lower-case letters without accents, digits and _, at most 63, and begin with a letter or digit."
)
MAX_FIELDS: Final = 200
MAX_CHOICES: Final = 200
MAX_CHOICE_LENGTH: Final = 200
# Leads that carry a value are counted up to here.
COUNTED: Final = 1000


class NoSuchField(NotFound):
    """The tenant has no such field."""


class InvalidField(Invalid):
    """A field that cannot be made as it is described; ``errors`` name the places."""


class FieldNameTaken(Conflict):
    """There is a field of this name, be it a retired one."""


class FieldInUse(Conflict):
    """An open form asks for the field: its visitors' answers would be refused."""


@dataclass(frozen=True)
class Use:
    """Where a field is read: rules of a kind, or a form; ``blocks`` says that it must be taken out there first.

    ``kind`` and ``name`` are those of the document; of a form ``kind`` is empty and ``name`` its key.
    """

    title: str
    kind: str
    name: str

    @property
    def blocks(self) -> bool:
        """Whether the field can't be retired while it is used here."""
        return not self.kind


@dataclass(frozen=True)
class FieldUse:
    """A field with how many leads carry a value (to ``COUNTED`` exactly, one more means more) and who reads it."""

    field: CustomField
    count: int
    uses: Sequence[Use]

    @property
    def is_retired(self) -> bool:
        return self.field.retired_at is not None

    @property
    def is_counted(self) -> bool:
        """Whether the count is exact."""
        return self.count <= COUNTED


def get_field(*, field_id: int) -> CustomField:
    """One field. Raises NoSuchField."""
    found: CustomField | None = CustomField.objects.filter(pk=field_id).first()
    if found is None:
        raise NoSuchField(_("There is no such field."))
    return found


def list_fields() -> list[FieldUse]:
    """Every field, those in use first, by label."""
    fields = sorted(
        CustomField.objects.all(),
        key=lambda field: (field.retired_at is not None, field.label.casefold(), field.pk),
    )
    return _with_use(fields)


def read_use(*, field: CustomField) -> FieldUse:
    """One field with its use."""
    return _with_use([field])[0]


def _with_use(fields: Sequence[CustomField]) -> list[FieldUse]:
    counts = _count_values(fields)
    uses = _list_uses([field.name for field in fields])
    return [FieldUse(field, counts[field.pk], uses[field.name]) for field in fields]


def _count_values(fields: Iterable[CustomField]) -> dict[int, int]:
    """Values by field: for each a look at a thousand entries of the index of its type, however many leads there are."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"fields": [field.pk for field in fields], "most": COUNTED + 1})
        return dict(cursor.fetchall())


_COUNT: Final = """
SELECT field.id, (
    SELECT count(*) FROM (
        SELECT FROM leads_customvalue kept
        WHERE kept.field_id = field.id AND field.type = 'text' AND kept.text_value IS NOT NULL
        UNION ALL
        SELECT FROM leads_customvalue kept
        WHERE kept.field_id = field.id AND field.type = 'integer' AND kept.integer_value IS NOT NULL
        UNION ALL
        SELECT FROM leads_customvalue kept
        WHERE kept.field_id = field.id AND field.type = 'decimal' AND kept.decimal_value IS NOT NULL
        UNION ALL
        SELECT FROM leads_customvalue kept
        WHERE kept.field_id = field.id AND field.type = 'date' AND kept.date_value IS NOT NULL
        LIMIT %(most)s
    ) counted
)
FROM leads_customfield field WHERE field.id = ANY (%(fields)s::bigint[])
"""


def _list_uses(names: Sequence[str]) -> dict[str, list[Use]]:
    """By name of a field, the published rules and the open forms whose documents name it."""
    uses: dict[str, list[Use]] = {name: [] for name in names}
    if not names:
        return uses
    kinds = list(RuleKind)
    published = sorted(
        RuleVersion.objects.filter(status=VersionStatus.PUBLISHED),
        key=lambda version: (kinds.index(RuleKind(version.kind)), version.name),
    )
    for version in published:
        for name in _names_in(version.document).intersection(names):
            uses[name].append(Use(title_of(version), version.kind, version.name))
    for form in CaptureForm.objects.filter(is_open=True).order_by("name"):
        for name in _names_in(form.document).intersection(names):
            uses[name].append(Use(form.name, "", form.key))
    return uses


_NAMED: Final = re.compile(r"\bcustom\.([a-z0-9_]+)")


def _names_in(document: Any) -> set[str]:
    """The fields that a document names anywhere: as facts, as questions of a form, in the texts of messages."""
    if isinstance(document, str):
        return set(_NAMED.findall(document))
    if isinstance(document, dict):
        return set().union(*map(_names_in, document.values()), *map(_names_in, document))
    return set().union(*map(_names_in, document)) if isinstance(document, list) else set()


def make_field(
    *,
    name: str,
    label: str,
    type: str,  # noqa: A002
    choices: Sequence[str],
    by: Membership | None,
    now: datetime,
) -> CustomField:
    """Make a field. ``choices`` are the only values that a text may have; none means any.

    Raises InvalidField and FieldNameTaken.
    """
    problems: list[FieldProblem] = []
    if not NAME.fullmatch(name):
        problems.append(FieldProblem("name", "invalid", _NAME_FAULT))
    if type not in CustomType.values:
        fault = _("Give one of %(values)s.") % {"values": ", ".join(CustomType.values)}
        problems.append(FieldProblem("type", "unknown", fault))
    listed = _check_choices(choices, type, problems)
    if CustomField.objects.count() >= MAX_FIELDS:
        many = _("There are %(count)s fields already, which is as many as there may be.")
        problems.append(FieldProblem("name", "too_many", many % {"count": MAX_FIELDS}))
    if problems:
        raise InvalidField(_("The field cannot be made like this."), errors=problems)
    _expect_free(name)
    field: CustomField = CustomField.objects.create(
        name=name, label=label, type=type, choices=listed or None, created_at=now
    )
    record(
        act="field.made",
        subject=label,
        by=by,
        now=now,
        detail={"name": name, "type": type, "choices": listed},
    )
    return field


def _expect_free(name: str) -> None:
    found = CustomField.objects.filter(name=name).first()
    if found is None:
        return
    values = {"name": name, "label": found.label}
    if found.retired_at is None:
        raise FieldNameTaken(_("There is a field “%(name)s” already: %(label)s.") % values)
    raise FieldNameTaken(
        _("There is a retired field “%(name)s”: %(label)s. Bring it back, or choose another name.") % values
    )


def change_field(
    *, field: CustomField, label: str, choices: Sequence[str], by: Membership | None, now: datetime
) -> None:
    """Call a field otherwise, or offer other choices; values that are kept stay as they are. Raises InvalidField."""
    problems: list[FieldProblem] = []
    listed = _check_choices(choices, field.type, problems)
    if problems:
        raise InvalidField(_("The field cannot be changed like this."), errors=problems)
    if (field.label, field.choices or []) == (label, listed):
        return
    detail = {"name": field.name, "before": field.label, "choices": listed}
    field.label, field.choices = label, listed or None
    field.save(update_fields=["label", "choices"])
    record(act="field.changed", subject=label, by=by, now=now, detail=detail)


def retire_field(*, field: CustomField, by: Membership | None, now: datetime) -> None:
    """Take no more values for a field. Raises FieldInUse while an open form asks for it; rules go on reading it."""
    if field.retired_at is not None:
        return
    forms = [use.title for use in _list_uses([field.name])[field.name] if use.blocks]
    if forms:
        words = _(
            "The form %(forms)s asks for it. Take it out there first: what visitors answer would be refused."
        )
        raise FieldInUse(words % {"forms": ", ".join(f"“{form}”" for form in forms)})
    field.retired_at = now
    field.save(update_fields=["retired_at"])
    record(act="field.retired", subject=field.label, by=by, now=now, detail={"name": field.name})


def bring_back_field(*, field: CustomField, by: Membership | None, now: datetime) -> None:
    """Let a retired field take values again, with all that it held."""
    if field.retired_at is None:
        return
    field.retired_at = None
    field.save(update_fields=["retired_at"])
    record(act="field.brought_back", subject=field.label, by=by, now=now, detail={"name": field.name})


def _check_choices(choices: Sequence[str], type_: str, problems: list[FieldProblem]) -> list[str]:
    """The choices without blanks, each once whatever its case, in their order."""
    spelt: dict[str, str] = {}
    for choice in choices:
        if choice.strip():
            spelt.setdefault(choice.strip().casefold(), choice.strip())
    listed = list(spelt.values())
    if listed and type_ != CustomType.TEXT:
        problems.append(FieldProblem("choices", "invalid", _("Only a text has choices.")))
    if len(listed) > MAX_CHOICES or any(len(choice) > MAX_CHOICE_LENGTH for choice in listed):
        fault = _("Give at most %(count)s choices of at most %(length)s characters each.")
        problems.append(
            FieldProblem("choices", "too_long", fault % {"count": MAX_CHOICES, "length": MAX_CHOICE_LENGTH})
        )
    return listed


register_acts(
    {
        "field.made": _("Made the field %(subject)s (custom.%(name)s)"),
        "field.changed": _("Changed the field %(subject)s, which was %(before)s"),
        "field.retired": _("Retired the field %(subject)s"),
        "field.brought_back": _("Brought back the field %(subject)s"),
    }
)
