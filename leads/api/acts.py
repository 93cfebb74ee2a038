"""Acts on one lead over HTTP. A key acts with its service user: every act as a manager may, on any lead."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads import acts
from leads.api.schemas import LEAD
from leads.models import ContactAttempt
from leads.selectors import lead_json
from tenancy.api import TenantAPIView
from tenancy.api_bodies import Body, read_object, refuse
from tenancy.models import Membership, Scope

V = TypeVar("V", bound=type[Any])

_REASON = s.CharField(help_text="A key of the tenant's list of reasons.")
_WORDS = s.CharField(help_text="Why, in words.")
_NOTE = s.CharField(required=False, allow_blank=True, allow_null=True)
_ANSWERS = s.DictField(
    child=inline_serializer(
        "Answer", {"met": s.BooleanField(allow_null=True, required=False), "note": _NOTE}
    ),
    help_text="By question; questions left out keep their answers.",
)

NOTHING = inline_serializer("Nothing", {})
ATTEMPT = inline_serializer(
    "Attempt",
    {
        "channel": s.ChoiceField(ContactAttempt.Channel.values),
        "outcome": s.ChoiceField(ContactAttempt.Outcome.values),
        "note": _NOTE,
    },
)
ASSESSMENT = inline_serializer("Assessment", {"framework": s.CharField(), "answers": _ANSWERS})
HAND_OVER = inline_serializer(
    "HandOver",
    {
        "override_reason": s.CharField(
            required=False,
            allow_blank=True,
            allow_null=True,
            help_text="Why it is handed over although questions are open.",
        )
    },
)
BY_REASON = inline_serializer("ActWithReason", {"reason": _REASON, "note": _NOTE})
IN_WORDS = inline_serializer("ActInWords", {"reason": _WORDS})
WIN = inline_serializer(
    "Win",
    {
        "amount": s.FloatField(
            min_value=0, help_text="In units of the currency; digits as a text are taken too."
        ),
        "currency": s.CharField(
            required=False, allow_null=True, help_text="ISO 4217; the tenant's if left out."
        ),
    },
)
ASSIGN = inline_serializer("Assign", {"user": s.JSONField(help_text="The id of a member, or their e-mail.")})


def act_schema(name: str, body: Any) -> Callable[[V], V]:
    """How an act is described: every act answers with the lead and refuses in the same ways."""
    refusals = {status: OpenApiResponse(description=words) for status, words in _REFUSALS.items()}

    def decorate(view: V) -> V:
        described = extend_schema(
            operation_id=f"lead_{name}",
            description=view.__doc__,
            request=body,
            responses={200: LEAD} | refusals,
            tags=["acts"],
        )
        described_view: V = extend_schema_view(post=described)(view)
        return described_view

    return decorate


_REFUSALS = {
    409: "Not possible in the lead's stage; says what is missing.",
    422: "The person is not known.",
}


class ActView(TenantAPIView, ABC):
    """One act: reads the body, does it once, answers with the lead."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    def post(self, request: Request, lead_id: int) -> Response:
        """Do the act and answer with the lead as GET does."""
        self.act(lead_id, Body(read_object(request)), self.member, timezone.now())
        return Response(lead_json(lead_id=lead_id))

    @abstractmethod
    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        """Do the act."""


@act_schema("attempts", ATTEMPT)
class AttemptView(ActView):
    """Log a contact attempt; the first makes an MQL working."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.log_attempt(
            lead_id=lead_id,
            channel=body.text("channel"),
            outcome=body.text("outcome"),
            note=body.text("note", default=""),
            by=by,
            now=now,
        )


@act_schema("assessment", ASSESSMENT)
class AssessmentView(ActView):
    """Answer qualification questions."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.assess(
            lead_id=lead_id,
            framework=body.text("framework"),
            answers=body.get("answers") or {},
            by=by,
            now=now,
        )


@act_schema("hand_over", HAND_OVER)
class HandOverView(ActView):
    """Offer a lead to sales; 409 names the questions that are open."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        override = body.text("override_reason", default="")
        acts.hand_over(lead_id=lead_id, override_reason=override, by=by, now=now)


@act_schema("accept", NOTHING)
class AcceptView(ActView):
    """Accept an SQL."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.accept(lead_id=lead_id, by=by, now=now)


@act_schema("reject", BY_REASON)
class RejectView(ActView):
    """Reject an SQL."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.reject(lead_id=lead_id, **reason_and_note(body), by=by, now=now)


@act_schema("win", WIN)
class WinView(ActView):
    """Win the opportunity."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        currency = body.text("currency", default="")
        acts.win(lead_id=lead_id, amount=body.get("amount"), currency=currency, by=by, now=now)


@act_schema("lose", BY_REASON)
class LoseView(ActView):
    """Lose the opportunity."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.lose(lead_id=lead_id, **reason_and_note(body), by=by, now=now)


@act_schema("nurture", BY_REASON)
class NurtureView(ActView):
    """Send an open lead to nurture; from SQL or opportunity it counts as returned."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.nurture(lead_id=lead_id, **reason_and_note(body), by=by, now=now)


@act_schema("disqualify", BY_REASON)
class DisqualifyView(ActView):
    """Take an open lead out."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.disqualify(lead_id=lead_id, **reason_and_note(body), by=by, now=now)


@act_schema("promote", IN_WORDS)
class PromoteView(ActView):
    """Make a lead an MQL by hand."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.promote(lead_id=lead_id, reason=body.text("reason"), by=by, now=now)


@act_schema("reopen", IN_WORDS)
class ReopenView(ActView):
    """Take a disqualified lead in again."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        acts.reopen(lead_id=lead_id, reason=body.text("reason"), by=by, now=now)


@act_schema("assign", ASSIGN)
class AssignView(ActView):
    """Make a member the owner in the function that holds the lead's stage."""

    def act(self, lead_id: int, body: Body, by: Membership, now: datetime) -> None:
        user = body.get("user")
        if isinstance(user, bool) or not isinstance(user, int | str) or user == "":
            raise refuse("user", _("Give the id or the e-mail of a member."))
        acts.assign(lead_id=lead_id, user=user, by=by, now=now)


def reason_and_note(body: Body) -> dict[str, str]:
    """What most acts take."""
    return {"reason": body.text("reason"), "note": body.text("note", default="")}
