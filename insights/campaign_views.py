"""Campaigns as pages: what each brought and cost, and the leads behind each number."""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from insights.campaign_figures import COUNTED, By, Figures
from insights.campaign_forms import CampaignForm, SpendForm, initial_of
from insights.campaign_tallies import count_soon, read_shown
from insights.campaigns import (
    CampaignData,
    Sign,
    add_spends,
    change_campaign,
    data_of,
    delete_campaign,
    get_campaign,
    list_campaigns,
    list_spends,
    make_campaign,
    plain_amount,
    read_lines,
    read_spend,
    remove_spend,
)
from insights.facts import BROUGHT_BY, TOUCHED_BY
from insights.models import Campaign, CampaignSpend
from insights.unclaimed import list_unclaimed
from leads.models import FORWARD_STAGES, Stage
from leads.money import amount_in_units, minor_digits, money_words
from tenancy.errors import Problem
from tenancy.listing import Column, Count, EmptyState, Listing, render_listing, show_number
from tenancy.markup import quiet
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

LIST_PAGE: Final = "insights/campaign_list.html"
DETAIL_PAGE: Final = "insights/campaign_detail.html"
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
MAX_PASTED: Final = 100_000


@dataclass(frozen=True)
class ListedCampaign:
    """One row of the list."""

    campaign: Campaign
    figures: Figures
    numbers: "Numbers"


class Numbers:
    """A campaign's numbers as they are shown, with the leads behind each."""

    def __init__(self, campaign: Campaign, figures: Figures, by: By, request: TenantRequest) -> None:
        self._campaign, self._figures, self._by = campaign, figures, by
        self._currency = request.tenant.currency
        self._list = reverse("lead-list", kwargs={"slug": request.tenant.slug})

    @property
    def touched(self) -> str:
        return self._leads(self._figures.touched, TOUCHED_BY)

    @property
    def brought(self) -> str:
        return self._leads(self._figures.brought, BROUGHT_BY)

    def reached(self, stage: Stage) -> str:
        return self._leads(self._figures.reached[stage], self._fact, stage)

    @property
    def revenue(self) -> str:
        words = self.amount(self._figures.revenue_minor)
        url = self.url(self._fact, Stage.CUSTOMER)
        return (
            format_html('<a class="num" href="{}">{}</a>', url, words)
            if self._figures.revenue_minor
            else quiet("—")
        )

    @property
    def roi(self) -> str:
        roi = self._figures.roi
        if roi is None:
            return quiet("—")
        tone = "good" if roi >= 0 else "late"
        words = formats.number_format(roi, 1, use_l10n=True, force_grouping=True)
        return format_html('<span class="num tone-{}">{} %</span>', tone, words)

    def amount(self, minor: int) -> str:
        """Money as the reader writes it; the currency is the account's, and stands above."""
        digits = minor_digits(self._currency)
        units = amount_in_units(minor, currency=self._currency)
        return formats.number_format(units, decimal_pos=digits, use_l10n=True, force_grouping=True)

    def cost(self, minor: int | None) -> str:
        return (
            format_html('<span class="num">{}</span>', self.amount(minor))
            if minor is not None
            else quiet("—")
        )

    def url(self, fact: str, stage: Stage | None = None) -> str:
        """The list of the leads that a number counts."""
        parts: list[dict[str, Any]] = [{"fact": fact, "op": "has_any", "value": [str(self._campaign.pk)]}]
        if stage is not None:
            reached = [each.value for each in FORWARD_STAGES[FORWARD_STAGES.index(stage) :]]
            parts.append({"fact": "furthest_stage", "op": "in", "value": reached})
        return f"{self._list}?{urlencode({'filter': json.dumps({'all': parts})})}"

    @property
    def _fact(self) -> str:
        return TOUCHED_BY if self._by == "any" else BROUGHT_BY

    def _leads(self, count: int, fact: str, stage: Stage | None = None) -> str:
        if not self._figures.is_known:
            return quiet("…")
        return format_html('<a class="num" href="{}">{}</a>', self.url(fact, stage), show_number(count))


