"""Nurturing's doors for Celery."""

from typing import Final

from django.utils import timezone

from core.tasks import system_task
from nurturing.sending import Sender, configured_carrier

# One a process: it remembers that a mail server was away.
_SENDER: Final = Sender()


@system_task(name="nurturing.send")
def send_messages() -> None:
    """Send or keep the messages that are due, in every tenant, for about a second."""
    _SENDER.take_turn(carrier=configured_carrier(), clock=timezone.now)
