"""Hosted forms: found by their public id, read from what a stranger's browser sends, and the two that a tenant starts with."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from leads.capture.columns import CUSTOM
from leads.capture.fields import read_submission
from leads.capture.form_documents import SOURCE_FIELDS, HostedForm, parse_form, read_site
from leads.capture.form_questions import Question, list_questions
from leads.capture.receiving import Raw, receive, wake_processing
from leads.capture.rules import open_rules
from leads.events import FORM_SUBMITTED
from leads.models import CaptureForm, Submission, SubmissionState
from tenancy.errors import FieldProblem, Forbidden, NotFound
from tenancy.models import Membership, Tenant
from tenancy.scope import TenantSuspended, tenant_scope

MAX_BROWSER: Final = 400
MAX_PAGE: Final = 500


class FormNotFound(NotFound):
    """There is no such form, or it takes no submissions."""


class SiteNotAllowed(Forbidden):
    """The form is sent from a site that it is not meant for."""


@dataclass(frozen=True)
class OpenForm:
    """A form that was found, with its tenant; the row belongs to the tenant's scope, which is closed again."""

    tenant: Tenant
    row: CaptureForm
    form: HostedForm
    questions: Sequence[Question]


@dataclass(frozen=True)
class Sender:
    """Who sent a form, as far as a browser tells: what proves a consent.

    ``page`` is the address at which the form was filled in, of ours or of the site that shows it, ``referrer`` what led there.
    """

    address: str
    browser: str
    page: str
    referrer: str = ""


def find_form(*, public_id: uuid.UUID) -> OpenForm:
    """The open form with this public id, in whichever tenant. Raises FormNotFound."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT form_id, tenant_id FROM leadsys_find_form(%s)", [public_id])
        found = cursor.fetchone()
    if found is None:
        raise FormNotFound(_("This form does not exist, or is closed."))
    form_id, tenant_id = found
    tenant = Tenant.objects.get(pk=tenant_id)
    try:
        with tenant_scope(tenant_id):
            row = CaptureForm.objects.get(pk=form_id)
            form = parse_form(row.document)
            questions = list_questions(form=form)
    except TenantSuspended as suspended:
        # What became of a customer of ours is no business of a visitor's.
        raise FormNotFound(_("This form does not exist, or is closed.")) from suspended
    return OpenForm(tenant, row, form, questions)


def own_origins(request_origin: str) -> set[str]:
    """This installation's own origins: as the request came, and those that its operator names."""
    return {request_origin, settings.PUBLIC_URL.rstrip("/"), *settings.CSRF_TRUSTED_ORIGINS}


def require_site(*, found: OpenForm, origin: str | None, own: Collection[str]) -> None:
    """Raise SiteNotAllowed unless a form may be sent from this origin: our own, or one that the form names.

    Every browser says the origin of a POST; without one it is no browser that asks, and there is no site to protect.
    """
    if origin is not None and origin not in own and origin not in found.form.origins:
        raise SiteNotAllowed(
            _("This form may not be sent from this site. Its owner names the sites that may.")
        )


def page_of(*, text: str, own: Collection[str], found: OpenForm) -> str:
    """An address that a page tells of itself, without what follows the path; nothing for one of a site not allowed."""
    page = _plain_address(text)
    site = read_site("/".join(page.split("/", 3)[:3])) if page else None
    return page if site and (site in own or site in found.form.origins) else ""


def _plain_address(text: str) -> str:
    """An http address without query and fragment, which may hold what is nobody's business; else nothing."""
    try:
        parts = urlsplit(text.strip())
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"[:MAX_PAGE] if fits else ""


def build_payload(
    *, found: OpenForm, values: Mapping[str, str], agreed: Collection[str], sender: Sender
) -> dict[str, Any]:
    """The submission that filled-in values make: fields, event, consents with the words agreed to, and their proof.

    ``values`` by field, ``agreed`` the purposes that were agreed to.
    """
    names = {field.name for field in found.form.fields}.union(SOURCE_FIELDS)
    payload: dict[str, Any] = {"language": get_language(), "landing_page": sender.page[:MAX_PAGE]}
    custom = {}
    for name, value in {**found.form.defaults, **_answered(values)}.items():
        if name.startswith(CUSTOM) and name in names:
            custom[name.removeprefix(CUSTOM)] = value
        elif name in names:
            payload[name] = value
    if custom:
        payload["custom"] = custom
    properties = {"form": found.row.key, "name": found.row.name, "page": sender.page[:MAX_PAGE]}
    if found.form.kind:
        properties["kind"] = found.form.kind
    if referrer := _plain_address(sender.referrer):
        properties["referrer"] = referrer
    payload["event"] = {"type": FORM_SUBMITTED, "properties": properties}
    consents = [consent for consent in found.form.consents if consent.purpose in agreed]
    if consents:
        payload["consent"] = [
            {"purpose": consent.purpose, "basis": "consent", "text": str(consent.text)}
            for consent in consents
        ]
        payload["proof"] = {
            "address": sender.address,
            "browser": sender.browser[:MAX_BROWSER],
            "form": found.row.key,
            "page": sender.page[:MAX_PAGE],
            "text_version": ", ".join(f"{consent.purpose} {consent.version}" for consent in consents),
        }
    return payload


