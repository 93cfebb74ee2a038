"""What could not be processed: the error, another try, or giving up."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from leads.capture.submissions import discard_submissions, retry_submission
from leads.held import (
    HeldChoice,
    HeldPage,
    count_listed,
    get_held_lead,
    get_held_submission,
    list_held,
)
from leads.listing import ListTooSlow
from leads.models import HeldLead, Submission, SubmissionState
from leads.pipeline import discard_held_leads, retry_leads
from leads.views.held_sorts import SORTS, ShownSort, read_search, read_sort
from tenancy.audit import record
from tenancy.keyset import Page
from tenancy.listing import (
    CURSOR,
    Count,
    EmptyState,
    ListError,
    Listing,
    MarkAct,
    Marking,
    render_listing,
    show_number,
)
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/held.html"
MOST_COUNTED: Final = 10_000
LEAD_DISCARDED: Final = "held.lead_discarded"
SUBMISSION_DISCARDED: Final = "held.submission_discarded"


@tenant_page(right="held.resolve")
@require_safe
def held(request: TenantRequest) -> HttpResponse:
    """Leads, or submissions, whose processing failed."""
    shown, search = read_sort(request), read_search(request)
    found, error = HeldPage(Page([], None, None), Count(value=0), frozenset()), None
    try:
        found = list_held(
            sort=shown.sort, choice=HeldChoice(search=search), cursor=request.GET.get(CURSOR, "")
        )
    except ListTooSlow as problem:
        error = ListError(title=_("This search takes too long"), text=problem.detail)
    listing = Listing(
        key="held",
        request=request,
        caption=shown.label,
        columns=shown.columns(),
        rows=[_row(request, shown, row, is_waiting=row.pk in found.waiting) for row in found.page.rows],
        words=shown.words,
        count=found.count,
        next_cursor=found.page.next_cursor,
        previous_cursor=found.page.previous_cursor,
        search_label=shown.search_label,
        error=error,
        empty=EmptyState(title=shown.empty_title, text=shown.empty_text, icon="circle-check"),
        marking=_marking(request, shown),
    )
    counts = [count_listed(sort=each.sort, most=MOST_COUNTED) for each in SORTS.values()]
    total = sum(counts)
    heading = _("Nothing is held")
    if total:
        heading = ngettext("%(n)s is held", "%(n)s are held", total) % {"n": show_number(total)}
    tabs = [
        {
            "label": each.label,
            "count": show_number(count) if count else "",
            "url": f"{request.path}{each.query}",
            "is_current": each is shown,
        }
        for each, count in zip(SORTS.values(), counts, strict=True)
    ]
    return render_listing(request, PAGE, {"heading": heading, "tabs": tabs}, listing=listing)


def _row(request: TenantRequest, shown: ShownSort, row: Any, *, is_waiting: bool) -> dict[str, Any]:
    where = {"slug": request.tenant.slug, shown.parameter: row.pk}
    return {
        "row": row,
        "since": shown.since(row),
        "is_waiting": is_waiting,
        "retry_url": reverse(f"{shown.one}-retry", kwargs=where),
        "discard_url": reverse(f"{shown.one}-discard", kwargs=where),
        "question": shown.question(row),
    }


def _marking(request: TenantRequest, shown: ShownSort) -> Marking:
    def url(act: str) -> str:
        return reverse(f"held-{shown.name}-{act}", kwargs={"slug": request.tenant.slug})

    def name(each: dict[str, Any]) -> str:
        return shown.row_name(each["row"])

    return Marking(
        row_id=lambda each: int(each["row"].pk),
        row_name=name,
        acts=[
            MarkAct(label=_("Try again"), icon="refresh", url=url("retry")),
            MarkAct(label=_("Give up"), icon="trash", url=url("discard")),
        ],
    )


@tenant_page(right="held.resolve")
@require_POST
def held_lead_retry(request: TenantRequest, held_id: int) -> HttpResponse:
    """Process a held lead once more."""
    lead_id = get_held_lead(held_id=held_id).lead_id
    retry_leads([lead_id], timezone.now())
    if HeldLead.objects.filter(lead=lead_id).exists():
        messages.error(request, _("It failed again. The error below is the newest."))
    else:
        messages.success(request, _("It went through."))
    return redirect("held", slug=request.tenant.slug)


@tenant_page(right="held.resolve")
@require_POST
def held_lead_discard(request: TenantRequest, held_id: int) -> HttpResponse:
    """Give up a failed run; the lead stays."""
    row = get_held_lead(held_id=held_id)
    name = str(row.lead)
    discard_held_leads([row.lead_id])
    record(act=LEAD_DISCARDED, subject=name, by=request.member, now=timezone.now())
    messages.success(request, _("Given up. The lead stays as it is."))
    return redirect("held", slug=request.tenant.slug)


@tenant_page(right="held.resolve")
@require_POST
def held_submission_retry(request: TenantRequest, submission_id: int) -> HttpResponse:
    """Process a held submission once more."""
    row = get_held_submission(submission_id=submission_id)
    retry_submission(submission=row, now=timezone.now())
    state = Submission.objects.values_list("state", flat=True).get(pk=submission_id)
    if state == SubmissionState.PROCESSED:
        messages.success(request, _("It went through."))
    else:
        messages.error(request, _("It failed again. The error below is the newest."))
    return _to_submissions(request)


@tenant_page(right="held.resolve")
@require_POST
def held_submission_discard(request: TenantRequest, submission_id: int) -> HttpResponse:
    """Give up a held submission; what came in stays readable as refused."""
    row = get_held_submission(submission_id=submission_id)
    discard_submissions([row.pk])
    record(act=SUBMISSION_DISCARDED, subject=f"#{row.pk}", by=request.member, now=timezone.now())
    messages.success(request, _("Given up. What came in is kept as refused."))
    return _to_submissions(request)


def _to_submissions(request: TenantRequest) -> HttpResponse:
    response: HttpResponse = redirect("held", slug=request.tenant.slug)
    response["Location"] += SORTS["submissions"].query
    return response
