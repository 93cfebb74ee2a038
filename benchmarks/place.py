"""A database of the benchmarks' own on the servers of this checkout, built once and reused.

The large tenant has four fifths of everything: by default 1,000,000 leads and 10,000,000 events, and with the others 1,000,000
running clocks. LEADSYS_BENCH_LEADS makes it smaller for a trial, LEADSYS_BENCH_DATABASE keeps several apart.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.dataset import fingerprint, phases
from leadsys.embedded import provide_environment

DATABASE: Final = os.environ.get("LEADSYS_BENCH_DATABASE", "leadsys_bench")
SMALL, LARGE = "bench-small", "bench-large"
SIZES: Final = {LARGE: int(os.environ.get("LEADSYS_BENCH_LEADS", "1000000"))}
SIZES[SMALL] = min(10_000, SIZES[LARGE] // 10)
# With the small one a quarter of the large tenant's size: it has 80 % of all.
OTHERS: Final = 8
SIZES |= {f"bench-other-{number}": (SIZES[LARGE] // 4 - SIZES[SMALL]) // OTHERS for number in range(OTHERS)}


def on_bench_database(url: str) -> str:
    """The same server, the benchmarks' database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{DATABASE}"))


def prepare_environment() -> None:
    """Start the servers if needed, make the database if needed, and let Django's settings point at it."""
    provide_environment()
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        os.environ[name] = on_bench_database(os.environ[name])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")
    os.environ.setdefault("LEADSYS_LOG_LEVEL", "ERROR")


def erase() -> None:
    """Forget the benchmarks' database, for a run from nothing."""
    provide_environment()
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')


def build_tenants() -> dict[str, int]:
    """Migrate, and fill the tenants that are not full yet; returns the ids of the large and the small one by slug.

    A new migration is applied to the data that are there, as on any other installation. Data of another description are not
    mended: raises SystemExit and asks for ``--fresh``.
    """
    from django.core.management import call_command
    from django.utils import timezone

    from tenancy.models import Tenant
    from tenancy.services import create_tenant

    call_command("migrate", verbosity=0)
    _check_description()
    for slug, size in SIZES.items():
        if not Tenant.objects.filter(slug=slug).exists():
            create_tenant(name=slug, slug=slug, admin_email=f"{slug}@bench.example", now=timezone.now())
        _fill(Tenant.objects.get(slug=slug).pk, slug, size)
    return {slug: Tenant.objects.get(slug=slug).pk for slug in (LARGE, SMALL)}


def _check_description() -> None:
    """Remember of which description the data are, at the first build."""
    description = f"{fingerprint()} {SIZES[LARGE]}"
    with owner_connection() as owner:
        owner.execute(
            "CREATE TABLE IF NOT EXISTS bench_built (part text PRIMARY KEY, at timestamptz NOT NULL)"
        )
        owner.execute("CREATE TABLE IF NOT EXISTS bench_description (text text NOT NULL)")
        known = owner.execute("SELECT text FROM bench_description").fetchone()
        if known is None:
            owner.execute("INSERT INTO bench_description VALUES (%s)", [description])
        elif known[0] != description:
            raise SystemExit("The benchmarks' data are of another size or description: run with --fresh.")


def _fill(tenant_id: int, slug: str, size: int) -> None:
    """Write what the tenant lacks, part by part; a part that was interrupted begins anew with --fresh."""
    now = built_at()
    for name, write in phases(tenant_id=tenant_id, leads=size, now=now):
        part = f"{slug} {name}"
        with owner_connection() as owner:
            if owner.execute("SELECT FROM bench_built WHERE part = %s", [part]).fetchone():
                continue
            # The planner's statistics are the owner's to renew; without them it takes every table for an empty one.
            owner.execute("ANALYZE")
            began = time.monotonic()
            owner.execute("INSERT INTO bench_built VALUES (%s, now())", [f"{part} begun"])
            write()
            owner.execute("UPDATE bench_built SET part = %s WHERE part = %s", [part, f"{part} begun"])
            print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
            if name == "history":
                owner.execute("VACUUM (ANALYZE)")


def built_at() -> datetime:
    """The instant as of which the data were made."""
    with owner_connection() as owner:
        owner.execute("INSERT INTO bench_built VALUES ('begun', now()) ON CONFLICT DO NOTHING")
        found = owner.execute("SELECT at FROM bench_built WHERE part = 'begun'").fetchone()
        assert found is not None
        at: datetime = found[0]
        return at


@contextmanager
def owner_connection() -> Iterator[psycopg.Connection]:
    """A plain connection as the tables' owner, for what stands beside us: bare tables without row security."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        yield connection
