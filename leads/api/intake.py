"""Leads and events over HTTP: the capture doors, and where a submission's fate can be seen."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Final, TypeVar

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.repeats import Environ, NotAgain, offer, raise_again
from leads.api.schemas import (
    ACCEPTED,
    BATCH_BODY,
    BATCH_RESULT,
    EVENT_BODY,
    EVENT_RESULT,
    LEAD_BODY,
    LEAD_RESULT,
    SUBMISSION,
)
from leads.capture.event_intake import record_batch
from leads.capture.receiving import Raw, Replay, Unproven, receive, receive_once, wake_processing
from leads.capture.submissions import GRACE, Answer, accepted, process_now, process_one_now, replayed
from leads.models import Submission, SubmissionState
from tenancy.api import TenantAPIView
from tenancy.api_access import ApiKeyAuthentication, HasScope, StrictJSONParser, require_scope
from tenancy.api_bodies import as_object, read_object
from tenancy.errors import PROBLEM_TYPE, FieldProblem, Invalid, NotFound, TooLarge
from tenancy.keys import recall_key, resolve_key
from tenancy.models import Membership, Scope
from tenancy.rates import count_key
from tenancy.requests import KeyAccess, KeyProof
from tenancy.strict_json import parse_json

T = TypeVar("T")

MAX_BATCH = 1000
MAX_IDEMPOTENCY_KEY = 200
_PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="respond-async: do not wait (RFC 7240). Others are ignored.",
    examples=[OpenApiExample("respond-async", value="respond-async")],
)
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": MAX_IDEMPOTENCY_KEY},
    OpenApiParameter.HEADER,
    description="The same key and body within 24 hours give the first answer again.",
)
_LOCATION = OpenApiParameter(
    "Location",
    str,
    OpenApiParameter.HEADER,
    response=[202],
    required=True,
    description="Where the state can be seen.",
)
_UNKNOWN_PERSON = OpenApiResponse(description="The event is of somebody who is not a lead.")


class CaptureView(TenantAPIView):
    """A capture door enters the scope itself: one transaction keeps what came in, a second processes it."""

    own_transactions = frozenset({"POST"})
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    def proven(self, receive: Callable[[KeyProof | None], T]) -> T:
        """What ``receive`` gives, asked again with nothing left to prove where the key is not what was remembered of it.

        For views that name the method in ``proves_key``. Raises KeyRefused, ScopeMissing.
        """
        request: Any = self.request._request
        try:
            return receive(request.key.proof)
        except Unproven:
            header = request.META["HTTP_AUTHORIZATION"]
            request.tenant, request.member, request.key = resolve_key(header=header, now=timezone.now())
            self.check_permissions(self.request)
            return receive(None)

    def is_async(self) -> bool:
        """Whether the caller prefers not to wait (RFC 7240)."""
        preferences = re.split("[,;]", self.request.META.get("HTTP_PREFER", "").lower())
        return "respond-async" in map(str.strip, preferences)

    def raw(self, payload: Any, *, idempotency_key: str | None = None) -> Raw:
        """A submission of this request's key."""
        key = self.request._request.key  # type: ignore[attr-defined]
        return raw_of(key, self.member, payload, idempotency_key)


