"""The funnel as a page and as a file: each number opens the leads behind it."""

import csv
import io
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_safe

from core.formulas import defuse
from insights.funnel import (
    GROUPINGS,
    TIMED_STAGES,
    Funnel,
    FunnelCell,
    FunnelQuestion,
    FunnelQuestionInvalid,
    FunnelRow,
    FunnelTooSlow,
    get_funnel,
    list_cell,
    parse_question,
)
from leads.clocks import list_urgent_faces
from leads.models import FORWARD_STAGES, CustomField, Stage
from leads.rows import list_lead_rows
from leads.views.lead_columns import USUAL, lead_columns, listed_leads
from tenancy.components import Chart, Series
from tenancy.errors import FieldProblem
from tenancy.listing import CURSOR, Count, EmptyState, Listing, render_listing, show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

GROUPING_LABELS: Final[dict[str, Promise]] = {
    "origin": gettext_lazy("Origin"),
    "campaign": gettext_lazy("Campaign"),
    "landing_page": gettext_lazy("Landing page"),
    "sdr": gettext_lazy("SDR"),
    "sales_rep": gettext_lazy("Sales rep"),
}
NO_LEADS: Final = EmptyState(
    icon="chart-funnel",
    title=gettext_lazy("No leads in this period"),
    text=gettext_lazy("Choose other days, or bring leads in: by a form, by the API or from a file."),
)
# Offered where there are too many leads to count.
FEWER_DAYS: Final = 30
# So many groups are shown, the largest; the file has all.
SHOWN_GROUPS: Final = 50
PAGE_SIZE: Final = 50
CAPTURED: Final = pgettext_lazy("first bar of the funnel", "Captured")


@dataclass(frozen=True)
class Cell:
    """A count with its share of the stage before and the address of its leads."""

    count: int
    url: str
    share: str = ""


@dataclass(frozen=True)
class TableRow:
    """One group of the funnel's table."""

    label: str
    cells: list[Cell]
    won_share: str
    median_days: str


@tenant_page(right="funnel.read")
@require_safe
def funnel(request: TenantRequest) -> HttpResponse:
    """How far leads came: cohort or flow, in a period, by a grouping."""
    given = request.GET
    question = read_question(given)
    try:
        answer, empty = get_funnel(tenant=request.tenant, question=question), NO_LEADS
    except FunnelTooSlow:
        answer, empty = Funnel(question, [], FunnelRow(None, ""), 0), _too_many(request, given)
    addresses = Addresses(request.tenant.slug, question)
    context = {
        "question": question,
        "funnel": answer,
        "chart": funnel_chart(answer, addresses),
        "cards": cards(answer, addresses),
        "rows": [table_row(row, addresses) for row in answer.rows[:SHOWN_GROUPS]],
        "hidden_groups": max(0, len(answer.rows) - SHOWN_GROUPS),
        "file_url": reverse("funnel-file", kwargs={"slug": request.tenant.slug}) + with_query(given),
        "stages": [CAPTURED, *(stage.label for stage in TIMED_STAGES)],
        "groupings": grouping_choices(),
        "grouping_label": grouping_choices().get(question.by or "", ""),
        "modes": {mode: with_query(given, mode=mode) for mode in ("cohort", "flow")},
        "empty": empty,
    }
    return render(request, "insights/funnel.html", context)


def _too_many(request: TenantRequest, given: QueryDict) -> EmptyState:
    first_day = timezone.localdate() - timedelta(days=FEWER_DAYS)
    return EmptyState(
        icon="chart-funnel",
        title=_("Too many leads to count at once"),
        text=_("Choose fewer days."),
        act_label=_("The last %(days)s days") % {"days": FEWER_DAYS},
        act_url=request.path + with_query(given, **{"from": first_day.isoformat(), "to": ""}),
    )


