"""Documents of rules over HTTP: read in every version, drafted, published, gone back to.

Reasons and clocks are documents like the others; a key changes them if whoever made it may do so by their pages.
"""

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
from rest_framework.request import Request
from rest_framework.response import Response

from leads.models import RuleKind, RuleVersion, VersionStatus
from leads.rule_changes import ChangedGroup, compare_versions
from leads.rulebook import (
    NoSuchRules,
    find_version,
    list_drafts,
    list_published,
    list_versions,
    read_version,
    title_of,
)
from leads.selectors import instant_json
from leads.versions import (
    MAX_NOTE_LENGTH,
    InvalidDocument,
    content_hash,
    discard_draft,
    find_draft,
    publish_draft,
    reuse_version,
    roll_back,
    save_draft,
)
from tenancy.api import SettingsAPIView
from tenancy.api_bodies import read_body
from tenancy.api_schema import closed
from tenancy.models import Scope

# By the right that their pages ask for; the others are those of marketing.
RIGHT_OF_KIND: Final = {RuleKind.REASONS.value: "reason.manage", RuleKind.CLOCKS.value: "time.manage"}
_VERSION: dict[str, s.Field[Any, Any, Any, Any]] = {
    "number": s.IntegerField(),
    "status": s.ChoiceField(VersionStatus.values),
    "hash": s.CharField(help_text="Of the document; names a draft that was looked at."),
    "created_at": s.DateTimeField(),
    "created_by": s.CharField(allow_null=True),
    "published_at": s.DateTimeField(allow_null=True),
    "published_by": s.CharField(allow_null=True),
    "note": s.CharField(allow_blank=True),
}
_ABOUT: dict[str, s.Field[Any, Any, Any, Any]] = {
    "kind": s.ChoiceField(RuleKind.values),
    "name": s.CharField(help_text="“main”, or the key of a framework or sequence."),
    "title": s.CharField(),
}
RULES = inline_serializer(
    "RuleDocuments",
    {
        "results": s.ListField(
            child=inline_serializer(
                "RuleDocument",
                {
                    **_ABOUT,
                    "published": inline_serializer("RulePublished", {**_VERSION}, allow_null=True),
                    "draft": inline_serializer("RuleDraft", {**_VERSION}, allow_null=True),
                },
            )
        )
    },
)
VERSIONS = inline_serializer(
    "RuleVersions",
    {**_ABOUT, "results": s.ListField(child=inline_serializer("RuleVersionLine", {**_VERSION}))},
)
VERSION = inline_serializer(
    "RuleVersion",
    {**_ABOUT, **_VERSION, "document": s.DictField(help_text="As docs/scoring.md and its like have it.")},
)
_CHANGE = inline_serializer(
    "RuleLineChange",
    {
        "change": s.ChoiceField(["new", "changed", "moved", "gone"]),
        "key": s.CharField(allow_blank=True, help_text="The rule's id."),
        "says": s.CharField(help_text="In the language that is asked for."),
        "said": s.CharField(allow_null=True),
    },
)
DRAFT = inline_serializer(
    "RuleDraftRead",
    {**_ABOUT, **_VERSION, "document": s.DictField(), "changes": s.ListField(child=_CHANGE)},
)
DRAFT_BODY = closed(
    inline_serializer(
        "RuleDraftBody",
        {
            "document": s.DictField(),
            "replacing": s.CharField(
                required=False,
                allow_null=True,
                allow_blank=True,
                help_text="The hash of the draft that the change was made from, “” if there was none; left out, "
                "whatever stands is replaced.",
            ),
        },
    )
)


def _note() -> s.CharField:
    return s.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_NOTE_LENGTH, help_text="Why."
    )


PUBLISH_BODY = closed(
    inline_serializer(
        "RulePublishBody",
        {"draft": s.CharField(help_text="The hash of the draft that was looked at."), "note": _note()},
    )
)
ROLL_BACK_BODY = closed(inline_serializer("RuleRollBackBody", {"note": _note()}))
# The hash is that of the draft beside it.
_DOCUMENT: Final[dict[str, Any]] = {"start": "D", "criteria": []}
_HASH: Final = content_hash(_DOCUMENT)
_DRAFT_EXAMPLE = OpenApiExample("grades without criteria", value={"document": _DOCUMENT}, request_only=True)
_PUBLISH_EXAMPLE = OpenApiExample(
    "the draft that was read", value={"draft": _HASH, "note": "Begin anew"}, request_only=True
)
_ROLL_BACK_EXAMPLE = OpenApiExample("with a reason", value={"note": "As in October"}, request_only=True)
_BAD = OpenApiResponse(description="The document has faults; each is named by its place in it.")
_MEANWHILE = OpenApiResponse(description="Somebody saved, published or discarded the draft meanwhile.")
_NOT_BACK = OpenApiResponse(description="It is a draft, or published already.")
_WRITE: Final[dict[str, Scope]] = {"POST": Scope.RULES_WRITE}


