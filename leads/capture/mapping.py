"""Which column fills which field, and what is made of a cell before it is read: the options of both imports.

As typed they are ``COLUMN=FIELD``, ``COLUMN:RAW=VALUE``, ``[COLUMN=]RAW`` and ``[COLUMN=]ymd|dmy|mdy``.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Final

from django.utils.translation import gettext as _

from leads.capture.columns import CUSTOM, DateFormat, make_field_name, make_field_names

# After a prefix: a name; with a number where several columns fill the same.
_OPEN_NAME: Final = re.compile(r"[a-z0-9_]{1,64}(?:\.[0-9]{1,3})?")


class InvalidOption(ValueError):
    """An option that can't be meant for this file; the message says how to mend it."""


@dataclass(frozen=True)
class ColumnPlan:
    """What an import does with the columns of one file.

    ``sources``: field to the column that fills it. ``created``: the ``custom.NAME`` among them that do not exist yet. ``opened``:
    those whose names are the file's own.
    ``unmapped``: columns that fill nothing. ``values``: by column, what a raw cell is replaced by. ``blanks`` and
    ``column_blanks``: raw cells that mean nothing, in any and in one column.
    """

    sources: Mapping[str, str]
    created: tuple[str, ...]
    opened: tuple[str, ...]
    unmapped: tuple[str, ...]
    values: Mapping[str, Mapping[str, str]]
    blanks: frozenset[str]
    column_blanks: Mapping[str, frozenset[str]]
    date_format: DateFormat | None
    column_date_formats: Mapping[str, DateFormat]

    def clean(self, column: str, raw: str) -> str:
        """A cell trimmed, replaced as ``--value`` says, and empty where ``--blank`` says so or it is blank.

        What is said of a column precedes what is said of all.
        """
        text = raw.strip()
        if self._leaves_cells:
            return text
        replaced = self.values.get(column, {}).get(text)
        if replaced is not None:
            return replaced
        if text in self.blanks or text in self.column_blanks.get(column, ()):
            return ""
        return text

    @cached_property
    def _leaves_cells(self) -> bool:
        """Whether no option says anything of any cell."""
        return not (self.values or self.blanks or self.column_blanks)

    def date_format_of(self, column: str) -> DateFormat | None:
        """The date format that an option gives the column, if any."""
        return self.column_date_formats.get(column, self.date_format)

    def read_row(self, values: Mapping[str, str]) -> dict[str, str]:
        """The fields of one row, blank ones left out."""
        if self._leaves_cells:
            return {field: text for field, column in self.sources.items() if (text := values[column].strip())}
        return {
            field: text
            for field, column in self.sources.items()
            if (text := self.clean(column, values[column]))
        }


def plan_columns(
    *,
    columns: Sequence[str],
    fields: Collection[str],
    maps: Iterable[str] = (),
    values: Iterable[str] = (),
    blanks: Iterable[str] = (),
    date_formats: Iterable[str] = (),
    create_fields: bool = False,
    prefixes: Collection[str] = (),
    made_prefix: str = CUSTOM,
) -> ColumnPlan:
    """Read the options of an import against the file's header.

    ``fields`` are the names that can be filled, the tenant's ``custom.NAME`` among them. A column whose name is
    exactly a field's fills it, unless ``maps`` gives the field or the column another partner. A field may also be any name
    after one of ``prefixes``. With ``create_fields`` every other column fills a ``custom.NAME`` made of its name, or one after
    ``made_prefix``. Raises InvalidOption.
    """
    sources = _read_maps(
        maps, columns, fields, prefixes, create_fields=create_fields and made_prefix == CUSTOM
    )
    used = set(sources.values())
    sources |= {
        each: each
        for each in columns
        if (each in fields or is_open(each, prefixes)) and each not in used and each not in sources
    }
    used = set(sources.values())
    left = [each for each in columns if each not in used]
    if create_fields:
        sources |= _name_fields(left, sources, made_prefix)
        left = []
    date_format, column_date_formats = _read_date_formats(date_formats, columns)
    replacements = _read_values(values, columns)
    general, by_column = _read_blanks(blanks, columns)
    _refuse_contradictions(replacements, by_column)
    return ColumnPlan(
        sources=sources,
        created=tuple(each for each in sources if each not in fields and not is_open(each, prefixes)),
        opened=tuple(each for each in sources if each not in fields and is_open(each, prefixes)),
        unmapped=tuple(left),
        values=replacements,
        blanks=general,
        column_blanks=by_column,
        date_format=date_format,
        column_date_formats=column_date_formats,
    )


def is_open(field: str, prefixes: Collection[str]) -> bool:
    """Whether a field is a name after one of these prefixes."""
    return any(
        field.startswith(each) and _OPEN_NAME.fullmatch(field.removeprefix(each)) is not None
        for each in prefixes
    )


def _name_fields(columns: list[str], sources: Mapping[str, str], prefix: str) -> dict[str, str]:
    taken = {field.removeprefix(prefix) for field in sources if field.startswith(prefix)}
    names = make_field_names(columns, taken=taken)
    return {prefix + names[each]: each for each in columns}


