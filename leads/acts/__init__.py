"""What a person (or a key's service user) does to one lead: one function each, used alike by pages, API and scripts.

Every act takes ``lead_id``, ``by`` and ``now`` inside the tenant's scope. It locks the lead, checks right, hands and stage,
writes what it is about, moves the lead and runs the pipeline, all in the transaction of the scope.

Every act raises LeadNotFound (404), NotAllowed and NotYourLead (403), MoveNotAllowed (409, saying in which stages it is
possible); what an act raises beside these stands at the act.
"""

from leads.acts.moving import disqualify, nurture, promote, reopen
from leads.acts.owning import assign, claim, release
from leads.acts.qualifying import assess, hand_over, log_attempt
from leads.acts.selling import accept, lose, reject, win

__all__ = [
    "accept",
    "assess",
    "assign",
    "claim",
    "disqualify",
    "hand_over",
    "log_attempt",
    "lose",
    "nurture",
    "promote",
    "reject",
    "release",
    "reopen",
    "win",
]
