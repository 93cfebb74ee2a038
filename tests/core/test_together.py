"""Callers who come at the same time are served in one go."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.together import Together

SOON = 10.0


class Slow:
    """Work that doubles, and does not end before it may; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_end = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.asked.append(list(items))
        assert self.may_end.wait(SOON)
        if 13 in items:
            raise ValueError("thirteen")
        return [item * 2 for item in items]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def call_in_order(
    together: Together[int, int], work: Slow, calls: Sequence[tuple[str, int]]
) -> list[Future[int]]:
    """Call with each key and item, the next when the one before works or waits; then let the work end."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = []
        for count, (key, item) in enumerate(calls, start=1):
            futures.append(pool.submit(together, key=key, item=item))
            until(lambda count=count: sum(map(len, work.asked)) + together.waiting() == count)  # type: ignore[misc]
        work.may_end.set()
    return futures


def test_those_who_come_while_another_is_served_are_served_together_after_it() -> None:
    work = Slow()
    futures = call_in_order(Together(work, most=50), work, [("a", 1), ("a", 2), ("a", 3), ("a", 4)])
    assert [future.result() for future in futures] == [2, 4, 6, 8]
    assert work.asked == [[1], [2, 3, 4]]


def test_whoever_works_next_waits_for_as_many_as_there_were_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.together.MOST_WAITED_SECONDS", 1.0)
    asked: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        asked.append(list(items))
        time.sleep(0.2)
        return list(items)

    together = Together(work, most=50)

    def call_twice(item: int) -> int:
        return together(key="a", item=item) + together(key="a", item=item)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(call_twice, range(3))) == [0, 2, 4]
    sizes = [len(items) for items in asked]
    assert (sum(sizes), max(sizes)) == (6, 3), "once all have been there, they are served at once"
    assert together(key="a", item=7) == 7
    began = time.monotonic()
    assert together(key="a", item=8) == 8
    assert asked[-2:] == [[7], [8]]
    assert time.monotonic() - began < 0.4, "those who did not come are not waited for again"


def test_one_key_does_not_wait_for_another() -> None:
    work = Slow()
    futures = call_in_order(Together(work, most=50), work, [("a", 1), ("b", 2), ("a", 3)])
    assert [future.result() for future in futures] == [2, 4, 6]
    assert work.asked == [[1], [2], [3]]


def test_no_more_are_served_together_than_may_be() -> None:
    work = Slow()
    futures = call_in_order(Together(work, most=2), work, [("a", item) for item in range(1, 7)])
    assert [future.result() for future in futures] == [2, 4, 6, 8, 10, 12]
    assert work.asked == [[1], [2, 3], [4, 5], [6]]


def test_an_error_is_raised_to_everyone_it_was_for_and_the_next_are_served() -> None:
    work = Slow()
    together = Together(work, most=2)
    futures = call_in_order(together, work, [("a", 1), ("a", 13), ("a", 3), ("a", 4)])
    assert futures[0].result() == 2
    for future in futures[1:3]:
        with pytest.raises(ValueError, match="thirteen"):
            future.result()
    assert futures[3].result() == 8
    assert together(key="a", item=5) == 10
