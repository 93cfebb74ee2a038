"""How sequences are edited: steps in order, e-mails in each language, jumps to later steps."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.models import RuleKind
from leads.rule_forms import (
    ConditionEntry,
    DocumentForm,
    Entry,
    HiddenEntry,
    LabelEntry,
    Option,
    Posted,
    RowKind,
    TextEntry,
    WholeNumberEntry,
    register_document_form,
)
from nurturing.sequences import EXIT, MAX_NAME_LENGTH
from nurturing.wording import list_names

_PARTS: Final = ("subject", "body_markdown")
FIRST_WAIT_DAYS: Final = 7


@dataclass(frozen=True, kw_only=True)
class EmailEntry(Entry):
    """Subject and body of an e-mail in each language; a language of which nothing is written is left out."""

    template: ClassVar[str] = "nurturing/step_entries.html#email"

    def read(self, posted: Posted) -> Any:
        texts = {
            code: {part: posted.lines(f"{self.path}.{code}.{part}") for part in _PARTS}
            for code, _name in settings.LANGUAGES
        }
        return {code: text for code, text in texts.items() if any(part.strip() for part in text.values())}

    def show(self, value: Any) -> dict[str, Any]:
        texts = value if isinstance(value, dict) else {}
        return {
            "texts": [(code, name, texts.get(code) or {}) for code, name in settings.LANGUAGES],
            "names": list_names(),
        }


@dataclass(frozen=True, kw_only=True)
class JumpEntry(Entry):
    """Where a branch goes on: with the next step, with a later one, or not at all."""

    template: ClassVar[str] = "nurturing/step_entries.html#jump"

    def show(self, value: Any) -> dict[str, Any]:
        return super().show(value) | {"exit": EXIT}


def first_document(key: str, name: str, language: str) -> dict[str, Any]:
    """What a new sequence begins with: an e-mail to be written anew, in the active language, and a week's wait."""
    greeting = "{% if lead.first_name %} {{ lead.first_name }}{% endif %}"
    body = gettext("Hello%(greeting)s,\n\nwrite here what this message is about.\n\n%(sender)s\n") % {
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


def _purposes() -> list[Option]:
    return [("marketing", "marketing")]


_EMAIL = RowKind(
    key="email",
    add_label=_("E-mail"),
    blank={"kind": "email"},
    matches=lambda row: row.get("kind") == "email",
    entries=[
        HiddenEntry(path="id"),
        HiddenEntry(path="kind"),
        EmailEntry(
            path="template",
            label=_("E-mail"),
            help=_("In Markdown. The link to unsubscribe stands below every message by itself."),
        ),
    ],
)

_WAIT = RowKind(
    key="wait",
    add_label=_("Wait"),
    blank={"kind": "wait", "days": 7},
    matches=lambda row: row.get("kind") == "wait",
    entries=[
        HiddenEntry(path="id"),
        HiddenEntry(path="kind"),
        WholeNumberEntry(path="days", label=_("Wait for"), unit=_("days"), width=4, is_optional=True),
        WholeNumberEntry(path="hours", label=_("or for"), unit=_("hours"), width=4, is_optional=True),
    ],
)

_BRANCH = RowKind(
    key="condition",
    add_label=_("Branch"),
    blank={"kind": "condition", "then": EXIT},
    matches=lambda row: row.get("kind") == "condition",
    entries=[
        HiddenEntry(path="id"),
        HiddenEntry(path="kind"),
        ConditionEntry(
            path="when", label=_("If the lead meets this"), nothing=_("Add a condition: a branch needs one.")
        ),
        JumpEntry(path="then", label=_("If so"), width=6),
        JumpEntry(path="else", label=_("If not, or if nobody knows"), width=6),
    ],
)

_END = RowKind(
    key="exit",
    add_label=_("End"),
    blank={"kind": "exit"},
    matches=lambda row: row.get("kind") == "exit",
    entries=[HiddenEntry(path="id"), HiddenEntry(path="kind")],
)

SEQUENCE_FORM = DocumentForm(
    kind=RuleKind.SEQUENCE,
    title=_("Steps"),
    rows="steps",
    is_ordered=True,
    intro=_(
        "Steps run from top to bottom. Whoever is inside already stays with the version they began with."
    ),
    empty=_("No step yet. Add the first one above."),
    new_label=_("New sequence"),
    new_help=_("As in “After the webinar”. It can be changed later."),
    first_document=first_document,
    has_jumps=True,
    scripts=["js/mail_preview.js"],
    styles=["css/nurturing.css"],
    entries=[
        LabelEntry(path="label", label=_("Name")),
        TextEntry(
            path="purpose",
            label=_("Purpose"),
            help=_("Who withdrew every consent to it gets no message."),
            suggestions=_purposes,
            max_length=64,
            width=6,
        ),
        TextEntry(
            path="from_name",
            label=_("Sender's name"),
            help=_("Left empty, it is the name of the account."),
            max_length=MAX_NAME_LENGTH,
            width=6,
        ),
        ConditionEntry(
            path="exit_when",
            label=_("Leads leave at once when"),
            nothing=_("No condition: leads stay to the end, or until they move on or unsubscribe."),
        ),
    ],
    row_kinds=[_EMAIL, _WAIT, _BRANCH, _END],
)


def register_sequence_form() -> None:
    """Make the form known; called once, when the app is ready."""
    register_document_form(SEQUENCE_FORM)
