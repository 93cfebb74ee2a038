"""The document of a hosted form: what it asks for, what its visitors agree to, what its submissions mean, where it may stand.

::

    {"kind": "contact",                                       # left out: none of KINDS
     "title": label, "intro": label, "submit": label, "thanks": label,
     "redirect": "https://…",                                 # where a visitor is led afterwards, in place of the thanks
     "fields": [{"name": "email", "label": label, "help": label, "required": true, "choices": ["…"]}, …],
     "consents": [{"purpose": "marketing", "version": "1", "text": label, "required": false}, …],
     "privacy": "https://…",                                  # the notice of privacy that stands beneath
     "defaults": {"origin": "…", "medium": "…", "campaign": "…"},   # where the link that led to the form says none
     "origins": ["https://www.empresa.com.br"],               # the sites that may show it and send to it
     "language": "pt-br"}                                     # left out: the visitor's

A label is a text, or one for each language (``leads.labels``). Names of fields are those of a lead, or ``custom.NAME``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.capture.columns import CUSTOM
from leads.capture.fields import LEAD_FIELDS
from leads.events import CONTACT_KINDS
from leads.labels import Label, read_label
from leads.versions import InvalidDocument, path_problem
from tenancy.errors import FieldProblem

# What a form is for, in the order in which it is offered. The first three ask to be called, priced or shown a demo.
KINDS: Final[Mapping[str, Promise]] = {
    "contact": gettext_lazy("Contact: asks to be called"),
    "demo": gettext_lazy("Demo: asks to be shown the product"),
    "pricing": gettext_lazy("Pricing: asks for a price"),
    "content": gettext_lazy("Content: e-book, template, video"),
    "event": gettext_lazy("Event: webinar, fair, meeting"),
    "newsletter": gettext_lazy("Newsletter"),
}
MAX_FIELDS: Final = 30
MAX_CONSENTS: Final = 5
MAX_CHOICES: Final = 100
MAX_CHOICE: Final = 200
MAX_ORIGINS: Final = 20
MAX_TEXT: Final = 500
MAX_CONSENT_TEXT: Final = 2000
MAX_ADDRESS: Final = 500
# Set by the link that led to the form; a person does not see them. With the longest that each may be.
SOURCE_FIELDS: Final = {"origin": 120, "campaign": 200, "medium": 120}
# What a stranger may not say of themselves.
_NOT_ASKED: Final = frozenset(
    {"stage", "owner_sdr", "owner_sales", "consent", "created_at", "tags", "external_id"}
)
# Without one of these, answered, there is no lead.
IDENTIFYING: Final = frozenset({"email", "phone", "name", "first_name", "last_name"})
PURPOSE: Final = re.compile(r"[a-z0-9_-]{1,64}")
_HOST: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True)
class FormField:
    """One question: the lead field it fills, its words, whether it must be answered.

    With ``choices`` it takes one of these alone.
    """

    name: str
    label: Label
    is_required: bool
    help: Label | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class FormConsent:
    """What a person may agree to; ``version`` names the text, which is kept in full as proof."""

    purpose: str
    version: str
    text: Label
    is_required: bool


@dataclass(frozen=True)
class HostedForm:
    """A parsed document. ``language`` is empty where the visitor's own counts; ``origins`` as browsers write them."""

    kind: str
    title: Label
    intro: Label | None
    submit: Label | None
    thanks: Label | None
    fields: tuple[FormField, ...]
    consents: tuple[FormConsent, ...] = ()
    redirect: str = ""
    privacy: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    language: str = ""

    @property
    def kind_label(self) -> str:
        """What it is for, in words."""
        return str(KINDS[self.kind]) if self.kind else ""

    @property
    def asks_for_contact(self) -> bool:
        """Whether who sends it becomes an MQL at once."""
        return self.kind in CONTACT_KINDS


def parse_form(document: Any) -> HostedForm:
    """The typed form of a document. Raises InvalidDocument naming every fault by its JSON path."""
    if not isinstance(document, dict):
        raise InvalidDocument(_("Give a form as an object."))
    problems: list[FieldProblem] = []

    def label(name: str, most: int = MAX_TEXT) -> Label | None:
        if not document.get(name):
            return None
        return read_label(document[name], path=name, problems=problems, most=most)

    title = read_label(document.get("title"), path="title", problems=problems)
    form = HostedForm(
        kind=_read_kind(document.get("kind"), problems),
        title=title or Label((("en", ""),)),
        intro=label("intro"),
        submit=label("submit", 80),
        thanks=label("thanks"),
        fields=_read_fields(document.get("fields"), problems),
        consents=_read_consents(document, problems),
        redirect=_read_address(document, "redirect", problems),
        privacy=_read_address(document, "privacy", problems),
        defaults=_read_defaults(document.get("defaults"), problems),
        origins=_read_origins(document.get("origins"), problems),
        language=_read_language(document.get("language"), problems),
    )
    if problems:
        raise InvalidDocument(_("The form has faults."), errors=problems)
    return form


def may_ask(name: str) -> bool:
    """Whether a form may ask for this field."""
    return name.startswith(CUSTOM) or (name in LEAD_FIELDS and name not in _NOT_ASKED)


def read_site(text: str) -> str | None:
    """The origin of a site's address, as browsers write it: ``https://www.empresa.com.br``. None for what is none.

    ``http`` is taken for this machine alone.
    """
    try:
        parts = urlsplit(text.strip() if "://" in text else f"https://{text.strip()}")
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode().lower()
    except (ValueError, UnicodeError):
        return None
    is_plain = parts.username is None and parts.password is None and parts.path in {"", "/"}
    if not is_plain or parts.query or parts.fragment or not _HOST.fullmatch(host):
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL_HOSTS):
        return None
    default = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def _read_kind(raw: Any, problems: list[FieldProblem]) -> str:
    if not raw:
        return ""
    if not isinstance(raw, str) or raw not in KINDS:
        valid = ", ".join(KINDS)
        problems.append(path_problem("kind", _("Give one of %(values)s, or none.") % {"values": valid}))
        return ""
    return str(raw)


