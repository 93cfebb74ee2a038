"""Who may do what: the one table. Pages, acts and the tests are generated from it.

On which leads a member may do it is said in ``leads.ownership``.
"""

from collections.abc import Iterable
from typing import Final

from django.utils.translation import gettext_lazy as _

from tenancy.errors import Forbidden
from tenancy.models import MemberKind, Membership, Role

ADMIN, MANAGER, MARKETING, SDR, SALES, VIEWER = (
    Role.ADMIN,
    Role.MANAGER,
    Role.MARKETING,
    Role.SDR,
    Role.SALES,
    Role.VIEWER,
)
EVERYONE: Final = frozenset({ADMIN, MANAGER, MARKETING, SDR, SALES, VIEWER})
STAFF: Final = EVERYONE - {VIEWER}

RIGHTS: Final[dict[str, frozenset[Role]]] = {
    "home.read": EVERYONE,
    "lead.read": EVERYONE,
    "lead.create": STAFF,
    "lead.edit": STAFF,
    # Notes and tasks on any lead: colleagues tell each other what they know.
    "note.write": STAFF,
    "task.write": STAFF,
    "company.edit": STAFF,
    # See who may be the same person, make one lead of two, take them apart again.
    "lead.merge": frozenset({ADMIN, MANAGER, MARKETING}),
    # Promote, nurture, disqualify, reopen.
    "lead.move": STAFF,
    "lead.assign": frozenset({ADMIN, MANAGER}),
    # Log attempts, assess, hand over; overriding missing answers is a manager's.
    "lead.qualify": frozenset({ADMIN, MANAGER, SDR}),
    "lead.override": frozenset({ADMIN, MANAGER}),
    # Accept, reject, win, lose.
    "lead.sell": frozenset({ADMIN, MANAGER, SALES}),
    "queue.work": frozenset({ADMIN, MANAGER, SDR}),
    "inbox.work": frozenset({ADMIN, MANAGER, SALES}),
    "opportunity.read": EVERYONE,
    "funnel.read": EVERYONE,
    # How the teams stand: clocks and load by person.
    "team.oversee": frozenset({ADMIN, MANAGER}),
    # Into a sequence and out of it by hand.
    "lead.enroll": frozenset({ADMIN, MANAGER, MARKETING}),
    "outbox.read": frozenset({ADMIN, MANAGER, MARKETING}),
    # Send a message again that failed, or of which nobody knows whether it left.
    "outbox.send": frozenset({ADMIN, MARKETING}),
    # Bring leads and outcomes from files, with stage and owners.
    "import.run": frozenset({ADMIN, MARKETING}),
    # Let others see a view of a list that one has made; change and delete those of others.
    "view.share": frozenset({ADMIN, MANAGER, MARKETING}),
    "view.manage": frozenset({ADMIN, MANAGER}),
    # Take leads out as a file.
    "lead.export": frozenset({ADMIN, MANAGER, MARKETING}),
    "form.read": frozenset({ADMIN, MANAGER, MARKETING}),
    # Make, change, open and close forms; take what was sent out of spam.
    "form.edit": frozenset({ADMIN, MARKETING}),
    "campaign.read": frozenset({ADMIN, MANAGER, MARKETING}),
    # Make and change campaigns, note what they cost.
    "campaign.edit": frozenset({ADMIN, MARKETING}),
    "rules.read": EVERYONE,
    "rules.publish": frozenset({ADMIN, MARKETING}),
    "held.resolve": frozenset({ADMIN}),
    "notification.read": EVERYONE,
    # Erase a person with proof, give out what is stored of one.
    "person.erase": frozenset({ADMIN, MANAGER}),
    # Take everything along as one file.
    "data.export": frozenset({ADMIN}),
    # Set how long what is kept.
    "data.retain": frozenset({ADMIN}),
    "field.manage": frozenset({ADMIN}),
    "reason.manage": frozenset({ADMIN}),
    # Calendars and clocks.
    "time.manage": frozenset({ADMIN}),
    "webhook.manage": frozenset({ADMIN}),
    "member.manage": frozenset({ADMIN}),
    "team.manage": frozenset({ADMIN, MANAGER}),
    # Rename, put together and delete tags.
    "tag.manage": frozenset({ADMIN, MANAGER, MARKETING}),
    "key.manage": frozenset({ADMIN}),
    "audit.read": frozenset({ADMIN}),
}


class NotAllowed(Forbidden):
    """The person's roles do not include this act."""


def may(member: Membership, right: str) -> bool:
    """Whether a member may do something; unknown rights raise KeyError, so a typing mistake cannot open a door."""
    allowed = RIGHTS[right]
    if member.kind == MemberKind.SERVICE:
        # The key's scopes were checked at the door; inside, a service user acts as a manager.
        return Role.MANAGER in allowed
    return member.is_active and any(role in allowed for role in member.roles)


def require(member: Membership, right: str) -> None:
    """Raise NotAllowed unless the member may do this."""
    if not may(member, right):
        raise NotAllowed(_("Your roles do not include this. Ask an administrator."))


def refuse_administrators(*, by: Membership | None, roles: Iterable[str]) -> None:
    """Raise NotAllowed where a key would make, change or let in somebody whose roles may make keys."""
    if by is not None and by.kind == MemberKind.SERVICE and RIGHTS["key.manage"].intersection(roles):
        raise NotAllowed(_("Administrators are invited and changed by an administrator, never by a key."))
