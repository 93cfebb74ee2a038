"""Real worker processes on the test's database, killed at moments drawn from a printed seed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from django.db import connections

# What a Celery worker does when it is woken, without the waiting in between.
SWEEP_FOR_EVER = """
import sys, time, datetime
import django
django.setup()
from django.utils import timezone
from core.due import sweep
ahead = datetime.timedelta(seconds=float(sys.argv[1]))
print("working", flush=True)
while True:
    if not sweep(now=timezone.now() + ahead):
        time.sleep(0.05)
"""


def rounds(*, small: int, full: int) -> int:
    """How often to kill: a few times in `make test`, often in `make faults`."""
    return full if os.environ.get("LEADSYS_FAULTS") == "full" else small


def make_dice() -> random.Random:
    """Dice whose seed is printed; LEADSYS_FAULT_SEED repeats a run."""
    seed = int(os.environ.get("LEADSYS_FAULT_SEED") or time.time_ns() % 1_000_000)
    print(f"LEADSYS_FAULT_SEED={seed}")  # noqa: T201 - shown with a failure
    return random.Random(seed)


def database_environment() -> dict[str, str]:
    """The environment of a process that works on the test's database."""
    environment = dict(os.environ, LEADSYS_LOG_LEVEL="CRITICAL", DJANGO_SETTINGS_MODULE="leadsys.settings")
    for alias, name in (("default", "DATABASE_URL"), ("owner", "DATABASE_OWNER_URL")):
        about = connections[alias].settings_dict
        address = f"{about['HOST']}:{about['PORT']}" if about["PORT"] else about["HOST"]
        environment[name] = (
            f"postgresql://{about['USER']}:{quote(about['PASSWORD'], safe='')}@{address}/{about['NAME']}"
        )
    return environment


@contextmanager
def working(*, ahead_seconds: float = 0) -> Iterator[subprocess.Popen[str]]:
    """A process that sweeps until it is killed, its clock ahead of ours by so much."""
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEP_FOR_EVER, str(ahead_seconds)],
        env=database_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def kill_in_mid_work(
    dice: random.Random, *, times: int, longest_seconds: float, ahead_seconds: float = 0
) -> None:
    """Let a worker begin, kill it at a random moment, and so on."""
    for _time in range(times):
        with working(ahead_seconds=ahead_seconds):
            time.sleep(dice.uniform(0, longest_seconds))


def work_until(done: Callable[[], bool], *, seconds: float = 120, ahead_seconds: float = 0) -> None:
    """Let a worker work undisturbed until nothing is left to do."""
    until = time.monotonic() + seconds
    with working(ahead_seconds=ahead_seconds):
        while not done():
            assert time.monotonic() < until, "the work did not come to an end"
            time.sleep(0.1)
