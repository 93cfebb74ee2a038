"""Shapes of the API's bodies, for the OpenAPI description."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field, inline_serializer
from rest_framework import serializers as s

from leads.capture.event_fields import MAX_EVENTS
from leads.models import Stage, SubmissionState


@extend_schema_field({"type": ["string", "number", "null"]})
class GivenText(s.CharField):
    """A text as a caller may give it: a number is read as its digits, null as left out."""


def _given(*names: str) -> dict[str, s.Field[Any, Any, Any, Any]]:
    return {name: GivenText(required=False) for name in names}


def _rows() -> s.ListField:
    """Rows of a batch: each is answered for itself, also one that is no object."""
    return s.ListField(child=s.JSONField(), min_length=1, max_length=1000)


PERSON = inline_serializer(
    "Person", {"id": s.IntegerField(allow_null=True), "name": s.CharField()}, allow_null=True
)
OWNERS = inline_serializer(
    "Owners",
    {
        function: inline_serializer(
            f"Owner{function.title()}",
            {"id": s.IntegerField(allow_null=True), "name": s.CharField()},
            required=False,
        )
        for function in ("marketing", "sdr", "sales")
    },
)
CLOCK = inline_serializer(
    "Clock",
    {
        "kind": s.CharField(),
        "state": s.ChoiceField(["running", "paused", "met", "broken", "cancelled"]),
        "due_at": s.DateTimeField(),
    },
)
CONSENT = inline_serializer(
    "Consent",
    {"purpose": s.CharField(), "basis": s.CharField(required=False), "text": s.CharField(required=False)},
)
EVENT = inline_serializer(
    "Event",
    {
        "type": s.RegexField(r"^[a-z0-9_]{1,64}$"),
        "occurred_at": s.DateTimeField(required=False, allow_null=True),
        "message_id": s.CharField(required=False, allow_null=True, max_length=200),
        "properties": s.DictField(required=False),
    },
    required=False,
    allow_null=True,
)
COMPANY = inline_serializer(
    "Company",
    {
        "name": s.CharField(required=False, allow_null=True),
        "domain": s.CharField(required=False, allow_null=True),
        "size": s.IntegerField(required=False, allow_null=True),
        "revenue": s.FloatField(required=False, allow_null=True),
        "industry": s.CharField(required=False, allow_null=True),
        "cnpj": s.CharField(required=False, allow_null=True),
    },
    required=False,
    allow_null=True,
)
_TEXTS = (
    *("external_id", "email", "first_name", "last_name", "name", "phone", "job_title", "seniority"),
    *("country", "state", "city", "postal_code", "language", "time_zone"),
    *("origin", "campaign", "medium", "landing_page"),
)
LEAD_BODY = inline_serializer(
    "LeadBody",
    _given(*_TEXTS)
    | {
        "company": COMPANY,
        "created_at": s.DateTimeField(required=False, allow_null=True),
        "custom": s.DictField(required=False),
        "tags": s.ListField(child=s.CharField(), required=False),
        "consent": s.ListField(child=CONSENT, required=False),
        "event": EVENT,
        "events": s.ListField(child=type(EVENT)(), required=False, max_length=MAX_EVENTS),
    },
)
_STANDING: dict[str, s.Field[Any, Any, Any, Any]] = {
    "id": s.IntegerField(),
    "stage": s.ChoiceField(Stage.values),
    "score": s.IntegerField(),
    "grade": s.CharField(),
    "grade_ordinal": s.IntegerField(min_value=0, max_value=12),
    "owner": PERSON,
    "owners": OWNERS,
    "clocks": s.ListField(child=CLOCK),
    "why": s.CharField(),
}
OUTCOMES = ["new", "updated", "unchanged"]
LEAD_RESULT = inline_serializer("LeadResult", _STANDING | {"outcome": s.ChoiceField(OUTCOMES)})
FIELD_PROBLEM = inline_serializer(
    "FieldProblem", {"field": s.CharField(), "code": s.CharField(), "message": s.CharField()}
)
BATCH_BODY = inline_serializer("LeadBatchBody", {"leads": _rows()})
BATCH_RESULT = inline_serializer(
    "LeadBatchResult",
    {
        "results": s.ListField(
            child=inline_serializer(
                "LeadBatchRow",
                {
                    "index": s.IntegerField(),
                    "status": s.IntegerField(),
                    "id": s.IntegerField(required=False),
                    "outcome": s.ChoiceField(OUTCOMES, required=False),
                    "href": s.CharField(required=False),
                    "state": s.CharField(required=False),
                    "detail": s.CharField(required=False),
                    "errors": s.ListField(child=FIELD_PROBLEM, required=False),
                },
            )
        )
    },
)
EVENT_ALONE = inline_serializer(
    "EventAlone",
    {
        "type": s.RegexField(r"^[a-z0-9_]{1,64}$"),
        "occurred_at": s.DateTimeField(required=False),
        "message_id": s.CharField(required=False),
        "lead": s.DictField(required=False, help_text="One of id, external_id, email."),
        "visitor": s.CharField(required=False, max_length=64),
        "properties": s.DictField(required=False),
        "create": s.BooleanField(required=False, help_text="Make a lead of an unknown person."),
    },
)
EVENT_BODY = PolymorphicProxySerializer(
    component_name="EventOrEvents",
    serializers=[
        EVENT_ALONE,
        inline_serializer("Events", {"events": _rows()}),
    ],
    resource_type_field_name=None,
)
EVENT_RESULT = PolymorphicProxySerializer(
    component_name="EventResultOrResults",
    serializers=[
        inline_serializer("EventResult", {"id": s.IntegerField(), "lead": s.IntegerField(allow_null=True)}),
        inline_serializer(
            "EventResults",
            {
                "results": s.ListField(
                    child=inline_serializer(
                        "EventRow",
                        {
                            "index": s.IntegerField(),
                            "status": s.IntegerField(),
                            "id": s.IntegerField(required=False),
                            "lead": s.IntegerField(required=False, allow_null=True),
                            "detail": s.CharField(required=False),
                            "errors": s.ListField(child=type(FIELD_PROBLEM)(), required=False),
                        },
                    )
                )
            },
        ),
    ],
    resource_type_field_name=None,
)
ACCEPTED = inline_serializer(
    "Accepted",
    {"submission": s.IntegerField(), "state": s.ChoiceField(SubmissionState.values), "href": s.CharField()},
)
SUBMISSION = inline_serializer(
    "Submission",
    {
        "id": s.IntegerField(),
        "state": s.ChoiceField(SubmissionState.choices),
        "received_at": s.DateTimeField(),
        "processed_at": s.DateTimeField(allow_null=True),
        "lead": s.IntegerField(allow_null=True),
        "error": s.CharField(allow_blank=True),
    },
)
KEPT_CONSENT = inline_serializer(
    "KeptConsent",
    {
        "purpose": s.CharField(),
        "basis": s.CharField(),
        "text": s.CharField(allow_blank=True),
        "given_at": s.DateTimeField(),
        "withdrawn_at": s.DateTimeField(allow_null=True),
    },
)
_LEAD_FIELDS: dict[str, s.Field[Any, Any, Any, Any]] = {
    name: s.CharField(allow_null=True) for name in (*_TEXTS, "company", "company_domain", "industry", "cnpj")
}
LEAD = inline_serializer(
    "Lead",
    _STANDING
    | _LEAD_FIELDS
    | {
        "company_size": s.IntegerField(allow_null=True),
        "company_revenue": s.FloatField(allow_null=True),
        "owner_sdr": PERSON,
        "owner_sales": PERSON,
        "created_at": s.DateTimeField(),
        "tags": s.ListField(child=s.CharField()),
        "consent": s.ListField(child=KEPT_CONSENT),
        "custom": s.DictField(),
    },
)
LEAD_LIST = inline_serializer(
    "LeadList",
    {
        "results": s.ListField(child=LEAD),
        "next": s.CharField(allow_null=True),
        "previous": s.CharField(allow_null=True),
        "count": inline_serializer("LeadCount", {"value": s.IntegerField(), "exact": s.BooleanField()}),
    },
)
_WHY_PART = inline_serializer(
    "WhyPart",
    {
        "result": s.CharField(allow_blank=True),
        "version": s.IntegerField(allow_null=True),
        "at": s.DateTimeField(allow_null=True),
        "rules": s.ListField(
            child=inline_serializer(
                "WhyRule",
                {
                    "id": s.CharField(),
                    "label": s.CharField(),
                    "verdict": s.ChoiceField(["true", "false", "unknown"]),
                    "effect": s.CharField(allow_blank=True),
                    "inputs": s.ListField(child=s.DictField()),
                },
            )
        ),
        "smallest_change": s.ListField(child=s.CharField()),
    },
    allow_null=True,
)
WHY = inline_serializer(
    "Why",
    {
        "score": _WHY_PART,
        "grade": _WHY_PART,
        "stage": _WHY_PART,
        "owner": _WHY_PART,
        "clocks": s.ListField(child=_WHY_PART),
    },
)
LEAD_CHANGE = inline_serializer(
    "LeadChange",
    _given(*_TEXTS)
    | {
        "company": inline_serializer(
            "ChangedCompany",
            {
                "name": s.CharField(required=False, allow_null=True),
                "domain": s.CharField(required=False, allow_null=True),
                "size": s.IntegerField(required=False, allow_null=True),
                "revenue": s.FloatField(required=False, allow_null=True),
                "industry": s.CharField(required=False, allow_null=True),
                "cnpj": s.CharField(required=False, allow_null=True),
            },
            required=False,
            allow_null=True,
        ),
        "created_at": s.DateTimeField(required=False, allow_null=True),
        "custom": s.DictField(required=False),
        "tags": s.ListField(child=s.CharField(), required=False),
        "consent": s.ListField(child=type(CONSENT)(), required=False),
    },
)
