"""The addresses and words of a list."""

from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import translation
from django.utils.translation import ngettext

from tenancy.listing import (
    Column,
    Count,
    EmptyState,
    FilterChip,
    Listing,
    render_listing,
    show_number,
    too_slow,
)

COLUMNS = [
    Column(key="name", label="Name", sort="name"),
    Column(key="score", label="Score", sort="score", descending_first=True, end=True),
    Column(key="stage", label="Stage"),
]


def words(count: int) -> str:
    return ngettext("%(n)s lead", "%(n)s leads", count) % {"n": show_number(count)}


def make_listing(address: str = "/t/a/leads/", *, htmx_target: str = "", **parts: Any) -> Listing:
    headers = {"HX-Request": "true", "HX-Target": htmx_target} if htmx_target else {}
    request = RequestFactory().get(address, headers=headers)
    usual: dict[str, Any] = {
        "key": "leads",
        "request": request,
        "columns": COLUMNS,
        "rows": [],
        "words": words,
    }
    return Listing(**usual | parts)


def page(listing: Listing) -> Any:
    return render_listing(listing.request, "components/list.html", {}, listing=listing)


def test_a_heading_sorts_its_own_way_first_and_the_other_way_next() -> None:
    name, score, stage = make_listing(order="-score").heads
    assert name.url == "/t/a/leads/?order=name"
    assert (score.url, score.direction) == ("/t/a/leads/?order=score", "descending")
    assert (stage.url, stage.direction) == ("", "")


def test_another_order_begins_at_the_first_page_and_keeps_search_and_filters() -> None:
    listing = make_listing("/t/a/leads/?q=ana&stage=mql&stage=sql&cursor=abc&empty=")
    assert listing.heads[0].url == "/t/a/leads/?q=ana&stage=mql&stage=sql&order=name"


def test_the_next_page_keeps_everything_but_the_cursor() -> None:
    listing = make_listing("/t/a/leads/?q=ana&cursor=abc", next_cursor="def")
    assert listing.next_url == "/t/a/leads/?q=ana&cursor=def"
    assert listing.previous_url == ""


def test_removing_a_chip_drops_its_parameters_only() -> None:
    chip = FilterChip(label="Stage is MQL", without=["stage"])
    listing = make_listing("/t/a/leads/?q=ana&stage=mql&cursor=abc", chips=[chip])
    assert listing.active_chips[0].url == "/t/a/leads/?q=ana"
    assert listing.clear_url == "/t/a/leads/"


def test_forms_carry_search_and_filters_along_but_never_the_cursor() -> None:
    listing = make_listing("/t/a/leads/?q=ana&order=name&cursor=abc")
    assert listing.state == [("q", "ana"), ("order", "name")]


@pytest.mark.parametrize(
    ("language", "count", "expected"),
    [
        ("en", Count(value=1), "1 lead"),
        ("en", Count(value=12), "12 leads"),
        ("en", Count(value=1000, exact=False), "more than 1,000 leads"),
        ("pt-br", Count(value=1000), "1.000 leads"),
    ],
)
def test_the_count_is_in_words_and_as_the_reader_writes_numbers(
    language: str, count: Count, expected: str
) -> None:
    with translation.override(language):
        assert make_listing(count=count).count_text == expected


def test_an_empty_list_says_how_to_fill_it() -> None:
    empty = EmptyState(title="No leads yet", act_label="New lead", act_url="/t/a/leads/new/")
    html = page(make_listing(empty=empty)).content.decode()
    assert "No leads yet" in html
    assert 'href="/t/a/leads/new/"' in html


def test_a_list_emptied_by_a_search_offers_to_clear_it() -> None:
    html = page(make_listing("/t/a/leads/?q=zzz", empty=EmptyState(title="No leads yet"))).content.decode()
    assert "Nothing matches" in html
    assert "No leads yet" not in html


def test_a_filter_that_is_too_slow_says_so_instead_of_showing_nothing() -> None:
    html = page(make_listing("/t/a/leads/?tag=x", error=too_slow())).content.decode()
    assert "This filter takes too long" in html
    assert "Nothing matches" not in html


def test_htmx_gets_the_rows_alone_and_a_clean_address() -> None:
    rows = [{"name": "Ana <b>", "score": 1200, "stage": None}]
    listing = make_listing("/t/a/leads/?q=&order=name", htmx_target="leads-rows", rows=rows)
    response = page(listing)
    html = response.content.decode()
    assert html.lstrip().startswith('<div class="list-rows"')
    assert response["HX-Push-Url"] == "/t/a/leads/?order=name"
    assert "Ana &lt;b&gt;" in html
    assert "—" in html
    assert "HX-Request" in response["Vary"]


def test_a_browser_gets_the_whole_page_with_the_same_rows() -> None:
    response = page(make_listing(rows=[{"name": "Ana", "score": 1, "stage": "MQL"}], search_label="Search"))
    html = response.content.decode()
    assert 'role="search"' in html
    assert 'data-label="Score"' in html
    assert "HX-Push-Url" not in response


def test_the_fields_of_the_filter_come_when_its_panel_is_opened() -> None:
    parts: dict[str, Any] = {
        "filter_template": "nurturing/outbox_filter.html",
        "filter_parameters": ["state"],
    }
    whole = page(make_listing(**parts)).content.decode()
    assert 'hx-trigger="show.bs.offcanvas from:#leads-filter"' in whole
    assert 'name="state"' not in whole
    response = page(make_listing(htmx_target="leads-filter-fields", **parts))
    assert 'name="state"' in response.content.decode()
    assert "list-rows" not in response.content.decode()
    assert "HX-Push-Url" not in response
