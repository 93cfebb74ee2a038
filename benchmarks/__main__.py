"""``python -m benchmarks [NAMES] [--fresh]``: without a name all of them, written to docs/benchmarks.md."""

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Final

from benchmarks.place import build_tenants, erase, owner_connection, prepare_environment
from benchmarks.report import Finding, describe_machine, table, write_document

# Reads first: what writes leaves the tables fuller than it found them.
MEASURES: Final = {
    "lists": ("benchmarks.lists", "measure_lists"),
    "queue": ("benchmarks.queue", "measure_queue"),
    "search": ("benchmarks.search", "measure_search"),
    "isolation": ("benchmarks.isolation", "measure_isolation"),
    "footprint": ("benchmarks.footprint", "measure_footprint"),
    "clocks": ("benchmarks.clocks", "measure_clocks"),
    "capture": ("benchmarks.capture", "measure_capture"),
    "draining": ("benchmarks.draining", "measure_draining"),
    "import": ("benchmarks.imports", "measure_import"),
    "nurture": ("benchmarks.nurture", "measure_nurture"),
    "rescore": ("benchmarks.rescore", "measure_rescore"),
}


def main(arguments: list[str]) -> int:
    """Build the data once, measure, print one table; 1 if a promise is missed."""
    names = [argument for argument in arguments if not argument.startswith("-")]
    if unknown := set(names) - set(MEASURES):
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(MEASURES)}.")
        return 2
    if "--fresh" in arguments:
        erase()
    prepare_environment()
    import django

    django.setup()
    began = time.monotonic()
    tenants = build_tenants()
    print(f"tenants ready after {time.monotonic() - began:.0f} s", flush=True)
    _come_up_to_date()
    findings: list[Finding] = []
    for name in names or MEASURES:
        began = time.monotonic()
        module, function = MEASURES[name]
        measure: Callable[[dict[str, int]], list[Finding]] = getattr(import_module(module), function)
        findings += measure(tenants)
        print(f"{name} measured in {time.monotonic() - began:.0f} s", flush=True)
    profile = _profile(findings)
    print(table(findings), profile, sep="\n\n")
    if not names:
        write_document(findings=findings, machine=_machine(), profile=profile)
    return 1 if any(finding.verdict == "MISSED" for finding in findings) else 0


def _come_up_to_date() -> None:
    """Act on what has fallen due since the data were made, and write it all to the disk, so that no measurement does it."""
    from django.utils import timezone

    from core.due import sweep

    acted = sweep(now=timezone.now())
    if acted:
        print(f"{acted} due rows acted on", flush=True)
    os.sync()


def _machine() -> str:
    import django

    with owner_connection() as owner:
        found = owner.execute("SHOW server_version").fetchone()
        assert found is not None
    return describe_machine(cores=os.cpu_count() or 1, postgres=found[0], django=django.get_version())


def _profile(findings: list[Finding]) -> str:
    """What comes nearest to its promise, or misses it; where the time of the slowest goes."""
    promised = [one for one in findings if one.ratio is not None and one.most is not None]
    nearest = sorted(promised, key=lambda one: -((one.ratio or 0) / (one.most or 1)))[:8]
    lines = [
        f"- {one.what}: {(one.ratio or 0) / (one.most or 1):.0%} of what is promised. {one.detail}".rstrip(
            ". "
        )
        + "."
        for one in nearest
    ]
    if profiles := [f"- {one.what}: {one.profile}." for one in findings if one.profile]:
        lines += ["", "Where the time of the slowest goes:", "", *profiles]
    return "\n".join(["Nearest to their limits:", "", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
