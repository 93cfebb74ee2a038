"""The list component: what ``components/list.html`` draws and what a view has to say for it.

A view reads ``q``, ``order`` and ``cursor`` from the address, asks a selector for one page of rows, describes the list with
``Listing`` and answers with ``render_listing``: the whole page, or for HTMX only the rows with what depends on them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.formats import number_format
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext as _

Text = str | Promise

SEARCH: Final = "q"
ORDER: Final = "order"
CURSOR: Final = "cursor"
VIEW: Final = "view"
ROWS_TEMPLATE: Final = "components/list_swapped.html"
COLUMNS_TEMPLATE: Final = "components/list_columns.html"

# A list's count is exact to as many; beyond, people are told that there are more.
COUNTED_TO: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    The cell shows ``template`` (which sees ``row`` and ``column``), else ``value(row)``, else the row's attribute or key
    named ``key``. ``sort`` is the name used in ``order``. On a phone a row is a card: its title, a line without label under
    it, pairs of label and value, or hidden there. ``plain`` is what it says of a row in a file: a text, number or time.
    """

    key: str
    label: Text
    sort: str = ""
    descending_first: bool = False
    end: bool = False
    template: str = ""
    value: Callable[[Any], object] | None = None
    plain: Callable[[Any], object] | None = None
    card: Literal["title", "line", "pair", "hidden"] = "pair"


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many rows match: exact, or at least that many."""

    value: int
    exact: bool = True

    @classmethod
    def up_to(cls, number: int, *, limit: int = COUNTED_TO) -> "Count":
        """Of a number that was counted to one more than the limit."""
        return cls(value=min(number, limit), exact=number <= limit)


def count_rows(rows: QuerySet[Any, Any], *, limit: int = COUNTED_TO) -> Count:
    """How many rows there are, counted no further than one past the limit."""
    return Count.up_to(rows.order_by().values("pk")[: limit + 1].count(), limit=limit)


@dataclass(frozen=True, kw_only=True)
class FilterChip:
    """A filter that is on, in words; removing it drops ``without`` from the address or replaces parts of it."""

    label: Text
    without: Sequence[str] = ()
    replace: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EmptyState:
    """What an empty list says, and the button that fills it."""

    title: Text
    text: Text = ""
    icon: str = "mood-empty"
    act_label: Text = ""
    act_url: str = ""


@dataclass(frozen=True, kw_only=True)
class ListError:
    """Why there are no rows to show, and what to do about it."""

    title: Text
    text: Text


def too_slow() -> ListError:
    """A filter that the database gave up on after its time limit."""
    return ListError(
        title=_("This filter takes too long"),
        text=_("Add a filter that narrows the list first, such as a stage or an owner, and try again."),
    )


@dataclass(frozen=True, kw_only=True)
class Head:
    """A column's heading: where a click leads and what the order is now."""

    column: Column
    url: str
    direction: Literal["ascending", "descending", ""]


@dataclass(frozen=True, kw_only=True)
class ActiveChip:
    label: Text
    url: str


@dataclass(frozen=True, kw_only=True)
class ViewLink:
    """One view in the menu of a list."""

    name: str
    url: str
    is_current: bool = False
    is_shared: bool = False
    is_default: bool = False


@dataclass(frozen=True, kw_only=True)
class ViewMenu:
    """The views of a list: those to choose from, and what can be done with the one that is open (``name``, empty for none).

    ``everything`` is what the address must say where the list opens with a view and shall not; ``narrows`` says that the open
    view shows less than everything. ``save_url`` is empty where the open view is not this person's to change.
    """

    links: Sequence[ViewLink]
    name: str
    everything_url: str
    everything: str
    narrows: bool
    is_changed: bool
    save_url: str
    new_url: str
    manage_url: str


@dataclass(frozen=True, kw_only=True)
class ColumnMenu:
    """The columns to choose from, in order: each with whether it is shown, and whether it always is."""

    options: Sequence[tuple[Column, bool, bool]]
    view_name: str = ""
    is_for_everyone: bool = False


