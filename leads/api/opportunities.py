"""Opportunities over HTTP: those worked on here and those that files told of, each with the id it has elsewhere."""

from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads.models import Opportunity, OpportunityOutcome
from leads.money import amount_in_units
from leads.opportunities import list_for_programs
from leads.selectors import instant_json
from tenancy.api import TenantAPIView, page_url
from tenancy.api_bodies import read_whole, refuse
from tenancy.models import Scope

OPPORTUNITY: Final = inline_serializer(
    "Opportunity",
    {
        "id": s.IntegerField(),
        "lead": s.IntegerField(),
        "deal_id": s.CharField(allow_null=True, help_text="As a file gave it."),
        "outcome": s.ChoiceField(OpportunityOutcome.values),
        "opened_at": s.DateTimeField(allow_null=True),
        "closed_at": s.DateTimeField(allow_null=True),
        "expected_close_on": s.DateField(allow_null=True),
        "amount": s.FloatField(allow_null=True, help_text="In units of the currency."),
        "currency": s.CharField(allow_null=True),
        "reason": s.CharField(),
        "sdr": s.CharField(allow_null=True),
        "sales_rep": s.CharField(allow_null=True),
        "custom": s.DictField(child=s.JSONField()),
    },
)
OPPORTUNITIES: Final = inline_serializer(
    "Opportunities",
    {
        "results": s.ListField(child=OPPORTUNITY),
        "next": s.CharField(allow_null=True),
        "previous": s.CharField(allow_null=True),
    },
)


class OpportunityCollectionView(TenantAPIView):
    """Opportunities."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(
        operation_id="opportunities",
        parameters=[
            OpenApiParameter("outcome", str, enum=OpportunityOutcome.values),
            OpenApiParameter("lead", int, description="The id of a lead."),
            OpenApiParameter("deal_id", str, description="The id that the deal has elsewhere."),
            OpenApiParameter("cursor", str, description="As next and previous have it."),
        ],
        responses={200: OPPORTUNITIES},
        tags=["opportunities"],
    )
    def get(self, request: Request) -> Response:
        """The newest first."""
        given = request.query_params
        outcome, deal_id = given.get("outcome", ""), given.get("deal_id", "")
        if outcome and outcome not in OpportunityOutcome.values:
            message = _("Give one of %(values)s.") % {"values": ", ".join(OpportunityOutcome.values)}
            raise refuse("outcome", message, "unknown")
        page = list_for_programs(
            outcome=outcome,
            lead_id=read_whole("lead", given.get("lead", "")),
            deal_id=deal_id,
            cursor=given.get("cursor", ""),
        )
        return Response(
            {
                "results": [opportunity_json(row) for row in page.rows],
                "next": page_url(request, page.next_cursor),
                "previous": page_url(request, page.previous_cursor),
            }
        )


def opportunity_json(row: Opportunity) -> dict[str, Any]:
    """An opportunity in the shape of the API."""
    return {
        "id": row.pk,
        "lead": row.lead_id,
        "deal_id": row.deal_id or None,
        "outcome": row.outcome,
        "opened_at": instant_json(row.opened_at) if row.opened_at else None,
        "closed_at": instant_json(row.closed_at) if row.closed_at else None,
        "expected_close_on": row.expected_close_on.isoformat() if row.expected_close_on else None,
        "amount": _amount(row),
        "currency": row.currency,
        "reason": row.reason,
        "sdr": _name(row.sdr or row.kept_sdr),
        "sales_rep": _name(row.sales_rep or row.kept_sales_rep),
        "custom": row.custom,
    }


def _amount(row: Opportunity) -> float | None:
    if row.amount_minor is None or not row.currency:
        return None
    return float(amount_in_units(row.amount_minor, currency=row.currency))


def _name(person: Any) -> str | None:
    return str(person) if person else None
