"""The tabs of the settings: apps put their pages there, a person sees those that their roles may open."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenancy.models import Membership
from tenancy.rights import RIGHTS, may


@dataclass(frozen=True, kw_only=True)
class SettingsPage:
    """One tab. ``url_name`` takes only the slug and is how templates name the current one; ``right`` is a row of the rights."""

    url_name: str
    label: Promise | str
    icon: str
    right: str
    order: int


_pages: dict[str, SettingsPage] = {}


def register_settings_page(page: SettingsPage) -> None:
    """Add a tab, when an app is ready. Raises KeyError for an unknown right."""
    RIGHTS[page.right]
    _pages[page.url_name] = page


def get_settings_page(url_name: str) -> SettingsPage:
    """The tab of this name; KeyError for none."""
    return _pages[url_name]


def list_settings_pages(*, member: Membership) -> list[SettingsPage]:
    """The tabs that a member may open, in order."""
    return sorted(
        (page for page in _pages.values() if may(member, page.right)),
        key=lambda page: (page.order, page.url_name),
    )


for _page in (
    SettingsPage(url_name="members", label=_("Members"), icon="users", right="member.manage", order=10),
    SettingsPage(url_name="teams", label=_("Teams"), icon="users-group", right="team.manage", order=20),
    SettingsPage(url_name="keys", label=_("API keys"), icon="key", right="key.manage", order=70),
    SettingsPage(url_name="audit", label=_("Audit log"), icon="history", right="audit.read", order=90),
):
    register_settings_page(_page)
