"""Wake-ups go to the configured broker; one that is away is no error and hardly a delay."""

import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from celery import current_app

from core import broker
from core.tasks import send, sweep_due_rows


@pytest.fixture
def broker_away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(broker, "_absent_until", 0.0)
    broker._client.cache_clear()
    yield
    broker._client.cache_clear()
    monkeypatch.setattr(broker, "_absent_until", 0.0)


def test_every_thread_sends_to_the_configured_broker(settings: Any) -> None:
    seen: list[str] = []
    thread = Thread(target=lambda: seen.append(current_app.conf.broker_url))
    thread.start()
    thread.join()
    assert seen == [settings.CELERY_BROKER_URL]


@pytest.mark.usefixtures("broker_away")
def test_a_broker_that_is_away_is_no_error_and_hardly_a_delay() -> None:
    began = time.monotonic()
    for _time in range(20):
        send(sweep_due_rows, {})
    assert time.monotonic() - began < 10  # a pause at each would be twenty and more
