"""The columns of the list of leads, each with what its cells show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.utils.formats import date_format, localize
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from leads.models import CustomType, Seniority, Stage
from leads.row_details import Details, list_own_fields
from leads.rows import LeadRow
from leads.views.addresses import lead_addresses
from tenancy.components import ClockFace
from tenancy.listing import Column
from tenancy.markup import NOTHING, clock, day, fill, quiet, short_datetime, why_link

# Those that are shown if nobody chose others.
USUAL: Final = ("name", "company", "stage", "score", "grade", "owner", "clock", "origin", "created_at")


@dataclass(frozen=True)
class ListedLead:
    """One row: the lead, its open clock, its page and the answers to "why this score, why this grade"; what else is shown."""

    lead: LeadRow
    clock: ClockFace | None
    url: str
    score_url: str
    grade_url: str
    details: Mapping[str, Any] = field(default_factory=dict)


def listed_leads(
    rows: Sequence[LeadRow], faces: dict[int, ClockFace], details: Details, *, slug: str
) -> list[ListedLead]:
    """Rows as the columns take them; ``faces`` and ``details`` by lead id."""
    page = lead_addresses("lead-detail", slug=slug)
    why_score = lead_addresses("lead-why", slug=slug, part="score")
    why_grade = lead_addresses("lead-why", slug=slug, part="grade")
    return [
        ListedLead(
            row,
            faces.get(row.id),
            page(row.id),
            why_score(row.id),
            why_grade(row.id),
            details.get(row.id, {}),
        )
        for row in rows
    ]


def lead_columns() -> list[Column]:
    """Every column that can be shown: the usual ones in their order, others, own fields. Their rows are ListedLead."""
    return [*_usual_columns(), *_further_columns(), *_own_columns()]


def _usual_columns() -> list[Column]:
    falling = partial(Column, descending_first=True)
    # Said once, not for each row.
    stages, nobody = {stage: str(stage.label) for stage in Stage}, quiet(_("nobody"))
    return [
        Column(key="name", label=_("Name"), sort="name", value=_name, card="title"),
        Column(key="company", label=_("Company"), value=lambda row: row.lead.company, card="line"),
        falling(key="stage", label=_("Stage"), sort="stage_at", value=partial(_stage, stages)),
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
        Column(key="owner", label=_("Owner"), value=lambda row: row.lead.owner or nobody),
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


def _further_columns() -> list[Column]:
    """What is not shown unless somebody wants to see it: of the lead, of its company, of how it stands."""
    detail = partial(Column, card="hidden")
    return [
        Column(key="email", label=_("E-mail"), value=lambda row: row.lead.email),
        Column(key="phone", label=_("Phone"), value=lambda row: row.lead.phone),
        Column(key="job_title", label=_("Job title"), value=lambda row: row.lead.job_title),
        detail(key="seniority", label=_("Seniority"), value=_seniority),
        detail(key="country", label=_("Country"), value=lambda row: row.lead.country),
        detail(key="state", label=_("State"), value=_detail("state")),
        detail(key="city", label=_("City"), value=lambda row: row.lead.city),
        detail(key="company_size", label=_("Company size"), value=_detail("company_size"), end=True),
        detail(key="company_domain", label=_("Company domain"), value=_detail("company_domain")),
        detail(key="industry", label=_("Industry"), value=_detail("industry")),
        detail(key="campaign", label=_("Campaign"), value=lambda row: row.lead.campaign),
        detail(key="medium", label=_("Medium"), value=_detail("medium")),
        detail(key="landing_page", label=_("Landing page"), value=_detail("landing_page")),
        Column(key="tags", label=_("Tags"), value=_tags),
        detail(key="owner_sdr", label=_("SDR"), value=_detail("owner_sdr")),
        detail(key="owner_sales", label=_("Sales rep"), value=_detail("owner_sales")),
        detail(key="stage_at", label=_("In stage since"), value=lambda row: day(row.lead.stage_at), end=True),
        detail(
            key="last_event_at",
            label=_("Last event"),
            value=lambda row: day(row.lead.last_event_at) if row.lead.last_event_at else None,
            end=True,
        ),
        detail(key="external_id", label=_("External id"), value=lambda row: row.lead.external_id),
    ]


def _own_columns() -> list[Column]:
    numbers = {CustomType.INTEGER, CustomType.DECIMAL}
    return [
        Column(key=key, label=label, value=partial(_own_value, key), end=kind in numbers, card="hidden")
        for key, label, kind in list_own_fields()
    ]


def _detail(key: str) -> Any:
    return lambda row: row.details.get(key)


def _own_value(key: str, row: ListedLead) -> Any:
    value = row.details.get(key)
    if isinstance(value, Decimal):
        return localize(value.normalize() if value else Decimal(0))
    return date_format(value, "SHORT_DATE_FORMAT") if isinstance(value, date) else value


def _seniority(row: ListedLead) -> Any:
    value = row.details.get("seniority")
    return dict(Seniority.choices).get(value, value) if value else None


def _tags(row: ListedLead) -> SafeString | None:
    tags = row.details.get("tags")
    return (
        format_html_join(
            " ", '<span class="badge-tone" data-tone="quiet">{}</span>', ((tag,) for tag in tags)
        )
        if tags
        else None
    )


def _name(row: ListedLead) -> SafeString:
    link = fill('<a href="{}">{}</a>', row.url, row.lead.title)
    if not row.lead.job_title:
        return link
    return fill('{}<div class="small text-secondary text-truncate">{}</div>', link, row.lead.job_title)


def _stage(labels: Mapping[Stage, str], row: ListedLead) -> SafeString:
    return fill('<span title="{}">{}</span>', short_datetime(row.lead.stage_at), labels[row.lead.stage])


def _clock(row: ListedLead) -> SafeString:
    return clock(row.clock, compact=True) if row.clock else NOTHING
