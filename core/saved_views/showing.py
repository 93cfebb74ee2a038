"""What an address of a list shows: as it stands there, as a view says, with which columns.

``?view=7`` alone shows the view; with anything that narrows the list beside it the address says what is shown, and the view is
the one that was changed. ``?view=all`` is everything, for those whose list opens with a view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from core.models import ListPreference, SavedView
from core.saved_views.kinds import ListKind
from core.saved_views.services import NO_VIEW, list_views, may_change
from tenancy.listing import CURSOR, VIEW, Column, ColumnMenu, Listing, ViewLink, ViewMenu
from tenancy.models import Membership
from tenancy.rights import may

EVERYTHING: Final = "all"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A list as one address shows it: ``address`` is complete, whatever it left to a view."""

    kind: ListKind
    member: Membership
    slug: str
    address: QueryDict
    parameters: Mapping[str, str]
    view: SavedView | None
    views: Sequence[SavedView]
    preference: ListPreference | None

    @property
    def given(self) -> dict[str, str]:
        """What narrows and orders the list, and the place in it."""
        cursor = self.address.get(CURSOR, "")
        return {**self.parameters, **({CURSOR: cursor} if cursor else {})}

    @property
    def is_changed(self) -> bool:
        """Whether the view that is open is shown otherwise than it was kept."""
        return self.view is not None and dict(self.parameters) != self.view.parameters

    def column_keys(self) -> list[str]:
        """The keys of the columns to be shown: one's own choice, else the view's, else one's own for the list, else the usual."""
        chosen = self.preference.columns if self.preference else {}
        mine = chosen.get(str(self.view.pk)) if self.view else None
        of_view = self.view.columns if self.view else None
        return list(mine or of_view or chosen.get(NO_VIEW) or self.kind.usual(self.parameters))

    def pick(self, columns: Sequence[Column]) -> list[Column]:
        """Those of all columns that are shown; a chosen one that is gone is left out."""
        by_key = {column.key: column for column in columns}
        return [by_key[key] for key in self.column_keys() if key in by_key] or list(columns[:1])

    def menu(self) -> ViewMenu:
        """The views to choose from, and what can be done with the one that is open."""
        listed = reverse(self.kind.url_name, kwargs={"slug": self.slug})
        pages = {"slug": self.slug, "kind": self.kind.key}
        default = self.preference.opens_with_id if self.preference else None
        everything = f"{listed}?{VIEW}={EVERYTHING}" if default else listed
        is_mine = self.view is not None and may_change(view=self.view, member=self.member)
        return ViewMenu(
            links=[
                ViewLink(
                    name=view.name,
                    url=f"{listed}?{VIEW}={view.pk}",
                    is_current=view == self.view,
                    is_shared=view.sharing != SavedView.Sharing.ME,
                    is_default=view.pk == default,
                )
                for view in self.views
            ],
            name=self.view.name if self.view else "",
            everything_url=everything,
            everything=EVERYTHING if default else "",
            narrows=bool(self.view and self.view.parameters),
            is_changed=self.is_changed,
            save_url=reverse("view-save", kwargs={**pages, "view_id": self.view.pk})
            if self.view and is_mine
            else "",
            new_url=reverse("view-new", kwargs=pages),
            manage_url=reverse("view-list", kwargs=pages),
        )

    def complete(self, listing: Listing, columns: Sequence[Column]) -> Listing:
        """A list with what all lists of a kind have: its views, the choice among all ``columns``, the way out as a file."""
        pages = {"slug": self.slug, "kind": self.kind.key}
        exports = may(self.member, self.kind.file.right)
        return replace(
            listing,
            columns=self.pick(columns),
            address=self.address,
            views=self.menu(),
            column_menu=partial(self.column_menu, columns),
            columns_url=reverse("list-columns", kwargs=pages),
            export_url=reverse("export-new", kwargs=pages) if exports else "",
        )

    def column_menu(self, columns: Sequence[Column]) -> ColumnMenu:
        """All columns to choose from: those that are shown, in their order, then the others."""
        keys = self.column_keys()
        by_key = {column.key: column for column in columns}
        order = [key for key in keys if key in by_key]
        order += [column.key for column in columns if column.key not in keys]
        shares = self.view is not None and self.view.sharing != SavedView.Sharing.ME
        return ColumnMenu(
            options=[(by_key[key], key in keys, key == columns[0].key) for key in order],
            view_name=self.view.name if self.view else "",
            is_for_everyone=shares
            and self.view is not None
            and may_change(view=self.view, member=self.member),
        )


def read_shown(*, request: HttpRequest, kind: ListKind, member: Membership, slug: str) -> Shown:
    """What the address of a request shows of a list. Three queries at most."""
    given = request.GET
    views = list_views(kind=kind, member=member)
    preference = ListPreference.objects.filter(member=member, kind=kind.key).first()
    default = preference.opens_with_id if preference else None
    wanted = given.get(VIEW, "")
    if not wanted and default and not any(name in given for name in kind.parameters):
        wanted = str(default)
    view = next((each for each in views if str(each.pk) == wanted), None)
    says_itself = any(name in given for name in kind.parameters)
    stated = {name: given.get(name, "").strip() for name in kind.parameters}
    parameters = view.parameters if view and not says_itself else {k: v for k, v in stated.items() if v}
    address = QueryDict(mutable=True)
    if view is not None:
        address[VIEW] = str(view.pk)
    elif default:
        address[VIEW] = EVERYTHING
    for name, value in parameters.items():
        address[name] = value
    if given.get(CURSOR):
        address[CURSOR] = given[CURSOR]
    return Shown(
        kind=kind,
        member=member,
        slug=slug,
        address=address,
        parameters=parameters,
        view=view,
        views=views,
        preference=preference,
    )
