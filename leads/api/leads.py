"""The list of leads, one lead, and why it stands as it does, over HTTP."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.intake import LeadIntakeView
from leads.api.schemas import LEAD, LEAD_CHANGE, LEAD_LIST, WHY
from leads.capture.editing import change_tags, edit_lead
from leads.listing import (
    LeadListQuery,
    LeadPage,
    count_on,
    list_leads,
    read_list_query,
)
from leads.matching import NOBODY
from leads.models import Stage
from leads.paging import ORDERS
from leads.selectors import get_lead, instant_json, lead_details, lead_json
from leads.why import PARTS, WhyPart, explain_part
from tenancy.api import TenantAPIView, page_url
from tenancy.api_bodies import read_object, refuse
from tenancy.listing import Count
from tenancy.models import Scope
from tenancy.rights import require

_PARAMETERS = [
    OpenApiParameter("stage", str, description=f"One or several apart by commas: {', '.join(Stage.values)}."),
    OpenApiParameter(
        "owner", str, description=f"Who holds the lead now: a member's id or e-mail; “{NOBODY}” for nobody."
    ),
    OpenApiParameter("origin", str, description="Its key; any spelling of it is folded."),
    OpenApiParameter("score_min", int),
    OpenApiParameter("grade_min", str, description="A letter, as B- or B%2B, or its ordinal."),
    OpenApiParameter(
        "q",
        str,
        description="Words of name, e-mail, company, phone or external id, accents and case apart; each has to be found.",
    ),
    OpenApiParameter("external_id", str),
    OpenApiParameter("email", str),
    OpenApiParameter("filter", str, description="A condition as JSON."),
    OpenApiParameter("order", str, enum=ORDERS, description="Newest first if left out."),
    OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer in the same order."),
]
_BAD = OpenApiResponse(description="A filter, order or cursor is not known, or the filter takes too long.")
_BAD_FIELDS = OpenApiResponse(description="A field is not known or cannot be read.")
_TAKEN = OpenApiResponse(description="Another lead has this e-mail or external id.")


class LeadCollectionView(LeadIntakeView):
    """All leads: listed, and captured."""

    scopes: ClassVar[dict[str, Scope]] = {**LeadIntakeView.scopes, "GET": Scope.LEADS_READ}

    @extend_schema(operation_id="leads_list", parameters=_PARAMETERS, responses={200: LEAD_LIST, 400: _BAD})
    def get(self, request: Request) -> Response:
        """One page of leads. ``next`` and ``previous`` are addresses, null where there is no further page."""
        now = timezone.now()
        given = request.query_params
        query = read_list_query(
            parameters={name: ",".join(given.getlist(name)) for name in given}, member=self.member
        )
        page = list_leads(query=query, now=now)
        details = lead_details(lead_ids=page.lead_ids)
        return Response(
            {
                "results": [details[lead_id] for lead_id in page.lead_ids if lead_id in details],
                "next": page_url(request, page.next_cursor),
                "previous": page_url(request, page.previous_cursor),
                "count": count_json(count_on(query=query, now=now), query, page),
            }
        )


class LeadView(TenantAPIView):
    """One lead."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ, "PATCH": Scope.LEADS_WRITE}

    @extend_schema(operation_id="lead", responses={200: LEAD})
    def get(self, request: Request, lead_id: int) -> Response:
        """How the lead stands, and its fields by name."""
        require(self.member, "lead.read")
        return Response(lead_json(lead_id=lead_id))

    @extend_schema(
        operation_id="lead_change",
        request=LEAD_CHANGE,
        responses={200: LEAD, 400: _BAD_FIELDS, 409: _TAKEN},
    )
    def patch(self, request: Request, lead_id: int) -> Response:
        """Change fields by name. A blank never erases; tags are replaced by those given."""
        now, body = timezone.now(), read_object(request)
        if "event" in body:
            raise refuse("event", _("Record what a lead did at /api/v1/events/."), "unknown")
        edit_lead(lead_id=lead_id, values=body, tenant=self.tenant, by=self.member, now=now)
        if body.get("tags") is not None:
            change_tags(lead_id=lead_id, tags=tag_list(body["tags"]), by=self.member, now=now)
        return Response(lead_json(lead_id=lead_id))


class LeadWhyView(TenantAPIView):
    """Why a lead stands as it does."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="lead_why", responses={200: WHY})
    def get(self, request: Request, lead_id: int) -> Response:
        """Each result with the published version that made it, what each rule said, and the smallest change."""
        require(self.member, "lead.read")
        get_lead(lead_id=lead_id)
        now = timezone.now()
        answers = {
            part: [why_json(each) for each in explain_part(part=part, lead_id=lead_id, now=now)]
            for part in PARTS
        }
        single = {part: next(iter(found), None) for part, found in answers.items() if part != "clocks"}
        return Response({**single, "clocks": answers["clocks"]})


def tag_list(raw: Any) -> list[str]:
    """Tags as a list of texts, or one text with semicolons between them. Raises Invalid."""
    if isinstance(raw, list):
        return [str(tag) for tag in raw if tag is not None]
    if not isinstance(raw, str):
        raise refuse("tags", _("Give a list of texts."), "type")
    return raw.split(";")


def count_json(count: Count | None, query: LeadListQuery, page: LeadPage) -> dict[str, Any]:
    """How many match; when counting takes too long, at least as many as are shown."""
    if count is None:
        return {"value": len(page.lead_ids), "exact": False}
    return {"value": count.value, "exact": count.exact}


def why_json(part: WhyPart) -> dict[str, Any]:
    """One answer to "why" in the shape of the API."""
    return {
        "result": str(part.result),
        "version": part.version,
        "at": instant_json(part.at) if part.at else None,
        "rules": [
            {
                "id": rule.id,
                "label": str(rule.label),
                "verdict": rule.verdict,
                "effect": str(rule.effect),
                "inputs": rule.inputs,
            }
            for rule in part.rules
        ],
        "smallest_change": [str(sentence) for sentence in part.smallest_change],
    }
