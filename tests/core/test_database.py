"""A kept connection is looked at before it is used again."""

import psycopg
import pytest
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


def server_process() -> int:
    """The process of the server that serves this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


def another() -> "psycopg.Connection[tuple[object, ...]]":
    """A second connection of the same role, which may end the first one's process."""
    return psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}, autocommit=True)


def test_a_connection_that_the_server_has_ended_is_made_anew_for_the_next_request() -> None:
    before = server_process()
    connection.close_if_unusable_or_obsolete()
    assert server_process() == before
    with another() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    assert not connection.is_usable()
    connection.close_if_unusable_or_obsolete()
    connection.ensure_connection()
    connection.close_if_health_check_failed()
    assert server_process() != before


def test_a_healthy_connection_is_asked_nothing_and_one_with_news_is_asked() -> None:
    connection.ensure_connection()
    with another() as other:
        asked = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        pid = server_process()
        assert connection.is_usable()
        assert other.execute(asked, [pid]).fetchone() == ("SELECT pg_backend_pid()",)
        with connection.cursor() as cursor:
            cursor.execute("LISTEN news")
        other.execute("NOTIFY news")
        for _time in range(200):
            assert connection.is_usable()
            if other.execute(asked, [pid]).fetchone() == ("SELECT 1",):
                break
        else:
            pytest.fail("A connection with something to read was not asked.")


def test_a_connection_that_was_closed_is_not_usable() -> None:
    connection.ensure_connection()
    connection.connection.close()
    assert not connection.is_usable()
    connection.close()
    assert not connection.is_usable()
