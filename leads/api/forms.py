"""Capture forms over HTTP: made, changed, opened, and what was sent to each with its fate."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.urls import reverse
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

from leads.capture.form_editing import (
    MAX_NAME,
    change_form,
    duplicate_form,
    get_form,
    make_form,
    revision_of,
    set_open,
)
from leads.capture.form_submissions import (
    FATES,
    FormCounts,
    SubmissionFilter,
    answers_of,
    count_submissions,
    fate_of,
    get_submission,
    list_submissions,
    purposes_of,
    refusals_of,
    take_out_of_spam,
)
from leads.capture.hosted_forms import list_forms
from leads.capture.receiving import wake_processing
from leads.models import CaptureForm, Submission
from leads.selectors import instant_json
from tenancy.api import SettingsAPIView, page_answer, page_shape
from tenancy.api_bodies import read_body, read_whole, refuse
from tenancy.api_schema import closed
from tenancy.models import Scope

MAX_DAYS: Final = 3650
MAX_SEARCH: Final = 100
_FATES: Final = list(FATES)
_FORM: dict[str, s.Field[Any, Any, Any, Any]] = {
    "id": s.IntegerField(),
    "key": s.CharField(help_text="What events and rules call it."),
    "name": s.CharField(),
    "is_open": s.BooleanField(),
    "path": s.CharField(help_text="Of its page on this server."),
    "created_at": s.DateTimeField(),
    "document": s.DictField(help_text="What it asks, says and takes: docs/forms.md."),
    "revision": s.CharField(help_text="Changes whenever the form does."),
}
_SENT: dict[str, s.Field[Any, Any, Any, Any]] = {
    "by_fate": s.DictField(child=s.IntegerField(), help_text=f"{', '.join(_FATES)}; those that occurred."),
    "last_at": s.DateTimeField(allow_null=True),
}
FORM = inline_serializer(
    "CaptureForm", {**_FORM, "last_30_days": inline_serializer("CaptureFormCounts", {**_SENT})}
)
FORMS = inline_serializer("CaptureForms", {"results": s.ListField(child=FORM)})
NEW_FORM = closed(
    inline_serializer("NewCaptureForm", {"name": s.CharField(max_length=MAX_NAME), "document": s.DictField()})
)
_EXAMPLE = OpenApiExample(
    "an e-mail for a talk",
    value={
        "name": "Talk to us",
        "document": {
            "title": {"en": "Talk to us"},
            "fields": [{"name": "email", "label": {"en": "E-mail"}, "required": True}],
        },
    },
    request_only=True,
)
FORM_CHANGE = closed(
    inline_serializer(
        "CaptureFormChange",
        {
            "name": s.CharField(max_length=MAX_NAME, required=False),
            "document": s.DictField(required=False, help_text="All of it."),
            "is_open": s.BooleanField(required=False),
            "replacing": s.CharField(
                required=False,
                allow_null=True,
                help_text="The revision that the change was made from; left out, whatever stands is replaced.",
            ),
        },
    )
)
SUBMISSION = inline_serializer(
    "FormSubmission",
    {
        "id": s.IntegerField(),
        "received_at": s.DateTimeField(),
        "fate": s.ChoiceField(_FATES),
        "lead": s.IntegerField(allow_null=True),
        "answers": s.DictField(),
        "agreed_to": s.ListField(child=s.CharField(), help_text="Purposes."),
        "refusals": s.ListField(child=s.CharField(), help_text="Why it was refused or is held."),
    },
)
_BAD = OpenApiResponse(description="The document has faults; each is named by its place.")
_MEANWHILE = OpenApiResponse(description="Somebody saved the form meanwhile.")


class FormsView(SettingsAPIView):
    """What the views of forms share."""

    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.SETTINGS_READ,
        "POST": Scope.SETTINGS_WRITE,
        "PATCH": Scope.SETTINGS_WRITE,
    }
    rights: ClassVar[dict[str, str]] = {"GET": "form.read", "POST": "form.edit", "PATCH": "form.edit"}


class FormCollectionView(FormsView):
    """All forms."""

    scopes: ClassVar[dict[str, Scope]] = {each: FormsView.scopes[each] for each in ("GET", "POST")}

    @extend_schema(operation_id="forms", responses={200: FORMS}, tags=["forms"])
    def get(self, request: Request) -> Response:
        """Each with its document, and what came of its submissions over the last thirty days."""
        forms = list_forms()
        counts = count_submissions(form_ids=[form.pk for form in forms], now=timezone.now())
        return Response({"results": [form_json(form, counts[form.pk]) for form in forms]})

    @extend_schema(
        operation_id="form_make",
        request=NEW_FORM,
        responses={201: FORM, 400: _BAD},
        examples=[_EXAMPLE],
        tags=["forms"],
    )
    def post(self, request: Request) -> Response:
        """Make a form, closed until it is opened."""
        body = read_body(request, "name", "document")
        form = make_form(
            name=body.text("name", most=MAX_NAME),
            document=body.mapping("document"),
            by=self.member,
            now=timezone.now(),
        )
        return Response(_answer(form), status=201)


class FormView(FormsView):
    """One form."""

    scopes: ClassVar[dict[str, Scope]] = {each: FormsView.scopes[each] for each in ("GET", "PATCH")}

    @extend_schema(operation_id="form", responses={200: FORM}, tags=["forms"])
    def get(self, request: Request, form_id: int) -> Response:
        """Its document."""
        return Response(_answer(get_form(form_id=form_id)))

    @extend_schema(
        operation_id="form_change",
        request=FORM_CHANGE,
        responses={200: FORM, 400: _BAD, 409: _MEANWHILE},
        tags=["forms"],
    )
    def patch(self, request: Request, form_id: int) -> Response:
        """Change what is given, for whoever opens the form next. ``is_open`` lets it take submissions, or none."""
        form, now = get_form(form_id=form_id), timezone.now()
        body = read_body(request, "name", "document", "is_open", "replacing")
        is_open = body.flag("is_open") if "is_open" in body else None
        if "name" in body or "document" in body:
            change_form(
                form=form,
                name=body.text("name", most=MAX_NAME) if "name" in body else form.name,
                document=body.mapping("document") if "document" in body else form.document,
                replacing=body.text("replacing", default=revision_of(form)),
                by=self.member,
                now=now,
            )
        if is_open is not None:
            set_open(form=form, is_open=is_open, by=self.member, now=now)
        return Response(_answer(get_form(form_id=form_id)))


class FormDuplicateView(FormsView):
    """A copy."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="form_duplicate",
        request=closed(inline_serializer("CaptureFormCopy", {"name": s.CharField(max_length=MAX_NAME)})),
        responses={201: FORM},
        tags=["forms"],
    )
    def post(self, request: Request, form_id: int) -> Response:
        """A closed one under a name of its own, to be changed."""
        form = get_form(form_id=form_id)
        name = read_body(request, "name").text("name", most=MAX_NAME).strip()
        copy = duplicate_form(form=form, name=name, by=self.member, now=timezone.now())
        return Response(_answer(copy), status=201)


