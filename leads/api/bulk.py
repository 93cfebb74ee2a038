"""Acts on many leads over HTTP: begun, watched, stopped, taken back."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
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

from core.saved_views.kinds import ListKind, get_kind, list_kinds
from leads.bulk.kinds import get_bulk_act, list_act_keys
from leads.bulk.runs import (
    can_be_undone,
    get_bulk,
    list_refused,
    start_bulk,
    stop_bulk,
    undo_bulk,
)
from leads.listing import MOST_IDS
from leads.models import BulkRun, BulkState
from leads.selectors import instant_json
from tenancy.api import TenantAPIView
from tenancy.api_bodies import Body, read_body, read_whole, refuse
from tenancy.models import Scope

_MANY = 1_000
BULK = inline_serializer(
    "BulkRun",
    {
        "id": s.IntegerField(),
        "act": s.CharField(),
        "values": s.DictField(child=s.CharField()),
        "state": s.ChoiceField(["choosing", "running", "done", "stopped", "failed"]),
        "total": s.IntegerField(help_text="0 until the leads have been looked up."),
        "applied": s.IntegerField(),
        "unchanged": s.IntegerField(),
        "refused": s.IntegerField(),
        "made_at": s.DateTimeField(),
        "finished_at": s.DateTimeField(allow_null=True),
        "problem": s.CharField(),
        "can_be_undone": s.BooleanField(),
        "undoes": s.IntegerField(allow_null=True),
    },
)
NEW_BULK = inline_serializer(
    "NewBulkRun",
    {
        "act": s.CharField(
            help_text="add_tag, remove_tag, assign, nurture, disqualify, enroll, exit_sequence, erase."
        ),
        "values": s.DictField(
            required=False,
            allow_null=True,
            help_text="tag; user (a member's id); reason and note; sequence; to erase keeps_out (yes or no), ground, and as"
            " confirmation the number of leads that match.",
        ),
        "leads": s.ListField(
            child=s.IntegerField(min_value=1),
            required=False,
            allow_null=True,
            max_length=MOST_IDS,
            help_text="Ids.",
        ),
        "list": s.CharField(
            required=False,
            allow_null=True,
            help_text="Of which list the filter is: leads if left out; of others the leads behind the rows.",
        ),
        "filter": s.DictField(
            required=False,
            allow_null=True,
            child=s.CharField(),
            help_text="As the address of the list: stage, q, filter …",
        ),
        "all": s.BooleanField(
            required=False, allow_null=True, help_text="Where neither leads nor a filter are given."
        ),
    },
)
BULK_REFUSED = inline_serializer(
    "BulkRefused",
    {
        "results": s.ListField(
            child=inline_serializer("BulkRefusal", {"lead": s.IntegerField(), "why": s.CharField()})
        ),
        "next": s.CharField(allow_null=True),
    },
)
_EXAMPLE = OpenApiExample(
    "a tag for all in a stage",
    value={"act": "add_tag", "values": {"tag": "fair 2026"}, "filter": {"stage": "mql"}},
    request_only=True,
)
_BAD = OpenApiResponse(description="The act, a value or a filter is not known.")
_NOT = OpenApiResponse(description="It can't be taken back.")
_STATES = {BulkState.CHOOSING: "choosing", BulkState.RUNNING: "running"}


class BulkCollectionView(TenantAPIView):
    """Acts on many leads."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="bulk_start",
        request=NEW_BULK,
        responses={202: BULK, 400: _BAD},
        examples=[_EXAMPLE],
        tags=["bulk"],
    )
    def post(self, request: Request) -> Response:
        """Begin an act on the leads named or on all that match a filter now. It is done in the background."""
        body = read_body(request, "act", "values", "leads", "list", "filter", "all")
        act = get_bulk_act(body.one_of("act", list_act_keys()))
        if act.right == "person.erase":
            self.require_scope(Scope.DATA_ERASE)
            self.require(act.right)
        kind = get_kind(body.one_of("list", list_kinds(), default="leads"))
        run = start_bulk(
            act=act,
            values=body.mapping("values", default={}),
            kind=kind,
            parameters=_parameters(body, kind),
            by=self.member,
            now=timezone.now(),
        )
        return Response(bulk_json(run), status=202)