@tenant_page(right="campaign.read")
@require_safe
def campaign_list(request: TenantRequest) -> HttpResponse:
    """Every campaign with what it brought and cost."""
    by = _by(request)
    campaigns = list_campaigns()
    shown = read_shown(campaign_ids=[each.pk for each in campaigns], by=by, tenant=request.tenant)
    figures = shown.by_campaign
    search = request.GET.get("q", "").strip().casefold()
    rows = [
        ListedCampaign(each, figures[each.pk], Numbers(each, figures[each.pk], by, request))
        for each in campaigns
        if search in each.name.casefold()
    ]
    listing = Listing(
        key="campaigns",
        request=request,
        caption=_("Campaigns"),
        rows=rows,
        columns=_columns(),
        words=lambda n: ngettext("%(n)s campaign", "%(n)s campaigns", n) % {"n": show_number(n)},
        count=Count(value=len(rows)),
        search_label=_("Search name"),
        empty=EmptyState(
            title=_("Which of your campaigns pay?"),
            text=_(
                "Say by which utm parameters a campaign is recognised and what it cost: the rest is counted."
            ),
            icon="flag",
            act_label=_("Make the first campaign") if may(request.member, "campaign.edit") else "",
            act_url=reverse("campaign-new", kwargs={"slug": request.tenant.slug}),
        ),
    )
    spend = sum(each.spend_minor for each in figures.values())
    context = {
        "by": by,
        "shown": shown,
        "count_text": listing.words(len(campaigns)),
        "spend": money_words(spend, request.tenant.currency),
    }
    return render_listing(request, LIST_PAGE, context, listing=listing)


def _columns() -> list[Column]:
    def reached(stage: Stage) -> Column:
        return Column(
            key=stage.value, label=stage.label, value=lambda row: row.numbers.reached(stage), end=True
        )

    return [
        Column(key="name", label=_("Name"), template=f"{LIST_PAGE}#name_cell", card="title"),
        Column(key="touched", label=_("Touched"), value=lambda row: row.numbers.touched, end=True),
        Column(key="brought", label=_("Brought"), value=lambda row: row.numbers.brought, end=True),
        *(reached(stage) for stage in COUNTED if stage != Stage.OPPORTUNITY),
        Column(
            key="spend",
            label=_("Spent"),
            value=lambda row: row.numbers.cost(row.figures.spend_minor),
            end=True,
        ),
        Column(key="revenue", label=_("Revenue"), value=lambda row: row.numbers.revenue, end=True),
        Column(
            key="cost_per_lead",
            label=_("Per lead"),
            value=lambda row: row.numbers.cost(row.figures.cost_per_lead),
            end=True,
        ),
        Column(
            key="cost_per_sql",
            label=_("Per SQL"),
            value=lambda row: row.numbers.cost(row.figures.cost_per_sql),
            end=True,
        ),
        Column(
            key="cost_per_customer",
            label=_("Per customer"),
            value=lambda row: row.numbers.cost(row.figures.cost_per_customer),
            end=True,
        ),
        Column(key="roi", label=_("ROI"), value=lambda row: row.numbers.roi, end=True),
    ]


@tenant_page(right="campaign.read")
@require_safe
def campaign_detail(request: TenantRequest, campaign_id: int) -> HttpResponse:
    """One campaign."""
    campaign = get_campaign(campaign_id=campaign_id)
    return _show(request, campaign, SpendForm(initial={"date": timezone.localdate().isoformat()}))


