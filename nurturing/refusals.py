"""Who may not be written to, and why. Asked before a lead is enrolled, before each step, and again before a message leaves.

A lead who never said anything about a purpose may be written to (the tenant answers for its legitimate interest); one whose
every basis for it was withdrawn may not.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nurturing.models import Suppression


class Refusal(StrEnum):
    """Why a lead gets no mail; the first that holds."""

    DISQUALIFIED = "disqualified"
    UNSUBSCRIBED = "unsubscribed"
    NO_EMAIL = "no_email"
    SUPPRESSED = "suppressed"

    @property
    def label(self) -> Promise:
        """The reason in words."""
        return _LABELS[self]


_LABELS: Final = {
    Refusal.DISQUALIFIED: _("The lead is disqualified"),
    Refusal.UNSUBSCRIBED: _("The lead has unsubscribed"),
    Refusal.NO_EMAIL: _("The lead has no e-mail"),
    Refusal.SUPPRESSED: _("The address gets no mail"),
}


def hash_email(email: str) -> str:
    """How an address is remembered that gets no mail: SHA-256 of the normalised address."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def list_refusals(*, lead_ids: Sequence[int], purpose: str) -> dict[int, Refusal]:
    """Those of these leads that may not be written to for a purpose; two queries, whatever their number."""
    if not lead_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, {"leads": list(lead_ids), "purpose": purpose})
        rows = cursor.fetchall()
    hashes = {hash_email(email): lead_id for lead_id, _stage, email, _withdrawn in rows if email}
    suppressed = {
        hashes[email_hash]
        for email_hash in Suppression.objects.filter(email_hash__in=list(hashes)).values_list(
            "email_hash", flat=True
        )
    }
    refusals = {
        lead_id: _refusal(stage, email, withdrawn is True, lead_id in suppressed)
        for lead_id, stage, email, withdrawn in rows
    }
    return {lead_id: refusal for lead_id, refusal in refusals.items() if refusal is not None}


def _refusal(stage: str, email: str | None, is_withdrawn: bool, is_suppressed: bool) -> Refusal | None:
    if stage == "disqualified":
        return Refusal.DISQUALIFIED
    if is_withdrawn:
        return Refusal.UNSUBSCRIBED
    if email is None:
        return Refusal.NO_EMAIL
    return Refusal.SUPPRESSED if is_suppressed else None


# Null where the lead never said anything about the purpose.
_STANDINGS: Final = """
SELECT lead.id, state.stage, lead.email,
       (SELECT bool_and(consent.withdrawn_at IS NOT NULL) FROM leads_consent consent
        WHERE consent.lead_id = lead.id AND consent.purpose = %(purpose)s)
FROM leads_lead lead JOIN leads_leadstate state ON state.lead_id = lead.id
WHERE lead.id = ANY(%(leads)s::bigint[])
"""
