"""Campaigns and what they cost, over HTTP."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    inline_serializer,
)
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from insights.campaign_figures import COUNTED, By, Figures
from insights.campaign_tallies import ShownFigures, read_shown
from insights.campaigns import (
    CampaignData,
    InvalidCampaign,
    Sign,
    add_spends,
    change_campaign,
    data_of,
    delete_campaign,
    get_campaign,
    list_campaigns,
    list_spends,
    make_campaign,
    read_spend,
    remove_spend,
)
from insights.models import Campaign, CampaignSpend
from leads.money import amount_in_units
from tenancy.api import TenantAPIView
from tenancy.api_bodies import Body, noting, read_body, read_object, refuse
from tenancy.errors import FieldProblem
from tenancy.models import Scope

# A serializer takes its fields out of the dictionary that it is given: it gets a copy.
_SIGN = {
    "utm_campaign": s.CharField(required=False, allow_blank=True, max_length=200),
    "utm_source": s.CharField(required=False, allow_blank=True, max_length=120),
    "utm_medium": s.CharField(required=False, allow_blank=True, max_length=120),
}
_SIGN_BODY = inline_serializer("CampaignSign", {**_SIGN})


@extend_schema_field({"type": ["number", "string"]})
class GivenAmount(s.CharField):
    """An amount as a caller may give it."""


_SIGNS_HELP = (
    "A contact is the campaign's if it meets all that one of these says; utm_campaign or utm_source at least."
)
_CHANGE: dict[str, s.Field[Any, Any, Any, Any]] = {
    "name": s.CharField(max_length=120),
    "signs": s.ListField(child=_SIGN_BODY, min_length=1, help_text=_SIGNS_HELP),
    "starts_on": s.DateField(required=False, allow_null=True),
    "ends_on": s.DateField(required=False, allow_null=True),
    "note": s.CharField(required=False, allow_blank=True, allow_null=True, max_length=2000),
}
_EXAMPLE = OpenApiExample(
    "by utm_campaign",
    value={
        "name": "Black November",
        "signs": [{"utm_campaign": "black-november"}],
        "starts_on": "2026-11-01",
    },
    request_only=True,
)
_FIGURES = inline_serializer(
    "CampaignFigures",
    {
        "touched": s.IntegerField(),
        "brought": s.IntegerField(),
        "leads": s.IntegerField(help_text="Those counted: brought, or touched with by=any."),
        "reached": s.DictField(child=s.IntegerField()),
        "spend": s.FloatField(),
        "revenue": s.FloatField(),
        "deals_in_other_currencies": s.IntegerField(),
        "cost_per_lead": s.FloatField(allow_null=True),
        "cost_per_sql": s.FloatField(allow_null=True),
        "cost_per_customer": s.FloatField(allow_null=True),
        "roi_percent": s.FloatField(allow_null=True),
    },
    allow_null=True,
    help_text="Null until a worker has counted them.",
)
_CAMPAIGN = inline_serializer(
    "Campaign",
    {
        "id": s.IntegerField(),
        "name": s.CharField(),
        "signs": s.ListField(child=inline_serializer("CampaignSignRead", {**_SIGN})),
        "starts_on": s.DateField(allow_null=True),
        "ends_on": s.DateField(allow_null=True),
        "note": s.CharField(allow_blank=True),
        "currency": s.CharField(),
        "counted_at": s.DateTimeField(
            allow_null=True, help_text="Of the figures, where there are too many leads to count them now."
        ),
        "figures": _FIGURES,
    },
)
_CAMPAIGNS = inline_serializer("Campaigns", {"results": s.ListField(child=_CAMPAIGN)})
_SPEND = inline_serializer(
    "CampaignSpend",
    {
        "id": s.IntegerField(),
        "date": s.CharField(help_text="A day, or a month as 2026-10."),
        "amount": s.FloatField(),
        "currency": s.CharField(),
        "note": s.CharField(allow_blank=True),
    },
)
_SPENDS = inline_serializer("CampaignSpends", {"results": s.ListField(child=_SPEND)})
_SPEND_BODY = inline_serializer(
    "CampaignSpendBody",
    {
        "date": s.CharField(help_text="A day, 2026-10-31, or a month, 2026-10."),
        "amount": GivenAmount(
            help_text="In units of the tenant's currency, 0 or more; a number or its digits."
        ),
        "note": s.CharField(required=False, allow_blank=True, allow_null=True, max_length=200),
    },
)
_SPEND_EXAMPLE = OpenApiExample("a month", value={"date": "2026-10", "amount": 1250.5}, request_only=True)
_BY = OpenApiParameter(
    "by",
    str,
    enum=["first", "any"],
    default="first",
    description="Count leads by their first contact, or by any.",
)
_TAKEN = OpenApiResponse(description="There is a campaign of this name.")


class CampaignView(TenantAPIView):
    """What the views of campaigns share."""

    def answer(self, campaigns: list[Campaign]) -> list[dict[str, Any]]:
        """Campaigns with their figures."""
        shown = read_shown(
            campaign_ids=[each.pk for each in campaigns], by=read_by(self.request), tenant=self.tenant
        )
        return [campaign_json(each, shown, self.tenant.currency) for each in campaigns]


class CampaignCollectionView(CampaignView):
    """All campaigns."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.INSIGHT_READ, "POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="campaigns_list", parameters=[_BY], responses={200: _CAMPAIGNS}, tags=["campaigns"]
    )
    def get(self, request: Request) -> Response:
        """Every campaign with what it brought and cost, the latest to begin first."""
        return Response({"results": self.answer(list_campaigns())})

    @extend_schema(
        operation_id="campaigns_make",
        request=inline_serializer("CampaignBody", {**_CHANGE}),
        responses={201: _CAMPAIGN, 409: _TAKEN},
        examples=[_EXAMPLE],
        tags=["campaigns"],
    )
    def post(self, request: Request) -> Response:
        """Make a campaign."""
        data = read_campaign(Body(read_object(request)), CampaignData("", []))
        campaign = make_campaign(data=data, by=self.member, now=timezone.now())
        return Response(self.answer([campaign])[0], status=201)


