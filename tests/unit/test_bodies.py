"""Bodies in pieces are measured; what a refused sender has still to send is taken off the line, within limits."""

import io
from typing import Any

import pytest

from core import bodies
from core.bodies import MOST_BYTES, SMALL_BYTES, measure_body, take_leftovers
from tenancy.doors import MAX_BODY_BYTES


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
    monkeypatch.setattr(bodies, "MOST_SECONDS", 0)
    assert taken_of(MOST_BYTES) == 0


def test_a_small_request_is_not_asked_for_more() -> None:
    assert taken_of(SMALL_BYTES) == 0


def test_whoever_waits_to_be_told_to_go_on_is_not_told() -> None:
    assert taken_of(1_000_000, HTTP_EXPECT="100-continue") == 0


@pytest.mark.parametrize("length", ["", "-1", "many", "٣"])
def test_a_length_that_is_none_is_no_length(length: str) -> None:
    take_leftovers({"CONTENT_LENGTH": length, "wsgi.input": None})


def measured(length: int, **more: Any) -> dict[str, Any]:
    environ = {"REQUEST_METHOD": "POST", "wsgi.input": Line(length)} | more
    measure_body(environ)
    return environ


@pytest.mark.parametrize("length", [1, SMALL_BYTES + 1, MAX_BODY_BYTES])
@pytest.mark.parametrize("said", [{}, {"CONTENT_LENGTH": ""}])
def test_a_body_in_pieces_is_as_long_as_it_is(length: int, said: dict[str, str]) -> None:
    environ = measured(length, **said)
    assert environ["CONTENT_LENGTH"] == str(length)
    assert environ["wsgi.input"].read(length + 1) == b"x" * length


def test_a_body_in_pieces_that_is_too_long_says_so_and_is_taken_off_the_line() -> None:
    environ = measured(MAX_BODY_BYTES + SMALL_BYTES)
    assert int(environ["CONTENT_LENGTH"]) > 1 << 40
    take_leftovers(environ)
    assert environ["wsgi.input"].left == 0


@pytest.mark.parametrize(
    "said", [{"CONTENT_LENGTH": "10"}, {"REQUEST_METHOD": "GET"}, {"REQUEST_METHOD": "HEAD"}], ids=str
)
def test_a_length_that_was_said_and_what_has_no_body_are_left_alone(said: dict[str, str]) -> None:
    environ = measured(10, **said)
    assert (environ.get("CONTENT_LENGTH"), environ["wsgi.input"].taken) == (said.get("CONTENT_LENGTH"), 0)


def test_no_body_stays_none() -> None:
    assert "CONTENT_LENGTH" not in measured(0)
