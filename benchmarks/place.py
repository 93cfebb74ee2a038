"""A database of the benchmarks' own on the servers of this checkout, with tenants of 10,000 and 1,000,000 leads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

from leadsys.embedded import provide_environment

DATABASE = "leadsys_bench"
SMALL, LARGE = "bench-small", "bench-large"
SIZES = {SMALL: 10_000, LARGE: int(os.environ.get("LEADSYS_BENCH_LEADS", "1000000"))}


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
    """Migrate, and fill the tenants that are not full yet; returns tenant ids by slug."""
    from django.core.management import call_command
    from django.utils import timezone

    from tenancy.models import Tenant
    from tenancy.services import create_tenant

    call_command("migrate", verbosity=0)
    ids = {}
    for slug, size in SIZES.items():
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            tenant, _admin = create_tenant(
                name=slug, slug=slug, admin_email=f"{slug}@bench.example", now=timezone.now()
            )
        fill(tenant.pk, size)
        ids[slug] = tenant.pk
    return ids


def fill(tenant_id: int, size: int) -> None:
    """Leads with standing and two events each, made on the server; stops at once if they are there."""
    from django.db import connection

    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM leads_lead WHERE external_id LIKE 'bench-%'")
        have = cursor.fetchone()[0]
        if have >= size:
            return
        cursor.execute("SELECT COALESCE(max(id), 0) FROM leads_lead")
        known = {"tenant": tenant_id, "last_id": cursor.fetchone()[0]}
        cursor.execute(LEADS, known | {"first": have + 1, "last": size})
        cursor.execute(STANDING, known)
        cursor.execute(EVENTS, known)
    with owner_connection() as owner:
        # The planner's statistics are the owner's to renew.
        owner.execute("ANALYZE")


LEADS = """
INSERT INTO leads_lead
    (tenant_id, external_id, email, email_kind, name, name_key, country, origin, created_at, recorded_at)
SELECT %(tenant)s, 'bench-' || n, 'lead' || n || '@company' || n %% 50000 || '.example', 'business',
       'Lead ' || n, 'lead ' || lpad(n::text, 8, '0'), 'BR',
       (ARRAY['organic_search', 'paid_search', 'social', 'referral', 'event'])[1 + n %% 5],
       now() - (n %% 500000) * interval '1 minute', now()
FROM generate_series(%(first)s::int, %(last)s::int) n
"""
STANDING = """
INSERT INTO leads_leadstate
    (tenant_id, lead_id, stage, stage_at, stage_act, stage_reason, furthest_stage, score, grade, live_since)
SELECT %(tenant)s, lead.id, (ARRAY['new', 'new', 'new', 'mql', 'working', 'nurture', 'sql'])[1 + lead.id %% 7],
       lead.created_at, 'capture', '', 0, (lead.id * 7919) %% 101, (lead.id * 31) %% 13, lead.created_at
FROM leads_lead lead WHERE lead.id > %(last_id)s
"""
EVENTS = """
INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)
SELECT %(tenant)s, lead.id, (ARRAY['page_viewed', 'form_submitted'])[k],
       now() - (k * lead.id %% 90) * interval '1 day', now(), '{}'
FROM leads_lead lead, generate_series(1, 2) k WHERE lead.id > %(last_id)s
"""


@contextmanager
def owner_connection() -> Iterator[psycopg.Connection]:
    """A plain connection as the tables' owner, for what stands beside us: bare tables without row security."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        yield connection
