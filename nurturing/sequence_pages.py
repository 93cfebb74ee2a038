"""How an e-mail of a sequence will look."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from nurturing.rendering import Recipient, Renderer
from nurturing.sequences import EmailStep
from nurturing.views import MESSAGE_POLICY
from nurturing.wording import InvalidWording, Wording, compile_body, compile_subject
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest


@tenant_page(right="rules.publish")
@require_POST
@xframe_options_sameorigin
def email_preview(request: TenantRequest) -> HttpResponse:
    """An e-mail as a made-up lead would get it, for a frame in which nothing runs; what is wrong with its text, by line."""
    source = {part: request.POST.get(part, "").replace("\r\n", "\n") for part in ("subject", "body")}
    language = request.POST.get("language", "")
    context: dict[str, Any] = {"faults": [], "subject": "", "html": ""}
    try:
        wording = Wording(compile_subject(source["subject"]), compile_body(source["body"]), frozenset())
    except InvalidWording as invalid:
        context["faults"] = [str(fault) for fault in invalid.faults]
        response = render(request, "nurturing/email_faults.html", context)
    else:
        step = EmailStep("preview", {language: wording}, {})
        renderer = Renderer(request.tenant, request.POST.get("from_name") or request.tenant.name)
        rendered = renderer.render(step=step, recipient=_somebody(language), unsubscribe_url="#")
        before, body, after = rendered.html.partition('<div class="sheet"')
        response = HttpResponse(f"{before}<p><strong>{escape(rendered.subject)}</strong></p>{body}{after}")
    response["Content-Security-Policy"] = MESSAGE_POLICY
    return response


def _somebody(language: str) -> Recipient:
    known = dict(settings.LANGUAGES)
    values = {
        "lead": {
            "first_name": "Mariana",
            "last_name": "Ferraz",
            "name": "Mariana Ferraz",
            "email": "mariana@example.com",
            "phone": "+55 11 5555-0100",
            "job_title": _("Manager"),
            "city": "São Paulo",
            "state": "SP",
            "country": "BR",
        },
        "company": {"name": "Café do Vale", "industry": _("Coffee")},
        "custom": {},
    }
    return Recipient(0, "mariana@example.com", "", language if language in known else "en", values)
