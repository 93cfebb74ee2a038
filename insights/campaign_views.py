"""Campaigns as pages: what each brought and cost, and the leads behind each number."""

from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from insights.campaign_figures import COUNTED
from insights.campaign_forms import CampaignForm, SpendForm, initial_of
from insights.campaign_numbers import Numbers, read_by
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
from leads.money import money_words
from tenancy.errors import Problem
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

DETAIL_PAGE: Final = "insights/campaign_detail.html"
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
MAX_PASTED: Final = 100_000


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
    by = read_by(request.GET)
    shown = read_shown(campaign_ids=[campaign.pk], by=by, tenant=request.tenant)
    figures = shown.by_campaign[campaign.pk]
    numbers = Numbers(campaign, figures, by, request.tenant)
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
