"""What retention takes of messages, and which leads sequences keep from it."""

from typing import Any, Final

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from leads.retention.kinds import RetentionKind, register_keeper, register_retention
from nurturing.models import OPEN_MESSAGE_STATES, Enrollment, EnrollmentState, Message

EMPTY: Final = {"body_html": "", "body_text": ""}


def _in_sequence() -> Any:
    return Exists(Enrollment.objects.filter(lead=OuterRef("pk"), state=EnrollmentState.ACTIVE))


def _old_messages(before: Any) -> Any:
    """Bodies of messages that are over, as far as they are there."""
    over = Message.objects.filter(ended_at__lt=before).filter(~Q(body_html="", body_text=""))
    return over.filter(~Q(state__in=OPEN_MESSAGE_STATES))


def _empty(keys: Any, _now: Any) -> None:
    Message.objects.filter(pk__in=list(keys)).update(**EMPTY)


def register_message_retention() -> None:
    """Called once, when the app is ready."""
    register_keeper("sequences", _in_sequence)
    register_retention(
        RetentionKind(
            key="messages",
            label=_("Texts of messages"),
            about=_("Of messages that were sent, the text is emptied; to whom, when and which step stays."),
            find=_old_messages,
            take=_empty,
            order=60,
        )
    )
