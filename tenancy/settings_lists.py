"""The lists of the administrator's pages: people, who is invited, keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tenancy.invitations import State
from tenancy.listing import Column, Count, EmptyState, Listing
from tenancy.models import ApiKey, Invitation, Membership
from tenancy.requests import TenantRequest

MEMBERS: Final = "tenancy/members.html"
KEYS: Final = "tenancy/keys.html"


@dataclass(frozen=True)
class ShownKey:
    """A key and whether it works: works, expired, revoked."""

    key: ApiKey
    state: str


@dataclass(frozen=True)
class ShownInvitation:
    """An invitation and how its link stands."""

    invitation: Invitation
    state: State


def member_listing(request: TenantRequest, people: Sequence[Membership], *, order: str) -> Listing:
    """The people of the account."""
    page = MEMBERS
    return Listing(
        key="members",
        request=request,
        caption=_("Members"),
        columns=[
            Column(key="name", label=_("Name"), sort="name", template=f"{page}#name_cell", card="title"),
            Column(key="roles", label=_("Roles"), template=f"{page}#roles_cell"),
            Column(key="teams", label=_("Teams"), template=f"{page}#teams_cell"),
            Column(
                key="seen",
                label=_("Last sign-in"),
                sort="seen",
                descending_first=True,
                template=f"{page}#seen_cell",
            ),
            Column(key="joined_at", label=_("Joined"), sort="joined", template=f"{page}#joined_cell"),
        ],
        rows=people,
        words=lambda count: ngettext("%(count)s person", "%(count)s people", count) % {"count": count},
        count=Count(value=len(people)),
        order=order,
        search_label=_("Search by name, e-mail, role or team"),
    )


def invited_listing(request: TenantRequest, rows: Sequence[ShownInvitation]) -> Listing:
    """Who is invited and not here yet."""
    page = MEMBERS
    return Listing(
        key="invited",
        request=request,
        caption=_("Invited, not here yet"),
        columns=[
            Column(key="email", label=_("E-mail"), value=lambda row: row.invitation.email, card="title"),
            Column(key="roles", label=_("Roles"), template=f"{page}#invited_roles_cell"),
            Column(key="by", label=_("Invited by"), template=f"{page}#invited_by_cell"),
            Column(key="until", label=_("Link works until"), template=f"{page}#until_cell"),
            Column(key="acts", label=_("Acts"), template=f"{page}#acts_cell", end=True),
        ],
        rows=rows,
        words=lambda count: ngettext("%(count)s person", "%(count)s people", count) % {"count": count},
        count=Count(value=len(rows)),
    )


def key_listing(request: TenantRequest, rows: Sequence[ShownKey]) -> Listing:
    """The keys with what they may do."""
    page = KEYS
    return Listing(
        key="keys",
        request=request,
        caption=_("API keys"),
        columns=[
            Column(key="name", label=_("Name"), template=f"{page}#name_cell", card="title"),
            Column(key="scopes", label=pgettext("scopes of a key", "May"), template=f"{page}#scopes_cell"),
            Column(key="used", label=_("Last used"), template=f"{page}#used_cell"),
            Column(key="until", label=_("Works until"), template=f"{page}#until_cell"),
            Column(key="made", label=_("Made"), template=f"{page}#made_cell"),
            Column(key="acts", label=_("Acts"), template=f"{page}#acts_cell", end=True),
        ],
        rows=rows,
        words=lambda count: ngettext("%(count)s key", "%(count)s keys", count) % {"count": count},
        count=Count(value=len(rows)),
        empty=EmptyState(
            title=_("Connect a website or another system"),
            text=_("A key lets it send leads and events, or read them, by the API."),
            icon="key",
            act_label=_("Make the first key"),
            act_url=reverse("create_key", kwargs={"slug": request.tenant.slug}),
        ),
    )


def state_of_key(key: ApiKey, now: Any) -> str:
    """Whether a key works, has expired or was revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "works"
