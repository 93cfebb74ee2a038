"""Webhooks over HTTP: endpoints made, changed and switched, their secrets, what they were told."""

from typing import Any, ClassVar, Final

from django.urls import URLPattern, path
from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from core.webhooks import endpoints
from core.webhooks.addresses import MAX_URL
from tenancy.api import SettingsAPIView, page_answer, page_shape
from tenancy.api_bodies import read_body
from tenancy.api_schema import closed
from tenancy.models import Scope

MAX_DESCRIPTION: Final = 200
_FIELDS: Final = ("url", "description", "event_types", "is_on")
_WEBHOOK: dict[str, s.Field[Any, Any, Any, Any]] = {
    "id": s.IntegerField(),
    "url": s.CharField(),
    "description": s.CharField(allow_blank=True),
    "event_types": s.ListField(child=s.CharField()),
    "is_on": s.BooleanField(),
    "created_at": s.DateTimeField(),
    "failing_since": s.DateTimeField(allow_null=True, help_text="The first failure since the last success."),
    "gave_up_at": s.DateTimeField(allow_null=True, help_text="When it was switched off for failing."),
}
WEBHOOK = inline_serializer("Webhook", {**_WEBHOOK})
_SECRET = {"secret": s.CharField(help_text="It is not shown again.")}
WEBHOOK_MADE = inline_serializer("WebhookMade", {**_WEBHOOK, **_SECRET})
WEBHOOK_SECRET = inline_serializer("WebhookSecret", {**_SECRET})
WEBHOOKS = inline_serializer("Webhooks", {"results": s.ListField(child=WEBHOOK)})
_TYPES_HELP = "As docs/webhooks.md lists them: lead.created, lead.stage_changed …"


def _types(**more: Any) -> s.ListField:
    return s.ListField(child=s.CharField(), min_length=1, help_text=_TYPES_HELP, **more)


def _description() -> s.CharField:
    return s.CharField(required=False, allow_blank=True, allow_null=True, max_length=MAX_DESCRIPTION)


NEW_WEBHOOK = closed(
    inline_serializer(
        "NewWebhook",
        {
            "url": s.CharField(max_length=MAX_URL, help_text="Private networks are refused."),
            "description": _description(),
            "event_types": _types(),
        },
    )
)
WEBHOOK_CHANGE = closed(
    inline_serializer(
        "WebhookChange",
        {
            "url": s.CharField(max_length=MAX_URL, required=False),
            "description": _description(),
            "event_types": _types(required=False),
            "is_on": s.BooleanField(required=False),
        },
    )
)
DELIVERY = inline_serializer(
    "WebhookDelivery",
    {
        "id": s.IntegerField(),
        "message_id": s.CharField(help_text="webhook-id on the wire."),
        "event_type": s.CharField(),
        "occurred_at": s.DateTimeField(),
        "state": s.ChoiceField(WebhookDelivery.State.values),
        "next_at": s.DateTimeField(allow_null=True),
        "attempts": s.ListField(
            child=inline_serializer(
                "WebhookAttempt",
                {
                    "at": s.DateTimeField(),
                    "milliseconds": s.IntegerField(),
                    "status": s.IntegerField(allow_null=True, help_text="Null where there was no answer."),
                    "error": s.CharField(allow_blank=True),
                },
            )
        ),
    },
)
_EXAMPLE = OpenApiExample(
    "new leads and moves",
    value={"url": "https://crm.example.com/leads", "event_types": ["lead.created", "lead.stage_changed"]},
    request_only=True,
)
_BAD = OpenApiResponse(description="The address or a type of event is not one that can be told.")
_MANY = OpenApiResponse(description="There are as many as there may be.")
_OFF = OpenApiResponse(description="The webhook is switched off.")


class WebhookAPIView(SettingsAPIView):
    """What the views of webhooks share."""

    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.SETTINGS_READ,
        **dict.fromkeys(("POST", "PATCH", "DELETE"), Scope.SETTINGS_WRITE),
    }
    rights: ClassVar[dict[str, str]] = dict.fromkeys(scopes, "webhook.manage")


class WebhookCollectionView(WebhookAPIView):
    """All webhooks."""

    scopes: ClassVar[dict[str, Scope]] = {each: WebhookAPIView.scopes[each] for each in ("GET", "POST")}

    @extend_schema(operation_id="webhooks", responses={200: WEBHOOKS}, tags=["webhooks"])
    def get(self, request: Request) -> Response:
        """In the order in which they were made."""
        rows = endpoints.list_endpoints()
        return Response({"results": [endpoint_json(row["endpoint"]) for row in rows]})

    @extend_schema(
        operation_id="webhook_make",
        request=NEW_WEBHOOK,
        responses={201: WEBHOOK_MADE, 400: _BAD, 409: _MANY},
        examples=[_EXAMPLE],
        tags=["webhooks"],
    )
    def post(self, request: Request) -> Response:
        """Tell an address what happens from now on. The answer has its secret, once."""
        body = read_body(request, *_FIELDS[:-1])
        endpoint, secret = endpoints.make_endpoint(
            url=body.text("url", most=MAX_URL),
            description=body.text("description", default="", most=MAX_DESCRIPTION),
            event_types=body.texts("event_types"),
            by=self.member,
            now=timezone.now(),
        )
        return Response(endpoint_json(endpoint) | {"secret": secret}, status=201)


