"""Which processes live, as the database knows it."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core.models import ProcessPulse
from core.pulse import list_processes, start_pulse, tell_alive


def age(role: str, seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_processpulse SET seen_at = now() - make_interval(secs => %s) WHERE role = %s",
            [seconds, role],
        )


def test_a_process_that_tells_it_is_alive_until_half_a_minute_later(db: None) -> None:
    began = timezone.now() - timedelta(hours=3)
    tell_alive(role=ProcessPulse.Role.WEB, started_at=began)
    tell_alive(role=ProcessPulse.Role.WORKER, started_at=began)
    tell_alive(role=ProcessPulse.Role.WEB, started_at=began)
    assert {(each.role, each.is_living) for each in list_processes()} == {("web", True), ("worker", True)}
    age("worker", 31)
    assert [(each.role, each.is_living) for each in list_processes()] == [("web", True), ("worker", False)]
    assert {each.started_at for each in list_processes()} == {began}


def test_those_not_seen_for_an_hour_are_forgotten(db: None) -> None:
    tell_alive(role=ProcessPulse.Role.BEAT, started_at=timezone.now())
    age("beat", 3601)
    tell_alive(role=ProcessPulse.Role.WEB, started_at=timezone.now())
    assert [each.role for each in list_processes()] == ["web"]


@pytest.mark.django_db(transaction=True)
def test_a_started_pulse_writes_by_itself_until_it_is_stopped() -> None:
    pulse = start_pulse(role=ProcessPulse.Role.BEAT)
    try:
        assert start_pulse(role=ProcessPulse.Role.BEAT) is pulse
        deadline = time.monotonic() + 10
        while not list_processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [(each.role, each.is_living) for each in list_processes()] == [("beat", True)]
    finally:
        # Its thread would write into the data of the tests after this one.
        pulse.stop()
    assert not [each for each in threading.enumerate() if each.name == "pulse"]
