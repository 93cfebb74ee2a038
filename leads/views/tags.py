"""The tenant's tags, in the settings, and the suggestions while one is typed."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from leads import tags
from leads.capture.fields import MAX_TAG
from leads.forms import ActForm
from leads.models import TagChange
from tenancy.errors import Problem
from tenancy.listing import SEARCH, Column, Count, EmptyState, Listing, render_listing, show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/tag_list.html"
PAGE_SIZE: Final = 100
SUGGESTED: Final = 20


class TagForm(ActForm):
    """What a tag is called from now on."""

    target = forms.CharField(
        label=gettext_lazy("New name"),
        max_length=MAX_TAG,
        help_text=gettext_lazy("If there is a tag of this name, the two become one."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "tag-suggestions"}),
    )


@tenant_page(right="tag.manage")
@require_safe
def tag_list(request: TenantRequest) -> HttpResponse:
    """Every tag with the number of its leads."""
    names = tags.list_tags(q=request.GET.get(SEARCH, "").replace("\x00", ""))
    raw = request.GET.get("page", "")
    page = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 4 else 1
    shown = tags.count_tags(tags=names[(page - 1) * PAGE_SIZE : page * PAGE_SIZE])
    listing = Listing(
        key="tags",
        request=request,
        caption=_("Tags"),
        rows=shown,
        columns=[
            Column(key="tag", label=_("Tag"), template=f"{PAGE}#tag_cell", card="title"),
            Column(key="count", label=_("Leads"), value=_count, end=True),
        ],
        words=lambda n: ngettext("%(n)s tag", "%(n)s tags", n) % {"n": show_number(n)},
        count=Count(value=len(names), exact=len(names) < tags.MOST_TAGS),
        search_label=_("Search tags"),
        empty=EmptyState(
            title=_("No lead has a tag yet"),
            text=_("Tags come by forms, files and the API, or are added on the page of a lead."),
            icon="tags",
        ),
    )
    pages = {
        "next_url": listing.url_with({"page": str(page + 1)}) if len(names) > page * PAGE_SIZE else "",
        "previous_url": listing.url_with({"page": str(page - 1) if page > 2 else ""}) if page > 1 else "",
    }
    running = [row.change for row in shown if row.change is not None]
    return render_listing(request, PAGE, pages | {"running": running, "total": len(names)}, listing=listing)


def _count(row: tags.TagRow) -> str:
    return show_number(row.count.value) if row.count.exact else f"{show_number(row.count.value)}+"


@tenant_page(right="tag.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def tag_change(request: TenantRequest) -> HttpResponse:
    """Call a tag otherwise, or put it together with another one."""
    row = tags.get_tag(tag=request.GET.get("tag", ""))
    form = TagForm(request.POST if request.method == "POST" else None, initial={"target": row.tag})
    if request.method == "POST" and form.is_valid():
        target = form.cleaned_data["target"]
        try:
            with transaction.atomic():
                change = tags.change_tag(tag=row.tag, target=target, by=request.member, now=timezone.now())
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _done_words(change))
            return redirect("tags", slug=request.tenant.slug)
    context: dict[str, Any] = {
        "form": form,
        "row": row,
        "count_words": _count(row),
        "uses": tags.list_uses(tag=row.tag),
        "others": [tag for tag in tags.list_tags()[:500] if tag != row.tag],
    }
    return render(request, "leads/tag.html", context, status=422 if form.errors else 200)


@tenant_page(right="tag.manage")
@require_POST
def tag_delete(request: TenantRequest) -> HttpResponse:
    """Take a tag away from every lead."""
    tag = request.GET.get("tag", "")
    change = tags.change_tag(tag=tag, target=None, by=request.member, now=timezone.now())
    messages.success(request, _done_words(change))
    return redirect("tags", slug=request.tenant.slug)


def _done_words(change: TagChange) -> str:
    if change.finished_at is None:
        return _("The tag is on many leads: the change goes on by itself, and the list says when it is done.")
    return ngettext("%(n)s lead is changed.", "%(n)s leads are changed.", change.done_count) % {
        "n": show_number(change.done_count)
    }


@tenant_page(right="lead.read")
@require_safe
def tag_suggestions(request: TenantRequest) -> HttpResponse:
    """The tags that hold what has been typed so far, as options."""
    typed = request.GET.get("add", "").replace("\x00", "")[:MAX_TAG]
    return render(
        request, "leads/lead_detail.html#suggestions", {"suggested": tags.list_tags(q=typed)[:SUGGESTED]}
    )
