"""The tags of the hub's pages; ``{% load leads %}``."""

from django import template
from django.utils.formats import localize
from django.utils.safestring import SafeString

from leads.rows import LeadRow
from tenancy.components import ClockFace
from tenancy.markup import clock, fill, quiet

register = template.Library()


@register.simple_tag
def lead_line(
    row: LeadRow,
    face: ClockFace | None,
    url: str,
    *,
    second: str | None = None,
    chosen: int | None = None,
    in_desk: bool = False,
) -> SafeString:
    """``{% lead_line row face url second=row.company %}``: a lead of a short list, in two lines.

    ``in_desk``: a line of the desk's list, which HTMX follows by the attributes of the list around it; ``chosen`` is the id of
    the lead beside it.
    """
    return fill(
        '<a class="desk-item" href="{}"{}><span class="text-truncate">{}</span> <span class="desk-item-end">{}</span>'
        ' <span class="desk-item-second text-truncate">{}</span>'
        ' <span class="desk-item-second desk-item-end num">{} · {}</span></a>',
        url,
        _in_desk(row, url, chosen) if in_desk else "",
        row.title,
        clock(face, compact=True) if face else quiet(row.stage.label),
        second or row.email or "—",
        localize(row.score),
        row.grade,
    )


def _in_desk(row: LeadRow, url: str, chosen: int | None) -> SafeString:
    current = SafeString(' aria-current="true"') if row.id == chosen else ""
    return fill(' id="desk-lead-{}" hx-get="{}"{}', row.id, url, current)
