"""Hosted forms: found by their public id, read from what a stranger's browser sends, and the two that a tenant starts with.

The document of a form::

    {"kind": "contact",                                       # left out: the form does not ask to be called
     "title": label, "intro": label, "submit": label, "thanks": label,
     "fields": [{"name": "email", "label": label, "required": true}, …],      # names of lead fields, or custom.NAME
     "consent": {"purpose": "marketing", "version": "1", "text": label, "required": false}}

A label is a text, or one for each language (``leads.labels``).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from leads.capture.columns import CUSTOM
from leads.capture.fields import LEAD_FIELDS, read_submission
from leads.capture.receiving import Raw, receive, wake_processing
from leads.capture.rules import open_rules
from leads.events import CONTACT_KINDS, FORM_SUBMITTED
from leads.labels import Label, read_label
from leads.models import CaptureForm, Submission
from leads.versions import InvalidDocument, path_problem
from tenancy.errors import FieldProblem, NotFound
from tenancy.models import Membership, Tenant
from tenancy.scope import TenantSuspended, tenant_scope

MAX_FIELDS: Final = 30
MAX_BROWSER: Final = 400
# Set by the link that led to the form; a person does not see them.
SOURCE_FIELDS: Final = ("origin", "campaign", "medium")
# What a stranger may not say of themselves.
_NOT_ASKED: Final = frozenset(
    {"stage", "owner_sdr", "owner_sales", "consent", "created_at", "tags", "external_id"}
)


class FormNotFound(NotFound):
    """There is no such form, or it takes no submissions."""


@dataclass(frozen=True)
class FormField:
    """One question: the lead field it fills, its words, whether it must be answered."""

    name: str
    label: Label
    is_required: bool


@dataclass(frozen=True)
class FormConsent:
    """What a person may agree to; ``version`` names the text, which is kept in full as proof."""

    purpose: str
    version: str
    text: Label
    is_required: bool


@dataclass(frozen=True)
class HostedForm:
    """A parsed document."""

    kind: str
    title: Label
    intro: Label | None
    submit: Label | None
    thanks: Label | None
    fields: tuple[FormField, ...]
    consent: FormConsent | None


@dataclass(frozen=True)
class OpenForm:
    """A form that was found, with its tenant; the row belongs to the tenant's scope, which is closed again."""

    tenant: Tenant
    row: CaptureForm
    form: HostedForm


@dataclass(frozen=True)
class Sender:
    """Who sent a form, as far as a browser tells: what proves a consent."""

    address: str
    browser: str
    page: str


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
    except TenantSuspended as suspended:
        # What became of a customer of ours is no business of a visitor's.
        raise FormNotFound(_("This form does not exist, or is closed.")) from suspended
    return OpenForm(tenant, row, parse_form(row.document))


def parse_form(document: Any) -> HostedForm:
    """The typed form of a document. Raises InvalidDocument naming every fault by its JSON path."""
    if not isinstance(document, dict):
        raise InvalidDocument(_("Give a form as an object."))
    problems: list[FieldProblem] = []

    def label(name: str) -> Label | None:
        return read_label(document[name], path=name, problems=problems) if document.get(name) else None

    title = read_label(document.get("title"), path="title", problems=problems)
    kind = document.get("kind") or ""
    if kind and kind not in CONTACT_KINDS:
        valid = ", ".join(sorted(CONTACT_KINDS))
        problems.append(path_problem("kind", _("Give one of %(values)s, or none.") % {"values": valid}))
    intro, submit, thanks = label("intro"), label("submit"), label("thanks")
    fields = _read_fields(document.get("fields"), problems)
    consent = _read_consent(document.get("consent"), problems)
    if problems or title is None:
        raise InvalidDocument(_("The form has faults."), errors=problems)
    return HostedForm(kind, title, intro, submit, thanks, fields, consent)


def _read_fields(raw: Any, problems: list[FieldProblem]) -> tuple[FormField, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_FIELDS:
        problems.append(path_problem("fields", _("Give 1 to %(count)s fields.") % {"count": MAX_FIELDS}))
        return ()
    fields = []
    for index, item in enumerate(raw):
        path = f"fields[{index}]"
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not _may_ask(name):
            problems.append(
                path_problem(f"{path}.name", _("Name a field of a lead that a person can fill in."))
            )
            continue
        label = read_label(item.get("label"), path=f"{path}.label", problems=problems)
        if label is not None:
            fields.append(FormField(name, label, item.get("required") is True))
    return tuple(fields)


def _may_ask(name: str) -> bool:
    """Whether a form may ask for this field."""
    return name.startswith(CUSTOM) or (name in LEAD_FIELDS and name not in _NOT_ASKED)


def _read_consent(raw: Any, problems: list[FieldProblem]) -> FormConsent | None:
    if raw is None:
        return None
    if not isinstance(raw, dict) or not isinstance(raw.get("purpose"), str):
        problems.append(path_problem("consent", _("Give purpose, version and text.")))
        return None
    text = read_label(raw.get("text"), path="consent.text", problems=problems)
    if text is None:
        return None
    return FormConsent(raw["purpose"], str(raw.get("version") or "1"), text, raw.get("required") is True)


def build_payload(
    *, found: OpenForm, values: Mapping[str, str], has_consented: bool, sender: Sender
) -> dict[str, Any]:
    """The submission that filled-in values make: fields, event, consent with the words agreed to, and its proof."""
    names = {field.name for field in found.form.fields}.union(SOURCE_FIELDS)
    payload: dict[str, Any] = {"language": get_language(), "landing_page": sender.page[:500]}
    custom = {}
    for name, value in values.items():
        if name not in names or not value.strip():
            continue
        if name.startswith(CUSTOM):
            custom[name.removeprefix(CUSTOM)] = value
        else:
            payload[name] = value
    if custom:
        payload["custom"] = custom
    properties = {"form": found.row.key, "name": found.row.name}
    payload["event"] = {
        "type": FORM_SUBMITTED,
        "properties": properties | ({"kind": found.form.kind} if found.form.kind else {}),
    }
    consent = found.form.consent
    if consent is not None and has_consented:
        payload["consent"] = [{"purpose": consent.purpose, "basis": "consent", "text": str(consent.text)}]
        payload["proof"] = {
            "address": sender.address,
            "browser": sender.browser[:MAX_BROWSER],
            "form": found.row.key,
            "text_version": consent.version,
        }
    return payload


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
        "consent": consent,
    }
    newsletter = {
        "title": _both("Get our content", "Receba nossos conteúdos"),
        "intro": _both("Articles and guides, now and then.", "Artigos e guias, de vez em quando."),
        "submit": _both("Sign me up", "Quero receber"),
        "thanks": _both("Thank you! You are on the list.", "Obrigado! Você está na lista."),
        "fields": [first, email, _field("company", "Company", "Empresa")],
        "consent": consent | {"required": True},
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
