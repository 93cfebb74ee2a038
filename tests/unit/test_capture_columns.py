"""What a column holds, decided from all of its values."""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.capture.columns import (
    DateFormat,
    DateFormatDecider,
    DecimalMark,
    TypeDecider,
    decide_date_format,
    decide_decimal_mark,
    decide_type,
    make_field_name,
    make_field_names,
    parse_date,
    parse_decimal,
    parse_integer,
    to_millionths,
)
from leads.capture.files import open_table

YMD, DMY, MDY = DateFormat.YMD, DateFormat.DMY, DateFormat.MDY


@pytest.mark.parametrize(
    ("text", "date_format", "expected"),
    [
        ("2018-02-26", YMD, date(2018, 2, 26)),
        (" 2018/2/6 ", YMD, date(2018, 2, 6)),
        ("26.02.2018", DMY, date(2018, 2, 26)),
        ("6/2/2018", DMY, date(2018, 2, 6)),
        ("6/2/2018", MDY, date(2018, 6, 2)),
        ("26/02/18", DMY, date(2018, 2, 26)),
        ("26/02/69", DMY, date(1969, 2, 26)),
        ("29/02/2020", DMY, date(2020, 2, 29)),
        ("2018-02-26 19:58:54", YMD, datetime(2018, 2, 26, 19, 58, 54)),  # noqa: DTZ001
        ("2018-02-26T19:58", YMD, datetime(2018, 2, 26, 19, 58)),  # noqa: DTZ001
        ("26/02/2018, 19:58:54", DMY, datetime(2018, 2, 26, 19, 58, 54)),  # noqa: DTZ001
        ("2/26/2018 12:05 AM", MDY, datetime(2018, 2, 26, 0, 5)),  # noqa: DTZ001
        ("2/26/2018 7:58:54 pm", MDY, datetime(2018, 2, 26, 19, 58, 54)),  # noqa: DTZ001
        ("2018-02-26T19:58:54.123456789Z", YMD, datetime(2018, 2, 26, 19, 58, 54, 123456, UTC)),
        (
            "2018-02-26T19:58:54-03:00",
            YMD,
            datetime(2018, 2, 26, 19, 58, 54, 0, timezone(timedelta(hours=-3))),
        ),
        (
            "2018-02-26 19:58 +0530",
            YMD,
            datetime(2018, 2, 26, 19, 58, 0, 0, timezone(timedelta(hours=5, minutes=30))),
        ),
    ],
)
def test_dates_are_read_in_the_given_format(text: str, date_format: DateFormat, expected: date) -> None:
    assert parse_date(text, date_format) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "2018-02-30", "2018-13-01", "2018-02/26", "12018-02-26", "2018-02-26 25:00", "2018-02-26 19:60",
     "2018-02-26 13:00 pm", "2018-02-26T10:00+25:00", "２０１８-02-26", "0000-01-01", "2018-02-26 19", "1.2.3.4"],
)  # fmt: skip
def test_what_is_no_date_is_none_and_never_an_error(text: str) -> None:
    assert parse_date(text, YMD) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2018-02-26", "2018-02-01 10:00:00", ""], YMD),
        (["01/02/2018", "26/02/2018"], DMY),
        (["01/02/2018", "02/26/2018"], MDY),
        # Read alike by both: nothing to ask.
        (["05/05/2018", "07/07/2018"], DMY),
        (["n/a", "26.02.2018", "?"], DMY),
    ],
)
def test_one_format_is_decided_from_all_values(values: list[str], expected: DateFormat) -> None:
    decision = decide_date_format(values)
    assert (decision.format, decision.is_ambiguous) == (expected, False)


@pytest.mark.parametrize(
    ("values", "candidates", "example"),
    [
        (["01/02/2018", "05/05/2018"], (DMY, MDY), "01/02/2018"),
        (["25/12/17", "01/02/03"], (YMD, DMY), "25/12/17"),
        # A column that mixes formats: no format reads all.
        (["26/02/2018", "02/26/2018"], (), "02/26/2018"),
    ],
)
def test_a_column_that_can_be_read_in_two_ways_is_asked_about(
    values: list[str], candidates: tuple[DateFormat, ...], example: str
) -> None:
    decision = decide_date_format(values)
    assert decision.is_ambiguous
    assert (decision.format, decision.candidates, decision.example) == (None, candidates, example)