class CampaignDetailView(CampaignView):
    """One campaign."""

    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.INSIGHT_READ,
        "PATCH": Scope.LEADS_WRITE,
        "DELETE": Scope.LEADS_WRITE,
    }

    @extend_schema(operation_id="campaign", parameters=[_BY], responses={200: _CAMPAIGN}, tags=["campaigns"])
    def get(self, request: Request, campaign_id: int) -> Response:
        """A campaign with its figures."""
        return Response(self.answer([get_campaign(campaign_id=campaign_id)])[0])

    @extend_schema(
        operation_id="campaign_change",
        request=inline_serializer(
            "CampaignChange",
            _CHANGE
            | {
                "name": s.CharField(required=False, max_length=120),
                "signs": s.ListField(
                    child=type(_SIGN_BODY)(), min_length=1, required=False, help_text=_SIGNS_HELP
                ),
            },
        ),
        responses={200: _CAMPAIGN, 409: _TAKEN},
        examples=[_EXAMPLE],
        tags=["campaigns"],
    )
    def patch(self, request: Request, campaign_id: int) -> Response:
        """Change what is given; signs are replaced as a whole."""
        campaign = get_campaign(campaign_id=campaign_id)
        data = read_campaign(Body(read_object(request)), data_of(campaign))
        change_campaign(campaign=campaign, data=data, by=self.member, now=timezone.now())
        return Response(self.answer([get_campaign(campaign_id=campaign_id)])[0])

    @extend_schema(operation_id="campaign_delete", responses={204: None}, tags=["campaigns"])
    def delete(self, request: Request, campaign_id: int) -> Response:
        """Delete a campaign with what was spent on it; its leads stay."""
        campaign = get_campaign(campaign_id=campaign_id)
        delete_campaign(campaign=campaign, by=self.member, now=timezone.now())
        return Response(status=204)


