"""Clients that keep their connection for a while and send one request after the other."""

import http.client
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

CLIENTS = 8
PROCESSES = 2
# Of ours, as ``make run`` and the image have them.
THREADS = 4
REQUESTS_A_CONNECTION = 20


@dataclass(frozen=True)
class Load:
    """What came of a load: the milliseconds of each request that was counted, and requests a second."""

    milliseconds: list[float]
    per_second: float
    failed: int

    @property
    def median_ms(self) -> float:
        """Of one request."""
        return statistics.median(self.milliseconds)


def of_rounds(loads: Sequence[Load]) -> Load:
    """Several rounds of the same load as one: all their requests, the rate of the round in the middle."""
    return Load(
        [each for load in loads for each in load.milliseconds],
        statistics.median(load.per_second for load in loads),
        sum(load.failed for load in loads),
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(application: str, *, threads: int) -> Iterator[int]:
    """Serve a WSGI application with two worker processes of so many threads each; yields its port."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += [
        "--workers",
        str(PROCESSES),
        "--blocking-threads",
        str(threads),
        "--no-access-log",
        "--log-level",
        "error",
        application,
    ]
    process = subprocess.Popen(command)
    try:
        wait_for(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def wait_for(port: int) -> None:
    """Until the port answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"Nothing answers on port {port}.")


def run_load(
    *, port: int, path: str, headers: dict[str, str], body: Callable[[random.Random], Any], requests: int
) -> Load:
    """Send POST requests from 8 clients; the first tenth of each client's warms up and is not counted."""
    times: list[float] = []
    failures: list[int] = []
    each = requests // CLIENTS

    def client(number: int) -> None:
        dice = random.Random(f"{path} {number} {time.time_ns()}")
        for turn in range(each):
            # Which process has a connection is chance; with a new one now and then both have as many.
            if turn % REQUESTS_A_CONNECTION == 0:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            payload = json.dumps(body(dice))
            began = time.perf_counter()
            connection.request("POST", path, payload, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                failures.append(answer.status)
            if turn >= each // 10:
                times.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=client, args=[number]) for number in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    return Load(times, each * CLIENTS / seconds, len(failures))