def test_a_column_without_dates_has_no_format_and_is_not_asked_about() -> None:
    decision = decide_date_format(["", "soon", "2018-02-30"])
    assert (decision.format, decision.is_ambiguous) == (None, False)


def test_a_late_value_settles_what_a_hundred_thousand_left_open() -> None:
    decider = DateFormatDecider()
    for _chunk in range(100):
        decider.feed(["01/02/2018", "03/04/2018"] * 500)
    assert decider.decision().is_ambiguous
    decider.feed(["13/01/2018"])
    assert decider.decision().format is DMY


@given(st.lists(st.dates(date(1900, 1, 1), date(2200, 1, 1)), min_size=1), st.sampled_from(list(DateFormat)))
def test_the_true_format_is_always_among_the_candidates(days: list[date], date_format: DateFormat) -> None:
    pattern = {YMD: "{0:04}-{1}-{2}", DMY: "{2}-{1:02}-{0:04}", MDY: "{1:02}-{2}-{0:04}"}[date_format]
    values = [pattern.format(each.year, each.month, each.day) for each in days]
    decision = decide_date_format(values)
    assert date_format in decision.candidates
    read = [parse_date(each, decision.format or date_format) for each in values]
    assert read == days


# Numbers


@pytest.mark.parametrize(
    ("text", "mark", "millionths"),
    [
        ("1234.5", ".", 1_234_500_000),
        ("1,234.56", ".", 1_234_560_000),
        ("1.234,56", ",", 1_234_560_000),
        ("-0,5", ",", -500_000),
        ("1.234.567", ",", 1_234_567_000_000),
        ("0.0000005", ".", 1),
        ("0.0000004", ".", 0),
        ("8000000.0", ".", 8_000_000_000_000),
        ("12,34.5", ".", None),
        ("1.234,56", ".", None),
        ("007", ".", None),
        ("1e5", ".", None),
        ("NaN", ".", None),
        ("R$ 5", ".", None),
        ("", ".", None),
        ("٣", ".", None),
        ("9223372036855", ".", None),
        ("9" * 100_000, ".", None),
    ],
)
def test_decimals_are_read_with_the_mark_of_their_column(
    text: str, mark: DecimalMark, millionths: int | None
) -> None:
    assert parse_decimal(text, mark) == millionths


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["1.234,56", "10"], ","),
        (["1,234.56"], "."),
        (["0.5", "1.234"], "."),
        (["1.234", "2.345"], None),
        (["1,234"], None),
        (["10", "20"], "."),
        (["1.234.567"], ","),
        (["1,5", "1.5"], None),
        (["n/a", "3,14"], ","),
        ([], "."),
    ],
)
def test_the_decimal_mark_is_decided_from_all_values(values: list[str], mark: str | None) -> None:
    assert decide_decimal_mark(values) == mark


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-12", -12), (" 7 ", 7), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None),
     ("08123", None), ("+55", None), ("1.0", None), ("", None), ("²", None), ("1_000", None)],
)  # fmt: skip
def test_whole_numbers(text: str, number: int | None) -> None:
    assert parse_integer(text) == number


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999999", "-1e13"])
def test_numbers_that_fit_no_column_are_none_at_once(number: str) -> None:
    assert to_millionths(Decimal(number)) is None


# Types


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "", " "], "integer"),
        (["12345678000195", "2"], "integer"),
        (["1", "2.5"], "decimal"),
        (["1,5", "2"], "decimal"),
        (["2018-02-26", "2018-03-01 10:00"], "date"),
        (["26/02/2018"], "date"),
        (["01/02/2018"], "date"),
        # Codes, versions, mixtures, numbers that mean two things.
        (["08123", "13023"], "text"),
        (["1.2.03"], "text"),
        (["+5511999990000"], "text"),
        (["1.234", "2.345"], "text"),
        (["1", "2018-02-26"], "text"),
        (["2018-02-26", "soon"], "text"),
        (["99999999999999999999"], "text"),
        (["1,5", "1.5"], "text"),
        (["Yes", "No"], "text"),
        (["", " "], "text"),
        ([], "text"),
    ],
)
def test_the_type_is_the_narrowest_that_holds_every_value(values: list[str], expected: str) -> None:
    assert decide_type(values).type == expected


