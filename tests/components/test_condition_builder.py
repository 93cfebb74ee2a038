"""The condition builder with mouse and keyboard: what it reads is what it writes, and each act changes only its own part."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Route, expect

from leads.conditions.builder import ARITIES
from leads.conditions.operators import OPERATORS
from tests.components.conftest import OpenPage

pytestmark = pytest.mark.journey

CONTENT = (
    '<form method="post">{% condition_builder name="gate" label="Gate" vocabulary=vocabulary tree=tree errors=errors '
    "speed=speed asks=asks subject=subject sentence=sentence %}"
    '<button type="submit" class="btn btn-primary">Save</button></form>'
)
SCRIPTS = '{% include "components/condition_builder_assets.html" %}'
TREE: dict[str, Any] = {
    "all": [
        {"fact": "score", "op": "gte", "value": 50},
        {
            "any": [
                {"fact": "stage", "op": "in", "value": ["mql", "working"]},
                {
                    "fact": "event_count",
                    "event": "pricing_viewed",
                    "days": 14,
                    "where": {"all": [{"fact": "properties.path", "op": "starts_with", "value": "/planos"}]},
                    "op": "gte",
                    "value": 2,
                },
            ]
        },
        {"none": [{"fact": "country", "op": "is_unknown"}]},
        {"fact": "size", "op": "between", "value": [20, 1000]},
    ]
}


def make_fact(key: str, type_: str, **parts: Any) -> dict[str, Any]:
    usual = {
        "label": key.capitalize(),
        "group": "Lead",
        "fast": True,
        "always_known": False,
        "suggests": False,
    }
    return usual | {"key": key, "type": type_, "counts_events": False, "choices": None} | parts


STAGES = [
    {"value": "new", "label": "New"},
    {"value": "mql", "label": "MQL"},
    {"value": "working", "label": "Working"},
]
VOCABULARY = {
    "facts": [
        make_fact("score", "integer"),
        make_fact("stage", "stage", choices=STAGES),
        make_fact("country", "text"),
        make_fact("size", "integer"),
        make_fact("event_count", "integer", counts_events=True, always_known=True),
    ],
    "families": [],
    "event_facts": [make_fact("occurred_at", "datetime")],
    "event_families": [{"prefix": "properties.", "label": "Property"}],
    "operators": {
        type_.value: [
            {
                "op": each.key,
                "label": str(each.label),
                "arity": ARITIES[each.arity],
                "days": each.takes_days,
                "fast": True,
            }
            for each in operators
        ]
        for type_, operators in OPERATORS.items()
    },
    "limits": {"depth": 5, "leaves": 100},
}


def open_builder(open_page: OpenPage, *, tree: Any = TREE, errors: Any = (), **how: Any) -> Page:
    usual = {"speed": False, "asks": "", "subject": "lead", "sentence": ""}
    asked = usual | how
    page = open_page(CONTENT, scripts=SCRIPTS, vocabulary=VOCABULARY, tree=tree, errors=errors, **asked)
    page.wait_for_selector("[data-cond-root] .cond-group")
    return page


def answer(page: Page, **parts: Any) -> list[dict[str, list[str]]]:
    """The server's part, for a builder that asks: the questions that came, each answered alike."""
    asked: list[dict[str, list[str]]] = []

    def fulfil(route: Route) -> None:
        asked.append(parse_qs(route.request.post_data or ""))
        route.fulfill(json={"sentence": "Said by the server"} | parts)

    page.route("**/conditions/", fulfil)
    return asked


def leaf(fact: str) -> dict[str, Any]:
    return {"fact": fact, "op": "eq", "value": 1}


def written(page: Page) -> Any:
    return json.loads(page.locator("[data-cond-output]").input_value() or "null")


def test_a_tree_comes_out_as_it_went_in(open_page: OpenPage) -> None:
    page = open_builder(open_page)
    assert page.locator(".cond-row").count() == 6
    page.locator("[data-cond-kind]").first.select_option("all")
    assert written(page) == TREE


