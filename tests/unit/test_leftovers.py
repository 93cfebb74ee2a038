"""What a refused sender has still to send is taken off the line, within limits."""

import io
from typing import Any

import pytest

from core import leftovers
from core.leftovers import MOST_BYTES, SMALL_BYTES, take_leftovers


class Line(io.RawIOBase):
    """As much as a sender cares to send; knows how much was taken of it."""

    def __init__(self, length: int) -> None:
        self.left = length
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        piece = min(size, self.left)
        self.left -= piece
        self.taken += piece
        return b"x" * piece


def taken_of(length: int, **more: Any) -> int:
    line = Line(length)
    take_leftovers({"CONTENT_LENGTH": str(length), "wsgi.input": line} | more)
    return line.taken


@pytest.mark.parametrize("length", [SMALL_BYTES + 1, 6 * 1024 * 1024, MOST_BYTES])
def test_all_of_a_body_is_taken(length: int) -> None:
    assert taken_of(length) == length


def test_the_rest_of_a_body_is_taken() -> None:
    line = Line(200_000)
    line.read(150_000)
    take_leftovers({"CONTENT_LENGTH": "200000", "wsgi.input": line})
    assert line.left == 0


def test_nobody_is_listened_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken_of(MOST_BYTES * 3) == MOST_BYTES
    monkeypatch.setattr(leftovers, "MOST_SECONDS", 0)
    assert taken_of(MOST_BYTES) == 0


def test_a_small_request_is_not_asked_for_more() -> None:
    assert taken_of(SMALL_BYTES) == 0


def test_whoever_waits_to_be_told_to_go_on_is_not_told() -> None:
    assert taken_of(1_000_000, HTTP_EXPECT="100-continue") == 0


@pytest.mark.parametrize("length", ["", "-1", "many", "٣"])
def test_a_length_that_is_none_is_no_length(length: str) -> None:
    take_leftovers({"CONTENT_LENGTH": length, "wsgi.input": None})
