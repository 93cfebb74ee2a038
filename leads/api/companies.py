"""Companies over HTTP."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads import companies
from leads.listing import count_in_time, read_condition
from tenancy.api import TenantAPIView, page_url
from tenancy.api_bodies import read_object, refuse
from tenancy.errors import FieldProblem, Invalid
from tenancy.models import Scope
from tenancy.rights import require

_FIELDS: dict[str, Any] = {
    "id": s.IntegerField(),
    "name": s.CharField(allow_null=True),
    "domain": s.CharField(allow_null=True),
    "cnpj": s.CharField(allow_null=True),
    "size": s.IntegerField(allow_null=True),
    "revenue": s.FloatField(allow_null=True, help_text="A year, in units of the tenant's currency."),
    "industry": s.CharField(allow_null=True),
    "created_at": s.DateTimeField(),
    "leads": s.IntegerField(),
    "open_opportunities": s.IntegerField(),
    "customers": s.IntegerField(),
}
COMPANY_ANSWER = inline_serializer("CompanyAnswer", _FIELDS)
COMPANY_CHANGE = inline_serializer(
    "CompanyChange",
    {
        "name": s.CharField(required=False, allow_null=True),
        "domain": s.CharField(required=False, allow_null=True),
        "cnpj": s.CharField(required=False, allow_null=True),
        "size": s.IntegerField(required=False, allow_null=True),
        "revenue": s.FloatField(required=False, allow_null=True),
        "industry": s.CharField(required=False, allow_null=True),
    },
)
COMPANIES = inline_serializer(
    "Companies",
    {
        "results": s.ListField(child=COMPANY_ANSWER),
        "next": s.CharField(allow_null=True),
        "previous": s.CharField(allow_null=True),
        "count": inline_serializer("CompanyCount", {"value": s.IntegerField(), "exact": s.BooleanField()}),
    },
)
_PARAMETERS = [
    OpenApiParameter(
        "q", str, description="Words of name or domain, accents and case apart; each has to be found."
    ),
    OpenApiParameter("order", str, enum=companies.ORDERS, description="By name if left out."),
    OpenApiParameter(
        "filter", str, description="A condition on leads as JSON: companies with a lead that meets it."
    ),
    OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer in the same order."),
]
_BAD = OpenApiResponse(description="A field, order or cursor is not known or cannot be read.")
_TAKEN = OpenApiResponse(description="Another company has this domain or CNPJ.")


class CompanyCollectionView(TenantAPIView):
    """All companies."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="companies", parameters=_PARAMETERS, responses={200: COMPANIES, 400: _BAD})
    def get(self, request: Request) -> Response:
        """One page of companies. ``next`` and ``previous`` are addresses, null where there is no further page."""
        require(self.member, "lead.read")
        given = request.query_params
        order = given.get("order", "")
        if order and order not in companies.ORDERS:
            message = _("Give one of %(values)s.") % {"values": ", ".join(companies.ORDERS)}
            raise refuse("order", message, "unknown")
        problems: list[FieldProblem] = []
        condition = read_condition(given.get("filter") or None, problems)
        if problems:
            raise Invalid(_("The list cannot be shown like this."), errors=problems)
        query, now = (
            companies.CompanyQuery(q=given.get("q", ""), condition=condition, order=order),
            timezone.now(),
        )
        page = companies.list_companies(query=query, now=now, cursor=given.get("cursor", ""))
        count = count_in_time(companies.matching_companies(query=query, now=now), is_fast=query.is_fast)
        if count is None:
            raise companies.CompaniesTooSlow(_("Type more of the company's name and try again."))
        numbers = companies.count_for(company_ids=[company.pk for company in page.rows])
        return Response(
            {
                "results": [companies.company_json(company, numbers[company.pk]) for company in page.rows],
                "next": page_url(request, page.next_cursor),
                "previous": page_url(request, page.previous_cursor),
                "count": {"value": count.value, "exact": count.exact},
            }
        )


class CompanyView(TenantAPIView):
    """One company."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ, "PATCH": Scope.LEADS_WRITE}

    @extend_schema(operation_id="company", responses={200: COMPANY_ANSWER})
    def get(self, request: Request, company_id: int) -> Response:
        """What is known of it, and what its leads come to."""
        require(self.member, "lead.read")
        return Response(_answer(company_id))

    @extend_schema(
        operation_id="company_change",
        request=COMPANY_CHANGE,
        responses={200: COMPANY_ANSWER, 400: _BAD, 409: _TAKEN},
    )
    def patch(self, request: Request, company_id: int) -> Response:
        """Change fields by name; null takes one away."""
        companies.edit_company(
            company_id=company_id,
            values=_read_change(request),
            tenant=self.tenant,
            by=self.member,
            now=timezone.now(),
        )
        return Response(_answer(company_id))


def _read_change(request: Request) -> dict[str, Any]:
    """The body, of whose values the kind is right. Raises Invalid."""
    body = read_object(request)
    for name, value in body.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {"size": type(value) is int, "revenue": is_number}.get(name, isinstance(value, str))
        if value is not None and not fits:
            message = _("Give a number.") if name in {"size", "revenue"} else _("Give a text.")
            raise refuse(name, message, "type")
    return body


def _answer(company_id: int) -> dict[str, Any]:
    company = companies.get_company(company_id=company_id)
    return companies.company_json(company, companies.count_for(company_ids=[company_id])[company_id])
