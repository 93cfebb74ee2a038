"""Files over HTTP: sent with all there is to say of them, tried, taken in by workers, watched, stopped and gone on with."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

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
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from leads.capture.columns import DateFormat
from leads.capture.event_rows import MAX_TYPE
from leads.capture.import_steps import assignment_of, detected_of, trial_of
from leads.capture.ordered_imports import ImportOrders
from leads.capture.page_imports import (
    MAX_UPLOAD_BYTES,
    get_import,
    list_imports,
    order_columns,
    resume_import,
    start_import,
    stop_import,
    upload_import,
)
from leads.capture.refusals import list_refused
from leads.models import ImportRun, ImportState
from leads.selectors import instant_json
from tenancy.api import SettingsAPIView, page_url
from tenancy.api_bodies import Body, read_body, read_object, read_whole, refuse
from tenancy.models import Scope
from tenancy.scope import tenant_scope
from tenancy.strict_json import parse_json

# The form around the file.
ROOM_BYTES: Final = 1 << 20
RIGHT: Final = "import.run"
_MANY: Final = 1_000
SUBJECTS: Final = {
    "leads": ImportRun.Subject.LEADS,
    "deals": ImportRun.Subject.OUTCOMES,
    "events": ImportRun.Subject.EVENTS,
}
_SUBJECT_NAMES: Final = {subject.value: name for name, subject in SUBJECTS.items()}
_STATE_NAMES: Final = {ImportState.UNREADABLE.value: "unreadable"}
_STATES: Final = [_STATE_NAMES.get(state, state) for state in ImportState.values]
MODES: Final = ["history", "live"]

_ORDERS: Final[dict[str, s.Field[Any, Any, Any, Any]]] = {
    "subject": s.ChoiceField(
        list(SUBJECTS), required=False, allow_null=True, help_text="Found out from the columns if left out."
    ),
    "mode": s.ChoiceField(
        MODES, required=False, allow_null=True, help_text="History unless said: nothing follows of the rows."
    ),
    "mapping": s.DictField(
        child=s.CharField(),
        required=False,
        allow_null=True,
        help_text="By column the field it fills, as the commands name them; guessed if left out.",
    ),
    "values": s.DictField(
        child=s.DictField(child=s.CharField()),
        required=False,
        allow_null=True,
        help_text="By column what its cells mean.",
    ),
    "blanks": s.ListField(
        child=s.CharField(), required=False, allow_null=True, help_text="Cells that mean nothing."
    ),
    "date_formats": s.DictField(
        child=s.ChoiceField([each.value for each in DateFormat]),
        required=False,
        allow_null=True,
        help_text="By column, where its dates can be read in several ways.",
    ),
    "create_fields": s.BooleanField(
        required=False, allow_null=True, help_text="A field of one's own for each column that fills none."
    ),
    "create_leads": s.BooleanField(
        required=False, allow_null=True, help_text="Deals and events of people who are not known make leads."
    ),
    "event_type": s.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=MAX_TYPE,
        help_text="What happened, where no column says it.",
    ),
    "dry_run": s.BooleanField(
        required=False, allow_null=True, help_text="Stop when the rows have been tried; see start."
    ),
}
# The serializer takes its fields out of what it is given.
_NAMES: Final = tuple(_ORDERS)
ORDERS: Final = inline_serializer("ImportOrders", _ORDERS)
NEW_IMPORT: Final = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "CSV or XLSX."},
        "options": {
            "type": "string",
            "description": "A JSON object as ImportOrders describes it.",
            "example": '{"subject": "deals", "dry_run": true}',
        },
    },
    "required": ["file"],
}
COUNTS: Final = inline_serializer(
    "ImportCounts",
    {name: s.IntegerField() for name in ("new", "updated", "unchanged", "duplicate", "refused")},
)
IMPORT: Final = inline_serializer(
    "Import",
    {
        "id": s.IntegerField(),
        "file_name": s.CharField(),
        "subject": s.ChoiceField(list(SUBJECTS)),
        "state": s.ChoiceField(_STATES),
        "mode": s.ChoiceField(MODES),
        "started_at": s.DateTimeField(),
        "finished_at": s.DateTimeField(allow_null=True),
        "rows": s.IntegerField(allow_null=True),
        "counts": inline_serializer(
            "ImportCountsOrNone",
            {name: s.IntegerField() for name in ("new", "updated", "unchanged", "duplicate", "refused")},
            allow_null=True,
        ),
        "columns": s.ListField(
            child=inline_serializer(
                "ImportColumn", {"name": s.CharField(), "field": s.CharField(allow_null=True)}
            )
        ),
        "trial": inline_serializer(
            "ImportTrial",
            {
                "rows": s.IntegerField(help_text="The first so many rows were tried."),
                "counts": COUNTS,
                "examples": s.DictField(
                    child=s.ListField(
                        child=inline_serializer(
                            "ImportExample",
                            {"row": s.IntegerField(), "who": s.CharField(), "why": s.CharField()},
                        )
                    )
                ),
            },
            allow_null=True,
        ),
        "problem": s.CharField(),
    },
)
IMPORTS: Final = inline_serializer(
    "Imports",
    {
        "results": s.ListField(child=IMPORT),
        "next": s.CharField(allow_null=True),
        "previous": s.CharField(allow_null=True),
    },
)
REFUSED: Final = inline_serializer(
    "ImportRefused",
    {
        "results": s.ListField(
            child=inline_serializer(
                "ImportRefusedRow",
                {
                    "row": s.IntegerField(),
                    "cells": s.DictField(child=s.CharField(allow_blank=True)),
                    "errors": s.ListField(
                        child=inline_serializer(
                            "ImportRowError",
                            {name: s.CharField() for name in ("field", "column", "code", "message")},
                        )
                    ),
                },
            )
        ),
        "next": s.CharField(allow_null=True),
    },
)
_NOT_NOW: Final = OpenApiResponse(description="The import is in another state.")
_EXAMPLE: Final = OpenApiExample(
    "deals", value={"subject": "deals", "create_leads": True, "dry_run": True}, request_only=True
)


class ImportView(SettingsAPIView):
    """One import. Stage and owners come by it, so whoever made the key has to be one who may import."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}
    rights: ClassVar[dict[str, str]] = {"GET": RIGHT, "POST": RIGHT}

    @extend_schema(operation_id="import", responses={200: IMPORT}, tags=["imports"])
    def get(self, request: Request, import_id: int) -> Response:
        """How far it has come, and what came of its rows."""
        return Response(import_json(get_import(import_id=import_id)))