def _answered(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value.strip()}


def check_payload(*, tenant: Tenant, payload: Mapping[str, Any], now: datetime) -> Sequence[FieldProblem]:
    """What intake would refuse, so that it can be said while the person is still there. Needs the tenant's scope."""
    document = {name: value for name, value in payload.items() if name != "proof"}
    _lead, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=now)
    return problems


def receive_form(*, found: OpenForm, payload: Mapping[str, Any], sending: str, now: datetime) -> None:
    """Keep a submission; it is due at once. The same ``sending`` a second time is left out."""
    raw = Raw(
        payload=dict(payload),
        source=Submission.Source.FORM,
        form_id=found.row.pk,
        idempotency_key=f"form:{found.row.pk}:{sending}" if sending else None,
    )
    receive(tenant_id=found.tenant.pk, raws=[raw], now=now, due_at=now)
    wake_processing(tenant_id=found.tenant.pk)


def keep_spam(*, found: OpenForm, payload: Mapping[str, Any], now: datetime) -> None:
    """Keep what no person sent where it can be looked at; nothing is made of it."""
    with tenant_scope(found.tenant.pk):
        Submission.objects.create(
            source=Submission.Source.FORM,
            payload=dict(payload),
            received_at=now,
            form_id=found.row.pk,
            state=SubmissionState.REFUSED,
            is_spam=True,
            processed_at=now,
        )


# The default pack ------------------------------------------------------------------------------------------------


def default_forms() -> dict[str, tuple[dict[str, str], dict[str, Any]]]:
    """By key, names by language and document of a tenant's first forms: one asks to be contacted, one is for content."""
    consent = {
        "purpose": "marketing",
        "version": "1",
        "text": _both(
            "I agree to receive news and offers by e-mail. I can withdraw this at any time.",
            "Concordo em receber novidades e ofertas por e-mail. Posso cancelar quando quiser.",
        ),
        "required": False,
    }
    first = _field("first_name", "First name", "Nome", required=True)
    last = _field("last_name", "Last name", "Sobrenome")
    email = _field("email", "Work e-mail", "E-mail corporativo", required=True)
    contact = {
        "kind": "contact",
        "title": _both("Talk to us", "Fale com a gente"),
        "intro": _both("Tell us how to reach you; we call you back.", "Deixe seu contato, e nós retornamos."),
        "submit": _both("Ask to be contacted", "Quero falar com alguém"),
        "thanks": _both(
            "Thank you! We will be in touch shortly.", "Obrigado! Entraremos em contato em breve."
        ),
        "fields": [
            *(first, last, email),
            _field("phone", "Phone", "Telefone", required=True),
            _field("company", "Company", "Empresa"),
            _field("job_title", "Job title", "Cargo"),
        ],
        "consents": [consent],
    }
    newsletter = {
        "kind": "newsletter",
        "title": _both("Get our content", "Receba nossos conteúdos"),
        "intro": _both("Articles and guides, now and then.", "Artigos e guias, de vez em quando."),
        "submit": _both("Sign me up", "Quero receber"),
        "thanks": _both("Thank you! You are on the list.", "Obrigado! Você está na lista."),
        "fields": [first, email, _field("company", "Company", "Empresa")],
        "consents": [consent | {"required": True}],
    }
    return {
        "contact": (_both("Contact", "Contato"), contact),
        "newsletter": (_both("Newsletter", "Newsletter"), newsletter),
    }


def _both(english: str, portuguese: str) -> dict[str, str]:
    return {"en": english, "pt-br": portuguese}


def _field(name: str, english: str, portuguese: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "label": _both(english, portuguese), "required": required}


def make_default_forms(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """A new tenant's part of the default pack."""
    for key, (names, document) in default_forms().items():
        CaptureForm.objects.create(
            key=key,
            public_id=uuid.uuid4(),
            name=names.get(tenant.language, names["en"]),
            document=document,
            created_at=now,
        )


def list_forms() -> Sequence[CaptureForm]:
    """Every form of the tenant, by name."""
    return list(CaptureForm.objects.order_by("name", "id"))