class SpendCollectionView(CampaignView):
    """What was spent on a campaign."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.INSIGHT_READ, "POST": Scope.LEADS_WRITE}

    @extend_schema(operation_id="campaign_spend_list", responses={200: _SPENDS}, tags=["campaigns"])
    def get(self, request: Request, campaign_id: int) -> Response:
        """Every entry, the latest first."""
        spends = list_spends(campaign=get_campaign(campaign_id=campaign_id))
        return Response({"results": [spend_json(each, self.tenant.currency) for each in spends]})

    @extend_schema(
        operation_id="campaign_spend_add",
        request=_SPEND_BODY,
        responses={201: _SPEND},
        examples=[_SPEND_EXAMPLE],
        tags=["campaigns"],
    )
    def post(self, request: Request, campaign_id: int) -> Response:
        """Note money spent on a day or in a month."""
        campaign, body = get_campaign(campaign_id=campaign_id), read_body(request, "date", "amount", "note")
        spend = read_spend(
            when=body.get("date"), amount=body.get("amount"), note=body.get("note"), tenant=self.tenant
        )
        [made] = add_spends(campaign=campaign, spends=[spend], by=self.member, now=timezone.now())
        return Response(spend_json(made, self.tenant.currency), status=201)


class SpendView(CampaignView):
    """One entry of money spent."""

    scopes: ClassVar[dict[str, Scope]] = {"DELETE": Scope.LEADS_WRITE}

    @extend_schema(operation_id="campaign_spend_remove", responses={204: None}, tags=["campaigns"])
    def delete(self, request: Request, campaign_id: int, spend_id: int) -> Response:
        """Take an entry away again."""
        campaign = get_campaign(campaign_id=campaign_id)
        remove_spend(campaign=campaign, spend_id=spend_id, by=self.member, now=timezone.now())
        return Response(status=204)


def read_by(request: Request) -> By:
    """How leads are counted. Raises Invalid."""
    match request.query_params.getlist("by"):
        case [] | ["first"]:
            return "first"
        case ["any"]:
            return "any"
    raise refuse("by", _("Choose first or any."))


def read_campaign(body: Body, before: CampaignData) -> CampaignData:
    """A campaign from a body; what it leaves out stays as it was. Raises InvalidCampaign."""
    problems: list[FieldProblem] = []
    given: dict[str, Any] = {}
    with noting(problems):
        body.refuse_others(_CHANGE)
    for name in ("name", "note"):
        with noting(problems):
            given[name] = body.text(name, default="") if name in body else getattr(before, name)
    signs = _read_signs(body.get("signs"), problems) if "signs" in body else list(before.signs)
    for name in ("starts_on", "ends_on"):
        with noting(problems):
            given[name] = body.day(name) if name in body else getattr(before, name)
    if problems:
        raise InvalidCampaign(_("The campaign has faults."), errors=problems)
    return CampaignData(
        given["name"], signs, given["starts_on"], given["ends_on"], before.owner, given["note"]
    )


def _read_signs(raw: Any, problems: list[FieldProblem]) -> list[Sign]:
    is_list = isinstance(raw, list) and all(
        isinstance(each, dict) and set(each) <= set(_SIGN) for each in raw
    )
    if not is_list or not all(isinstance(value, str) for each in raw for value in each.values()):
        problems.append(
            FieldProblem(
                "signs", "type", _("Give a list of objects with utm_campaign, utm_source, utm_medium.")
            )
        )
        return []
    return [
        Sign(each.get("utm_campaign", ""), each.get("utm_source", ""), each.get("utm_medium", ""))
        for each in raw
    ]


def campaign_json(campaign: Campaign, shown: ShownFigures, currency: str) -> dict[str, Any]:
    """A campaign in the shape of the API; money in units of the tenant's currency."""

    def units(minor: int | None) -> float | None:
        return None if minor is None else float(amount_in_units(minor, currency=currency))

    data, figures = data_of(campaign), shown.by_campaign[campaign.pk]
    return {
        "id": campaign.pk,
        "name": campaign.name,
        "signs": [
            {"utm_campaign": each.campaign_value, "utm_source": each.origin, "utm_medium": each.medium}
            for each in data.signs
        ],
        "starts_on": campaign.starts_on,
        "ends_on": campaign.ends_on,
        "note": campaign.note,
        "currency": currency,
        "counted_at": shown.counted_at,
        "figures": figures_json(figures, units) if figures.is_known else None,
    }


def figures_json(figures: Figures, units: Callable[[int | None], float | None]) -> dict[str, Any]:
    """Numbers in the shape of the API; ``units`` makes units of the currency of its minor ones."""
    return {
        "touched": figures.touched,
        "brought": figures.brought,
        "leads": figures.leads,
        "reached": {stage.value: figures.reached[stage] for stage in COUNTED},
        "spend": units(figures.spend_minor),
        "revenue": units(figures.revenue_minor),
        "deals_in_other_currencies": figures.others,
        "cost_per_lead": units(figures.cost_per_lead),
        "cost_per_sql": units(figures.cost_per_sql),
        "cost_per_customer": units(figures.cost_per_customer),
        "roi_percent": None if figures.roi is None else float(figures.roi),
    }


def spend_json(spend: CampaignSpend, currency: str) -> dict[str, Any]:
    """An entry in the shape of the API."""
    day = spend.spent_on.isoformat()
    return {
        "id": spend.pk,
        "date": day[:7] if spend.is_month else day,
        "amount": float(amount_in_units(spend.amount_minor, currency=currency)),
        "currency": currency,
        "note": spend.note,
    }


urlpatterns: list[URLPattern] = [
    path("campaigns/", CampaignCollectionView.as_view(), name="api-campaigns"),
    path("campaigns/<int:campaign_id>/", CampaignDetailView.as_view(), name="api-campaign"),
    path("campaigns/<int:campaign_id>/spend/", SpendCollectionView.as_view(), name="api-campaign-spends"),
    path("campaigns/<int:campaign_id>/spend/<int:spend_id>/", SpendView.as_view(), name="api-campaign-spend"),
]