class LeadIntakeView(CaptureView):
    """Capture one lead. The list of leads stands at the same address: see leads.api.leads."""

    proves_key = frozenset({"POST"})

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What DRF does with a request, without asking which of one kind of key, body and answer it is to be.

        That takes longer than the rest of this view. Other bodies, and what is refused, go DRF's way.
        """
        if request.method != "POST" or request.content_type != "application/json":
            return super().dispatch(request, *args, **kwargs)
        self.args, self.kwargs, self.request = args, kwargs, Request(request)
        try:
            raise_again(request)
            ApiKeyAuthentication().authenticate(self.request)
            HasScope().has_permission(self.request, self)
            has_body = int(request.META.get("CONTENT_LENGTH") or 0) > 0
            return self.take(as_object(StrictJSONParser().parse(request) if has_body else {}))
        except Exception as error:  # noqa: BLE001 - DRF raises again what nobody anticipated
            self.format_kwarg = None
            negotiated = self.perform_content_negotiation(self.request)
            self.request.accepted_renderer, self.request.accepted_media_type = negotiated
            self.headers = self.default_response_headers
            return self.finalize_response(self.request, self.handle_exception(error))

    @extend_schema(
        operation_id="leads_capture",
        request=LEAD_BODY,
        responses={
            200: LEAD_RESULT,
            201: LEAD_RESULT,
            202: OpenApiResponse(ACCEPTED, description="Kept, and processed later."),
            409: OpenApiResponse(
                description="It names two leads, or the first call with the key still runs."
            ),
            422: OpenApiResponse(description="The idempotency key was used with another body."),
        },
        parameters=[_PREFER, _IDEMPOTENCY, _LOCATION],
    )
    def post(self, request: Request) -> HttpResponse:
        return self.take(read_object(request))

    def take(self, body: dict[str, Any]) -> HttpResponse:
        """Keep what came in, and process it unless the caller does not wait."""
        now = timezone.now()
        raw = self.raw(body, idempotency_key=idempotency_key(self.request))
        is_async = self.is_async()
        if is_async:
            raw = replace(raw, status=202)
        due_at = now if is_async else now + GRACE
        received = self.proven(
            lambda proof: receive_once(tenant_id=self.tenant.pk, raw=raw, now=now, due_at=due_at, proof=proof)
        )
        has_key = raw.idempotency_key is not None
        if isinstance(received, Replay):
            return as_response(replayed(received), is_ordered=has_key)
        if is_async:
            wake_processing(tenant_id=self.tenant.pk)
            response = as_response(accepted(received, SubmissionState.RECEIVED), is_ordered=has_key)
            return (
                response if has_key else offer(response, request=self.request._request, answering=take_again)
            )
        answer = process_one_now(tenant=self.tenant, submission_id=received, now=now)
        return as_response(answer, is_ordered=has_key)


class LeadBatchView(CaptureView):
    """Capture up to 1,000 leads in order; later rows see earlier ones."""

    proves_key = frozenset({"POST"})

    @extend_schema(
        operation_id="leads_batch", request=BATCH_BODY, responses={200: BATCH_RESULT}, parameters=[_PREFER]
    )
    def post(self, request: Request) -> Response:
        now = timezone.now()
        rows = list_body(request, "leads")
        objects = [row if isinstance(row, dict) else {"lead": row} for row in rows]
        raws = [self.raw(row) for row in objects]
        is_async = self.is_async()
        due_at = now if is_async else now + GRACE
        ids = self.proven(
            lambda proof: receive(tenant_id=self.tenant.pk, raws=raws, now=now, due_at=due_at, proof=proof)
        )
        if is_async:
            wake_processing(tenant_id=self.tenant.pk)
            answers = [accepted(submission_id, SubmissionState.RECEIVED) for submission_id in ids]
        else:
            answers = process_now(tenant=self.tenant, submission_ids=ids, now=now)
        return Response({"results": [batch_result(index, answer) for index, answer in enumerate(answers)]})


class SubmissionView(TenantAPIView):
    """What became of a submission."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="submission", responses=SUBMISSION)
    def get(self, request: Request, submission_id: int) -> Response:
        submission = Submission.objects.filter(pk=submission_id).first()
        if submission is None:
            raise NotFound(_("There is no such submission."))
        return Response(
            {
                "id": submission.pk,
                "state": submission.state,
                "received_at": submission.received_at,
                "processed_at": submission.processed_at,
                "lead": submission.lead_id,
                "error": submission.error,
            }
        )


