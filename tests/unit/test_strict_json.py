"""What is JSON and what is not, at the edges of each limit."""

from typing import Any

import pytest

from tenancy.errors import Invalid, TooLarge
from tenancy.strict_json import MAX_DIGITS, MAX_JSON_DEPTH, MAX_JSON_PARTS, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5, "é", null, true]}', {"a": [1, -2.5, "é", None, True]}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\u0000"', "\\u0000"),
        ('{"a": {"a": 1}, "b": {"a": 2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        ("[" * (MAX_JSON_DEPTH + 1) + "]" * (MAX_JSON_DEPTH + 1), None),
        ("9" * MAX_DIGITS, int("9" * MAX_DIGITS)),
        ("1e308", 1e308),
        ("1e-400", 0.0),
        ("[" + ",".join(["1"] * MAX_JSON_PARTS) + "]", [1] * MAX_JSON_PARTS),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_stands_within_the_limits_is_read(text: str, value: Any) -> None:
    assert value is None or parse_json(text.encode()) == value
    parse_json(text)


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("[" * (MAX_JSON_DEPTH + 2) + "]" * (MAX_JSON_DEPTH + 2), Invalid, "nested"),
        ("[" * 100_000, Invalid, "nested"),
        ("9" * (MAX_DIGITS + 1), Invalid, "too long"),
        ("0." + "9" * MAX_DIGITS, Invalid, "too long"),
        ("1e309", Invalid, "too large"),
        ("-1e309", Invalid, "too large"),
        ("Infinity", Invalid, "not a JSON number"),
        ("NaN", Invalid, "not a JSON number"),
        ('{"a": 1, "b": 2, "a": 1}', Invalid, "same name"),
        ('"\\u0000"', Invalid, "NUL"),
        ('"\\uDBFF"', Invalid, "Unicode"),
        ('{"\\udc00": 1}', Invalid, "Unicode"),
        ("[" + ",".join(["1"] * (MAX_JSON_PARTS + 1)) + "]", TooLarge, "values"),
        ("\ufeff1", Invalid, "not JSON"),
        ("{'a': 1}", Invalid, "not JSON"),
        ('{"a": 1} x', Invalid, "not JSON"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_stands_beyond_them_is_refused_in_words(text: str, kind: type[Exception], word: str) -> None:
    with pytest.raises(kind, match=word):
        parse_json(text.encode("utf-8", "surrogatepass"))


def test_a_hostile_text_is_named_by_its_place() -> None:
    with pytest.raises(Invalid) as refused:
        parse_json('{"leads": [{"name": "Ana"}, {"tags": ["a", "b\\u0000"]}]}')
    assert [error.field for error in refused.value.errors] == ["leads[1].tags[1]"]
