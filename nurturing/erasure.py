"""What the tables of sequences hold of a person."""

from typing import Final

from leads.erasure.holdings import Holding

MESSAGES: Final = Holding(
    model="nurturing.Message",
    lead="lead",
    empty={"to_email": "", "subject": "", "body_html": "", "body_text": "", "error": ""},
    plain=("step", "purpose", "from_name", "reply_to", "message_id", "token"),
)
