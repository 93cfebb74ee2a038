"""The tenant's own fields, in the settings."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads import custom_fields
from leads.conditions.describe import show_number
from leads.custom_fields import FieldUse
from leads.settings_forms import ChangeFieldForm, NewFieldForm
from tenancy.errors import Problem
from tenancy.listing import Column, Count, EmptyState, Listing, render_listing
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

form_methods = require_http_methods(["GET", "HEAD", "POST"])
PAGE = "leads/custom_field_list.html"


@tenant_page(right="field.manage")
@require_safe
def field_list(request: TenantRequest) -> HttpResponse:
    """Every field with what it holds and who reads it."""
    everything = custom_fields.list_fields()
    search = request.GET.get("q", "").strip().casefold()
    rows = [row for row in everything if search in f"{row.field.label} {row.field.name}".casefold()]
    listing = Listing(
        key="fields",
        request=request,
        caption=_("Fields"),
        rows=rows,
        columns=[
            Column(key="label", label=_("Label"), template=f"{PAGE}#label_cell", card="title"),
            Column(key="type", label=_("Type"), template=f"{PAGE}#type_cell"),
            Column(key="count", label=_("Leads with a value"), value=_count, end=True),
            Column(key="uses", label=_("Used by"), template=f"{PAGE}#uses_cell"),
        ],
        words=lambda count: (
            ngettext("%(count)s field", "%(count)s fields", count) % {"count": show_number(count)}
        ),
        count=Count(value=len(rows)),
        search_label=_("Search label or name"),
        empty=EmptyState(
            title=_("What else do you want to know of a lead?"),
            text=_(
                "A field of your own can be filled by forms, files and the API, and rules can ask for it."
            ),
            icon="forms",
            act_label=_("Make the first field"),
            act_url=reverse("create-field", kwargs={"slug": request.tenant.slug}),
        ),
    )
    working = sum(not row.is_retired for row in everything)
    return render_listing(request, PAGE, {"working": working}, listing=listing)


@tenant_page(right="field.manage")
@form_methods
def create_field(request: TenantRequest) -> HttpResponse:
    """A new field."""
    form = NewFieldForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            field = custom_fields.make_field(**form.cleaned_data, by=request.member, now=timezone.now())
        except custom_fields.FieldNameTaken as problem:
            form.add_error("name", str(problem.detail))
        except custom_fields.InvalidField as problem:
            form.add_problem(problem)
        else:
            words = _("The field “%(label)s” is made: custom.%(name)s.")
            messages.success(request, words % {"label": field.label, "name": field.name})
            return redirect("fields", slug=request.tenant.slug)
    return render(request, "leads/custom_field.html", {"form": form}, status=422 if form.errors else 200)


@tenant_page(right="field.manage")
@form_methods
def change_field(request: TenantRequest, field_id: int) -> HttpResponse:
    """One field: its label and choices, what it holds, who reads it."""
    field = custom_fields.get_field(field_id=field_id)
    initial = {"label": field.label, "choices": "\n".join(field.choices or [])}
    form = ChangeFieldForm(
        request.POST if request.method == "POST" else None, initial=initial, type=field.type
    )
    if request.method == "POST" and form.is_valid():
        data = {"choices": [], **form.cleaned_data}
        try:
            custom_fields.change_field(field=field, **data, by=request.member, now=timezone.now())
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The field “%(label)s” is saved.") % {"label": field.label})
            return redirect("fields", slug=request.tenant.slug)
    use = custom_fields.read_use(field=field)
    context = {
        "form": form,
        "use": use,
        "count_words": _leads_words(use),
        "blocked": any(u.blocks for u in use.uses),
    }
    return render(request, "leads/custom_field.html", context, status=422 if form.errors else 200)


@tenant_page(right="field.manage")
@require_POST
def retire_field(request: TenantRequest, field_id: int) -> HttpResponse:
    """Take no more values for a field."""
    field = custom_fields.get_field(field_id=field_id)
    try:
        custom_fields.retire_field(field=field, by=request.member, now=timezone.now())
    except custom_fields.FieldInUse as problem:
        messages.error(request, str(problem.detail))
        return redirect("field", slug=request.tenant.slug, field_id=field.pk)
    words = _("The field “%(label)s” takes no more values. What it holds stays.")
    messages.success(request, words % {"label": field.label})
    return redirect("fields", slug=request.tenant.slug)


@tenant_page(right="field.manage")
@require_POST
def bring_back_field(request: TenantRequest, field_id: int) -> HttpResponse:
    """Let a retired field take values again."""
    field = custom_fields.get_field(field_id=field_id)
    custom_fields.bring_back_field(field=field, by=request.member, now=timezone.now())
    messages.success(request, _("The field “%(label)s” takes values again.") % {"label": field.label})
    return redirect("field", slug=request.tenant.slug, field_id=field.pk)


def _count(use: FieldUse) -> str:
    return show_number(use.count) if use.is_counted else f"{show_number(custom_fields.COUNTED)}+"


def _leads_words(use: FieldUse) -> str:
    if not use.is_counted:
        return _("More than %(count)s leads carry a value.") % {"count": show_number(custom_fields.COUNTED)}
    if not use.count:
        return _("No lead carries a value yet.")
    return ngettext("%(count)s lead carries a value.", "%(count)s leads carry a value.", use.count) % {
        "count": show_number(use.count)
    }