def test_each_add_button_adds_to_its_own_group_and_focuses_the_new_row(open_page: OpenPage) -> None:
    page = open_builder(open_page)
    page.locator("[data-cond-root] > .cond-group > .cond-acts [data-cond-add]").press("Enter")
    page.locator(":focus").select_option("country")
    page.locator(".cond-row").last.locator(".cond-value input").fill("BR")
    assert written(page) == {"all": [*TREE["all"], {"fact": "country", "op": "eq", "value": "BR"}]}


def test_another_operator_keeps_the_value_where_it_still_makes_sense(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree={"all": [{"fact": "country", "op": "eq", "value": "BR"}]})
    page.locator("[data-cond-op]").select_option("in")
    page.locator(".ts-control input").fill("PT")
    page.keyboard.press("Enter")
    assert written(page) == {"all": [{"fact": "country", "op": "in", "value": ["BR", "PT"]}]}
    page.locator("[data-cond-op]").select_option("is_known")
    assert written(page) == {"all": [{"fact": "country", "op": "is_known"}]}


def test_events_can_be_narrowed_by_a_property_that_is_typed(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree=None)
    page.locator("[data-cond-fact]").select_option("event_count")
    page.locator(".cond-event").fill("form_submitted")
    page.get_by_role("button", name="Only some of these events").click()
    page.locator(":focus").select_option("properties.")
    page.keyboard.type("kind")
    page.locator(".cond-where .cond-value input").fill("demo")
    where = {"all": [{"fact": "properties.kind", "op": "eq", "value": "demo"}]}
    expected = {
        "fact": "event_count",
        "event": "form_submitted",
        "days": 30,
        "where": where,
        "op": "gte",
        "value": 1,
    }
    assert written(page) == {"all": [expected]}


def test_a_row_that_was_begun_stops_the_form_and_says_what_is_missing(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree={"all": [{"fact": "score", "op": "gte", "value": 50}]})
    page.locator(".cond-value input").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".cond-error")).to_contain_text("Give a value, or remove this condition.")
    expect(page.locator("[data-cond-fact]")).to_be_focused()


def test_without_rows_nothing_is_written_and_the_sentence_says_so(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree={"any": [{"fact": "score", "op": "gte", "value": 50}]})
    page.locator("[data-cond-remove]").click()
    assert written(page) is None
    expect(page.locator("[data-cond-sentence]")).to_contain_text("No condition")
    expect(page.locator("[data-cond-add]")).to_be_focused()


def test_a_fault_found_by_the_server_stands_at_its_row(open_page: OpenPage) -> None:
    page = open_builder(
        open_page, errors=[{"path": "all[1].any[0].value", "message": "Choose a stage that exists."}]
    )
    row = page.locator(".cond-row").nth(1)
    expect(row.locator(".cond-error")).to_contain_text("Choose a stage that exists.")
    assert page.locator(".cond-error").count() == 1
    assert row.locator("[data-cond-fact]").get_attribute("aria-invalid") == "true"


@pytest.mark.parametrize(
    "tree",
    [
        leaf("score"),
        {"none": [leaf("score")]},
        {"fact": "country", "op": "in", "value": []},
        {
            "fact": "event_count",
            "where": {"fact": "properties.kind", "op": "eq", "value": "demo"},
            "op": "gte",
            "value": 1,
        },
    ],
    ids=["alone", "group of one", "empty list", "where alone"],
)
def test_a_rule_that_is_only_looked_at_stays_as_it_was_written(open_page: OpenPage, tree: Any) -> None:
    page = open_builder(open_page, tree=tree)
    assert written(page) == tree
    page.locator("form").first.evaluate(
        "form => form.addEventListener('submit', event => event.preventDefault())"
    )
    page.get_by_role("button", name="Save").click()
    assert page.locator(".cond-error").count() == 0


