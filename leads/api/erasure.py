"""People's data over HTTP: what is stored of one, erasing them, the proofs."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads.erasure.erasing import MAX_GROUND, get_erasure, request_erasure, rows_by_table
from leads.erasure.giving import give_person_data
from leads.models import Erasure
from leads.selectors import instant_json
from tenancy.api import SettingsAPIView, TenantAPIView
from tenancy.api_bodies import Body, read_object
from tenancy.models import Scope

ERASURE = inline_serializer(
    "Erasure",
    {
        "id": s.IntegerField(),
        "lead": s.IntegerField(),
        "state": s.ChoiceField(["waiting", "done", "failed"]),
        "asked_at": s.DateTimeField(),
        "asked_by": s.CharField(),
        "erased_at": s.DateTimeField(allow_null=True),
        "ground": s.CharField(),
        "keeps_out": s.BooleanField(),
        "identity_hash": s.CharField(
            help_text="SHA-256 of “email:” and the address, or of what else was known."
        ),
        "rows": s.DictField(child=s.IntegerField(), help_text="Rows by table."),
    },
)
ERASE = inline_serializer(
    "Erase",
    {
        "confirmation": s.CharField(help_text="The e-mail address of the lead, else its name."),
        "ground": s.CharField(required=False, allow_blank=True, allow_null=True, max_length=MAX_GROUND),
        "keeps_out": s.BooleanField(
            required=False, allow_null=True, help_text="Whether the person is not taken in again; true."
        ),
    },
)
PERSON_DATA = inline_serializer(
    "PersonData",
    {
        "lead": s.IntegerField(),
        "at": s.DateTimeField(),
        "tables": s.DictField(child=s.ListField(child=s.DictField())),
    },
)
_NOT_CONFIRMED = OpenApiResponse(description="The confirmation is not what the lead is called.")


class LeadEraseView(SettingsAPIView):
    """Erasing."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.DATA_ERASE}
    rights: ClassVar[dict[str, str]] = {"POST": "person.erase"}

    @extend_schema(
        operation_id="lead_erase", request=ERASE, responses={202: ERASURE, 400: _NOT_CONFIRMED}, tags=["data"]
    )
    def post(self, request: Request, lead_id: int) -> Response:
        """Erase the person a lead is about. It can't be taken back; asked for again, it is the same erasure."""
        body = Body(read_object(request))
        erasure = request_erasure(
            lead_id=lead_id,
            confirmation=body.text("confirmation"),
            ground=body.text("ground", default="", most=MAX_GROUND),
            keeps_out=body.flag("keeps_out", default=True),
            by=self.member,
            now=timezone.now(),
        )
        return Response(erasure_json(erasure), status=202)


class LeadDataView(TenantAPIView):
    """What is stored of a person."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="lead_data", responses={200: PERSON_DATA}, tags=["data"])
    def get(self, request: Request, lead_id: int) -> Response:
        """Every row of every table that tells of the person. It stands in the audit log."""
        return Response(give_person_data(lead_id=lead_id, by=self.member, now=timezone.now()))


class ErasureView(SettingsAPIView):
    """One proof."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.DATA_ERASE}
    rights: ClassVar[dict[str, str]] = {"GET": "person.erase"}

    @extend_schema(operation_id="erasure", responses={200: ERASURE}, tags=["data"])
    def get(self, request: Request, erasure_id: int) -> Response:
        """What was erased, when, by whom."""
        return Response(erasure_json(get_erasure(erasure_id=erasure_id)))


def erasure_json(erasure: Erasure) -> dict[str, Any]:
    """A proof in the shape of the API."""
    return {
        "id": erasure.pk,
        "lead": erasure.lead_number,
        "state": erasure.state,
        "asked_at": instant_json(erasure.asked_at),
        "asked_by": erasure.asked_by_name,
        "erased_at": instant_json(erasure.erased_at) if erasure.erased_at else None,
        "ground": erasure.ground,
        "keeps_out": erasure.keeps_out,
        "identity_hash": erasure.identity_hash,
        "rows": dict(rows_by_table(erasure.counts)),
    }
