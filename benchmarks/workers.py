"""Celery workers on the benchmarks' database, as an installation runs them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis

WORKERS: Final = 2
PATIENCE_SECONDS: Final = 180


@contextmanager
def workers() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Two workers, the first of them with beat, listening when the block begins and killed when it ends."""
    client = broker()
    client.flushdb()
    processes = [start_worker(number) for number in range(WORKERS)]
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while count_listening(client) < WORKERS:
            if time.monotonic() > until:
                raise TimeoutError("The workers have not begun to listen.")
            time.sleep(0.2)
        yield processes
    finally:
        for process in processes:
            kill_worker(process)


def start_worker(number: int) -> "subprocess.Popen[bytes]":
    """One worker; number 0 beats."""
    command = [sys.executable, "-m", "celery", "-A", "leadsys.celery", "worker", "--pool", "solo"]
    command += ["--loglevel", "ERROR", "--without-gossip", "--without-mingle"]
    command += ["--hostname", f"bench-{number}@localhost"]
    if number == 0:
        command += ["--beat", "--scheduler", "celery.beat:Scheduler"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill_worker(process: "subprocess.Popen[bytes]") -> None:
    """End a worker at once, with its beat."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def broker() -> "redis.Redis":
    """A connection to the benchmarks' database of the broker."""
    from django.conf import settings

    return redis.Redis.from_url(settings.REDIS_URL)


def count_listening(client: "redis.Redis") -> int:
    """How many of its clients wait in a blocking call for work."""
    number = client.get_connection_kwargs()["db"]
    return sum(each["cmd"] == "brpop" and int(each["db"]) == number for each in client.client_list())