def test_a_lone_question_becomes_a_group_when_a_second_one_joins_it(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree=leaf("score"))
    page.locator("[data-cond-add]").click()
    page.locator(":focus").select_option("country")
    page.locator(".cond-row").last.locator(".cond-value input").fill("BR")
    assert written(page) == {"all": [leaf("score"), {"fact": "country", "op": "eq", "value": "BR"}]}


def test_rows_and_groups_move_by_keyboard_into_groups_and_out_of_them(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree={"all": [leaf("score"), {"any": [leaf("size")]}, leaf("stage")]})
    row = page.locator(".cond-row").first
    row.locator("[data-cond-fact]").press("Alt+ArrowDown")
    assert written(page) == {"all": [{"any": [leaf("score"), leaf("size")]}, leaf("stage")]}
    expect(page.locator("#live-region")).to_have_text("Moved to place 1 of 2.")
    for _place in range(2):
        page.locator(":focus").press("Alt+ArrowDown")
    assert written(page) == {"all": [{"any": [leaf("size")]}, leaf("score"), leaf("stage")]}
    page.locator(".cond-group .cond-group [data-cond-kind]").press("Alt+ArrowDown")
    assert written(page) == {"all": [leaf("score"), {"any": [leaf("size")]}, leaf("stage")]}
    page.locator(".cond-row").last.get_by_role("button", name="Move up").click()
    assert written(page) == {"all": [leaf("score"), {"any": [leaf("size"), leaf("stage")]}]}


def test_a_group_that_loses_its_last_condition_by_moving_goes(open_page: OpenPage) -> None:
    page = open_builder(open_page, tree={"all": [leaf("score"), {"any": [leaf("size")]}]})
    page.locator(".cond-row").last.locator("[data-cond-fact]").press("Alt+ArrowUp")
    assert written(page) == {"all": [leaf("score"), leaf("size")]}


def test_the_sentence_is_the_servers_and_is_asked_for_only_when_the_condition_changed(
    open_page: OpenPage,
) -> None:
    page = open_builder(open_page, tree=leaf("score"), asks="/conditions/", sentence="As it was")
    asked = answer(page)
    sentence = page.locator("[data-cond-sentence]")
    expect(sentence).to_have_text("As it was")
    page.locator(".cond-value input").fill("")
    expect(sentence).to_have_text("Finish the conditions to read them as a sentence.")
    page.locator(".cond-value input").fill("60")
    expect(sentence).to_have_text("Said by the server")
    assert [json.loads(each["condition"][0]) for each in asked] == [leaf("score") | {"value": 60}]


def test_matching_leads_are_counted_on_request_and_the_number_goes_with_the_next_change(
    open_page: OpenPage,
) -> None:
    page = open_builder(open_page, tree=leaf("score"), asks="/conditions/", sentence="As it was")
    asked = answer(page, count="12 leads match", see="see them", url="/leads/")
    page.get_by_role("button", name="How many leads match now?").click()
    expect(page.locator("[data-cond-counted]")).to_have_text("12 leads match · see them")
    assert asked[0]["count"] == ["1"]
    page.locator(".cond-value input").fill("60")
    expect(page.locator("[data-cond-counted]")).to_be_empty()


def test_a_condition_on_events_asks_of_events_and_counts_no_leads(open_page: OpenPage) -> None:
    tree = {"fact": "properties.kind", "op": "eq", "value": "demo"}
    page = open_builder(open_page, tree=tree, asks="/conditions/", subject="event", sentence="Is so")
    assert written(page) == tree
    options = page.locator("[data-cond-fact] option").all_inner_texts()
    assert "Score" not in options
    assert "Property…" in options
    assert page.locator("[data-cond-count]").count() == 0


@pytest.mark.parametrize(("width", "theme"), [(1200, "light"), (1200, "dark"), (375, "light")])
def test_it_is_accessible_and_fits(open_page: OpenPage, find_serious: Any, width: int, theme: str) -> None:
    page = open_builder(open_page, width=width, theme=theme)
    assert find_serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