class BulkView(TenantAPIView):
    """One act on many leads."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="bulk", responses={200: BULK}, tags=["bulk"])
    def get(self, request: Request, run_id: int) -> Response:
        """How far it has come."""
        return Response(bulk_json(get_bulk(run_id=run_id, by=self.member)))


class BulkRefusedView(TenantAPIView):
    """Where the act was not possible."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(
        operation_id="bulk_refused",
        parameters=[
            OpenApiParameter("after", int, description="The id of the last lead of the page before.")
        ],
        responses={200: BULK_REFUSED},
        tags=["bulk"],
    )
    def get(self, request: Request, run_id: int) -> Response:
        """Leads that were left as they are, with the reason, by id."""
        run = get_bulk(run_id=run_id, by=self.member)
        after = read_whole("after", request.query_params.get("after", ""))
        rows = list_refused(run=run, after=after or 0, limit=_MANY)
        following = f"{request.path}?after={rows[-1].lead_id}" if len(rows) == _MANY else None
        return Response(
            {"results": [{"lead": row.lead_id, "why": row.why} for row in rows], "next": following}
        )


class BulkStopView(TenantAPIView):
    """Stopping."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(operation_id="bulk_stop", request=None, responses={200: BULK}, tags=["bulk"])
    def post(self, request: Request, run_id: int) -> Response:
        """Stop after the batch that is on its way; what was changed stays."""
        run = get_bulk(run_id=run_id, by=self.member)
        stop_bulk(run=run, by=self.member, now=timezone.now())
        return Response(bulk_json(get_bulk(run_id=run_id, by=self.member)))


class BulkUndoView(TenantAPIView):
    """Taking back."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(operation_id="bulk_undo", request=None, responses={202: BULK, 409: _NOT}, tags=["bulk"])
    def post(self, request: Request, run_id: int) -> Response:
        """Take back what was changed; that is a run of its own."""
        run = get_bulk(run_id=run_id, by=self.member)
        undoing = undo_bulk(run=run, by=self.member, now=timezone.now())
        return Response(bulk_json(undoing), status=202)


def bulk_json(run: BulkRun) -> dict[str, Any]:
    """A run in the shape of the API."""
    return {
        "id": run.pk,
        "act": run.act,
        "values": run.values,
        "state": _STATES.get(BulkState(run.state), run.state),
        "total": run.total,
        "applied": run.applied,
        "unchanged": run.unchanged,
        "refused": run.refused,
        "made_at": instant_json(run.made_at),
        "finished_at": instant_json(run.finished_at) if run.finished_at else None,
        "problem": run.problem,
        "can_be_undone": can_be_undone(run=run, now=timezone.now()),
        "undoes": run.undoes_id,
    }


def _parameters(body: Body, kind: ListKind) -> dict[str, str]:
    """The rows that a program means, as the address of the list. Raises Invalid."""
    parameters: dict[str, str] = {}
    leads, given = body.get("leads"), body.texts_by_name("filter")
    if leads is not None:
        is_ids = isinstance(leads, list) and all(type(each) is int and 0 < each < 2**63 for each in leads)
        if not is_ids or not leads or len(leads) > MOST_IDS:
            raise refuse("leads", _("Give 1 to %(most)s ids of leads.") % {"most": MOST_IDS})
        if kind.key != "leads":
            raise refuse("leads", _("Leads are named one by one in the list of leads alone."))
        parameters["ids"] = ",".join(map(str, leads))
    if unknown := given.keys() - set(kind.parameters):
        raise refuse(f"filter.{min(unknown)}", _("There is no such filter."), "unknown")
    parameters |= {name: value for name, value in given.items() if value.strip()}
    is_all = body.flag("all", default=False)
    if not parameters and not is_all:
        raise refuse("leads", _("Name leads, a filter, or all of them."), "required")
    return parameters