class EventIntakeView(CaptureView):
    """Record one event or up to 1,000."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.EVENTS_WRITE}
    own_transactions = frozenset()

    @extend_schema(
        operation_id="events_record",
        request=EVENT_BODY,
        responses={200: EVENT_RESULT, 201: EVENT_RESULT, 422: _UNKNOWN_PERSON},
    )
    def post(self, request: Request) -> Response:
        body = read_object(request)
        is_batch = "events" in body
        events = list_body(request, "events") if is_batch else [body]
        recorded = record_batch(tenant=self.tenant, events=events, now=timezone.now())
        if is_batch:
            return Response(
                {
                    "results": [
                        {"index": index, **one.body, "status": one.status}
                        for index, one in enumerate(recorded)
                    ]
                }
            )
        [one] = recorded
        if one.problem is not None:
            raise one.problem
        return Response(one.body, status=one.status)


def raw_of(key: KeyAccess, member: Membership, payload: Any, idempotency_key: str | None = None) -> Raw:
    """A submission by a key and its service user."""
    return Raw(
        payload=payload,
        source=Submission.Source.API,
        api_key_id=key.id,
        member_id=member.pk,
        idempotency_key=idempotency_key,
    )


def take_again(environ: Environ, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Keep one more lead of a sender who does not wait and has just been answered; nothing was said anew but the body."""
    now = timezone.now()
    tenant, member, key = recall_key(header=environ["HTTP_AUTHORIZATION"], now=now)
    require_scope(key, Scope.LEADS_WRITE)
    count_key(key_id=key.id, now=now)
    raw = raw_of(key, member, as_object(parse_json(body)))
    structlog.contextvars.bind_contextvars(tenant=tenant.slug)
    try:
        received = receive_once(tenant_id=tenant.pk, raw=raw, now=now, due_at=now, proof=key.proof)
    except Unproven as error:
        raise NotAgain from error
    assert isinstance(received, int), "Only with an idempotency key anything is replayed."
    wake_processing(tenant_id=tenant.pk)
    return written(accepted(received, SubmissionState.RECEIVED))


_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# The database forgets in which order the members of an answer stood that it keeps for a replay.
_ordering_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def as_response(answer: Answer, *, is_ordered: bool = False) -> HttpResponse:
    """An HTTP answer; 202 says where to look, an error is a problem document.

    ``is_ordered``: for what may be replayed, the same to the letter then.

    It is plain JSON, and written here: DRF's rendering takes as long as all else that a small request's view does.
    """
    kind = PROBLEM_TYPE if answer.status >= 400 else "application/json"
    body, headers = written(answer, _ordering_encoder if is_ordered else _encoder)
    response = HttpResponse(body, status=answer.status, content_type=kind)
    for name, value in headers.items():
        response.headers[name] = value
    return response


def written(answer: Answer, encoder: json.JSONEncoder = _encoder) -> tuple[bytes, dict[str, str]]:
    """The body of an answer, and the headers that belong to it alone."""
    headers = {"Location": answer.body["href"]} if answer.status == 202 else {}
    return encoder.encode(answer.body).encode(), headers


def batch_result(index: int, answer: Answer) -> dict[str, Any]:
    """One line of a batch's answer."""
    if answer.status >= 400:
        return {
            "index": index,
            "status": answer.status,
            "detail": answer.body["detail"],
            "errors": answer.body["errors"],
        }
    body = answer.body
    if answer.status == 202:
        return {"index": index, "status": 202, "href": body["href"], "state": body["state"]}
    return {"index": index, "status": answer.status, "id": body["id"], "outcome": body["outcome"]}


def idempotency_key(request: Request) -> str | None:
    """The caller's idempotency key. Raises Invalid for an overlong one."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "").strip()
    if len(key) > MAX_IDEMPOTENCY_KEY:
        raise Invalid(_("An idempotency key has at most 200 characters."))
    return key or None


def list_body(request: Request, name: str) -> list[Any]:
    """The list under ``name`` in the body. Raises Invalid, TooLarge."""
    rows = read_object(request).get(name)
    if not isinstance(rows, list) or not rows:
        problem = FieldProblem(name, "required", _("Send a list with at least one entry."))
        raise Invalid(_("The body needs a list “%(name)s”.") % {"name": name}, errors=[problem])
    if len(rows) > MAX_BATCH:
        raise TooLarge(_("Send at most %(most)s entries at once.") % {"most": MAX_BATCH})
    return rows
