"""The funnel as a page: each number opens the leads behind it."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_safe

from insights.funnel import (
    GROUPINGS,
    TIMED_STAGES,
    Funnel,
    FunnelQuestion,
    FunnelRow,
    get_funnel,
    parse_question,
)
from leads.models import FORWARD_STAGES, CustomField, Stage
from tenancy.components import Chart, Series
from tenancy.listing import EmptyState
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

GROUPING_LABELS: Final[dict[str, Promise]] = {
    "origin": gettext_lazy("Origin"),
    "campaign": gettext_lazy("Campaign"),
    "landing_page": gettext_lazy("Landing page"),
    "sdr": gettext_lazy("SDR"),
    "sales_rep": gettext_lazy("Sales rep"),
}
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
    question = parse_question(
        mode=given.get("mode", "cohort"),
        first_day=given.get("from", ""),
        last_day=given.get("to", ""),
        by=given.get("by", "origin"),
    )
    answer = get_funnel(tenant=request.tenant, question=question)
    addresses = Addresses(request.tenant.slug, question)
    context = {
        "question": question,
        "funnel": answer,
        "chart": funnel_chart(answer, addresses),
        "cards": cards(answer, addresses),
        "rows": [table_row(row, addresses) for row in answer.rows],
        "stages": [CAPTURED, *(stage.label for stage in TIMED_STAGES)],
        "groupings": grouping_choices(),
        "grouping_label": grouping_choices().get(question.by or "", ""),
        "modes": {mode: with_query(given, mode=mode) for mode in ("cohort", "flow")},
        "empty": EmptyState(
            icon="chart-funnel",
            title=_("No leads in this period"),
            text=_("Choose other days, or bring leads in: by a form, by the API or from a file."),
        ),
    }
    return render(request, "insights/funnel.html", context)


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
    """The list of leads behind a number. Only a cohort's numbers are a condition on leads as they stand."""

    def __init__(self, slug: str, question: FunnelQuestion) -> None:
        self._list = reverse("lead-list", kwargs={"slug": slug})
        self._question = question

    def of(self, stage: Stage, row: FunnelRow | None = None) -> str:
        """The leads that reached a stage, of one group or of all; empty where no condition says it."""
        question = self._question
        if question.mode != "cohort" or (row is not None and not self._is_condition(row)):
            return ""
        parts: list[dict[str, Any]] = []
        if stage != Stage.NEW:
            reached = [each.value for each in FORWARD_STAGES[FORWARD_STAGES.index(stage) :]]
            parts.append({"fact": "furthest_stage", "op": "in", "value": reached})
        if question.first_day:
            early = {"fact": "created_at", "op": "before", "value": question.first_day.isoformat()}
            parts.append({"none": [early]})
        if question.last_day:
            parts.append(
                {
                    "any": [
                        {"fact": "created_at", "op": "before", "value": question.last_day.isoformat()},
                        {"fact": "created_at", "op": "on", "value": question.last_day.isoformat()},
                    ]
                }
            )
        if row is not None and row.key is None:
            parts.append({"fact": question.by, "op": "is_unknown"})
        elif row is not None:
            parts.append({"fact": question.by, "op": "eq", "value": row.key})
        if not parts:
            return self._list
        return f"{self._list}?{urlencode({'filter': json.dumps({'all': parts}, ensure_ascii=False)})}"

    def _is_condition(self, row: FunnelRow) -> bool:
        """People are grouped by e-mail or kept text, which conditions on owners do not know."""
        return self._question.by in ("origin", "campaign", "landing_page")


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
        urls=[addresses.of(stage) for stage in FORWARD_STAGES] if is_cohort else [],
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
