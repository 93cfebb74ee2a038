"""The tenant's own fields and its tags over HTTP, as the pages of the settings have them."""

from typing import Any, ClassVar, Final

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

from leads import custom_fields, tags
from leads.capture.columns import make_field_name
from leads.capture.fields import MAX_TAG
from leads.custom_fields import MAX_CHOICE_LENGTH, MAX_CHOICES, FieldUse
from leads.models import CustomField, CustomType, TagChange
from leads.selectors import instant_json
from tenancy.api import SettingsAPIView
from tenancy.api_bodies import read_body, read_whole
from tenancy.api_schema import closed
from tenancy.models import Scope

MAX_LABEL: Final = 120
PAGE_SIZE: Final = 100
READ: Final[dict[str, Scope]] = {"GET": Scope.SETTINGS_READ}
WRITE: Final[dict[str, Scope]] = dict.fromkeys(("POST", "PATCH", "DELETE"), Scope.SETTINGS_WRITE)
_COUNT: dict[str, s.Field[Any, Any, Any, Any]] = {"value": s.IntegerField(), "exact": s.BooleanField()}
FIELD = inline_serializer(
    "CustomField",
    {
        "id": s.IntegerField(),
        "name": s.CharField(help_text="Leads have it as custom.NAME."),
        "label": s.CharField(),
        "type": s.ChoiceField(CustomType.values),
        "choices": s.ListField(child=s.CharField(), help_text="None for any value."),
        "created_at": s.DateTimeField(),
        "retired_at": s.DateTimeField(allow_null=True),
        "leads": inline_serializer("CustomFieldCount", {**_COUNT}),
        "used_by": s.ListField(
            child=inline_serializer(
                "CustomFieldUse",
                {
                    "title": s.CharField(),
                    "kind": s.CharField(allow_blank=True, help_text="Of the rules; blank for a form."),
                    "name": s.CharField(),
                },
            )
        ),
    },
)
FIELDS = inline_serializer("CustomFields", {"results": s.ListField(child=FIELD)})


def _choices() -> s.ListField:
    return s.ListField(
        child=s.CharField(max_length=MAX_CHOICE_LENGTH),
        required=False,
        allow_null=True,
        max_length=MAX_CHOICES,
        help_text="The only values that a text takes; none for any.",
    )


NEW_FIELD = closed(
    inline_serializer(
        "NewCustomField",
        {
            "label": s.CharField(max_length=MAX_LABEL),
            "name": s.CharField(
                required=False,
                allow_null=True,
                allow_blank=True,
                max_length=63,
                help_text="Made from the label if left out. It never changes.",
            ),
            "type": s.ChoiceField(CustomType.values),
            "choices": _choices(),
        },
    )
)
FIELD_CHANGE = closed(
    inline_serializer(
        "CustomFieldChange",
        {"label": s.CharField(max_length=MAX_LABEL, required=False), "choices": _choices()},
    )
)
_TAG_CHANGE: dict[str, s.Field[Any, Any, Any, Any]] = {
    "id": s.IntegerField(),
    "tag": s.CharField(),
    "target": s.CharField(allow_null=True, help_text="Null where it is being deleted."),
    "leads_done": s.IntegerField(),
    "finished_at": s.DateTimeField(
        allow_null=True, help_text="Null while it goes on: one of many leads takes a while."
    ),
}
TAG_CHANGE = inline_serializer("TagChange", {**_TAG_CHANGE})
TAGS = inline_serializer(
    "Tags",
    {
        "results": s.ListField(
            child=inline_serializer(
                "Tag",
                {
                    "tag": s.CharField(),
                    "leads": inline_serializer("TagCount", {**_COUNT}),
                    "change": inline_serializer("TagChangeNow", {**_TAG_CHANGE}, allow_null=True),
                },
            )
        ),
        "next": s.CharField(allow_null=True),
        "count": s.IntegerField(help_text=f"Of all that match, to {tags.MOST_TAGS}."),
    },
)
TAG_RENAME = closed(
    inline_serializer(
        "TagRename",
        {
            "tag": s.CharField(),
            "target": s.CharField(
                max_length=MAX_TAG, help_text="The new name; of a tag that there is, the two become one."
            ),
        },
    )
)
_RENAME_EXAMPLE = OpenApiExample(
    "one word for two", value={"tag": "fair 2026", "target": "fair"}, request_only=True
)
_DELETE_EXAMPLE = OpenApiExample("a tag", value={"tag": "fair 2026"}, request_only=True)
TAG_DELETE = closed(inline_serializer("TagDelete", {"tag": s.CharField()}))
_BAD = OpenApiResponse(description="A name, label, type or choice cannot be kept.")
_TAKEN = OpenApiResponse(description="There is a field of this name, be it a retired one.")
_IN_USE = OpenApiResponse(description="An open form asks for it.")
_NO_TAG = OpenApiResponse(description="No lead has this tag.")
_CHANGING = OpenApiResponse(description="It is being changed already.")