def _read_maps(
    maps: Iterable[str],
    columns: Sequence[str],
    fields: Collection[str],
    prefixes: Collection[str],
    *,
    create_fields: bool,
) -> dict[str, str]:
    sources: dict[str, str] = {}
    for option in maps:
        column, equals, field = (part.strip() for part in option.rpartition("="))
        if not equals or not column or not field:
            raise InvalidOption(_("--map “%s”: write COLUMN=FIELD.") % option)
        if column not in columns:
            raise InvalidOption(f"--map “{option}”: {_say_unknown_column(column, columns)}")
        is_made = create_fields and _is_custom_name(field)
        if field not in fields and not is_made and not is_open(field, prefixes):
            raise InvalidOption(f"--map “{option}”: {_say_unknown_field(field, fields)}")
        if sources.get(field, column) != column:
            raise InvalidOption(
                _("--map “%(option)s”: the field %(field)s is already filled by the column “%(column)s”.")
                % {"option": option, "field": field, "column": sources[field]}
            )
        sources[field] = column
    return sources


def _is_custom_name(field: str) -> bool:
    name = field.removeprefix(CUSTOM)
    return name != field and make_field_name(name) == name


def _read_values(options: Iterable[str], columns: Sequence[str]) -> dict[str, dict[str, str]]:
    replacements: dict[str, dict[str, str]] = {}
    for option in options:
        column = _find_column(option, ":", columns)
        if column is None:
            raise InvalidOption(
                _("--value “%(option)s”: write COLUMN:RAW=VALUE, with a column of the file: %(columns)s.")
                % {"option": option, "columns": _list_columns(columns)}
            )
        raw, equals, value = (part.strip() for part in option[len(column) + 1 :].rpartition("="))
        if not equals or not raw:
            raise InvalidOption(_("--value “%s”: write COLUMN:RAW=VALUE.") % option)
        if replacements.setdefault(column, {}).setdefault(raw, value) != value:
            raise InvalidOption(_("--value “%s”: another value is already given for it.") % option)
    return replacements


def _read_blanks(
    options: Iterable[str], columns: Sequence[str]
) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    general: set[str] = set()
    by_column: dict[str, frozenset[str]] = {}
    for option in options:
        column = _find_column(option, "=", columns)
        raw = (option if column is None else option[len(column) + 1 :]).strip()
        if not raw:
            raise InvalidOption(_("--blank “%s”: say what is to be read as blank.") % option)
        if column is None:
            general.add(raw)
        else:
            by_column[column] = by_column.get(column, frozenset()) | {raw}
    return frozenset(general), by_column


def _read_date_formats(
    options: Iterable[str], columns: Sequence[str]
) -> tuple[DateFormat | None, dict[str, DateFormat]]:
    general: DateFormat | None = None
    by_column: dict[str, DateFormat] = {}
    for option in options:
        column, equals, name = (part.strip() for part in option.rpartition("="))
        try:
            date_format = DateFormat(name)
        except ValueError as error:
            raise InvalidOption(_("--date-format “%s”: write ymd, dmy or mdy.") % option) from error
        if equals and column not in columns:
            raise InvalidOption(f"--date-format “{option}”: {_say_unknown_column(column, columns)}")
        before = by_column.setdefault(column, date_format) if equals else general or date_format
        if before is not date_format:
            raise InvalidOption(_("--date-format “%s”: another format is already given.") % option)
        general = general if equals else date_format
    return general, by_column


def _refuse_contradictions(
    replacements: Mapping[str, Mapping[str, str]], blanks: Mapping[str, frozenset[str]]
) -> None:
    for column, raws in blanks.items():
        for raw in sorted(raws & replacements.get(column, {}).keys()):
            raise InvalidOption(
                _("“%(raw)s” in the column “%(column)s” has both a --value and a --blank.")
                % {"raw": raw, "column": column}
            )


def _find_column(option: str, separator: str, columns: Sequence[str]) -> str | None:
    """The longest column name that begins the option and is followed by the separator."""
    return max(
        (each for each in columns if option.startswith(each + separator)),
        key=len,
        default=None,
    )


def _say_unknown_column(column: str, columns: Sequence[str]) -> str:
    near = get_close_matches(column, columns, n=1)
    if near:
        return _("the file has no column “%(column)s”. Did you mean “%(near)s”?") % {
            "column": column,
            "near": near[0],
        }
    return _("the file has no column “%(column)s”. It has: %(columns)s.") % {
        "column": column,
        "columns": _list_columns(columns),
    }


def _say_unknown_field(field: str, fields: Collection[str]) -> str:
    if field.startswith(CUSTOM):
        return (
            _(
                "the custom field %s is not defined. Define it first, or add --create-fields; "
                "its name has lower-case letters, digits and single underscores."
            )
            % field
        )
    near = get_close_matches(field, list(fields), n=1)
    if near:
        return _("there is no field %(field)s. Did you mean %(near)s?") % {"field": field, "near": near[0]}
    return _("there is no field %(field)s. There are: %(fields)s.") % {
        "field": field,
        "fields": ", ".join(sorted(fields)),
    }


def _list_columns(columns: Sequence[str]) -> str:
    return ", ".join(f"“{each}”" for each in columns)