@tenant_page(right="funnel.read")
@require_safe
def funnel_file(request: TenantRequest) -> HttpResponse:
    """The table with all its groups as CSV: counts, and median days from the lead to each stage."""
    question = read_question(request.GET)
    answer = get_funnel(tenant=request.tenant, question=question)
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    medians = [f"days_to_{stage.value}" for stage in TIMED_STAGES]
    writer.writerow([question.by or "", "label", *(stage.value for stage in FORWARD_STAGES), *medians])
    for row in [*answer.rows, answer.total]:
        figures = [
            *(row.reached[stage] for stage in FORWARD_STAGES),
            *(row.median_days[stage] for stage in TIMED_STAGES),
        ]
        writer.writerow([defuse(row.key or ""), defuse(str(row.label)), *figures])
    response = HttpResponse(file.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="funnel-{question.mode}.csv"'
    return response


@tenant_page(right="lead.read")
@require_safe
def funnel_leads(request: TenantRequest) -> HttpResponse:
    """The leads behind one number of the funnel."""
    given, now = request.GET, timezone.now()
    question, cell = read_question(given), read_cell(given)
    before = given.get(CURSOR, "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        problem = FieldProblem(CURSOR, "invalid", _("This page does not exist."))
        raise FunnelQuestionInvalid(_("The funnel cannot be asked like this."), errors=[problem])
    page = list_cell(
        tenant=request.tenant,
        question=question,
        cell=cell,
        before=int(before) if before else None,
        size=PAGE_SIZE,
    )
    faces = list_urgent_faces(lead_ids=page.lead_ids, now=now)
    listing = Listing(
        key="funnel-leads",
        request=request,
        caption=_("Leads"),
        columns=[replace(column, sort="") for column in lead_columns() if column.key in USUAL],
        rows=listed_leads(list_lead_rows(lead_ids=page.lead_ids), faces, {}, slug=request.tenant.slug),
        words=lambda n: ngettext("%(count)s lead", "%(count)s leads", n) % {"count": show_number(n)},
        count=Count(value=page.count),
        next_cursor=str(page.next_before) if page.next_before else None,
        empty=EmptyState(title=_("No lead is behind this number"), icon="users"),
    )
    context = {
        "question": question,
        "heading": listing.words(page.count),
        "stage": CAPTURED if cell.stage == Stage.NEW else cell.stage.label,
        "group": "" if cell.is_of_all else cell.key or _("(blank)"),
        "grouping_label": grouping_choices().get(question.by or "", ""),
        "filter_url": Addresses(request.tenant.slug, question).as_filter(cell),
        "back": reverse("funnel", kwargs={"slug": request.tenant.slug})
        + with_query(given, stage="", key="", blank="", cursor=""),
    }
    return render_listing(request, "insights/funnel_leads.html", context, listing=listing)


def read_question(given: Any) -> FunnelQuestion:
    """What a page's address asks. Raises FunnelQuestionInvalid."""
    return parse_question(
        mode=given.get("mode", "cohort"),
        first_day=given.get("from", ""),
        last_day=given.get("to", ""),
        by=given.get("by", "origin"),
    )


def read_cell(given: Any) -> FunnelCell:
    """Which number: ``stage``, of the group ``key``, or ``blank`` for the one without value. Raises FunnelQuestionInvalid."""
    stage = given.get("stage", Stage.NEW)
    problem = None
    if stage not in FORWARD_STAGES:
        problem = FieldProblem("stage", "invalid", _("There is no such stage in the funnel."))
    elif "\x00" in given.get("key", ""):
        problem = FieldProblem("key", "invalid", _("There is no such group in the funnel."))
    if problem:
        raise FunnelQuestionInvalid(_("The funnel cannot be asked like this."), errors=[problem])
    is_blank = "blank" in given
    return FunnelCell(Stage(stage), not (is_blank or "key" in given), None if is_blank else given.get("key"))


def with_query(given: Any, **changes: str) -> str:
    """The page's address with some parameters changed."""
    return "?" + urlencode({name: value for name, value in (given.dict() | changes).items() if value})


def grouping_choices() -> dict[str, str]:
    """What the funnel can be split by, custom fields included."""
    custom = CustomField.objects.filter(retired_at__isnull=True).order_by("label")
    return {key: str(GROUPING_LABELS[key]) for key in GROUPINGS} | {
        f"custom.{field.name}": field.label for field in custom
    }


class Addresses:
    """The leads behind a number."""

    def __init__(self, slug: str, question: FunnelQuestion) -> None:
        self._list = reverse("lead-list", kwargs={"slug": slug})
        self._cell = reverse("funnel-leads", kwargs={"slug": slug})
        self._question = question

    def of(self, stage: Stage, row: FunnelRow | None = None) -> str:
        """The leads that reached a stage or moved into it, of one group or of all."""
        question = self._question
        asked = {
            "mode": question.mode if question.mode != "cohort" else None,
            "from": question.first_day,
            "to": question.last_day,
            "by": question.by,
            "stage": stage.value,
            "key": row.key if row else None,
            "blank": "1" if row is not None and row.key is None else None,
        }
        return (
            f"{self._cell}?{urlencode({name: value for name, value in asked.items() if value is not None})}"
        )

    def as_filter(self, cell: FunnelCell) -> str:
        """The same leads as a filter of the list, to be sorted and acted upon; empty where no condition says it.

        A flow is no condition on leads as they stand, and people are grouped by e-mail or kept text, which conditions do
        not know.
        """
        question = self._question
        if question.mode != "cohort" or (
            not cell.is_of_all and question.by not in ("origin", "campaign", "landing_page")
        ):
            return ""
        parts = [*self._reached(cell.stage), *self._captured()]
        if not cell.is_of_all:
            known = {"op": "is_unknown"} if cell.key is None else {"op": "eq", "value": cell.key}
            parts.append({"fact": question.by} | known)
        if not parts:
            return self._list
        return f"{self._list}?{urlencode({'filter': json.dumps({'all': parts}, ensure_ascii=False)})}"

    def _reached(self, stage: Stage) -> list[dict[str, Any]]:
        if stage == Stage.NEW:
            return []
        reached = [each.value for each in FORWARD_STAGES[FORWARD_STAGES.index(stage) :]]
        return [{"fact": "furthest_stage", "op": "in", "value": reached}]

    def _captured(self) -> list[dict[str, Any]]:
        first, last = self._question.first_day, self._question.last_day
        parts: list[dict[str, Any]] = []
        if first:
            parts.append({"none": [{"fact": "created_at", "op": "before", "value": first.isoformat()}]})
        if last:
            day = last.isoformat()
            parts.append({"any": [{"fact": "created_at", "op": op, "value": day} for op in ("before", "on")]})
        return parts


def share(part: int, whole: int) -> str:
    """A percentage with one decimal in the reader's format; a dash of nothing."""
    return f"{formats.number_format(100 * part / whole, 1)}%" if whole else "—"


def days(value: float | None) -> str:
    """Days with one decimal in the reader's format."""
    return "—" if value is None else formats.number_format(value, 1)


def funnel_chart(answer: Funnel, addresses: Addresses) -> Chart:
    """The funnel as bars; beside each what share of the bar before it is."""
    counts = [answer.total.reached[stage] for stage in FORWARD_STAGES]
    is_cohort = answer.question.mode == "cohort"
    notes = ["", *(share(now, before) for before, now in pairwise(counts))] if is_cohort else []
    return Chart(
        key="funnel",
        title=_("Cohort funnel") if is_cohort else _("Moves in the period"),
        caption=_("How many leads reached each stage."),
        categories=[CAPTURED, *(stage.label for stage in TIMED_STAGES)],
        category_label=_("Stage"),
        series=[Series(name=_("Leads"), values=counts)],
        horizontal=True,
        size="large",
        urls=[addresses.of(stage) for stage in FORWARD_STAGES],
        notes=notes,
    )


def cards(answer: Funnel, addresses: Addresses) -> list[dict[str, Any]]:
    """The figures on top: counts, shares and the usual time to win."""
    reached = answer.total.reached
    is_cohort = answer.question.mode == "cohort"

    def card(label: Promise | str, stage: Stage, before: Stage | None) -> dict[str, Any]:
        note = share(reached[stage], reached[before]) if is_cohort and before else ""
        return {
            "label": label,
            "value": formats.number_format(reached[stage], use_l10n=True, force_grouping=True),
            "note": note,
            "url": addresses.of(stage),
        }

    figures = [card(_("Leads captured"), Stage.NEW, None)]
    for before, stage in pairwise(FORWARD_STAGES):
        if stage != Stage.WORKING:
            figures.append(card(stage.label, stage, before))
    median = answer.total.median_days["customer"]
    figures.append({"label": _("Median days to win"), "value": days(median), "note": "", "url": ""})
    return figures


def table_row(row: FunnelRow, addresses: Addresses) -> TableRow:
    """One line of the table under the chart."""
    cells = [Cell(row.reached[stage], addresses.of(stage, row)) for stage in FORWARD_STAGES]
    label = row.label if row.key is not None else _("(blank)")
    return TableRow(
        label, cells, share(row.reached["customer"], row.reached["new"]), days(row.median_days["customer"])
    )