def test_a_date_column_that_must_be_asked_about_says_so() -> None:
    decision = decide_type(["01/02/2018", "03/04/2018"])
    assert decision.date is not None
    assert decision.date.is_ambiguous
    assert decision.date.candidates == (DMY, MDY)


def test_a_decimal_column_names_its_mark() -> None:
    assert decide_type(["1.234,5"]).mark == ","


@given(st.lists(st.lists(st.sampled_from(["1", "2.5", "1,5", "1.234", "2018-02-26", "01/02/2018", "x", ""]))))
def test_chunks_decide_as_the_whole_does(chunks: list[list[str]]) -> None:
    decider = TypeDecider()
    for chunk in chunks:
        decider.feed(chunk)
    whole = decide_type([value for chunk in chunks for value in chunk])
    assert (decider.decision().type, decider.decision().mark) == (whole.type, whole.mark)


Decide = Callable[[Iterable[str]], object]


@pytest.mark.parametrize("decide", [decide_type, decide_date_format, decide_decimal_mark])
@given(values=st.lists(st.text(max_size=30)))
def test_no_text_makes_a_decision_fail(decide: Decide, values: list[str]) -> None:
    decide(values)


# Names


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("TotalVisits", "totalvisits"),
        ("Page Views Per Visit", "page_views_per_visit"),
        ("Região  (UF)", "regiao_uf"),
        ("__Ação--nº 1__", "acao_no_1"),
        ("2024 revenue", "2024_revenue"),
        ("Straße", "strasse"),
        ("名前", "field"),
        ("%", "field"),
        ("x" * 80, "x" * 63),
    ],
)
def test_a_field_is_named_after_its_column(column: str, name: str) -> None:
    assert make_field_name(column) == name


def test_columns_of_one_name_are_numbered_in_order() -> None:
    names = make_field_names(["A b", "a-b", "a_b_2", "Á B", "custom.a b", "plants"], taken=["plants"])
    assert list(names.values()) == ["a_b", "a_b_2", "a_b_2_2", "a_b_3", "a_b_4", "plants_2"]


@given(st.lists(st.text(max_size=80), unique=True))
def test_names_are_distinct_and_plain(columns: list[str]) -> None:
    names = list(make_field_names(columns).values())
    assert len(set(names)) == len(columns)
    assert all(
        each and len(each) <= 63 and set(each) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
        for each in names
    )


# Real files


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "olist/olist_deals_until_2018-03.csv",
            {"won_date": "date", "declared_monthly_revenue": "decimal", "seller_id": "text", "has_company": "text"},
        ),
        ("olist/olist_sellers_dataset.csv", {"seller_zip_code_prefix": "text", "seller_state": "text"}),
        (
            "xeducation/xeducation_oldest70.csv",
            {"TotalVisits": "integer", "Lead Number": "integer", "Converted": "integer", "Country": "text",
             "Page Views Per Visit": "decimal", "Total Time Spent on Website": "integer"},
        ),
        ("maven/sales_pipeline.csv", {"engage_date": "date", "close_value": "integer", "account": "text"}),
        ("maven/accounts.csv", {"revenue": "decimal", "employees": "integer", "year_established": "integer"}),
    ],
)  # fmt: skip
def test_the_types_of_real_columns(name: str, expected: dict[str, str]) -> None:
    folder = os.environ.get("LEADSYS_REAL_DATA")
    if not folder:
        pytest.skip("LEADSYS_REAL_DATA is not set")
    table = open_table(Path(folder) / name)
    deciders = {column: TypeDecider() for column in table.columns}
    for row in table.rows():
        for column, value in row.values.items():
            deciders[column].feed([value])
    assert {column: deciders[column].decision().type for column in expected} == expected
