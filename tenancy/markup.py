"""Components of which a page has hundreds: functions that give markup, escaped by ``fill``.

To run a template for each costs many times as much. The tags of the same names (``{% load ui %}``) give them to templates.
"""

from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Final, Literal

from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from tenancy.components import ClockFace

Text = str | Promise
DateFormat = Literal["SHORT_DATE_FORMAT", "SHORT_DATETIME_FORMAT"]


def fill(form: str, *values: object) -> SafeString:
    """What Django's ``format_html`` gives, at a third of its cost: it looks for lazy texts twice in each value."""
    return SafeString(form.format(*[escaped(value) for value in values]))


def escaped(value: object) -> str:
    """A value as markup: what is markup already stays."""
    if value.__class__ is SafeString:
        return value  # type: ignore[return-value]
    if isinstance(value, Promise):
        value = str(value)
    if hasattr(value, "__html__"):
        return str(value.__html__())
    return escape(str(value))


def icon(name: str, css: str = "", label: Text = "") -> SafeString:
    """``{% icon "bolt" %}``: an icon of static/icons.svg; decoration unless it has a label."""
    return _icon(name, css, str(label), static("icons.svg"))


@lru_cache(maxsize=1024)
def _icon(name: str, css: str, label: str, url: str) -> SafeString:
    kind = fill('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return fill('<svg class="icon {}" {}><use href="{}#{}"></use></svg>', css, kind, url, name)


_WHY = 'href="{0}" hx-get="{0}" hx-target="#why-body" hx-swap="innerHTML" hx-push-url="false" aria-haspopup="dialog"'


def why_attributes(url: str) -> SafeString:
    """``<a class="why" {% why_attributes url %}>73</a>``: opens the explanation at ``url`` in the side panel."""
    return fill(_WHY, url)


def why_link(url: str, text: object, css: str = "why") -> SafeString:
    """A number or word that explains itself; see ``why_attributes``."""
    return fill('<a class="{1}" ' + _WHY + ">{2}</a>", url, css, text)


def short_date(at: datetime) -> str:
    """The day of an instant in the reader's zone, as they write it: 24/11/2026."""
    return _written(_minute(timezone.localtime(at)), "SHORT_DATE_FORMAT", get_language())


def short_datetime(at: datetime) -> str:
    """An instant in the reader's zone, as they write it, to the minute: 24/11/2026 18:20."""
    return _written(_minute(timezone.localtime(at)), "SHORT_DATETIME_FORMAT", get_language())


def _minute(local: datetime) -> datetime:
    return local.replace(second=0, microsecond=0, tzinfo=None)


@lru_cache(maxsize=8192)
def _written(local: datetime, form: DateFormat, _language: str | None) -> str:
    """Kept, since the same leads are listed again and again and a date takes longer to write than the row around it."""
    return date_format(local, form)


def day(at: datetime) -> SafeString:
    """A date with its time as a tooltip."""
    local, language = timezone.localtime(at), get_language()
    minute = _minute(local)
    return fill(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        _written(minute, "SHORT_DATETIME_FORMAT", language),
        _written(minute, "SHORT_DATE_FORMAT", language),
    )


def quiet(text: Text) -> SafeString:
    """What stands where there is nothing to say."""
    return fill('<span class="text-secondary">{}</span>', text)


NOTHING: Final = quiet("—")


def clock(face: ClockFace, compact: bool = False, why_url: str = "") -> SafeString:
    """``{% clock face %}``: time left in words and colour; ``compact=True`` for lists, ``why_url`` to explain it.

    It counts while the page is open (static/js/clocks.js).
    """
    words = _clock_words(face, "visually-hidden" if compact else "")
    if why_url:
        words = why_link(why_url, words)
    drawn = fill(
        '<span class="clock tone-{}" title="{}" data-label="{}" data-tone="{}" data-broken="{}" data-state="{}"'
        ' data-left="{}" data-total="{}" data-open-for="{}" data-soon="{}" data-late="{}">{}</span>',
        face.tone,
        _("%(label)s: due %(at)s") % {"label": face.label, "at": short_datetime(face.due_at)},
        face.label,
        face.tone,
        "true" if face.is_late else "false",
        "running" if face.is_counting else face.state,
        face.left_seconds,
        face.total_seconds,
        "" if face.open_for_seconds is None else face.open_for_seconds,
        face.soon,
        face.late,
        words if compact else fill("{} {}", icon(face.icon), words),
    )
    if compact or not face.target:
        return drawn
    target = pgettext("clock", "of %(target)s") % {"target": face.target}
    return fill('{} <span class="clock-note">{}</span>', drawn, target)


def _clock_words(face: ClockFace, css: str) -> SafeString:
    """Time and word; the word of ``css`` "visually-hidden" is read out alone."""
    if face.state == "met":
        return fill("{}", pgettext("clock", "met late") if face.was_broken else pgettext("clock", "met"))
    if face.state == "cancelled":
        return fill("{}", pgettext("clock", "cancelled"))
    word = pgettext("clock", "late") if face.is_late else pgettext("clock", "left")
    words = fill(
        '<span data-clock-time>{}</span> <span data-clock-word class="{}">{}</span>', face.time, css, word
    )
    if face.state != "paused":
        return words
    return fill('{} <span class="{}">· {}</span>', words, css, pgettext("clock", "paused"))
