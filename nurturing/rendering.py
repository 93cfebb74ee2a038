"""From a text and what is known of a lead to the message as it will be sent: subject, HTML with inlined styles, plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import css_inline
import nh3
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import date_format, number_format
from django.utils.html import escape
from django.utils.safestring import mark_safe
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.token import Token

from leads.models import CustomValue, Lead
from nurturing.sequences import EmailStep
from nurturing.slots import SUBJECT, UNSUBSCRIBE_URL, fill, in_address, slot
from nurturing.wording import Values, clean_value, one_line
from tenancy.models import Tenant

_MILLIONTHS: Final = 1_000_000
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})
_ATTRIBUTES: Final = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
_TAGS: Final = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "strong", "em", "a", "img"),
    *("ul", "ol", "li", "blockquote", "code", "pre"),
}
_SCHEMES: Final = {"http", "https", "mailto", "tel"}
_STYLES: Final = css_inline.CSSInliner(load_remote_stylesheets=False)


@dataclass(frozen=True)
class Recipient:
    """What a message may say of a lead. ``values`` are texts of one line; unknown ones are None.

    ``reply_to`` is the address of whoever is responsible for the lead, empty where nobody is.
    """

    lead_id: int
    email: str
    reply_to: str
    language: str
    values: Mapping[str, Mapping[str, str | None]]


@dataclass(frozen=True)
class Rendered:
    """A message, ready to be kept and sent."""

    language: str
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Prepared:
    """What a text becomes for everybody who gets the same words around the values: HTML and plain text with slots."""

    html: str
    text: str


@dataclass
class Renderer:
    """Renders the messages of one sequence for one tenant; what they share is made once."""

    tenant: Tenant
    from_name: str
    _prepared: dict[tuple[str, str], Prepared] = field(default_factory=dict)

    def render(self, *, step: EmailStep, recipient: Recipient, unsubscribe_url: str) -> Rendered:
        """One message to one lead, in the lead's language if the step is written in it, else in the tenant's."""
        language, wording = step.wording_in(
            [recipient.language, self.tenant.language, settings.LANGUAGE_CODE]
        )
        values: Values = {**recipient.values, "sender": self._sender, "unsubscribe_url": unsubscribe_url}
        subject = wording.subject_with(values)
        markdown, slots = wording.body_with(values, subject=subject, unsubscribe_url=unsubscribe_url)
        key = (language, markdown)
        if key not in self._prepared:
            self._prepared[key] = self._prepare(language, markdown)
        prepared = self._prepared[key]
        return Rendered(language, subject, fill(prepared.html, slots, escape), fill(prepared.text, slots))

    @cached_property
    def _sender(self) -> dict[str, str | None]:
        return {"name": self.from_name, "company": clean_value(self.tenant.name)}

    def _prepare(self, language: str, markdown: str) -> Prepared:
        tokens = _MARKDOWN.parse(markdown)
        _mark_addresses(tokens)
        html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
        body = nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES)
        with translation.override(language):
            context = {
                "tenant": self.tenant,
                "language": language,
                "subject": slot(SUBJECT),
                # Cleaned a line above: nothing but these tags and attributes. No value of a lead is in it yet; they come into
                # their slots last, escaped.
                "body": mark_safe(body),  # noqa: S308
                "unsubscribe_url": slot(UNSUBSCRIBE_URL),
            }
            page = _STYLES.inline(render_to_string("nurturing/email.html", context))
            foot = _("%(sender)s wrote this to you because you were in contact.") % {
                "sender": self.tenant.name
            }
            leave = _("Unsubscribe:")
        text = f"{plain_text(tokens)}\n\n-- \n{one_line(foot, limit=400)}\n{leave}\n{slot(UNSUBSCRIBE_URL)}\n"
        return Prepared(page, text)


def _mark_addresses(tokens: Sequence[Token]) -> None:
    """Say of the values in addresses of links and images that they stand in an address."""
    for token in tokens:
        for name in ("href", "src"):
            if name in token.attrs:
                token.attrs[name] = in_address(str(token.attrs[name]))
        _mark_addresses(token.children or [])


def language_of_message(*, lead_language: str | None, tenant: Tenant) -> str:
    """The lead's language if it is one of ours ("pt" and "pt_BR" are Brazilian Portuguese), else the tenant's."""
    try:
        return get_supported_language_variant((lead_language or "").strip().lower().replace("_", "-"))
    except LookupError:
        return tenant.language


_COLUMNS: Final = (
    *("id", "email", "language", "first_name", "last_name", "name", "phone", "job_title"),
    *("city", "state", "country", "company__name", "company__industry"),
)
# Who answers when a lead in nurture writes back.
_OWNERS: Final = tuple(
    f"standing__owner_{function}__user__email" for function in ("marketing", "sdr", "sales")
)
_LEAD_FIELDS: Final = ("last_name", "name", "email", "phone", "job_title", "city", "state", "country")


def read_recipients(
    *, lead_ids: Sequence[int], tenant: Tenant, custom_fields: frozenset[str]
) -> dict[int, Recipient]:
    """What messages may say of those of these leads that have an e-mail, by id; at most two queries."""
    own = _read_custom(lead_ids, custom_fields) if custom_fields else {}
    found = Lead.objects.filter(pk__in=lead_ids, email__isnull=False).values(*_COLUMNS, *_OWNERS)
    recipients: dict[int, Recipient] = {}
    for row in found:
        language = language_of_message(lead_language=row["language"], tenant=tenant)
        lead = {name: clean_value(row[name]) for name in _LEAD_FIELDS}
        lead["first_name"] = clean_value(row["first_name"]) or (lead["name"] or "").split(" ")[0] or None
        company = {
            "name": clean_value(row["company__name"]),
            "industry": clean_value(row["company__industry"]),
        }
        with translation.override(language):
            custom = {name: clean_value(_in_words(value)) for name, value in own.get(row["id"], {}).items()}
        reply_to = next((row[owner] for owner in _OWNERS if row[owner]), "")
        values = {"lead": lead, "company": company, "custom": custom}
        recipients[row["id"]] = Recipient(row["id"], row["email"], reply_to, language, values)
    return recipients


def _read_custom(lead_ids: Sequence[int], names: frozenset[str]) -> dict[int, dict[str, Any]]:
    rows = CustomValue.objects.filter(lead_id__in=lead_ids, field__name__in=names).values_list(
        "lead_id", "field__name", "text_value", "integer_value", "decimal_value", "date_value"
    )
    values: dict[int, dict[str, Any]] = {}
    for lead_id, name, text, integer, millionths, day in rows:
        decimal = None if millionths is None else Decimal(millionths) / _MILLIONTHS
        values.setdefault(lead_id, {})[name] = next(
            value for value in (text, integer, decimal, day) if value is not None
        )
    return values


def _in_words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return number_format(value.normalize(), use_l10n=True)
    if isinstance(value, int):
        return number_format(value, use_l10n=True, force_grouping=False)
    return date_format(value)


def plain_text(tokens: Sequence[Token]) -> str:
    """The text part of a message: paragraphs apart, list items marked, links with their addresses."""
    writer = _TextWriter()
    for token in tokens:
        writer.take(token)
    return writer.text()


class _TextWriter:
    """Writes Markdown's blocks as plain text."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lists: list[int | None] = []
        self._mark = ""
        self._quotes = 0

    def take(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                self._open_list(token)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._mark = self._next_mark()
            case "blockquote_open":
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1
            case "inline":
                self._add(_inline_text(token.children or []))
            case "fence" | "code_block":
                self._add(token.content.rstrip("\n"))
            case "hr":
                self._add("* * *")

    def text(self) -> str:
        return "\n".join(self._lines).strip("\n")

    def _open_list(self, token: Token) -> None:
        if not self._lists:
            self._leave_gap()
        self._lists.append(int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None)

    def _next_mark(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _add(self, text: str) -> None:
        begins_item = bool(self._lists) and bool(self._mark.strip())
        if not begins_item:
            self._leave_gap()
        first = "  " * (len(self._lists) - 1) + self._mark if self._lists else ""
        quote = "> " * self._quotes
        for index, line in enumerate(text.split("\n")):
            self._lines.append(f"{quote}{first if index == 0 else ' ' * len(first)}{line}")
        self._mark = " " * len(self._mark)

    def _leave_gap(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")


def _inline_text(tokens: Sequence[Token]) -> str:
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    for token in tokens:
        match token.type:
            case "text" | "code_inline":
                parts.append(token.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(token.content)
            case "link_open":
                links.append((str(token.attrs.get("href", "")), len(parts)))
            case "link_close":
                address, begins = links.pop()
                shown = "".join(parts[begins:])
                if shown and shown != address.removeprefix("mailto:"):
                    parts.append(f" ({address})")
                elif not shown:
                    parts.append(address)
    return "".join(parts)
