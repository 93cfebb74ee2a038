"""Values that come to the database through statements of our own arrive as they were given."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from leads.conditions.statements import Statement
from leads.models import Grade, Stage

HARD_TEXTS = [
    "a",
    "",
    " ",
    "NULL",
    "null",
    'a"b',
    "a\\b",
    '\\"',
    "{x}",
    "a,b",
    "é\n\t",
    "'",
    "%s",
    "$1",
    None,
]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text[]", HARD_TEXTS),
        ("text[]", [Stage.MARKETING_QUALIFIED]),
        ("bigint[]", [1, -5, 2**62, None, Grade.A]),
        ("smallint[]", [1, None]),
        ("boolean[]", [True, False, None]),
        ("timestamptz[]", [datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), None]),
        ("timestamptz[]", [datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-3)))]),
        ("numeric[]", [Decimal("1.50"), Decimal("-0.0001")]),
        ("bigint[]", []),
    ],
)
def test_an_array_comes_back_as_it_was_given(in_tenant: Any, kind: str, values: list[Any]) -> None:
    assert Statement.text(f"SELECT %(values)s::{kind}").rows(values=values) == [(values,)]


def test_a_value_that_is_not_given_is_named(in_tenant: Any) -> None:
    with pytest.raises(TypeError, match="lead_ids"):
        Statement.text("SELECT %(lead_ids)s::bigint[]").rows(other=1)
