"""Two tenants, always both; a fixed now; PostgreSQL with the application's role, flushed by nobody else."""

import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leadsys.embedded import provide_environment

provide_environment()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")

ROOT = Path(__file__).parent.parent
TENANT = {"name": "Horizonte SaaS", "slug": "horizonte", "admin_email": "admin@horizonte.test"}
OTHER_TENANT = {"name": "Outra Casa", "slug": "outra", "admin_email": "admin@outra.test"}
NOW = datetime(2026, 11, 18, 13, 0, tzinfo=UTC)  # a Wednesday, 10:00 in São Paulo


def pytest_configure(config: pytest.Config) -> None:
    """Nothing that a test starts may reach the world: mail goes to memory, password hashing is quick, no one is too fast."""
    from django.conf import settings

    settings.RATES = {}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def migrations_hash() -> str:
    """Changes whenever a migration or what it calls changes."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("*/migrations/*.py"), *ROOT.glob("tenancy/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """A database for each worker, cloned from one migrated template; queries run as the application's role."""
    from django.core.management import call_command
    from django.db import connections

    base = os.environ.get("LEADSYS_TEST_DATABASE", "test_leadsys")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    template, name = f"{base}_template_{migrations_hash()}", f"{base}_{worker or 'main'}"
    with django_db_blocker.unblock():
        owner = connections["owner"]
        home = owner.settings_dict["NAME"]
        with owner.cursor() as cursor:
            # One worker builds the template, the others wait for it.
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [base])
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{base}_template_%"])
            templates = {row[0] for row in cursor.fetchall()}
            for stale in templates - {template}:
                drop_database(cursor, stale)
            if template not in templates:
                cursor.execute(f'CREATE DATABASE "{template}_making"')
                build_template(f"{template}_making", call_command)
                cursor.execute(f'ALTER DATABASE "{template}_making" RENAME TO "{template}"')
            drop_database(cursor, name)
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [base])
        for alias in ("default", "owner"):
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name
        # Made once; a test that empties the tables leaves it to the next fixture to make them anew.
        for about in (TENANT, OTHER_TENANT):
            ensure_tenant(**about)
        yield
        for alias in ("default", "owner"):
            connections[alias].close()
        owner.settings_dict["NAME"] = home
        with owner.cursor() as cursor:
            drop_database(cursor, name)
        owner.close()


def build_template(name: str, call_command: Any) -> None:
    """Migrate an empty database as its owner, through a second connection."""
    from django.db import connections

    template = connections.create_connection("owner")
    template.settings_dict = {**template.settings_dict, "NAME": name}
    original = connections["owner"]
    connections["owner"] = template
    try:
        call_command("migrate", verbosity=0, interactive=False)
        with template.cursor() as cursor:
            # Only tests empty tables: the application's role cannot.
            cursor.execute("GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO leadsys_app")
    finally:
        template.close()
        connections["owner"] = original


def drop_database(cursor: Any, name: str) -> None:
    """Drop a database whoever is in it. FORCE alone would be refused while autovacuum is, which a plain DROP ends by itself."""
    from django.db import OperationalError

    try:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
    except OperationalError:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(autouse=True)
def _emptied_after_commits(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """A test that commits leaves nothing behind. Django's own flush asks the router, which lets only the owner migrate."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with django_db_blocker.unblock():
            wait_for_others()
            empty_tables()


def wait_for_others() -> None:
    """Wait until no other connection is in the middle of something here.

    A live server answers what a closed browser asked for last, and a thread ends its batch. Emptying tables under them would be
    a deadlock, and what they write after it the next test's. Whoever goes on for ten seconds is left to the locks.
    """
    from django.db import connection

    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            if not cursor.fetchone()[0]:
                return
            time.sleep(0.02)


def empty_tables() -> None:
    """Empty every table but those that migrations fill."""
    from django.db import connection

    kept = ["django_migrations", "django_content_type", "auth_permission"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(%s)",
            [kept],
        )
        cursor.execute(f"TRUNCATE {cursor.fetchone()[0]}")


@pytest.fixture
def now() -> datetime:
    """A working day, in working hours of the tenants' zone."""
    return NOW


def ensure_tenant(*, name: str, slug: str, admin_email: str) -> Any:
    """A tenant with the default pack."""
    from tenancy.models import Tenant
    from tenancy.services import create_tenant

    found = Tenant.objects.filter(slug=slug).first()
    return found or create_tenant(name=name, slug=slug, admin_email=admin_email, now=NOW)[0]


@pytest.fixture
def tenant(db: None) -> Any:
    """The tenant a test is about, with the default pack."""
    return ensure_tenant(**TENANT)


@pytest.fixture
def other_tenant(db: None) -> Any:
    """The tenant that must see nothing of it."""
    return ensure_tenant(**OTHER_TENANT)


@pytest.fixture
def in_tenant(tenant: Any, other_tenant: Any) -> Iterator[Any]:
    """Inside the scope of the tenant."""
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        yield tenant