class ImportCollectionView(SettingsAPIView):
    """Imports. The file is read before a transaction begins, so that a slow line holds none."""

    own_transactions = frozenset({"POST"})
    max_body_bytes = MAX_UPLOAD_BYTES + ROOM_BYTES
    parser_classes = (MultiPartParser,)
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ, "POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"GET": RIGHT}

    @extend_schema(
        operation_id="imports",
        parameters=[OpenApiParameter("cursor", str, description="As next and previous have it.")],
        responses={200: IMPORTS},
        tags=["imports"],
    )
    def get(self, request: Request) -> Response:
        """The newest first."""
        page = list_imports(cursor=request.query_params.get("cursor", ""))
        return Response(
            {
                "results": [import_json(run) for run in page.rows],
                "next": page_url(request, page.next_cursor),
                "previous": page_url(request, page.previous_cursor),
            }
        )

    @extend_schema(
        operation_id="import_send",
        request={"multipart/form-data": NEW_IMPORT},
        responses={202: IMPORT},
        tags=["imports"],
    )
    def post(self, request: Request) -> Response:
        """Send a file. It is read, its columns are assigned, its rows tried and, unless that is a dry run, taken in."""
        with tenant_scope(self.tenant.pk):
            self.require(RIGHT)
        file = request.FILES.get("file")
        if file is None:
            raise refuse("file", _("Choose a file first."), "required")
        if not file.size:
            raise refuse("file", _("The file is empty. Choose another one."), "empty")
        if "\0" in (file.name or ""):
            raise refuse("file", _("Remove the NUL character."), "nul")
        subject, orders = read_orders(_options(request.data.get("options")))
        with tenant_scope(self.tenant.pk):
            run = upload_import(
                name=file.name or "file",
                subject=subject,
                content=file.chunks(),
                by=self.member,
                now=timezone.now(),
                orders=orders,
            )
            return Response(import_json(run), status=202)


class ImportColumnsView(SettingsAPIView):
    """The columns of a file that was sent."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"POST": RIGHT}

    @extend_schema(
        operation_id="import_columns",
        request=ORDERS,
        responses={202: IMPORT, 409: _NOT_NOW},
        tags=["imports"],
        examples=[_EXAMPLE],
    )
    def post(self, request: Request, import_id: int) -> Response:
        """Say anew what the columns are, where that was in doubt or the trial shows that it was wrong."""
        subject, orders = read_orders(read_body(request, *_NAMES))
        run = get_import(import_id=import_id)
        order_columns(run=run, subject=subject, orders=orders, now=timezone.now())
        return Response(import_json(get_import(import_id=import_id)), status=202)


class ImportStartView(SettingsAPIView):
    """Taking in."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"POST": RIGHT}

    @extend_schema(
        operation_id="import_start", request=None, responses={202: IMPORT, 409: _NOT_NOW}, tags=["imports"]
    )
    def post(self, request: Request, import_id: int) -> Response:
        """Take in a file that was tried."""
        read_object(request)
        start_import(run=get_import(import_id=import_id), by=self.member, now=timezone.now())
        return Response(import_json(get_import(import_id=import_id)), status=202)