def _show(
    request: TenantRequest,
    campaign: Campaign,
    form: SpendForm,
    *,
    pasted: str = "",
    problem: Problem | None = None,
) -> HttpResponse:
    by = _by(request)
    shown = read_shown(campaign_ids=[campaign.pk], by=by, tenant=request.tenant)
    figures = shown.by_campaign[campaign.pk]
    numbers = Numbers(campaign, figures, by, request)
    data = data_of(campaign)
    fact = TOUCHED_BY if by == "any" else BROUGHT_BY
    cards = [
        _card(_("Touched"), figures.touched, numbers.url(TOUCHED_BY)),
        _card(_("Brought"), figures.brought, numbers.url(BROUGHT_BY)),
        *(_card(str(stage.label), figures.reached[stage], numbers.url(fact, stage)) for stage in COUNTED),
    ]
    if not figures.is_known:
        cards = [card | {"value": "…"} for card in cards]
    context = {
        "campaign": campaign,
        "by": by,
        "shown": shown,
        "figures": figures,
        "numbers": numbers,
        "cards": cards,
        "money": [
            (_("Spent"), numbers.cost(figures.spend_minor)),
            (_("Revenue"), numbers.revenue),
            (_("ROI"), numbers.roi),
            (_("Cost per lead"), numbers.cost(figures.cost_per_lead)),
            (_("Cost per SQL"), numbers.cost(figures.cost_per_sql)),
            (_("Cost per customer"), numbers.cost(figures.cost_per_customer)),
        ],
        "signs": [_sign_words(sign) for sign in data.signs],
        "spends": [_spend_row(each, request.tenant.currency) for each in list_spends(campaign=campaign)],
        "form": form,
        "pasted": pasted,
        "problem": problem,
        "link": _link_of(data),
        "currency": request.tenant.currency,
    }
    is_wrong = bool(form.errors or problem)
    return render(request, DETAIL_PAGE, context, status=422 if is_wrong else 200)


def _card(label: str, count: int, url: str) -> dict[str, str]:
    return {"label": label, "value": show_number(count), "url": url}


def _sign_words(sign: Sign) -> str:
    pairs = zip(
        ("utm_source", "utm_medium", "utm_campaign"),
        (sign.origin, sign.medium, sign.campaign_value),
        strict=True,
    )
    return ", ".join(f"{name} = {value}" for name, value in pairs if value)


def _spend_row(spend: CampaignSpend, currency: str) -> dict[str, Any]:
    style: Literal["YEAR_MONTH_FORMAT", "SHORT_DATE_FORMAT"] = (
        "YEAR_MONTH_FORMAT" if spend.is_month else "SHORT_DATE_FORMAT"
    )
    when = formats.date_format(spend.spent_on, style)
    return {"spend": spend, "when": when, "amount": money_words(spend.amount_minor, currency)}


@tenant_page(right="campaign.read")
@require_POST
def campaign_count(request: TenantRequest) -> HttpResponse:
    """Let a worker count every campaign."""
    count_soon(campaign_ids=[each.pk for each in list_campaigns()], now=timezone.now())
    messages.info(request, _("The campaigns are being counted. Look again in a minute."))
    return redirect("campaign-list", slug=request.tenant.slug)


