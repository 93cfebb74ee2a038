"""The navigation on the left: apps put their pages into it, a person sees those that their roles may open.

An app calls ``register_navigation`` in ``AppConfig.ready()``; the frame draws what ``build_navigation`` gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import connection
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenancy.models import Membership, Tenant
from tenancy.rights import RIGHTS, may

Text = str | Promise
Section = Literal["work", "marketing", "operations"]
BadgeTone = Literal["alarm", "act", "quiet"]

# One more than a badge shows: it says 99+ then.
MOST: Final = 100
# In the order of the page; the section of the daily work needs no heading.
SECTIONS: Final[dict[Section, Text]] = {
    "work": "",
    "marketing": _("Marketing"),
    "operations": _("Operations"),
}


@dataclass(frozen=True, kw_only=True)
class Badge:
    """What needs me: a count and how loud it is; ``label`` is read out ("14 leads wait")."""

    count: int
    tone: BadgeTone = "act"
    label: Text = ""


@dataclass(frozen=True, kw_only=True)
class BadgeSource:
    """What a badge counts: ``rows`` gives for a member one or several sets of rows, ``draw`` makes the badge of their numbers.

    All badges of a page are counted in one statement, each set to ``MOST`` rows: an index should lead to them.
    """

    rows: Callable[[Membership], Sequence[QuerySet[Any, Any]]]
    draw: Callable[[Sequence[int]], Badge]


@dataclass(frozen=True, kw_only=True)
class NavigationItem:
    """One entry.

    ``url_name`` is reversed with the tenant's slug; ``right`` is a row of the rights table; ``badge`` is counted while a whole
    page is drawn, inside the tenant's scope; 0 draws nothing.
    """

    key: str
    label: Text
    icon: str
    url_name: str
    section: Section
    right: str
    order: int = 100
    badge: BadgeSource | None = None


@dataclass(frozen=True, kw_only=True)
class NavigationLink:
    """An item as one person sees it on one page."""

    item: NavigationItem
    url: str
    is_current: bool
    badge: Badge | None


@dataclass(frozen=True, kw_only=True)
class NavigationSection:
    key: Section
    label: Text
    links: Sequence[NavigationLink]


class NavigationTaken(ValueError):
    """Two items have the same key."""


_items: dict[str, NavigationItem] = {}


def register_navigation(item: NavigationItem) -> None:
    """Add an item; raises KeyError for an unknown right and NavigationTaken for a key that is in use."""
    RIGHTS[item.right]
    if _items.get(item.key, item) != item:
        raise NavigationTaken(item.key)
    _items[item.key] = item


def list_navigation() -> list[NavigationItem]:
    """Every item of every app, in the order of the page."""
    places = list(SECTIONS)
    return sorted(_items.values(), key=lambda item: (places.index(item.section), item.order, item.key))


def build_navigation(*, tenant: Tenant, member: Membership, path: str) -> list[NavigationSection]:
    """The sections that this member may see; the item whose address is the longest beginning of ``path`` is current."""
    allowed = [item for item in list_navigation() if may(member, item.right)]
    urls = {item.key: reverse(item.url_name, kwargs={"slug": tenant.slug}) for item in allowed}
    current, badges = _current_key(urls, path), count_badges(allowed, member)
    links = [
        NavigationLink(
            item=item, url=urls[item.key], is_current=item.key == current, badge=badges.get(item.key)
        )
        for item in allowed
    ]
    sections = [
        NavigationSection(key=key, label=label, links=[link for link in links if link.item.section == key])
        for key, label in SECTIONS.items()
    ]
    return [section for section in sections if section.links]


def _current_key(urls: dict[str, str], path: str) -> str | None:
    # The tenant's home begins every address of the tenant, so it is current only when it is the page itself.
    matches = [
        key for key, url in urls.items() if path == url or (path.startswith(url) and url.count("/") > 3)
    ]
    return max(matches, key=lambda key: len(urls[key]), default=None)


def count_badges(items: Sequence[NavigationItem], member: Membership) -> dict[str, Badge]:
    """The badges that say something, by the key of their items; one query for all of them, none where there are none."""
    sources = {item.key: item.badge for item in items if item.badge}
    counted = {
        key: [rows.order_by().values("pk") for rows in each.rows(member)] for key, each in sources.items()
    }
    parts = [rows[:MOST].query.sql_with_params() for sets in counted.values() for rows in sets]
    if not parts:
        return {}
    columns = ", ".join(f"(SELECT count(*) FROM ({sql}) AS counted)" for sql, _parameters in parts)  # noqa: S608 - the ORM's
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}", [value for _sql, parameters in parts for value in parameters])
        numbers = iter(cursor.fetchone())
    badges = {key: sources[key].draw([next(numbers) for _rows in sets]) for key, sets in counted.items()}
    return {key: badge for key, badge in badges.items() if badge.count}
