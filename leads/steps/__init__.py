"""The hub's steps of the pipeline, as LEAD_PIPELINE names them, and what they need to be known by every process."""

from core.due import register_due_kind
from core.notifications import register_notification_kind
from core.webhooks.events import register_event_type
from leads.steps.advance import GATES_DUE, advance
from leads.steps.announce import EVENT_TYPES, announce
from leads.steps.identify import identify
from leads.steps.notify import NOTICES, notify

__all__ = ["advance", "announce", "identify", "notify", "register_steps"]


def register_steps() -> None:
    """Say what comes due for gates, whom the steps tell and what endpoints may be told. Call it when the app is ready."""
    register_due_kind(GATES_DUE)
    for kind in NOTICES:
        register_notification_kind(kind)
    for event_type in EVENT_TYPES:
        register_event_type(event_type)
