"""The database wrapper that settings name as ENGINE."""

import select

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL, whose kept connections are looked at before they are used again."""

    def is_usable(self) -> bool:
        """Whether the server is still at the other end.

        Django asks it with a statement, at every request. An idle connection has nothing to read but its end, or a message from
        the server, so only one with something to read is asked.
        """
        if self.connection is None:
            return False
        looked = select.poll()
        try:
            looked.register(self.connection.pgconn.socket, select.POLLIN)
        except psycopg.Error:  # it is closed on our side
            return False
        return bool(super().is_usable()) if looked.poll(0) else True