def _read_fields(raw: Any, problems: list[FieldProblem]) -> tuple[FormField, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_FIELDS:
        problems.append(path_problem("fields", _("Give 1 to %(count)s fields.") % {"count": MAX_FIELDS}))
        return ()
    fields: list[FormField] = []
    for index, item in enumerate(raw):
        path = f"fields[{index}]"
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not may_ask(name):
            problems.append(
                path_problem(f"{path}.name", _("Name a field of a lead that a person can fill in."))
            )
            continue
        if name in {each.name for each in fields}:
            problems.append(path_problem(f"{path}.name", _("The form asks for this field already.")))
        label = read_label(item.get("label"), path=f"{path}.label", problems=problems)
        help_text = (
            read_label(item["help"], path=f"{path}.help", problems=problems, most=MAX_TEXT)
            if item.get("help")
            else None
        )
        choices = _read_choices(item.get("choices"), f"{path}.choices", problems)
        if label is not None:
            fields.append(FormField(name, label, item.get("required") is True, help_text, choices))
    return tuple(fields)


def _read_choices(raw: Any, path: str, problems: list[FieldProblem]) -> tuple[str, ...]:
    if not raw:
        return ()
    fits = isinstance(raw, list) and len(raw) <= MAX_CHOICES
    if not fits or not all(isinstance(each, str) and 1 <= len(each) <= MAX_CHOICE for each in raw):
        message = _("Give at most %(count)s choices of at most %(length)s characters each.")
        problems.append(path_problem(path, message % {"count": MAX_CHOICES, "length": MAX_CHOICE}))
        return ()
    return tuple(dict.fromkeys(raw))


def _read_consents(document: Mapping[str, Any], problems: list[FieldProblem]) -> tuple[FormConsent, ...]:
    """What visitors are asked to agree to; a form of the first days has one, by the name ``consent``."""
    raw = document.get("consents") or ([document["consent"]] if document.get("consent") else [])
    if not isinstance(raw, list) or len(raw) > MAX_CONSENTS:
        problems.append(
            path_problem("consents", _("Give at most %(count)s consents.") % {"count": MAX_CONSENTS})
        )
        return ()
    consents: list[FormConsent] = []
    for index, item in enumerate(raw):
        path = f"consents[{index}]"
        purpose = item.get("purpose") if isinstance(item, dict) else None
        if not isinstance(purpose, str) or not PURPOSE.fullmatch(purpose):
            message = _("Name the purpose with lower-case letters without accents, digits, - and _.")
            problems.append(path_problem(f"{path}.purpose", message))
            continue
        if purpose in {each.purpose for each in consents}:
            problems.append(path_problem(f"{path}.purpose", _("The form asks for this purpose already.")))
        text = read_label(item.get("text"), path=f"{path}.text", problems=problems, most=MAX_CONSENT_TEXT)
        if text is not None:
            version = str(item.get("version") or "1")[:20]
            consents.append(FormConsent(purpose, version, text, item.get("required") is True))
    return tuple(consents)


def _read_address(document: Mapping[str, Any], name: str, problems: list[FieldProblem]) -> str:
    """An https address, or nothing."""
    raw = document.get(name)
    if not raw:
        return ""
    if isinstance(raw, str) and len(raw) <= MAX_ADDRESS and raw.isprintable() and " " not in raw:
        try:
            parts = urlsplit(raw)
            if (
                parts.scheme == "https"
                and parts.hostname
                and parts.username is None
                and ";" not in parts.netloc
            ):
                return raw
        except ValueError:
            pass
    problems.append(path_problem(name, _("Give a whole address that begins with https://.")))
    return ""


def _read_defaults(raw: Any, problems: list[FieldProblem]) -> dict[str, str]:
    if not raw:
        return {}
    if not isinstance(raw, dict) or not set(raw) <= set(SOURCE_FIELDS):
        problems.append(path_problem("defaults", _("Give origin, medium and campaign alone.")))
        return {}
    defaults = {}
    for name, text in raw.items():
        if not isinstance(text, str) or len(text) > SOURCE_FIELDS[name]:
            message = _("Give a text of at most %(count)s characters.") % {"count": SOURCE_FIELDS[name]}
            problems.append(path_problem(f"defaults.{name}", message))
        elif text.strip():
            defaults[name] = text.strip()
    return defaults


def _read_origins(raw: Any, problems: list[FieldProblem]) -> tuple[str, ...]:
    if not raw:
        return ()
    if not isinstance(raw, list) or len(raw) > MAX_ORIGINS:
        problems.append(path_problem("origins", _("Give at most %(count)s sites.") % {"count": MAX_ORIGINS}))
        return ()
    sites = {str(each): read_site(str(each)) for each in raw}
    for given in [given for given, site in sites.items() if site is None]:
        message = _("“%(site)s” is not the address of a site. Write it as https://www.empresa.com.br.")
        problems.append(path_problem("origins", message % {"site": given[:100]}))
    return tuple(dict.fromkeys(site for site in sites.values() if site))


def _read_language(raw: Any, problems: list[FieldProblem]) -> str:
    if raw and (not isinstance(raw, str) or raw not in dict(settings.LANGUAGES)):
        known = ", ".join(dict(settings.LANGUAGES))
        problems.append(path_problem("language", _("Give one of %(values)s, or none.") % {"values": known}))
        return ""
    return str(raw or "")