class RulesView(SettingsAPIView):
    """What the views of rules share."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.RULES_READ}
    rights: ClassVar[dict[str, str]] = {"GET": "rules.read"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who may change rules depends on their kind."""
        super().initial(request, *args, **kwargs)
        if request.method in {"POST", "PUT", "DELETE"}:
            self.require(RIGHT_OF_KIND.get(kwargs["kind"], "rules.publish"))


class RuleCollectionView(RulesView):
    """All documents."""

    @extend_schema(operation_id="rules", responses={200: RULES}, tags=["rules"])
    def get(self, request: Request) -> Response:
        """What is published and what is drafted, without the documents themselves; by kind, then by name."""
        drafts = list_drafts()
        rows = []
        for version in list_published():
            is_published = version.status == VersionStatus.PUBLISHED
            draft = drafts.get((version.kind, version.name))
            published = version_json(version) if is_published else None
            drafted = version_json(draft) if draft else None
            rows.append(about_json(version) | {"published": published, "draft": drafted})
        return Response({"results": rows})


class RuleDocumentView(RulesView):
    """One document."""

    @extend_schema(operation_id="rules_published", responses={200: VERSION}, tags=["rules"])
    def get(self, request: Request, kind: str, name: str) -> Response:
        """The version that is published; 404 where there are drafts alone."""
        found = find_version(list_versions(kind=kind, name=name), None)
        if found.status != VersionStatus.PUBLISHED:
            raise NoSuchRules(_("No version of these rules is published."))
        return Response(full_json(found))


class RuleVersionCollectionView(RulesView):
    """The versions of one document."""

    @extend_schema(operation_id="rules_versions", responses={200: VERSIONS}, tags=["rules"])
    def get(self, request: Request, kind: str, name: str) -> Response:
        """Newest first, without the documents themselves."""
        versions = list_versions(kind=kind, name=name)
        return Response(
            about_json(find_version(versions, None)) | {"results": [version_json(each) for each in versions]}
        )


class RuleVersionView(RulesView):
    """One version."""

    @extend_schema(
        operation_id="rules_version",
        parameters=[OpenApiParameter("number", int, OpenApiParameter.PATH)],
        responses={200: VERSION},
        tags=["rules"],
    )
    def get(self, request: Request, kind: str, name: str, number: int) -> Response:
        """Its document."""
        return Response(full_json(read_version(kind=kind, name=name, number=number)))


class RuleDraftView(RulesView):
    """The draft of a document: there is one at most."""

    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.RULES_READ,
        "PUT": Scope.RULES_WRITE,
        "DELETE": Scope.RULES_WRITE,
    }

    @extend_schema(operation_id="rules_draft", responses={200: DRAFT}, tags=["rules"])
    def get(self, request: Request, kind: str, name: str) -> Response:
        """Its document, and in words what it would change."""
        draft = find_draft(kind=kind, name=name)
        if draft is None:
            raise NoSuchRules(_("There is no draft of these rules."))
        return Response(draft_json(draft))

    @extend_schema(
        operation_id="rules_draft_save",
        request=DRAFT_BODY,
        responses={200: DRAFT, 400: _BAD, 409: _MEANWHILE},
        examples=[_DRAFT_EXAMPLE],
        tags=["rules"],
    )
    def put(self, request: Request, kind: str, name: str) -> Response:
        """Keep a draft. Of a framework or sequence that does not exist yet it is the first one."""
        if kind not in RuleKind.values:
            raise NoSuchRules(_("There are no such rules."))
        body = read_body(request, "document", "replacing")
        draft = save_draft(
            kind=RuleKind(kind),
            name=name,
            document=body.mapping("document"),
            replacing=body.text("replacing", default="") if body.get("replacing") is not None else None,
            by=self.member,
            now=timezone.now(),
        )
        return Response(draft_json(draft))

    @extend_schema(
        operation_id="rules_draft_discard",
        parameters=[
            OpenApiParameter(
                "draft",
                str,
                description="Its hash.",
                required=True,
                examples=[OpenApiExample("the draft that was read", value=_HASH)],
            )
        ],
        responses={204: None, 409: _MEANWHILE},
        tags=["rules"],
    )
    def delete(self, request: Request, kind: str, name: str) -> Response:
        """Throw the draft away that was looked at; what is published goes on."""
        expected = request.query_params.get("draft", "")
        discard_draft(kind=kind, name=name, expected=expected, by=self.member, now=timezone.now())
        return Response(status=204)