class WebhookView(WebhookAPIView):
    """One webhook."""

    scopes: ClassVar[dict[str, Scope]] = {
        each: WebhookAPIView.scopes[each] for each in ("GET", "PATCH", "DELETE")
    }

    @extend_schema(operation_id="webhook", responses={200: WEBHOOK}, tags=["webhooks"])
    def get(self, request: Request, endpoint_id: int) -> Response:
        """Whom it tells what."""
        return Response(endpoint_json(endpoints.get_endpoint(endpoint_id=endpoint_id)))

    @extend_schema(
        operation_id="webhook_change",
        request=WEBHOOK_CHANGE,
        responses={200: WEBHOOK, 400: _BAD},
        tags=["webhooks"],
    )
    def patch(self, request: Request, endpoint_id: int) -> Response:
        """Change what is given; ``is_on`` switches it. What happens while it is off is not told later."""
        endpoint, now = endpoints.get_endpoint(endpoint_id=endpoint_id), timezone.now()
        body = read_body(request, *_FIELDS)
        is_on = body.flag("is_on") if "is_on" in body else None
        endpoints.change_endpoint(
            endpoint=endpoint,
            url=body.text("url", most=MAX_URL) if "url" in body else endpoint.url,
            description=body.text("description", default="", most=MAX_DESCRIPTION)
            if "description" in body
            else endpoint.description,
            event_types=body.texts("event_types") if "event_types" in body else endpoint.event_types,
            by=self.member,
            now=now,
        )
        if is_on is not None:
            endpoints.switch_endpoint(endpoint=endpoint, is_on=is_on, by=self.member, now=now)
        return Response(endpoint_json(endpoint))

    @extend_schema(operation_id="webhook_delete", responses={204: None}, tags=["webhooks"])
    def delete(self, request: Request, endpoint_id: int) -> Response:
        """Forget it with all it was told."""
        endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
        endpoints.delete_endpoint(endpoint=endpoint, by=self.member, now=timezone.now())
        return Response(status=204)


class WebhookSecretView(WebhookAPIView):
    """The secret that signs."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="webhook_secret", request=None, responses={200: WEBHOOK_SECRET}, tags=["webhooks"]
    )
    def post(self, request: Request, endpoint_id: int) -> Response:
        """A new one, shown once; the former one signs beside it for a day."""
        endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
        secret = endpoints.renew_secret(endpoint=endpoint, by=self.member, now=timezone.now())
        return Response({"secret": secret})


class WebhookTestView(WebhookAPIView):
    """Trying it out."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="webhook_test",
        request=None,
        responses={202: DELIVERY, 409: _OFF},
        tags=["webhooks"],
    )
    def post(self, request: Request, endpoint_id: int) -> Response:
        """Tell it that this is a test; what came of it is seen among the deliveries."""
        endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
        delivery = endpoints.send_test(endpoint=endpoint, by=self.member, now=timezone.now())
        return Response(delivery_json(delivery), status=202)


class DeliveryCollectionView(WebhookAPIView):
    """What a webhook was told."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.SETTINGS_READ}

    @extend_schema(
        operation_id="webhook_deliveries",
        parameters=[OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer.")],
        responses={200: page_shape("WebhookDeliveries", DELIVERY)},
        tags=["webhooks"],
    )
    def get(self, request: Request, endpoint_id: int) -> Response:
        """One page, newest first, each with its attempts."""
        endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
        page = endpoints.list_deliveries(endpoint=endpoint, cursor=request.query_params.get("cursor", ""))
        return Response(page_answer(request, page, delivery_json))


class DeliveryAgainView(WebhookAPIView):
    """Sending once more."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="webhook_send_again",
        request=None,
        responses={202: DELIVERY, 409: _OFF},
        tags=["webhooks"],
    )
    def post(self, request: Request, endpoint_id: int, delivery_id: int) -> Response:
        """Under the same webhook-id: at once, and if need be with all pauses."""
        delivery = endpoints.get_delivery(endpoint_id=endpoint_id, delivery_id=delivery_id)
        endpoints.send_again(delivery=delivery, by=self.member, now=timezone.now())
        return Response(delivery_json(delivery), status=202)


def endpoint_json(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """A webhook in the shape of the API, without its secret."""
    names = (*_FIELDS, "created_at", "failing_since", "gave_up_at")
    return {"id": endpoint.pk} | {name: getattr(endpoint, name) for name in names}


def delivery_json(delivery: WebhookDelivery) -> dict[str, Any]:
    """A delivery in the shape of the API."""
    made: list[WebhookAttempt] | None = getattr(delivery, "attempts_made", None)
    attempts = made if made is not None else list(delivery.tries.order_by("id"))
    return {
        "id": delivery.pk,
        "message_id": delivery.message_id,
        "event_type": delivery.event_type,
        "occurred_at": delivery.occurred_at,
        "state": delivery.state,
        "next_at": delivery.next_at,
        "attempts": [
            {name: getattr(each, name) for name in ("at", "milliseconds", "status", "error")}
            for each in attempts
        ],
    }


urlpatterns: list[URLPattern] = [
    path("webhooks/", WebhookCollectionView.as_view(), name="api-webhooks"),
    path("webhooks/<int:endpoint_id>/", WebhookView.as_view(), name="api-webhook"),
    path("webhooks/<int:endpoint_id>/secret/", WebhookSecretView.as_view(), name="api-webhook-secret"),
    path("webhooks/<int:endpoint_id>/test/", WebhookTestView.as_view(), name="api-webhook-test"),
    path(
        "webhooks/<int:endpoint_id>/deliveries/",
        DeliveryCollectionView.as_view(),
        name="api-webhook-deliveries",
    ),
    path(
        "webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/again/",
        DeliveryAgainView.as_view(),
        name="api-webhook-send-again",
    ),
]
