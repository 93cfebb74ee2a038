"""One act on many of what is held: those that were marked, or all that match; asked once more before it is done."""

from typing import Literal

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from leads.held import LEADS, HeldChoice, count_chosen, discard_chosen, retry_chosen
from leads.listing import MOST_IDS, InvalidListQuery, parse_ids
from leads.views.held_sorts import SORTS, ShownSort, read_search
from tenancy.errors import FieldProblem
from tenancy.listing import SEARCH, show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

Act = Literal["retry", "discard"]


@tenant_page(right="held.resolve")
@require_http_methods(["GET", "HEAD", "POST"])
def held_many(request: TenantRequest, what: str, act: Act) -> HttpResponse:
    """What is to be done with how many; then it is done. Raises InvalidListQuery, ListTooSlow."""
    shown = SORTS[what]
    choice = HeldChoice(search=read_search(request), ids=_read_ids(request))
    list_url = reverse("held", kwargs={"slug": request.tenant.slug}) + shown.query
    if request.method == "POST":
        messages.success(request, _do(request, shown, act, choice))
        return redirect(list_url)
    if choice.search:
        list_url += ("&" if shown.query else "?") + urlencode({SEARCH: choice.search})
    count = count_chosen(sort=shown.sort, choice=choice)
    context = {
        "shown": shown,
        "act": act,
        "count": count,
        "words": shown.words(count),
        "search": choice.search,
        "list_url": list_url,
    }
    return render(request, "leads/held_many.html", context)


def _do(request: TenantRequest, shown: ShownSort, act: Act, choice: HeldChoice) -> str:
    """Do it; returns what was done, in words."""
    if act == "retry":
        count = retry_chosen(sort=shown.sort, choice=choice, now=timezone.now())
        words = ngettext(
            "%(n)s is tried again in the background. If it goes through, it leaves this list.",
            "%(n)s are tried again in the background. Those that go through leave this list.",
            count,
        )
        return words % {"n": show_number(count)}
    count = discard_chosen(sort=shown.sort, choice=choice, by=request.member, now=timezone.now())
    if shown.sort is LEADS:
        words = ngettext(
            "Given up: %(n)s. The lead stays as it is.",
            "Given up: %(n)s. The leads stay as they are.",
            count,
        )
    else:
        words = _("Given up: %(n)s. What came in is kept as refused.")
    return words % {"n": show_number(count)}


def _read_ids(request: TenantRequest) -> tuple[int, ...] | None:
    """The rows that were marked; None when all that match are meant."""
    if "ids" not in request.GET:
        return None
    ids = parse_ids(request.GET["ids"])
    if ids is None:
        # Taken for "all", it would be another act than the one that was meant.
        message = _("Mark at most %(most)s rows.") % {"most": MOST_IDS}
        raise InvalidListQuery(
            _("Which rows are meant is not clear."), errors=[FieldProblem("ids", "invalid", message)]
        )
    return ids
