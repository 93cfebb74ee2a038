"""The list of campaigns: what each brought and cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.saved_views.files import FilePart, column_file
from core.saved_views.kinds import ListKind, Parameters
from core.saved_views.showing import read_shown
from insights.campaign_figures import COUNTED, Figures
from insights.campaign_numbers import Numbers, read_by
from insights.campaign_tallies import ShownFigures
from insights.campaign_tallies import read_shown as read_figures
from insights.campaigns import list_campaigns
from insights.facts import BROUGHT_BY, TOUCHED_BY
from insights.models import Campaign
from leads.conditions.language import parse_condition
from leads.listing import InvalidListQuery, read_ids
from leads.matching import LeadFilters
from leads.models import Lead, Stage
from leads.money import amount_in_units, money_words
from leads.views.marking import list_marking
from tenancy.errors import FieldProblem
from tenancy.listing import (
    ORDER,
    SEARCH,
    Column,
    Count,
    EmptyState,
    FilterChip,
    ListError,
    Listing,
    render_listing,
    show_number,
)
from tenancy.models import Membership, Scope, Tenant
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

PAGE: Final = "insights/campaign_list.html"
PARAMETERS: Final = ("by", "q", "ids", "order")
_REACHED: Final = tuple(stage for stage in COUNTED if stage != Stage.OPPORTUNITY)
USUAL: Final = (
    *("name", "touched", "brought", *(stage.value for stage in _REACHED)),
    *("spend", "revenue", "cost_per_lead", "cost_per_customer", "roi"),
)


@dataclass(frozen=True)
class ListedCampaign:
    """One row of the list; ``tenant`` says the currency."""

    campaign: Campaign
    figures: Figures
    numbers: Numbers
    tenant: Tenant


@dataclass(frozen=True)
class _Found:
    rows: list[ListedCampaign]
    all_count: int
    shown: ShownFigures


@tenant_page(right="campaign.read")
@require_safe
def campaign_list(request: TenantRequest) -> HttpResponse:
    """Every campaign with what it brought and cost."""
    tenant = request.tenant
    shown = read_shown(request=request, kind=CAMPAIGNS, member=request.member, slug=tenant.slug)
    given = shown.given
    error: ListError | None = None
    ids: tuple[int, ...] | None = None
    try:
        ids = _read_ids(given)
    except InvalidListQuery as invalid:
        error = ListError(title=invalid.detail, text=" ".join(str(each.message) for each in invalid.errors))
    found = _find(given, ids, tenant)
    columns = _columns()
    listing = Listing(
        key="campaigns",
        request=request,
        caption=_("Campaigns"),
        rows=[] if error else found.rows,
        columns=columns,
        words=lambda n: ngettext("%(n)s campaign", "%(n)s campaigns", n) % {"n": show_number(n)},
        count=None if error else Count(value=len(found.rows)),
        order=given.get(ORDER, ""),
        search_label=_("Search name"),
        chips=_chips(ids),
        error=error,
        empty=EmptyState(
            title=_("Which of your campaigns pay?"),
            text=_(
                "Say by which utm parameters a campaign is recognised and what it cost: the rest is counted."
            ),
            icon="flag",
            act_label=_("Make the first campaign") if may(request.member, "campaign.edit") else "",
            act_url=reverse("campaign-new", kwargs={"slug": tenant.slug}),
        ),
        everything_label=_("All campaigns"),
        marking=list_marking(
            request, CAMPAIGNS, row_id=lambda row: row.campaign.pk, row_name=lambda row: row.campaign.name
        ),
    )
    listing = shown.complete(listing, columns)
    spend = sum(each.spend_minor for each in found.shown.by_campaign.values())
    context = {
        "by": read_by(given),
        "shown": found.shown,
        "count_text": listing.words(found.all_count),
        "spend": money_words(spend, tenant.currency),
    }
    return render_listing(request, PAGE, context, listing=listing)


def _read_ids(given: Mapping[str, str]) -> tuple[int, ...] | None:
    problems: list[FieldProblem] = []
    ids = read_ids(given["ids"], problems) if given.get("ids") else None
    if problems:
        raise InvalidListQuery(_("The list cannot be shown like this."), errors=problems)
    return ids


def _find(given: Mapping[str, str], ids: tuple[int, ...] | None, tenant: Tenant) -> _Found:
    """All campaigns are few enough to be looked through: those that match, in the order that was asked for."""
    campaigns, by = list_campaigns(), read_by(given)
    shown = read_figures(campaign_ids=[each.pk for each in campaigns], by=by, tenant=tenant)
    figures = shown.by_campaign
    rows = [
        ListedCampaign(each, figures[each.pk], Numbers(each, figures[each.pk], by, tenant), tenant)
        for each in _matching(campaigns, given, ids)
    ]
    return _Found(_in_order(rows, given.get(ORDER, "")), len(campaigns), shown)


def _matching(
    campaigns: Sequence[Campaign], given: Mapping[str, str], ids: tuple[int, ...] | None
) -> list[Campaign]:
    """Which of them an address means: what they brought need not be counted for that."""
    search = given.get(SEARCH, "").strip().casefold()
    return [each for each in campaigns if search in each.name.casefold() and (ids is None or each.pk in ids)]


def _in_order(rows: list[ListedCampaign], order: str) -> list[ListedCampaign]:
    """By what a column says in a file; what it says nothing of comes last in either direction."""
    column = next((each for each in _columns() if each.sort and each.sort == order.removeprefix("-")), None)
    if column is None or column.plain is None:
        return rows
    read = column.plain
    known = [row for row in rows if read(row) is not None]
    known.sort(key=lambda row: _comparable(read(row)), reverse=order.startswith("-"))
    return known + [row for row in rows if read(row) is None]


def _comparable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _chips(ids: Sequence[int] | None) -> list[FilterChip]:
    if ids is None:
        return []
    marked = ngettext("%(n)s marked campaign", "%(n)s marked campaigns", len(ids))
    return [FilterChip(label=marked % {"n": show_number(len(ids))}, without=["ids"])]


def _columns() -> list[Column]:
    number = partial(Column, end=True, descending_first=True)

    def count(
        key: str, label: str, shown: Callable[[Numbers], str], read: Callable[[Figures], int]
    ) -> Column:
        return number(
            key=key,
            label=label,
            sort=key,
            value=lambda row: shown(row.numbers),
            plain=lambda row: read(row.figures) if row.figures.is_known else None,
        )

    def cost(key: str, label: str, read: Callable[[Figures], int | None]) -> Column:
        return number(
            key=key,
            label=label,
            sort=key,
            value=lambda row: row.numbers.cost(read(row.figures)),
            plain=lambda row: _units(row, read(row.figures)),
        )

    def reached(stage: Stage) -> Column:
        return count(
            stage.value,
            str(stage.label),
            lambda numbers: numbers.reached(stage),
            lambda each: each.reached[stage],
        )

    return [
        Column(
            key="name",
            label=_("Name"),
            sort="name",
            template=f"{PAGE}#name_cell",
            plain=lambda row: row.campaign.name,
            card="title",
        ),
        count("touched", _("Touched"), lambda numbers: numbers.touched, lambda each: each.touched),
        count("brought", _("Brought"), lambda numbers: numbers.brought, lambda each: each.brought),
        *(reached(stage) for stage in _REACHED),
        cost("spend", _("Spent"), lambda each: each.spend_minor),
        number(
            key="revenue",
            label=_("Revenue"),
            sort="revenue",
            value=lambda row: row.numbers.revenue,
            plain=lambda row: _units(row, row.figures.revenue_minor) if row.figures.is_known else None,
        ),
        cost("cost_per_lead", _("Per lead"), lambda each: each.cost_per_lead),
        cost("cost_per_sql", _("Per SQL"), lambda each: each.cost_per_sql),
        cost("cost_per_customer", _("Per customer"), lambda each: each.cost_per_customer),
        number(
            key="roi",
            label=_("ROI"),
            sort="roi",
            value=lambda row: row.numbers.roi,
            plain=lambda row: row.figures.roi,
        ),
        reached(Stage.OPPORTUNITY),
        *(_day(name, label) for name, label in (("starts_on", _("Begins")), ("ends_on", _("Ends")))),
        Column(
            key="owner",
            label=_("Owner"),
            value=lambda row: row.campaign.owner and row.campaign.owner.name,
            plain=lambda row: row.campaign.owner and row.campaign.owner.name,
            card="hidden",
        ),
    ]


def _day(name: str, label: str) -> Column:
    def read(row: ListedCampaign) -> Any:
        return getattr(row.campaign, name)

    return Column(key=name, label=label, value=read, plain=read, sort=name, end=True, card="hidden")


def _units(row: ListedCampaign, minor: int | None) -> Any:
    return None if minor is None else amount_in_units(minor, currency=row.tenant.currency)


def _check(parameters: Parameters, _member: Membership) -> None:
    _read_ids(parameters)


def _in_words(parameters: Parameters, _member: Membership) -> str:
    try:
        chips = _chips(_read_ids(parameters))
    except InvalidListQuery as invalid:
        return str(invalid.detail)
    words = [_("Any touch")] if read_by(parameters) == "any" else []
    words += [f"“{parameters[SEARCH]}”"] if parameters.get(SEARCH) else []
    return " · ".join([*words, *(str(chip.label) for chip in chips)])


def _meant(parameters: Parameters) -> list[Campaign]:
    return _matching(list_campaigns(), parameters, _read_ids(parameters))


def _leads(parameters: Parameters, _member: Membership, now: datetime) -> QuerySet[Any, Any]:
    """The leads that the campaigns brought, or touched where the list counts those."""
    fact = BROUGHT_BY if read_by(parameters) == "first" else TOUCHED_BY
    found = [str(campaign.pk) for campaign in _meant(parameters)]
    if not found:
        nobody: QuerySet[Any, Any] = Lead.objects.none()
        return nobody.values("pk")
    condition = parse_condition({"fact": fact, "op": "has_any", "value": found})
    leads: QuerySet[Any, Any] = LeadFilters(condition=condition).narrow(root=Lead, now=now)
    return leads.order_by().values("pk")


def _file_rows(part: FilePart) -> tuple[list[ListedCampaign], str | None]:
    return _find(part.parameters, _read_ids(part.parameters), part.member.tenant).rows, None


CAMPAIGNS: Final = ListKind(
    key="campaigns",
    label=gettext_lazy("Campaigns"),
    url_name="campaign-list",
    right="campaign.read",
    parameters=PARAMETERS,
    columns=_columns,
    usual=lambda _parameters: USUAL,
    check=_check,
    words=_in_words,
    count=lambda parameters, _member, _now: len(_meant(parameters)),
    file=column_file(
        name="campaigns",
        right="lead.export",
        columns=_columns,
        rows=_file_rows,
        count=lambda parameters, _member, _now: Count(value=len(_meant(parameters))),
    ),
    leads=_leads,
    scope=Scope.INSIGHT_READ,
)
