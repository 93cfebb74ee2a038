"""The fields of two leads side by side, and what the one that is made of them becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.merging.records import Row
from tenancy.errors import FieldProblem, Invalid

Side = Literal["survivor", "loser"]
SIDES: Final = ("survivor", "loser")
CUSTOM: Final = "custom."

# By the name of a choice: the columns that go together, and what it is called. The first column says whether it is known.
CHOICES: Final[dict[str, tuple[tuple[str, ...], Promise]]] = {
    "email": (("email", "email_kind"), gettext_lazy("E-mail")),
    "external_id": (("external_id",), gettext_lazy("External id")),
    "name": (("name", "name_key", "first_name", "last_name"), gettext_lazy("Name")),
    "phone": (("phone",), gettext_lazy("Phone")),
    "job_title": (("job_title",), gettext_lazy("Job title")),
    "seniority": (("seniority",), gettext_lazy("Seniority")),
    "company": (("company_id",), gettext_lazy("Company")),
    "country": (("country",), gettext_lazy("Country")),
    "state": (("state",), gettext_lazy("State")),
    "city": (("city",), gettext_lazy("City")),
    "postal_code": (("postal_code",), gettext_lazy("Postal code")),
    "language": (("language",), gettext_lazy("Language")),
    "time_zone": (("time_zone",), gettext_lazy("Time zone")),
    "source": (("origin", "campaign", "medium", "landing_page"), gettext_lazy("Where from")),
}
SOURCE: Final = CHOICES["source"][0]


class InvalidChoice(Invalid):
    """A field that is not known, or a side that is none."""


@dataclass(frozen=True)
class FieldPair:
    """One field of both leads, in words, and whose value stays unless somebody chooses otherwise."""

    name: str
    label: str
    survivor: str
    loser: str
    default: Side

    @property
    def differs(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.survivor and self.loser and self.survivor != self.loser)


def default_side(name: str, survivor: Row, loser: Row) -> Side:
    """Whose value stays: the survivor's if it is known; where a lead came from, that of the one who was there first."""
    columns = CHOICES[name][0]
    knows = {
        side: any(row[column] is not None for column in columns)
        for side, row in zip(SIDES, (survivor, loser), strict=True)
    }
    if name == "source" and knows["survivor"] and knows["loser"]:
        return "loser" if loser["created_at"] < survivor["created_at"] else "survivor"
    return "survivor" if knows["survivor"] or not knows["loser"] else "loser"


def check_choices(choices: Mapping[str, Any], custom_names: set[str]) -> dict[str, Side]:
    """Choices by field name. Raises InvalidChoice naming each that is none."""
    problems = []
    for name, side in choices.items():
        is_known = name in CHOICES or (name.startswith(CUSTOM) and name.removeprefix(CUSTOM) in custom_names)
        if not is_known:
            problems.append(FieldProblem(name, "unknown", _("There is no such field.")))
        elif side not in SIDES:
            problems.append(FieldProblem(name, "invalid", _("Give “survivor” or “loser”.")))
    if problems:
        raise InvalidChoice(_("Some choices cannot be made."), errors=problems)
    return dict(choices)


def merged_columns(survivor: Row, loser: Row, choices: Mapping[str, Side]) -> Row:
    """The columns of the survivor that change, with their values."""
    merged = dict(survivor)
    for name, (columns, _label) in CHOICES.items():
        side = choices.get(name) or default_side(name, survivor, loser)
        source = survivor if side == "survivor" else loser
        merged |= {column: source[column] for column in columns}
    for column in ("created_at", "recorded_at"):
        # ISO 8601 as the database writes it, in one zone: texts compare as instants do.
        merged[column] = min(survivor[column], loser[column])
    return {column: value for column, value in merged.items() if value != survivor[column]}
