"""What an idle installation takes: memory, the first page's bytes, the time until it serves. A stack of its own, from nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import brotli

from benchmarks.load import free_port
from benchmarks.report import Finding, limited

ROOT: Final = Path(__file__).resolve().parent.parent
WEB_MB: Final = 150.0
STACK_MB: Final = 400.0
PLAIN_KB: Final = 250.0
CHARTS_KB: Final = 450.0
FIRST_START_S: Final = 180.0
SECOND_START_S: Final = 10.0
SETTLE_S: Final = 20.0
CHARTS: Final = ROOT / "static" / "vendor" / "echarts" / "echarts.common.min.js"


def measure_footprint(tenants: dict[str, int]) -> list[Finding]:
    """Start twice from an empty folder, then weigh what runs and what a browser loads."""
    home = tempfile.mkdtemp(prefix="leadsys-footprint-")
    try:
        with _running(home) as (process, first, _port):
            del process
        with _running(home) as (process, second, port):
            time.sleep(SETTLE_S)
            web, stack = _memory(process.pid, Path(home))
            plain = _first_load(port)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    charts = plain + len(brotli.compress(CHARTS.read_bytes())) / 1024
    return [
        limited("first start", 1, first, FIRST_START_S, unit="s"),
        limited("second start", 1, second, SECOND_START_S, unit="s"),
        limited("web process, proportional memory", 1, web, WEB_MB, unit="MB"),
        limited("idle embedded stack, proportional memory", 1, stack, STACK_MB, unit="MB"),
        limited("first load, compressed, without charts", 1, plain, PLAIN_KB, unit="KB"),
        limited("first load, compressed, with charts", 1, charts, CHARTS_KB, unit="KB"),
    ]


@contextmanager
def _running(home: str) -> Iterator[tuple["subprocess.Popen[str]", float, int]]:
    """A whole stack as ``make run`` starts it; yields its process, the seconds until it said that it serves, its port."""
    port = free_port()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    }
    environment = kept | {"LEADSYS_HOME": home, "PORT": str(port), "LEADSYS_DEMO": "0"}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "leadsys.embedded.run"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ready "):
                break
        else:
            raise RuntimeError("The stack ended before it was ready.")
        yield process, time.monotonic() - began, port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _memory(parent: int, home: Path) -> tuple[float, float]:
    """Megabytes of proportional memory: the largest web process, and everything that the stack started."""
    parents, commands = _processes()
    members = {parent}
    while more := {pid for pid, of in parents.items() if of in members} - members:
        members |= more
    # The servers outlive who started them, so they are found by the folder that they were given.
    members |= {pid for pid, command in commands.items() if str(home) in command}
    members |= {pid for pid, of in parents.items() if of in members}
    sizes = {pid: size for pid in members if (size := _pss(pid)) is not None}
    web = [size for pid, size in sizes.items() if "granian" in commands.get(pid, "")]
    return max(web), sum(sizes.values())


def _processes() -> tuple[dict[int, int], dict[int, str]]:
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue
        match = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
        parents[int(folder.name)] = int(match[1]) if match else 0
    return parents, commands


def _pss(pid: int) -> float | None:
    """Proportional set size in megabytes; None for a process that has ended or is not ours to read."""
    try:
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) / 1024 if match else None


def _first_load(port: int) -> float:
    """Kilobytes on the wire of the first page and of all that it refers to, fonts included."""
    address = f"http://localhost:{port}"
    size, text = _fetch(f"{address}/accounts/login/")
    for path in sorted(set(re.findall(r'(?:src|href)="(/static/[^"#?]+)', text))):
        size += _fetch(address + path)[0]
    return size / 1024


def _fetch(address: str) -> tuple[int, str]:
    """How many bytes came, and what they say if that is text."""
    request = urllib.request.Request(address, headers={"Accept-Encoding": "br"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = answer.read()
        encoding = answer.headers.get("Content-Encoding", "")
    plain = brotli.decompress(body) if encoding == "br" else body
    return len(body), plain.decode("utf-8", "replace")
