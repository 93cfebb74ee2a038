"""The funnel over HTTP."""

from typing import Any, ClassVar

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from insights.funnel import GROUPINGS, MODES, Funnel, FunnelRow, get_funnel, parse_question
from leads.models import FORWARD_STAGES
from tenancy.api import TenantAPIView
from tenancy.models import Scope

_ROW = inline_serializer(
    "FunnelRow",
    {
        "key": serializers.CharField(allow_null=True),
        "label": serializers.CharField(),
        "reached": serializers.DictField(child=serializers.IntegerField()),
        "median_days": serializers.DictField(child=serializers.FloatField(allow_null=True)),
    },
)
_TOTAL = inline_serializer(
    "FunnelTotal",
    {
        "reached": serializers.DictField(child=serializers.IntegerField()),
        "median_days": serializers.DictField(child=serializers.FloatField(allow_null=True)),
    },
)
_FUNNEL = inline_serializer(
    "Funnel",
    {
        "mode": serializers.ChoiceField(MODES),
        "from": serializers.DateField(allow_null=True),
        "to": serializers.DateField(allow_null=True),
        "by": serializers.CharField(allow_null=True),
        "flagged": serializers.IntegerField(),
        "rows": serializers.ListField(child=_ROW),
        "total": _TOTAL,
    },
)


class FunnelView(TenantAPIView):
    """How many leads reached each stage, by cohort or by flow."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.INSIGHT_READ}

    @extend_schema(
        operation_id="funnel",
        parameters=[
            OpenApiParameter("mode", str, enum=MODES, default="cohort"),
            OpenApiParameter("from", str, description="First local day, YYYY-MM-DD."),
            OpenApiParameter("to", str, description="Last local day, inclusive."),
            OpenApiParameter("by", str, description=f"{', '.join(GROUPINGS)} or custom.NAME"),
        ],
        responses=_FUNNEL,
    )
    def get(self, request: Request) -> Response:
        given = request.query_params
        question = parse_question(
            mode=given.get("mode", "cohort"),
            first_day=given.get("from", ""),
            last_day=given.get("to", ""),
            by=given.get("by", ""),
        )
        return Response(funnel_json(get_funnel(tenant=self.tenant, question=question)))


def funnel_json(funnel: Funnel) -> dict[str, Any]:
    """The funnel in the shape of the API."""
    question = funnel.question
    return {
        "mode": question.mode,
        "from": question.first_day.isoformat() if question.first_day else None,
        "to": question.last_day.isoformat() if question.last_day else None,
        "by": question.by,
        "flagged": funnel.flagged,
        "rows": [{"key": row.key, "label": row.label, **_figures(row)} for row in funnel.rows],
        "total": _figures(funnel.total),
    }


def _figures(row: FunnelRow) -> dict[str, Any]:
    return {
        "reached": {stage.value: row.reached[stage] for stage in FORWARD_STAGES},
        "median_days": row.median_days,
    }


urlpatterns: list[URLPattern] = [path("funnel/", FunnelView.as_view(), name="api-funnel")]