@dataclass(frozen=True, kw_only=True)
class MarkAct:
    """What can be done with marked rows: its page takes ``ids`` (apart by commas), or what narrows the list."""

    label: Text
    icon: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Marking:
    """Rows that can be marked. ``row_id`` and ``row_name`` of a row; ``acts`` are offered as soon as one is marked."""

    row_id: Callable[[Any], int]
    row_name: Callable[[Any], str]
    acts: Sequence[MarkAct]


@dataclass(frozen=True, kw_only=True)
class ListTabs:
    """Links above a list to other parts of it, each with its label, address and whether it is the one shown."""

    label: Text
    links: Sequence[tuple[Text, str, bool]]


@dataclass(frozen=True, kw_only=True)
class ListSwitch:
    """A link above a list that narrows it in one way, or no longer does."""

    label: Text
    icon: str
    url: str
    is_on: bool


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One list on one page.

    ``key`` names it within the page. ``heading``, ``tabs`` and ``switch`` stand outside of the rows and follow them when they are
    swapped (``components/list_heading.html``, ``list_tabs.html``, ``list_switch.html``). ``words`` puts a number into words
    ("12 leads").
    ``search_hint`` is said where a search finds nothing. ``filter_template`` draws the fields of the filter panel inside a
    GET form, asked for when the panel is opened: what only they need is given as functions. ``filter_parameters`` are its
    parameters. ``next_cursor`` and ``previous_cursor`` are opaque. ``address`` is what the list shows where that is more than
    its request says, because a view is open (see ``core.saved_views``); ``everything_label`` is what it shows without one.
    ``columns_url`` takes the columns that were chosen from ``column_menu``; ``export_url`` is the page that takes the list
    out as a file, for those who may.
    """

    key: str
    request: HttpRequest
    columns: Sequence[Column]
    rows: Sequence[Any]
    words: Callable[[int], str]
    count: Count | None = None
    order: str = ""
    next_cursor: str | None = None
    previous_cursor: str | None = None
    search_label: Text = ""
    search_hint: Text = ""
    chips: Sequence[FilterChip] = ()
    filter_template: str = ""
    filter_parameters: Sequence[str] = ()
    toolbar_template: str = ""
    empty: EmptyState | None = None
    error: ListError | None = None
    caption: Text = ""
    heading: Text = ""
    tabs: ListTabs | None = None
    switch: ListSwitch | None = None
    address: QueryDict | None = None
    views: ViewMenu | None = None
    everything_label: Text = ""
    column_menu: Callable[[], ColumnMenu] | None = None
    columns_url: str = ""
    marking: Marking | None = None
    export_url: str = ""

    @property
    def columns_id(self) -> str:
        """Of the place in the panel of the columns for what can be chosen, which comes when it is opened."""
        return f"{self.key}-columns-fields"

    @property
    def rows_id(self) -> str:
        return f"{self.key}-rows"

    @property
    def state_id(self) -> str:
        return f"{self.key}-state"

    @property
    def filter_id(self) -> str:
        """Of the place in the filter panel for its fields, which come when it is opened."""
        return f"{self.key}-filter-fields"

    @property
    def search(self) -> str:
        return self._query.get(SEARCH, "")

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def url(self) -> str:
        """The address of this page of the list, without empty parts."""
        return self.url_with({})

    @cached_property
    def heads(self) -> list[Head]:
        """The headings in order, with the address that sorts by them."""
        return [self._head(column) for column in self.columns]

    @cached_property
    def active_chips(self) -> list[ActiveChip]:
        return [
            ActiveChip(
                label=chip.label, url=self.url_with({**dict.fromkeys(chip.without, ""), **chip.replace})
            )
            for chip in self.chips
        ]

    @property
    def next_url(self) -> str:
        return self.url_with({CURSOR: self.next_cursor}, keep_cursor=True) if self.next_cursor else ""

    @property
    def previous_url(self) -> str:
        return self.url_with({CURSOR: self.previous_cursor}, keep_cursor=True) if self.previous_cursor else ""

    @property
    def clear_url(self) -> str:
        """The address without search and filters."""
        dropped = {name for chip in self.chips for name in (*chip.without, *chip.replace)}
        return self.url_with(dict.fromkeys({SEARCH, *self.filter_parameters, *dropped}, ""))

    @property
    def is_narrowed(self) -> bool:
        """Whether rows may be missing only because of the search or a filter."""
        return bool(self.search or self.chips)

    @property
    def state(self) -> list[tuple[str, str]]:
        """The parameters of the address that forms on the page have to carry along."""
        return [
            (name, value)
            for name, values in self._query.lists()
            for value in values
            if value and name != CURSOR
        ]

    @property
    def view(self) -> str:
        """The view that is open, whether the address says so or the list opens with it; empty for none."""
        return self._query.get(VIEW, "")

    @property
    def narrowing(self) -> str:
        """What the address says of the list but for its page and view, encoded."""
        said = QueryDict(mutable=True)
        said.update({name: value for name, value in self.state if name != VIEW})
        return said.urlencode()

    @property
    def count_id(self) -> str:
        """The element of the count, which is asked for by itself while it is still to come."""
        return f"{self.key}-count"

    @property
    def is_count_to_come(self) -> bool:
        """Whether the rows were not counted as far as people are told, since that takes longer than to find a page of them."""
        return self.count is not None and not self.count.exact and self.count.value < COUNTED_TO

    @property
    def count_text(self) -> str:
        """ "12 leads", "more than 1,000 leads", or nothing when nobody counted."""
        if self.count is None:
            return ""
        words = self.words(self.count.value)
        return words if self.count.exact else _("more than %(words)s") % {"words": words}

    def url_with(self, changes: Mapping[str, str | None], *, keep_cursor: bool = False) -> str:
        """The address with some parameters replaced (dropped where empty); another order or filter begins at the first page."""
        query = QueryDict(mutable=True)
        for name, values in self._query.lists():
            if name not in changes and (name != CURSOR or keep_cursor or not changes):
                query.setlist(name, [value for value in values if value])
        for name, value in changes.items():
            if value:
                query[name] = value
        if self.views and changes and set(query) <= {VIEW} and self.views.narrows:
            # Nothing of the view is left, and its name alone would mean all of it.
            query = QueryDict(f"{VIEW}={self.views.everything}" if self.views.everything else "")
        encoded = query.urlencode()
        return f"{self.path}?{encoded}" if encoded else self.path

    @property
    def _query(self) -> QueryDict:
        return self.request.GET if self.address is None else self.address

    def _head(self, column: Column) -> Head:
        if not column.sort:
            return Head(column=column, url="", direction="")
        ascending, descending = column.sort, f"-{column.sort}"
        if self.order == ascending:
            return Head(column=column, url=self.url_with({ORDER: descending}), direction="ascending")
        if self.order == descending:
            return Head(column=column, url=self.url_with({ORDER: ascending}), direction="descending")
        first = descending if column.descending_first else ascending
        return Head(column=column, url=self.url_with({ORDER: first}), direction="")


def show_number(number: int) -> str:
    """A whole number as the reader writes it: 1,000 or 1.000."""
    return number_format(number, use_l10n=True, force_grouping=True)


def render_listing(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, listing: Listing
) -> HttpResponse:
    """The page that shows a list (as ``listing``), or what HTMX asked for: its rows, or what is in a panel."""
    shown = {**context, "listing": listing}
    if listing.filter_template and request.headers.get("HX-Target") == listing.filter_id:
        response = render(request, listing.filter_template, shown)
    elif listing.column_menu and request.headers.get("HX-Target") == listing.columns_id:
        response = render(request, COLUMNS_TEMPLATE, {"listing": listing, "menu": listing.column_menu()})
    elif wants_rows(request, listing):
        response = render(request, ROWS_TEMPLATE, shown)
        response["HX-Push-Url"] = listing.url
    else:
        response = render(request, template, shown)
    # The same address gives a page or a fragment; a cache must not mix them up.
    patch_vary_headers(response, ["HX-Request"])
    return response


def wants_rows(request: HttpRequest, listing: Listing) -> bool:
    """Whether HTMX asked for the rows of this list alone."""
    headers = request.headers
    return headers.get("HX-Target") == listing.rows_id and headers.get("HX-History-Restore-Request") != "true"
