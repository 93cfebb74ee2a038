"""A database of the benchmarks' own on the servers of this checkout, built once and reused.

The large tenant has four fifths of everything: by default 1,000,000 leads and 10,000,000 events, and with the others 1,000,000
running clocks. LEADSYS_BENCH_LEADS makes it smaller for a trial, LEADSYS_BENCH_DATABASE keeps several apart.
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from multiprocessing import get_context
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.dataset import Chunk, Phase, fingerprint, list_phases
from leadsys.embedded import provide_environment

DATABASE: Final = os.environ.get("LEADSYS_BENCH_DATABASE", "leadsys_bench")
SMALL, LARGE = "bench-small", "bench-large"
SIZES: dict[str, int] = {LARGE: int(os.environ.get("LEADSYS_BENCH_LEADS", "1000000"))}
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
    # Workers of this checkout's own database are not to take what is meant for the benchmarks'.
    os.environ["REDIS_URL"] = urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path="/1"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")
    os.environ.setdefault("LEADSYS_LOG_LEVEL", "ERROR")
    # What is counted here is not who asks too often.
    for name in ("LEADSYS_KEY_RATE", "LEADSYS_FORM_RATE", "LEADSYS_ADDRESS_RATE"):
        os.environ.setdefault(name, "off")


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
    for slug in SIZES:
        if not Tenant.objects.filter(slug=slug).exists():
            create_tenant(name=slug, slug=slug, admin_email=f"{slug}@bench.example", now=timezone.now())
    ids = {slug: Tenant.objects.get(slug=slug).pk for slug in SIZES}
    for phase in list_phases():
        _write(phase, ids)
    return {slug: ids[slug] for slug in (LARGE, SMALL)}


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


def _write(phase: Phase, tenant_ids: dict[str, int]) -> None:
    """Write a phase of every tenant unless it stands there; one that was interrupted is there in part, so that needs --fresh."""
    with owner_connection() as owner:
        if owner.execute("SELECT FROM bench_built WHERE part = %s", [phase.name]).fetchone() is not None:
            return
        begun = f"{phase.name} begun"
        if owner.execute("SELECT FROM bench_built WHERE part = %s", [begun]).fetchone() is not None:
            raise SystemExit("The benchmarks' data were interrupted while they were built: run with --fresh.")
        owner.execute("INSERT INTO bench_built VALUES (%s, now())", [begun])
        began = time.monotonic()
        # The planner's statistics are the owner's to renew; without them it takes every table for an empty one.
        owner.execute("ANALYZE")
        with _without_indexes(owner, phase.tables):
            chunks = []
            for slug, tenant_id in tenant_ids.items():
                chunks += phase.write(tenant_id, SIZES[slug], built_at())
            _write_side_by_side(chunks)
        owner.execute("VACUUM (ANALYZE)")
        owner.execute("UPDATE bench_built SET part = %s WHERE part = %s", [phase.name, begun])
    print(f"{phase.name} written in {time.monotonic() - began:.0f} s", flush=True)


def _write_side_by_side(chunks: Sequence[Chunk]) -> None:
    """Each core has its process. Raises what the first that failed raised."""
    if not chunks:
        return
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _prepare_process) as pool:
        for writing in [pool.submit(chunk.write) for chunk in chunks]:
            writing.result()


def _prepare_process() -> None:
    """What a process needs before it writes."""
    import django

    prepare_environment()
    django.setup()


@contextmanager
def _without_indexes(owner: psycopg.Connection, tables: Sequence[str]) -> Iterator[None]:
    """Make the indexes of tables anew afterwards: sorting a million keys is quicker than finding the place of each.

    Those behind constraints stay.
    """
    found = owner.execute(
        """
        SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = ANY (%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        """,
        [list(tables)],
    ).fetchall()
    for name, _definition in found:
        owner.execute(f'DROP INDEX "{name}"')
    yield
    for _name, definition in found:
        owner.execute(definition)


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