class RulePublishView(RulesView):
    """Publishing."""

    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="rules_publish",
        request=PUBLISH_BODY,
        responses={200: VERSION, 400: _BAD, 409: _MEANWHILE},
        examples=[_PUBLISH_EXAMPLE],
        tags=["rules"],
    )
    def post(self, request: Request, kind: str, name: str) -> Response:
        """The draft that was looked at. Where the rules leave results on leads, all are gone over in the background."""
        body = read_body(request, "draft", "note")
        version = publish_draft(
            kind=kind,
            name=name,
            expected=body.text("draft"),
            note=body.text("note", default="", most=MAX_NOTE_LENGTH).strip(),
            by=self.member,
            now=timezone.now(),
        )
        return Response(full_json(version))


class RuleRollBackView(RulesView):
    """Going back."""

    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="rules_roll_back",
        parameters=[OpenApiParameter("number", int, OpenApiParameter.PATH)],
        request=ROLL_BACK_BODY,
        responses={200: VERSION, 400: _BAD, 409: _NOT_BACK},
        examples=[_ROLL_BACK_EXAMPLE],
        tags=["rules"],
    )
    def post(self, request: Request, kind: str, name: str, number: int) -> Response:
        """Publish an earlier version again, as it is."""
        version = read_version(kind=kind, name=name, number=number)
        note = read_body(request, "note").text("note", default="", most=MAX_NOTE_LENGTH).strip()
        published = roll_back(version=version, note=note, by=self.member, now=timezone.now())
        return Response(full_json(published))


class RuleReuseView(RulesView):
    """Beginning from an earlier version."""

    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="rules_reuse",
        parameters=[OpenApiParameter("number", int, OpenApiParameter.PATH)],
        request=None,
        responses={200: DRAFT, 400: _BAD, 409: _MEANWHILE},
        tags=["rules"],
    )
    def post(self, request: Request, kind: str, name: str, number: int) -> Response:
        """A draft with what it says; 409 while there is another one."""
        version = read_version(kind=kind, name=name, number=number)
        return Response(draft_json(reuse_version(version=version, by=self.member, now=timezone.now())))


def about_json(version: RuleVersion) -> dict[str, Any]:
    """Which document it is."""
    return {"kind": version.kind, "name": version.name, "title": title_of(version)}


def version_json(version: RuleVersion) -> dict[str, Any]:
    """A version in the shape of the API, without its document."""
    return {
        "number": version.number,
        "status": version.status,
        "hash": version.content_hash,
        "created_at": instant_json(version.created_at),
        "created_by": version.created_by.name if version.created_by else None,
        "published_at": instant_json(version.published_at) if version.published_at else None,
        "published_by": version.published_by.name if version.published_by else None,
        "note": version.note,
    }


def full_json(version: RuleVersion) -> dict[str, Any]:
    """A version with its document."""
    return about_json(version) | version_json(version) | {"document": version.document}


def draft_json(draft: RuleVersion) -> dict[str, Any]:
    """A draft with its document, and what it would change; nothing can be said of one that can't be read any more."""
    found = find_version(list_versions(kind=draft.kind, name=draft.name), None)
    published = found if found.status == VersionStatus.PUBLISHED else None
    try:
        changes = changes_json(compare_versions(before=published, after=draft))
    except InvalidDocument:
        changes = []
    return full_json(draft) | {"changes": changes}


def changes_json(groups: list[ChangedGroup]) -> list[dict[str, Any]]:
    """The lines that differ, in words."""
    return [
        {
            "change": each.change,
            "key": each.line.key,
            "says": _line_words(each.line),
            "said": _line_words(each.before) if each.before else None,
        }
        for group in groups
        for each in group.lines
        if each.change != "same"
    ]


def _line_words(line: Any) -> str:
    return " · ".join(
        text for part in (line.label, line.detail, line.effect, line.note) if (text := str(part))
    )
