"""A new sequence, and how an e-mail of one will look."""

from typing import Any, Final

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.html import escape
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST

from leads.labels import MAX_LABEL_LENGTH
from leads.models import RuleKind, RuleVersion
from leads.versions import save_draft
from nurturing.rendering import Recipient, Renderer
from nurturing.sequences import EmailStep
from nurturing.views import MESSAGE_POLICY
from nurturing.wording import InvalidWording, Wording, compile_body, compile_subject
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

MAX_KEY_LENGTH: Final = 40
FIRST_WAIT_DAYS: Final = 7


class NewSequenceForm(forms.Form):
    """What a sequence is called; its key is made of it."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_LABEL_LENGTH,
        help_text=gettext_lazy("As in “After the webinar”. It can be changed later."),
        error_messages={"required": gettext_lazy("Give the sequence a name.")},
    )

    def clean_name(self) -> str:
        """A name of which a key can be made that no sequence has."""
        name: str = self.cleaned_data["name"]
        self.key = slugify(name).replace("-", "_")[:MAX_KEY_LENGTH]
        if not self.key:
            raise forms.ValidationError(_("Use letters in the name."))
        if RuleVersion.objects.filter(kind=RuleKind.SEQUENCE, name=self.key).exists():
            raise forms.ValidationError(_("There is a sequence with this name. Choose another."))
        return name


@tenant_page(right="rules.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def sequence_new(request: TenantRequest) -> HttpResponse:
    """Name a sequence; its draft begins with a first e-mail to be written anew."""
    form = NewSequenceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        language = request.tenant.language
        with override(language):
            document = _first_document(form.key, form.cleaned_data["name"], language)
        save_draft(
            kind=RuleKind.SEQUENCE,
            name=form.key,
            document=document,
            by=request.member,
            now=timezone.now(),
            replacing="",
        )
        return redirect("rules-edit", slug=request.tenant.slug, kind=RuleKind.SEQUENCE, name=form.key)
    status = 422 if form.errors else 200
    return render(request, "nurturing/sequence_new.html", {"form": form}, status=status)


def _first_document(key: str, name: str, language: str) -> dict[str, Any]:
    greeting = "{% if lead.first_name %} {{ lead.first_name }}{% endif %}"
    body = _("Hello%(greeting)s,\n\nwrite here what this message is about.\n\n%(sender)s\n") % {
        "greeting": greeting,
        "sender": "{{ sender.name }}",
    }
    template = {language: {"subject": name, "body_markdown": body}}
    return {
        "key": key,
        "label": {language: name},
        "purpose": "marketing",
        "from_name": None,
        "steps": [
            {"id": "email", "kind": "email", "template": template},
            {"id": "wait", "kind": "wait", "days": FIRST_WAIT_DAYS},
        ],
        "exit_when": None,
    }


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
