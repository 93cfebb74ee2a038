"""The tags behind the page's components; ``{% load ui %}``. Each is described in docs/frontend.md."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django import template
from django.utils.formats import localize, number_format
from django.utils.html import json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from tenancy import markup
from tenancy.components import Chart, StagePoint, spell_duration
from tenancy.listing import Column, Listing
from tenancy.markup import escaped, fill
from tenancy.models import Membership, Role, Tenant

register = template.Library()


register.simple_tag(markup.icon)
register.simple_tag(markup.why_attributes)
register.simple_tag(markup.clock)


@register.filter
def initials(name: object) -> str:
    """The letters of an avatar: first and last word, "MF" for Mariana Ferraz."""
    words = [word for word in str(name or "").replace("@", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    letters = words[0][0] + (words[-1][0] if len(words) > 1 else "")
    return unicodedata.normalize("NFC", letters).upper()


@register.filter
def unlocalized(number: float) -> str:
    """A number as a machine reads it, whatever the page's language."""
    return str(number)


@register.filter
def as_number(number: float) -> str:
    """A number as the reader writes it, thousands grouped: 4,210 or 4.210."""
    return number_format(number, use_l10n=True, force_grouping=True)


@register.filter
def duration(time: timedelta) -> str:
    """A duration in one unit: "12 min"."""
    return spell_duration(time)


@register.filter
def message_tone(level: str) -> str:
    """The tone of a Django message's level."""
    return {"error": "late", "warning": "soon", "success": "good"}.get(level, "act")


@register.filter
def tone_icon(tone: str) -> str:
    """The icon that goes with a tone, for those who don't see its colour."""
    return {"late": "alert-circle", "soon": "alert-triangle", "good": "circle-check"}.get(tone, "info-circle")


@register.filter
def tenant_home(tenant: Tenant) -> str:
    """Where a tenant's pages begin."""
    return f"/t/{tenant.slug}/"


@register.filter
def role_names(member: Membership) -> str:
    """The member's roles in words: "Manager, SDR"."""
    return ", ".join(str(Role(role).label) for role in member.roles)


@register.simple_tag(takes_context=True)
def list_rows(context: template.Context, listing: Listing) -> SafeString:
    """The rows of a list, cell by cell. A loop here and not in the template: a page has hundreds of cells."""
    mark = _mark_drawer(listing)
    drawers = [(_cell_start(column), _cell_drawer(column, context)) for column in listing.columns]
    drawn = []
    for row in listing.rows:
        drawn.append("<tr>")
        drawn.append(mark(row))
        for start, draw in drawers:
            drawn += (start, escaped(draw(row)), "</td>")
        drawn.append("</tr>\n")
    # Every part is ours or has just been escaped.
    return mark_safe("".join(drawn))  # noqa: S308


# Going back, a browser would mark what stands there by now in the place of the rows that were marked.
MARK_CELL: Final = (
    '<td class="cell-mark"><input type="checkbox" class="form-check-input" autocomplete="off"'
    ' data-mark value="{}" aria-label="{}"></td>'
)


def _mark_drawer(listing: Listing) -> Callable[[Any], str]:
    """What draws the box by which a row is marked; nothing where rows can't be."""
    marking = listing.marking
    if marking is None:
        return lambda row: ""
    words = _("Mark %(name)s")

    def draw(row: Any) -> str:
        name = words % {"name": marking.row_name(row)}
        return fill(MARK_CELL, marking.row_id(row), name)

    return draw


def _cell_start(column: Column) -> SafeString:
    end = ' class="cell-end"' if column.end else ""
    return fill('<td data-label="{}" data-card="{}"' + end + ">", column.label, column.card)


def _cell_drawer(column: Column, context: template.Context) -> Callable[[Any], str]:
    """What draws a column's cell from its row."""
    if column.template:
        assert context.template is not None, "drawn inside of a template"
        part = context.template.engine.get_template(column.template)

        def draw(row: Any) -> str:
            with context.push(row=row, column=column):
                return part.render(context)

        return draw
    value = column.value or partial(_plain_value, column.key)

    def text(row: Any) -> str:
        shown = value(row)
        if shown is None or shown == "":
            return "—"
        return shown if isinstance(shown, str) else str(localize(shown))

    return text


def _plain_value(key: str, row: Any) -> object:
    return row.get(key) if isinstance(row, Mapping) else getattr(row, key)


@register.inclusion_tag("components/stage_path.html")
def stage_path(points: Sequence[StagePoint], label: str = "") -> dict[str, Any]:
    """``{% stage_path points %}``: the stages as chevrons."""
    return {"points": points, "label": label}


