"""The record of administrative acts: who did what to which thing, when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenancy.models import AuditEntry, Membership, Role, Scope, TeamFunction

Text = str | Promise

_sentences: dict[str, Text] = {}


def register_acts(acts: Mapping[str, Text]) -> None:
    """Say how acts read on the audit page: a lazy translation with ``%(subject)s`` and places for the detail's values.

    The name of an act is ``thing.done`` (``key.revoked``). An act without a sentence is shown by its name.
    """
    _sentences.update(acts)


def record(
    *, act: str, subject: str, by: Membership | None, now: datetime, detail: Mapping[str, Any] | None = None
) -> AuditEntry:
    """Write one act into the current tenant's audit log, in the transaction of the act itself.

    ``subject`` is the thing in words at the time ("ana@empresa.com.br"), ``by`` is None for an operator's command, ``detail``
    holds what was chosen, as JSON values: never a password, a token or a key.
    """
    entry: AuditEntry = AuditEntry.objects.create(
        at=now, actor=by, act=act, subject=subject[:200], detail=dict(detail or {})
    )
    return entry


def sentence_of(entry: AuditEntry) -> str:
    """What was done, in the active language: "Revoked the key CRM"."""
    sentence = _sentences.get(entry.act)
    if sentence is None:
        return f"{entry.act}: {entry.subject}"
    return str(sentence) % _Values(entry)


class _Values:
    """What a sentence names of its entry, in words. An older entry may lack a value that today's sentence names."""

    def __init__(self, entry: AuditEntry) -> None:
        self._known = entry.detail | {"subject": entry.subject}

    def __getitem__(self, name: str) -> str:
        return _in_words(name, self._known[name]) if name in self._known else "—"


# Values that are kept as codes and read as words.
_CODES: dict[str, type[models.TextChoices]] = {"roles": Role, "function": TeamFunction, "scopes": Scope}


def _in_words(name: str, value: Any) -> str:
    labels = dict(_CODES[name].choices) if name in _CODES else {}
    values = value if isinstance(value, list) else [value]
    words = [str(labels.get(each, each) if isinstance(each, str) else each) for each in values]
    return ", ".join(word for word in words if word and word != "None") or "—"


register_acts(
    {
        "tenant.created": _("Created the account %(subject)s"),
        "tenant.suspended": _("Suspended the account %(subject)s (%(reason)s)"),
        "tenant.resumed": _("Resumed the account %(subject)s"),
        "member.invited": _("Invited %(subject)s as %(roles)s"),
        "member.joined": _("%(subject)s joined as %(roles)s"),
        "member.changed": _("Changed %(subject)s: roles %(roles)s, teams %(teams)s"),
        "member.deactivated": _("Deactivated %(subject)s"),
        "member.reactivated": _("Reactivated %(subject)s as %(roles)s"),
        "invitation.renewed": _("Made a new link for %(subject)s"),
        "invitation.revoked": _("Revoked the invitation of %(subject)s"),
        "team.created": _("Created the team %(subject)s (%(function)s)"),
        "team.changed": _("Changed the team %(subject)s: %(function)s, lead %(lead)s, members %(members)s"),
        "key.created": _("Created the key %(subject)s: %(scopes)s"),
        "key.revoked": _("Revoked the key %(subject)s"),
    }
)