@tenant_page(right="campaign.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_new(request: TenantRequest) -> HttpResponse:
    """A new campaign; ``value`` in the address is a utm_campaign to begin with."""
    initial = {"values": request.GET.get("value", "")[:200], "owner": request.member.pk}
    form = CampaignForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            campaign = make_campaign(data=form.data_given(), by=request.member, now=timezone.now())
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The campaign is made. Note what it costs."))
            return redirect("campaign-detail", slug=request.tenant.slug, campaign_id=campaign.pk)
    context = {"form": form, "unclaimed": list_unclaimed()}
    return render(request, "insights/campaign_form.html", context, status=422 if form.errors else 200)


@tenant_page(right="campaign.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_edit(request: TenantRequest, campaign_id: int) -> HttpResponse:
    """Change a campaign."""
    campaign = get_campaign(campaign_id=campaign_id)
    form = CampaignForm(
        request.POST if request.method == "POST" else None, initial=initial_of(data_of(campaign))
    )
    if request.method == "POST" and form.is_valid():
        try:
            data: CampaignData = form.data_given()
            change_campaign(campaign=campaign, data=data, by=request.member, now=timezone.now())
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The campaign is saved."))
            return redirect("campaign-detail", slug=request.tenant.slug, campaign_id=campaign.pk)
    context = {"form": form, "campaign": campaign, "unclaimed": list_unclaimed()}
    return render(request, "insights/campaign_form.html", context, status=422 if form.errors else 200)


@tenant_page(right="campaign.edit")
@require_POST
def campaign_delete(request: TenantRequest, campaign_id: int) -> HttpResponse:
    """Delete a campaign with what was spent on it."""
    campaign = get_campaign(campaign_id=campaign_id)
    name = campaign.name
    delete_campaign(campaign=campaign, by=request.member, now=timezone.now())
    messages.success(request, _("The campaign “%(name)s” is deleted. Its leads stay.") % {"name": name})
    return redirect("campaign-list", slug=request.tenant.slug)


@tenant_page(right="campaign.edit")
@require_POST
def spend_add(request: TenantRequest, campaign_id: int) -> HttpResponse:
    """Note money spent: one entry, or many lines."""
    campaign = get_campaign(campaign_id=campaign_id)
    pasted = request.POST.get("lines", "")[:MAX_PASTED]
    form = SpendForm(request.POST if not pasted else None)
    if not pasted and not form.is_valid():
        return _show(request, campaign, form)
    try:
        if pasted:
            spends = read_lines(text=pasted, tenant=request.tenant)
        else:
            given = form.cleaned_data
            amount = plain_amount(given["amount"])
            spends = [
                read_spend(when=given["date"], amount=amount, note=given["note"], tenant=request.tenant)
            ]
    except Problem as problem:
        if pasted:
            return _show(request, campaign, SpendForm(), pasted=pasted, problem=problem)
        for each in problem.errors:
            form.add_error(each.field if each.field in form.fields else None, str(each.message))
        return _show(request, campaign, form)
    add_spends(campaign=campaign, spends=spends, by=request.member, now=timezone.now())
    words = ngettext("%(n)s entry is noted.", "%(n)s entries are noted.", len(spends))
    messages.success(request, words % {"n": show_number(len(spends))})
    return redirect("campaign-detail", slug=request.tenant.slug, campaign_id=campaign.pk)


@tenant_page(right="campaign.edit")
@require_POST
def spend_remove(request: TenantRequest, campaign_id: int, spend_id: int) -> HttpResponse:
    """Take an entry away again."""
    campaign = get_campaign(campaign_id=campaign_id)
    remove_spend(campaign=campaign, spend_id=spend_id, by=request.member, now=timezone.now())
    messages.success(request, _("The entry is removed."))
    return redirect("campaign-detail", slug=request.tenant.slug, campaign_id=campaign.pk)


@tenant_page(right="campaign.read")
@require_safe
def campaign_link(request: TenantRequest, campaign_id: int) -> HttpResponse:
    """An address with the campaign's parameters, as it is typed."""
    get_campaign(campaign_id=campaign_id)
    given = {name: request.GET.get(name, "").strip()[:200] for name in ("address", *UTM)}
    return render(request, f"{DETAIL_PAGE}#made_link", {"made": make_link(given)})


def make_link(given: dict[str, str]) -> str:
    """The address with its utm parameters; what stood in it of these is replaced. Empty for what is no address."""
    address = given["address"] if "://" in given["address"] else f"https://{given['address']}"
    try:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or "." not in (parts.hostname or ""):
            return ""
    except ValueError:
        return ""
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in UTM]
    new = urlencode({name: given[name] for name in UTM if given.get(name)})
    return parts._replace(query="&".join([*kept, *filter(None, [new])])).geturl()


def _link_of(data: CampaignData) -> dict[str, str]:
    """What the link builder begins with: the campaign's first sign."""
    sign = next(iter(data.signs), Sign())
    return {
        "utm_source": sign.origin,
        "utm_medium": sign.medium,
        "utm_campaign": sign.campaign_value,
    }


def _by(request: TenantRequest) -> By:
    return "any" if request.GET.get("by") == "any" else "first"