class FieldsView(SettingsAPIView):
    """Fields of one's own."""

    scopes: ClassVar[dict[str, Scope]] = READ | WRITE
    rights: ClassVar[dict[str, str]] = dict.fromkeys(READ | WRITE, "field.manage")


class FieldCollectionView(FieldsView):
    """All fields."""

    scopes: ClassVar[dict[str, Scope]] = READ | {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(operation_id="fields", responses={200: FIELDS}, tags=["fields"])
    def get(self, request: Request) -> Response:
        """Those in use first, by label; with how many leads carry a value and what reads them."""
        return Response({"results": [field_json(use) for use in custom_fields.list_fields()]})

    @extend_schema(
        operation_id="field_make",
        request=NEW_FIELD,
        responses={201: FIELD, 400: _BAD, 409: _TAKEN},
        tags=["fields"],
    )
    def post(self, request: Request) -> Response:
        """Make a field. Name and type never change."""
        body = read_body(request, "label", "name", "type", "choices")
        label = body.text("label", most=MAX_LABEL).strip()
        field = custom_fields.make_field(
            name=body.text("name", default="") or make_field_name(label),
            label=label,
            type=body.one_of("type", CustomType.values),
            choices=body.texts("choices", default=()),
            by=self.member,
            now=timezone.now(),
        )
        return Response(_answer(field), status=201)


class FieldView(FieldsView):
    """One field."""

    scopes: ClassVar[dict[str, Scope]] = READ | {"PATCH": Scope.SETTINGS_WRITE}

    @extend_schema(operation_id="field", responses={200: FIELD}, tags=["fields"])
    def get(self, request: Request, field_id: int) -> Response:
        """What it holds, and what reads it."""
        return Response(_answer(custom_fields.get_field(field_id=field_id)))

    @extend_schema(
        operation_id="field_change", request=FIELD_CHANGE, responses={200: FIELD, 400: _BAD}, tags=["fields"]
    )
    def patch(self, request: Request, field_id: int) -> Response:
        """Another label or other choices; values that are kept stay as they are."""
        field = custom_fields.get_field(field_id=field_id)
        body = read_body(request, "label", "choices")
        custom_fields.change_field(
            field=field,
            label=body.text("label", most=MAX_LABEL).strip() if "label" in body else field.label,
            choices=body.texts("choices", default=()) if "choices" in body else field.choices or [],
            by=self.member,
            now=timezone.now(),
        )
        return Response(_answer(field))


class FieldRetireView(FieldsView):
    """Retiring."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="field_retire", request=None, responses={200: FIELD, 409: _IN_USE}, tags=["fields"]
    )
    def post(self, request: Request, field_id: int) -> Response:
        """Take no more values; what it holds stays, and published rules go on reading it."""
        field = custom_fields.get_field(field_id=field_id)
        custom_fields.retire_field(field=field, by=self.member, now=timezone.now())
        return Response(_answer(field))


class FieldBringBackView(FieldsView):
    """Bringing back."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(operation_id="field_bring_back", request=None, responses={200: FIELD}, tags=["fields"])
    def post(self, request: Request, field_id: int) -> Response:
        """Take values again, with all that it held."""
        field = custom_fields.get_field(field_id=field_id)
        custom_fields.bring_back_field(field=field, by=self.member, now=timezone.now())
        return Response(_answer(field))


class TagsView(SettingsAPIView):
    """Tags."""

    scopes: ClassVar[dict[str, Scope]] = READ | WRITE
    rights: ClassVar[dict[str, str]] = dict.fromkeys(READ | WRITE, "tag.manage")


class TagCollectionView(TagsView):
    """The tags that leads have."""

    scopes: ClassVar[dict[str, Scope]] = READ

    @extend_schema(
        operation_id="tags",
        parameters=[
            OpenApiParameter("q", str, description="Part of the tag, accents and case apart."),
            OpenApiParameter("page", int, description="From 1."),
        ],
        responses={200: TAGS},
        tags=["tags"],
    )
    def get(self, request: Request) -> Response:
        """One page by name, each with the number of its leads. ``next`` is an address, null on the last page."""
        given = request.query_params
        page = read_whole("page", given.get("page", ""), default=1) or 1
        names = tags.list_tags(q=given.get("q", ""))
        rows = tags.count_tags(tags=names[(page - 1) * PAGE_SIZE : page * PAGE_SIZE])
        following = given.copy()
        following["page"] = str(page + 1)
        return Response(
            {
                "results": [
                    {
                        "tag": row.tag,
                        "leads": {"value": row.count.value, "exact": row.count.exact},
                        "change": change_json(row.change) if row.change else None,
                    }
                    for row in rows
                ],
                "next": f"{request.path}?{following.urlencode()}" if len(names) > page * PAGE_SIZE else None,
                "count": len(names),
            }
        )


class TagRenameView(TagsView):
    """Calling a tag otherwise."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="tag_rename",
        request=TAG_RENAME,
        responses={202: TAG_CHANGE, 404: _NO_TAG, 409: _CHANGING},
        examples=[_RENAME_EXAMPLE],
        tags=["tags"],
    )
    def post(self, request: Request) -> Response:
        """On every lead, some hundred at once and the rest in the background; rules that name it keep the old name."""
        body = read_body(request, "tag", "target")
        tag, target = body.text("tag"), body.text("target")
        change = tags.change_tag(tag=tag, target=target, by=self.member, now=timezone.now())
        return Response(change_json(change), status=202)


class TagDeleteView(TagsView):
    """Taking a tag away."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.SETTINGS_WRITE}

    @extend_schema(
        operation_id="tag_delete",
        request=TAG_DELETE,
        responses={202: TAG_CHANGE, 404: _NO_TAG, 409: _CHANGING},
        examples=[_DELETE_EXAMPLE],
        tags=["tags"],
    )
    def post(self, request: Request) -> Response:
        """From every lead."""
        tag = read_body(request, "tag").text("tag")
        change = tags.change_tag(tag=tag, target=None, by=self.member, now=timezone.now())
        return Response(change_json(change), status=202)


def _answer(field: CustomField) -> dict[str, Any]:
    return field_json(custom_fields.read_use(field=field))


def field_json(use: FieldUse) -> dict[str, Any]:
    """A field in the shape of the API."""
    field = use.field
    return {
        "id": field.pk,
        "name": field.name,
        "label": field.label,
        "type": field.type,
        "choices": field.choices or [],
        "created_at": instant_json(field.created_at),
        "retired_at": instant_json(field.retired_at) if field.retired_at else None,
        "leads": {"value": min(use.count, custom_fields.COUNTED), "exact": use.is_counted},
        "used_by": [{"title": each.title, "kind": each.kind, "name": each.name} for each in use.uses],
    }


def change_json(change: TagChange) -> dict[str, Any]:
    """A change of a tag in the shape of the API."""
    return {
        "id": change.pk,
        "tag": change.tag,
        "target": change.target,
        "leads_done": change.done_count,
        "finished_at": instant_json(change.finished_at) if change.finished_at else None,
    }
