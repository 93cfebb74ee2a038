"""The pulse of this process: a row that says it lives, renewed every ten seconds by a thread of its own.

In the database and not in the broker, so that it can be seen which processes live while the broker is away. A process that
is killed is missed within half a minute.
"""

import os
import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from core.models import ProcessPulse

log = structlog.get_logger(__name__)

PULSE_SECONDS: Final = 10.0
# Missed two pulses and a little more.
LIVING: Final = timedelta(seconds=30)
FORGOTTEN: Final = timedelta(hours=1)

_begun: dict[tuple[int, str], "Pulse"] = {}
_lock: Final = threading.Lock()


@dataclass(frozen=True)
class Process:
    """One process of the installation, and how long ago it was last seen, by the database's clock."""

    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_ago: timedelta

    @property
    def label(self) -> str:
        return str(ProcessPulse.Role(self.role).label)

    @property
    def is_living(self) -> bool:
        return self.seen_ago <= LIVING


class Pulse:
    """The thread that says every ten seconds that this process lives, until the process ends or `stop` is called."""

    def __init__(self, *, role: ProcessPulse.Role) -> None:
        self._role = role
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(timezone.now(),), name="pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say no more, and return when the thread has ended: what it said last grows old by itself."""
        self._stopped.set()
        self._thread.join()
        with _lock:
            _begun.pop((os.getpid(), str(self._role)), None)

    def _beat(self, started_at: datetime) -> None:
        missed = False
        while not self._stopped.is_set():
            try:
                tell_alive(role=self._role, started_at=started_at)
                missed = False
            except DatabaseError as error:
                if not missed:
                    log.warning("pulse missed", error=type(error).__name__)
                missed = True
            finally:
                # Ten seconds of one connection for a millisecond's work would be a waste of it.
                connection.close()
            self._stopped.wait(PULSE_SECONDS)


def start_pulse(*, role: ProcessPulse.Role) -> Pulse:
    """The pulse of this process in the role, begun by the first call of it."""
    key = (os.getpid(), str(role))
    with _lock:
        if key not in _begun:
            _begun[key] = Pulse(role=role)
        return _begun[key]


def tell_alive(*, role: ProcessPulse.Role, started_at: datetime) -> None:
    """Write that this process lives now, and forget those not seen for an hour. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_processpulse (role, host, pid, version, started_at, seen_at)
            VALUES (%s, %s, %s, %s, %s, now())
            ON CONFLICT (host, pid, role) DO UPDATE
            SET version = EXCLUDED.version, started_at = EXCLUDED.started_at, seen_at = EXCLUDED.seen_at
            """,
            [str(role), socket.gethostname()[:200], os.getpid(), settings.VERSION, started_at],
        )
        cursor.execute(
            "DELETE FROM core_processpulse WHERE seen_at < now() - make_interval(secs => %s)",
            [FORGOTTEN.total_seconds()],
        )


def list_processes() -> list[Process]:
    """The processes seen within the last hour, the living ones first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT role, host, pid, version, started_at, GREATEST(clock_timestamp() - seen_at, interval '0')
            FROM core_processpulse ORDER BY seen_at DESC, role, host, pid
            """
        )
        return [Process(*row) for row in cursor.fetchall()]
