"""The hub's steps of the pipeline, as LEAD_PIPELINE names them."""

from leads.steps.advance import advance
from leads.steps.announce import announce
from leads.steps.identify import identify
from leads.steps.notify import notify

__all__ = ["advance", "announce", "identify", "notify"]
