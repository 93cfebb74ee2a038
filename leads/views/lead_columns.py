"""The columns of the list of leads, each with what its cells show."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from leads.rows import LeadRow
from leads.views.addresses import lead_addresses
from tenancy.components import ClockFace
from tenancy.listing import Column
from tenancy.markup import clock, day, quiet, short_datetime, why_link


@dataclass(frozen=True)
class ListedLead:
    """One row: the lead, its open clock, its page and the answers to "why this score, why this grade"."""

    lead: LeadRow
    clock: ClockFace | None
    url: str
    score_url: str
    grade_url: str


def listed_leads(rows: Sequence[LeadRow], faces: dict[int, ClockFace], *, slug: str) -> list[ListedLead]:
    """Rows as the columns take them; ``faces`` by lead id."""
    page = lead_addresses("lead-detail", slug=slug)
    why_score = lead_addresses("lead-why", slug=slug, part="score")
    why_grade = lead_addresses("lead-why", slug=slug, part="grade")
    return [
        ListedLead(row, faces.get(row.id), page(row.id), why_score(row.id), why_grade(row.id)) for row in rows
    ]


def lead_columns() -> list[Column]:
    """The columns in order; their rows are ListedLead."""
    falling = partial(Column, descending_first=True)
    return [
        Column(key="name", label=_("Name"), sort="name", value=_name, card="title"),
        Column(key="company", label=_("Company"), value=lambda row: row.lead.company, card="line"),
        falling(key="stage", label=_("Stage"), sort="stage_at", value=_stage),
        falling(
            key="score",
            label=_("Score"),
            sort="score",
            value=lambda row: why_link(row.score_url, localize(row.lead.score), "why num"),
            end=True,
        ),
        falling(
            key="grade",
            label=_("Grade"),
            sort="grade",
            value=lambda row: why_link(row.grade_url, row.lead.grade),
        ),
        Column(key="owner", label=_("Owner"), value=lambda row: row.lead.owner or quiet(_("nobody"))),
        Column(key="clock", label=_("Clock"), value=_clock, end=True),
        Column(key="origin", label=_("Origin"), value=lambda row: row.lead.origin_label, card="hidden"),
        falling(
            key="created_at",
            label=_("Captured"),
            sort="created_at",
            value=lambda row: day(row.lead.created_at),
            end=True,
        ),
    ]


def _name(row: ListedLead) -> SafeString:
    link = format_html('<a href="{}">{}</a>', row.url, row.lead.title)
    if not row.lead.job_title:
        return link
    return format_html('{}<div class="small text-secondary text-truncate">{}</div>', link, row.lead.job_title)


def _stage(row: ListedLead) -> SafeString:
    return format_html('<span title="{}">{}</span>', short_datetime(row.lead.stage_at), row.lead.stage.label)


def _clock(row: ListedLead) -> SafeString:
    return clock(row.clock, compact=True) if row.clock else quiet("—")
