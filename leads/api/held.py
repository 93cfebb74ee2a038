"""What could not be processed, over HTTP: listed, tried again, given up."""

from typing import Any, ClassVar, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from leads.held import (
    LEADS,
    SUBMISSIONS,
    HeldChoice,
    HeldSort,
    HeldUnknown,
    discard_chosen,
    list_held,
    retry_chosen,
)
from leads.listing import MAX_SEARCH_LENGTH, MOST_IDS
from leads.models import HeldLead, Submission
from leads.selectors import instant_json
from tenancy.api import SettingsAPIView, page_answer, page_shape
from tenancy.api_bodies import read_body, refuse
from tenancy.api_schema import closed
from tenancy.models import Scope

RIGHT: Final = "held.resolve"
SORTS: Final = {sort.name: sort for sort in (LEADS, SUBMISSIONS)}
_SORT: Final = OpenApiParameter("sort", str, OpenApiParameter.PATH, enum=list(SORTS))
HELD: Final = inline_serializer(
    "Held",
    {
        "id": s.IntegerField(),
        "lead": s.IntegerField(
            allow_null=True, help_text="Null for a submission, of which no lead was made."
        ),
        "payload": s.JSONField(allow_null=True, help_text="What came in; null for a lead."),
        "step": s.CharField(allow_null=True, help_text="At which a lead failed; null for a submission."),
        "error": s.CharField(help_text="The newest."),
        "attempts": s.IntegerField(),
        "since": s.DateTimeField(help_text="When it failed first, or came in."),
        "is_waiting": s.BooleanField(help_text="It is tried again by itself."),
    },
)
CHOICE: Final = closed(
    inline_serializer(
        "HeldChoice",
        {
            "ids": s.ListField(
                child=s.IntegerField(min_value=1), required=False, allow_null=True, max_length=MOST_IDS
            ),
            "q": s.CharField(
                required=False,
                allow_null=True,
                max_length=MAX_SEARCH_LENGTH,
                help_text="All in which this stands: lead, step or error; what came in or error.",
            ),
            "all": s.BooleanField(
                required=False, allow_null=True, help_text="True where neither ids nor q are given."
            ),
        },
    )
)
DONE: Final = inline_serializer("HeldDone", {"count": s.IntegerField(help_text="With how many it was done.")})
_EXAMPLES: Final = [
    OpenApiExample("after an error was mended", value={"q": "ValueError"}, request_only=True),
    OpenApiExample("everything", value={"all": True}, request_only=True),
]


class HeldCollectionView(SettingsAPIView):
    """What is held of one sort."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}
    rights: ClassVar[dict[str, str]] = {"GET": RIGHT}

    @extend_schema(
        operation_id="held_list",
        parameters=[
            _SORT,
            OpenApiParameter(
                "q", str, description="Stands in lead, step or error; in what came in or error."
            ),
            OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer."),
        ],
        responses={200: page_shape("HeldPage", HELD)},
        tags=["held"],
    )
    def get(self, request: Request, sort: str) -> Response:
        """One page, the newest first; also what is tried again by itself."""
        search = request.query_params.get("q", "").strip()[:MAX_SEARCH_LENGTH]
        cursor = request.query_params.get("cursor", "")
        found = list_held(sort=_sort(sort), choice=HeldChoice(search=search), cursor=cursor)
        return Response(
            page_answer(request, found.page, lambda row: held_json(row, is_waiting=row.pk in found.waiting))
        )


class HeldRetryView(SettingsAPIView):
    """Another try."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"POST": RIGHT}

    @extend_schema(
        operation_id="held_retry",
        parameters=[_SORT],
        request=CHOICE,
        responses={202: DONE},
        examples=_EXAMPLES,
        tags=["held"],
    )
    def post(self, request: Request, sort: str) -> Response:
        """Let the workers try again at once, in batches. What goes through is no longer held."""
        count = retry_chosen(sort=_sort(sort), choice=_choice(request), now=timezone.now())
        return Response({"count": count}, status=202)


class HeldDiscardView(SettingsAPIView):
    """Giving up."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"POST": RIGHT}

    @extend_schema(
        operation_id="held_discard",
        parameters=[_SORT],
        request=CHOICE,
        responses={200: DONE},
        examples=_EXAMPLES,
        tags=["held"],
    )
    def post(self, request: Request, sort: str) -> Response:
        """Give up: leads stay as they are, submissions stay readable as refused. It can't be taken back and is audited."""
        choice = _choice(request)
        count = discard_chosen(sort=_sort(sort), choice=choice, by=self.member, now=timezone.now())
        return Response({"count": count})


def held_json(row: HeldLead | Submission, *, is_waiting: bool) -> dict[str, Any]:
    """One held lead or submission."""
    about: dict[str, Any]
    if isinstance(row, HeldLead):
        since, about = row.first_failed_at, {"lead": row.lead_id, "payload": None, "step": row.step}
    else:
        since, about = row.received_at, {"lead": None, "payload": row.payload, "step": None}
    return {
        "id": row.pk,
        **about,
        "error": row.error,
        "attempts": row.attempts,
        "since": instant_json(since),
        "is_waiting": is_waiting,
    }


def _sort(name: str) -> HeldSort:
    if name not in SORTS:
        raise HeldUnknown(_("Give one of %(values)s.") % {"values": ", ".join(SORTS)})
    return SORTS[name]


def _choice(request: Request) -> HeldChoice:
    """Which are meant; all only where it is said. Raises Invalid."""
    body = read_body(request, "ids", "q", "all")
    ids, search = body.wholes("ids", default=[]), body.text("q", default="", most=MAX_SEARCH_LENGTH).strip()
    is_all = body.flag("all", default=False)
    if len(ids) > MOST_IDS:
        raise refuse("ids", _("Mark at most %(most)s rows.") % {"most": MOST_IDS}, "too_long")
    if [bool(ids), bool(search), is_all].count(True) != 1:
        raise refuse("ids", _("Give ids, q, or all as true: one of them."), "required")
    return HeldChoice(search=search, ids=ids or None)
