"""The views of a list: kept, renamed, shared, deleted, counted; the columns that are shown."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.models import ListPreference, SavedView
from core.saved_views import services
from core.saved_views.forms import ViewForm
from core.saved_views.kinds import ListKind, get_kind
from tenancy.errors import Problem
from tenancy.listing import VIEW, Column, Count, EmptyState, Listing, render_listing, show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import require

form_methods = require_http_methods(["GET", "HEAD", "POST"])
PAGE: Final = "core/view_list.html"


def _kind(request: TenantRequest, key: str) -> ListKind:
    kind = get_kind(key)
    require(request.member, kind.right)
    return kind


def _listed(request: TenantRequest, kind: ListKind, query: QueryDict | dict[str, Any] | None = None) -> str:
    """The address of the list."""
    url = reverse(kind.url_name, kwargs={"slug": request.tenant.slug})
    return f"{url}?{urlencode(query)}" if query else url


def _said(kind: ListKind, given: QueryDict) -> dict[str, str]:
    return {name: value for name in kind.parameters if (value := given.get(name, ""))}


def _theirs(request: TenantRequest, kind: str, problem: services.NotYourView) -> HttpResponse:
    """Back to the views, with who may change this one."""
    messages.error(request, str(problem.detail))
    return redirect("view-list", slug=request.tenant.slug, kind=kind)


@tenant_page(right="home.read")
@require_safe
def view_list(request: TenantRequest, kind: str) -> HttpResponse:
    """The views of a list that one sees."""
    listed = _kind(request, kind)
    views = services.list_views(kind=listed, member=request.member)
    preference = ListPreference.objects.filter(member=request.member, kind=kind).first()
    default = preference.opens_with_id if preference else None
    rows = [
        {
            "view": view,
            "url": _listed(request, listed, {VIEW: view.pk}),
            "words": listed.words(view.parameters, request.member),
            "is_default": view.pk == default,
            "may_change": services.may_change(view=view, member=request.member),
        }
        for view in views
    ]
    listing = Listing(
        key="views",
        request=request,
        caption=_("Views"),
        rows=rows,
        columns=[
            Column(key="name", label=_("Name"), template=f"{PAGE}#name_cell", card="title"),
            Column(key="shared", label=_("Who sees it"), template=f"{PAGE}#shared_cell"),
            Column(key="count", label=_("Count"), template=f"{PAGE}#count_cell", end=True),
            Column(key="acts", label=_("Acts"), template=f"{PAGE}#acts_cell", end=True),
        ],
        words=lambda n: ngettext("%(count)s view", "%(count)s views", n) % {"count": show_number(n)},
        count=Count(value=len(rows)),
        empty=EmptyState(
            title=_("No view yet"),
            text=_("Filter and sort the list as you like it, then keep it as a view."),
            icon="filter",
            act_label=_("Open the list"),
            act_url=_listed(request, listed),
        ),
    )
    return render_listing(
        request, PAGE, {"kind": listed, "list_url": _listed(request, listed)}, listing=listing
    )


@tenant_page(right="home.read")
@form_methods
def view_new(request: TenantRequest, kind: str) -> HttpResponse:
    """Keep the list as the address describes it."""
    listed, member = _kind(request, kind), request.member
    said = _said(listed, request.GET)
    form = ViewForm(request.POST if request.method == "POST" else None, member=member)
    if form.is_bound and form.is_valid():
        try:
            view = services.make_view(
                kind=listed,
                parameters=said,
                columns=_columns_of(request, listed),
                by=member,
                now=timezone.now(),
                **form.described(),
            )
        except Problem as problem:
            form.add_problem(problem)
        else:
            if form.cleaned_data["is_default"]:
                services.open_with(kind=listed, view=view, by=member)
            messages.success(request, _("The view “%(name)s” is kept.") % {"name": view.name})
            return redirect(_listed(request, listed, {VIEW: view.pk}))
    context = {
        "kind": listed,
        "form": form,
        "words": listed.words(said, member),
        "cancel_url": _listed(request, listed, request.GET),
    }
    return render(request, "core/view_form.html", context, status=422 if form.errors else 200)


def _columns_of(request: TenantRequest, kind: ListKind) -> list[str]:
    """The columns that one sees now; none if they are the usual ones."""
    preference = ListPreference.objects.filter(member=request.member, kind=kind.key).first()
    chosen = preference.columns if preference else {}
    if (view := _open_view(request.GET.get(VIEW, ""), request, kind)) is not None:
        return list(chosen.get(str(view.pk)) or view.columns)
    return list(chosen.get(services.NO_VIEW, ()))


def _open_view(raw: str, request: TenantRequest, kind: ListKind) -> SavedView | None:
    views = services.list_views(kind=kind, member=request.member)
    return next((view for view in views if str(view.pk) == raw), None)


@tenant_page(right="home.read")
@form_methods
def view_change(request: TenantRequest, kind: str, view_id: int) -> HttpResponse:
    """Rename a view, share it with others or no longer."""
    listed, member = _kind(request, kind), request.member
    view = services.get_view(view_id=view_id, member=member, kind=listed)
    try:
        services.require_change(view=view, member=member)
    except services.NotYourView as problem:
        return _theirs(request, kind, problem)
    preference = ListPreference.objects.filter(member=member, kind=kind).first()
    is_default = preference is not None and preference.opens_with_id == view.pk
    initial = {"name": view.name, "sharing": view.sharing, "team": view.team_id, "is_default": is_default}
    form = ViewForm(request.POST if request.method == "POST" else None, member=member, initial=initial)
    if form.is_bound and form.is_valid():
        try:
            services.change_view(view=view, by=member, now=timezone.now(), **form.described())
        except Problem as problem:
            form.add_problem(problem)
        else:
            if form.cleaned_data["is_default"] != is_default:
                services.open_with(kind=listed, view=None if is_default else view, by=member)
            messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
            return redirect("view-list", slug=request.tenant.slug, kind=kind)
    context = {
        "kind": listed,
        "form": form,
        "view": view,
        "words": listed.words(view.parameters, member),
        "cancel_url": reverse("view-list", kwargs={"slug": request.tenant.slug, "kind": kind}),
    }
    return render(request, "core/view_form.html", context, status=422 if form.errors else 200)


@tenant_page(right="home.read")
@require_POST
def view_save(request: TenantRequest, kind: str, view_id: int) -> HttpResponse:
    """Keep in a view what the list shows now."""
    listed = _kind(request, kind)
    view = services.get_view(view_id=view_id, member=request.member, kind=listed)
    said = _said(listed, request.POST)
    try:
        services.change_view(view=view, parameters=said, by=request.member, now=timezone.now())
    except services.NotYourView as problem:
        return _theirs(request, kind, problem)
    messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
    return redirect(_listed(request, listed, {VIEW: view.pk}))


@tenant_page(right="home.read")
@require_POST
def view_default(request: TenantRequest, kind: str, view_id: int) -> HttpResponse:
    """Open the list with a view, or with everything again (``off``)."""
    listed = _kind(request, kind)
    view = services.get_view(view_id=view_id, member=request.member, kind=listed)
    services.open_with(kind=listed, view=None if "off" in request.POST else view, by=request.member)
    return redirect("view-list", slug=request.tenant.slug, kind=kind)


@tenant_page(right="home.read")
@require_POST
def view_delete(request: TenantRequest, kind: str, view_id: int) -> HttpResponse:
    """Delete a view."""
    view = services.get_view(view_id=view_id, member=request.member, kind=_kind(request, kind))
    try:
        services.delete_view(view=view, by=request.member, now=timezone.now())
    except services.NotYourView as problem:
        return _theirs(request, kind, problem)
    messages.success(request, _("The view “%(name)s” is deleted.") % {"name": view.name})
    return redirect("view-list", slug=request.tenant.slug, kind=kind)


@tenant_page(right="home.read")
@require_safe
def view_count(request: TenantRequest, kind: str, view_id: int) -> HttpResponse:
    """How many rows a view shows, exactly."""
    listed = _kind(request, kind)
    view = services.get_view(view_id=view_id, member=request.member, kind=listed)
    count = listed.count(view.parameters, request.member, timezone.now())
    words = _("takes too long") if count is None else show_number(count)
    return render(request, f"{PAGE}#count", {"words": words})


@tenant_page(right="home.read")
@require_POST
def list_columns(request: TenantRequest, kind: str) -> HttpResponse:
    """Show the columns that were chosen, in their order."""
    listed = _kind(request, kind)
    services.choose_columns(
        kind=listed,
        view=_open_view(request.POST.get(VIEW, ""), request, listed),
        columns=[] if "reset" in request.POST else request.POST.getlist("columns"),
        by=request.member,
        now=timezone.now(),
    )
    state = {VIEW: request.POST[VIEW]} if request.POST.get(VIEW) else {}
    return redirect(_listed(request, listed, state | _said(listed, request.POST)))
