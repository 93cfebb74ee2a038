"""Duplicates over HTTP: proposals, merging two leads, taking them apart again."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.acts import NOTHING
from leads.merging.duplicates import dismiss_proposal, list_proposals
from leads.merging.fields import SIDES
from leads.merging.merge import merge_leads, undo_merge
from leads.models import DuplicateProposal, DuplicateReason, LeadMerge
from leads.selectors import instant_json
from tenancy.api import TenantAPIView, page_url
from tenancy.api_bodies import Body, read_object
from tenancy.models import Scope
from tenancy.rights import require

_PROPOSAL: dict[str, Any] = {
    "id": s.IntegerField(),
    "leads": s.ListField(child=s.IntegerField(), min_length=2, max_length=2),
    "reasons": s.ListField(child=s.ChoiceField(DuplicateReason.values)),
    "confidence": s.IntegerField(help_text="Per cent."),
    "found_at": s.DateTimeField(),
    "dismissed_at": s.DateTimeField(allow_null=True),
}
PROPOSAL = inline_serializer("Duplicate", _PROPOSAL)
PROPOSALS = inline_serializer(
    "Duplicates",
    {
        "results": inline_serializer("Duplicate", _PROPOSAL, many=True),
        "next": s.CharField(allow_null=True),
        "previous": s.CharField(allow_null=True),
    },
)
MERGE_BODY = inline_serializer(
    "MergeBody",
    {
        "other": s.IntegerField(help_text="The lead that becomes a part of this one."),
        "values": s.DictField(
            child=s.ChoiceField(SIDES),
            required=False,
            allow_null=True,
            help_text="By field, whose value stays: survivor or loser.",
        ),
    },
)
MERGE = inline_serializer(
    "Merge",
    {
        "id": s.IntegerField(),
        "lead": s.IntegerField(help_text="The survivor."),
        "merged": s.IntegerField(help_text="The lead that was merged into it."),
        "merged_at": s.DateTimeField(),
        "undo_until": s.DateTimeField(),
        "undone_at": s.DateTimeField(allow_null=True),
    },
)
_BAD = OpenApiResponse(description="A field or cursor is not known, or the two leads are one.")
_NOT_NOW = OpenApiResponse(description="Both have an open opportunity.")
_TOO_LATE = OpenApiResponse(description="It can no longer be undone; says why.")


class DuplicateCollectionView(TenantAPIView):
    """Pairs of leads that may be the same person."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(
        operation_id="duplicates",
        parameters=[OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer.")],
        responses={200: PROPOSALS, 400: _BAD},
        tags=["duplicates"],
    )
    def get(self, request: Request) -> Response:
        """One page, the likeliest first. ``next`` and ``previous`` are addresses, null where there is no further page."""
        require(self.member, "lead.merge")
        page = list_proposals(cursor=request.query_params.get("cursor", ""))
        return Response(
            {
                "results": [proposal_json(proposal) for proposal in page.rows],
                "next": page_url(request, page.next_cursor),
                "previous": page_url(request, page.previous_cursor),
            }
        )


class DuplicateDismissView(TenantAPIView):
    """Saying that two leads are not the same person."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="duplicate_dismiss", request=NOTHING, responses={200: PROPOSAL}, tags=["duplicates"]
    )
    def post(self, request: Request, proposal_id: int) -> Response:
        """They are never proposed again."""
        now = timezone.now()
        return Response(proposal_json(dismiss_proposal(proposal_id=proposal_id, by=self.member, now=now)))


class LeadMergeView(TenantAPIView):
    """Making another lead a part of one."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="lead_merge",
        request=MERGE_BODY,
        responses={200: MERGE, 400: _BAD, 409: _NOT_NOW},
        tags=["duplicates"],
    )
    def post(self, request: Request, lead_id: int) -> Response:
        """The lead of the address survives; the other one's e-mail and external id go on meaning it."""
        body = Body(read_object(request))
        merge = merge_leads(
            survivor_id=lead_id,
            loser_id=body.whole("other"),
            choices=body.mapping("values", default={}),
            by=self.member,
            now=timezone.now(),
        )
        return Response(merge_json(merge))


class MergeUndoView(TenantAPIView):
    """Taking two merged leads apart again."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="merge_undo",
        request=NOTHING,
        responses={200: MERGE, 409: _TOO_LATE},
        tags=["duplicates"],
    )
    def post(self, request: Request, merge_id: int) -> Response:
        """Each gets its own rows back; what came afterwards stays with the survivor."""
        return Response(merge_json(undo_merge(merge_id=merge_id, by=self.member, now=timezone.now())))


def proposal_json(proposal: DuplicateProposal) -> dict[str, Any]:
    """A proposal as the API writes it."""
    return {
        "id": proposal.pk,
        "leads": [proposal.first_id, proposal.second_id],
        "reasons": proposal.reasons,
        "confidence": proposal.confidence,
        "found_at": instant_json(proposal.found_at),
        "dismissed_at": instant_json(proposal.dismissed_at) if proposal.dismissed_at else None,
    }


def merge_json(merge: LeadMerge) -> dict[str, Any]:
    """A merge as the API writes it."""
    return {
        "id": merge.pk,
        "lead": merge.survivor_id,
        "merged": merge.loser_id,
        "merged_at": instant_json(merge.merged_at),
        "undo_until": instant_json(merge.undo_until),
        "undone_at": instant_json(merge.undone_at) if merge.undone_at else None,
    }
