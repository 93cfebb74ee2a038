"""What the condition builder asks of the server while somebody builds: the words, and how many leads match."""

import json
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from leads.conditions.describe import describe_condition
from leads.conditions.facts import EVENT, LEAD
from leads.conditions.language import Condition, InvalidCondition, parse_condition
from leads.listing import LeadListQuery, count_leads
from leads.rulebook import sentence
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

SUBJECTS: Final = {"lead": LEAD, "event": EVENT}


@tenant_page(right="lead.read")
@require_POST
def condition_check(request: TenantRequest) -> HttpResponse:
    """``condition`` (JSON) about a ``subject`` as JSON: ``sentence`` or ``errors`` by path; with ``count`` how many leads match,
    in words, within the time limit of lists, and the address of the list that shows them."""
    vocabulary = SUBJECTS.get(request.POST.get("subject", ""), LEAD)
    raw = request.POST.get("condition", "")
    try:
        document = json.loads(raw)
        condition = parse_condition(document, vocabulary=vocabulary)
    except InvalidCondition as invalid:
        return _refused([(error.path, str(error.message)) for error in invalid.errors])
    except (ValueError, RecursionError):
        return _refused([("", _("Add a condition first."))])
    answer: dict[str, Any] = {"sentence": sentence(describe_condition(condition))}
    if request.POST.get("count") and vocabulary is LEAD:
        answer |= _count(request, condition, raw)
    return JsonResponse(answer)


def _refused(faults: list[tuple[str, str]]) -> JsonResponse:
    return JsonResponse({"errors": [{"path": path, "message": message} for path, message in faults]})


def _count(request: TenantRequest, condition: Condition, raw: str) -> dict[str, str]:
    found = count_leads(query=LeadListQuery(condition=condition), now=timezone.now())
    if found is None:
        return {"count": _("Counting takes too long: no index serves this condition. It works all the same.")}
    number = show_number(found.value)
    words = ngettext("%(count)s lead matches", "%(count)s leads match", found.value) % {"count": number}
    if not found.exact:
        words = _("More than %(count)s leads match") % {"count": number}
    url = reverse("lead-list", kwargs={"slug": request.tenant.slug})
    return {"count": words, "see": _("see them"), "url": f"{url}?{urlencode({'filter': raw})}"}
