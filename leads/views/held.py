"""What could not be processed: the error, another try, or giving up."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from leads.capture.submissions import discard_submission, retry_submission
from leads.held import (
    count_held,
    get_held_lead,
    get_held_submission,
    list_held_leads,
    list_held_submissions,
)
from leads.models import HeldLead, Submission, SubmissionState
from leads.pipeline import discard_held_lead, retry_leads
from tenancy.audit import record
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

MOST_COUNTED = 10_000
LEAD_DISCARDED = "held.lead_discarded"
SUBMISSION_DISCARDED = "held.submission_discarded"


@tenant_page(right="held.resolve")
@require_safe
def held(request: TenantRequest) -> HttpResponse:
    """Leads and submissions whose processing failed."""
    leads, submissions = list_held_leads(), list_held_submissions()
    total = max(count_held(most=MOST_COUNTED), len(leads) + len(submissions))
    heading = _("Nothing is held")
    if total:
        heading = ngettext("%(n)s is held", "%(n)s are held", total) % {"n": show_number(total)}
    context = {
        "heading": heading,
        "held_leads": leads,
        "held_submissions": submissions,
        "hidden": max(0, total - len(leads) - len(submissions)),
    }
    return render(request, "leads/held.html", context)


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
    discard_held_lead(held=row)
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
    return redirect("held", slug=request.tenant.slug)


@tenant_page(right="held.resolve")
@require_POST
def held_submission_discard(request: TenantRequest, submission_id: int) -> HttpResponse:
    """Give up a held submission; what came in stays readable as refused."""
    row = get_held_submission(submission_id=submission_id)
    discard_submission(submission=row)
    record(act=SUBMISSION_DISCARDED, subject=f"#{row.pk}", by=request.member, now=timezone.now())
    messages.success(request, _("Given up. What came in is kept as refused."))
    return redirect("held", slug=request.tenant.slug)
