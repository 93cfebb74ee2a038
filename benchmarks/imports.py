"""A file of 100,000 rows through the command, against COPY of the same rows into an indexed table."""

import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.place import SMALL, owner_connection
from benchmarks.report import Finding
from benchmarks.timing import profile_of

ROUNDS = 3
ROWS = int(os.environ.get("LEADSYS_BENCH_ROWS", "100000"))
COLUMNS = (
    "external_id",
    "email",
    "first_name",
    "last_name",
    "company",
    "country",
    "city",
    "origin",
    "created_at",
)


def measure_import(_tenants: dict[str, int]) -> list[Finding]:
    """Rows a second of both, medians of rounds in turn; every twentieth row of a file repeats an earlier one."""
    bare_rates, our_rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        for _round in range(ROUNDS):
            write_file(path)
            bare_rates.append(copy_rate(path))
            rate, said = import_rate(path)
            our_rates.append(rate)
        write_file(path)
        profile = profile_of(lambda: _import_here(path))
    bare, ours = statistics.median(bare_rates), statistics.median(our_rates)
    return [
        Finding(
            "import, whole pipeline",
            ROWS,
            f"{ours:,.0f} rows/s",
            f"{bare:,.0f} rows/s",
            bare / ours,
            12,
            detail=f"medians of {ROUNDS} rounds in turn; the last: {said}",
            profile=f"of one of its two processes, without loading the code, {profile}",
        )
    ]


def _import_here(path: Path) -> None:
    """The same in this process, and in the second one that it makes."""
    from django.utils import timezone

    from core.memory import keep_what_is_loaded
    from leads.capture.imports import run_import
    from leads.capture.lead_rows import LeadRows
    from leads.capture.readable_file import ImportOptions
    from tenancy.models import Tenant

    # As the command does.
    keep_what_is_loaded()
    tenant = Tenant.objects.get(slug=SMALL)
    run_import(subject=LeadRows(), tenant=tenant, path=path, options=ImportOptions(), now=timezone.now())


def import_rate(path: Path) -> tuple[float, str]:
    """Rows a second of the command, and what it said of them."""
    command = [sys.executable, "manage.py", "import_leads", str(path), "--tenant", SMALL]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate = ROWS / (time.perf_counter() - began)
    counts = json.loads(done.stdout.strip().splitlines()[-1])
    return rate, ", ".join(f"{counts[name]} {name}" for name in ("new", "duplicate", "refused"))


def write_file(path: Path) -> None:
    """Plausible rows, different in every run."""
    dice = random.Random(time.time_ns())
    mark = dice.randrange(10**9)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(ROWS):
            who = dice.randrange(number) if number and number % 20 == 0 else number
            company = f"firma{who % 5000}"
            writer.writerow(
                [
                    f"file-{mark}-{who}",
                    f"p{who}.{mark}@{company}.com.br",
                    "Ana",
                    f"Souza {who}",
                    company.title(),
                    "BR",
                    "Campinas",
                    "paid search",
                    f"2025-0{1 + who % 9}-1{who % 10}",
                ]
            )


def copy_rate(path: Path) -> float:
    """Rows a second by COPY into a table with the indexes of leads."""
    with owner_connection() as owner:
        owner.execute("DROP TABLE IF EXISTS bench_copy")
        owner.execute(
            f"CREATE TABLE bench_copy (id bigserial PRIMARY KEY, {', '.join(f'{c} text' for c in COLUMNS)})"
        )
        for columns in ("external_id", "email", "origin, created_at", "last_name, id", "created_at, id"):
            owner.execute(f"CREATE INDEX ON bench_copy ({columns})")
        began = time.perf_counter()
        with (
            owner.cursor() as cursor,
            cursor.copy(
                f"COPY bench_copy ({', '.join(COLUMNS)}) FROM STDIN WITH (FORMAT csv, HEADER)"
            ) as copy,
        ):
            copy.write(path.read_bytes())
        rate = ROWS / (time.perf_counter() - began)
        owner.execute("DROP TABLE bench_copy")
    return rate