@register.inclusion_tag("components/score_badge.html")
def score_badge(
    score: int | None, grade: str = "", grade_tone: str = "", score_url: str = "", grade_url: str = ""
) -> dict[str, Any]:
    """``{% score_badge 73 "B+" score_url=… grade_url=… %}``: both numbers explain themselves."""
    return {
        "score": score,
        "grade": grade,
        "tone": grade_tone or _grade_tone(grade),
        "score_url": score_url,
        "grade_url": grade_url,
    }


def _grade_tone(grade: str) -> str:
    return {"A": "good", "B": "good", "C": "quiet", "D": "soon", "F": "late"}.get(grade[:1], "quiet")


@register.inclusion_tag("components/chart.html")
def chart(chart: Chart) -> dict[str, Any]:
    """``{% chart chart %}``: the drawing and its table; the page's ``scripts`` block includes components/chart_assets.html."""
    return {"chart": chart, "data": json_script(chart.as_json(), chart.data_id)}


@register.inclusion_tag("components/condition_builder.html")
def condition_builder(
    *,
    name: str,
    label: str,
    vocabulary: Mapping[str, Any] | None = None,
    tree: object = None,
    errors: Sequence[Any] = (),
    help: str = "",  # noqa: A002  the word of the template
    speed: bool = False,
    asks: str = "",
    subject: str = "lead",
    sentence: str = "",
    nothing: str = "",
) -> dict[str, Any]:
    """``{% condition_builder name="gate" vocabulary=… tree=… errors=… label=… %}``: see components/condition_builder.html."""
    faults = [error if isinstance(error, Mapping) else vars(error) for error in errors]
    return {
        "name": name,
        "label": label,
        "help": help,
        "speed": speed,
        "asks": asks,
        "subject": subject,
        "sentence": sentence,
        "nothing": nothing,
        "value": tree if isinstance(tree, str) else json.dumps(tree) if tree else "",
        "general_errors": [fault for fault in faults if not fault["path"]],
        "vocabulary_json": json_script(vocabulary) if vocabulary is not None else "",
        "errors_json": json_script([fault for fault in faults if fault["path"]]),
    }


@register.simple_tag
def condition_vocabulary(vocabulary: Mapping[str, Any]) -> SafeString:
    """``{% condition_vocabulary vocabulary %}``: once for all builders of a page that are given none of their own."""
    return json_script(vocabulary, "condition-vocabulary")


@register.simple_tag
def condition_builder_texts() -> SafeString:
    """The sentences of the condition builder."""
    return json_script(
        {
            "chooseFact": _("Choose…"),
            "choose": _("Choose…"),
            "byName": _("By name"),
            "typeValues": _("Type a value, then Enter"),
            "eventType": _("Type of event"),
            "anyEvent": _("any event"),
            "days": _("Number of days"),
            "lastUnit": pgettext("the last … days", "last"),
            "daysUnit": _("days"),
            "ever": _("ever"),
            "timesUnit": _("times"),
            "from": _("From"),
            "to": _("To"),
            "and": _("and"),
            "nothing": _("No condition: this holds for every lead."),
            "nameMissing": _("Type the name."),
            "comparisonMissing": _("Choose how to compare."),
            "valueMissing": _("Give a value, or remove this condition."),
            "unfinished": _("Finish the conditions to read them as a sentence."),
            "unreachable": _("This can't be asked now. Try again in a moment."),
            "counting": _("Counting…"),
            "movedTo": _("Moved to place %(place)s of %(count)s."),
        },
        "condition-builder-texts",
    )


@register.simple_tag
def ui_texts() -> SafeString:
    """The sentences of the JavaScript modules, as a block of JSON that is read, not run."""
    return json_script(
        {
            "undo": _("Undo"),
            "close": _("Close"),
            "offline": _("No connection. Nothing was saved; try again when you are online."),
            "slow": _("The answer takes too long. Try again in a moment."),
            "forbidden": _("Your role does not include this. Ask an administrator."),
            "gone": _("This is no longer here. Reload the page."),
            "tooMany": _("Too many requests. Wait a moment and try again."),
            "failed": _("That did not work, and nothing was changed. Try again; we have been told."),
            "updated": _("Updated %s"),
            "nothingFound": _("Nothing found"),
            "useWord": _("Use “%s”"),
            "clockLeft": _("left"),
            "clockLate": _("late"),
        },
        "ui-texts",
    )