class FormSubmissionCollectionView(FormsView):
    """What was sent to a form: people's data, so it takes the scope of leads."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(
        operation_id="form_submissions",
        parameters=[
            OpenApiParameter("fate", str, enum=_FATES, description="What came of it."),
            OpenApiParameter("days", int, description="Received in the last so many days."),
            OpenApiParameter("q", str, description="Part of name, e-mail, phone or company."),
            OpenApiParameter("cursor", str, description="From “next” or “previous” of an answer."),
        ],
        responses={200: page_shape("FormSubmissions", SUBMISSION)},
        tags=["forms"],
    )
    def get(self, request: Request, form_id: int) -> Response:
        """One page, newest first. ``next`` and ``previous`` are addresses, null where there is no further page."""
        form = get_form(form_id=form_id)
        page = list_submissions(
            form=form,
            chosen=_read_filter(request.query_params),
            cursor=request.query_params.get("cursor", ""),
            now=timezone.now(),
        )
        return Response(page_answer(request, page, submission_json))


class FormSubmissionView(FormsView):
    """One submission."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.LEADS_READ}

    @extend_schema(operation_id="form_submission", responses={200: SUBMISSION}, tags=["forms"])
    def get(self, request: Request, form_id: int, submission_id: int) -> Response:
        """Every answer, what was agreed to, what came of it."""
        row = get_submission(form=get_form(form_id=form_id), submission_id=submission_id)
        return Response(submission_json(row))


class FormNotSpamView(FormsView):
    """Taking out of spam."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.LEADS_WRITE}

    @extend_schema(
        operation_id="form_submission_not_spam", request=None, responses={202: SUBMISSION}, tags=["forms"]
    )
    def post(self, request: Request, form_id: int, submission_id: int) -> Response:
        """It is processed like any other submission."""
        form = get_form(form_id=form_id)
        take_out_of_spam(form=form, submission_id=submission_id, by=self.member, now=timezone.now())
        wake_processing(tenant_id=self.tenant.pk)
        return Response(submission_json(get_submission(form=form, submission_id=submission_id)), status=202)


def _read_filter(given: Mapping[str, str]) -> SubmissionFilter:
    """Which submissions an address means. Raises Invalid."""
    fate, days = given.get("fate", ""), read_whole("days", given.get("days", ""))
    if fate and fate not in FATES:
        raise refuse("fate", _("Give one of %(values)s.") % {"values": ", ".join(FATES)}, "unknown")
    if days is not None and not 0 < days <= MAX_DAYS:
        raise refuse("days", _("Give a number from 1 to %(most)s.") % {"most": MAX_DAYS})
    return SubmissionFilter(fate=fate, days=days, search=given.get("q", "").strip()[:MAX_SEARCH])


def _answer(form: CaptureForm) -> dict[str, Any]:
    return form_json(form, count_submissions(form_ids=[form.pk], now=timezone.now())[form.pk])


def form_json(form: CaptureForm, counts: FormCounts) -> dict[str, Any]:
    """A form in the shape of the API."""
    return {
        "id": form.pk,
        "key": form.key,
        "name": form.name,
        "is_open": form.is_open,
        "path": reverse("capture-form", kwargs={"public_id": form.public_id}),
        "created_at": instant_json(form.created_at),
        "document": form.document,
        "revision": revision_of(form),
        "last_30_days": {
            "by_fate": counts.by_fate,
            "last_at": instant_json(counts.last_at) if counts.last_at else None,
        },
    }


def submission_json(row: Submission) -> dict[str, Any]:
    """A submission in the shape of the API."""
    fate = fate_of(row)
    return {
        "id": row.pk,
        "received_at": instant_json(row.received_at),
        "fate": fate,
        "lead": row.lead_id,
        "answers": answers_of(row),
        "agreed_to": purposes_of(row),
        "refusals": refusals_of(row) if fate in {"refused", "held"} else [],
    }
