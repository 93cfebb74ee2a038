"""``python -m benchmarks [capture] [import] [lists] [--fresh]``: all of them without a name."""

import os
import sys
import time

from benchmarks.place import build_tenants, erase, prepare_environment
from benchmarks.report import table


def main(arguments: list[str]) -> int:
    """Build the data once, measure, print one table; 1 if a promise is missed."""
    if "--fresh" in arguments:
        erase()
    names = [argument for argument in arguments if not argument.startswith("-")] or [
        "capture",
        "import",
        "lists",
    ]
    prepare_environment()
    import django

    django.setup()
    began = time.monotonic()
    tenants = build_tenants()
    print(f"tenants ready after {time.monotonic() - began:.0f} s on {os.cpu_count()} cores", flush=True)
    from benchmarks.capture import measure_capture
    from benchmarks.imports import measure_import
    from benchmarks.lists import measure_lists

    measures = {
        "lists": lambda: measure_lists(tenants),
        "capture": lambda: measure_capture(tenants),
        "import": measure_import,
    }
    unknown = set(names) - set(measures)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(measures)}.")
        return 2
    findings = [finding for name, measure in measures.items() if name in names for finding in measure()]
    print(table(findings))
    return 1 if any(finding.verdict == "MISSED" for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
