"""What goes out of the tables of sequences."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from leads.takeout.tables import TakenTable

TAKEN: Final = (
    TakenTable(
        model="nurturing.Enrollment",
        file="enrollments",
        about=_("Leads in sequences"),
        columns=(
            *("id", "lead_id", "sequence", "version_id", "purpose", "state", "step", "next_at"),
            *("entered_at", "entered_by_id", "ended_at", "exit_reason"),
        ),
    ),
    TakenTable(
        model="nurturing.Message",
        file="messages",
        about=_("Messages"),
        columns=(
            *("id", "lead_id", "enrollment_id", "step", "purpose", "state", "language", "to_email"),
            *("from_name", "reply_to", "subject", "body_html", "body_text", "message_id", "queued_at"),
            *("due_at", "attempts", "ended_at", "error"),
        ),
        withheld={
            "token": "Who has it can unsubscribe the person.",
            "attempt": "Of the attempt that is under way.",
        },
    ),
    TakenTable(
        model="nurturing.Suppression",
        file="suppressions",
        about=_("Hashes of addresses that get no mail"),
        columns=("id", "email_hash", "reason", "at"),
        notes={"email_hash": "SHA-256 of the address in lower case."},
    ),
)