class ImportStopView(SettingsAPIView):
    """Stopping."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"POST": RIGHT}

    @extend_schema(
        operation_id="import_stop", request=None, responses={200: IMPORT, 409: _NOT_NOW}, tags=["imports"]
    )
    def post(self, request: Request, import_id: int) -> Response:
        """Stop after the batch that is on its way; what was taken in stays."""
        read_object(request)
        stop_import(run=get_import(import_id=import_id), by=self.member, now=timezone.now())
        return Response(import_json(get_import(import_id=import_id)))


class ImportResumeView(SettingsAPIView):
    """Going on."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}
    rights: ClassVar[dict[str, str]] = {"POST": RIGHT}

    @extend_schema(
        operation_id="import_resume", request=None, responses={202: IMPORT, 409: _NOT_NOW}, tags=["imports"]
    )
    def post(self, request: Request, import_id: int) -> Response:
        """Go on with an import that was stopped or failed."""
        read_object(request)
        resume_import(run=get_import(import_id=import_id), by=self.member, now=timezone.now())
        return Response(import_json(get_import(import_id=import_id)), status=202)


class ImportRefusedView(SettingsAPIView):
    """Rows that were refused."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}
    rights: ClassVar[dict[str, str]] = {"GET": RIGHT}

    @extend_schema(
        operation_id="import_refused",
        parameters=[OpenApiParameter("after", int, description="The last row of the page before.")],
        responses={200: REFUSED},
        tags=["imports"],
    )
    def get(self, request: Request, import_id: int) -> Response:
        """The rows as they stood in the file, each with why it is refused, in order."""
        run = get_import(import_id=import_id)
        after = read_whole("after", request.query_params.get("after", ""), default=0)
        rows = list_refused(run=run, after=after or 0, limit=_MANY)
        results = [{"row": row.row_number, "cells": row.row, "errors": row.errors} for row in rows]
        following = f"{request.path}?after={rows[-1].row_number}" if len(rows) == _MANY else None
        return Response({"results": results, "next": following})


def _options(sent: Any) -> Body:
    """The field of the form that says how the file is meant."""
    if sent in {None, ""}:
        return Body({})
    if not isinstance(sent, str):
        raise refuse("options", _("Give an object."), "type")
    document = parse_json(sent.encode())
    if not isinstance(document, dict):
        raise refuse("options", _("Give an object."), "type")
    body = Body(document)
    body.refuse_others(_NAMES)
    return body


def read_orders(body: Body) -> tuple[str, ImportOrders]:
    """What the file tells of (empty: to be found out), and how it is to be read. Raises Invalid."""
    subject = body.one_of("subject", tuple(SUBJECTS), default="")
    values = body.mapping("values", default={})
    return SUBJECTS[subject].value if subject else "", ImportOrders(
        is_automatic=True,
        mapping=body.texts_by_name("mapping") if body.get("mapping") is not None else None,
        values={column: Body(values).texts_by_name(column) for column in values},
        blanks=body.texts("blanks") if body.get("blanks") is not None else None,
        date_formats=_date_formats(body.texts_by_name("date_formats")),
        creates_fields=body.flag("create_fields", default=False),
        creates_leads=body.flag("create_leads", default=False),
        event_type=body.text("event_type", default="", most=MAX_TYPE),
        is_live=body.one_of("mode", MODES, default="history") == "live",
        is_dry_run=body.flag("dry_run", default=False),
    )


def _date_formats(given: Mapping[str, str]) -> Mapping[str, str]:
    known = [each.value for each in DateFormat]
    for column, date_format in given.items():
        if date_format not in known:
            message = _("Give one of %(values)s.") % {"values": ", ".join(known)}
            raise refuse(f"date_formats.{column}", message, "unknown")
    return given


def import_json(run: ImportRun) -> dict[str, Any]:
    """An import in the shape of the API."""
    detected = detected_of(run) if run.detected and "digest" in run.detected else None
    fields = assignment_of(run).targets() if run.assignment else {}
    trial = trial_of(run) if run.trial else None
    return {
        "id": run.pk,
        "file_name": run.file_name,
        "subject": _SUBJECT_NAMES[run.subject],
        "state": _STATE_NAMES.get(run.state, run.state),
        "mode": "live" if run.is_live else "history",
        "started_at": instant_json(run.started_at),
        "finished_at": instant_json(run.finished_at) if run.finished_at else None,
        "rows": detected.row_count if detected else None,
        "counts": run.counts or None,
        "columns": [
            {"name": column.name, "field": fields.get(column.name) or None}
            for column in (detected.columns if detected else ())
        ],
        "trial": {
            "rows": trial.rows,
            "counts": trial.counts,
            "examples": trial.as_json()["examples"],
        }
        if trial
        else None,
        "problem": run.problem,
    }
