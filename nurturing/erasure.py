"""What the tables of sequences hold of a person."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from leads.erasure.holdings import Holding

MESSAGES: Final = Holding(
    model="nurturing.Message",
    label=_("Messages"),
    lead="lead",
    empty={"to_email": "", "subject": "", "body_html": "", "body_text": "", "error": ""},
    plain=("step", "purpose", "from_name", "reply_to", "message_id", "token"),
)
